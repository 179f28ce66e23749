"""Verifiers that accept or refuse a draft, a file each: references beside the engine's own, which chooses a
token and then compares (docs/speculation.md). A verifier has the target's law p and the drafter's law q of
one position, both under the grammar's mask, and `draw(p, q, k, random)` returns a token whose law is p, and
whether it was a draft. None of them is used by the engine: their tokens differ from those of plain decoding.
"""

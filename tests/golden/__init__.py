"""Digests of what structgen answers, for a few hundred cases; `make golden` compares them with `digests.txt`.

docs/inside/testing.md says how to read a difference, and how to bless one that is meant.
"""

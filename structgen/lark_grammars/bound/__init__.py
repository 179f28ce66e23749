"""Lark grammars whose declared terminals are bound to other grammars.

`bound_lark` is the language; `bound_reading` reads its texts; `bound_proofs` decides whether an item can be
completed.
"""

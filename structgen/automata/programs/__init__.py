"""Patterns as programs: the instructions that the determiniser runs.

`program` compiles a tree to instructions and splits look-aheads off as formulas. `arena` says where the
arrays of the determiniser lie. `lookaround` runs the few patterns with look-arounds inside, in Python, and
`lookaround_removal` writes them as programs without.
"""

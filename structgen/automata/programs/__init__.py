"""Patterns as programs: nondeterministic automata whose instructions the determiniser runs.

What comes in: trees of regular expressions. What goes out: a `Program`, or a formula over programs.

`instructions` defines the instruction set, programs, and the cost of completing each instruction.
`thompson_construction` compiles a tree; leading look-aheads become a conjunction of programs.
`lookaround_elimination` rewrites the few programs with look-arounds inside. `determinizer_tables` describes
the arrays of the determiniser, which code in `formats` and `strings` shares.
"""

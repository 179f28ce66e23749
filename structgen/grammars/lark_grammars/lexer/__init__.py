"""Lark's contextual lexer as one automaton, determinised where it is asked for.

`instructions` makes threads of the patterns, `items_and_guards` follows them with their look-arounds,
`contextual_lexer` has the states and the ends with their carries, and `lexer_tables` shows them to compiled
code as growing arrays. `effort` counts the work of a call.

`newline_widths` finds which columns lark's indenter may see behind a newline.
"""

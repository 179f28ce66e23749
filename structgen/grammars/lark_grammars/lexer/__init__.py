"""Lark's contextual lexer as one automaton, whose states are made when they are needed.

What comes in: `ParserTables`. What goes out: numbers of states; for each the state after a byte, and the
terminals that the lexeme may become if it ends there, each with a *carry*: what the end demands of the text
after it. After the lexeme `ab` of NAME: /[a-z]+/ the carry says that no letter follows.

From the bottom: `instructions` makes threads of the patterns, `items_and_guards` follows them with their
look-arounds, `contextual_lexer` has the states and the ends with their carries, and `lexer_tables` shows them
to compiled code as growing arrays. `effort` counts the work of a call.

`newline_widths` finds which columns lark's indenter may see after a newline.
"""

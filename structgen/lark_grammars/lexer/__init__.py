"""lark's contextual lexer as an automaton.

`ordered_matching` matches as Python's re does: the first alternative, not the longest. `lexemes` determinises
all terminals of a context together; `lexeme_items`, `lexeme_rows` and `lexeme_ends` do this in compiled code.
`contextual_lexer` finds texts that lead to each terminal. `work_budget` bounds the work of a call.
"""

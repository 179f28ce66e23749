"""lark's LALR(1) parser over hash-consed stacks, and the slow reader of texts.

`lalr_parser` runs the table, with the stack of indentations of a post-lexer. `contextual_reader` runs lexer
and parser together, byte by byte: slow and simple. `dead_shifts` removes shifts after which no text can be
completed.
"""

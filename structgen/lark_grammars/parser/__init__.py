"""lark's LALR(1) parser over hash-consed stacks, and the slow reader of texts.

`lalr_parser` runs the table, with the stack of indentations of a post-lexer. `contextual_reader` reads a text
byte by byte with lexer and parser together: slow and obvious. `dead_shifts` removes shifts behind which no
text ends.
"""

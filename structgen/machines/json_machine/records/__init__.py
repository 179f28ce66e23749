"""Records of the tokens inside a string, a key, a numeral or white space, which grammars share.

Read `recorder` first: it looks a terminal up by its content, and installs a known record. Else it has the
vocabulary scanned, with the cells of `masks.terminal_lexer`, and `terminal_records` keeps the result.
`length_table` has the records of strings of which only the length is bounded. `string_tokens` divides a
vocabulary into tokens that stand for themselves in strings, and tokens with a quote or an escape.
"""

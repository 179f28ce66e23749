"""What tokens do inside a string, key, numeral or white space: records that grammars share.

`recorder` looks a terminal up by its content and installs what is known; else it has the vocabulary scanned,
by what `masks.terminal_lexer` says of bytes, and `terminal_records` keeps the result.

`string_tokens` divides a vocabulary into tokens that stand for themselves in strings, and those that close
or escape.
"""

"""What tokens do inside a string, key, numeral or white space: records of the mask store.

`recorder` looks a terminal up by its content and installs what is kept; else it has the vocabulary scanned,
by what `masks.terminal_lexer` says of bytes, and `terminal_masks` makes the result a record.
"""

"""What tokens do inside a string, key, numeral or white space: records of the mask store.

`recorder` looks a terminal up by its content and installs what is kept; else it has the vocabulary scanned.
`terminal_lexer` says what a byte does in a terminal, and `terminal_masks` makes the result a record.
"""

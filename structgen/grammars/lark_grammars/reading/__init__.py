"""A Lark grammar as the `lark` package builds it, read into frozen tables.

What comes in: the text of a grammar, with folders for its imports. What goes out: `ParserTables`, or
`PlainRules` for a grammar without a lexer.

`loaded_grammar` has the values, and is the file to read first: terminals, the lexer's contexts, parser
actions. `lark_loader` runs lark and reads its tables, `plain_rules` its rules alone. `loader_remarks` lists
the conflicts that lark resolved silently, and unused names.

`written_out` counts the rules of a grammar before lark writes them out: so a small text with huge rules ends
in a LimitError. For errors: `pattern_places` finds where a refused pattern stands, and `lark_cures` guesses
how to mend a grammar.
"""

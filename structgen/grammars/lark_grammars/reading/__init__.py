"""A Lark grammar as the `lark` package builds it, read into frozen tables.

`lark_loader` runs lark. `loaded_grammar` has the values: terminals, the lexer's contexts, parser actions.
`loader_remarks` lists what lark resolved silently. `plain_rules` is the grammar without a lexer.

`written_out` counts what a grammar comes to before lark writes it out. For errors: `pattern_places` finds
where a refused pattern stands, `lark_cures` says what was probably meant.
"""

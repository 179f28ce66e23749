"""A Lark grammar as the `lark` package builds it, read into frozen tables.

`lark_loader` runs lark; `loaded_grammar` are the values: terminals, the lexer's contexts, parser actions.
`loader_remarks` says what lark resolved in silence. `plain_rules` is the grammar without a lexer.
`endless_reductions` makes reductions that never end errors of the table.
"""

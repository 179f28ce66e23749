"""Lark grammars in files: what lark built, states that were met, and their masks.

`kept_grammars` keeps what lark made of a grammar, so that lark need not be loaded again. `state_snapshot` and
`kept_masks` keep states and masks. `lark_table_checks` and `lark_file_checks` check every number that is
read.
"""

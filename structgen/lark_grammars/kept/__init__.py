"""Lark grammars in the cache folder: what lark built, states that were met, and their masks.

`kept_grammars` caches what lark made of a grammar's text, so that lark need not be loaded again. A compiled
grammar is a snapshot: `state_snapshot` has the states whose masks are known, and `kept_masks` reads those
masks group by group, when they are asked for. `lark_file_checks` and the compiled `lark_table_checks` hold
every number to its range before compiled code follows it.
"""

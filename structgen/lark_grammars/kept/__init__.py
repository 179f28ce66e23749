"""Lark grammars in the cache folder: lark's tables, known states, and their masks.

`kept_grammars` caches the tables that lark builds for a grammar's text, so that lark need not be imported
again. A compiled grammar is stored as a snapshot: `state_snapshot` has the states whose masks are known, and
`kept_masks` reads those masks on demand, group by group. No number is checked: a file of this user with a
right checksum is trusted (docs/cache.md).
"""

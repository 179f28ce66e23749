"""The tables of a compiled grammar as plain arrays for a file, and checked when read again.

`table_snapshot` writes and reads them; `token_list_merging` stores equal lists of tokens once; `table_checks`
and `snapshot_checks` make sure that no number leads outside its array.
"""

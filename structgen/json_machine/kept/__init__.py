"""The tables of a compiled schema as a snapshot: plain arrays for a file.

What comes in: the tables of a machine that has answered questions. What goes out: arrays by name, and tables
again. `table_snapshot` takes and restores a snapshot; `token_list_merging` writes equal lists of tokens once;
`snapshot_checks` and the compiled `table_checks` hold every number to its range before compiled code follows
it.
"""

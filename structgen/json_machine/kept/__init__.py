"""The tables of a compiled grammar as plain arrays for a file, and checked when read again.

`table_image` writes and reads them; `token_list_merging` stores equal lists of tokens once; `table_checks`
and `image_checks` make sure that no number leads outside its array.
"""

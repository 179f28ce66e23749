"""The tables of a compiled schema as an image: plain arrays for a file.

What comes in: the tables of a machine that has answered questions. What goes out: arrays by name, and tables
again. `table_image` takes an image and makes it tables again; `kept_automata` has the part of an automaton
that is known; `token_list_merging` writes equal lists of tokens once. `states_again` reaches the states of an
image in new tables, where the image does not do. No number is checked: a file of this user with a right
checksum is trusted (docs/cache.md).
"""

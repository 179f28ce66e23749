"""What tokens do inside a string, key or numeral: records of the mask store.

`recorder` looks a state up by its content and installs what is kept; else `terminal_walks` walks the trie and
`terminal_masks` puts the result into the store. `walk_removed` and `lost_tokens` tell a state by
the few tokens it takes less than a state that is known already.
"""

"""The mask of a state, and steps over bytes: the entry points that Python calls.

`mask_filling` collects a mask and remembers it in the state's row. It walks subtrees of the vocabulary's trie
(`trie_walk`), and closes terminals. Their records are scanned (`records`): `terminal_lexer` says what a byte
does in them, and what a scan takes whole. `bound_noting` notes how many tokens a document
still needs. `state_walk` has the step of one byte, for all that reads texts (`token_steps`).
"""

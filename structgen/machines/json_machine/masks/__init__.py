"""The mask of a state, and steps over bytes: the entry points that Python calls.

Read `mask_filling` first: it collects a mask and remembers it in the state's row. It walks subtrees of the
vocabulary's trie (`trie_walk`), and closes terminals. The records of terminals come from scans (`records`),
in which `terminal_lexer` says where a byte leads, and which subtrees are taken whole. `bound_noting` notes
how many tokens a document still needs. `state_walk` has the step of one byte, with which `token_steps` reads
texts.
"""

"""The mask of a state, and steps over whole tokens: the entry points that Python calls.

`mask_filling` collects a mask and remembers it in the state's row. It walks subtrees of the vocabulary's trie
(`trie_walk`), and closes terminals, whose records are scanned (`records`; `safe_classes` says what a scan takes
whole). `bound_noting` notes how many tokens a document still needs. `state_walk` takes tokens and bytes. `draft_nodes` and `draft_batch` do so for draft
trees. `settle_costs` finds the fewest tokens that write a text.
"""

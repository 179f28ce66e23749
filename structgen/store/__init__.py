"""Masks and tables that outlive a process: the mask store, and the files of compiled grammars.

What comes in: records of what tokens do in a state. What goes out: the same records, in any later process.

1. `mask_store.MaskStore` keeps what tokens do inside a string, a key or a numeral. Its key is the content of
   the automaton's state, so grammars share it. `terminal_records` says what one record holds.
2. `segment_files` are the files of a store: segments that are written once and never changed.
3. `grammar_files` are the files of whole compiled grammars: one for each grammar and vocabulary.
4. Every name holds the digest of our sources, and every array is checked before it is used.
"""

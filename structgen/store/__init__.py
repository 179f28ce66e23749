"""Masks and compiled grammars that outlive a process.

What comes in: records of what tokens do in a state of an automaton, and compiled grammars. What goes out: the
same, in any later process.

1. `mask_store.MaskStore` caches what tokens do inside a string, a key or a numeral. The name of a record is
   the content of the automaton's state, so grammars share records. `terminal_records` defines a record.
2. `segment_files` are the files of records: written once, never changed, merged when there are many.
3. `grammar_files` are the entries of compiled grammars, one for each grammar and vocabulary. A grammar is
   encoded and written by a thread, some time after it was dropped, or when the process ends.
4. The format of every file, its keys and its eviction: `native.array_file` and `native.cache_entries`.
"""

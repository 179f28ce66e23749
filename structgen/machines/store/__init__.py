"""What all grammars of a process share, and Lark grammars that outlive it.

What comes in: records of what tokens do in a state of an automaton, and compiled grammars. What goes out: the
same, for any later grammar.

1. `mask_store.MaskStore` keeps in memory what tokens do inside a string, a key or a numeral. The name of a
   record is the content of the automaton's state, so grammars share records. `terminal_records` defines a
   record.
2. `recent_grammars` finds a compiled JSON Schema again that was asked for shortly before.
3. The format of every file, its keys and its eviction: `native.array_file` and `native.cache_entries`.
"""

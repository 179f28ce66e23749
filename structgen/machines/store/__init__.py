"""The memory that all grammars of a process share, and the files of Lark grammars that outlive it.

A grammar puts in records of what tokens do in a state of an automaton, and itself. Any later grammar with the
same automaton state gets the record, and whoever compiles the same schema again gets the grammar. Read
`mask_store` first.

1. `mask_store.MaskStore` keeps in memory what tokens do inside a string, a key or a numeral. The name of a
   record is the content of the automaton's state, so grammars share records. `terminal_records` defines a
   record.
2. `recent_grammars` finds a compiled JSON Schema again that was asked for shortly before.
3. The format of every file, its keys and its eviction: `native.array_file` and `native.cache_entries`.
"""

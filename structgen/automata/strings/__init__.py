"""String automata: lazy subset construction over UTF-8.

What comes in: a `Spec`, that is formulas over patterns, formats, lengths and words. What goes out: a start
state, and a row of transitions for each state that is asked for.

`string_pool.StringPool` is the entrance. `boolean_formulas` turns formulas into Boolean trees over numbered
atoms. `subset_construction` (compiled) steps sets of threads with counters; `determinizer` (compiled) makes
states and their rows, decides which states are live, and searches shortest completions. Three special cases:
`implicit_states` for formats whose automaton has about as many states as texts, `banned_texts` for texts that
must not occur (Aho and Corasick), `conjunction_completion` for the completion of many patterns at once.
"""

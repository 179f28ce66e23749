"""String automata: lazy subset construction over UTF-8.

What comes in: a `Spec`, that is formulas over patterns, formats, lengths and words. What goes out: a start
state, and a row of transitions for each state that is asked for.

`string_pool.StringPool` is the entrance; its memory is `string_memory`. `boolean_formulas` turns formulas
into Boolean trees over numbered atoms, and `spec_loading` puts them into the memory. Then compiled code
answers, through `determinizer`: `subset_construction` steps sets of threads with counters, `formula_truths`
says which demands a set meets, `nodes` makes a set and a length a node, `node_searches` decides which nodes
are live and finds completions, guided by `remaining_bytes`, and `byte_rows` makes rows of bytes.
`node_completions` chooses the search. Two special cases: `implicit_states` for formats whose automaton has
about as many states as texts, `banned_texts` for texts that must not occur (Aho and Corasick).
"""

"""String automata: lazy subset construction over UTF-8.

`string_pool.StringPool` gives each formula a start state and each state its row of transitions. `thread_sets`
is the compiled subset construction over threads with counters; `determinizer` makes rows and searches the
shortest accepted rest; `formula_trees` judges a formula by which of its atoms accept; `stepper_states`
numbers the states of formats that are recognised by code; `banned_texts` is the automaton of texts that must
not occur (Aho and Corasick); `conjoined_rests` ends a string that must meet many things.
"""

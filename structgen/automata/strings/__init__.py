"""String automata, made whole when a spec is started.

What comes in: a `Spec`, that is formulas over patterns, formats, lengths and words. What goes out: a start
state, and rows of transitions over bytes for every state behind it.

`string_pool.StringPool` is the entrance, an `automaton_pool` of one grammar. `formula_automata` makes the
automaton of a formula: of a pattern by Thompson's construction (`threads`; `patterns`, where look-arounds are
duties), over classes of characters (`alphabets`); of texts that must be found by Aho and Corasick
(`found_texts`); of lengths (`lengths`; `length_phases`, where they are long). Products join them, and the
result is minimal (`automata`). `utf8_rows` writes rows of bytes, `completions` finds the shortest rests,
`kernels` has the compiled loops. `held_automata` keeps what a process met last, by content.

`live_strings` are texts of grammars, whose states are made as texts reach them; `banned_patterns` is one
expression for all banned texts.
"""

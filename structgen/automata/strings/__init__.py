"""String automata: each is made as a whole when its specification is started.

A *formula* is a condition on one string, built with not, and, or from patterns, formats, lengths and words.
A *demand* is one formula of a specification; a `Spec` holds several demands on one string. The *outcome* of a
finished string is the set of demands that it meets. With the demands `^a` and `b$`, the outcome of "ab" is
{0, 1}, and that of "ac" is {0}. A *class* is a set of characters that an automaton does not tell apart.

The input is a `Spec`. The output is a start state, and for each state that it leads to a row of transitions
over bytes.

- `string_pool.StringPool` is the entrance: the automata of one grammar (`automaton_pool` is its base class).
- `formula_automata` makes the automaton of a formula. It calls `patterns` for patterns (Thompson's
  construction in `threads`), `found_texts` for texts to be found (Aho and Corasick), `lengths` for lengths.
- `length_phases` counts long lengths outside the automaton.
- `automata` joins automata by products and makes them minimal. `alphabets` divides characters into classes.
- `utf8_rows` turns transitions over characters into rows over bytes. `completions` finds shortest rests.
- `kernels` has the compiled loops. `held_automata` keeps the automata that a process used last.
- `live_strings` reads strings that are texts of grammars; their states are made when a text reaches them.
- `banned_patterns` writes one regular expression for all banned texts.
"""

"""Automata over bytes for the strings and the numbers of a grammar.

A *formula* is a condition on one string or number, built from patterns, formats, lengths, words and intervals
(`structgen.base.language.ir`). For example, `{"pattern": "^a", "maxLength": 3}` is the formula `^a` and a
length. From formulas, this package makes a deterministic, minimal automaton, when they are first needed. It
returns numbered states, their transitions over bytes, and the shortest text that completes each state.

- `regex` reads patterns into syntax trees. `formats` has the patterns of the formats of JSON Schema.
- `strings` makes automata of trees: nondeterministic ones (Thompson's construction), then deterministic ones
  (subset construction). It joins them by products and makes the result minimal.
- `numbers` makes the automata of numerals by arithmetic, and joins them as `strings` does.
- `unicode` has sets of code points, and the bytes of characters.

Counted repetitions such as `{3,500}` are written out as copies; lengths (`maxLength`) are counted. Only
states from which some text is accepted are kept.
"""

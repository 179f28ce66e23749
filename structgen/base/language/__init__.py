"""The values that stand for a language before a tokenizer or a machine is chosen.

What comes in: nothing; these are frozen values. What goes out: the vocabulary in which rooms talk.

1. `ir` is the intermediate representation of JSON languages: formulas over strings and numbers, the menus of
   objects and arrays, and `Network`, the protocol that a schema implements and the JSON machine asks.
2. `remarks` is what the reader of a grammar did with it in silence.
3. `checks` are of options, `shapes` of JSON objects that others hand in.
4. `graphs` finds what the edges of a graph tie together, `best_first` has the open states of a search,
   `remembering` the answers of a method.

`number_ranges` are sets of numbers that are made of ranges, `numbered` values as numbers, `expectation` is
one thing that may come next.
"""

"""The values that stand for a language before a tokenizer or a machine is chosen.

What comes in: nothing; these are frozen values. What goes out: the vocabulary in which rooms talk.

1. `grammar.Grammar` is what a user holds and passes to `structgen.compile`.
2. `ir` is the intermediate representation of JSON languages: formulas over strings and numbers, the menus of
   objects and arrays, and `Network`, the protocol that a schema implements and the JSON machine asks.
3. `remarks` is what the reader of a grammar did with it in silence.
4. `checks` and `exclusions` are of options, `shapes` of JSON objects that others hand in.
5. `graphs` finds what the edges of a graph tie together, `best_first` has the open states of a search,
   `remembering` the answers of a method.
"""

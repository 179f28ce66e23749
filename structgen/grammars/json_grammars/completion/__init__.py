"""Finds completions: the shortest text that ends a document, and the number of tokens that it takes.

After `{"a` a completion may be `":0}`. `shortest_completion` finds it: it takes the rest of the innermost
value and adds what each container around it needs. `string_rests` completes strings and keys.
`obligatory_space` adds the white space that a policy demands, and `shortest_texts` compares two texts.

`token_costs` counts the tokens of completions (`tokens_to_finish`, `budget=`). `token_bounds` bounds the
tokens that are needed without counting them. `machine_core.text_costs` counts
the tokens of a text, and `core.token_counts` has the questions about counts, for all kinds of grammars.

`begun_values` decides whether an unfinished item may become a value on which the rest of its array depends.
`next_characters` finds the few characters that tell all continuations of a string apart.
"""

from structgen.grammars.json_grammars.completion.token_costs import Completer

__all__ = ["Completer"]

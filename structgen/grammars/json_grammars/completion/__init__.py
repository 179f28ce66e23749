"""Completions: the shortest text that ends a document, and the tokens that it takes.

`token_costs` counts the tokens (`tokens_to_finish`, `budget=`) over what `shortest_completion` finds: the
rest of the innermost value from the network and the automata, folded outwards; `string_rests` knows strings
and keys, `obligatory_space` the white space that a policy demands, `shortest_texts` which of two texts is
less. `token_bounds` bounds the tokens that are needed without counting them. `machine_core.text_costs` counts
the tokens of a text, and `core.token_counts` has the questions about counts, for all kinds of grammars.

`begun_values` asks whether a begun item may become a value on which the rest of its array depends;
`next_characters` has the few characters that tell all continuations of a string apart.
"""

from structgen.grammars.json_grammars.completion.token_costs import Completer

__all__ = ["Completer"]

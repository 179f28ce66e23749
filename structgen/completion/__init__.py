"""Completions: the shortest text that ends a document, and the tokens that it takes.

`costs` counts the tokens (`tokens_to_finish`, `budget=`) over what `shortest` finds: the rest of the
innermost value from the network and the automata, folded outwards; `quoted` knows strings and keys, `spacing`
the white space that a policy makes obligatory, `texts` which text is less.
"""

from structgen.completion.costs import Completer

__all__ = ["Completer"]

"""Model rows: the next-token logits after a prompt and a prefix.

Samplers count their cost in model rows: the logits after one prefix. `FunctionRows` calls a function of the
caller's; `ModelRows` (`speculation.drafts.model_rows`) a model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from structgen.base.errors import OptionError
from structgen.decoding.speculation.drafts.model_rows import Floats, ModelRows, Tokens, as_float64


class RunOver(KeyboardInterrupt):
    """Raised between two calls of a function when its run is over, which has noted why. A method handles it
    like Ctrl-C: it returns what is known."""


class FunctionRows:
    """Rows of a function `next_logprobs(ids)`, called once for each prefix.

    `ids` are the tokens of prompt and prefix. The function returns one real number (a log-probability or a
    logit) for each token of the vocabulary: a list, a numpy array or a torch tensor. It may return more, for
    ids without a token. Errors of the function reach the caller.
    """

    def __init__(
        self, function: Callable[[list[int]], Any], prompt: Sequence[int], vocab_size: int, name: str
    ) -> None:
        self.name = name
        self.count = 0
        self.reread = 0
        self._function = function
        self._prompt = list(prompt)
        self._vocab_size = vocab_size
        self.is_over: Callable[[], bool] = lambda: False
        """Asked before each call of the function, which may be slow: a read may need thousands of calls."""

    def read(self, prefixes: Sequence[Tokens]) -> list[Floats]:
        """Return the function's rows. Raises OptionError if one is no row of the vocabulary, and RunOver when
        `is_over()`."""
        rows = {}
        # Each prefix once, in order: two particles may stand at one prefix.
        for prefix in dict.fromkeys(prefixes):
            if self.is_over():
                raise RunOver
            self.count += 1
            answer = self._function([*self._prompt, *prefix])
            rows[prefix] = self._check_row(answer)
        return [rows[prefix] for prefix in prefixes]

    def _check_row(self, answer: Any) -> Floats:
        """Return a copy of the function's result: it may reuse its array."""
        try:
            # A torch tensor may be on another device, need a gradient, or have a dtype that numpy lacks.
            is_tensor = hasattr(answer, "detach")
            array = np.asarray(as_float64(answer) if is_tensor else answer)
        except (TypeError, ValueError) as error:
            raise self._row_error(f"a value that is not an array ({error})") from error
        if array.dtype.kind not in "fiu":
            raise self._row_error(f"an array of dtype {array.dtype}")
        if array.ndim != 1 or len(array) < self._vocab_size:
            raise self._row_error(f"an array of shape {array.shape}")
        return np.array(array, np.float64)

    def _row_error(self, fault: str) -> OptionError:
        """Return the error of a function that returned no row."""
        return OptionError(
            f"The function returned {fault}.",
            where="model",
            cure=f"Return one real number for each of the {self._vocab_size:,} tokens.",
        )


PrefixRows: TypeAlias = ModelRows | FunctionRows
"""A source of rows. `read` returns them after the prompt and each prefix, float64 [V]. `count`: how many it
has read, distinct prefixes of each call; the prompt's is one. `reread`: positions that were read once more,
without being asked for, because their caches had been dropped. `name` tells the model from others."""

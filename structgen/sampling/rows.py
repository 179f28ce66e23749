"""Model rows: the next-token logits behind a prompt and each of some prefixes.

A model row is the unit in which samplers count their cost: one position of one text, read by the model.
`Rows` is the protocol; `FunctionRows` asks a function of the caller's, `ModelRows` a model of the engine,
whose caches of keys and values it keeps for the prefixes that were read last.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from structgen.errors import OptionError

if TYPE_CHECKING:
    from structgen.engine.models import Model

Floats = npt.NDArray[np.float64]


class Rows(Protocol):
    """Whatever gives logits behind prefixes."""

    name: str
    """What tells this model from others, for the fingerprint of a prefix tree."""
    count: int
    """Model rows read so far."""

    def read(self, prefixes: Sequence[tuple[int, ...]]) -> list[Floats]:
        """Return logits, or log-probabilities, float64 [V], behind the prompt and each prefix."""
        ...


class FunctionRows:
    """Rows of a function `next_logprobs(ids) -> float array [V]`, asked once for each prefix.

    `ids` are the prompt's tokens and the prefix's. Log-probabilities and logits both serve.
    """

    def __init__(
        self, function: Callable[[list[int]], Any], prompt: Sequence[int], vocab_size: int, name: str
    ) -> None:
        self.name, self.count = name, 0
        self._function, self._prompt, self._vocab_size = function, list(prompt), vocab_size

    def read(self, prefixes: Sequence[tuple[int, ...]]) -> list[Floats]:
        """Return what the function says. Raises OptionError where it is no row of the vocabulary."""
        found = []
        for prefix in prefixes:
            row = np.asarray(self._function([*self._prompt, *prefix]), np.float64)
            if row.ndim != 1 or len(row) < self._vocab_size:
                raise OptionError(
                    f"The function returned an array of shape {row.shape}.",
                    where="model",
                    cure=f"Return one number for each of the {self._vocab_size:,} tokens.",
                )
            found.append(row)
        self.count += len(prefixes)
        return found


class ModelRows:
    """Rows of a model of the engine. The prompt is read once; its cache is shared by all prefixes.

    Caches are kept for the `room` prefixes that were read last, so that a prefix with one more token takes
    one decoding step. Where the cache of a prefix's parent is gone, the prompt's is copied and the whole
    prefix read.
    """

    def __init__(self, model: Model, prompt: Sequence[int], name: str, room: int = 256) -> None:
        self.name, self.count = name, 0
        self._model, self._prompt, self._room = model, list(prompt), room
        self._first: tuple[Floats, Any] | None = None
        self._caches: OrderedDict[tuple[int, ...], Any] = OrderedDict()

    def read(self, prefixes: Sequence[tuple[int, ...]]) -> list[Floats]:
        """Return the logits behind each prefix; prefixes that have one more token than one read before go
        through one forward pass together."""
        found: dict[tuple[int, ...], Floats] = {}
        wanted = list(dict.fromkeys(prefixes))
        self.count += len(prefixes)
        ready = {prefix: cache for prefix in wanted if prefix and (cache := self._parent(prefix)) is not None}
        for prefix in wanted:
            if not prefix:
                found[prefix] = self._root()[0]
            elif prefix not in ready:
                logits, cache = self._model.prefill([*self._prompt, *prefix])
                found[prefix] = _numbers(logits)
                self._keep(prefix, cache)
        if ready:
            logits = self._model.decode([prefix[-1] for prefix in ready], list(ready.values()))
            for prefix, row in zip(ready, logits, strict=True):
                found[prefix] = _numbers(row)
                self._keep(prefix, ready[prefix])
        return [found[prefix] for prefix in prefixes]

    def _root(self) -> tuple[Floats, Any]:
        if self._first is None:
            logits, cache = self._model.prefill(self._prompt)
            self._first = _numbers(logits), cache
        return self._first

    def _parent(self, prefix: tuple[int, ...]) -> Any:
        """Return a copy of the cache of a prefix's parent, or None where it is gone."""
        cache = self._root()[1] if len(prefix) == 1 else self._caches.get(prefix[:-1])
        return None if cache is None else cache.copy()

    def _keep(self, prefix: tuple[int, ...], cache: Any) -> None:
        self._caches[prefix] = cache
        self._caches.move_to_end(prefix)
        while len(self._caches) > self._room:
            self._caches.popitem(last=False)


def _numbers(logits: Any) -> Floats:
    """Return a tensor's numbers as float64 on the CPU."""
    found: Floats = logits.detach().to("cpu").double().numpy()
    return found

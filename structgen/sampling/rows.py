"""Model rows: the next-token logits after a prompt and each of some prefixes.

A model row is the unit in which samplers count their cost: the logits after one prefix. `Rows` is the
protocol; `FunctionRows` asks a function of the caller's, `ModelRows` a model of the engine, whose caches of
keys and values it keeps for the prefixes that were read last.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from structgen.errors import OptionError

if TYPE_CHECKING:
    from structgen.engine.model_protocol import Model

Floats = npt.NDArray[np.float64]
Tokens = tuple[int, ...]

CACHED: Final = 1 << 30
"""Bytes of keys and values that `ModelRows` keeps between two calls."""
PASS: Final = 1 << 28
"""Bytes of float64 logits that come out of one forward pass of `ModelRows`."""


class PrefixRows(Protocol):
    """Whatever gives logits after prefixes."""

    name: str
    """What tells this model from others, for the fingerprint of a prefix tree."""
    count: int
    """Model rows so far: the prefixes that were asked for, each once a call. The prompt's read is one row."""
    reread: int
    """Positions that nobody asked for, and that were read once more because their keys and values were no
    longer kept."""

    def read(self, prefixes: Sequence[Tokens]) -> list[Floats]:
        """Return logits, or log-probabilities, float64 [V], after the prompt and each prefix."""
        ...


class RunOver(KeyboardInterrupt):
    """Raised between two calls of a function once its run is over. A method treats it as it treats Ctrl-C: it
    returns what is known."""


class FunctionRows:
    """Rows of a function `next_logprobs(ids)`, asked once for each prefix.

    `ids` are the prompt's tokens and the prefix's. The function returns one real number for each token of the
    vocabulary, and possibly some more for ids that no token has: a list, an array of numpy or a tensor of
    torch, of log-probabilities or of logits. What the function raises, the caller gets.
    """

    def __init__(
        self, function: Callable[[list[int]], Any], prompt: Sequence[int], vocab_size: int, name: str
    ) -> None:
        self.name, self.count, self.reread = name, 0, 0
        self._function, self._prompt, self._vocab_size = function, list(prompt), vocab_size
        self.is_over: Callable[[], bool] = lambda: False
        """Asked before each call of the function, which may be slow: a read may have thousands of calls."""

    def read(self, prefixes: Sequence[Tokens]) -> list[Floats]:
        """Return what the function says. Raises OptionError where it is no row of the vocabulary, and RunOver
        where `is_over` says so."""
        found = {}
        for prefix in dict.fromkeys(prefixes):
            if self.is_over():
                raise RunOver
            self.count += 1
            found[prefix] = self._row(self._function([*self._prompt, *prefix]))
        return [found[prefix] for prefix in prefixes]

    def _row(self, said: Any) -> Floats:
        """Return a copy of what the function said: it may use its array again."""
        try:
            # A tensor of torch may be on another device, need a gradient, or be of a kind that numpy lacks.
            given = np.asarray(_numbers(said) if hasattr(said, "detach") else said)
        except (TypeError, ValueError) as error:
            raise self._refused(f"something that is no array ({error})") from error
        if given.dtype.kind not in "fiu":
            raise self._refused(f"an array of dtype {given.dtype}")
        if given.ndim != 1 or len(given) < self._vocab_size:
            raise self._refused(f"an array of shape {given.shape}")
        return np.array(given, np.float64)

    def _refused(self, what: str) -> OptionError:
        return OptionError(
            f"The function returned {what}.",
            where="model",
            cure=f"Return one real number for each of the {self._vocab_size:,} tokens.",
        )


class _Kept(NamedTuple):
    """The cache of a prefix, and the bytes that it takes besides the prompt's."""

    cache: Any
    nbytes: int


class ModelRows:
    """Rows of a model of the engine. The prompt is read once, and the cache of each prefix begins as a copy
    of the prompt's; a model whose caches share memory (`PagedCache`) holds the prompt's keys once.

    The caches of prefixes are kept, those that were used last, up to `most` bytes; `least` of them are kept
    whatever they take. So a prefix with one more token than one that was read before takes one decoding step.
    Where the cache of a prefix's parent is gone, the tokens after its nearest ancestor whose cache is kept
    (in the end the prompt) are read once more, which `reread` counts.

    A call may hold as much again as is kept: the caches that it begins with are there until it ends.
    """

    def __init__(
        self,
        model: Model,
        prompt: Sequence[int],
        name: str,
        *,
        most: int = CACHED,
        least: int = 64,
        begun: tuple[Any, Any] | None = None,
    ) -> None:
        """`begun`: what the model's `prefill` returned for the prompt, where it was read before."""
        self.name, self.count, self.reread = name, 0, 0
        self._model, self._prompt, self._most, self._least = model, list(prompt), most, least
        self._root: tuple[Floats, Any] | None = None if begun is None else (_numbers(begun[0]), begun[1])
        self._kept: OrderedDict[Tokens, _Kept] = OrderedDict()
        self._largest = 1
        self.nbytes = 0
        """Bytes of the caches that are kept, the prompt's left out."""

    def read(self, prefixes: Sequence[Tokens]) -> list[Floats]:
        """Return the logits after each prefix.

        Prefixes that have one more token than one whose cache is kept go through one forward pass together;
        those that lack d tokens take d passes, all such prefixes together. A pass has as many rows as give
        `PASS` bytes of logits, and as many as have caches of `most` bytes, but always `least`.
        """
        wanted = dict.fromkeys(prefixes)
        self.count += len(wanted)
        found: dict[Tokens, Floats] = {}
        if () in wanted:
            found[()] = self._first()[0]
        caches, rounds = self._planned([prefix for prefix in wanted if prefix])
        self.reread += sum(map(len, rounds)) - sum(map(bool, wanted))
        for number, together in enumerate(rounds):
            later = {prefix[:-1] for prefix in rounds[number + 1]} if number + 1 < len(rounds) else set()
            rows = self._rows_of_pass()
            for begin in range(0, len(together), rows):
                part = together[begin : begin + rows]
                fresh = [caches[prefix[:-1]].copy() for prefix in part]
                logits = self._model.decode([prefix[-1] for prefix in part], fresh)
                asked = [at for at, prefix in enumerate(part) if prefix in wanted]
                # Rows that nobody asked for are not copied off the device.
                numbers = _numbers(logits if len(asked) == len(part) else logits[asked])
                found.update((part[at], row) for at, row in zip(asked, numbers, strict=True))
                for prefix, cache in zip(part, fresh, strict=True):
                    if prefix in later:
                        caches[prefix] = cache
                    self._keep(prefix, cache)
        return [found[prefix] for prefix in prefixes]

    def _first(self) -> tuple[Floats, Any]:
        """Return the logits after the prompt, and its cache."""
        if self._root is None:
            logits, cache = self._model.prefill(self._prompt)
            self._root = _numbers(logits), cache
        return self._root

    def _planned(self, prefixes: Sequence[Tokens]) -> tuple[dict[Tokens, Any], list[list[Tokens]]]:
        """Return the caches to begin with, and what is to be read in each pass: first what goes on from one
        of these caches, then what goes on from the first pass, and so on."""
        caches: dict[Tokens, Any] = {}
        rounds: list[dict[Tokens, None]] = []
        for prefix in prefixes:
            begin = len(prefix) - 1
            while begin and prefix[:begin] not in self._kept:
                begin -= 1
            start = prefix[:begin]
            if start:
                self._kept.move_to_end(start)
                caches[start] = self._kept[start].cache
            else:
                caches[start] = self._first()[1]
            while len(rounds) < len(prefix) - begin:
                rounds.append({})
            for end in range(begin + 1, len(prefix) + 1):
                rounds[end - begin - 1][prefix[:end]] = None
        return caches, [list(together) for together in rounds]

    def _rows_of_pass(self) -> int:
        """Return how many rows one forward pass may have."""
        largest = max(self._largest, self._own_bytes(self._first()[1]))
        of_memory = max(self._most // largest, self._least)
        return max(1, min(of_memory, PASS // (8 * self._model.vocab_size)))

    def _keep(self, prefix: Tokens, cache: Any) -> None:
        """Keep a cache, and forget those that were used least recently where there are too many bytes."""
        before = self._kept.pop(prefix, None)
        nbytes = self._own_bytes(cache)
        self._kept[prefix] = _Kept(cache, nbytes)
        self._largest = max(self._largest, nbytes)
        self.nbytes += nbytes - (before.nbytes if before else 0)
        while self.nbytes > self._most and len(self._kept) > self._least:
            _, gone = self._kept.popitem(last=False)
            self.nbytes -= gone.nbytes

    def _own_bytes(self, cache: Any) -> int:
        """Return the bytes that a cache holds besides the prompt's."""
        if hasattr(cache, "nbytes_beside"):
            return int(cache.nbytes_beside(self._first()[1]))
        return int(cache.nbytes)


def _numbers(logits: Any) -> Floats:
    """Return a tensor's numbers as float64 on the CPU."""
    found: Floats = logits.detach().to("cpu").double().numpy()
    return found

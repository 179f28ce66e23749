"""`SwitchedModels`: a small model writes, and a large one where the small one is unsure (EAD: Simonds,
"Entropy Adaptive Decoding: Dynamic Model Switching for Efficient Inference", 2025).

The model in charge gives the law of the next token. After at least `least_tokens` tokens with one model, the
mean entropy H = -sum p log2 p of its laws, over the last `window` tokens, decides: above `tau` bits the large
model is in charge, else the small one. A model that comes back reads the tokens that it missed.

Under a grammar the entropy is that of the law among the allowed tokens, and a token without an alternative
does not count: else a model would pass for sure where the grammar decides. A model knows no mask, so texts
are written with the strategy `listener`, which tells the model. Without it, as for samplers and the branches
of a search, the entropy is that of the whole law. After an interrupt the text is read again as a prompt is,
by the small model.

Speculation keeps all of the large model's quality; switching trades some of it for time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import numpy as np
import torch
from torch import Tensor

import structgen as sg
from structgen.strategies import Narrowing, NarrowingState

Heard: TypeAlias = dict[tuple[int, ...], float | None]
"""By the tokens of prompt and text, the entropy (bits) of the law of the next one; None: it is forced."""


class SwitchedModels:
    """A model of two models with one tokenizer: `sg.Engine(SwitchedModels(small, large))`."""

    def __init__(
        self, small: sg.Engine, large: sg.Engine, *, tau: float = 1.0, window: int = 5, least_tokens: int = 3
    ) -> None:
        """`tau`: bits; infinity is the small model, a number below 0 the large one. The defaults are ours.

        Raises OptionError for models with different tokenizers.
        """
        self.tau, self.window, self.least_tokens = tau, window, least_tokens
        self._small, self._large = small.model, large.model
        self.tokenizer, self.asked_as = large.tokenizer, large.name
        if small.tokenizer != large.tokenizer:
            raise sg.errors.OptionError(
                f"They have different tokenizers: {small.tokenizer!r} and {large.tokenizer!r}.",
                where="large",
                cure="Give models that were trained with one tokenizer; FusedModels joins others.",
            )
        self.counts = [0, 0]
        """How many rows the small and the large model gave."""
        self._heard: Heard = {}

    @property
    def listener(self) -> Listener:
        """The strategy of texts under a grammar."""
        return Listener(self._heard)

    @property
    def vocab_size(self) -> int:
        """Width of the logits: that of the narrower model."""
        return min(self._small.vocab_size, self._large.vocab_size)

    @property
    def context(self) -> int:
        """The most tokens of a text, for both models."""
        return min(self._small.context, self._large.context)

    def prefill(self, tokens: Sequence[int]) -> tuple[Tensor, SwitchedCache]:
        """Return the logits [V] after a prompt, and its cache. The small model is in charge, unless `tau` is
        below 0."""
        cache = SwitchedCache(list(tokens), self.tau < 0, self.window, self.least_tokens)
        return self._row(cache), cache

    def decode(self, tokens: Sequence[int], caches: Sequence[SwitchedCache]) -> Tensor:
        """Return the logits [rows, V] after one more token of each text, each of the model in charge. The
        rows of a model that have read all but this token share a pass."""
        for token, cache in zip(tokens, caches, strict=True):
            cache.take(token, self.tau, self.least_tokens, self._heard)
        rows: list[Tensor | None] = [None] * len(caches)
        for which, model in enumerate((self._small, self._large)):
            ready = [at for at, one in enumerate(caches) if one.in_charge == which and one.lag(which) == 1]
            if ready:
                own = [caches[at] for at in ready]
                logits = model.decode([one.tokens[-1] for one in own], [one.parts[which] for one in own])
                for at, row in zip(ready, logits, strict=True):
                    rows[at] = self._noted(caches[at], row)
        found = [self._row(cache) if row is None else row for row, cache in zip(rows, caches, strict=True)]
        return torch.stack(found)

    def _row(self, cache: SwitchedCache) -> Tensor:
        """Return the logits of the model in charge, which reads what it missed."""
        which = int(cache.in_charge)
        model: Any = self._large if which else self._small
        if cache.parts[which] is None:
            logits, cache.parts[which] = model.prefill(cache.tokens)
        else:
            logits = _read_on(model, cache.tokens[cache.read[which] :], cache.parts[which])
        return self._noted(cache, logits)

    def _noted(self, cache: SwitchedCache, logits: Tensor) -> Tensor:
        which = int(cache.in_charge)
        cache.read[which] = len(cache.tokens)
        self.counts[which] += 1
        cache.row = logits[: self.vocab_size]
        return cache.row


class SwitchedCache:
    """What both models have read of a text, and which one is in charge."""

    def __init__(self, tokens: list[int], in_charge: bool, window: int, since: int) -> None:
        self.tokens, self.in_charge = tokens, in_charge
        """Whether the large model is in charge."""
        self.parts: list[Any] = [None, None]
        """The caches of the small and of the large model; None: it has read nothing."""
        self.read = [0, 0]
        self.window: deque[float] = deque(maxlen=window)
        self.since = since
        """How many tokens the model in charge has given; at first as many as are needed to switch."""
        self.row = torch.empty(0)
        """The last logits."""

    def take(self, token: int, tau: float, least_tokens: int, heard: Heard) -> None:
        """Take a token, and decide which model is in charge of the next one."""
        before = tuple(self.tokens)
        bits = heard[before] if before in heard else _bits(self.row.double().cpu().numpy())
        if bits is not None:
            self.window.append(bits)
        self.tokens.append(token)
        self.since += 1
        wants_large = (sum(self.window) / len(self.window) if self.window else 0.0) > tau
        if wants_large != self.in_charge and self.since >= least_tokens:
            self.in_charge, self.since = wants_large, 0

    def lag(self, which: int) -> int:
        """Return how many tokens a model has not read."""
        return len(self.tokens) - self.read[which]

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return sum(int(part.nbytes) for part in self.parts if part is not None)

    def copy(self) -> SwitchedCache:
        """Return an independent copy."""
        twin = SwitchedCache(list(self.tokens), self.in_charge, 1, self.since)
        twin.parts = [None if part is None else part.copy() for part in self.parts]
        twin.read, twin.window, twin.row = list(self.read), self.window.copy(), self.row
        return twin


@dataclass(frozen=True, slots=True)
class Listener(Narrowing):
    """Keeps all tokens, and tells a model the entropy of each law among the allowed ones."""

    name: ClassVar[str] = "listener"
    heard: Heard = field(repr=False)

    def begin(self, prompt: Sequence[int]) -> ListenerState:
        """Return the state of a text."""
        return ListenerState(self.heard, list(prompt))


class ListenerState(NarrowingState):
    """The tokens of one text so far."""

    __slots__ = ("_bits", "_heard", "_tokens")

    def __init__(self, heard: Heard, tokens: list[int]) -> None:
        self._heard, self._tokens, self._bits = heard, tokens, 0.0

    def kept(self, ids: Any, scores: Any, temperature: float, size: int) -> None:
        """Keep all, and note the entropy of the law."""
        self._bits = _bits(scores)

    def noted(self, token: int) -> tuple[float, ...]:
        """Return the entropy."""
        return (self._bits,)

    def follow(self, token: int, state: tuple[float, ...], matcher: sg.Matcher | None) -> None:
        """Tell the entropy of the law from which a token comes."""
        self._heard[tuple(self._tokens)] = state[0] if state else None
        self._tokens.append(token)


def _bits(scores: Any) -> float:
    """Return the entropy of the law of some logits, in bits."""
    law = scores - np.logaddexp.reduce(scores)
    return float(-(np.exp(law) * np.where(np.isfinite(law), law, 0.0)).sum()) / math.log(2)


def _read_on(model: Any, tokens: Sequence[int], cache: Any) -> Tensor:
    """Have a cache hold some more tokens, and return the logits [V] after the last one: in one pass if the
    model verifies drafts, else in one for each."""
    if len(tokens) > 1 and hasattr(model, "decode_tree"):
        chain = list(range(len(tokens)))
        logits = model.decode_tree(tokens, [-1, *chain[:-1]], [len(tokens)], [cache])[-1]
        model.keep([chain], [cache])
        return logits
    for token in tokens:
        logits = model.decode([token], [cache])[0]
    return logits

"""`SwitchedModels`: a small model writes, and a large one where the small one is unsure (EAD: Simonds,
"Entropy Adaptive Decoding: Dynamic Model Switching for Efficient Inference", 2025).

The model in charge gives the law of the next token. After at least `least_tokens` tokens with one model, the
mean entropy H = -sum p log2 p of its laws, over the last `window` tokens, decides: above `tau` bits the large
model is in charge, else the small one. A model that comes back reads the tokens that it missed in one pass.

Under a grammar the entropy is that of the law among the allowed tokens, and a token without an alternative
does not count: else a model would pass for sure where the grammar decides. The engine tells it
(`HearsEntropy`); whoever asks the model for rows alone, as samplers do, has the entropy of the whole law.

Speculation keeps all of the large model's quality; switching trades some of it for time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from structgen.engine.composed_models.part_models import GivenPart, part_of, read_on
from structgen.engine.model_protocol import Model
from structgen.engine.searches.prefix_rows import numbers
from structgen.engine.strategies.strategy import entropy, log_softmax
from structgen.errors import OptionError, options_named
from structgen.language import checks

_FROM_LAW = -1.0
"""For a token of which nobody told an entropy: that of the whole law counts."""


class SwitchedModels:
    """A model of two models with one tokenizer: `sg.Engine(sg.strategies.SwitchedModels(small, large))`."""

    @options_named(
        'sg.strategies.SwitchedModels("structgen/extract-draft", "structgen/extract")',
        name="sg.strategies.SwitchedModels",
    )
    def __init__(
        self,
        small: GivenPart,
        large: GivenPart,
        *,
        tau: float = 1.0,
        window: int = 5,
        least_tokens: int = 3,
    ) -> None:
        """`tau`: bits; infinity is the small model, a number below 0 the large one. The defaults are ours.

        Raises OptionError for what is no model, and for models with different tokenizers.
        """
        self.tau = checks.number("tau", tau, -1e9, 1e9, "bits, or infinity", math.inf)
        self.window = checks.whole("window", window, 1, 100_000)
        self.least_tokens = checks.whole("least_tokens", least_tokens, 0)
        self._small, self.tokenizer, _ = part_of("small", small)
        self._large, others, self.asked_as = part_of("large", large)
        if self.tokenizer != others:
            raise OptionError(
                f"They have different tokenizers: {self.tokenizer!r} and {others!r}.",
                where="large",
                cure="Give models that were trained with one tokenizer; sg.strategies.FusedModels joins "
                "others.",
            )
        self.counts = [0, 0]
        """How many rows the small and the large model gave."""

    keeps_prompt_apart = True
    """What decides is the text behind the prompt (`KeepsPromptApart`)."""

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
            cache.take(token, self.tau, self.least_tokens)
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

    def hear(self, entropies: Sequence[float | None], caches: Sequence[SwitchedCache]) -> None:
        """Take the entropies (bits) of the laws from which the next tokens are drawn; None where there is one
        token alone (`HearsEntropy`)."""
        for bits, cache in zip(entropies, caches, strict=True):
            cache.heard = bits

    def _row(self, cache: SwitchedCache) -> Tensor:
        """Return the logits of the model in charge, which reads what it missed."""
        which = int(cache.in_charge)
        model: Model = self._large if which else self._small
        if cache.parts[which] is None:
            logits, cache.parts[which] = model.prefill(cache.tokens)
        else:
            logits = read_on(model, cache.tokens[cache.read[which] :], cache.parts[which])
        return self._noted(cache, logits)

    def _noted(self, cache: SwitchedCache, logits: Tensor) -> Tensor:
        which = int(cache.in_charge)
        cache.read[which] = len(cache.tokens)
        self.counts[which] += 1
        row = logits[: self.vocab_size]
        cache.row, cache.heard = row, _FROM_LAW
        return row


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
        self.heard: float | None = _FROM_LAW
        """The entropy of the law from which the next token comes."""

    def take(self, token: int, tau: float, least_tokens: int) -> None:
        """Take a token, and decide which model is in charge of the next one."""
        bits = self.heard
        if bits == _FROM_LAW:
            bits = entropy(log_softmax(numbers(self.row))) / math.log(2)
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
        twin.read, twin.window = list(self.read), self.window.copy()
        twin.row, twin.heard = self.row, self.heard
        return twin

"""Momentum decoding: greedy choice that leaves loops (Lan et al., "Momentum Decoding: Open-ended Text
Generation As Graph Exploration", 2022).

Candidates are the `k` likeliest allowed tokens. Let n be the length of the longest run of tokens, ending with
the candidate, that has been in prompt and text before. The score is the candidate's probability minus `alpha`
times a resistance that grows with n: 0, 1, 3, 4, 5, 6 for n of 0 to 5. A longer run comes last whatever its
probability.

It acts in free text alone: where the mask allows at least a quarter of the vocabulary, and in a JSON document
inside the string of a value. Keys, punctuation, digits and enumerated texts repeat rightly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

import structgen as sg
from structgen.core import EventKind
from structgen.strategies import Narrowing, NarrowingState

_RESISTANCE: Final = (0.0, 1.0, 3.0, 4.0, 5.0, 6.0, 1e9)
"""By n. Six tokens or more count as one number."""
_FREE_SHARE: Final = 0.25
"""The least share of allowed tokens in free text."""


@dataclass(frozen=True, slots=True)
class Momentum(Narrowing):
    """The best token, repetitions in free text held against it; needs temperature 0."""

    name: ClassVar[str] = "momentum"
    is_greedy: ClassVar[bool] = True
    alpha: float = 0.2
    """How much probability a unit of resistance costs; 0 is greedy."""
    k: int = 5
    """How many of the likeliest tokens are candidates."""

    def begin(self, prompt: Sequence[int]) -> MomentumState:
        """Return the state of a text. Cost: some microseconds for each token of the prompt."""
        return MomentumState(self, prompt)


class MomentumState(NarrowingState):
    """The runs of up to six tokens of prompt and text."""

    __slots__ = ("_count", "_how", "_is_inside", "_last", "_runs")

    def __init__(self, how: Momentum, prompt: Sequence[int]) -> None:
        self._how, self._count = how, 0
        self._runs: set[tuple[int, ...]] = set()
        self._last: deque[int] = deque(maxlen=len(_RESISTANCE) - 1)
        self._is_inside: bool | None = None
        """Whether the place is inside the string of a JSON value; None: the text is no JSON."""
        for token in prompt:
            self._add(token)

    def _add(self, token: int) -> None:
        self._last.append(token)
        tokens = tuple(self._last)
        self._runs.update(tokens[at:] for at in range(len(tokens)))

    def resistance(self, token: int) -> float:
        """Return the resistance of a candidate: what counts against its probability."""
        before, length = tuple(self._last), 0
        while length <= min(len(before), len(_RESISTANCE) - 2):
            if (*before[len(before) - length :], token) not in self._runs:
                break
            length += 1
        return _RESISTANCE[length]

    def kept(self, ids: Any, scores: Any, temperature: float, size: int) -> Any:
        """Return the scores of the candidates, minus infinity for the others; None outside free text."""
        how = self._how
        if not how.alpha or self._is_inside is False or len(ids) < _FREE_SHARE * size:
            return None
        shares = np.exp(scores - np.logaddexp.reduce(scores))
        best = np.argsort(-shares, kind="stable")[: how.k]
        found = np.full(len(ids), -np.inf)
        for at in best[shares[best] > 0]:
            found[at] = shares[at] - how.alpha * self.resistance(int(ids[at]))
        return found

    def follow(self, token: int, state: tuple[float, ...], matcher: sg.Matcher | None) -> None:
        """Take a decided token, and look where in a JSON document the text is."""
        self._add(token)
        if matcher is not None and matcher.compiled.has_events:
            self._is_inside = _is_in_string(matcher, bool(self._is_inside), self._count)
        self._count += 1


def _is_in_string(matcher: sg.Matcher, before: bool, since: int) -> bool:
    """Return whether a JSON document stands inside the string of a value, from whether it did before its
    tokens from `since` on. One that began inside of a token of the thoughts is not known."""
    try:
        events = matcher.events(since)
    except sg.StructgenError:
        return before
    for event in events:
        if event.kind in (EventKind.TERMINAL_BEGIN, EventKind.TERMINAL_END):
            before = event.kind is EventKind.TERMINAL_BEGIN and event.terminal.value == "string"
    return before

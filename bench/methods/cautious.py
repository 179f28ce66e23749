"""Cautious next-token prediction: where the model is unsure, several continuations are tried (Wang et al.,
"Cautious Next Token Prediction", 2025).

The entropy of the law (nats) says how many: floor(1 + (trials - 1) h), where h goes from 0 at `low` to 1 at
`high`. Each is drawn by itself up to the next boundary. The one with the least perplexity is taken whole, the
first one of equals. Perplexity counts the tokens that were a choice: forced ones would reward long markup.

A boundary is the end of a member or an item of a JSON document, and elsewhere a token that ends in one of
. , ? ! : ; ) ] } or a line feed. In a JSON document such tokens count inside strings alone.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import structgen as sg
from methods.pause_and_rerank import entropy
from structgen.core import EventKind
from structgen.strategies import Branch, Decision, SearchStrategy, TextPlace

_STOPS: Final = tuple(b".,\n?!:;)]}"[at : at + 1] for at in range(10))


@dataclass(frozen=True, slots=True)
class Cautious(SearchStrategy):
    """Draws up to `trials` continuations where the model is unsure, and takes the likeliest."""

    name: ClassVar[str] = "cautious"
    draws: ClassVar[bool] = True
    trials: int = 10
    """The most continuations; 1 is plain drawing."""
    low: float = 0.01
    """The entropy, in nats, up to which one continuation is enough."""
    high: float = 1.5
    """The entropy, above `low`, from which on there are `trials`."""

    def count(self, nats: float) -> int:
        """Return the number of continuations for an entropy."""
        share = min(max((nats - self.low) / (self.high - self.low), 0.0), 1.0)
        return int(1 + (self.trials - 1) * share)

    def plan(self, place: TextPlace, held: None) -> Generator[Sequence[Branch], list[Any], Decision]:
        """Return the best of some continuations; one token where one is enough. Cost: a row for each token of
        each continuation but its last one; a pass for each token of the longest."""
        count = self.count(entropy(place.root().law(place.logits)))
        if count < 2:
            return Decision(state=(1.0,))
        trials = [_Trial(replace(place.root(), stream=stream)) for stream in range(1, count + 1)]
        logits = [place.logits] * count
        going = trials
        while going:
            tokens = place.drawn([one.branch for one in going], logits)
            for one, token, own in zip(going, tokens, logits, strict=True):
                one.take(token, own)
            going = [one for one in going if not one.is_over]
            if going:
                logits = yield [one.branch for one in going]
        best = min(trials, key=lambda one: one.loss)
        return Decision(best.branch.tokens, state=(float(count),))

    def told(self, states: Sequence[tuple[float, ...]]) -> str:
        """Return how often there was more than one continuation."""
        tried = [state[0] for state in states if state[0] > 1]
        return f"cautious: {len(tried):,} of {len(states):,} decisions were tried, {sum(tried):.0f} times"


class _Trial:
    """One continuation, and its mean loss."""

    def __init__(self, branch: Branch) -> None:
        self.branch, self.is_over = branch, False
        self._sum, self._free = 0.0, 0
        own = branch.place.matcher
        self._matcher, self._is_inside = None, False
        """Of a JSON document: it tells what begins and closes."""
        if own is not None and own.compiled.has_events:
            self._is_inside = _is_in_string(_events(own, 0), False)  # `own` keeps what it has scanned
            self._matcher = own.fork()

    @property
    def loss(self) -> float:
        """The mean of -log p over the tokens that were a choice, in nats."""
        return self._sum / max(self._free, 1)

    def take(self, token: int, logits: Any) -> None:
        """Add a token, chosen by the logits [V] before it."""
        before = self.branch
        allowed = before.allowed
        if len(allowed) > 1:
            self._sum -= float(before.law(logits)[allowed.searchsorted(token)])
            self._free += 1
        self.branch = branch = before.after(token)
        written = (branch.tokenizer.token_bytes[token] or b"").rstrip(b" ")
        has_ended = written.endswith(_STOPS)
        if self._matcher is not None:
            self._matcher.advance(token)
            at = len(branch.place.tokens) + len(branch.tokens) - 1
            ends = (EventKind.VALUE_END, EventKind.ITEM_END)
            events = _events(self._matcher, at)
            self._is_inside = _is_in_string(events, self._is_inside)
            has_closed = any(event.kind in ends for event in events)
            has_ended = has_closed or (has_ended and self._is_inside)
        self.is_over = has_ended or branch.is_over


def _events(matcher: sg.Matcher, since: int) -> list[Any]:
    """Return what began and closed in the tokens after the first `since`; nothing for a document that began
    in the middle of a token of the thoughts, whose matcher does not know its first bytes."""
    try:
        return matcher.events(since)
    except sg.StructgenError:
        return []


def _is_in_string(events: Sequence[Any], before: bool) -> bool:
    """Return whether a JSON document stands inside the string of a value after some events, from whether it
    did before."""
    for event in events:
        if event.kind in (EventKind.TERMINAL_BEGIN, EventKind.TERMINAL_END):
            before = event.kind is EventKind.TERMINAL_BEGIN and event.terminal.value == "string"
    return before

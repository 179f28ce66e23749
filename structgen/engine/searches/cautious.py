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
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from structgen.core.events import EventKind, TerminalKind
from structgen.engine.model_protocol import Model
from structgen.engine.searches.branches import Branch, TextPlace, entropy
from structgen.engine.strategies.json_events import events_since
from structgen.engine.strategies.strategy import Decision, Planner, Scores, SearchStrategy
from structgen.errors import fields_named
from structgen.language import checks
from structgen.language.checks import Number, Whole, check_fields
from structgen.tokens.tokenizer import Tokenizer

_STOPS: Final = tuple(b".,\n?!:;)]}"[at : at + 1] for at in range(10))


@fields_named("sg.Cautious(trials=10)")
@dataclass(frozen=True, slots=True)
class Cautious(SearchStrategy, Planner):
    """Draws up to `trials` continuations where the model is unsure, and takes the likeliest."""

    name: ClassVar[str] = "cautious"
    draws: ClassVar[bool] = True
    trials: Annotated[int, Whole(1, 1024)] = 10
    """The most continuations; 1 is plain drawing."""
    low: Annotated[float, Number(0.0, 1e6, "nats, from 0")] = 0.01
    """The entropy, in nats, up to which one continuation is enough."""
    high: float = 1.5
    """The entropy from which on there are `trials`."""

    def __post_init__(self) -> None:
        check_fields(self)
        takes = "nats, more than low"
        object.__setattr__(self, "high", checks.number("high", self.high, self.low + 1e-9, 1e6, takes))

    def count(self, nats: float) -> int:
        """Return the number of continuations for an entropy."""
        share = min(max((nats - self.low) / (self.high - self.low), 0.0), 1.0)
        return int(1 + (self.trials - 1) * share)

    def begin(self, model: Model, tokenizer: Tokenizer) -> Planner:
        """Return itself: it keeps nothing of a text."""
        return self

    def plan(self, place: TextPlace) -> Generator[Sequence[Branch], list[Scores], Decision]:
        """Return the best of some continuations; one token where one is enough. Cost: a row for each token of
        each continuation but its last one; a pass for each token of the longest."""
        count = self.count(entropy(place.root().law(place.logits)))
        if count < 2:
            return Decision(states=((1.0,),))
        trials = [_Trial(place.root(stream)) for stream in range(1, count + 1)]
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
        return Decision(best.branch.tokens, states=((float(count),),))

    def told(self, states: Sequence[tuple[float, ...]]) -> str:
        """Return how often there was more than one continuation."""
        tried = [state[0] for state in states if state[0] > 1]
        return f"cautious: {len(tried):,} of {len(states):,} decisions were tried, {sum(tried):.0f} times"


class _Trial:
    """One continuation, and its mean loss."""

    def __init__(self, branch: Branch) -> None:
        self.branch, self.is_over = branch, False
        self._sum, self._free = 0.0, 0
        self._is_inside = _is_inside(branch, False, 0)

    @property
    def loss(self) -> float:
        """The mean of -log p over the tokens that were a choice, in nats."""
        return self._sum / max(self._free, 1)

    def take(self, token: int, logits: Scores) -> None:
        before = self.branch
        if len(before.allowed) > 1:
            self._sum -= float(before.law(logits)[before.allowed.searchsorted(token)])
            self._free += 1
        self.branch = branch = before.after(token)
        written = (branch.place.tokenizer.token_bytes[token] or b"").rstrip(b" ")
        has_ended = written.endswith(_STOPS)
        if branch.matcher is not None and branch.matcher.compiled.has_events:
            at = len(branch.place.tokens) + len(branch.tokens) - 1
            ends = (EventKind.VALUE_END, EventKind.ITEM_END)
            self._is_inside = _is_inside(branch, self._is_inside, at)
            has_closed = any(event.kind in ends for event in events_since(branch.matcher, at))
            has_ended = has_closed or (has_ended and self._is_inside)
        self.is_over = has_ended or branch.is_over


def _is_inside(branch: Branch, before: bool, since: int) -> bool:
    """Return whether a branch stands inside the string of a JSON value, from whether it did before its tokens
    from `since` on."""
    if branch.matcher is None or not branch.matcher.compiled.has_events:
        return False
    found = before
    for event in events_since(branch.matcher, since):
        if event.kind in (EventKind.TERMINAL_BEGIN, EventKind.TERMINAL_END):
            found = event.kind is EventKind.TERMINAL_BEGIN and event.terminal is TerminalKind.STRING
    return found

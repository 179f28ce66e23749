"""`Speculator`: drafts for all texts of a batch for the next pass, as far as they save time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

from structgen.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.speculation.drafts.drafter import View
from structgen.speculation.drafts.planner import planned
from structgen.speculation.planning.drafting import Drafting
from structgen.speculation.planning.goodput import Goodput
from structgen.speculation.planning.pass_costs import PassCosts

_MOST_KINDS: Final = 64
"""The most kinds of batches (by size and drafters) that are distinguished; the oldest is dropped."""


class Speculator:
    """Belongs to one engine: the cost of a pass is learnt from all of its texts.

    For each pass: `wants_drafts`; if so, `propose`; the pass runs; `ran` with its rows and seconds; the texts
    take tokens, and each text's own `Drafting.observe` is called; `took` with all seconds of the pass. Not
    thread-safe.

    Drafting must pay for itself, at three levels. The planner takes a guess if it raises the expected tokens
    per time. A drafter whose accepted tokens saved less time than it took is asked more and more rarely
    (`Pace`, in each text's `Drafting`). Batches of about the same size with the same drafters use drafts only
    if that is faster, everything included (`Goodput`); so no drafter is asked under load.
    """

    def __init__(self, overhead: float = 1.5e-4, clock: Callable[[], float] = perf_counter) -> None:
        """`overhead`: seconds of a pass outside the model, in the loop. `clock` returns seconds."""
        self.costs = PassCosts(overhead)
        self._clock = clock
        self._goodputs: dict[object, Goodput] = {}
        self._pass: _Pass | None = None
        """The pass to be accounted for when the texts have taken their tokens."""

    def wants_drafts(self, count: int, drafters: Hashable) -> bool:
        """Return whether the next pass, of `count` texts with such drafters, drafts. This begins the pass:
        `propose` may follow, then `ran` and `took`."""
        self._settle()
        curve = self.costs.curve
        if count > len(curve):
            return False
        kind = count.bit_length(), drafters
        goodput = self._goodputs.get(kind)
        if goodput is None:
            if len(self._goodputs) >= _MOST_KINDS:
                del self._goodputs[next(iter(self._goodputs))]
            goodput = self._goodputs[kind] = Goodput(count)
        token = float(curve[count - 1]) / count
        self._pass = _Pass(goodput, goodput.is_drafting, count, token)
        return goodput.is_drafting

    def propose(
        self, draftings: Sequence[Drafting | None], views: Sequence[View | None], mosts: Sequence[int]
    ) -> list[Draft]:
        """Return a draft for each text, of at most `mosts[i]` nodes; none for a text without a `Drafting`."""
        count = len(draftings)
        drafts = [NO_DRAFT] * count
        if self._pass is None:
            return drafts
        curve, asked = self.costs.curve, list[int]()
        self._pass.texts = []
        for i, (drafting, view, most) in enumerate(zip(draftings, views, mosts, strict=True)):
            if drafting is not None and view is not None and most > 0:
                self._pass.texts.append((drafting, drafting.saved))
                drafts[i] = drafting.candidates(view, most)
                asked.append(i)
        drafts = planned(drafts, curve, mosts, sum(mosts))
        self._pass.sizes = [len(drafts[i]) for i in asked]
        self._price(self._pass, float(curve[count + sum(map(len, drafts)) - 1]))
        return drafts

    def ran(self, rows: int, seconds: float) -> None:
        """Note the seconds and rows of the model's pass."""
        self.costs.learn(rows, seconds)
        if self._pass is not None and self._pass.drafting:
            self._price(self._pass, seconds + self.costs.overhead)

    def took(self, seconds: float) -> None:
        """Add seconds of the pass for any other work, before or after the model's."""
        if self._pass is not None:
            self._pass.seconds += seconds

    def _price(self, of: _Pass, seconds: float) -> None:
        """Tell each text what its guesses cost, for a pass of so many seconds."""
        curve = self.costs.curve
        more = max(seconds - float(curve[of.count - 1]), 0.0)
        row = float(curve[min(of.count, len(curve) - 1)] - curve[of.count - 1])
        nodes = sum(of.sizes)
        for (drafting, _), size in zip(of.texts, of.sizes, strict=True):
            drafting.priced(of.token, row, more * size / nodes if nodes else 0.0)

    def _settle(self) -> None:
        """Account for the last pass, when the texts have observed their accepted tokens."""
        if self._pass is not None:
            last, self._pass = self._pass, None
            saved = sum(drafting.saved - before for drafting, before in last.texts)
            last.goodput.learn(last.drafting, last.count + saved, last.seconds)


@dataclass(slots=True)
class _Pass:
    """A pass in progress."""

    goodput: Goodput
    drafting: bool
    """Whether drafters were asked."""
    count: int
    """Its texts."""
    token: float
    """Seconds of a token without drafts."""
    texts: list[tuple[Drafting, int]] = field(default_factory=list)
    """The texts whose drafters were asked, each with the tokens that drafts had saved it before."""
    sizes: list[int] = field(default_factory=list)
    """The number of draft nodes of each of these texts."""
    seconds: float = 0.0
    """Seconds of the pass so far."""

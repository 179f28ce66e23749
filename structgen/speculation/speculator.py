"""`Speculator`: the drafts of all texts of a batch for the next pass, worth what they cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import numpy as np

from structgen.speculation.costs import PassCosts
from structgen.speculation.draft import NO_DRAFT, Draft
from structgen.speculation.drafter import View
from structgen.speculation.drafting import Drafting
from structgen.speculation.pace import Pace
from structgen.speculation.planner import planned

_LEAST_RISK: Final = 0.25
"""The part of a pass that drafts may always cost."""

_BATCH: Final = 4
"""Texts from which on all drafting of a batch has an account of its own."""
_LEAST_NODES: Final = 2
"""Nodes that a pass may always have: a probe without any could never show that drafts pay."""


class Speculator:
    """Belongs to one engine: what a pass costs is learnt from all of its texts.

    For each pass: `propose`; the pass runs; `ran` with its rows and seconds. What texts have taken is told to
    each text's own `Drafting.observe`. Its methods are called by one thread at a time.

    Drafting has to pay for itself, in three places. The planner takes a guess where the expected tokens for
    the time rise. A drafter whose accepted tokens saved less time than it took is asked more and more rarely
    (`Pace`; in each text, by its `Drafting`). And where all drafting of a batch of four texts or more has
    lost time, nobody is asked for a while: that is so under load, also for texts that have just come. No such
    pass risks more time than drafts have saved lately, but for a small part of a pass.
    """

    def __init__(self, overhead: float = 1.5e-4, clock: Callable[[], float] = perf_counter) -> None:
        """`overhead`: seconds that a pass takes beside the model, in the loop. `clock` returns seconds."""
        self.costs = PassCosts(overhead)
        self._clock = clock
        self._paces: dict[int, Pace] = {}
        """By the number of texts, each power of two apart."""
        self._passes = 0
        self._asked: _Asked | None = None
        """What is to be settled once the texts have taken their tokens."""

    def propose(
        self, draftings: Sequence[Drafting | None], views: Sequence[View | None], mosts: Sequence[int]
    ) -> list[Draft]:
        """Return a draft for each text, of at most `mosts[i]` nodes; none for a text without a `Drafting`."""
        self._settle()
        self._passes += 1
        count = len(draftings)
        drafts = [NO_DRAFT] * count
        asked = [
            i for i in range(count) if draftings[i] is not None and views[i] is not None and mosts[i] > 0
        ]
        curve = self.costs.curve
        # a draft is compared with a pass without one: that is run first where nothing is known of it
        if not asked or count > len(curve) or not self.costs.is_known(count):
            return drafts
        pace = self._paces.get(count.bit_length())
        if count < _BATCH:  # the accounts of the texts themselves are enough
            pace = Pace(credit=8.0 * count, most=8.0 * count)
        elif pace is None:
            pace = self._paces[count.bit_length()] = Pace(credit=float(count), most=8.0 * count)
        if not pace.is_due(self._passes):
            return drafts
        token = float(curve[count - 1]) / count
        risk = token * max(pace.account, _LEAST_RISK * count)
        begun = self._clock()
        spent = 0.0
        texts: list[tuple[int, Drafting, int]] = []
        for j in range(len(asked)):
            i = asked[(j + self._passes) % len(asked)]  # none is always the last one
            drafting, view = draftings[i], views[i]
            assert drafting is not None and view is not None
            drafts[i] = drafting.candidates(view, mosts[i])
            texts.append((i, drafting, drafting.saved))
            spent = self._clock() - begun
            if spent > risk:
                break
        # what asking took is spent either way: it is no reason to leave the answer unused
        rows = int(np.searchsorted(curve, curve[count - 1] + max(risk - spent, risk / 2.0), "right"))
        drafts = planned(drafts, curve[: max(rows, count + _LEAST_NODES)], mosts, sum(mosts))
        sizes = [(drafting, len(drafts[i]), saved) for i, drafting, saved in texts]
        self._asked = _Asked(pace, sizes, self._passes, count, token, self._clock() - begun)
        nodes = sum(map(len, drafts))
        self._price(self._asked, float(curve[count + nodes - 1]))
        return drafts

    def ran(self, rows: int, seconds: float) -> None:
        """Learn what a pass of so many rows took."""
        self.costs.learn(rows, seconds)
        if self._asked is not None:
            self._price(self._asked, seconds + self.costs.overhead)

    def _price(self, asked: _Asked, seconds: float) -> None:
        """Tell each text what its guesses cost, where the pass takes so long."""
        curve = self.costs.curve
        asked.more = max(seconds - float(curve[asked.count - 1]), 0.0)
        row = float(curve[min(asked.count, len(curve) - 1)] - curve[asked.count - 1])
        nodes = sum(size for _, size, _ in asked.texts)
        for drafting, size, _ in asked.texts:
            drafting.priced(asked.token, row, asked.more * size / nodes if nodes else 0.0)

    def _settle(self) -> None:
        """Book what the last drafts saved and cost, now that the texts have observed what became of them."""
        if self._asked is not None:
            asked, self._asked = self._asked, None
            saved = sum(drafting.saved - before for drafting, _, before in asked.texts)
            nodes = sum(size for _, size, _ in asked.texts)
            spent = asked.seconds + (asked.more if nodes else 0.0)
            asked.pace.asked(float(saved), spent / asked.token, asked.now)


@dataclass(slots=True)
class _Asked:
    """What was asked for one pass."""

    pace: Pace
    texts: list[tuple[Drafting, int, int]]
    """Each with its nodes in the pass, and the tokens that drafts had saved it before."""
    now: int
    """The number of the pass."""
    count: int
    """All texts of the pass."""
    token: float
    """Seconds that a token takes without drafts."""
    seconds: float
    """What asking took."""
    more: float = 0.0
    """Seconds that the guesses added to the pass."""

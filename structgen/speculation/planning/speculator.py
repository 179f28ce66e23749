"""`Speculator`: drafts for all texts of a batch for the next pass, as far as they save time.

Two things are learnt while an engine runs: the time of a pass by its rows (`PassCosts`), and whether batches
are faster with drafts or without, everything included (`Goodput`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median, median_low
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.speculation.drafts.drafter import View
from structgen.speculation.planning.drafting import Drafting, worths

MOST_ROWS: Final = 512
"""The most rows of a pass whose time is known."""
_MOST_KINDS: Final = 64
"""The most kinds of batches (by size and drafters) that are distinguished; the oldest is dropped."""


class Speculator:
    """Belongs to one engine: the cost of a pass is learnt from all of its texts.

    For each pass: `wants_drafts`; if so, `propose`; the pass runs; `ran` with its rows and seconds; the texts
    take tokens, and each text's own `Drafting.observe` is called; `took` with all seconds of the pass. Not
    thread-safe.

    Drafting must pay for itself, twice. The planner takes a guess if it raises the expected tokens per time.
    Batches of about the same size with the same drafters use drafts only if that is faster; so no drafter is
    asked under load.
    """

    def __init__(self, overhead: float = 1.5e-4) -> None:
        """`overhead`: seconds of a pass outside the model, in the loop."""
        self.costs = PassCosts(overhead)
        self._goodputs: dict[Hashable, Goodput] = {}
        self._pass: _Pass | None = None
        """The pass to be accounted for when the texts have taken their tokens."""

    def wants_drafts(self, count: int, drafters: Hashable) -> bool:
        """Return whether the next pass, of `count` texts with such drafters, drafts. This begins the pass:
        `propose` may follow, then `ran` and `took`."""
        if self._pass is not None:
            last, self._pass = self._pass, None
            saved = sum(drafting.saved - before for drafting, before in last.texts)
            last.goodput.learn(last.is_drafting, last.count + saved, last.seconds)
        if count > MOST_ROWS:
            return False
        kind = count.bit_length(), drafters
        goodput = self._goodputs.get(kind)
        if goodput is None:
            if len(self._goodputs) >= _MOST_KINDS:
                del self._goodputs[next(iter(self._goodputs))]
            goodput = self._goodputs[kind] = Goodput(count)
        self._pass = _Pass(goodput, goodput.is_drafting, count)
        return goodput.is_drafting

    def propose(
        self, draftings: Sequence[Drafting | None], views: Sequence[View | None], mosts: Sequence[int]
    ) -> list[Draft]:
        """Return a draft for each text, of at most `mosts[i]` nodes; none for a text without a `Drafting`."""
        drafts = [NO_DRAFT] * len(draftings)
        if self._pass is None:
            return drafts
        for i, (drafting, view, most) in enumerate(zip(draftings, views, mosts, strict=True)):
            # the first pass with drafts loads code, for which one text is enough
            is_enough = self._pass.goodput.is_cold and self._pass.texts
            if drafting is not None and view is not None and most > 0 and not is_enough:
                self._pass.texts.append((drafting, drafting.saved))
                drafts[i] = drafting.candidates(view, most)
        return plan(drafts, self.costs.curve, sum(mosts))

    def ran(self, rows: int, seconds: float) -> None:
        """Note the seconds and rows of the model's pass."""
        self.costs.learn(rows, seconds)

    def took(self, seconds: float) -> None:
        """Add seconds of the pass for any other work, before or after the model's."""
        if self._pass is not None:
            self._pass.seconds += seconds


@dataclass(slots=True)
class _Pass:
    """A pass in progress."""

    goodput: Goodput
    is_drafting: bool
    """Whether drafters were asked."""
    count: int
    """Its texts."""
    texts: list[tuple[Drafting, int]] = field(default_factory=list)
    """The texts whose drafters were asked, each with the tokens that drafts had saved it before."""
    seconds: float = 0.0
    """Seconds of the pass so far."""


def plan(trees: Sequence[Draft], costs: Sequence[float] | npt.NDArray[np.float64], most: int) -> list[Draft]:
    """Return for each request the part of its tree that is worth verifying; together at most `most` nodes.

    `costs[i]` is the cost of a pass of i + 1 rows, in any unit, above 0; each request has one row without a
    guess, and one more for each node. Of all parts of the trees, the result has the most expected tokens for
    its cost (best-first: DySpec, Xiong et al. 2024; goodput: SmartSpec, Liu et al. 2024); of equally good
    ones it is the smallest. So there is no draft if rows are expensive: with many requests at once, and
    beyond the end of `costs`. Cost: 20 us, and 1 us a node.
    """
    count = len(trees)
    if not (1 <= count <= len(costs) and any(map(len, trees))):
        return [NO_DRAFT] * count
    ranked: list[tuple[float, int, int]] = []
    for text, tree in enumerate(trees):
        worth = worths(tree.parents.tolist(), tree.chances.tolist())
        ranked += [(-one, text, node) for node, one in enumerate(worth)]
    # no node is worth more than its parent, and of equal ones the parent is the first
    ranked = sorted(ranked)[: max(min(most, len(costs) - count), 0)]
    expected = count - np.cumsum([0.0, *(worth for worth, _, _ in ranked)])
    best = int(np.argmax(expected / np.asarray(costs)[count - 1 : count + len(ranked)]))
    nodes: list[list[int]] = [[] for _ in trees]
    for _, text, node in ranked[:best]:
        nodes[text].append(node)
    return [tree.part(own) for tree, own in zip(trees, nodes, strict=True)]


# --- the time of a pass -------------------------------------------------------------------------------------

KEPT: Final = 8
"""How many passes of one size are kept."""
LASTS: Final = 512
"""A size is forgotten after so many passes of other sizes: the planner does not run a size that it considers
expensive, so nobody would notice if it became cheap."""
_UPDATED: Final = 16
"""Passes between two updates of the curve. A size that is new to it does not wait."""
_DEARER: Final = 0.08
"""First guess: the cost of each further row, in passes of one row."""
_FIRST_SECONDS: Final = 1e-3
"""First guess: seconds of a pass of one row."""
_DOUBTED: Final = 2.0
"""The first measurement of a size counts for at most twice what the curve said: the pass may have waited for
another process."""


class PassCosts:
    """Seconds of a pass for each number of rows: of measured sizes the median of their last passes; between
    them interpolated. The curve never falls, because unneeded rows can be added to a pass.

    `overhead` is the fixed cost of a pass in seconds, for the loop around the model. A draft saves that too.
    """

    def __init__(self, overhead: float) -> None:
        self._overhead = overhead
        self._sizes: dict[int, deque[float]] = {}
        self._last: dict[int, int] = {}
        """For each size, the number of its last pass."""
        self._passes = 0
        rows = np.arange(MOST_ROWS, dtype=np.float64)
        self._guess = np.asarray(_FIRST_SECONDS * (1.0 + _DEARER * rows), np.float64)
        self.curve: npt.NDArray[np.float64] = self._guess + overhead
        """Seconds of a pass of 1, 2, 3, ... rows, overhead included: finite, above 0, never falling."""

    def learn(self, rows: int, seconds: float) -> None:
        """Note a pass. Times that are not above 0, and sizes beyond the curve, are ignored. Cost: 1 us, and
        50 us every 16 passes."""
        if not (1 <= rows <= MOST_ROWS and 0.0 < seconds < float("inf")):
            return
        self._passes += 1
        step = 1 << max(rows.bit_length() - 4, 0)
        size = -(-rows // step) * step  # 16 rows and more: eight sizes for each doubling
        seconds *= float(self._guess[size - 1] / self._guess[rows - 1])
        kept = self._sizes.get(size)
        if kept is None:
            kept = self._sizes[size] = deque(maxlen=KEPT)
            if len(self._sizes) > 1:
                seconds = min(seconds, _DOUBTED * float(self.curve[size - 1] - self._overhead))
        kept.append(seconds)
        self._last[size] = self._passes
        if len(kept) == 1 or self._passes % _UPDATED == 0:
            self._update()

    def _update(self) -> None:
        for size in [size for size, last in self._last.items() if self._passes - last > LASTS]:
            del self._sizes[size], self._last[size]
        sizes = sorted(self._sizes)
        ratios = [median_low(self._sizes[size]) / self._guess[size - 1] for size in sizes]
        found = self._guess * np.interp(np.arange(1, MOST_ROWS + 1), sizes, ratios)
        self.curve = np.maximum.accumulate(found) + self._overhead


# --- drafts or no drafts ------------------------------------------------------------------------------------

TRIED: Final = 6
"""Passes of a trial with one text; fewer with several, because each text gives a measurement."""
SHORTEST_WAIT: Final = 32
"""The fewest passes between two trials; two more for each text of the batch, whose drafters are all asked."""
LONGEST_WAIT: Final = 2048
"""The most passes between two trials."""
_SHARE: Final = 0.01
"""The share of the time that trials may take."""
_REMEMBERED: Final = 32
"""Passes of a mode that are remembered."""
_GAIN: Final = 0.03
"""The share of the time that drafts must save to be used, so that noise does not switch modes."""


class Goodput:
    """The choice between drafting and not, for batches of one kind, by seconds a token, everything included.

    The faster mode is used; the other one is tried for a few passes from time to time, so that a change is
    noticed; trials take at most a hundredth of the time.
    """

    def __init__(self, texts: int = 1) -> None:
        """`texts`: the number of texts in a batch."""
        self._shortest, self._tried = SHORTEST_WAIT + 2 * texts, max(TRIED // texts, 1)
        self._passes = {mode: deque[tuple[int, float]](maxlen=_REMEMBERED) for mode in (False, True)}
        """The tokens and seconds of the latest passes without drafts, and with."""
        self._is_warm = {False: False, True: False}
        self.is_drafting = False
        """Whether the next pass drafts. The first passes do not, for comparison."""
        self._is_trial, self._left = True, 1 + self._tried
        self._spent, self._written = 0.0, 0
        """Seconds and tokens of the current trial."""

    @property
    def is_cold(self) -> bool:
        """Whether no pass has drafted yet."""
        return not self._is_warm[True]

    def learn(self, drafting: bool, tokens: int, seconds: float) -> None:
        """Note a pass with its tokens and seconds, and choose the mode of the next one. The first pass of a
        mode is ignored: it loads code."""
        if tokens < 1 or not 0.0 < seconds < float("inf"):
            return
        if self._is_warm[drafting]:
            self._passes[drafting].append((tokens, seconds))
            self._spent, self._written = self._spent + seconds, self._written + tokens
        self._is_warm[drafting] = True
        self._left -= 1
        if self._left > 0:
            return
        if not self._passes[True]:
            self._try(drafting=True)
            self._left += 1
        elif not self._is_trial:
            self._try(not self.is_drafting)
        else:
            drafted, plain = self._rate(True), self._rate(False)
            self.is_drafting, self._is_trial = drafted <= (1.0 - _GAIN) * plain, False
            lost = self._spent - self._written * min(drafted, plain)
            self._left = int(
                min(max(lost / self._of_pass(self.is_drafting) / _SHARE, self._shortest), LONGEST_WAIT)
            )

    def _try(self, drafting: bool) -> None:
        """Begin a trial. The earlier passes of the mode may be long ago."""
        self.is_drafting, self._is_trial, self._left = drafting, True, self._tried
        self._spent, self._written = 0.0, 0
        self._passes[drafting].clear()

    def _of_pass(self, drafting: bool) -> float:
        """Return the median seconds of a pass, which ignores one that waited for another process."""
        return median(seconds for _, seconds in self._passes[drafting])

    def _rate(self, drafting: bool) -> float:
        """Return seconds a token. A pass takes about as long however many guesses were accepted."""
        return self._of_pass(drafting) / fmean(tokens for tokens, _ in self._passes[drafting])

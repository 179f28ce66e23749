"""Intervals by betting: a test of each hypothesis about a mean, and the ends of the hypotheses that pass.

A figure theta is where units x = a - theta b have the mean 0, given all that came before. Each unit lies
between numbers that are known before it is drawn: x >= least - theta slope, and x <= most - theta slope. A
bettor who stakes s on x being large has the capital (product of 1 + s x): a fair game where theta is true, so
it reaches 1 / 0.025 with a probability of at most 0.025 (Ville 1939), whatever the stakes are, if each is
fixed before its unit is drawn and cannot lose more than he has. A second bettor stakes on x being small.

The stakes change the width alone. All hypotheses lie in *cells* that are fixed before the run. A cell has one
stake for each unit, so its capital falls where theta rises: what is refused at the upper end of a cell is
refused in all of it, and the end of the interval within a cell is found by halving. The stake is that of a
bettor who must reach a goal by the last unit and sees a normal law: the hazard of that law at the capital
that he has, over the spread of the units that are left.

Sources: Waudby-Smith and Ramdas (2023), Estimating means of bounded random variables by betting; Shafer and
Vovk (2019), Game-theoretic foundations for probability and finance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Final

import numpy as np

from structgen.decoding.samplers.target import Bools, Floats, Ids

TAIL: Final = 0.025
"""The chance that each of the two bettors refuses the truth: together 5 %."""
MOST_LOST: Final = 0.95
"""The greatest part of his capital that a bettor can lose by one unit."""
FINEST: Final = 400
"""The most cells of a mean, and about how many blocks of stakes the planned draws are divided into: more gain
nothing."""
_PRIOR: Final = 0.1
"""The variance of units that is believed before any was drawn, as if one unit had shown it. With 0.02 to 0.2
the widths differ by 2 %."""
_CELLS: Final = 6.0
"""Cells for the square root of the units: a cell is then narrower than a standard error. With 2 the intervals
are 6 % wider, with 4 they are 1 % wider."""
_HALVINGS: Final = 16
"""An end is found to 2^-16 of a cell."""
_LOGS: Final = np.arange(-4000, 1) / 50
"""The logarithms of a capital over the goal for which the hazard is tabulated. One in between has that of the
lower one: a bettor who is near the goal stakes a little more, and reaches it."""


@dataclass(frozen=True, slots=True)
class Units:
    """Random units of F figures, in the order in which they were drawn. Arrays are float64 [T, F], or [T, 1]
    where all figures share them, and [T] where that is said."""

    a: Floats
    b: Floats
    lower_limit: Floats
    upper_limit: Floats
    slope: Floats
    room: Floats
    """[T]: the width of the range of the random part of a unit, which is known before it."""
    counts: Floats
    """[T]: how many equal units this one stands for."""
    blocks: Ids
    """int64 [B + 1]: where the blocks of units begin, and T. The stakes of a block are fixed where it
    begins."""
    remaining: Floats
    """[B]: how many units the run still planned where a block began."""
    tail: float = TAIL
    """The chance that a bettor refuses the truth."""
    begin: Ids | None = None
    """[F]: the first block on which there are bets, for figures that the draws have named; None: all
    blocks."""

    def find_first_blocks(self) -> Ids:
        """Return the block behind the one in which each figure has its first text, int64 [F]; 0 where a text
        was known before."""
        # A row of ones behind the units: a figure without any text has its first one behind all blocks.
        has = np.ones((1, 1))
        if len(self.a):
            has = np.concatenate((self.a, np.ones_like(self.a[:1])))
        first = (has > 0).argmax(axis=0)
        next_block = np.searchsorted(self.blocks, first, side="right")
        was_known = (self.lower_limit[:1] > 0).all(axis=0)
        return np.where(was_known, 0, next_block)


def cells_of(units: float) -> Floats:
    """Return the ends of the cells of a mean between 0 and 1, for so many planned units: denser towards 0 and
    1, where means have smaller errors."""
    wanted_count = round(_CELLS * math.sqrt(max(units, 1.0)))
    count = max(4, min(wanted_count, FINEST))
    # The square of a sine grows slowly near 0 and near 1, so its values are dense there.
    angles = np.pi / 2 * np.arange(count + 1) / count
    ends: Floats = np.sin(angles) ** 2
    return ends


def ends_of(units: Units, cells: Floats) -> tuple[Floats, Floats]:
    """Return the ends of the interval of 95 % of each figure, float64 [F]: hypotheses outside are refused.
    The lower end may exceed the upper one, where all are refused. Cost: O(T F G) for G cells."""
    return _find_end(units, cells, 1), _find_end(units, cells, -1)


def judge_hypothesis(units: Units, hypothesis: float) -> tuple[Bools, Bools]:
    """Return for each figure whether one hypothesis is refused as too small, and whether as too large, bool
    [F] each."""
    hypotheses = np.array([hypothesis])
    _, too_small = _choose_stakes(units, hypotheses, 1)
    _, too_large = _choose_stakes(units, hypotheses, -1)
    return too_small[:, 0], too_large[:, 0]


def _find_end(units: Units, cells: Floats, side: int) -> Floats:
    """Return the lower ends (side 1), from bets on large units, or the upper ones (side -1)."""
    # Of each cell the hypothesis that is the hardest to refuse.
    hypotheses = cells[1:] if side > 0 else cells[:-1]
    stakes, are_refused = _choose_stakes(units, hypotheses, side)
    # From below, or from above, the first cell that is not refused.
    ordered_refusals = are_refused[:, ::side]
    last = len(hypotheses) - 1
    first = np.where(ordered_refusals.all(axis=1), last, ordered_refusals.argmin(axis=1))
    if side < 0:
        first = last - first
    # The stakes of that cell of each figure, a row for each unit of a block.
    stakes_of_blocks = stakes[:, np.arange(stakes.shape[1]), first]
    chosen = np.repeat(stakes_of_blocks, np.diff(units.blocks), axis=0)
    # `inner` is not refused, `outer` is, or is the end of all cells.
    outer, inner = (cells[first], cells[first + 1])[::side]
    for _ in range(_HALVINGS):
        middle = (outer + inner) / 2
        peak = _peak_capital(units, chosen, middle, side)
        outer = np.where(peak >= 0, middle, outer)
        inner = np.where(peak >= 0, inner, middle)
    return np.asarray(outer)


def _log_gains(
    units: Units, rows: slice, stakes: Floats, hypotheses: Floats, side: int, *cells: None
) -> Floats:
    """Return the changes of the log of the capital by some units, given the stakes over the room of a unit.

    `rows`: which units; `side`: 1 for bets on large units, -1 for bets on small ones. With `None` for
    `cells`, of all cells: stakes [F, G], hypotheses [G], result [R, F, G]. Without, of one cell of each
    figure: stakes [R, F], hypotheses [F], result [R, F], for example
    `_log_gains(units, slice(None), stakes, hypotheses, 1)`.
    """
    limits = units.lower_limit if side > 0 else units.upper_limit
    unit_arrays = (units.a, units.b, units.slope, limits, units.room[:, None], units.counts[:, None])
    # `None` in an index adds an axis, on which the cells stand.
    a, b, slope, limit, room, counts = (array[(rows, slice(None), *cells)] for array in unit_arrays)
    # How much a stake of 1 can lose by a unit. Stakes are cut so that the capital stays above 0.
    most_lost = side * (slope * hypotheses - limit)
    stakes = np.minimum(stakes / room, MOST_LOST / np.maximum(most_lost, 1e-300))
    # Rounding errors of a tiny room may not cost more than that.
    changes = np.maximum(stakes * (side * (a - hypotheses * b)), -MOST_LOST)
    gains: Floats = counts * np.log1p(changes)
    return gains


def _choose_stakes(units: Units, hypotheses: Floats, side: int) -> tuple[Floats, Bools]:
    """Return the stakes of each block, figure and cell over the room, [B, F, G], and whether the bettor
    refuses the cell, bool [F, G]."""
    figures = max(units.a.shape[1], units.b.shape[1], units.slope.shape[1])
    # The log of the capital over the goal: a bettor begins with `tail` of the goal, and wins where it is 0.
    capital = np.full((figures, len(hypotheses)), math.log(units.tail))
    peak = capital.copy()
    stakes = np.empty((len(units.remaining), figures, len(hypotheses)))
    # Sums over the units so far of a, b and their products: with them the mean and the variance of a unit
    # a - theta b follow for each hypothesis theta, without a look back at the units.
    sums = np.zeros((5, figures))
    moments = _moments_of_units(units, figures)
    done_units = 0.0
    for block, remaining in enumerate(units.remaining):
        begin, end = units.blocks[block : block + 2].tolist()
        rows = slice(begin, end)
        sum_a, sum_b, sum_aa, sum_ab, sum_bb = sums[:, :, None]
        total = sum_a - hypotheses * sum_b
        squares = sum_aa - 2 * hypotheses * sum_ab + hypotheses * hypotheses * sum_bb
        variance = (squares - total * total / max(done_units, 1.0) + _PRIOR) / (done_units + 1)
        spread = np.sqrt(variance * max(remaining, 1.0))
        stakes[block] = normal_hazard(capital) / spread
        if units.begin is not None:
            # The draws that named a figure do not count for it.
            stakes[block][units.begin > block] = 0.0
        gains = _log_gains(units, rows, stakes[block], hypotheses, side, None)
        capital += gains.sum(axis=0)
        np.maximum(peak, capital, out=peak)
        # Only now: the stakes of a block must not depend on its own units.
        sums += moments[:, rows].sum(axis=1)
        done_units += float(units.counts[rows].sum())
    return stakes, peak >= 0


def _moments_of_units(units: Units, figures: int) -> Floats:
    """Return a, b, a², ab and b² of each unit over its room, as often as it counts, float64 [5, T, F]."""
    a = units.a / units.room[:, None]
    b = units.b / units.room[:, None]
    products = (a, b, a * a, a * b, b * b)
    shape = (len(a), figures)
    moments = np.stack([np.broadcast_to(product, shape) for product in products])
    moments *= units.counts[:, None]
    return moments


def _peak_capital(units: Units, stakes: Floats, hypotheses: Floats, side: int) -> Floats:
    """Return the log of the greatest capital at the end of a block over the goal, [F], with the stakes [T, F]
    of one cell for each figure."""
    gains = _log_gains(units, slice(None), stakes, hypotheses, side)
    sums = np.cumsum(gains, axis=0)[units.blocks[1:] - 1]
    peak: Floats = math.log(units.tail) + sums.max(axis=0, initial=-math.inf)
    return peak


def normal_hazard(logs: Floats) -> Floats:
    """Return the hazard of the normal law, its density over its upper tail, where the tail has the given
    logarithms: what a bettor stakes who must reach the goal and has so much of it. 0 from the goal on."""
    places = np.searchsorted(_LOGS, np.maximum(logs, _LOGS[0]), side="right") - 1
    hazards: Floats = _tabulate_hazards()[places]
    return hazards


@cache
def _tabulate_hazards() -> Floats:
    """Return the hazard for each of `_LOGS`; the last one, of the goal itself, is 0."""
    normal = NormalDist()
    tails = [math.exp(log) for log in _LOGS[:-1]]
    hazards = [normal.pdf(normal.inv_cdf(tail)) / tail for tail in tails]
    return np.array([*hazards, 0.0])

"""Computes intervals by betting: it tests each hypothesis about a figure, and those that pass are the
interval.

- A *figure* theta is a number to be estimated, such as a mean. A *hypothesis* is a value that theta may have.
- A *unit* is a random number x = a - theta b whose mean is 0 for the true theta, given all units before it.
  For the share of draws with a property, b is 1, and a is 1 for a draw that has it, else 0.
- A *bettor* bets that a hypothesis is false. His *capital* begins at 1. A *stake* s on a unit multiplies it
  by 1 + s x. His *goal* is the capital 1 / 0.025 = 40, at which the hypothesis is *refused*.
- A *cell* is a small range of hypotheses that have the same stakes. A *block* is consecutive units that have
  the same stakes.
- The *room* of a unit is the width of the range of its random part; stakes are stored as multiples of 1 /
  room.

The game is fair if the hypothesis is true. So the capital reaches the goal with a probability of at most
0.025 (Ville 1939). This holds for any stakes that are fixed before their unit is drawn, and that cannot lose
more than the bettor has. A stake is bounded by numbers that are known before a unit is drawn:
lower_limit - theta slope <= x <= upper_limit - theta slope. A second bettor stakes on x being small.

The choice of stakes changes only the width of the interval. The cells are fixed before the run. In a cell,
the capital falls as theta rises. So if the upper end of a cell is refused, all of it is refused, and the end
of the interval within a cell is found by halving. The stake is that of a bettor who must reach the goal by
the last unit and believes that sums of units are normal. It is the hazard of the normal law at his capital,
divided by the spread of the units that are still to come.

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
"""The greatest chance that one of the two bettors refuses the truth; together they have 5 %."""
MOST_LOST: Final = 0.95
"""The greatest part of his capital that a bettor can lose by one unit."""
FINEST: Final = 400
"""The most cells of a mean, and about the number of blocks into which the planned draws are divided. More
cells or blocks do not make intervals narrower."""
_PRIOR: Final = 0.1
"""The variance of a unit that is assumed before any is drawn; it counts as much as one unit. With 0.02 to 0.2
the widths differ by 2 %."""
_CELLS: Final = 6.0
"""The number of cells, divided by the square root of the number of units. A cell is then narrower than a
standard error. With 2 the intervals are 6 % wider, with 4 they are 1 % wider."""
_HALVINGS: Final = 16
"""The number of halvings that find an end within a cell, to 2^-16 of its width."""
_LOGS: Final = np.arange(-4000, 1) / 50
"""The values of log(capital / goal) for which the hazard is tabulated: -80, -79.98, ..., 0. A value in
between has the hazard of the lower one. So a bettor who is near the goal stakes a little more, and reaches
it."""


@dataclass(frozen=True, slots=True)
class Units:
    """T random units x = a - theta b of F figures, in the order in which they were drawn.

    Arrays are float64 [T, F], or [T, 1] if all figures share them, unless a field says otherwise.
    """

    a: Floats
    b: Floats
    lower_limit: Floats
    """A unit is at least this number minus theta times `slope`."""
    upper_limit: Floats
    """A unit is at most this number minus theta times `slope`."""
    slope: Floats
    room: Floats
    """[T]: the width of the range of the random part of a unit, which is known before the unit is drawn."""
    counts: Floats
    """[T]: the number of equal units that this one stands for."""
    blocks: Ids
    """int64 [B + 1]: the index of the first unit of each of B blocks, and T at the end."""
    remaining: Floats
    """[B]: the number of units that the run still planned when a block began."""
    tail: float = TAIL
    """The greatest chance that a bettor refuses the truth."""
    begin: Ids | None = None
    """[F]: the first block on which there are bets, for figures that were chosen after their first draw was
    seen; None: there are bets on all blocks."""

    def find_first_blocks(self) -> Ids:
        """Return, for each figure, the number of the block after the one with its first text, int64 [F]; 0 if
        a text of the figure was known before the run."""
        # A row of ones is appended to the units, so that `argmax` gives T for a figure without a text.
        has = np.ones((1, 1))
        if len(self.a):
            has = np.concatenate((self.a, np.ones_like(self.a[:1])))
        first = (has > 0).argmax(axis=0)
        next_block = np.searchsorted(self.blocks, first, side="right")
        was_known = (self.lower_limit[:1] > 0).all(axis=0)
        return np.where(was_known, 0, next_block)


def cells_of(units: float) -> Floats:
    """Return the ends of the cells of a mean, ascending from 0 to 1, for a number of planned units. The cells
    are narrower near 0 and 1, where means have smaller errors."""
    wanted_count = round(_CELLS * math.sqrt(max(units, 1.0)))
    count = max(4, min(wanted_count, FINEST))
    # The square of a sine grows slowly near 0 and near 1, so its values are dense there.
    angles = np.pi / 2 * np.arange(count + 1) / count
    ends: Floats = np.sin(angles) ** 2
    return ends


def ends_of(units: Units, cells: Floats) -> tuple[Floats, Floats]:
    """Return the lower and the upper end of the interval of 95 % of each figure, float64 [F] each.

    Hypotheses outside of the interval are refused. The lower end exceeds the upper one if all are refused.
    `cells` [G + 1] are the ends of G cells, ascending. Cost: O(T F G).
    """
    return _find_end(units, cells, 1), _find_end(units, cells, -1)


def judge_hypothesis(units: Units, hypothesis: float) -> tuple[Bools, Bools]:
    """Return for each figure whether one hypothesis is refused as too small, and whether as too large, bool
    [F] each."""
    hypotheses = np.array([hypothesis])
    _, too_small = _choose_stakes(units, hypotheses, 1)
    _, too_large = _choose_stakes(units, hypotheses, -1)
    return too_small[:, 0], too_large[:, 0]


def _find_end(units: Units, cells: Floats, side: int) -> Floats:
    """Return the lower ends, from bets on large units, if `side` is 1; the upper ends, from bets on small
    units, if it is -1."""
    # The hypothesis of each cell that is the hardest to refuse: its upper end for bets on large units.
    hypotheses = cells[1:] if side > 0 else cells[:-1]
    stakes, are_refused = _choose_stakes(units, hypotheses, side)
    # The first cell that is not refused, counted from below (side 1) or from above (side -1: reversed).
    ordered_refusals = are_refused[:, ::side]
    last = len(hypotheses) - 1
    first = np.where(ordered_refusals.all(axis=1), last, ordered_refusals.argmin(axis=1))
    if side < 0:
        first = last - first
    # The stakes of that cell, for each figure, repeated for each unit of a block.
    stakes_of_blocks = stakes[:, np.arange(stakes.shape[1]), first]
    chosen = np.repeat(stakes_of_blocks, np.diff(units.blocks), axis=0)
    # The hypothesis `inner` is not refused; `outer` is refused, or is the end of all cells.
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
    """Return the changes of the log of the capital by R units.

    `rows` selects the units. `stakes` are those of units of room 1. `side` is 1 for bets on large units, -1
    for bets on small ones. There are two forms:

        _log_gains(units, rows, stakes, hypotheses, side, None)  # all cells: [F, G] and [G] -> [R, F, G]
        _log_gains(units, rows, stakes, hypotheses, side)  # a cell of each figure: [R, F] and [F] -> [R, F]
    """
    limits = units.lower_limit if side > 0 else units.upper_limit
    unit_arrays = (units.a, units.b, units.slope, limits, units.room[:, None], units.counts[:, None])
    # `None` in an index adds an axis for the cells.
    a, b, slope, limit, room, counts = (array[(rows, slice(None), *cells)] for array in unit_arrays)
    # The most that a stake of 1 can lose by a unit. Stakes are cut so that the capital stays above 0; 1e-300
    # prevents a division by 0.
    most_lost = side * (slope * hypotheses - limit)
    stakes = np.minimum(stakes / room, MOST_LOST / np.maximum(most_lost, 1e-300))
    # Rounding errors of a tiny room must not lose more than MOST_LOST either.
    changes = np.maximum(stakes * (side * (a - hypotheses * b)), -MOST_LOST)
    gains: Floats = counts * np.log1p(changes)
    return gains


def _choose_stakes(units: Units, hypotheses: Floats, side: int) -> tuple[Floats, Bools]:
    """Return the stakes for units of room 1 in each block, figure and cell, [B, F, G], and whether the bettor
    refuses each cell, bool [F, G]. `hypotheses` [G] has one for each cell; `side` is as in `_find_end`."""
    figures = max(units.a.shape[1], units.b.shape[1], units.slope.shape[1])
    # log(capital / goal): a bettor begins with `tail` of the goal, and has reached it when this is 0.
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
            # There are no bets on the blocks in which the figure was chosen.
            stakes[block][units.begin > block] = 0.0
        gains = _log_gains(units, rows, stakes[block], hypotheses, side, None)
        capital += gains.sum(axis=0)
        np.maximum(peak, capital, out=peak)
        # Only now: the stakes of a block must not depend on its own units.
        sums += moments[:, rows].sum(axis=1)
        done_units += float(units.counts[rows].sum())
    return stakes, peak >= 0


def _moments_of_units(units: Units, figures: int) -> Floats:
    """Return the sums that the variance of units is computed from, float64 [5, T, F]: a, b, a², ab and b² of
    each unit, with a and b divided by its room, times its count."""
    a = units.a / units.room[:, None]
    b = units.b / units.room[:, None]
    products = (a, b, a * a, a * b, b * b)
    shape = (len(a), figures)
    moments = np.stack([np.broadcast_to(product, shape) for product in products])
    moments *= units.counts[:, None]
    return moments


def _peak_capital(units: Units, stakes: Floats, hypotheses: Floats, side: int) -> Floats:
    """Return the greatest log(capital / goal) at the end of a block, [F]. `stakes` [T, F] are those of one
    cell for each figure; `hypotheses` [F] has one for each figure."""
    gains = _log_gains(units, slice(None), stakes, hypotheses, side)
    sums = np.cumsum(gains, axis=0)[units.blocks[1:] - 1]
    peak: Floats = math.log(units.tail) + sums.max(axis=0, initial=-math.inf)
    return peak


def normal_hazard(logs: Floats) -> Floats:
    """Return the hazard of the normal law, its density divided by its upper tail, for given logarithms of the
    tail.

    `logs` are values of log(capital / goal): a bettor with this capital stakes the hazard over the spread of
    the units to come. The hazard is 0 from the goal on, that is, for logarithms of 0 and more.
    """
    places = np.searchsorted(_LOGS, np.maximum(logs, _LOGS[0]), side="right") - 1
    hazards: Floats = _tabulate_hazards()[places]
    return hazards


@cache
def _tabulate_hazards() -> Floats:
    """Return the hazard for each of `_LOGS`. The last of them is 0, since the goal is reached there."""
    normal = NormalDist()
    tails = [math.exp(log) for log in _LOGS[:-1]]
    hazards = [normal.pdf(normal.inv_cdf(tail)) / tail for tail in tails]
    return np.array([*hazards, 0.0])

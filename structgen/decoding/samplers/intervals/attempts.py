"""What a run tried, and the units of a figure that follow from it (`betting.Units`).

An attempt begins with two proven bounds: no more than U of the model's mass is valid, and the texts that are
known hold K of it. Its weight w is an unbiased estimate of the rest: E[w f(x)] is the sum of P(x) f(x) over
the valid texts x that were not known, whatever the run did before, and 0 <= w <= U - K. Methods that sum no
known texts have K = 0. So for the mean theta of f, with values from 0 to 1, a unit is

    x = sum over known texts of P(x) (f(x) - theta)  +  w (f(drawn text) - theta)

and for the valid mass Z it is K + w - Z. Dead ends count: their w is 0.

Attempts of a batch went side by side and learnt from each other. Each is unbiased, and so is the product of
several, but the next one may depend on how the last one ended. So stakes are fixed where a batch begins, and
only whole batches count. Coin flips are the exception: a text is accepted with the probability P(x) / U,
whatever else happens, so accepted attempts are independent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structgen.decoding.samplers.intervals.betting import FINEST, Units
from structgen.decoding.samplers.target import Floats, Ids

NEVER: Final = 1 << 61
"""A batch that no run reaches."""
EACH: Final = ("weights", "bounds", "known", "batches", "left", "texts")
"""The arrays that have a number for each attempt."""


def _no_ids() -> Ids:
    return np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Attempts:
    """The attempts of a run, in the order in which they began: arrays [T]."""

    weights: Floats
    """float64: unbiased estimates of the valid mass that was not known; 0 for a dead end."""
    bounds: Floats
    """float64: U, the proven bound on Z when its batch began."""
    known: Floats
    """float64: K, the mass of the known texts that the method sums up, when its batch began."""
    batches: Ids
    """int64: the number of its batch, ascending."""
    left: Floats
    """float64: how many draws the run still planned when its batch began."""
    texts: Ids
    """int64: the number of the draw that it is; -1 for a dead end."""
    listed: Ids = field(default_factory=_no_ids)
    """int64 [M]: the draws whose texts were known, for a method that sums known texts."""
    since: Ids = field(default_factory=_no_ids)
    """int64 [M]: the first batch that knew the text."""
    until: Ids = field(default_factory=_no_ids)
    """int64 [M]: the first batch that did not know it any more: that of another run."""
    pilot: int = 0
    """So many first attempts chose the method: no bets are on them, since where another one was chosen, there
    is no interval."""
    are_coins: bool = False
    """Whether coins accepted or refused, so that accepted attempts are independent draws."""
    is_planned: bool = False
    """Whether the number of draws was fixed before the run, and reached."""
    repeats: int = 0
    """Draws of known texts that stand for attempts, which their probabilities would have made."""

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def worth(self) -> float:
        """How many exact draws the attempts are worth, n Z / U: the sum of (K + w) / U. A coin with the
        probability (K + w) / U would make a draw of the target of each."""
        return float(((self.known + self.weights) / self.bounds).sum()) + self.repeats

    @property
    def with_bets(self) -> Attempts:
        """The attempts that a bettor bets on: those behind the pilot."""
        return self._slice_attempts(slice(self.pilot, None)) if self.pilot else self

    def _slice_attempts(self, part: slice) -> Attempts:
        arrays: dict[str, Any] = {name: getattr(self, name)[part] for name in EACH}
        return replace(self, **arrays, pilot=0)

    def first_batches(self, batches: int) -> Attempts:
        """Return the attempts of the first batches, not as a planned number."""
        end = int(np.searchsorted(self.batches, batches))
        return replace(self._slice_attempts(slice(end)), pilot=min(self.pilot, end), is_planned=False)

    def renumber_draws(self, places: Ids) -> Attempts:
        """Return the same attempts of draws that have other numbers: `places`, by the old ones."""
        texts = np.where(self.texts >= 0, np.append(places, -1)[self.texts], -1)
        return replace(self, texts=texts, listed=places[self.listed])

    def join_attempts(self, later: Attempts, places: Ids) -> Attempts:
        """Return these attempts and those of another run of the same target behind them. `places`: the number
        among all draws of each draw of the other run."""
        begin = int(self.batches[-1]) + 1 if len(self) else 0
        later = replace(
            later.renumber_draws(places),
            batches=later.batches + begin,
            since=later.since + begin,
            until=np.minimum(later.until + begin, NEVER),
        )
        mine = replace(self, until=np.minimum(self.until, begin))
        later = later.with_bets
        names = (*EACH, "listed", "since", "until")
        arrays: dict[str, Any] = {
            name: np.concatenate((getattr(mine, name), getattr(later, name))) for name in names
        }
        return replace(mine, **arrays, is_planned=False, repeats=self.repeats + later.repeats)

    def units_of_means(self, values: Floats, condition: Floats, masses: Floats) -> Units:
        """Return the units of the means of F functions over the texts that have a property.

        `values`, `condition`: float64 [D, F], the functions of each draw, from 0 to 1, and 1 where it has the
        property, else 0; `masses`: float64 [D], P of each draw.
        """
        hits = self.texts >= 0
        if self.are_coins:
            drawn = self.texts[hits]
            order = np.arange(len(drawn))
            ones = np.ones((len(drawn), 1))
            none = np.zeros((len(drawn), 1))
            remaining = self.left[hits] - (order - np.searchsorted(self.batches[hits], self.batches[hits]))
            a, b = condition[drawn] * values[drawn], condition[drawn]
            return self._build_units(
                order, remaining, ones[:, 0], a, b, none, ones, ones, ones[:, 0], ones[:, 0]
            )
        rows, counts = self._distinct_rows(self.texts, self.weights)
        if not self.known.any():  # dead ends change nothing
            rows, counts = rows[hits[rows]], counts[hits[rows]]
        batches = self.batches[rows]
        room = (self.bounds - self.known)[rows]
        at = self.texts[rows]
        drawn = np.where((at >= 0)[:, None], self.weights[rows, None] * condition[np.maximum(at, 0)], 0.0)
        condition_sums = self._sum_known_texts(batches, condition, masses)
        with_value = self._sum_known_texts(batches, condition * values, masses)
        a = with_value + drawn * values[np.maximum(at, 0)]
        b = condition_sums + drawn
        upper_limit = with_value + room[:, None]
        slope = condition_sums + room[:, None]
        return self._build_units(
            batches, self.left[rows], at >= 0, a, b, with_value, upper_limit, slope, room, counts
        )

    def units_of_mass(self) -> Units:
        """Return the units of Z."""
        rows, counts = self._distinct_rows(self.weights)
        known_mass = self.known[rows]
        weights = self.weights[rows]
        bounds = self.bounds[rows]
        ones = np.ones((len(rows), 1))
        columns = (known_mass + weights)[:, None], ones, known_mass[:, None], bounds[:, None], ones
        batches = self.batches[rows]
        are_draws = self.texts[rows] >= 0
        return self._build_units(batches, self.left[rows], are_draws, *columns, bounds - known_mass, counts)

    def _distinct_rows(self, *distinct: Floats | Ids) -> tuple[Ids, Floats]:
        """Return the first attempt of each batch with the same values of some arrays, in order, and how many
        have them."""
        pairs = np.stack((self.batches.astype(np.float64), *distinct), axis=1)
        _, first, counts = np.unique(pairs, axis=0, return_index=True, return_counts=True)
        order = np.argsort(first)
        return first[order], counts[order].astype(np.float64)

    def _sum_known_texts(self, batches: Ids, values: Floats, masses: Floats) -> Floats:
        """Return the sums of P times a function over the texts that each batch knew, [R, F]."""
        parts = masses[self.listed, None] * values[self.listed]
        totals: Floats = np.zeros((len(batches), values.shape[1]))
        for edges, sign in ((self.since, 1.0), (self.until, -1.0)):
            order = np.argsort(edges, kind="stable")
            sums = np.concatenate((np.zeros((1, values.shape[1])), np.cumsum(parts[order], axis=0)))
            totals += sign * sums[np.searchsorted(edges[order], batches, side="right")]
        return totals

    def _build_units(
        self, batches: Ids, remaining: Floats, are_draws: npt.NDArray[Any], *columns: Any
    ) -> Units:
        """Return units in blocks; `columns` are the first fields of `Units`. A block ends with a batch, once
        it has its share of the planned draws: what it depends on is known when it ends."""
        begins = np.flatnonzero(np.diff(batches, prepend=-1))
        counts = columns[-1]
        draws = np.concatenate(([0.0], np.cumsum(np.asarray(are_draws, np.float64) * counts)))
        units = np.concatenate(([0.0], np.cumsum(counts)))
        blocks, planned_units = list[int](), list[float]()
        end = 0.0
        for begin in begins.tolist():
            done = draws[begin]
            if blocks and done < end:
                continue
            end = done + math.ceil((done + remaining[begin]) / FINEST)
            blocks.append(begin)
            planned_units.append(max(remaining[begin], 1.0) * (units[begin] + 1) / (done + 1))
        ends: tuple[Any, ...] = np.array([*blocks, len(batches)], np.int64), np.array(planned_units)
        return Units(*columns, *ends)

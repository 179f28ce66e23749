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
    """Return an empty array, the default of a field."""
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
        chances = (self.known + self.weights) / self.bounds
        return float(chances.sum()) + self.repeats

    @property
    def with_bets(self) -> Attempts:
        """The attempts that a bettor bets on: those behind the pilot."""
        return self._slice_attempts(slice(self.pilot, None)) if self.pilot else self

    def _slice_attempts(self, part: slice) -> Attempts:
        """Return some attempts, without a pilot among them."""
        arrays: dict[str, Any] = {name: getattr(self, name)[part] for name in EACH}
        return replace(self, **arrays, pilot=0)

    def first_batches(self, batches: int) -> Attempts:
        """Return the attempts of the first batches, not as a planned number."""
        end = int(np.searchsorted(self.batches, batches))
        first_attempts = self._slice_attempts(slice(end))
        return replace(first_attempts, pilot=min(self.pilot, end), is_planned=False)

    def renumber_draws(self, places: Ids) -> Attempts:
        """Return the same attempts of draws that have other numbers: `places`, by the old ones."""
        # A dead end, -1, looks up the last entry.
        texts = np.append(places, -1)[self.texts]
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
        # `pilot` counts attempts at the front alone, so the pilot of the later run is left out.
        later = later.with_bets
        names = (*EACH, "listed", "since", "until")
        arrays: dict[str, Any] = {}
        for name in names:
            arrays[name] = np.concatenate((getattr(mine, name), getattr(later, name)))
        return replace(mine, **arrays, is_planned=False, repeats=self.repeats + later.repeats)

    def units_of_means(self, values: Floats, condition: Floats, masses: Floats) -> Units:
        """Return the units of the means of F functions over the texts that have a property.

        `values`, `condition`: float64 [D, F], the functions of each draw, from 0 to 1, and 1 where it has the
        property, else 0; `masses`: float64 [D], P of each draw.
        """
        hits = self.texts >= 0
        if self.are_coins:
            return self._units_of_coins(hits, values, condition)
        rows, counts = self._distinct_rows(self.texts, self.weights)
        if not self.known.any():  # dead ends change nothing
            are_hits = hits[rows]
            rows = rows[are_hits]
            counts = counts[are_hits]
        batches = self.batches[rows]
        # The weight of an attempt is between 0 and its room, U - K.
        room = (self.bounds - self.known)[rows]
        texts = self.texts[rows]
        are_draws = texts >= 0
        # A dead end has no draw. It looks up the first one, and has the mass 0.
        draws = np.maximum(texts, 0)
        masses_of_draws = self.weights[rows, None] * condition[draws]
        drawn_mass = np.where(are_draws[:, None], masses_of_draws, 0.0)
        condition_sums = self._sum_known_texts(batches, condition, masses)
        value_sums = self._sum_known_texts(batches, condition * values, masses)
        a = value_sums + drawn_mass * values[draws]
        b = condition_sums + drawn_mass
        upper_limit = value_sums + room[:, None]
        slope = condition_sums + room[:, None]
        columns = a, b, value_sums, upper_limit, slope, room, counts
        return self._build_units(batches, self.left[rows], are_draws, *columns)

    def _units_of_coins(self, hits: npt.NDArray[Any], values: Floats, condition: Floats) -> Units:
        """Return the units of means of independent draws: f(x) - theta of each accepted attempt (`hits`)."""
        draws = self.texts[hits]
        order = np.arange(len(draws))
        ones = np.ones((len(draws), 1))
        counts = ones[:, 0]
        batches = self.batches[hits]
        # Each draw is a batch of its own, so one that comes later in its batch has fewer draws to go.
        place_in_batch = order - np.searchsorted(batches, batches)
        remaining = self.left[hits] - place_in_batch
        a = condition[draws] * values[draws]
        columns = a, condition[draws], np.zeros_like(ones), ones, ones, counts, counts
        return self._build_units(order, remaining, counts, *columns)

    def units_of_mass(self) -> Units:
        """Return the units of Z."""
        rows, counts = self._distinct_rows(self.weights)
        known_mass = self.known[rows]
        weights = self.weights[rows]
        bounds = self.bounds[rows]
        ones = np.ones((len(rows), 1))
        a = (known_mass + weights)[:, None]
        columns = a, ones, known_mass[:, None], bounds[:, None], ones, bounds - known_mass, counts
        batches = self.batches[rows]
        are_draws = self.texts[rows] >= 0
        return self._build_units(batches, self.left[rows], are_draws, *columns)

    def _distinct_rows(self, *distinct: Floats | Ids) -> tuple[Ids, Floats]:
        """Return the first attempt of each batch with the same values of some arrays, in order, and how many
        have them."""
        # Within a batch all have the same stakes, so equal units are one unit that counts several times.
        batches = self.batches.astype(np.float64)
        pairs = np.stack((batches, *distinct), axis=1)
        _, first, counts = np.unique(pairs, axis=0, return_index=True, return_counts=True)
        order = np.argsort(first)
        return first[order], counts[order].astype(np.float64)

    def _sum_known_texts(self, batches: Ids, values: Floats, masses: Floats) -> Floats:
        """Return the sums of P times a function over the texts that each batch knew, [R, F]."""
        figures = values.shape[1]
        parts = masses[self.listed, None] * values[self.listed]
        totals: Floats = np.zeros((len(batches), figures))
        # The sum over all texts that became known up to a batch, less that over those forgotten up to it.
        for edges, sign in ((self.since, 1.0), (self.until, -1.0)):
            order = np.argsort(edges, kind="stable")
            partial_sums = np.cumsum(parts[order], axis=0)
            sums = np.concatenate((np.zeros((1, figures)), partial_sums))
            counts = np.searchsorted(edges[order], batches, side="right")
            totals += sign * sums[counts]
        return totals

    def _build_units(
        self, batches: Ids, remaining: Floats, are_draws: npt.NDArray[Any], *columns: Any
    ) -> Units:
        """Return units in blocks. A block ends with a batch, once it has its share of the planned draws: all
        that it depends on is known when it ends.

        `batches`, `remaining`: of each unit its batch and how many draws were planned then; `are_draws`:
        whether it is a draw; `columns`: the first seven fields of `Units`, for example `a` and `b`.
        """
        begins = np.flatnonzero(np.diff(batches, prepend=-1))
        counts = columns[-1]
        # `done_draws[i]`, `done_units[i]`: how many came before unit i.
        draw_counts = np.asarray(are_draws, np.float64) * counts
        done_draws = np.concatenate(([0.0], np.cumsum(draw_counts)))
        done_units = np.concatenate(([0.0], np.cumsum(counts)))
        blocks = list[int]()
        planned_units = list[float]()
        end = 0.0
        for begin in begins.tolist():
            done = done_draws[begin]
            if blocks and done < end:
                continue
            end = done + math.ceil((done + remaining[begin]) / FINEST)
            blocks.append(begin)
            # The plan counts draws. Dead ends are units too, as many for each draw as so far.
            units_of_draw = (done_units[begin] + 1) / (done + 1)
            planned_units.append(max(remaining[begin], 1.0) * units_of_draw)
        block_ends = np.array([*blocks, len(batches)], np.int64)
        block_columns: tuple[Any, ...] = block_ends, np.array(planned_units)
        return Units(*columns, *block_columns)

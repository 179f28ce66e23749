"""Records the attempts of a run, and makes from them the units that the intervals are computed from.

- An *attempt* is one try to draw a text. It ends in a draw, or in a *dead end*, which has no text.
- A *batch* is the attempts that were made side by side. A *pilot* is the first attempts, which only served to
  choose the method.
- A *figure* is a number that is estimated, such as the mean theta of a function f of the text, or Z, the
  probability that a text of the model is valid.
- A *unit* is a random number whose mean is 0 if a hypothesis about a figure is true (`betting.Units`).

An attempt begins with two proven bounds: at most U of the model's mass is valid, and the known texts hold K
of it. For example, U = 0.7 and K = 0.2. The weight w of an attempt is an unbiased estimate of the mass that
remains: E[w f(x)] is the sum of P(x) f(x) over the valid texts x that were not known. This holds whatever the
run did before, and 0 <= w <= U - K. Methods that sum no known texts have K = 0. So for the mean theta of f,
with values from 0 to 1, a unit is

    x = sum over known texts of P(x) (f(x) - theta)  +  w (f(drawn text) - theta)

and for the valid mass Z it is K + w - Z. Dead ends count: their w is 0.

The attempts of a batch learn from each other. Each is unbiased, and so is the product of several, but an
attempt may depend on how the one before it ended. So the stakes of the bets are fixed when a batch begins,
and only whole batches count. Coin flips are the exception: a text is accepted with the probability P(x) / U,
whatever else happens, so accepted attempts are independent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from structgen.base.native.array_types import Array
from structgen.decoding.samplers.intervals.betting import FINEST, Units
from structgen.decoding.samplers.target import Floats, Ids

NEVER: Final = 1 << 61
"""A batch that no run reaches."""
EACH: Final = ("weights", "bounds", "known", "batches", "left", "texts")
"""The names of the arrays that have a number for each attempt."""


@dataclass(frozen=True, slots=True, eq=False)
class Attempts:
    """The T attempts of a run, in the order in which they began. Arrays have the shape [T], unless a field
    says otherwise."""

    weights: Floats
    """float64: unbiased estimates of the valid mass that was not known; 0 for a dead end."""
    bounds: Floats
    """float64: U, the proven bound on Z when its batch began."""
    known: Floats
    """float64: K, the mass of the known texts that the method sums up, when its batch began."""
    batches: Ids
    """int64: the number of the attempt's batch, ascending."""
    left: Floats
    """float64: how many draws the run still planned when its batch began."""
    texts: Ids
    """int64: the number of the draw that the attempt ended in; -1 for a dead end."""
    listed: Ids
    """int64 [M]: the numbers of the draws whose texts became known, for a method that sums known texts."""
    since: Ids
    """int64 [M]: for each of `listed`, the first batch that knew the text."""
    until: Ids
    """int64 [M]: for each of `listed`, the first batch that did not know the text any more, because it is a
    batch of another run; NEVER if there is no such batch."""
    pilot: int = 0
    """The number of first attempts that are the pilot. There are no bets on them: they decided whether there
    is an interval at all."""
    are_coins: bool = False
    """Whether coins accepted or refused the attempts, so that accepted attempts are independent draws."""
    is_planned: bool = False
    """Whether the number of draws was fixed before the run, and reached."""
    repeats: int = 0
    """The number of draws that repeat known texts without an attempt of their own."""

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def worth(self) -> float:
        """The number of exact draws that the attempts are worth: the sum of (K + w) / U. A coin with that
        probability would turn an attempt into an exact draw. With K = 0.2, w = 0.25 and U = 0.9 an attempt is
        worth half a draw."""
        chances = (self.known + self.weights) / self.bounds
        return float(chances.sum()) + self.repeats

    @property
    def with_bets(self) -> Attempts:
        """The attempts that a bettor bets on: those after the pilot."""
        return self._slice_attempts(slice(self.pilot, None)) if self.pilot else self

    def _slice_attempts(self, part: slice) -> Attempts:
        """Return the attempts of a slice, which has none of the pilot."""
        arrays: dict[str, Any] = {name: getattr(self, name)[part] for name in EACH}
        return replace(self, **arrays, pilot=0)

    def first_batches(self, batches: int) -> Attempts:
        """Return the attempts of all batches whose number is below `batches`. Their number does not count as
        planned."""
        end = int(np.searchsorted(self.batches, batches))
        first_attempts = self._slice_attempts(slice(end))
        return replace(first_attempts, pilot=min(self.pilot, end), is_planned=False)

    def renumber_draws(self, places: Ids) -> Attempts:
        """Return the same attempts after their draws were renumbered: draw i gets the number `places[i]`."""
        # A dead end has the number -1. It looks up the last entry, which is the appended -1.
        texts = np.append(places, -1)[self.texts]
        return replace(self, texts=texts, listed=places[self.listed])

    def join_attempts(self, later: Attempts, places: Ids) -> Attempts:
        """Return these attempts, followed by those of another run of the same target. `places[i]` is the
        number that draw i of the other run gets among all draws."""
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
        arrays: dict[str, Any] = {
            name: np.concatenate((getattr(mine, name), getattr(later, name))) for name in names
        }
        return replace(mine, **arrays, is_planned=False, repeats=self.repeats + later.repeats)

    def units_of_means(self, values: Floats, condition: Floats, masses: Floats) -> Units:
        """Return the units of the means of F functions over the texts that have a property.

        `values`, float64 [D, F], are the functions of each draw, from 0 to 1. `condition`, float64 [D, F], is
        1 for a draw that has the property, else 0. `masses`, float64 [D], is P of each draw.
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
        # A dead end has no draw: its -1 is replaced by draw 0, whose mass counts as 0 here.
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

    def _units_of_coins(self, hits: Array, values: Floats, condition: Floats) -> Units:
        """Return the units of the means of independent draws: f(x) - theta for each accepted attempt. `hits`
        is a bool for each attempt, whether it was accepted."""
        draws = self.texts[hits]
        order = np.arange(len(draws))
        ones = np.ones((len(draws), 1))
        counts = ones[:, 0]
        batches = self.batches[hits]
        # Each draw counts as a batch of its own, so a later draw of a batch has fewer planned draws after it.
        place_in_batch = order - np.searchsorted(batches, batches)
        remaining = self.left[hits] - place_in_batch
        a = condition[draws] * values[draws]
        columns = a, condition[draws], np.zeros_like(ones), ones, ones, counts, counts
        return self._build_units(order, remaining, counts, *columns)

    def units_of_mass(self) -> Units:
        """Return the units of the valid mass Z: K + w - Z for each attempt."""
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
        """Return the indices of distinct attempts, in order, and how many attempts are equal to each.

        Attempts are equal if they have the same batch and the same values in the arrays `distinct`. The first
        of equal attempts is returned.
        """
        # All units of a batch have the same stakes, so equal units are one unit that counts several times.
        batches = self.batches.astype(np.float64)
        pairs = np.stack((batches, *distinct), axis=1)
        _, first, counts = np.unique(pairs, axis=0, return_index=True, return_counts=True)
        order = np.argsort(first)
        return first[order], counts[order].astype(np.float64)

    def _sum_known_texts(self, batches: Ids, values: Floats, masses: Floats) -> Floats:
        """Return the sums of P times each function over the texts that were known, float64 [R, F], for each
        of R batches. `values` [D, F] has the functions, and `masses` [D] has P, of each draw."""
        figures = values.shape[1]
        parts = masses[self.listed, None] * values[self.listed]
        totals: Floats = np.zeros((len(batches), figures))
        # The sum over the texts that became known up to a batch, less the sum over those forgotten up to it.
        for edges, sign in ((self.since, 1.0), (self.until, -1.0)):
            order = np.argsort(edges, kind="stable")
            partial_sums = np.cumsum(parts[order], axis=0)
            sums = np.concatenate((np.zeros((1, figures)), partial_sums))
            counts = np.searchsorted(edges[order], batches, side="right")
            totals += sign * sums[counts]
        return totals

    def _build_units(self, batches: Ids, remaining: Floats, are_draws: Array, *columns: Any) -> Units:
        """Return units, divided into blocks of whole batches (`Units.blocks`). A block ends once it has about
        1 / FINEST of the planned draws.

        `batches` has the batch of each unit, and `remaining` the number of draws that were still planned when
        that batch began. `are_draws` says for each unit whether it is a draw. `columns` are the first seven
        fields of `Units`, from `a` to `counts`.
        """
        begins = np.flatnonzero(np.diff(batches, prepend=-1))
        counts = columns[-1]
        # `done_draws[i]` and `done_units[i]` are the numbers of draws and of units before unit i.
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
            # The plan counts draws, but dead ends are units too. As many units for each draw are expected as
            # there were so far; the 1 makes the ratio 1 at the beginning.
            units_of_draw = (done_units[begin] + 1) / (done + 1)
            planned_units.append(max(remaining[begin], 1.0) * units_of_draw)
        block_ends = np.array([*blocks, len(batches)], np.int64)
        block_columns: tuple[Any, ...] = block_ends, np.array(planned_units)
        return Units(*columns, *block_columns)

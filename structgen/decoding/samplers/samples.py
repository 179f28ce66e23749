"""`Samples`, the result of `sg.sample`: texts with weights, and the estimates that follow from them.

The *target* is the model's distribution of valid texts. Z is the probability that the model writes a valid
text. The *mean* of a function is its expectation under the target. An *interval* of 95 % holds the true value
with at least that probability. A *marginal* is a value of a field with its share of the target's mass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from structgen.asking.pages.html_pages import format_percent, notebook_cell
from structgen.base.errors import OptionError, StructgenError
from structgen.base.language import checks
from structgen.decoding.samplers.draws import ENOUGH, Draws
from structgen.decoding.samplers.intervals.betting import TAIL
from structgen.decoding.samplers.intervals.columns import DrawnNumbers, Range, column_of
from structgen.decoding.samplers.intervals.field_paths import key_values, parse_path, values_at
from structgen.decoding.samplers.intervals.figures import Interval, refused_shares
from structgen.decoding.samplers.joining import joined_fields, seeds_of
from structgen.decoding.samplers.marginals import MOST_LISTED, Marginal, collect_values, estimate_shares
from structgen.decoding.samplers.samples_file import read_samples, write_samples
from structgen.decoding.samplers.target import ROUNDING

T = TypeVar("T")
S = TypeVar("S")
_TESTS: Final = 128
"""The count of numbers that a quantile tests at once. Its arrays have this many values for each draw."""
_KINDS: Final = {
    "exact": "independent draws from the model's distribution of valid texts",
    "weighted": "with their weights they stand for the model's distribution of valid texts",
    "biased": "draws from another law than the model's",
}


@dataclass(frozen=True, eq=False, repr=False)
class Samples(Draws[T]):
    """The draws of one run. len(), iteration and indexing are those of `values`."""

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[T]:
        return iter(self.values)

    def __getitem__(self, at: int) -> T:
        return self.values[at]

    def expectation(
        self, function: Callable[[T], float] | str, range: Range = None
    ) -> tuple[float, Interval | None]:
        """Return the estimate of a function's mean under the target, and its interval of 95 %.

        For example `samples.expectation("age")` or `samples.expectation(lambda person: person.age > 30)`. The
        function may be the path of a field, as in `marginals` ("age", "tags.length").
        The interval holds for every distribution. It needs the range of the function, since a text that was
        not drawn may have any number. That is `range`, or (0, 1) if the function returns bools, or the range
        of a field in the schema. The interval is cut to what the known texts prove.

        It is None without a range, for draws of another distribution, and if it would exclude nothing
        (`why_no_interval`). If all valid texts are listed, the mean is exact: the interval is one point.
        Raises StructgenError if there is no draw. Raises it also, with the text, if the function raises,
        returns no number, or returns a number outside its range.
        """
        return self.mean_of(self.numbers_of(function, range, "expectation"), TAIL)

    def mean_of(self, column: DrawnNumbers, tail: float = TAIL) -> tuple[float, Interval | None]:
        """Return the mean of a column (a number for each draw), and its interval. The true mean is beyond
        each end of the interval with at most the probability `tail`."""
        if not column.has_range:
            mean = float(self.weights @ column.shares)
            return mean, Interval(mean, mean) if self.lists_all else None
        # One figure: a matrix [n, 1] goes in, and arrays of one number come out.
        means, ends = self.figures(column.shares[:, None], tail=tail)
        low = float(ends.low[0])
        high = float(ends.high[0])
        mean = column.number(float(means[0]))
        excludes_some = low > 0.0 or high < 1.0
        if not self.has_intervals or not excludes_some:
            return mean, None
        return mean, column.unscale_interval(low, high)

    def proven(self, function: Callable[[T], float] | str, range: Range = None) -> Interval | None:
        """Return the bounds of a function's mean that the known texts prove; they hold for certain. Return
        None without a range, and for draws of another distribution. Arguments and errors are those of
        `expectation`."""
        column = self.numbers_of(function, range, "proven")
        if not column.has_range or self.is_biased:
            return None
        ones = np.ones((len(self.values), 1))
        low, high = self.known.bounds_of(column.shares[:, None], ones)
        return column.unscale_interval(float(low[0]), float(high[0]))

    def difference(
        self, other: Any, function: Callable[[Any], float] | str, range: Range = None
    ) -> tuple[float, Interval | None]:
        """Return the mean of a function less its mean in another run, and the interval of 95 % of this
        difference. The other run may be of another prompt. The runs must have different random numbers. Each
        of the two means has an interval of 97.5 %; if one is None, the result's interval is None. Arguments
        and errors are those of `expectation`.

        For two functions in one run, take the expectation of their difference.
        """
        if not isinstance(other, Samples):
            cure = "Pass the Samples of another run."
            raise OptionError(f"{type(other).__name__} has no draws.", where="other", cure=cure)
        column = self.numbers_of(function, range, "difference")
        other_column = other.numbers_of(function, range, "difference")
        # Each interval may miss with half of the usual chance, so both hold together in 95 %.
        mean, interval = self.mean_of(column, TAIL / 2)
        other_mean, other_interval = other.mean_of(other_column, TAIL / 2)
        difference = mean - other_mean
        if interval is None or other_interval is None:
            return difference, None
        low = interval.low - other_interval.high
        return difference, Interval(low, interval.high - other_interval.low)

    def quantile(
        self, function: Callable[[T], float] | str, share: float = 0.5, range: Range = None
    ) -> tuple[float, Interval | None]:
        """Return the quantile of a function under the target, and its interval of 95 %: the least number that
        is not below the given share of the mass; 0.5 gives the median.

        A number v is outside the interval if the share of the texts up to v is proved less than `share`, or
        if the share of those below v is proved more. The interval is None if an end is beyond all draws and
        there is no range. Arguments and errors are those of `expectation`.
        """
        share = checks.check_number("share", share, 1e-9, 1 - 1e-9, "a number between 0 and 1")
        column = self.numbers_of(function, range, "quantile")
        # `masses`: the weight of the draws up to each distinct number.
        places = np.unique(column.shares)
        order = np.argsort(column.shares, kind="stable")
        last_draws = np.searchsorted(column.shares[order], places, side="right") - 1
        masses = np.cumsum(self.weights[order])[last_draws]
        at = int(np.searchsorted(masses, share - ROUNDING))
        place = float(places[min(at, len(places) - 1)])
        value = column.number(place)
        if self.lists_all or not self.has_intervals:
            return value, Interval(value, value) if self.lists_all else None
        return value, self._interval_of_quantile(column, share, value)

    def _interval_of_quantile(self, column: DrawnNumbers, share: float, value: float) -> Interval | None:
        """Return the interval of a quantile, which holds the estimate `value`; None if it excludes
        nothing."""
        places = np.unique(column.shares)
        # The first test is about the share below all draws. In parts, so that its arrays stay small.
        tested_places = np.append(-math.inf, places)
        tests = []
        for part in np.array_split(tested_places, len(places) // _TESTS + 1):
            is_up_to = (column.shares[:, None] <= part).astype(float)
            tests.append(refused_shares(self.attempts, self.known, is_up_to, share))
        is_more, is_less = (np.concatenate(part) for part in zip(*tests, strict=True))
        # A number between two of the draws stays unless the share of the texts up to it is proved more or
        # less; the number of a draw unless the share up to it is proved less, or the share below it more.
        numbers = [column.number(place) for place in places.tolist()]
        gap_begins = np.array([column.minimum, *numbers])
        gap_ends = np.array([*numbers, column.maximum])
        gaps = ~is_more & ~is_less
        points = ~is_more[:-1] & ~is_less[1:]
        standing_numbers = gap_ends[:-1][points]
        low = float(min((*gap_begins[gaps], *standing_numbers), default=value))
        high = float(max((*gap_ends[gaps], *standing_numbers), default=value))
        is_finite = math.isfinite(low) and math.isfinite(high)
        if not is_finite or (low, high) == (column.minimum, column.maximum):
            return None
        return Interval(min(low, value), max(high, value))

    def numbers_of(self, function: Callable[[T], float] | str, range: Range, where: str) -> DrawnNumbers:
        """Return the numbers of a function at each draw."""
        ranges = self.ranges if self.is_json else None
        return column_of(function, range, self.values, self.texts, ranges, where)

    def add(self, n: int) -> Samples[T]:
        """Return these draws and `n` more of the same run, which continues with what it has learnt. You may
        look at the intervals first: they stay valid. The run's budget and time apply to each addition.

        Raises OptionError for draws of a file, and for a method that has no intervals (particles, beams).
        """
        if self.again is None:
            source = f"by {self.method}" if self.attempts is None else "of a file"
            cure = 'Draw with method="auto", "raj", "cars", "importance" or "rejection", and add there.'
            raise OptionError(f"Draws {source} cannot be continued.", where="add", cure=cure)
        # The addition's number is the number of runs so far; the next seed is made with it.
        later_draws = self.again(checks.check_whole("n", n, 1), len(seeds_of(self)))
        joined = joined_fields(self, later_draws, are_of_one_run=True)
        return replace(Samples(**joined), again=self.again)

    def joined(self, other: Samples[T]) -> Samples[T]:
        """Return these draws and those of another run of the same target and method, as one run with
        intervals from all attempts; `self` and `other` may come from files.

        Raises OptionError for another target or method, for draws of a target without a name, for the same
        run twice (the same seed), and for a method that has no intervals.
        """
        return Samples(**joined_fields(self, other))

    def resample(self, count: int, seed: int = 0) -> list[T]:
        """Return `count` values drawn by weight, with replacement."""
        count = checks.check_whole("count", count, 0)
        if not self.values:
            raise StructgenError(
                "Resampling needs at least one draw.", where="resample", cure="Increase the budget."
            )
        draws = np.random.default_rng(seed)
        indices = draws.choice(len(self.values), count, p=self.weights)
        return [self.values[at] for at in indices]

    def marginals(self, field: str | Callable[[T], Any], most: int = MOST_LISTED) -> list[Marginal]:
        """Return the likeliest values of a field under the target, each with its share of the mass and an
        interval of 95 %. The interval is that of `expectation`, or the proven bounds if the run has no other.
        For draws of another distribution, shares and intervals are about that distribution. The interval is 0
        to 1 if the draws are not independent. At most `most` values are listed.

        `field` is a path such as "city", "address.city" or "tags[]" (any item of a list), or a function of a
        value. Raises StructgenError if there is no draw.
        """
        most = checks.check_whole("most", most, 1)
        if not self.values:
            raise StructgenError(
                "Shares need at least one draw.", where="marginals", cure="Increase the budget."
            )
        if isinstance(field, str):
            path = parse_path(field)
            values = [values_at(value, path) for value in self.values]
        else:
            values = [key_values([field(value)]) for value in self.values]
        weights = self.weights
        # A place has one value of the field, and the draws that have this value.
        places = collect_values(values).values()
        by_weight = sorted(places, key=lambda place: -float(weights[place[1]].sum()))
        return estimate_shares(self, by_weight[:most])

    def with_values(self, read: Callable[[str], S]) -> Samples[S]:
        """Return the same draws with the values `read(text)`."""
        # Later draws would have the old kind of values, so these are not continued.
        return replace(self, values=list(map(read, self.texts)), again=None)  # type: ignore[arg-type,return-value]

    def to_jsonl(self, path: str | Path) -> None:
        """Write the draws to a file of JSON lines, atomically.

        The first line describes the run; each other line is a draw (the format:
        `structgen.decoding.samplers.samples_file`). Raises OSError.
        """
        write_samples(self, Path(path))

    @staticmethod
    def from_jsonl(path: str | Path) -> Samples[Any]:
        """Return the draws of a file that `to_jsonl` wrote. The values are those of the JSON texts, or the
        texts; `with_values` makes objects of them.

        Raises StructgenError, which names the line, if the file is damaged or of an earlier version; OSError.
        """
        return Samples(**read_samples(Path(path)))

    def facts(self) -> list[tuple[str, str]]:
        """Return the main facts as pairs of name and text."""
        statistics = self.statistics
        size = len(self.texts)
        lower, upper = self.bracket
        rows = f"{statistics.model_rows:,}"
        is_more = self.is_list and size > self.about.get("n", size)
        list_remark = "; beams list each text that they meet, and n is the least" if is_more else ""
        if tree_rows := statistics.tree_rows:
            rows += f", and {tree_rows:,} answered from the tree"
        log_z_text = "not estimated by this method"
        if not math.isnan(self.log_z):
            log_z_text = f"{self.log_z:.4f} ({self.log_z_interval_told('{:.4f}'.format)})"
        return [
            ("draws", f"{size:,} by {self.method}, {len(set(self.texts)):,} different texts{list_remark}"),
            *(("caveat", sentence) for sentence in self.caveats),
            ("kind", f"{self.kind}: {_KINDS[self.kind]}"),
            ("worth", self._worth_text),
            ("log Z", log_z_text),
            ("Z, proven", interval_words(f"{lower:.4g}", f"{upper:.4g}", "from ")),
            ("accepted", self._accept_text),
            ("model rows", rows),
            ("ended", f"{self.ending}, after {statistics.seconds:.1f} s"),
        ]

    def __repr__(self) -> str:
        z = "" if math.isnan(self.log_z) else f", log Z {self.log_z:.3f}"
        caveat_text = "".join(f". {sentence[:-1]}" for sentence in self.caveats)
        worth = "all valid texts" if self.lists_all else f"worth {self._worth_text}"
        return (
            f"<Samples: {len(self.texts):,} draws by {self.method}, {self.kind}, {worth}{z}, "
            f"{self.statistics.model_rows:,} model rows{caveat_text}>"
        )

    @property
    def _accept_text(self) -> str:
        """Return the number of attempts that gave a text, in words."""
        statistics = self.statistics
        rate = self.accept_rate
        # The rate is NaN without attempts, and if one attempt (a beam) may give several texts.
        if math.isnan(rate) and statistics.accepted:
            return f"{statistics.accepted:,} texts, in {statistics.attempts:,} attempts of several texts each"
        share = "" if math.isnan(rate) else f" ({format_percent(rate)})"
        return f"{statistics.accepted:,} of {statistics.attempts:,} attempts{share}"

    def log_z_interval_told(self, form: Callable[[float], str]) -> str:
        """Return the interval of log Z in words, or why there is none; `form` writes an end."""
        if self.log_z_interval is None:
            return f"no interval: {self.why_no_interval or 'nothing proves how small Z may be'}"
        return f"95 %: {interval_words(*map(form, self.log_z_interval))}"

    @property
    def _worth_text(self) -> str:
        """Return the number of exact draws that the run is worth, in words."""
        if self.worth is None:
            return f"not known: {self.why_no_interval}"
        if math.isinf(self.worth):
            return "every valid text is known: no sampling error"
        reason = f": {self.why_no_interval}" if self.worth < ENOUGH and self.why_no_interval else ""
        return f"{self.worth:,.1f} exact draws{reason}"

    def _repr_html_(self) -> str:
        """Return a short summary for a notebook, with the heaviest draws."""
        weights = self.weights
        heaviest = np.argsort(-weights, kind="stable")[:5]
        rows = ((f"{weights[at]:.4f}", self.texts[at]) for at in heaviest)
        return notebook_cell(self.facts(), ("weight", "text"), rows)


def interval_words(low: str, high: str, head: str = "") -> str:
    """Return the words for an interval. `low` and `high` are its ends as they are shown; `head` is written
    before two different ends."""
    return f"{low}, to the digits shown" if low == high else f"{head}{low} to {high}"

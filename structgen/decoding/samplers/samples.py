"""`Samples`: texts with weights, and estimates of Z and of expectations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from structgen.base.errors import StructgenError
from structgen.base.language import checks
from structgen.base.system.html_pages import cell, percent
from structgen.decoding.samplers.draws import Draws
from structgen.decoding.samplers.estimates import NORMAL
from structgen.decoding.samplers.marginals import Marginal, marginals
from structgen.decoding.samplers.samples_file import read_samples, write_samples

T = TypeVar("T")
S = TypeVar("S")
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

    def expectation(self, function: Callable[[T], float]) -> tuple[float, float | None]:
        """Return the estimate of a function's mean under the target, and its standard error.

        The estimate is the weighted mean. The mean plus and minus 1.96 errors is an interval of 95 %: that of
        a ratio of means (the delta method) with Student's quantile. If the function returns bools, or if the
        draws have two values, it reaches as far as the exact interval of a share. The error is None where it
        is unknown: the draws do not tell (`why_no_error` says why), or all have the same number. It is 0 if
        all valid texts are listed. Raises StructgenError if there is no draw.
        """
        if not self.values:
            raise StructgenError(
                "There is no draw to take a mean of.",
                where="expectation",
                cure="Give a larger budget, or look at `bracket`: the valid texts may have hardly any mass.",
            )
        weights = self.weights
        answers = [function(value) for value in self.values]
        found = np.array(answers, np.float64)
        mean = float(weights @ found)
        values = [0.0, 1.0] if all(isinstance(one, bool | np.bool_) for one in answers) else np.unique(found)
        half = self.half_width_of(found - mean)
        if len(values) == 2 and self.knows_error and half != 0:
            least, room = values[0], values[1] - values[0]
            share = min(max((mean - least) / room, 0.0), 1.0)
            low, high = self.interval_of(share, (found - least) / room)
            half = room * max(share - low, high - share)
        return mean, None if half is None else float(half / NORMAL)

    def resample(self, count: int, seed: int = 0) -> list[T]:
        """Return `count` values drawn by weight, with replacement."""
        count = checks.whole("count", count, 0)
        if not self.values:
            raise StructgenError(
                "There is no draw to resample.", where="resample", cure="Give a larger budget."
            )
        draws = np.random.default_rng(seed)
        return [self.values[at] for at in draws.choice(len(self.values), count, p=self.weights)]

    def marginals(self, field: str | Callable[[T], Any], most: int = 10) -> list[Marginal]:
        """Return the likeliest values of a field under the target, each with its share of the mass and an
        interval of 95 %; the interval is the proven one if the draws do not tell their error (`knows_error`).
        For biased draws, both are those of the law that they are from.

        `field` is a path such as "city", "address.city" or "tags[]" (any item of a list), or a function of a
        value. Raises StructgenError if there is no draw.
        """
        return marginals(self, field, most)

    def with_values(self, read: Callable[[str], S]) -> Samples[S]:
        """Return the same draws with the values `read(text)`."""
        return replace(self, values=list(map(read, self.texts)))  # type: ignore[arg-type,return-value]

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

        Standard errors are those of batch means with at most 50 parts. Raises StructgenError, which names the
        line, if the file is damaged; OSError.
        """
        values, worth = read_samples(Path(path))
        found: Samples[Any] = Samples(**values)
        # As the run computed it: batch means would give another estimate.
        found.__dict__["worth"] = worth
        return found

    def facts(self) -> list[tuple[str, str]]:
        """Return the main facts as pairs of name and text."""
        done, size = self.statistics, len(self.texts)
        lower, upper = self.bracket
        rows = f"{done.model_rows:,}"
        is_more = self.is_list and size > self.about.get("n", size)
        more = "; beams list each text that they meet, and n is the least" if is_more else ""
        if answered := done.tree_rows:
            rows += f", and {answered:,} answered from the tree"
        return [
            ("draws", f"{size:,} by {self.method}, {len(set(self.texts)):,} different texts{more}"),
            *(("caveat", sentence) for sentence in self.caveats),
            ("kind", f"{self.kind}: {_KINDS[self.kind]}"),
            ("effective sample size", self._worth),
            (
                "log Z",
                "not estimated by this method"
                if math.isnan(self.log_z)
                else f"{self.log_z:.4f} ({self.log_z_interval_told('{:.4f}'.format)})",
            ),
            ("Z, proven", between(f"{lower:.4g}", f"{upper:.4g}", "from ")),
            ("accepted", self._accepted),
            ("model rows", rows),
            ("ended", f"{self.ending}, after {done.seconds:.1f} s"),
        ]

    def __repr__(self) -> str:
        z = "" if math.isnan(self.log_z) else f", log Z {self.log_z:.3f}"
        restricted = "".join(f". {sentence[:-1]}" for sentence in self.caveats)
        return (
            f"<Samples: {len(self.texts):,} draws by {self.method}, {self.kind}, effective sample size "
            f"{self._worth}{z}, {self.statistics.model_rows:,} model rows{restricted}>"
        )

    @property
    def _accepted(self) -> str:
        done, rate = self.statistics, self.accept_rate
        if math.isnan(rate) and done.accepted:
            return f"{done.accepted:,} texts, in {done.attempts:,} attempts of several texts each"
        share = "" if math.isnan(rate) else f" ({percent(rate)})"
        return f"{done.accepted:,} of {done.attempts:,} attempts{share}"

    def log_z_interval_told(self, form: Callable[[float], str]) -> str:
        """Return the interval of log Z in words, or why there is none; `form` writes an end."""
        if self.log_z_interval is None:
            return f"no interval: {self.why_no_error or 'there is no draw'}"
        return f"95 %: {between(*map(form, self.log_z_interval))}"

    @property
    def _worth(self) -> str:
        known = " (every valid text is known)" if math.isinf(self.worth) else ""
        return f"{self.effective_draws:,.1f}{known}"

    def _repr_html_(self) -> str:
        """Return a short summary for a notebook, with the heaviest draws."""
        weights = self.weights
        heaviest = np.argsort(-weights, kind="stable")[:5]
        rows = ((f"{weights[at]:.4f}", self.texts[at]) for at in heaviest)
        return cell(self.facts(), ("weight", "text"), rows)


def between(low: str, high: str, head: str = "") -> str:
    """Return the words for an interval with these ends as they are shown; `head` stands before two ends."""
    return f"{low}, to the digits shown" if low == high else f"{head}{low} to {high}"

"""Do the intervals of the samplers hold the truth as often as they say?

    python bench/bench_intervals.py                      200 random laws, every method, n = 20, 64, 100, 300
    python bench/bench_intervals.py --laws 50 --methods smc auto --n 20 --first 5000

A law (tests/decoding/samplers/random_laws.py) has 5 to 4,000 texts and, in half of the cases, a checker; its
figures are known by enumeration. A run of `sg.sample` gives log Z with its interval of 95 %, and the means of
four functions of the text with their errors: whether it has a letter, its length, a field, whether it is the
likeliest text. A mean is covered if it is within 1.96 errors. The shares by `marginals` are the fifth.

A row for each method, n and figure. `given`: runs that give an interval; `covered`: the share of these that
hold the truth; `band`: where that share lies at least in 999 of 1,000 cells of exact intervals. What is
proven covers always: such runs are counted apart (`proven`). `width`: the mean width, divided by that of an
oracle that knows the variance of the estimate: 2 times 1.96 root mean square errors of the runs of the same
law. `kish16`: the share of runs with a Kish size of at least 16 that give an interval, or a proven figure.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from records import arguments
from told import tell

import structgen as sg
from structgen.decoding.samplers.methods import METHODS

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "decoding" / "samplers"))

from random_laws import Law, laws

MOST_ATTEMPTS: Final = 2000
"""Rejection is left out where a run would take more attempts on average."""
NORMAL: Final = 1.96
OUTSIDE: Final = 0.001
"""The probability of a cell of exact intervals below its band."""


class Figure(NamedTuple):
    """A figure of one run."""

    name: str
    error: float
    """The estimate less the truth."""
    interval: tuple[float, float] | None
    """Less the truth."""
    is_proven: bool


@dataclass
class Cell:
    """The runs of a method, an n and a figure."""

    runs: int = 0
    proven: int = 0
    covered: list[bool] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)
    oracle: list[float] = field(default_factory=list)
    large: list[bool] = field(default_factory=list)
    """Of runs with a Kish size of 16 or more: whether they give an interval."""


def figures(found: sg.Samples[str], law: Law) -> Iterator[Figure]:
    """Yield the figures of a run. Raises AssertionError for a proven one that is wrong, and for a missing one
    without a reason."""
    log_z = math.log(law.z)
    if not math.isnan(found.log_z):
        ends = found.log_z_interval
        bracket = tuple(math.log(end) if end else -math.inf for end in found.bracket)
        assert ends is not None or found.why_no_error, "no reason"
        yield _figure("log Z", found.log_z, ends, log_z, ends == bracket)
    if not found.values or found.is_biased:
        return
    for name, (function, truth) in law.functions.items():
        value, error = found.expectation(function)
        ends = None if error is None else (value - NORMAL * error, value + NORMAL * error)
        yield _figure(name, value, ends, truth, error == 0)
        shares = found.marginals(function, 2) if name in ("field", "likeliest") else ()
        for one in shares:
            if one.value is True:
                yield _figure(f"{name}, marginals", one.share, one.interval, truth, one.is_proven)


def _figure(
    name: str, value: float, ends: tuple[float, float] | None, truth: float, is_proven: bool
) -> Figure:
    off = None if ends is None else (ends[0] - truth, ends[1] - truth)
    assert not is_proven or off is None or off[0] - 1e-9 <= 0 <= off[1] + 1e-9, f"{name}: a wrong proof"
    return Figure(name, value - truth, off, is_proven)


def band(runs: int) -> float:
    """Return the share of covered runs below which one of 1,000 cells of exact intervals lies."""
    ways = (math.lgamma(runs + 1) - math.lgamma(k + 1) - math.lgamma(runs - k + 1) for k in range(runs + 1))
    logs = [way + k * math.log(0.95) + (runs - k) * math.log(0.05) for k, way in enumerate(ways)]
    sums = np.cumsum(np.exp(logs))
    return int(np.searchsorted(sums, OUTSIDE)) / runs


def add(cells: dict[str, Cell], runs: list[tuple[sg.Samples[str], list[Figure]]]) -> None:
    """Add the runs of one law with one method and n."""
    errors: dict[str, list[float]] = defaultdict(list)
    for one in (one for _, found in runs for one in found):
        errors[one.name].append(one.error)
    for samples, one in ((samples, one) for samples, found in runs for one in found):
        cell = cells[one.name]
        cell.runs += 1
        cell.proven += one.is_proven
        if samples.effective_size >= 16 - 1e-9:
            cell.large.append(one.interval is not None)
        if one.interval is None or one.is_proven:
            continue
        low, high = one.interval
        cell.covered.append(low - 1e-9 <= 0 <= high + 1e-9)
        count = len(errors[one.name])
        root = math.sqrt(sum(error * error for error in errors[one.name]) / count)
        # The root of a mean of few squares is too small on average.
        root /= math.sqrt(2 / count) * math.gamma((count + 1) / 2) / math.gamma(count / 2)
        cell.widths.append(high - low)
        cell.oracle.append(2 * NORMAL * root)


def row(cell: Cell) -> dict[str, object]:
    """Return the columns of a cell."""
    given, oracle = len(cell.covered), sum(cell.oracle)
    return {
        "runs": cell.runs,
        "given": given,
        "proven": cell.proven,
        "covered": sum(cell.covered) / given if given else math.nan,
        "band": band(given) if given else math.nan,
        "width": sum(cell.widths) / oracle if oracle > 0 else math.nan,
        "kish16": sum(cell.large) / len(cell.large) if cell.large else math.nan,
    }


def measured(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Yield a row for each method, n and figure, and one for all figures."""
    chosen = list(laws(range(options.first, options.first + options.laws)))
    for method in options.methods:
        for n in options.n:
            cells: dict[str, Cell] = defaultdict(Cell)
            cpu = time.process_time()
            for law in chosen:
                if method == "rejection" and n / law.z > MOST_ATTEMPTS:
                    continue
                runs = [law.sample(method, n, seed) for seed in range(options.runs)]
                add(cells, [(samples, list(figures(samples, law))) for samples in runs])
            cpu = time.process_time() - cpu
            whole = Cell()
            for cell in cells.values():
                whole.runs, whole.proven = whole.runs + cell.runs, whole.proven + cell.proven
                whole.covered += cell.covered
                whole.large += cell.large
            for name, cell in {**cells, "all": whole}.items():
                about = {"method": method, "n": n, "figure": name}
                yield about | row(cell) | {"cpu_s": cpu if name == "all" else 0.0, "notes": options.notes}


def main(argv: Sequence[str] | None = None) -> None:
    """Print the rows, and write bench/results."""
    parser = arguments(__doc__)
    parser.add_argument("--methods", nargs="+", default=[*METHODS], choices=METHODS)
    parser.add_argument("--laws", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="the seed of the first law")
    parser.add_argument("--runs", type=int, default=3, help="runs for each law, from which the oracle is")
    parser.add_argument("--n", nargs="+", type=int, default=[20, 64, 100, 300])
    parser.add_argument("--notes", default="", help="a column of each row: busy machine, say")
    parser.add_argument("--more", action="store_true", help="add to the day's rows")
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore", sg.errors.DrawsWarning)
    tell(options, "intervals", measured(options), ["numpy"])


if __name__ == "__main__":
    main()

"""Do the intervals of the samplers hold the truth as often as they say, and how wide are they?

    python bench/bench_intervals.py                      50 laws of each family, n = 20, 100, 300, 1,000
    python bench/bench_intervals.py --laws 5 --families deep tiny --methods raj auto --n 20 --first 5000
    python bench/bench_intervals.py --drawn looks        draws are added; the first interval counts that fails
    python bench/bench_intervals.py --smollm2            SmolLM2's own law on three small tasks, enumerated

The laws (tests/decoding/samplers/random_laws.py) are of eight families; their figures are known exactly. The
first tiny law is the one on which a rule that looks at the weights failed. What is asked of a run stands in
tests/decoding/samplers/judged_intervals.py: log Z, shares, means with a range, the share of a first letter by
`marginals`, the median of the length, and differences from a run of another law.

A row for each method, n and figure, and one for each family. `given`: the share of runs with an interval;
`covered`: the share of these that hold the truth; `band`: where that share lies at least in 999 of 1,000
cells of intervals that hold in 95 %; `failed`: the share of all runs whose interval misses the truth;
`known`: the share of intervals without a width, whose figure is proven. `useful`: the share of runs with an
interval that is narrower than half the range; for log Z, whose ends are at most a factor of 2 apart. `width`:
the median width, divided by that of as many exact draws (2 times 1.96 deviations by the root of n). `error`:
n times the mean square error, divided by the variance. `worst`: the law whose intervals hold least often, if
exact ones would do that in 1 of 10,000 laws. `rows`: model rows of a run.

Left out: rejection where a run would take more than 2,000 attempts on average; exact draws of deep laws, of
which a tree learns little, at more than 20,000.
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
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from records import arguments, warm_engine
from told import tell

import structgen as sg
from structgen.decoding.samplers.methods import METHODS

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "decoding" / "samplers"))

from judged_intervals import DRAWN, NORMAL, Figure, band
from random_laws import FAMILIES, Law, Row, law_of, laws

MOST_ATTEMPTS: Final = {"rejection": 2000, "cars": 20_000}
UNLIKELY: Final = 1e-4


@dataclass
class Cell:
    """The figures of many runs."""

    n: int
    runs: int = 0
    holds: list[bool] = field(default_factory=list)
    known: int = 0
    useful: int = 0
    widths: list[float] = field(default_factory=list)
    squares: list[float] = field(default_factory=list)
    by_law: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))

    def add(self, law: Law, one: Figure) -> None:
        """Add a figure."""
        self.runs += 1
        exact = one.deviation / math.sqrt(self.n)
        if not math.isnan(exact):
            self.squares.append((one.error / exact) ** 2)
        if one.interval is None:
            return
        self.holds.append(one.holds)
        self.by_law[str(law)].append(one.holds)
        self.known += one.width <= 1e-9 * one.size
        most = math.log(2) if one.kind == "log Z" else one.size / 2
        self.useful += one.width <= most + 1e-9
        if not math.isnan(exact):
            self.widths.append(one.width / (2 * NORMAL * exact))

    def columns(self) -> dict[str, object]:
        """Return the columns of the cell."""
        given, runs = len(self.holds), max(self.runs, 1)
        return {
            "runs": self.runs,
            "given": given / runs,
            "covered": sum(self.holds) / given if given else math.nan,
            "band": band(given) if given else math.nan,
            "failed": (given - sum(self.holds)) / runs,
            "known": self.known / max(given, 1),
            "useful": self.useful / runs,
            "width": float(np.median(self.widths)) if self.widths else math.nan,
            "error": float(np.mean(self.squares)) if self.squares else math.nan,
            "worst": self._worst(),
        }

    def _worst(self) -> str:
        """Return the law whose intervals hold least often: the share, the number of intervals, the law."""
        shares = {name: sum(each) / len(each) for name, each in self.by_law.items()}
        outside = {name: at for name, at in shares.items() if at < band(len(self.by_law[name]), UNLIKELY)}
        if not outside:
            return ""
        name = min(outside, key=lambda one: outside[one])
        return f"{outside[name]:.2f} of {len(self.by_law[name])}: {name}"


def is_too_long(law: Law, method: str, n: int) -> bool:
    """Return whether a run would take too many attempts; see above."""
    most = MOST_ATTEMPTS.get(method, math.inf)
    return n / law.z > most and (method == "rejection" or not law.is_listed)


def measured(options: argparse.Namespace, chosen: Sequence[Law]) -> Iterator[dict[str, object]]:
    """Yield the rows of each method and n."""
    for method in options.methods:
        for n in options.n:
            cells: dict[tuple[str, str], Cell] = defaultdict(lambda n=n: Cell(n))  # type: ignore[misc]
            rows: dict[str, list[int]] = defaultdict(list)
            cpu, before = defaultdict(float), None
            for run in range(options.runs):
                for law in chosen:
                    if is_too_long(law, method, n):
                        continue
                    began = time.process_time()
                    found, judged = DRAWN[options.drawn](law, method, n, run, before)
                    for one in judged:
                        for family in ("", law.family):
                            cells[family, one.kind if not family else ""].add(law, one)
                    before = found, law
                    for family in ("", law.family):
                        rows[family].append(found.statistics.model_rows)
                        cpu[family] += time.process_time() - began
            for (family, kind), cell in sorted(cells.items()):
                about = {"method": method, "n": n, "family": family or "all", "figure": kind or "all"}
                costs = {"rows": float(np.mean(rows[family])), "cpu_s": cpu[family], "drawn": options.drawn}
                yield about | cell.columns() | costs | {"notes": options.notes}


TASKS: Final[dict[str, tuple[str, Any, int]]] = {
    "number": ("How many days has a month?", sg.choice([str(one) for one in range(1, 31)]), 3),
    "colour": (
        "What colour is the sky on a clear day?",
        sg.choice(["red", "green", "blue", "grey", "black", "a blue one"]),
        4,
    ),
    "age": (
        "Ann is 9 years old. How old is she? Answer in JSON.",
        {
            "type": "object",
            "properties": {"age": {"type": "integer", "minimum": 1, "maximum": 12}},
            "required": ["age"],
            "additionalProperties": False,
        },
        8,
    ),
}
"""Three small tasks of SmolLM2: a prompt, a grammar, and the most tokens."""


def of_smollm2() -> list[Law]:
    """Return the laws of the tasks, each once for draws from a function, once for 32 walks side by side. The
    model reads each prefix once; draws are made from the table of its rows."""
    from structgen.decoding.speculation.drafts.model_rows import ModelRows

    engine = warm_engine("smollm2")
    found = []
    for seed, (name, (prompt, grammar, longest)) in enumerate(TASKS.items()):
        is_json = isinstance(grammar, dict)
        wanted = sg.json_schema(grammar, **sg.JSON_DUMPS) if is_json else grammar
        compiled = engine.compiled(wanted)
        ids = engine.prompt_tokens(sg.Request(prompt, wanted))

        row = _rows_of(ModelRows(engine.model, ids, name))
        law = law_of(f"smollm2 {name}", seed, compiled, row, longest, is_json=is_json)
        assert law is not None, name
        if is_json:
            law.ask_path("age", 11)
        print(f"{law}: {len(law.masses)} texts, Z {law.z:.3g}", flush=True)
        found.append(law)
    return found


def _rows_of(source: Any) -> Row:
    @cache
    def row(tokens: tuple[int, ...]) -> np.ndarray:
        (logits,) = source.read([tokens])
        return logits - np.logaddexp.reduce(logits)

    return row


def main(argv: Sequence[str] | None = None) -> None:
    """Print the rows, and write bench/results."""
    parser = arguments(__doc__)
    parser.add_argument("--methods", nargs="+", default=[*METHODS], choices=METHODS)
    parser.add_argument("--families", nargs="+", default=[*FAMILIES], choices=FAMILIES)
    parser.add_argument("--laws", type=int, default=50, help="laws of each family")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first law")
    parser.add_argument("--runs", type=int, default=3, help="runs of each law")
    parser.add_argument("--n", nargs="+", type=int, default=[20, 100, 300, 1000])
    parser.add_argument("--smollm2", action="store_true", help="three tasks of SmolLM2 in place of the laws")
    parser.add_argument("--drawn", default="at once", choices=DRAWN, help="how a run is made")
    parser.add_argument("--notes", default="", help="a column of each row: busy machine, say")
    parser.add_argument("--more", action="store_true", help="add to the day's rows")
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore", sg.errors.DrawsWarning)
    chosen = of_smollm2() if options.smollm2 else laws(options.first, options.laws, options.families)
    tell(options, "intervals", measured(options, chosen), ["numpy"])


if __name__ == "__main__":
    main()

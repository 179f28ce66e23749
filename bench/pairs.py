"""Has a change made masks slower? Two checkouts, in interleaved pairs, on one machine.

    python bench/pairs.py BEFORE [AFTER] [--pairs 7] [--sample 60] [--grammars json,arithmetic]
        [--maskbench PATH]

BEFORE and AFTER are folders with checkouts of this repository (AFTER: this one). In each pair both run the
same part of `bench_masks.py` (our engine alone, cold, with the processor time a schema) and of
`bench_grammars.py` (our engine alone), in an order that changes from pair to pair. The table has the median
of the ratios after / before, with the least and the greatest ratio: of seven pairs these two hold the true
median with 98 % (Thompson 1936). Prints the table and writes bench/results/pairs-DATE.csv.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from records import arguments, load, write

ROOT = Path(__file__).resolve().parent.parent
ENGINES = "structgen:cold"
FIGURES = ("avg", "p50", "p99")
OF_GRAMMARS = {"mask_avg_us": "avg", "mask_p50_us": "p50", "mask_p99_us": "p99"}
ONLY_OURS = """
import sys
sys.path[:0] = [sys.argv[1]]
del sys.argv[1]
import grammar_engines
for peer in ("llguidance", "glrmask AUTO"):
    grammar_engines.MAKERS.pop(peer)
import bench_grammars
bench_grammars.main()
"""
"""`bench_grammars.py` of the checkout whose folder `bench` comes first among the arguments."""

Measured = dict[tuple[str, str, str], float]
"""Microseconds by (what ran, measure, figure)."""


def run(checkout: Path, command: list[str]) -> Path:
    """Run a bench of a checkout; return the file of results that it wrote."""
    results = Path(tempfile.mkdtemp(prefix="pairs-"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(checkout), str(checkout / "kernels")))}
    arguments = [sys.executable, *command, "--results", str(results)]
    subprocess.run(arguments, cwd=checkout, env=environment, check=True, stdout=subprocess.DEVNULL)
    (found,) = results.glob("*.csv")
    return found


def masks(checkout: Path, options: argparse.Namespace) -> Measured:
    """Return the figures of masks under JSON Schemas."""
    arguments = [str(options.maskbench), "--engines", ENGINES, "--sample", str(options.sample)]
    found: Measured = {}
    with run(checkout, [str(checkout / "bench/bench_masks.py"), *arguments]).open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["scope"] == "common" and row["avg"]:
                for figure in FIGURES:
                    found[row["engine"], row["measure"], figure] = float(row[figure])
    return found


def grammars(checkout: Path, options: argparse.Namespace) -> Measured:
    """Return the figures of masks under Lark grammars."""
    command = ["-c", ONLY_OURS, str(checkout / "bench"), "--only", options.grammars]
    found: Measured = {}
    with run(checkout, command).open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for column, figure in OF_GRAMMARS.items():
                if row[column]:
                    found[f"{row['grammar']}, {row['engine']}", "mask", figure] = float(row[column])
    return found


def revision(checkout: Path) -> str:
    """Return the commit of a checkout."""
    said = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=checkout, capture_output=True, text=True, check=True
    )
    return said.stdout.strip()


def measured(checkout: Path, options: argparse.Namespace) -> Measured:
    """Return all figures of one run of a checkout."""
    found = grammars(checkout, options) if options.grammars else {}
    return found | (masks(checkout, options) if options.maskbench else {})


def main() -> None:
    """Run the pairs."""
    parser = arguments(__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path, nargs="?", default=ROOT)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--sample", type=int, default=60, help="schemas of MaskBench")
    parser.add_argument("--maskbench", type=Path, help="default STRUCTGEN_MASKBENCH; without it no schemas")
    parser.add_argument("--grammars", default="json,arithmetic", help="empty: none")
    options = parser.parse_args()
    if options.maskbench is None and os.environ.get("STRUCTGEN_MASKBENCH"):
        options.maskbench = Path(os.environ["STRUCTGEN_MASKBENCH"])
    load_before = load()
    sides = [options.before.resolve(), options.after.resolve()]
    ratios: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    values: dict[tuple[str, str, str], list[tuple[float, float]]] = defaultdict(list)
    for pair in range(-1, options.pairs):  # the first pair warms both up, and does not count
        order = sides if pair % 2 else sides[::-1]
        found = {side: measured(side, options) for side in order}
        before, after = (found[side] for side in sides)
        for key in before.keys() & after.keys() if pair >= 0 else ():
            if before[key] > 0:
                values[key].append((before[key], after[key]))
                ratios[key].append(after[key] / before[key])
        print(f"pair {pair + 1} of {options.pairs}", file=sys.stderr, flush=True)
    rows: list[list[object]] = []
    for key in sorted(ratios):
        befores, afters = zip(*values[key], strict=True)
        middle = statistics.median(ratios[key])
        rows.append(
            [
                *key,
                len(ratios[key]),
                round(statistics.median(befores), 3),
                round(statistics.median(afters), 3),
                round(middle, 3),
                round(min(ratios[key]), 3),
                round(max(ratios[key]), 3),
            ]
        )
        print(f"{key[0]:<34}{key[1]:<16}{key[2]:<5}{middle:6.3f}  [{rows[-1][-2]}, {rows[-1][-1]}]")
    about = {
        "load": f"{load_before} -> {load()}",
        "before": revision(sides[0]),
        "after": revision(sides[1]),
        "sample": options.sample,
    }
    columns = ("what", "measure", "figure", "pairs", "before_us", "after_us", "ratio", "least", "greatest")
    print(write(options.results, "pairs", about, columns, rows))


if __name__ == "__main__":
    main()

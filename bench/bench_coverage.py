"""How much of JSON Schema, as people write it, is taken, and is it taken right?

    python bench/bench_coverage.py [PATH] [--jobs 2] [--timeout 30]

PATH is a folder or tar of MaskBench files; without it the environment's STRUCTGEN_MASKBENCH, and without that
nothing is measured. Every schema is compiled under the widest policies and every instance replayed, by
`structgen maskbench`; writes bench/results/coverage-DATE.csv, a row for each split and figure.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import io
import os
import platform
import subprocess
import sys
from pathlib import Path

from bench_masks import machine, revision

import structgen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", type=Path, help="MaskBench; default STRUCTGEN_MASKBENCH")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--timeout", type=float, default=30.0)
    parser.add_argument("--failures", type=Path, help="write each failure here, a JSON object a line")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    path = options.path or Path(os.environ.get("STRUCTGEN_MASKBENCH", ""))
    if path == Path():
        print("Nothing measured: give the path of MaskBench, or set STRUCTGEN_MASKBENCH to it.")
        return 0
    now = datetime.datetime.now(datetime.UTC)
    options.results.mkdir(parents=True, exist_ok=True)
    failures = ["--failures", str(options.failures)] if options.failures else []
    start = [sys.executable, "-c", "from structgen.cli import main; main()"]
    bounds = ["--jobs", str(options.jobs), "--timeout", str(options.timeout)]
    run = subprocess.run(
        [*start, "maskbench", str(path), "--csv", *bounds, *failures],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if run.returncode > 1:
        return run.returncode
    version = f"{structgen.__version__} {revision()}".strip()
    about = (f"{now:%Y-%m-%d}", machine(), platform.python_version(), version, "widest")
    target = options.results / f"coverage-{now:%Y-%m-%d}.csv"
    table = csv.reader(io.StringIO(run.stdout))
    with target.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("date", "machine", "python", "version", "policy", *next(table)))
        out.writerows((*about, *row) for row in table)
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())

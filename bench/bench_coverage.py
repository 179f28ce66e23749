"""How much of JSON Schema, as people write it, is taken, and is it taken right?

    python bench/bench_coverage.py [PATH] [--jobs 2] [--timeout 30]

PATH is a folder or tar of MaskBench files; without it the environment's STRUCTGEN_MASKBENCH, and without that
nothing is measured. Every schema is compiled under the widest policies and every instance replayed, by
`structgen maskbench`; writes bench/results/coverage-DATE.csv, a row for each split and figure.
"""

from __future__ import annotations

import csv
import io
import os
import platform
import subprocess
import sys
from pathlib import Path

from records import arguments, version, write


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("path", nargs="?", type=Path, help="MaskBench; default STRUCTGEN_MASKBENCH")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--timeout", type=float, default=30.0)
    parser.add_argument("--failures", type=Path, help="write each failure here, a JSON object a line")
    options = parser.parse_args()
    path = options.path or Path(os.environ.get("STRUCTGEN_MASKBENCH", ""))
    if path == Path():
        print("Nothing measured: give the path of MaskBench, or set STRUCTGEN_MASKBENCH to it.")
        return 0
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
    about = {"python": platform.python_version(), "version": version(), "policy": "widest"}
    table = csv.reader(io.StringIO(run.stdout))
    print(write(options.results, "coverage", about, next(table), table))
    return 0


if __name__ == "__main__":
    sys.exit(main())

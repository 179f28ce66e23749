"""How fast are masks, commits and compilation beside the other engines; and is every schema judged right?

    python bench/bench_masks.py [PATH] [--engine a,b] [--tokenizer llama3] [--sample 300] [--seed 0]
    python bench/bench_masks.py [PATH] --coverage [--jobs 2] [--timeout 30]

PATH is a folder or tar of MaskBench files; without it the environment's STRUCTGEN_MASKBENCH, and without that
nothing is measured. This is `structgen maskbench`, whose options can follow, and whose rows are written to
bench/results/masks-default-DATE.csv, or coverage-DATE.csv. Speed is measured under the default policies, our
own engine in two states: `cold` (a new process, whose schemas share the masks of strings and numbers over the
run), `same-process` (one that has run the same schemas once). One schema is compiled and replayed by one
engine after another, each in a process of its own; then comes the next schema. Coverage is judged under the
widest policies, of all schemas. What a schema costs in a process that compiles one after another, all threads
included: `bench_tools.py`.
"""

from __future__ import annotations

import csv
import io
import os
import platform
import subprocess
import sys
from pathlib import Path

from records import arguments, load, versions, write

PEERS = ("llguidance", "xgrammar", "glrmask")
SPEED = {
    "--policy": "default",
    "--engine": ",".join(("structgen:cold", "structgen:same-process", *PEERS)),
    "--tokenizer": "llama3",
    "--sample": "300",
    "--seed": "0",
}
COVERAGE = {"--policy": "widest", "--jobs": str(os.cpu_count() or 1), "--timeout": "30"}


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("path", nargs="?", type=Path, help="MaskBench; default STRUCTGEN_MASKBENCH")
    parser.add_argument("--coverage", action="store_true", help="how many schemas are judged right")
    options, given = parser.parse_known_args()
    path = options.path or Path(os.environ.get("STRUCTGEN_MASKBENCH", ""))
    if path == Path():
        print("Nothing measured: give the path of MaskBench, or set STRUCTGEN_MASKBENCH to it.")
        return 0
    usual = COVERAGE if options.coverage else SPEED
    words = [*(word for pair in usual.items() for word in pair), *given]
    start = [sys.executable, "-c", "from structgen.cli import main; main()", "maskbench", str(path), "--csv"]
    before = load()
    run = subprocess.run([*start, *words], stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode > 1:
        return run.returncode
    about = {
        "load": f"{before} -> {load()}",
        "python": platform.python_version(),
        "versions": versions(*PEERS),
        "options": " ".join(words),
    }
    table = csv.reader(io.StringIO(run.stdout))
    question = "coverage" if options.coverage else "masks-default"
    print(write(options.results, question, about, next(table), table))
    return 0


if __name__ == "__main__":
    sys.exit(main())

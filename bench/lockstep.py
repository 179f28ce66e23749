"""Has a change made schemas dearer? Two checkouts take turns at every schema, each in one process.

    python bench/lockstep.py BEFORE [AFTER] --maskbench FOLDER [--count 600] [--seed 23] [--tokenizer llama3]

BEFORE and AFTER are folders with checkouts of this repository (AFTER: this one). Two processes stay alive.
Each schema goes to both, in an order that changes from schema to schema: it is compiled, its first mask is
filled, and a mask before each of the first 250 tokens of up to six documents. So both meet the same load of
the machine, and the same schemas in the same order. Garbage is collected between schemas. The first twenty
schemas warm both up.

Prints milliseconds (masks: microseconds) of processor time before and after, their ratio, and how many
verdicts differ; writes bench/results/lockstep-DATE.csv.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from records import add_results, load, version, write

ROOT = Path(__file__).resolve().parent.parent
WARMING = 20
"""Schemas that do not count."""
SHARES = (0.5, 0.9, 0.95, 0.99, 0.999)
COLUMNS = ("measure", "figure", "count", "before", "after", "ratio")
WORKER = """
import gc, json, sys, time, warnings
sys.path.insert(0, sys.argv[1])
warnings.simplefilter("ignore")
import structgen as sg
from structgen.maskbench import vocabularies
tokenizer = vocabularies.load(sys.argv[2])
mask = sg.allocate_mask(1, tokenizer.vocab_size)
gc.disable()
for number, line in enumerate(sys.stdin):
    held = json.load(open(line.strip(), encoding="utf-8"))
    if number % 40 == 0:
        gc.collect()
    begin, masks, said = time.process_time(), [], ""
    first = 0.0
    try:
        compiled = sg.compile(sg.json_schema(json.dumps(held["schema"])), tokenizer)
        sg.Matcher(compiled).fill_mask(mask, 0)
        first = time.process_time() - begin
        for test in held["tests"][:6]:
            matcher, is_taken = sg.Matcher(compiled), True
            for token in tokenizer.encode(json.dumps(test["data"], ensure_ascii=False).encode())[:250]:
                before = time.process_time()
                matcher.fill_mask(mask, 0)
                masks.append(time.process_time() - before)
                try:
                    matcher.advance(token)
                except sg.StructgenError:
                    is_taken = False
                    break
            said += "01"[is_taken]
    except sg.StructgenError as error:
        said = type(error).__name__
    print(json.dumps([said, first, time.process_time() - begin, masks]), flush=True)
"""


def _commit(checkout: Path) -> str:
    """Return the commit of a checkout."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Give each schema to both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path, nargs="?", default=ROOT)
    parser.add_argument("--maskbench", type=Path, default=os.environ.get("STRUCTGEN_MASKBENCH"))
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--seed", type=int, default=23)
    parser.add_argument("--tokenizer", default="llama3")
    add_results(parser)
    options = parser.parse_args()
    if options.maskbench is None:
        parser.error("give --maskbench, a folder of MaskBench's files")
    files = sorted(Path(options.maskbench).glob("*.json"))
    random.Random(options.seed).shuffle(files)
    load_before = load()
    sides = [options.before.resolve(), options.after.resolve()]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(side), options.tokenizer],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=side,
        )
        for side in sides
    ]
    found: tuple[list[Any], list[Any]] = ([], [])
    for number, path in enumerate(files[: options.count]):
        for side in (0, 1) if number % 2 else (1, 0):
            worker = workers[side]
            assert worker.stdin is not None and worker.stdout is not None
            print(path, file=worker.stdin, flush=True)
            found[side].append(json.loads(worker.stdout.readline()))
    for worker in workers:
        worker.communicate()
    before, after = (one[WARMING:] for one in found)
    rows: list[tuple[object, ...]] = []
    measures = {"first mask, ms": (1, 1e3), "all of a schema, ms": (2, 1e3), "mask, us": (3, 1e6)}
    for measure, (place, unit) in measures.items():
        values = [
            sorted(unit * one for row in side for one in (row[3] if place == 3 else [row[place]]))
            for side in (before, after)
        ]
        figures = {
            f"p{100 * share:g}": [one[min(len(one) - 1, int(share * len(one)))] for one in values]
            for share in SHARES
        }
        figures["mean"] = [sum(one) / len(one) for one in values]
        for figure, (old, new) in figures.items():
            rows.append((measure, figure, len(values[0]), round(old, 3), round(new, 3), round(new / old, 3)))
            print(f"{measure:<22}{figure:<7}{old:10.2f}{new:10.2f}{new / old:8.2f}")
    differ = sum(one[0] != other[0] for one, other in zip(before, after, strict=True))
    rows.append(("verdicts that differ", "count", len(before), "", differ, ""))
    print(f"verdicts that differ: {differ} of {len(before)}")
    about = {
        "load": f"{load_before} -> {load()}",
        "version": version(),
        "before": _commit(sides[0]),
        "after": _commit(sides[1]),
    }
    print(write(options.results, "lockstep", about, COLUMNS, rows), file=sys.stderr)


main()

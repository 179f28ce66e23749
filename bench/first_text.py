"""Where do the milliseconds until the first text go, with our back end and with the engines' own?

    python bench/first_text.py vllm|sglang [--count 60] [--known] [--at-once 1]

The servers of bench_serving.py are asked in turn, ten new schemas at a time, while the others are stopped.
Their processes note when what a request passes begins and ends (bench/probe). For each back end the table has
the median begin and end of the first of each work, in milliseconds from the request on, and its processor
time. `--known`: each schema is asked a second time, and that time counts. `--at-once`: requests that run
together; the table is then of the first of them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from bench_serving import ENGINES, MODEL, alone, asked, in_engines, short_documents, warmed

TURN = 10
"""Schemas that a back end is asked for before the next one's turn."""
Note = tuple[str, float, float, float]


def notes_of(prefix: Path) -> list[Note]:
    """Return the notes of all processes of a server, by their begin."""
    files = prefix.parent.glob(f"{prefix.name}.*")
    return sorted(
        (tuple(json.loads(line)) for file in files for line in file.read_text().splitlines()),
        key=lambda note: note[1],
    )


def table(spans: list[tuple[float, float]], notes: list[Note]) -> list[tuple[str, float, float, float]]:
    """Return (work, begin, end, processor time), each a median in milliseconds, of the first note of each
    work within the spans (begin, first text) of requests."""
    found: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for begun, first in spans:
        seen: dict[str, Note] = {}
        for note in notes:
            if begun <= note[1] < begun + first:
                seen.setdefault(note[0], note)
        for work, began, seconds, spent in seen.values():
            found[work].append((began - begun, began - begun + seconds, spent))
        found["first text"].append((first, first, 0.0))
    rows = [
        (work, *(round(1000 * statistics.median(each), 2) for each in zip(*some, strict=True)))
        for work, some in found.items()
        if 2 * len(some) > len(spans)
    ]
    return sorted(rows, key=lambda row: row[1])


def measured(key: str, count: int, known: bool, at_once: int) -> dict[str, list[tuple[Any, ...]]]:
    """Return the table of each back end."""
    schemas, spans = short_documents(count), defaultdict(list)
    with contextlib.ExitStack() as servers:
        folder = Path(servers.enter_context(tempfile.TemporaryDirectory()))
        path = os.environ.get("PYTHONPATH", "")
        os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent / "probe"), path])
        asked_of = []
        for backend in ("structgen", *ENGINES[key].builtin):
            os.environ["STRUCTGEN_PROBE"] = str(folder / backend)
            asked_of.append(warmed(servers, key, backend, MODEL))
        groups = [group for _, _, group in asked_of]
        for turn in range(0, count, TURN):
            for backend, asking, group in asked_of:
                some = schemas[turn : turn + TURN]
                with alone(group, groups), ThreadPoolExecutor(at_once) as pool:
                    for schema in some if known else ():
                        asked(asking, schema, 256)
                    for at in range(0, len(some), at_once):
                        begun = time.perf_counter()
                        answers = pool.map(partial(asked, asking, tokens=256), some[at : at + at_once])
                        spans[backend].append((begun, min(answer[1] for answer in answers)))
        return {backend: table(spans[backend], notes_of(folder / backend)) for backend, _, _ in asked_of}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engine", choices=[*ENGINES])
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--known", action="store_true", help="schemas that were asked before")
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--python", type=Path, help="of an environment that has the engines")
    options = parser.parse_args()
    in_engines(options.python)
    for backend, rows in measured(options.engine, options.count, options.known, options.at_once).items():
        print(f"| {backend} | begins, ms | ends, ms | processor, ms |\n|---|---|---|---|")
        for row in rows:
            print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()

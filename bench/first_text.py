"""Where do the milliseconds until the first text go, with our back end and with the engines' own?

    python bench/first_text.py vllm|sglang [--count 48]
    python bench/first_text.py vllm --flame docs/inside/first-text.svg     a flame graph of ours, 8 at once

The servers of bench_serving.py are asked in turn, for 16 schemas at a time, while the others are stopped: for
new schemas one at a time, 8 and 16 at once, and for known ones one at a time. They are started twice, in both
orders. Their processes note when what a request passes begins and ends (bench/probe). A row of
bench/results/first-text-DATE.csv is the work of one back end: the median begin and end of the first of its
kind, in milliseconds from the request on, its processor time, and the processor time of all of its kind for
each request, until the document is whole. Of requests that run together, begin, end and processor time are
those of the first. `--count`: schemas of each setting.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from bench_serving import ENGINES, MODEL, Asking, alone, asked, in_engines, short_documents, warmed
from records import version, write

TURN = 16
"""Schemas that a back end is asked for before the next one's turn."""
SETTINGS = ((False, 1), (True, 1), (False, 8), (False, 16))
"""Whether the schemas were asked for before, and how many requests run together."""
Note = tuple[str, float, float, float]
Span = tuple[float, float, float, int]
"""Of requests that run together: begin, seconds until the first text and until all documents are whole, and
how many they are."""
COLUMNS = ("engine", "known", "at once", "backend", "work", "begin ms", "end ms", "processor ms", "all ms")


def notes_of(prefix: Path) -> list[Note]:
    """Return the notes of all processes of a server, by their begin."""
    files = prefix.parent.glob(f"{prefix.name}.*")
    return sorted(
        (tuple(json.loads(line)) for file in files for line in file.read_text().splitlines()),
        key=lambda note: note[1],
    )


def table(spans: list[Span], notes: list[Note]) -> list[tuple[str, float, float, float, float]]:
    """Return (work, begin, end, processor time, processor time of all for each request) in milliseconds. The
    first three are medians of the first note of each work before the first text."""
    found: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    spent_of: dict[str, float] = defaultdict(float)
    for begun, first, whole, _ in spans:
        seen: dict[str, Note] = {}
        for note in notes:
            if begun <= note[1] < begun + first:
                seen.setdefault(note[0], note)
            if begun <= note[1] < begun + whole:
                spent_of[note[0]] += note[3]
        for work, began, seconds, spent in seen.values():
            found[work].append((began - begun, began - begun + seconds, spent))
        found["first text"].append((first, first, 0.0))
    requests = sum(span[3] for span in spans)
    rows = []
    for work, some in found.items():
        if 2 * len(some) > len(spans):
            middle = (round(1000 * statistics.median(each), 2) for each in zip(*some, strict=True))
            rows.append((work, *middle, round(1000 * spent_of[work] / requests, 2)))
    return sorted(rows, key=lambda row: row[1])


@contextlib.contextmanager
def probed_servers(key: str, backends: Sequence[str]) -> Iterator[tuple[list[tuple[str, Asking, int]], Path]]:
    """Start a server of an engine with each back end, whose processes write notes; yield what `warmed`
    returns of each, and the folder of the notes, whose files are named after the back ends."""
    with contextlib.ExitStack() as servers:
        folder = Path(servers.enter_context(tempfile.TemporaryDirectory()))
        path = os.environ.get("PYTHONPATH", "")
        probe = str(Path(__file__).parent / "probe")
        if probe not in path.split(os.pathsep):
            os.environ["PYTHONPATH"] = os.pathsep.join([probe, path])
        asked_of = []
        for backend in backends:
            os.environ["STRUCTGEN_PROBE"] = str(folder / backend)
            asked_of.append(warmed(servers, key, backend, MODEL))
        yield asked_of, folder


def together(asking: Asking, schemas: list[Any]) -> Span:
    """Ask for documents of some schemas at once."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(len(schemas)) as pool:
        answers = list(pool.map(partial(asked, asking, tokens=256), schemas))
    first = min(answer[1] for answer in answers)
    return begun, first, time.perf_counter() - begun, len(schemas)


def measured(key: str, count: int) -> dict[tuple[bool, int, str], list[tuple[Any, ...]]]:
    """Return the table of each setting and back end."""
    backends = ("structgen", *ENGINES[key].builtin)
    spans: dict[tuple[bool, int, str], list[Span]] = defaultdict(list)
    notes: dict[str, list[Note]] = defaultdict(list)
    left = iter(short_documents(count * len(SETTINGS)))
    for order in (1, -1):
        with probed_servers(key, backends[::order]) as (asked_of, folder):
            groups = [group for _, _, group in asked_of]
            for known, at_once in SETTINGS:
                half = list(islice(left, count // 2))
                for first in range(0, len(half), TURN):
                    some = half[first : first + TURN]
                    for backend, asking, group in asked_of:
                        with alone(group, groups):
                            for schema in some if known else ():
                                asked(asking, schema, 256)
                            spans[known, at_once, backend] += [
                                together(asking, some[at : at + at_once])
                                for at in range(0, len(some), at_once)
                            ]
            for backend in backends:
                notes[backend] += notes_of(folder / backend)
    return {setting: table(some, notes[setting[-1]]) for setting, some in spans.items()}


def flame(key: str, count: int, target: Path) -> None:
    """Write a flame graph of the threads that hold the interpreter, while our server answers new schemas, 8
    at once."""
    schemas = short_documents(count)
    with probed_servers(key, ("structgen",)) as (((_, asking, group),), _):
        spy = Path(sys.executable).with_name("py-spy")  # pip install py-spy
        about = ["--subprocesses", "--gil", "--function", "--rate", "250", "--output", str(target)]
        recording = subprocess.Popen([spy, "record", "--pid", str(group), *about])
        for first in range(0, count, 8):
            together(asking, schemas[first : first + 8])
        recording.send_signal(signal.SIGINT)
        recording.wait(120)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engine", choices=[*ENGINES])
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--python", type=Path, help="of an environment that has the engines")
    parser.add_argument("--flame", type=Path, help="write a flame graph there, and no table")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    in_engines(options.python)
    if options.flame is not None:
        flame(options.engine, options.count, options.flame)
        return
    rows = []
    for (known, at_once, backend), works in measured(options.engine, options.count).items():
        print(f"{'known' if known else 'new'} schemas, {at_once} at once\n")
        print(f"| {backend} | begins, ms | ends, ms | processor, ms | all, ms |\n|---|---|---|---|---|")
        for work in works:
            print("| " + " | ".join(map(str, work)) + " |")
            rows.append((options.engine, known, at_once, backend, *work))
    write(options.results, "first-text", {"structgen": version()}, COLUMNS, rows, more=True)


if __name__ == "__main__":
    main()

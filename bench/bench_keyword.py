"""How long do masks take in the schemas that have a keyword?

    python bench/bench_keyword.py PATH [--keyword uniqueItems] [--tokenizer llama3] [--slowest 20]

PATH is a folder, tar or file of MaskBench; without it the environment's STRUCTGEN_MASKBENCH, and without that
nothing is measured. Every schema in which the keyword asks for something (not `false`) is compiled under the
widest policies, and its valid instances are replayed token by token, as `json.dumps` writes them. Times are
the thread's own (a busy machine counts less), garbage is collected between schemas. Two passes: the masks of
terminals are in the store in the second alone. Prints percentiles of the first mask (compilation included)
and of all others, and the slowest masks, each with where it stands; adds a row for each percentile to
bench/results/keyword-DATE.csv.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from records import add_results, version
from records import write as write_rows

import structgen as sg
from structgen.maskbench.readers import Case, open_source, select
from structgen.maskbench.vocabularies import load


@dataclass(frozen=True, order=True)
class Time:
    """Seconds of one mask, and where it was asked."""

    seconds: float
    name: str
    written: bytes
    """The end of the text before it."""


def has(value: Any, keyword: str) -> bool:
    """Return whether a keyword stands somewhere in a schema, other than as `false`."""
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            if one.get(keyword, False) is not False:
                return True
            stack.extend(one.values())
        elif isinstance(one, list):
            stack.extend(one)
    return False


def replay(case: Case, tokenizer: sg.Tokenizer, store: sg.MaskStore) -> Iterator[tuple[bool, Time]]:
    """Yield the time of each mask, and whether it is the first of its schema."""
    mask = sg.allocate_mask(1, tokenizer.vocab_size)
    gc.collect()
    begun = time.thread_time()
    try:
        compiled = sg.compile(sg.json_schema(case.schema, **sg.WIDEST), tokenizer, store=store)
        sg.Matcher(compiled).fill_mask(mask)
    except sg.StructgenError as error:
        print(f"{case.name}: {type(error).__name__}", file=sys.stderr)
        return
    yield True, Time(time.thread_time() - begun, case.name, b"")
    for instance in case.instances:
        if not instance.valid:
            continue
        matcher, written = sg.Matcher(compiled), b""
        try:
            for token in (*tokenizer.encode(instance.text), None):
                begun = time.thread_time()
                matcher.fill_mask(mask)
                yield False, Time(time.thread_time() - begun, case.name, written[-60:])
                if token is not None:
                    matcher.advance(token)
                    written += tokenizer.token_bytes[token] or b""
        except sg.StructgenError as error:
            print(f"{case.name}: {type(error).__name__}", file=sys.stderr)


def percentiles(times: list[Time]) -> dict[str, int]:
    """Return the percentiles of some times, in microseconds."""
    order = sorted(one.seconds for one in times)
    shares = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0))
    return {name: round(1e6 * order[min(len(order) - 1, int(share * len(order)))]) for name, share in shares}


def write(rows: list[tuple[object, ...]], options: argparse.Namespace) -> None:
    """Add rows to the day's results."""
    about = {
        "version": version(),
        "policies": "widest",
        "tokenizer": options.tokenizer,
        "keyword": options.keyword,
    }
    names = ("schemas", "store", "masks", "count", "percentile", "microseconds")
    write_rows(options.results, "keyword", about, names, rows, more=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", type=Path, help="MaskBench; default STRUCTGEN_MASKBENCH")
    parser.add_argument("--keyword", default="uniqueItems")
    parser.add_argument("--tokenizer", default="llama3")
    parser.add_argument("--slowest", type=int, default=20)
    add_results(parser)
    options = parser.parse_args()
    path = options.path or Path(os.environ.get("STRUCTGEN_MASKBENCH", ""))
    if path == Path():
        print("Nothing measured: give the path of MaskBench, or set STRUCTGEN_MASKBENCH to it.")
        return 0
    open_source(path)
    cases = [case for case in select([path]).cases() if has(json.loads(case.schema), options.keyword)]
    tokenizer, store = load(options.tokenizer), sg.MaskStore(path=None)
    sg.Matcher(sg.compile(sg.json_schema({}), tokenizer, store=store)).tokens_to_finish()
    print(f"{len(cases)} schemas with {options.keyword}, {options.tokenizer}; microseconds")
    gc.disable()
    rows: list[tuple[object, ...]] = []
    for turn in ("cold store", "warm store"):
        first: list[Time] = []
        others: list[Time] = []
        for case in cases:
            for begins, one in replay(case, tokenizer, store):
                (first if begins else others).append(one)
        if not others:
            return 0
        print(turn)
        for what, times in (("first", first), ("others", others)):
            found = percentiles(times)
            shown = "  ".join(f"{name} {us:,}" for name, us in found.items())
            print(f"  {what} ({len(times):,})  {shown}")
            rows += [(len(cases), turn, what, len(times), name, us) for name, us in found.items()]
    for one in sorted(others, reverse=True)[: options.slowest]:
        print(f"{1e6 * one.seconds:>9,.0f}  {one.name}  ...{one.written.decode('utf-8', 'replace')}")
    write(rows, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())

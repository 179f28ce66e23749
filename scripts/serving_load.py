"""Ask `structgen serve` for many schemas and grammars, and look at what its process holds.

    python scripts/serving_load.py --schemas PATH [--count 200] [--distinct 1000]

The server runs in a process of its own and serves the embedded model. It is asked for schemas of MaskBench's
files and for 20 grammars, one at a time and 16 at once; then for `--distinct` schemas that nobody has asked
for, one after the other, while the memory of the server is looked at; last it is killed while it writes to
its store, and a second server reads that store. Exit status 1 where a text is invalid, where one is cut
although its shortest document fits, where more than one request in 200 is refused, where memory grows, or
where the second server does not answer.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import lark
import openai
from serving_clients import serving
from serving_engines import AT_ONCE, GRAMMARS, Asking, Engine, judge_of, pattern_judge, schemas_of

ROOT = Path(__file__).resolve().parents[1]
OURS = Engine("structgen", "", "", lambda kind, value: {"structured_outputs": {kind: value}}, ())
PATTERNS = (
    r"\d{4}-\d{2}-\d{2}",
    r"[A-Z]{2}\d{2}( \d{4}){3}",
    r"(a|b)*c",
    r"#[0-9a-f]{6}",
    r"[\w.]{1,12}@[a-z]{1,9}\.(com|org)",
    r"(\(\d{3}\) )?\d{3}-\d{4}",
    r"v\d+\.\d+\.\d+(-(alpha|beta)\.\d)?",
    r"[^\n]{3,20}",
    r"(red|green|blue)(, (red|green|blue)){0,4}",
    r"0x[0-9A-F]+",
)
LARK_FILES = ("arithmetic", "csv", "dates", "json", "sql")
MOST_GROWTH = 0.03
"""By this share the memory of the server may grow over the second half of the distinct schemas: what caches
hold is bounded, and the allocator's own noise is about a hundredth."""


def lark_judge(text: str) -> Callable[[str], bool]:
    """Return what tells whether lark parses a text."""
    parser = lark.Lark(text, parser="lalr")

    def judge(document: str) -> bool:
        try:
            parser.parse(document)
        except lark.exceptions.LarkError:
            return False
        return True

    return judge


def jobs_of(path: Path, count: int) -> list[tuple[str, str, Any, Callable[[str], bool]]]:
    """Return schemas and 20 grammars: name, kind of constraint, its value, judge."""
    jobs = [(name, "json", schema, judge_of(schema)) for name, schema in schemas_of(path, count)]
    jobs += [(f"{kind} {at}", kind, one, pattern_judge(p)) for at, (kind, one, p) in enumerate(GRAMMARS)]
    jobs += [(pattern, "regex", pattern, pattern_judge(pattern)) for pattern in PATTERNS]
    for name in LARK_FILES:
        text = (ROOT / "grammars" / f"{name}.lark").read_text(encoding="utf-8")
        jobs.append((f"{name}.lark", "grammar", text, lark_judge(text)))
    return jobs


def texts_are_valid(address: str, path: Path, count: int) -> bool:
    """Ask for all schemas and grammars; print counts and faults."""
    asking, jobs, good = Asking(OURS, address), jobs_of(path, count), True
    for at_once in (1, AT_ONCE):
        before = time.monotonic()
        with ThreadPoolExecutor(at_once) as pool:
            outcomes = list(pool.map(lambda job: asking.outcome(*job[1:]), jobs))
        # a budget in which no document fits is the request's fault, and says so
        outcomes = ["too few tokens" if "No document fits" in one else one for one in outcomes]
        counts = Counter(one.partition(":")[0] for one in outcomes)
        print(f"{at_once} at a time: {dict(counts)}, {time.monotonic() - before:.0f} s", flush=True)
        for job, one in zip(jobs, outcomes, strict=True):
            if one not in ("valid", "too few tokens"):
                print(f"  {job[0]}: {one[:300]}")
        good = (
            good
            and counts.keys() <= {"valid", "too few tokens", "refused"}
            and counts["refused"] * 200 <= len(jobs)
        )
    return good


def distinct(number: int) -> dict[str, Any]:
    """Return a schema that no other number gives."""
    properties = {f"k{number}": {"type": "string", "maxLength": 8}, f"n{number}": {"type": "integer"}}
    return {"type": "object", "properties": properties, "required": [f"k{number}"]}


def memory_is_flat(address: str, process: subprocess.Popen[str], count: int) -> bool:
    """Ask for schemas that are all different; print the server's memory ten times."""
    asking, seen = Asking(OURS, address), []
    for number in range(count):
        asking.reply("json", distinct(number), 40)
        if (number + 1) % max(count // 10, 1) == 0:
            pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
            seen.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
            print(f"after {number + 1} schemas: {seen[-1]:.0f} MiB", flush=True)
    half = seen[len(seen) // 2 - 1]
    return seen[-1] <= half * (1 + MOST_GROWTH)


def store_survives(store: Path, kills: int) -> bool:
    """Kill servers while they write to one store; the next one reads it and answers."""
    draw = random.Random(7)
    for kill in range(kills):
        with serving(STRUCTGEN_CACHE=str(store)) as (address, process), ThreadPoolExecutor(4) as pool:
            asking = Asking(OURS, address)
            asking.reply("json", distinct(kill), 40)
            started = [pool.submit(_or_gone, asking, distinct(100_000 + 100 * kill + at)) for at in range(40)]
            time.sleep(draw.uniform(0.05, 0.6))
            process.kill()
            process.wait()
            assert any(not one.result() for one in started), "the server was killed after its last answer"
    with serving(STRUCTGEN_CACHE=str(store)) as (address, _process):
        asking = Asking(OURS, address)
        outcomes = [
            asking.outcome("json", schema, judge_of(schema), 60)
            for schema in (distinct(100_000 + 100 * kill + at) for kill in range(kills) for at in range(5))
        ]
    print(f"after {kills} kills: {dict(Counter(outcomes))}", flush=True)
    return set(outcomes) == {"valid"}


def _or_gone(asking: Asking, schema: Any) -> bool:
    """Return whether an answer came before the server went."""
    try:
        asking.reply("json", schema, 40)
    except openai.APIConnectionError:
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--schemas", type=Path, default=ROOT / "schemas", help="a folder or tar of schemas")
    parser.add_argument("--count", type=int, default=200, help="how many of them")
    parser.add_argument("--distinct", type=int, default=1000, help="schemas for the look at memory")
    parser.add_argument("--kills", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        with serving(STRUCTGEN_CACHE=str(store / "one")) as (address, process):
            checks = [
                partial(texts_are_valid, address, options.schemas, options.count),
                partial(memory_is_flat, address, process, options.distinct),
            ]
            good = [check() for check in checks]
        good.append(store_survives(store / "killed", options.kills))
    print(json.dumps(dict(zip(("texts", "memory", "store"), good, strict=True))))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Whole string automata (anew/whole_strings) beside today's, on the specs of real schemas.

    python bench/bench_whole_strings.py FOLDER... [--every 10] [--pairs 100]

Every so many `*.json` of the folders is read: a schema, or an object with `schema` and `tests` as MaskBench
has it. The schema is compiled with the small vocabulary and its first two documents are walked; the specs
that string pools are asked for meanwhile are kept. Then each is made in a new pool of either kind, with
nothing held, and the two are walked side by side, up to so many pairs of states: outcomes, and for each byte
whether it may follow.

Prints how many are equal, each difference and each refusal, and what pools cost in milliseconds of processor
time: whole, and today's first row.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import structgen as sg  # noqa: E402
from anew.whole_strings import formulas, string_pool  # noqa: E402
from structgen.automata.strings.string_pool import StringPool as LazyPool  # noqa: E402
from structgen.language.ir import DEAD, Spec  # noqa: E402
from structgen.limits import Limits  # noqa: E402
from structgen.maskbench.vocabularies import load  # noqa: E402

WholePool = string_pool.StringPool
TOKENS = 300
"""Tokens of a document that are walked."""
COLUMNS = 255
"""The columns that are compared: no UTF-8 has the byte 255, in which today's rows keep notes."""


def specs_of(paths: list[Path]) -> dict[Spec, str]:
    """Return the specs without a judge that pools are asked for, each with the file that it is from first."""
    found: dict[Spec, str] = {}
    start = LazyPool.start

    def noted(pool: LazyPool, spec: Spec, outcome: Callable[[frozenset[int]], int]) -> int:
        if spec.judge is None:
            found.setdefault(spec, path.name)
        return start(pool, spec, outcome)

    LazyPool.start = noted  # type: ignore[method-assign]
    tokenizer = load("small")
    mask = sg.allocate_mask(1, tokenizer.vocab_size)
    try:
        for path in paths:
            read = json.loads(path.read_text(encoding="utf-8"))
            is_case = isinstance(read, dict) and "tests" in read and "schema" in read
            documents = [one["data"] for one in read["tests"][:2]] if is_case else []
            try:
                schema = json.dumps(read["schema"] if is_case else read)
                compiled = sg.compile(sg.json_schema(schema), tokenizer, store=False)
                sg.Matcher(compiled).fill_mask(mask, 0)
                for document in documents:
                    matcher = sg.Matcher(compiled)
                    for token in tokenizer.encode(json.dumps(document).encode())[:TOKENS]:
                        matcher.advance(token)
            except sg.StructgenError:
                continue  # a schema that is refused, or a document that is none: what was asked is kept
    finally:
        LazyPool.start = start  # type: ignore[method-assign]
    return found


class Numbers:
    """Numbers of outcomes, and the sets that they stand for; {0} is 0."""

    def __init__(self) -> None:
        self.sets = [frozenset((0,))]

    def __call__(self, met: frozenset[int]) -> int:
        if met not in self.sets:
            self.sets.append(met)
        return self.sets.index(met)

    def of(self, outcome: int) -> frozenset[int]:
        return frozenset() if outcome < 0 else self.sets[outcome]


def compared(spec: Spec, pairs: int, took: dict[str, list[float]]) -> str:
    """Return what the two pools say of a spec: `equal`, or how they differ."""
    formulas.HELD.clear()
    string_pool.HELD.clear()
    whole, lazy, numbers, lazy_numbers = WholePool(Limits()), LazyPool(Limits()), Numbers(), Numbers()
    begin = time.process_time()
    try:
        counted = whole.counted(spec, numbers) if len(spec.formulas) == 1 else None
        start = whole.start(spec, numbers) if counted is None else counted.start
    except sg.StructgenError as error:
        return f"refused: {error}"
    made = time.process_time()
    other = lazy.start(spec, lazy_numbers)
    if other != DEAD:
        lazy.expand(other)
    took["whole"].append(made - begin)
    took["today's first row"].append(time.process_time() - made)
    if DEAD in (start, other):
        return "equal" if start == other else f"no text: {start == DEAD}, {other == DEAD}"
    rests = np.zeros(whole.count + 1, np.int64)
    if counted is not None:
        rests[counted.states] = counted.rests
    most = 1 << 40 if counted is None else counted.most
    seen = {(start, other, 0)}
    todo = list(seen)
    for state, beside, length in todo:
        mine = numbers.of(int(whole.outcome[state])) if length <= most else frozenset()
        if mine != lazy_numbers.of(int(lazy.outcome[beside])):
            return f"another outcome after {length} characters"
        lazy.expand(beside)
        row, lazy_row = whole.row(state)[:COLUMNS].copy(), lazy.trans[beside][:COLUMNS]
        after = 0 if counted is None else length + (whole.open_bytes(state) == 0)
        row[(row >= 0) & (after + rests[row] > most)] = DEAD
        differ = np.flatnonzero((row >= 0) != (lazy_row >= 0))
        if len(differ):
            return f"another answer to the byte {differ[0]} after {length} characters"
        for pair in set(zip(row.tolist(), lazy_row.tolist(), strict=True)):
            found = (*pair, after)
            if pair[0] >= 0 and found not in seen and len(seen) < pairs:
                seen.add(found)
                todo.append(found)
    return "equal"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=100)
    given = parser.parse_args()
    paths = sorted(path for folder in given.folders for path in folder.glob("*.json"))[:: given.every]
    warnings.simplefilter("ignore", sg.SchemaWarning)
    specs = specs_of(paths)
    took: dict[str, list[float]] = {"whole": [], "today's first row": []}
    compared(next(iter(specs)), 10, {name: [] for name in took})  # compiled code is loaded
    verdicts: Counter[Any] = Counter()
    for spec, name in specs.items():
        verdict = compared(spec, given.pairs, took)
        verdicts[verdict.split(":")[0].split(" after")[0].split(" to")[0]] += 1
        if verdict != "equal":
            print(f"{name}: {verdict}\n    {spec.formulas!r:.200}")
    print(f"{len(specs)} specs of {len(paths)} schemas: {dict(verdicts)}")
    for kind, times in took.items():
        quantiles = np.quantile(np.array(times) * 1e3, (0.5, 0.9, 0.99, 1)).round(2).tolist()
        print(f"{kind}: ms p50, p90, p99, largest {quantiles}")
    return int(set(verdicts) != {"equal"})


if __name__ == "__main__":
    sys.exit(main())

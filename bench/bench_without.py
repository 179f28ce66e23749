"""What do masks cost under a ban on texts (`sg.without`), beside the plain schema and `schema & ~regex`?

    python bench/bench_without.py --maskbench FOLDER [--tokenizer llama3] [--glob "*.json"] [--count 60]

The schemas are drawn from a folder of MaskBench's files, each with its first valid instance that structgen
takes. The banned lists are words of other files of the folder that stand in none of the schemas and texts
drawn, so that each text stays valid; the longer list holds the shorter one. Ways of one grammar:

- *plain*: the schema without a ban;
- *without N*: `sg.without(schema, N words)`;
- *& ~regex N*: `schema & ~sg.regex(...)`, which bans the bytes as they are spelled: the first masks of one
  small schema (SMALL), cold alone; of those drawn some take minutes, or end in a `LimitError`.

Three times of a mask. *cold*: the grammar is compiled anew with no store. *shared*: it is compiled with a
store in memory that it shares with all schemas before it under the same list, as in a server; *met*: the
same text once more in that compiled grammar. Times are processor time of the thread, in microseconds; a text
with a token that a mask does not allow is counted, and left there. Prints a table and writes
bench/results/without-DATE.csv.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
from records import arguments, load, show, version, write
from rich.console import Console
from rich.progress import track

import structgen as sg
from structgen.maskbench import vocabularies

COLUMNS = ("way", "masks", "texts", "refused_grammars", "refused_texts", "compile_p50_ms", "compile_max_ms")
COLUMNS += tuple(
    f"{when}_{what}_us" for when in ("cold", "shared", "met") for what in ("p50", "p90", "p99", "max")
)
LISTS = (10, 1000)
Case: TypeAlias = "tuple[str, str]"
"""A schema's text, and a text that it accepts."""
SMALL: Case = (
    '{"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}',
    '{"name": "a plain text"}',
)


def cases(paths: list[Path], tokenizer: sg.Tokenizer, most: int) -> list[Case]:
    """Return schemas with texts, of the first files that have one."""
    found: list[Case] = []
    for path in paths:
        held = json.loads(path.read_text("utf-8"))
        schema = json.dumps(held["schema"])
        try:
            compiled = sg.compile(sg.json_schema(schema), tokenizer, store=False)
        except sg.StructgenError:
            continue
        for test in held["tests"]:
            text = json.dumps(test["data"], ensure_ascii=False)
            state = compiled.step_bytes(compiled.start, text.encode()) if test["valid"] else None
            if state is not None and compiled.accepts_end(state):
                found.append((schema, text))
                break
        if len(found) == most:
            break
    return found


def words(paths: list[Path], of: list[Case], most: int) -> list[str]:
    """Return the most frequent words of files that stand in none of some schemas and texts, shuffled."""
    counts: Counter[str] = Counter()
    for path in paths:
        counts.update(re.findall(r"[a-z]{4,12}", path.read_text("utf-8").lower()))
    around = "\0".join(part for case in of for part in case)
    found = [word for word, _ in counts.most_common() if word not in around][:most]
    assert len(found) == most, "the folder has too few words"
    random.Random(0).shuffle(found)
    return found


class Way:
    """One way to make a grammar of a schema, and what its masks took."""

    def __init__(
        self, name: str, make: Callable[[str], sg.Grammar], tokenizer: sg.Tokenizer, most: int | None = None
    ) -> None:
        """`most`: masks of a text that are timed, cold alone; None: all, each way."""
        self.name, self.make, self.tokenizer, self.most = name, make, tokenizer, most
        self.store = sg.MaskStore()
        self.mask = sg.allocate_mask(1, tokenizer.vocab_size)
        self.times: dict[str, list[float]] = {"cold": [], "shared": [], "met": []}
        self.compiles: list[float] = []
        self.texts = self.refused_grammars = self.refused_texts = 0

    def run(self, case: Case) -> None:
        schema, text = case
        tokens = self.tokenizer.encode(text.encode())
        try:
            begun = time.thread_time()
            cold = sg.compile(self.make(schema), self.tokenizer, store=False)
            self.compiles.append(time.thread_time() - begun)
        except sg.StructgenError:
            self.refused_grammars += 1
            return
        self.texts += 1
        try:
            self.refused_texts += not self.replay(cold, tokens, "cold")
        except sg.errors.LimitError:
            self.refused_texts += 1
        if self.most is not None:
            return
        shared = sg.compile(self.make(schema), self.tokenizer, store=self.store)
        self.replay(shared, tokens, "shared")
        self.replay(shared, tokens, "met")

    def replay(self, compiled: sg.CompiledGrammar, tokens: list[int], when: str) -> bool:
        """Time the masks before each token and the end; return whether all tokens were allowed."""
        matcher, times = sg.Matcher(compiled), self.times[when]
        for at, token in enumerate((*tokens, None)):
            if at == self.most:
                return True
            begun = time.thread_time()
            matcher.fill_mask(self.mask)
            times.append(time.thread_time() - begun)
            if token is None:
                return matcher.is_complete
            if not int(self.mask.array[0, token >> 5]) >> (token & 31) & 1:
                return False
            matcher.advance(token)
        return True

    def row(self) -> tuple[object, ...]:
        figures = [
            round(1e6 * float(one), 1) if times else ""
            for times in self.times.values()
            for one in (np.percentile(times, (50, 90, 99, 100)) if times else (0, 0, 0, 0))
        ]
        compiles = 1e3 * np.array(self.compiles)
        return (
            self.name,
            len(self.times["cold"]),
            self.texts,
            self.refused_grammars,
            self.refused_texts,
            round(float(np.median(compiles)), 1),
            round(float(compiles.max()), 1),
            *figures,
        )


def spelled(schema: str, banned: list[str]) -> sg.Grammar:
    """Return the intersection with the complement of a regular expression."""
    held = sg.regex(f"[\\s\\S]*(?:{'|'.join(banned)})[\\s\\S]*")
    return sg.sequence(sg.json_schema(schema)) & ~held


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--tokenizer", default="llama3")
    parser.add_argument("--maskbench", type=Path, required=True)
    parser.add_argument("--glob", default="*.json")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--most", type=int, default=6, help="masks that are timed under & ~regex; 0: none")
    options = parser.parse_args()
    tokenizer = vocabularies.load(options.tokenizer)
    drawn = sorted(options.maskbench.glob(options.glob))
    random.Random(0).shuffle(drawn)
    work = cases(drawn, tokenizer, options.count)
    every = words(drawn[-1500:], work, LISTS[-1])
    ways = [(Way("plain", sg.json_schema, tokenizer), work)]
    for count in LISTS:
        made = lambda schema, banned=every[:count]: sg.without(sg.json_schema(schema), banned)  # noqa: E731
        ways.append((Way(f"without {count}", made, tokenizer), work))
    read = lambda schema: spelled(schema, every[: LISTS[0]])  # noqa: E731
    if options.most:
        ways.append((Way(f"& ~regex {LISTS[0]}", read, tokenizer, options.most), [SMALL]))
    before = load()
    for way, mine in ways:
        # what a process loads once is nobody's cost
        Way(way.name, way.make, tokenizer, way.most and 1).run((SMALL[0], '{"name": "b"}'))
        for case in track(mine, way.name, console=Console(stderr=True)):
            way.run(case)
    rows = [way.row() for way, _ in ways]
    show(COLUMNS, rows)
    about = {"tokenizer": options.tokenizer, "load": f"{before} {load()}", "version": version()}
    print(write(options.results, "without", about, COLUMNS, rows))


if __name__ == "__main__":
    main()

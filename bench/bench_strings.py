"""What does a string that is held to a grammar cost, inside an object, cold?

    python bench/bench_strings.py [--tokenizer llama3] [--only sql,python,paths,document] [--rounds 5]

An object has two fields: `query`, a text of a grammar (SQL; Python with its indenter; one of 10,000 paths; a
span of a document of 100,000 characters), and `limit`, an integer. "field": the schema with `x-grammar`;
"string": `sg.in_json_string` of the grammar alone; "grammar": the grammar alone; "schema": the schema
without `x-grammar`. Each is compiled anew, with no store, and one document is replayed, a mask and a commit
for each token; the rounds take turns. llguidance reads the nearest that it can: a Lark grammar of the whole
document, with `%json` for the integer. It has no way to escape the texts of a grammar, so that its texts are
those without quotes, backslashes and line breaks; it has no indenter. "inside": the masks before tokens
that write some of the field's string, its quotes too; "before" and "behind": those before the field (the last
of these holds tokens that reach into it) and behind it. Medians over the rounds, in CPU seconds.
Prints a table and writes bench/results/strings-DATE.csv.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any

import vocabularies
from grammar_cases import case
from peers import llguidance
from records import arguments, load, show, versions, write

import structgen as sg
from structgen.base.system import shipped_files
from structgen.doors.maskbench.engines import EngineRefusal, Session
from structgen.doors.maskbench.ours import session_of
from structgen.tokens.tokenizer import Tokenizer

COLUMNS = ("case", "what", "masks", "compile_ms", "first_mask_ms", "inside_p50_ms", "inside_all_ms")
COLUMNS += ("before_ms", "behind_ms", "commit_us", "known_us", "beside_string", "note")
_SCHEMA = {
    "type": "object",
    "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}},
    "required": ["query", "limit"],
    "additionalProperties": False,
}
_WHOLE = r"""
start: "{\"query\": \"" text "\", \"limit\": " number "}"
number: %json {"type": "integer"}
"""


@dataclass
class Field:
    """A grammar, a text of it, and the grammar as llguidance reads it (None: it has no way)."""

    make: Callable[[], sg.Grammar]
    text: str
    theirs: str | None = None


@dataclass
class Times:
    """What one thing took in each round, in seconds."""

    compile: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    inside: list[list[float]] = field(default_factory=list)
    before: list[float] = field(default_factory=list)
    behind: list[float] = field(default_factory=list)
    commits: list[float] = field(default_factory=list)
    known: list[float] = field(default_factory=list)


def fields() -> dict[str, Field]:
    """Return the cases."""
    source = random.Random(0)
    words = ["".join(source.choices("abcdefghijklmnop", k=source.randint(2, 9))) for _ in range(3_000)]
    document = " ".join(source.choices(words, k=20_000))[:100_000]
    paths = [f"src/d{index % 17}/file{index}.py" for index in range(10_000)]
    sql = shipped_files.grammar_path("sql").read_text("utf-8")
    one_of = "|".join(json.dumps(path) for path in paths)
    python = "def f(a, b):\n    if a > b:\n        return [x for x in a if x != \"c\"]\n    return {'k': b}\n"
    return {
        "sql": Field(
            partial(sg.lark, shipped_files.grammar_path("sql")),
            "SELECT name, count(id) FROM customers WHERE city = 'Paris' AND age >= 18 ORDER BY name LIMIT 10",
            sql.replace("start:", "text:", 1) + _WHOLE,
        ),
        "python": Field(lambda: case("python").grammar(), python),
        "paths": Field(partial(sg.choice, paths), paths[77], f"text: {one_of}" + _WHOLE),
        "document": Field(
            partial(sg.substring_of, document),
            document[5_000:5_100],
            f'text: %regex {{"substring_chars": {json.dumps(document)}}}' + _WHOLE,
        ),
    }


def replay(session: Session, times: Times, tokens: list[int], inside: range) -> None:
    """Have a document replayed. `inside`: the tokens that begin in the field's text."""
    masks, commits = [], 0.0
    for token in tokens:
        before = time.process_time()
        session.fill()
        between = time.process_time()
        session.commit(token)
        commits += time.process_time() - between
        masks.append(between - before)
    times.first.append(masks[0])
    times.inside.append([masks[at] for at in inside])
    times.before.append(sum(masks[: inside.start]))
    times.behind.append(sum(masks[inside.stop :]))
    times.commits.append(commits / len(tokens))


def tokens_of(tokenizer: Tokenizer, text: str, begin: int, end: int) -> tuple[list[int], range]:
    """Return the tokens of a document, and which write some of the bytes between two."""
    tokens, at, inside = tokenizer.encode(text.encode()), 0, []
    for index, token in enumerate(tokens):
        after = at + len(tokenizer.token_bytes[token] or b"")
        if begin < after and at < end:
            inside.append(index)
        at = after
    return tokens, range(inside[0], inside[-1] + 1)


def ours(grammar: sg.Grammar, tokenizer: Tokenizer, times: Times) -> Callable[[], Session]:
    """Return what begins documents under a grammar that is compiled now."""
    before = time.process_time()
    compiled = sg.compile(grammar, tokenizer, store=False)
    times.compile.append(time.process_time() - before)
    mask = sg.allocate_mask(1, tokenizer.vocab_size)
    return lambda: session_of(compiled, mask, tokenizer.eos_token_ids)


def measure(name: str, one: Field, tokenizer: Tokenizer, rounds: int) -> Iterator[tuple[object, ...]]:
    """Yield the rows of a case."""
    grammar = one.make()
    whole, quoted = json.dumps({"query": one.text, "limit": 10}, ensure_ascii=False), json.dumps(one.text)
    begin = len('{"query": ')
    document = tokens_of(tokenizer, whole, begin, begin + len(quoted.encode()))
    engine = llguidance(tokenizer, read="lark")
    things: dict[str, tuple[Callable[[Times], Callable[[], Session]], tuple[list[int], range]]] = {
        "field": (
            lambda times: ours(
                sg.json_schema(_SCHEMA, grammars={"#/properties/query": grammar}), tokenizer, times
            ),
            document,
        ),
        "string": (
            lambda times: ours(sg.in_json_string(grammar), tokenizer, times),
            tokens_of(tokenizer, quoted, 0, len(quoted.encode())),
        ),
        "grammar": (
            lambda times: ours(grammar, tokenizer, times),
            tokens_of(tokenizer, one.text, 0, len(one.text.encode())),
        ),
        "schema": (lambda times: ours(sg.json_schema(_SCHEMA), tokenizer, times), document),
    }

    def theirs(times: Times) -> Callable[[], Session]:
        before = time.process_time()
        start = engine.compile(one.theirs or "")
        times.compile.append(time.process_time() - before)
        return start

    if one.theirs is not None:
        things["llguidance, %json"] = theirs, document
    found = {what: Times() for what in things}
    notes = dict.fromkeys(things, "")
    for _ in range(rounds):
        for what, (begun, (tokens, inside)) in things.items():
            try:
                start = begun(found[what])
                replay(start(), found[what], tokens, inside)
                again = Times()
                replay(start(), again, tokens, inside)
                found[what].known.append(median(again.inside[0]))
            except (EngineRefusal, ValueError) as error:
                notes[what] = str(error)[:120]
    beside = median(median(one) for one in found["string"].inside)
    for what, times in found.items():
        if not times.inside:
            yield name, what, len(things[what][1][0]), *[""] * (len(COLUMNS) - 4), notes[what] or "refused"
            continue
        middle = median(median(one) for one in times.inside)
        figures = (
            *(1e3 * median(one) for one in (times.compile, times.first)),
            *(1e3 * middle, 1e3 * median(map(sum, times.inside))),
            *(1e3 * median(one) for one in (times.before, times.behind)),
            *(1e6 * median(times.commits), 1e6 * median(times.known), middle / beside),
        )
        yield name, what, len(things[what][1][0]), *(round(float(one), 3) for one in figures), notes[what]


def main() -> None:
    """Run the comparison."""
    parser = arguments(__doc__)
    parser.add_argument("--tokenizer", default="llama3")
    parser.add_argument("--only", default="", help="the cases whose names begin so, comma-separated")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    before = load()
    tokenizer = vocabularies.load(options.tokenizer)
    rows: list[tuple[Any, ...]] = []
    for name, one in fields().items():
        if name.startswith(tuple(options.only.split(","))):
            for row in measure(name, one, tokenizer, options.rounds):
                rows.append(row)
                print(*row, sep="; ", flush=True)
    show(COLUMNS, rows, "Strings that are held to a grammar, cold (CPU time)")
    about = {"load": f"{before} -> {load()}", "tokenizer": options.tokenizer}
    about["versions"] = versions("llguidance", "lark", "numba")
    print(write(options.results, "strings", about, COLUMNS, rows))


if __name__ == "__main__":
    main()

"""What do masks of composed grammars cost, cold, beside those of their parts, and of xgrammar and llguidance?

    python bench/bench_composed.py [--tokenizer llama3] [--maskbench FOLDER] [--glob "*.json"] [--count 60]
        [--only "JSON as rules,any JSON"]

*Tool call*: free text, and in it `<call>`, a document of a JSON Schema, `</call>`; the schemas are the
samples of this repository and, with `--maskbench`, as many as `--count` says, drawn from a folder of
MaskBench's files, each with its first valid instance that structgen takes. structgen and xgrammar read it as
a structural tag (`triggered_tags`), llguidance as rules with `%json`, whose free text has no `<`. *The schema
alone*: the same documents by themselves. *SQL, fenced*: "```sql", a text of grammars/sql.lark, "```"; *SQL
alone*: the same texts, under the Lark grammar by itself. *JSON as rules*: the samples' documents under JSON's
own rules in EBNF, and *any JSON*: under the schema `true`.

A grammar is compiled anew, with no store; then its text is replayed token by token: a mask, a commit. All
engines run in this process, in turns, grammar by grammar. A text with a token that a mask does not allow is
counted, and left there. Prints a table and writes bench/results/composed-DATE.csv. Times are wall clock, in
microseconds.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from bench_grammars import accepted
from grammar_engines import LlguidanceOfLark, Times, replay
from records import arguments, load, show, versions, write
from rich.console import Console
from rich.progress import track

import structgen as sg
from structgen.maskbench import vocabularies
from structgen.maskbench.engines import EngineConfig, EngineRefusal, Session
from structgen.maskbench.peers import XgrammarEngine
from structgen.system import resources

COLUMNS = ("grammar", "engine", "texts", "masks", "compile_ms", "first_mask_us", "mask_avg_us", "mask_p50_us")
COLUMNS += ("mask_p99_us", "mask_max_us", "commit_avg_us", "refused_texts", "refused_grammars")
BEFORE, AFTER = "Let me look that up. ", " That is all."
RULES = r"""
root   ::= ws value ws
value  ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" ws "}" | "{" member ("," member)* "}"
member ::= ws string ws ":" ws value ws
array  ::= "[" ws "]" | "[" ws value ws ("," ws value ws)* "]"
string ::= "\"" ([^"\\\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4}))* "\""
number ::= "-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)? ([eE] [-+]? [0-9]+)?
ws     ::= [ \t\n\r]*
"""
Job: TypeAlias = "tuple[str, str, str]"
"""A case, what the engine compiles (a schema's text, or a grammar), and a text."""
Compile: TypeAlias = Callable[[str, str], Callable[[], Session]]
"""Of a case and a schema's text: how a document begins under the compiled grammar."""


def tag(schema: str) -> dict[str, Any]:
    """Return free text in which a call may stand, as a structural tag."""
    content = {"type": "json_schema", "json_schema": json.loads(schema)}
    call = {"type": "tag", "begin": "<call>", "content": content, "end": "</call>"}
    return {
        "type": "structural_tag",
        "format": {"type": "triggered_tags", "triggers": ["<call"], "tags": [call]},
    }


class Ours:
    """structgen, without a store."""

    def __init__(self, tokenizer: sg.Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._mask = sg.allocate_mask(1, tokenizer.vocab_size)

    def compile(self, case: str, schema: str) -> Callable[[], Session]:
        grammar: sg.Grammar
        if case == "tool call":
            grammar = sg.structural_tag(tag(schema))
        elif case == "the schema alone":
            grammar = sg.json_schema(schema)
        elif case == "any JSON":
            grammar = sg.json_schema(True, numbers="any", whitespace="any", escapes="any")
        elif case == "JSON as rules":
            grammar = sg.ebnf(RULES)
        else:
            grammar = sg.lark(resources.grammar("sql"))
            if case == "SQL, fenced":
                grammar = "```sql\n" + grammar + "\n```"
        return partial(self._session, sg.compile(grammar, self._tokenizer, store=False))

    def _session(self, compiled: sg.CompiledGrammar) -> Session:
        matcher = sg.Matcher(compiled)
        row = memoryview(self._mask.array[0])
        return Session(partial(matcher.fill_mask, self._mask), matcher.advance, row, ())


class Xgrammar(XgrammarEngine):
    """xgrammar, which reads structural tags and schemas."""

    def compile_case(self, case: str, schema: str) -> Callable[[], Session]:
        if case in ("the schema alone", "any JSON"):
            return self.compile(schema or "true")
        if case == "JSON as rules":
            return self.sessions(partial(self._compiler.compile_grammar, RULES))
        if case != "tool call":
            raise EngineRefusal("no such grammar", "it reads no Lark files")
        return self.sessions(partial(self._compiler.compile_structural_tag, tag(schema)))


class Llguidance(LlguidanceOfLark):
    """llguidance, which reads rules with JSON Schemas in them."""

    def compile_case(self, case: str, schema: str) -> Callable[[], Session]:
        if case == "tool call":
            return self.compile(
                f'start: FREE ("<call>" call "</call>" FREE)*\nFREE: /[^<]*/\ncall: %json {schema}\n'
            )
        if case in ("the schema alone", "any JSON"):
            return self.compile(f"start: %json {schema or 'true'}\n")
        if case == "JSON as rules":
            raise EngineRefusal("no such grammar", "it reads no EBNF")
        return self.compile(resources.grammar("sql").read_text("utf-8"))


def schemas(paths: list[Path]) -> Iterator[tuple[str, list[Any]]]:
    """Yield schemas as texts, each with its valid instances."""
    for path in paths:
        held = json.loads(path.read_text("utf-8"))
        valid = [one["data"] for one in held["tests"] if one["valid"]]
        if valid:
            yield json.dumps(held["schema"]), valid


def jobs(tokenizer: sg.Tokenizer, drawn: list[Path]) -> Iterator[Job]:
    """Yield the grammars, each with a text that structgen takes."""
    for schema, valid in schemas([*sorted(resources.schemas().glob("*.json")), *drawn]):
        try:
            compiled = sg.compile(sg.json_schema(schema), tokenizer, store=False)
        except sg.StructgenError:
            continue
        for data in valid:
            text = json.dumps(data, ensure_ascii=False)
            state = compiled.step_bytes(compiled.start, text.encode())
            if state is not None and compiled.accepts_end(state):
                yield "tool call", schema, f"{BEFORE}<call>{text}</call>{AFTER}"
                yield "the schema alone", schema, text
                break
    for _schema, valid in schemas(sorted(resources.schemas().glob("*.json"))):
        text = json.dumps(valid[0], ensure_ascii=False)
        yield "JSON as rules", "", text
        yield "any JSON", "", text
    for text in accepted("sql")[:8]:
        yield "SQL, fenced", "", f"```sql\n{text}\n```"
        yield "SQL alone", "", text


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--tokenizer", default="llama3")
    parser.add_argument("--maskbench", type=Path)
    parser.add_argument("--glob", default="*.json")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--only", help="these cases, behind the rows that the day has")
    options = parser.parse_args()
    tokenizer = vocabularies.load(options.tokenizer)
    ours = Ours(tokenizer)
    engines: dict[str, Compile] = {
        "structgen": ours.compile,
        "xgrammar": Xgrammar(EngineConfig("xgrammar", ""), tokenizer).compile_case,
        "llguidance": Llguidance(EngineConfig("llguidance", ""), tokenizer).compile_case,
    }
    drawn = sorted(options.maskbench.glob(options.glob)) if options.maskbench else []
    random.Random(0).shuffle(drawn)
    only = options.only and options.only.split(",")
    work = [job for job in jobs(tokenizer, drawn[: options.count]) if not only or job[0] in only]
    times: dict[tuple[str, str], list[Times]] = {}
    refused: dict[tuple[str, str], int] = {}
    for engine in engines.values():  # what a process loads once is nobody's cost
        engine("the schema alone", "{}")().fill()
    before = load()
    for case, schema, text in track(work, "grammars", console=Console(stderr=True)):
        tokens = tokenizer.encode(text.encode())
        for name, engine in engines.items():
            taken, begun = Times(), time.perf_counter()
            try:
                begin = engine(case, schema)
            except EngineRefusal:
                refused[case, name] = refused.get((case, name), 0) + 1
                continue
            taken.compile = time.perf_counter() - begun
            replay(begin(), tokens, taken)
            times.setdefault((case, name), []).append(taken)
    rows = [
        row(*key, of, refused.get(key, 0)) for key, of in sorted(times.items()) if any(t.masks for t in of)
    ]
    show(COLUMNS, rows)
    about = {"tokenizer": options.tokenizer, "load": f"{before} {load()}"}
    about["versions"] = versions("xgrammar", "llguidance")
    print(write(options.results, "composed", about, COLUMNS, rows, more=bool(only)))


def row(case: str, name: str, of: list[Times], refused: int) -> tuple[object, ...]:
    """Return a row of the table."""
    whole = [one for one in of if one.masks]
    masks = 1e6 * np.array([mask for one in whole for mask in one.masks])
    commits = 1e6 * np.array([commit for one in whole for commit in one.commits])
    first = 1e6 * np.median([one.masks[0] for one in whole])
    compiled = 1e3 * np.median([one.compile for one in whole])
    low, high = np.percentile(masks, (50, 99))
    figures = (compiled, first, masks.mean(), low, high, masks.max(), commits.mean())
    return (
        case,
        name,
        len(whole),
        len(masks),
        *(round(float(one), 1) for one in figures),
        sum(one.refused for one in of),
        refused,
    )


if __name__ == "__main__":
    main()

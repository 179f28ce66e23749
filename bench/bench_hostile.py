"""What do schemas cost that were made to be hard?

    python bench/bench_hostile.py [NAME...] [--tokenizer small] [--seconds 1] [--mib 1024]
                                  [--calls-tokenizer llama3] [--calls-seconds 4]

Each schema of tests/schema/hostile_schemas.py whose name holds one of the NAMEs (without any: all), in a
process of its own whose compiled code is loaded: the time to read and compile it, of the first mask, and of
200 tokens more, mask and commit, along its first document and then at random; and the peak of the process's
memory, Python and the vocabulary included. Times are processor seconds of the one thread that works, so that
other work on the machine shows little. The three together are held to `--seconds`, the memory to `--mib`,
under the widest policies. A schema that must be refused is refused by the name of a limit within the same
bounds.

Then the calls of hostile_calls.py (text and Lark grammars, requests, tools, numbers), each in a process of
its own, with Llama 3's vocabulary, or the small one where that is not on this machine: the grammar is read
and compiled, its least number of tokens is asked, and 30 tokens are walked. Figures of calls are those of
the slowest one of a kind. No call (a mask, a token) may take more than `--calls-seconds`; each ends in an
answer, or in an error of structgen's.

Prints a table, and writes bench/results/hostile-DATE.csv, a row a schema; the exit status is 1 where
any misses.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from judging import Named, Outcome, Question, run
from vocabularies import load

import structgen as sg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "schema"))

from hostile_calls import CALLS
from hostile_schemas import HOSTILE, REFUSED, Text

SCHEMAS = {case.name: case for case in HOSTILE}
COMPILED, MISSED = "compiled", "missed"
SCHEMA_TOKENS, CALL_TOKENS = 200, 30


@dataclass
class Clock:
    """The processor seconds of calls by figure: their sum, or the slowest."""

    is_sum: bool
    took: dict[str, float] = field(default_factory=dict)

    def __call__(self, figure: str, call: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a call returns."""
        begin = time.process_time()
        try:
            return call(*arguments)
        finally:
            one = time.process_time() - begin
            before = self.took.get(figure, 0.0)
            self.took[figure] = before + one if self.is_sum else max(before, one)
            if figure == "walk_s" or not self.is_sum:
                self.took["slowest_call_s"] = max(self.took.get("slowest_call_s", 0.0), one)


class Hostility(Question):
    """Measures schemas and calls that were made to be hard."""

    name = "hostile"
    keys = ("schema", "verdict", "misses")
    figures = ("compile_s", "first_mask_s", "walk_s", "slowest_call_s", "peak_mib", "tokens")
    bad = (MISSED,)
    told = ("tokenizer", "calls_tokenizer")
    each = 1
    memory = 8 << 30
    """A schema that asks for more must not take the machine with it."""

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        parser.set_defaults(jobs=1, timeout=60.0)
        parser.add_argument("--seconds", type=float, default=1.0)
        parser.add_argument("--mib", type=float, default=1024.0)
        parser.add_argument("--calls-tokenizer", default="llama3")
        parser.add_argument("--calls-seconds", type=float, default=4.0)

    def cases(self, wanted: Callable[[str], bool]) -> Iterator[Named]:
        warm_up(load(self.options.tokenizer))  # compiles the inner loop, so that no schema waits for it
        try:
            load(self.options.calls_tokenizer)
        except sg.errors.TokenizerError as error:
            print(f"{error.what} The small vocabulary stands for it.", file=sys.stderr)
            self.options.calls_tokenizer = "small"
        return (Named(name) for name in (*SCHEMAS, *CALLS) if wanted(name))

    def judged(self, case: Named) -> Outcome:
        options, is_schema = self.options, case.name in SCHEMAS
        tokenizer = load(options.tokenizer if is_schema else options.calls_tokenizer)
        warm_up(tokenizer)
        clock = Clock(is_schema)
        try:
            verdict = measured(case.name, tokenizer, clock)
        except Exception as error:  # whatever it is, it is this schema's result
            verdict = f"{type(error).__name__}: {error}"[:300].replace("\t", " ")
        clock.took["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return self._noted(case, verdict, clock.took)

    def _noted(self, case: Named, verdict: str, took: dict[str, float]) -> Outcome:
        """Return the outcome of a schema or a call with its figures, held to what they may be."""
        is_refused, missed = verdict.startswith("refused"), ""
        if case.name in SCHEMAS:
            allowed, spent = self.options.seconds, sum(took.get(one, 0.0) for one in self.figures[:3])
            if is_refused != (case.name in REFUSED):
                missed = verdict if is_refused else "not refused"
        else:
            allowed, spent = self.options.calls_seconds, took.get("slowest_call_s", 0.0)
        if verdict != COMPILED and not is_refused:
            missed = verdict
        elif not missed and spent > allowed:
            missed = "time"
        elif not missed and took["peak_mib"] > self.options.mib:
            missed = "memory"
        outcome, row = Outcome(case.name, verdict), f"{case.name}\t{verdict}\t{missed}"
        for figure, value in took.items():
            outcome.count(row, figure, value)
        if missed:
            outcome.fault(row, MISSED, missed)
        return outcome

    def unanswered(self, case: Named, verdict: str, why: str) -> Outcome:
        return self._noted(case, f"no answer: {verdict}", {})


def measured(name: str, tokenizer: sg.Tokenizer, clock: Clock) -> str:
    """Time a schema or a call, and return the verdict on it."""
    is_schema = name in SCHEMAS
    schema = SCHEMAS[name].make() if is_schema else None
    mask, chance = sg.allocate_mask(1, tokenizer.vocab_size), random.Random(name)
    matcher: sg.Matcher | None = None

    def grammar() -> sg.Grammar:
        return sg.json_schema(schema, **sg.WIDEST) if is_schema else CALLS[name]()

    try:
        made = clock("compile_s", grammar)
        compiled = clock("compile_s", lambda: sg.compile(made, tokenizer, store=False))
        clock("first_mask_s", sg.Matcher(compiled).fill_mask, mask)
        matcher = sg.Matcher(compiled)
        good = SCHEMAS[name].good[:1] if is_schema else ()
        texts = [(one if isinstance(one, Text) else json.dumps(one)).encode() for one in good]
        walk(matcher, tokenizer, texts, chance, clock)
    except sg.errors.LimitError as error:
        where = "limit met in a walk" if is_schema and matcher else "refused"
        return f"{where}: {error.limit}"
    except sg.StructgenError as error:
        if is_schema or isinstance(error, sg.errors.OptionError):
            raise  # a call is hard to answer, not asked wrongly
        return f"refused: {type(error).__name__}"
    return COMPILED


def walk(
    matcher: sg.Matcher, tokenizer: sg.Tokenizer, texts: list[bytes], chance: random.Random, clock: Clock
) -> None:
    """Take tokens, each after a mask: those of a schema's first document, then any; of a call its fewest
    tokens are asked before each."""
    start, mask, is_schema = matcher.compiled, sg.allocate_mask(1, tokenizer.vocab_size), clock.is_sum
    planned = list(tokenizer.encode(texts[0]))[:SCHEMA_TOKENS][::-1] if texts else []
    for _ in range(SCHEMA_TOKENS if is_schema else CALL_TOKENS):
        if not is_schema:
            clock("walk_s", matcher.tokens_to_finish)
        clock("walk_s", matcher.fill_mask, mask)
        allowed = sorted({*mask.allowed(0).tolist()} - {*tokenizer.eos_token_ids})
        if not planned and not allowed:
            assert matcher.is_complete, "an empty mask"
            if not is_schema:
                return
            matcher = sg.Matcher(start)
            continue
        token = planned.pop() if planned else chance.choice(allowed)
        assert token in allowed, "a document of the schema is not allowed"
        clock("walk_s", matcher.advance, token)
        if not planned and texts and matcher.is_complete:
            texts, matcher = [], sg.Matcher(start)
    clock.took["tokens"] = SCHEMA_TOKENS if is_schema else CALL_TOKENS


def warm_up(tokenizer: sg.Tokenizer) -> None:
    """Load the compiled code: a schema's time begins when a process has served others."""
    schema = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 9},
            "number": {"type": "number", "multipleOf": 0.5, "minimum": 1, "maximum": 10**30},
            "list": {"type": "array", "uniqueItems": True, "items": {"enum": [1, "a", {"b": 1}]}},
        },
        "patternProperties": {"^x": {"type": "integer"}},
        "required": ["text", "number"],
        "minProperties": 3,
    }
    compiled = sg.compile(sg.json_schema(schema, **sg.WIDEST), tokenizer, store=False)
    text = b'{"text":"abc","number":1.50,"list":[1,"a"],"x\\u0061":1}'
    walk(sg.Matcher(compiled), tokenizer, [text], random.Random(0), Clock(True))


if __name__ == "__main__":
    sys.exit(run(Hostility, __doc__))

"""Can the schemas that people edit files with be used, and are their own tests judged right?

    python bench/bench_schemastore.py [FOLDER] [--sample 100] [--only azure] [--timeout 20] [--progress FILE]

FOLDER holds schemas of SchemaStore with their tests: `tests/NAME` says of `schemas/NAME` which other schemas
it refers to (`resources`: from URI to file) and has JSON texts (`text`) with two verdicts, jsonschema-rs's
(`valid`) and SchemaStore's (`suite`). Without FOLDER the environment's STRUCTGEN_SCHEMASTORE, and without
that nothing is measured. A schema that is not there is not fetched: who refers to it is refused.
Each schema is compiled under the widest policies; every text is replayed token by token, a mask before each.
A schema may take `--timeout` seconds of the processor for its compilation and each of its texts, and 6 GiB.
Prints how many schemas and texts came to what, with the times, and each schema that is not right; writes
bench/results/schemastore-DATE.csv, a row a schema:

over        the compilation, the first mask or a text took longer than the limit, or more memory
wrong       a valid text refused, an invalid one accepted, or an error that is not ours
limit       `LimitError` or `UnsupportedError` behind the first mask, in the middle of a text
refused     by name: when compiled, or in the first mask
disputed    a verdict that jsonschema-rs's is not, but jsonschema's is, or SchemaStore's own
right       the rest

Exit status: 0, or 1 where any is over, wrong or met a limit in the middle of a text.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from judging import LATE, Outcome, Question, run
from vocabularies import load

import structgen as sg
from structgen.doors.maskbench.ours import reason_of
from structgen.grammars.json_grammars.schema_grammar import unwarned_schema

OVER, WRONG, LIMIT, REFUSED, DISPUTED, RIGHT = OUTCOMES = (
    *("over", "wrong", "limit", "refused", "disputed", "right"),
)
TIMES = ("compile_ms", "first_mask_ms", "longest_mask_ms")


@dataclass(frozen=True)
class Entry:
    """One schema with its tests."""

    name: str
    schema: str
    resources: dict[str, Any]
    tests: tuple[tuple[str, bool, bool], ...] = ()
    """A text, the verdict of jsonschema-rs, and that of SchemaStore."""


class Schemastore(Question):
    """Judges schemas with their own tests. The outcome of one is the worst of what is known of it."""

    name = "schemastore"
    source = "STRUCTGEN_SCHEMASTORE"
    keys = ("outcome", "schema", "detail")
    figures = ("schemas", "texts", "right", "valid refused", "invalid accepted", "not reached", *TIMES)
    bad = (OVER, WRONG, LIMIT)
    noted = (REFUSED, DISPUTED)
    shown = 1
    told = ("tokenizer", "sample", "seed", "timeout")
    memory = 6 << 30

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        parser.set_defaults(timeout=20.0)

    def cases(self, wanted: Callable[[str], bool]) -> Iterator[Entry]:
        folder = self.options.paths[0]
        names = sorted(file.name for file in (folder / "tests").glob("*.json"))
        if self.options.sample is not None and self.options.sample < len(names):
            names = sorted(random.Random(self.options.seed).sample(names, self.options.sample))
        return (read(folder, name) for name in names if wanted(name))

    def seconds(self, case: Entry) -> float:
        return float(self.options.timeout * (1 + len(case.tests)))

    def ready(self) -> None:
        self.tokenizer = load(self.options.tokenizer)
        self.mask = sg.allocate_mask(1, self.tokenizer.vocab_size)
        sg.Matcher(sg.compile(sg.json_schema({}), self.tokenizer)).fill_mask(self.mask)

    def judged(self, case: Entry) -> Outcome:
        figures: dict[str, float] = {"schemas": 1, "texts": len(case.tests)}
        told = list(self._told(case, figures))
        outcome, detail = min(told, key=lambda one: OUTCOMES.index(one[0]), default=(RIGHT, ""))
        return noted(case, outcome, detail, figures)

    def unanswered(self, case: Entry, verdict: str, why: str) -> Outcome:
        figures: dict[str, float] = {"schemas": 1, "texts": len(case.tests), "not reached": len(case.tests)}
        return noted(case, OVER if verdict == LATE else WRONG, why, figures)

    def _told(self, case: Entry, figures: dict[str, float]) -> Iterator[tuple[str, str]]:
        """Yield what is not right of a schema, and why; note its figures."""
        begun = time.perf_counter()
        try:
            grammar = unwarned_schema(case.schema, resources=case.resources, **sg.WIDEST)
            compiled = sg.compile(grammar, self.tokenizer, store=False)
            figures["compile_ms"] = 1e3 * (time.perf_counter() - begun)
            sg.Matcher(compiled).fill_mask(self.mask)
            figures["first_mask_ms"] = 1e3 * (time.perf_counter() - begun)
        except Exception as error:
            figures["not reached"] = figures["texts"]
            yield (REFUSED if isinstance(error, sg.StructgenError) else failed(error)), reason(error)
            return
        for number, (text, valid, suite) in enumerate(case.tests):
            try:
                taken = self._is_taken(compiled, text.encode(), figures)
            except Exception as error:
                yield failed(error), f"text {number}: {reason(error)}"
                continue
            verdict = "right" if taken == valid else "invalid accepted" if taken else "valid refused"
            figures[verdict] = figures.get(verdict, 0) + 1
            if taken != valid:
                doubted = suite == taken or other_judge(case, text) == taken
                yield DISPUTED if doubted else WRONG, f"{verdict}: text {number}"

    def _is_taken(self, compiled: sg.CompiledGrammar, text: bytes, figures: dict[str, float]) -> bool:
        """Return whether a text is taken, each token allowed by the mask before it; note the longest mask."""
        matcher = sg.Matcher(compiled)
        for token in self.tokenizer.encode(text):
            begun = time.perf_counter()
            matcher.fill_mask(self.mask)
            took = 1e3 * (time.perf_counter() - begun)
            figures["longest_mask_ms"] = max(figures.get("longest_mask_ms", 0.0), took)
            if not int(self.mask.array[0][token >> 5]) >> (token & 31) & 1:
                return False
            matcher.advance(token)
        return matcher.is_complete

    def left(self, outcomes: Iterable[Outcome]) -> list[str]:
        """Print the times of all schemas, and find nothing wrong."""
        rows = [row for outcome in outcomes for row in outcome.rows.values()]
        for name in TIMES:
            taken = [row[name] for row in rows if name in row] or [0.0]
            said = " ".join(f"{one:.2f}" for one in np.percentile(taken, (50, 90, 99, 100)))
            print(f"{name}: p50, p90, p99 and the longest of {len(taken)}: {said}")
        return []


def read(folder: Path, name: str) -> Entry:
    """Return the schema of a name."""
    about = json.loads((folder / "tests" / name).read_text("utf-8"))
    resources = {
        uri: json.loads((folder / "schemas" / file).read_text("utf-8"))
        for uri, file in about["resources"].items()
    }
    tests = tuple((test["text"], test["valid"], test["suite"]) for test in about["tests"])
    return Entry(name, (folder / "schemas" / name).read_text("utf-8-sig"), resources, tests)


def failed(error: Exception) -> str:
    """Return the outcome of a schema behind whose first mask an error came."""
    if isinstance(error, MemoryError):
        return OVER
    return LIMIT if isinstance(error, (sg.errors.LimitError, sg.errors.UnsupportedError)) else WRONG


def reason(error: Exception) -> str:
    """Return the kind of an error, and the first line of what it says."""
    kind = reason_of(error) if isinstance(error, sg.StructgenError) else type(error).__name__
    return f"{kind}: {str(error).splitlines()[0] if str(error) else ''}".replace("\t", " ")[:300]


def noted(case: Entry, outcome: str, detail: str, figures: dict[str, float]) -> Outcome:
    """Return the outcome of a schema, with a row of its own."""
    found, row = Outcome(case.name, outcome), f"{outcome}\t{case.name}\t{detail}"
    for figure, value in figures.items():
        found.count(row, figure, value)
    if outcome != RIGHT:
        found.fault(row, outcome, detail)
    return found


def other_judge(case: Entry, text: str) -> bool | None:
    """Return what `jsonschema`, formats asserted, says of a text; None where it says nothing."""
    import jsonschema
    from referencing import Registry
    from referencing.jsonschema import DRAFT7

    schema: Any = json.loads(case.schema)
    try:
        make = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        registry: Any = Registry().with_contents(case.resources.items(), default_specification=DRAFT7)
        judge = make(schema, registry=registry, format_checker=make.FORMAT_CHECKER)
        return bool(judge.is_valid(json.loads(text)))
    except Exception:
        # It raises errors of many kinds for schemas and patterns that it does not take.
        return None


if __name__ == "__main__":
    sys.exit(run(Schemastore, __doc__))

"""Is every keyword of every draft judged as the official test suite says?

    python bench/bench_suite.py [PATH] [--only draft7/ v1/] [--only /required/] [--progress FILE]

PATH is an unpacked JSON-Schema-Test-Suite (https://github.com/json-schema-org/JSON-Schema-Test-Suite, whose
README says how to read the folders); without it the environment's STRUCTGEN_SUITE, and without that
nothing is judged. Widest policies; formats are asserted in the format folders, and annotations elsewhere.
Keywords about what a string holds are annotations: optional/content.json is left out. Each instance is
replayed byte by byte, its keys in the order given, reversed and shuffled; a schema may take so many seconds
of the processor for each of its tests (`--timeout`). Prints a table by draft and part, and each test that is
not right; a full run writes bench/results/suite-DATE.csv, a row a file. A test named in
bench/suite_skips.json is counted under `skipped`, unless it was wrongly accepted, and shown with its reason;
one that is right after all is to be taken off the list. A case is named DRAFT/PART/FILE#NUMBER.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from judging import LATE, Outcome, Question, run

import structgen as sg
from structgen.base.json_text.raw_json import read_as_written, write_as_read
from structgen.doors.maskbench.ours import reason_of
from structgen.grammars.json_grammars.schema_grammar import unwarned_schema

DRAFTS = ("draft3", "draft4", "draft6", "draft7", "draft2019-09", "draft2020-12", "v1")
RIGHT, REFUSED, ACCEPTED, REJECTED, CRASHED, TIMED_OUT = VERDICTS = (
    "right",
    "refused at compile",
    "wrongly accepted",
    "wrongly refused",
    "crashed",
    "timed out",
)

SKIPPED = "skipped"
SKIPS = Path(__file__).parent / "suite_skips.json"
Key: TypeAlias = tuple[str, str, str, str]
"""A test: draft, file, case, test."""
REMOTES = "http://localhost:1234/"
SHUFFLE_SEED = 7
BYTES = sg.Tokenizer.from_bytes([bytes((byte,)) for byte in range(256)] + [None], eos_token_id=256)
"""Token i is byte i."""
MASK = sg.allocate_mask(1, BYTES.vocab_size)


@dataclass(frozen=True, slots=True)
class File:
    """One file of the suite."""

    path: Path
    draft: str
    group: str
    name: str
    """Its path below the draft's folder."""

    def cases(self) -> list[dict[str, Any]]:
        """Return its cases, numbers as the text has them (`RawNumeral`)."""
        cases: list[dict[str, Any]] = read_as_written(self.path.read_text(encoding="utf-8"))
        return cases


def suite_files(root: Path) -> Iterator[File]:
    """Yield the files of a suite, draft by draft, in order of their names."""
    for draft in DRAFTS:
        folder = root / "tests" / draft
        for path in sorted(folder.rglob("*.json")):
            name = path.relative_to(folder).as_posix()
            if name == "optional/content.json":  # it asks that what a string holds be asserted
                continue
            yield File(path, draft, _group(name), name)


def _group(name: str) -> str:
    folder = name.rpartition("/")[0]
    if not folder:
        return "required"
    if folder in ("format", "optional/format"):
        return "format"
    if name == "optional/ecmascript-regex.json":
        return "ecmascript-regex"
    return "proposals" if folder.startswith("proposals") else "optional"


def resources(root: Path) -> dict[str, Any]:
    """Return the suite's remote schemas by the URIs under which it refers to them."""
    remotes = root / "remotes"
    return {
        REMOTES + path.relative_to(remotes).as_posix(): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(remotes.rglob("*.json"))
    }


def judge(file: File, case: Mapping[str, Any], remotes: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what becomes of each test of a case: what the test is called, a verdict, and a detail.

    A schema that no document satisfies is judged as what it is: it refuses every instance.
    """
    schema = case["schema"]
    compiled: sg.CompiledGrammar | None = None
    failure: tuple[str, str] | None = None
    try:
        grammar = unwarned_schema(write_as_read(schema), resources=remotes, **options_of(file, schema))
        compiled = sg.compile(grammar, BYTES, store=False)
    except sg.errors.UnsatisfiableSchema:
        pass
    except sg.StructgenError as error:
        failure = REFUSED, f"{reason_of(error)}: {error}"
    except Exception as error:
        failure = CRASHED, f"{type(error).__name__}: {error}"
    for test in case["tests"]:
        yield test["description"], *(failure or _verdict(compiled, test))


def _verdict(compiled: sg.CompiledGrammar | None, test: Mapping[str, Any]) -> tuple[str, str]:
    """Return the verdict on a test, and a detail."""
    for text in texts(test["data"]):
        try:
            taken = -1 if compiled is None else replay(compiled, text.encode(), MASK)
        except Exception as error:
            return CRASHED, f"{type(error).__name__}: {error}; {text}"
        accepted = taken > len(text.encode())
        if accepted is not test["valid"]:
            return (ACCEPTED, text) if accepted else (REJECTED, f"at byte {max(taken, 0)} of {text}")
    return RIGHT, ""


def options_of(file: File, schema: Any) -> dict[str, Any]:
    """Return what `sg.json_schema` is told for a case of a file."""
    options: dict[str, Any] = {
        **sg.WIDEST,
        "formats": "assert" if file.group == "format" else "annotate",
    }
    # The suite's README: from 2019-09 on `$schema` decides; before, and in v1, the folder does.
    says = isinstance(schema, dict) and "$schema" in schema
    if file.draft not in ("draft2019-09", "draft2020-12") or not says:
        options["draft"] = file.draft.removeprefix("draft")
    return options


def replay(
    compiled: sg.CompiledGrammar, tokens: Iterable[int], mask: sg.core.TokenMask, every: int = 1
) -> int:
    """Return how many tokens the machine takes and the mask before every so many of them allows; one more
    where the text may end. `mask` is filled for it."""
    matcher, taken, row = sg.Matcher(compiled), 0, mask.array[0]

    def allows(token: int) -> bool:
        matcher.fill_mask(mask)
        return bool(int(row[token >> 5]) >> (token & 31) & 1)

    for token in tokens:
        if taken % every == 0 and not allows(token):
            return taken
        try:
            matcher.advance(token)
        except sg.errors.TokenError:
            return taken
        taken += 1
    may_end = allows(next(iter(compiled.end_tokens)))
    if may_end != matcher.is_complete:
        raise AssertionError("the mask and is_complete disagree about the end")
    return taken + may_end


def texts(data: Any) -> list[str]:
    """Return an instance as JSON texts: its keys as given, reversed and shuffled, each text once."""
    draw = random.Random(SHUFFLE_SEED)
    found = [
        write_as_read(data),
        write_as_read(_ordered(data, list.reverse)),
        write_as_read(_ordered(data, draw.shuffle)),
    ]
    return list(dict.fromkeys(found))


def _ordered(data: Any, order: Callable[[list[str]], None]) -> Any:
    """Return a copy with the keys of all objects in another order."""
    if isinstance(data, list):
        return [_ordered(item, order) for item in data]
    if not isinstance(data, dict):
        return data
    keys = list(data)
    order(keys)
    return {key: _ordered(data[key], order) for key in keys}


@dataclass(frozen=True)
class Group:
    """A schema with its tests."""

    name: str
    file: File
    case: dict[str, Any]

    @property
    def row(self) -> str:
        """The row of its file."""
        return f"{self.file.draft}\t{self.file.group}\t{self.file.name}"


class Suite(Question):
    """Judges the cases of the official suite."""

    name = "suite"
    source = "STRUCTGEN_SUITE"
    keys = ("draft", "part", "file")
    figures = ("tests", *VERDICTS, SKIPPED)
    bad = VERDICTS[1:]
    noted = (SKIPPED,)
    shown = 2
    told = ()

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        parser.set_defaults(timeout=10.0)

    def cases(self, wanted: Callable[[str], bool]) -> Iterator[Group]:
        self.judged_files: set[tuple[str, str]] = set()
        for file in suite_files(self.options.paths[0]):
            for number, case in enumerate(file.cases()):
                name = f"{file.draft}/{file.group}/{file.name}#{number}"
                if wanted(name):
                    self.judged_files.add((file.draft, short_name(file)))
                    yield Group(name, file, case)

    def seconds(self, case: Group) -> float:
        return float(self.options.timeout * max(len(case.case["tests"]), 1))

    def ready(self) -> None:
        self.skips = listed()
        self.remotes = resources(self.options.paths[0])
        # A schema that reaches the compiled code of every JSON type.
        parts = {"a": {"contains": {"pattern": "^x"}}, "b": {"additionalProperties": {"format": "date"}}}
        value = {"a": [15.0, "xA", True, None], "b": {"c": "2020-01-01"}, "d": "y"}
        case = {"description": "", "schema": {"properties": parts}}
        case["tests"] = [{"description": "", "data": value, "valid": True}]
        assert next(judge(File(Path(), "v1", "format", ""), case, {}))[1] == RIGHT

    def judged(self, case: Group) -> Outcome:
        outcome = Outcome(case.name)
        for test, verdict, detail in judge(case.file, case.case, self.remotes):
            self._note(outcome, case, test, verdict, detail)
        return outcome

    def _note(self, outcome: Outcome, case: Group, test: str, verdict: str, detail: str) -> None:
        """Count the verdict on a test, or `SKIPPED`; a wrong acceptance cannot be skipped."""
        outcome.count(case.row, "tests")
        if verdict == RIGHT:
            outcome.count(case.row, RIGHT)
            return
        key = case.file.draft, short_name(case.file), case.case["description"], test
        if verdict != ACCEPTED and key in self.skips:
            verdict, detail = SKIPPED, f"{verdict}: {self.skips[key]}"
        outcome.fault(case.row, verdict, detail, key=key)

    def unanswered(self, case: Group, verdict: str, why: str) -> Outcome:
        outcome, self.skips = Outcome(case.name), listed()
        for test in case.case["tests"]:
            said = TIMED_OUT if verdict == LATE else CRASHED
            self._note(outcome, case, test["description"], said, why)
        return outcome

    def left(self, outcomes: Iterable[Outcome]) -> list[str]:
        """Return what is listed of the files that were judged, and is right, or is no test of theirs."""
        wrong = {tuple(fault["key"]) for outcome in outcomes for fault in outcome.faults}
        stale = [key for key in listed() if key[:2] in self.judged_files and key not in wrong]
        return [f"To be taken off {SKIPS.name}, it is right or gone: {' '.join(key)}" for key in stale]


def listed() -> dict[Key, str]:
    """Return the tests that are known not to be right, each with its reason."""
    return {
        (draft, skip["file"], skip["case"], test): skip["reason"]
        for skip in json.loads(SKIPS.read_text(encoding="utf-8"))
        for draft in skip["drafts"]
        for test in skip["tests"]
    }


def short_name(file: File) -> str:
    """Return a file's name without the folder that only some drafts have."""
    return file.name.removeprefix("optional/")


if __name__ == "__main__":
    sys.exit(run(Suite, __doc__))

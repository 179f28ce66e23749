"""Is every keyword of every draft judged as the official test suite says?

    python bench/bench_suite.py [PATH] [--only draft7/ v1/] [--only /required/] [--progress FILE]

PATH is an unpacked JSON-Schema-Test-Suite; without it the environment's STRUCTGEN_SUITE, and without that
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
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from judging import LATE, Outcome, Question, run
from suite import ACCEPTED, CRASHED, RIGHT, TIMED_OUT, VERDICTS, File, judge, resources, suite_files

SKIPPED = "skipped"
SKIPS = Path(__file__).parent / "suite_skips.json"
Key: TypeAlias = tuple[str, str, str, str]
"""A test: draft, file, case, test."""


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

"""Is every keyword of every draft judged as the official test suite says?

    python bench/bench_suite.py [PATH] [--drafts draft7,v1] [--parts required] [--failures FILE] [--csv]

PATH is an unpacked JSON-Schema-Test-Suite; without it the environment's STRUCTGEN_SUITE, and without that
nothing is judged. Widest policies; formats are asserted in the format folders, and annotations elsewhere.
Keywords about what a string holds are annotations: optional/content.json is left out. Each instance is
replayed byte by byte, its keys in the order given, reversed and shuffled; a schema may take so many seconds
of the processor for each of its tests (`--timeout`). Prints a table by draft and part, and the files that are
not all right; a full run writes bench/results/suite-DATE.csv, a row a file. A test named in
bench/suite_skips.json is counted under `skipped`, unless it was wrongly accepted, and shown with its reason;
one that is right after all is to be taken off the list.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from records import arguments, put, show, version, write
from suite import (
    ACCEPTED,
    CRASHED,
    DRAFTS,
    GROUPS,
    RIGHT,
    TIMED_OUT,
    VERDICTS,
    File,
    Outcome,
    byte_tokenizer,
    files,
    judge,
    replay,
    resources,
)
from workers import answered

import structgen as sg
from structgen.system.worker_process import EndedError, LateError

SKIPPED = "skipped"
PATIENCE = 20
"""So many times its processor time a schema may take by the clock, before it counts as one that hangs."""
SKIPS = Path(__file__).parent / "suite_skips.json"
COLUMNS = ("draft", "part", "file", "tests", *VERDICTS, SKIPPED)
Key: TypeAlias = tuple[str, str, str, str]
"""A test: draft, file, case, test."""


@dataclass(slots=True)
class Judged:
    """What became of the tests of one file."""

    file: File
    outcomes: list[Outcome] = field(default_factory=list)

    def counts(self, skips: Mapping[Key, str]) -> Counter[str]:
        """Return how many tests have each verdict."""
        return Counter(self.verdict(outcome, skips) for outcome in self.outcomes)

    def verdict(self, outcome: Outcome, skips: Mapping[Key, str]) -> str:
        """Return the verdict on a test, or `SKIPPED`; a wrong acceptance cannot be skipped."""
        skipped = self.key(outcome) in skips and outcome.verdict not in (RIGHT, ACCEPTED)
        return SKIPPED if skipped else outcome.verdict

    def key(self, outcome: Outcome) -> Key:
        """Return the name of a test."""
        return self.file.draft, _short_name(self.file), outcome.case, outcome.test


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("path", nargs="?", type=Path, help="the suite; default STRUCTGEN_SUITE")
    parser.add_argument("--drafts", default=",".join(DRAFTS), help="only these folders, as draft7,v1")
    parser.add_argument("--parts", default=",".join(GROUPS), help="only these parts, as required,format")
    parser.add_argument("--only", default="", help="only files with this in their names")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--timeout", type=float, default=10.0, help="processor seconds for a test")
    parser.add_argument("--failures", type=Path, help="write each test not right here, a JSON object a line")
    parser.add_argument("--json", action="store_true", help="print the counts of each file as JSON")
    parser.add_argument("--csv", action="store_true", help="print the counts of each file as CSV")
    options = parser.parse_args()
    path = options.path or Path(os.environ.get("STRUCTGEN_SUITE", ""))
    if path == Path():
        print("Nothing judged: give the path of JSON-Schema-Test-Suite, or set STRUCTGEN_SUITE to it.")
        return 0
    drafts, parts = options.drafts.split(","), options.parts.split(",")
    wanted = [
        file
        for file in files(path)
        if file.draft in drafts and file.group in parts and options.only in file.name
    ]
    if not wanted:
        print(f"No test under {path} has these drafts and names.", file=sys.stderr)
        return 2
    results = run(wanted, resources(path), options.jobs, options.timeout)
    skips = listed()
    if options.failures:
        options.failures.write_text("".join(_failures(results, skips)), encoding="utf-8")
    about = {"python": platform.python_version(), "version": version()}
    rows = [tuple(_counted(result, skips).values()) for result in results]
    if options.json:
        json.dump([_counted(result, skips) for result in results], sys.stdout, indent=1)
    elif options.csv:
        put(sys.stdout, about, COLUMNS, rows)
    else:
        tell(results, skips)
    if tuple(drafts) == DRAFTS and tuple(parts) == GROUPS and not options.only:
        print(write(options.results, "suite", about, COLUMNS, rows), file=sys.stderr)
    stale = off_the_list(results, skips)
    for key in stale:
        print(f"To be taken off {SKIPS.name}, it is right or gone: {' '.join(key)}", file=sys.stderr)
    missed = any(
        result.verdict(outcome, skips) not in (RIGHT, SKIPPED)
        for result in results
        for outcome in result.outcomes
    )
    return 1 if stale or missed else 0


def listed() -> dict[Key, str]:
    """Return the tests that are known not to be right, each with its reason."""
    return {
        (draft, skip["file"], skip["case"], test): skip["reason"]
        for skip in json.loads(SKIPS.read_text(encoding="utf-8"))
        for draft in skip["drafts"]
        for test in skip["tests"]
    }


def _short_name(file: File) -> str:
    """Return a file's name without the folder that only some drafts have."""
    return file.name.removeprefix("optional/")


def off_the_list(results: Sequence[Judged], skips: Mapping[Key, str]) -> list[Key]:
    """Return what is listed of the files that were judged, and is right, or is no test of theirs."""
    verdicts = {result.key(outcome): outcome.verdict for result in results for outcome in result.outcomes}
    judged = {(result.file.draft, _short_name(result.file)) for result in results}
    return [key for key in skips if key[:2] in judged and verdicts.get(key, RIGHT) == RIGHT]


def warm_up(tokenizer: sg.Tokenizer) -> None:
    """Judge one schema that reaches the compiled code of every JSON type."""
    text = b'{"a": [1.5e1, "x\\u0041", true, null], "b": {"c": "2020-01-01"}, "d": "y"}'
    schema = {"properties": {"a": {"contains": {"pattern": "^x"}}, "b": {"additionalProperties": _DATE}}}
    replay(sg.compile(sg.json_schema(schema, **sg.WIDEST), tokenizer, store=False), tokenizer, text)


_DATE = {"type": "string", "format": "date"}


def run(wanted: Sequence[File], remotes: dict[str, Any], jobs: int, timeout: float) -> list[Judged]:
    """Return what became of every file's tests, `jobs` cases at a time, each in a process of its own."""
    # Forked, so that the compiled code that a first schema needs is loaded once, here.
    warm_up(byte_tokenizer())
    tasks = [(at, file, case) for at, file in enumerate(wanted) for case in file.cases()]

    def seconds(task: Any) -> float:
        return timeout * max(len(task[-1]["tests"]), 1)

    def judged(numbered: Any) -> list[Outcome]:
        _, (_, file, case) = numbered
        signal.signal(signal.SIGPROF, signal.SIG_DFL)  # compiled code would not see a handler
        signal.setitimer(signal.ITIMER_PROF, seconds(numbered[1]))
        found = list(judge(file, case, remotes, byte_tokenizer()))
        signal.setitimer(signal.ITIMER_PROF, 0)
        return found

    found: dict[int, list[Outcome]] = {}
    patience = lambda numbered: PATIENCE * seconds(numbered[1])  # noqa: E731
    answers = answered(lambda: judged, enumerate(tasks), jobs, patience, is_fresh=False)
    for (number, (_, _, case)), answer in answers:
        if isinstance(answer, LateError):
            answer = TIMED_OUT, "it hangs"
        elif isinstance(answer, EndedError) and answer.code == -signal.SIGPROF:
            answer = TIMED_OUT, f"{seconds((case,)):g} s of the processor"
        elif isinstance(answer, Exception):
            answer = CRASHED, str(answer)
        if isinstance(answer, tuple):
            answer = [Outcome(case["description"], test["description"], *answer) for test in case["tests"]]
        found[number] = answer
    results = [Judged(file) for file in wanted]
    for number, (at, _, _) in enumerate(tasks):
        results[at].outcomes.extend(found[number])
    return results


def _counted(result: Judged, skips: Mapping[Key, str]) -> dict[str, Any]:
    counts = result.counts(skips)
    return {
        "draft": result.file.draft,
        "part": result.file.group,
        "file": result.file.name,
        "tests": len(result.outcomes),
        **{verdict: counts[verdict] for verdict in (*VERDICTS, SKIPPED)},
    }


def _failures(results: Sequence[Judged], skips: Mapping[Key, str]) -> Iterator[str]:
    for result in results:
        for outcome in result.outcomes:
            if outcome.verdict != RIGHT:
                row = {
                    "draft": result.file.draft,
                    "part": result.file.group,
                    "file": result.file.name,
                    "case": outcome.case,
                    "test": outcome.test,
                    "verdict": result.verdict(outcome, skips),
                    "detail": outcome.detail,
                }
                yield json.dumps(row) + "\n"


def tell(results: Sequence[Judged], skips: Mapping[Key, str]) -> None:
    """Print the table by draft and part, then the files that are not all right with the first reasons."""
    columns = ("tests", *VERDICTS, SKIPPED)
    sums: dict[tuple[str, str], Counter[str]] = {}
    for result in results:
        row = _counted(result, skips)
        one = sums.setdefault((row["draft"], row["part"]), Counter())
        one.update({column: row[column] for column in columns})
    order = sorted(sums, key=lambda key: (DRAFTS.index(key[0]), GROUPS.index(key[1])))
    show(("draft", "part", *columns), [(*key, *(sums[key][one] or "·" for one in columns)) for key in order])
    wrong, known = [], []
    for result in results:
        draft, verdicts = result.file.draft, [result.verdict(one, skips) for one in result.outcomes]
        right = sum(verdict in (RIGHT, SKIPPED) for verdict in verdicts)
        if right < len(verdicts):
            reasons = Counter(
                _short(outcome)
                for outcome, verdict in zip(result.outcomes, verdicts, strict=True)
                if verdict not in (RIGHT, SKIPPED)
            )
            told = "; ".join(f"{reason} x{count}" for reason, count in reasons.most_common(3))
            wrong.append((draft, result.file.name, f"{verdicts.count(RIGHT)}/{len(verdicts)}", told))
        for outcome in result.outcomes:
            if (reason := skips.get(result.key(outcome))) is not None:
                known.append((draft, f"{outcome.case}: {outcome.test}", outcome.verdict, reason))
    show(("draft", "file", "right", "reasons"), wrong)
    show(("on the list", "test", "verdict", "reason"), known)


def _short(outcome: Outcome) -> str:
    """Return a verdict with the kind of its reason, so that equal ones can be counted."""
    if outcome.verdict in (CRASHED, TIMED_OUT):
        return f"{outcome.verdict} ({outcome.detail[:60]})"
    if outcome.verdict == "refused at compile":
        return ": ".join(outcome.detail.split(": ")[:2])[:60]
    return outcome.verdict


if __name__ == "__main__":
    sys.exit(main())

"""Is a keyword lost in silence? Each is deleted, one by one, and the language must change.

    python bench/bench_loss.py PATH [--sample 500] [--seed 0] [--jobs 2] [--progress FILE]

PATH is a folder or file of MaskBench; without it the environment's STRUCTGEN_MASKBENCH, and without that
nothing is looked at. For each keyword of each place that a schema's root reaches, the schema is read with it
and without it (widest policies) into one network, and the liveness oracle is asked for a value that only one
of the two takes: a *witness*. Where it finds one, the machine and jsonschema-rs must tell the two schemas
apart on it. Where it says that there is none, jsonschema-rs is tried on all values at hand, for the whole
document and for the keyword's own place.
Prints how many keywords came to what, and writes it to bench/results/loss-DATE.csv:

changed      a witness was found, and jsonschema-rs tells the two schemas apart too (or does not read it)
needed       without the keyword it is no schema: a reference would lead nowhere
annotation   nothing changes, and the report says so: it is no constraint
redundant    nothing changes, and the report says so: a constraint that its own place makes idle, or the rest
             of the schema, as a proof of `structgen explain --prove` shows
implied      nothing changes, as the oracle proves, and the report says enforced: so long a proof it skips
local        the language of the keyword's place changes; about the whole document the oracle did not decide
disputed     a witness was found, and the judges see no difference on it
unknown      not decided within the limits, or in time
left         more keywords than --most in one schema: an even choice was taken
silent       nothing changes, and jsonschema-rs sees a difference
untrue       the report says that nothing changes, and something does

Exit status: 0, or 1 where any was silent or untrue. A line of --progress has what is not plain of a schema.
"""

from __future__ import annotations

import argparse
import itertools
import json
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import quote

from judging import Outcome, Question, run
from violators import parts, violators

import structgen as sg
from structgen.base.json_text.exact_json import read_exact, write_canonical
from structgen.doors.maskbench.readers import Case, select_cases
from structgen.grammars.compilation.implied_constraints import (
    SchemaDifference,
    prove_redundant,
    without_keyword,
)
from structgen.schema.explaining.keyword_report import Finding, KeywordReport, KeywordStanding

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "oracles"))

from two_judges import readable

CHANGED, NEEDED, ANNOTATION, REDUNDANT, IMPLIED, LOCAL, DISPUTED, SILENT, UNTRUE, UNKNOWN = VERDICTS = (
    *("changed", "needed", "annotation", "redundant", "implied", "local", "disputed", "silent", "untrue"),
    "unknown",
)
FAULTS = (SILENT, UNTRUE)
LEFT = "left"

_POOL = 160
"""Values of a schema on which the judge is tried where the engine sees no difference."""
_PROOFS = 30
"""So many times the time of a question may be taken by all proofs of a schema."""
_LATE = 3
"""Questions about a schema that may take too long, before the others get a tenth of the time."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one keyword."""

    pointer: str
    keyword: str
    kind: str
    why: str = ""
    witness: str = ""


class TimeUpError(Exception):
    """A question took longer than it may."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TimeUpError in the block after some seconds of computing (in the main thread alone)."""

    def up(number: int, frame: FrameType | None) -> None:
        # Nobody hears of what is raised in the finaliser of a weak set; the timer comes again.
        if frame is None or frame.f_code.co_name != "_remove":
            raise TimeUpError

    before = signal.signal(signal.SIGVTALRM, up)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 0.1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


class Judge:
    """jsonschema-rs on one schema, at its root or at a place of it; where it fails, nobody has judged."""

    def __init__(self, schema: Any, pointer: str = "#") -> None:
        import jsonschema_rs

        self._valid: Callable[[Any], bool] | None = None
        try:
            registry = None if pointer == "#" else jsonschema_rs.Registry([("urn:schema", schema)])
            root = schema if pointer == "#" else _place(schema, pointer)
            made = jsonschema_rs.validator_for(root, registry=registry, validate_formats=True)
            self._valid = made.is_valid
        except Exception:  # it raises errors of several kinds for schemas that it does not take
            return

    def valid(self, value: Any) -> bool | None:
        """Return whether a value is valid, None where that was not decided."""
        try:
            return None if self._valid is None else self._valid(value)
        except (ValueError, UnicodeEncodeError):
            return None


class Subject:
    """One schema, and the questions about its keywords."""

    def __init__(self, schema: str, instances: Sequence[Any], seconds: float = 2.0) -> None:
        """`instances`: values from which the judge's are made; `seconds`: for one question to the oracle."""
        self.value = read_exact(schema)
        self.plain = json.loads(schema)
        self.seconds = seconds
        self.grammar = sg.json_schema(schema, **sg.WIDEST)
        self.report: KeywordReport = self.grammar.report
        self.tokenizer = sg.Tokenizer.from_bytes([bytes((byte,)) for byte in range(256)] + [None], 256)
        self.compiled = sg.compile(self.grammar, self.tokenizer)
        self.judge = Judge(self.plain)
        self.pool: deque[Any] = deque(instances, _POOL)
        self.parts = list(itertools.islice(parts(instances), _POOL))
        self._local: dict[str, Judge] = {}
        self._late = 0
        """Questions that took too long."""
        self._begin()

    def _begin(self) -> None:
        """Make the network, new where a question was broken off in the midst of it."""
        document = self.grammar.document()
        self.twins = SchemaDifference(document)

    def prove(self, findings: Sequence[Finding]) -> Sequence[Finding]:
        """Return findings as `structgen explain --prove` has them; as they are where that takes too long."""
        report = replace(self.report, findings=tuple(findings))
        try:
            with at_most(_PROOFS * self.seconds):
                return prove_redundant(self.grammar, report).findings
        except TimeUpError:
            return findings

    def verdict(self, finding: Finding) -> Verdict:
        """Delete one keyword, and say what becomes of the language; one that takes too long is unknown."""
        if not finding.pointer.startswith("#"):
            return Verdict(finding.pointer, finding.keyword, UNKNOWN, "stands in another document")
        without = without_keyword(self.value, finding.pointer, finding.keyword)
        plain = without_keyword(self.plain, finding.pointer, finding.keyword)
        seconds = self.seconds if self._late < _LATE else self.seconds / 10
        why = f"took more than {seconds:g} s"
        try:
            with at_most(seconds):
                return self._told(finding, without, plain)
        except TimeUpError:
            self._late += 1
            self._begin()
        except sg.errors.LimitError as error:
            # Automata that other questions made fill the same room.
            self._begin()
            why = str(error)
        try:
            with at_most(self.seconds):
                return self._undecided(finding, without, plain, why)
        except (TimeUpError, sg.errors.LimitError, ValueError):
            return Verdict(finding.pointer, finding.keyword, UNKNOWN, why)

    def _told(self, finding: Finding, without: Any, plain: Any) -> Verdict:
        def found(kind: str, why: str = "", witness: str = "") -> Verdict:
            return Verdict(finding.pointer, finding.keyword, kind, why, witness)

        idle = {KeywordStanding.ANNOTATION: ANNOTATION, KeywordStanding.REDUNDANT: REDUNDANT}.get(
            finding.standing
        )
        try:
            witness = self._witness(without)
        except sg.errors.SchemaError as error:
            # A schema that only this keyword kept from being wrong: a place that others refer to.
            return found(NEEDED, error.what)
        if witness is not None:
            if idle:
                return found(UNTRUE, finding.why, witness)
            return self._changed(found, without, plain, witness)
        differing = _first(self.judge, Judge(plain), self.pool) or self._judged_there(finding, plain)
        if differing:
            return found(SILENT, f"the report says {finding.standing.value}", differing)
        return found(idle or IMPLIED, finding.why)

    def _changed(self, found: Callable[..., Verdict], without: Any, plain: Any, witness: str) -> Verdict:
        """Hold the machine and the judges to a witness of the oracle."""
        text = witness.encode("utf-8", "surrogatepass")
        other = self._compiled(sg.json_schema(write_canonical(without), **sg.WIDEST))
        if accepts(self.compiled, text) == accepts(other, text):
            return found(SILENT, "the machine does not tell what the oracle tells", witness)
        try:
            value = readable(witness)
        except ValueError:
            return found(CHANGED, "no judge holds the witness", witness)
        self.pool.append(value)
        verdicts = self.judge.valid(value), Judge(plain).valid(value)
        if None in verdicts:
            return found(CHANGED, "the judge does not take the schema", witness)
        differs = verdicts[0] != verdicts[1] or self._arbitrated(plain, value)
        if differs or _first(self.judge, Judge(plain), self.pool):
            return found(CHANGED, "", witness)
        return found(DISPUTED, f"jsonschema-rs says {verdicts[0]} of both", witness)

    def _undecided(self, finding: Finding, without: Any, plain: Any, why: str) -> Verdict:
        """Look for a value at hand on which both the judge and the machine tell the schemas apart."""
        other = self._compiled(sg.json_schema(write_canonical(without), **sg.WIDEST))
        judge = Judge(plain)
        for value in list(self.pool):
            if self.judge.valid(value) != judge.valid(value):
                text = json.dumps(value)
                same = accepts(self.compiled, text.encode()) == accepts(other, text.encode())
                kind = SILENT if same else CHANGED
                return Verdict(finding.pointer, finding.keyword, kind, "no witness of the oracle", text)
        witness = self._witness(without, finding.pointer)
        if witness is not None:
            value = readable(witness)
            places = (Judge(tree, finding.pointer) for tree in (self.plain, plain))
            verdicts = [place.valid(value) for place in places]
            if None not in verdicts and verdicts[0] != verdicts[1]:
                return Verdict(finding.pointer, finding.keyword, LOCAL, why, witness)
        return Verdict(finding.pointer, finding.keyword, UNKNOWN, why)

    def _judged_there(self, finding: Finding, plain: Any) -> str:
        """Return a value that the judge tells apart at the keyword's place, and the engine does not."""
        here = self._local.get(finding.pointer)
        if here is None:
            here = self._local[finding.pointer] = Judge(self.plain, finding.pointer)
        raw = self.twins.places[finding.pointer].raw
        assert isinstance(raw, dict)
        values = itertools.chain(
            violators(finding.keyword, json.loads(write_canonical(raw))), self.parts, self.pool
        )
        text = _first(here, Judge(plain, finding.pointer), values)
        if not text:
            return ""
        # Another place of the document may ask as much; then this place at least is read otherwise.
        there = (self._of_place(tree, finding.pointer) for tree in (self.plain, plain))
        with_, without = (accepts(compiled, text.encode()) for compiled in there)
        return text if with_ == without else ""

    def _compiled(self, grammar: Any) -> sg.CompiledGrammar | None:
        """Return a grammar compiled, None where it has no document."""
        try:
            return sg.compile(grammar, self.tokenizer)
        except sg.errors.UnsatisfiableSchema:
            return None

    def _of_place(self, schema: Any, pointer: str) -> sg.CompiledGrammar | None:
        root, resources = _place(schema, pointer), {"urn:schema": schema}
        return self._compiled(sg.json_schema(root, resources=resources, **sg.WIDEST))

    def _arbitrated(self, plain: Any, value: Any) -> bool:
        """Return whether the arbiter tells the two schemas apart on a value."""
        from arbiter import Arbiter, Unknown

        try:
            return bool(Arbiter(self.plain).valid(value) != Arbiter(plain).valid(value))
        except (Unknown, ValueError, KeyError, StopIteration, RecursionError):
            return False

    def _witness(self, without: Any, pointer: str = "#") -> str | None:
        """Return the shortest text of a value that one of the schemas takes and the other does not, or of
        such a value of one place."""
        demand = self.twins.find_difference(self.grammar.document(without), pointer)
        if demand is None:
            return None
        text = self.twins.network.oracle.shortest_text(demand)
        assert text is not None, "a demand that some value meets has a shortest text"
        return text.to_bytes().decode("utf-8", "surrogatepass")


def _place(schema: Any, pointer: str) -> Any:
    """Return the schema that refers to a place (`#/properties/a`) of the resource urn:schema, in its
    dialect."""
    dialect = {key: schema[key] for key in ("$schema",) if isinstance(schema, dict) and key in schema}
    return {**dialect, "$ref": "urn:schema#" + quote(pointer[1:], safe="/~!$&'()*+,;=:@?")}


def _first(one: Judge, other: Judge, values: Any) -> str:
    """Return the first value on which two judges differ, as text, or ""."""
    for value in values:
        verdicts = one.valid(value), other.valid(value)
        if None not in verdicts and verdicts[0] != verdicts[1]:
            return json.dumps(value)
    return ""


def accepts(compiled: sg.CompiledGrammar | None, text: bytes) -> bool:
    """Return whether a text is a document of a grammar (None: of the empty one)."""
    state = None if compiled is None else compiled.step_bytes(compiled.start, text)
    return state is not None and state.is_complete


class Loss(Question):
    """Deletes keywords."""

    name = "loss"
    source = "STRUCTGEN_MASKBENCH"
    keys = ("keywords",)
    figures = ("count",)
    bad = FAULTS
    always = (*VERDICTS, LEFT)
    told = ("sample", "seed", "most")
    each = 40

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        parser.set_defaults(sample=500, timeout=7200.0)
        parser.add_argument("--most", type=int, default=400, help="keywords of one schema")
        parser.add_argument("--seconds", type=float, default=2.0, help="for one keyword")

    def cases(self, wanted: Callable[[str], bool]) -> Iterator[Case]:
        chosen = select_cases(self.options.paths, sample=self.options.sample, seed=self.options.seed)
        return (read() for name, read in chosen if wanted(name))

    def judged(self, case: Case) -> Outcome:
        outcome, most = Outcome(case.name), self.options.most
        outcome.count("schemas", "count")
        try:
            with at_most(10 * self.options.seconds):
                values = [json.loads(instance.text) for instance in case.instances]
                subject = Subject(case.schema, values, self.options.seconds)
        except (sg.StructgenError, TimeUpError) as error:
            outcome.verdict = type(error).__name__
            outcome.count(f"schemas refused: {outcome.verdict}", "count")
            return outcome
        findings = subject.report.findings
        chosen = findings[:: -(-len(findings) // most)] if findings else ()
        outcome.count(LEFT, "count", len(findings) - len(chosen))
        for finding in subject.prove(chosen):
            one = subject.verdict(finding)
            if one.kind in ("changed", "annotation", "redundant"):
                outcome.count(one.kind, "count")
            else:
                place = f"{one.pointer}/{one.keyword}"
                outcome.fault(one.kind, one.kind, one.why, figure="count", place=place, witness=one.witness)
        return outcome


if __name__ == "__main__":
    sys.exit(run(Loss, __doc__))

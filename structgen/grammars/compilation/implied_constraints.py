"""Proves which keywords of a schema are redundant, because the rest of the schema implies them.

In `{"allOf": [{"minimum": 5}, {"minimum": 3}]}` the second bound is redundant. `keyword_report` finds only
what one place of the schema shows. Here the schema is read again without the keyword, and the liveness oracle
is asked for a value that only one of the two schemas accepts. If there is none, the keyword is redundant.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

from structgen.automata.formats.named_formats import CUTS
from structgen.base.errors import LimitError, SchemaError, UnsupportedError
from structgen.base.json_text.exact_json import Json, escape, unescape_segment
from structgen.grammars.json_grammars.plain_network import network_of
from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar
from structgen.schema.explaining.keyword_report import Finding, KeywordReport, KeywordStanding
from structgen.schema.reading.document import Document
from structgen.schema.reading.model import Schema, with_others
from structgen.schema.reading.policies import WIDEST

IMPLIED = "the rest of the schema asks as much"
_CAPS = ("max_string", "max_items", "any_value")


def prove_redundant(grammar: JsonSchemaGrammar, report: KeywordReport) -> KeywordReport:
    """Return the report of a grammar with constraints called redundant that a proof shows to be so; a note
    for each that was not decided.

    The proof is about values: under narrower policies (the declared order of keys, caps, digits) other texts
    of them may be in the language. Cost: a reading of the schema and a question to the oracle for each
    keyword that the report calls enforced, some milliseconds, and at most `limits.oracle_steps`.
    """
    search = _Search(grammar)
    findings = []
    for finding in report.findings:
        if search.changes_nothing(finding):
            finding = replace(finding, standing=KeywordStanding.REDUNDANT, why=IMPLIED)
        findings.append(finding)
    return replace(report, findings=tuple(findings), notes=(*report.notes, *search.notes))


class _Search:
    """Asks of the keywords of one schema whether each changes anything."""

    def __init__(self, grammar: JsonSchemaGrammar) -> None:
        self._grammar = grammar
        # The widest policies: the proof is about values, whichever way they are written.
        self._policies = grammar.policies.widen_options(*WIDEST, *_CAPS)
        # An oracle that does not decide must say so, and not take the place for live.
        self._limits = replace(grammar.limits, liveness="refuse")
        self.notes: list[str] = []
        """Notes about the keywords that were not decided."""

    def changes_nothing(self, finding: Finding) -> bool:
        """Return whether the schema without a keyword accepts the same values. False also where that was not
        decided. `finding`: the keyword, which the report calls enforced."""
        if finding.standing is not KeywordStanding.ENFORCED:
            return False
        if not finding.pointer.startswith("#"):
            return self._undecided(finding, "it stands in another document")
        try:
            return self._prove_finding(finding)
        except SchemaError:
            return False  # without it, it is no schema: a reference would lead nowhere
        except UnsupportedError:
            return self._undecided(finding, "a grammar that is not regular stands in strings there")
        except LimitError as error:
            return self._undecided(finding, f"the limit {error.limit} was met")

    def _prove_finding(self, finding: Finding) -> bool:
        """Return `changes_nothing` for a keyword of this document. Raises LimitError."""
        schema = without_keyword(self._grammar.schema, finding.pointer, finding.keyword)
        reduced = self._read_schema(schema)
        if reduced.refusals:
            return False  # it hides what is not handled, as `$ref` does up to draft 7
        # Read anew for each keyword: the network of the comparison grows with what is compared.
        whole = SchemaDifference(self._read_schema(self._grammar.schema))
        if whole.find_difference(reduced) is not None:
            return False
        if whole.cut:
            # What is cut is neither in the format nor in its negation, so that nothing shows on such strings.
            return self._undecided(finding, f"some strings of the format {whole.cut} are left out")
        return True

    def _read_schema(self, value: Json) -> Document:
        """Return a schema as it is read under the widest policies."""
        return self._grammar.document(value, policies=self._policies, limits=self._limits)

    def _undecided(self, finding: Finding, why: str) -> bool:
        """Note that a keyword was not decided; return False: it keeps its standing."""
        place = f"{finding.pointer}/{escape(finding.keyword)}"
        self.notes.append(f"{place}: whether it changes anything was not decided: {why}")
        return False


class SchemaDifference:
    """Compares one document with others that differ little from it. A document is a schema that was read."""

    def __init__(self, document: Document) -> None:
        """The network grows with each question."""
        self.network = network_of(document)
        self.cut = next((name for name in document.formats if name in CUTS), "")
        """The name of a format whose strings are not all in the network; "" if there is none."""
        self.places = {place.pointer: place for place in _in_text(document)}
        self._next = len(document.schemas)

    def find_difference(self, other_document: Document, pointer: str = "#") -> int | None:
        """Return a demand that some value meets, and only values that one of the two documents takes and the
        other does not (or their places at a pointer); None where there is no such value.

        `other_document` must not be used afterwards: its places then lead to those of this document. Cost:
        linear in the places of both, more where references lead back, and at most two questions to the
        liveness oracle. Raises LimitError where the oracle does not decide.
        """
        # The other places get ids of their own, so that both documents live in one network.
        for place in other_document.schemas:
            place.id += self._next
        self._next += len(other_document.schemas)
        # Equal places become one: the oracle knows them already, and compares only what differs.
        equal = self._equal_places(other_document)
        for place in other_document.schemas:
            if place.id not in equal:
                for name, value in place.__dict__.items():
                    setattr(place, name, with_others(value, equal))
        places_there = (place for place in other_document.schemas if place.pointer == pointer)
        other_place = next(places_there, other_document.root)
        tables = self.network.tables
        here = tables.literal_of(self.places[pointer])
        there = tables.literal_of(equal.get(other_place.id, other_place))
        # First what only the other document takes: without a keyword, that is the likely difference.
        for accepting, rejecting in ((there, here), (here, there)):
            demand = tables.intern_demand((accepting, tables.negate_literal(rejecting)))
            if self.network.oracle.is_alive(demand):
                return demand
        return None

    def _equal_places(self, other_document: Document) -> dict[int, Schema]:
        """Return the places of this document that equal another's, by the ids of these: in their own fields,
        and in all that they lead to."""
        # A greatest fixpoint: all places at equal pointers are taken for equal until a difference shows.
        equal = {
            place.id: self.places[place.pointer]
            for place in _in_text(other_document)
            if place.pointer in self.places
        }
        count_before = len(equal) + 1
        while len(equal) < count_before:
            count_before = len(equal)
            for place in reversed(other_document.schemas):  # inner places first
                if place.id in equal and with_others(place.__dict__, equal) != equal[place.id].__dict__:
                    del equal[place.id]
        return equal


def _in_text(document: Document) -> list[Schema]:
    """Return the places of a document that are objects in its text: others have no pointer by themselves."""
    return [place for place in document.schemas if isinstance(place.raw, dict)]


def without_keyword(value: Any, pointer: str, keyword: str) -> Any:
    """Return a schema without a keyword at a place (`#/properties/a`). Parts that do not change are shared
    with the given schema."""
    root = copy(value)
    here = root
    for step in map(unescape_segment, pointer.split("/")[1:]):
        key = int(step) if isinstance(here, list) else step
        here[key] = copy(here[key])
        here = here[key]
    del here[keyword]
    return root

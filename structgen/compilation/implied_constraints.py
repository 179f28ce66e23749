"""Constraints that only the rest of a schema makes idle, found by proof.

`redundant_constraints` sees what a look at one place shows. A bound that another schema of an `allOf`
implies, a length that a pattern has already: for these the schema is read without the keyword, and the
liveness oracle is asked for a value that only one of the two takes. If there is none, the keyword is
redundant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from structgen.automata.formats.named_formats import CUTS
from structgen.errors import LimitError, SchemaError
from structgen.json_grammars.schema_grammar import JsonSchemaGrammar
from structgen.json_text.exact_json import Json, escape
from structgen.schema.explaining.keyword_report import Finding, KeywordReport, KeywordStanding
from structgen.schema.explaining.schema_difference import SchemaDifference, without
from structgen.schema.reading.document import Document
from structgen.schema.reading.policies import WIDEST
from structgen.schema.recogniser.schema_network import SchemaNetwork

IMPLIED = "the rest of the schema asks as much"
_CAPS = ("max_string", "max_items", "any_value")


def proved(
    grammar: JsonSchemaGrammar, report: KeywordReport, network_of: Callable[[Document], SchemaNetwork]
) -> KeywordReport:
    """Return the report of a grammar with constraints called redundant that a proof shows to be so; a note
    for each that was not decided.

    `network_of` makes the network of a document, with automata of its own. The proof is about values: under
    narrower policies (the declared order of keys, caps, digits) other texts of them may be in the language.
    Cost: a reading of the schema and a question to the oracle for each keyword that the report calls
    enforced, some milliseconds, and at most `limits.oracle_steps`.
    """
    search = _Search(grammar, network_of)
    findings: list[Finding] = []
    for finding in report.findings:
        if finding.standing is KeywordStanding.ENFORCED and search.changes_nothing(finding):
            finding = replace(finding, standing=KeywordStanding.REDUNDANT, why=IMPLIED)
        findings.append(finding)
    return replace(report, findings=tuple(findings), notes=(*report.notes, *search.notes))


class _Search:
    def __init__(self, grammar: JsonSchemaGrammar, network_of: Callable[[Document], SchemaNetwork]) -> None:
        self._grammar = grammar
        self._network_of = network_of
        self._policies = grammar.policies.widened(*WIDEST, *_CAPS)
        self._limits = replace(grammar.limits, liveness="refuse")
        self._difference: SchemaDifference | None = None
        """Anew after each question that met a limit."""
        self._cuts: list[str] = []
        self.notes: list[str] = []

    def changes_nothing(self, finding: Finding) -> bool:
        """Return whether without a keyword the same values are valid; False too where that is not known."""
        if not finding.pointer.startswith("#"):
            return self._undecided(finding, "it stands in another document")
        while True:
            asked_before = self._difference is not None
            try:
                return self._proved(finding)
            except SchemaError:
                return False  # without it, it is no schema: a reference would lead nowhere
            except LimitError as error:
                self._difference = None
                if not asked_before:
                    return self._undecided(finding, f"the limit {error.limit} was met")
                # What other questions made fills the same room: once more, alone.

    def _proved(self, finding: Finding) -> bool:
        other = self._read(without(self._grammar.schema, finding.pointer, finding.keyword))
        if other.refusals:
            return False  # it hides what is not handled, as `$ref` does up to draft 7
        if self._difference is None:
            document = self._read(self._grammar.schema)
            self._difference = SchemaDifference(document, self._network_of(document))
            self._cuts = [name for name in document.formats if name in CUTS]
        if self._difference.difference(other) is not None:
            return False
        if self._cuts:
            # What is cut is neither in the format nor in its negation, so that nothing shows on such strings.
            return self._undecided(finding, f"some strings of the format {self._cuts[0]} are left out")
        return True

    def _read(self, value: Json) -> Document:
        return self._grammar.document(value, policies=self._policies, limits=self._limits)

    def _undecided(self, finding: Finding, why: str) -> bool:
        place = f"{finding.pointer}/{escape(finding.keyword)}"
        self.notes.append(f"{place}: whether it changes anything was not decided: {why}")
        return False

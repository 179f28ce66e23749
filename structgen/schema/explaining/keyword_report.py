"""The report of a schema's keywords: enforced, annotation, or refused, place by place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from structgen.automata.formats.named_formats import CUTS
from structgen.automata.regex.ecma_syntax import only_legacy
from structgen.json_text.exact_json import escape
from structgen.schema.explaining.redundant_constraints import redundant
from structgen.schema.reading import draft3
from structgen.schema.reading.document import Document
from structgen.schema.reading.keywords import FORMATS
from structgen.schema.reading.policies import Policies
from structgen.schema.reading.schema_place import SchemaPlace
from structgen.schema.reading.suspect_keywords import suspects


class KeywordStanding(Enum):
    """How a keyword was taken."""

    ENFORCED = "enforced"
    """Every document obeys it."""
    ANNOTATION = "annotation"
    """It does not restrict documents: a title, an unknown keyword, `then` without `if`."""
    REDUNDANT = "redundant"
    """It is a constraint, and without it the same documents are valid: `minLength: 0`, `type` beside an
    `enum`, bounds of a number where only strings may stand."""
    REFUSED = "refused"
    """It is not handled, so that the grammar does not compile."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One keyword at one place of the schema."""

    pointer: str
    keyword: str
    standing: KeywordStanding
    why: str = ""
    """Why it is no more than an annotation, or refused; or what a format that is enforced leaves out."""


@dataclass(frozen=True, slots=True)
class KeywordReport:
    """The keywords that are enforced, annotations or refused, for every place that the root reaches.

    Identifiers ($schema, $id, $anchor) and definitions are not listed: by themselves they restrict nothing.
    """

    draft: str
    policies: Policies
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    """Notes on the document as a whole: names given twice, an unknown `$schema`."""
    may_dead_end: tuple[str, ...] = ()
    """Places that the liveness oracle could not decide, compiled under `Limits(liveness="flag")`."""

    @property
    def enforced(self) -> tuple[Finding, ...]:
        """The keywords that every document obeys."""
        return self._with(KeywordStanding.ENFORCED)

    @property
    def annotations(self) -> tuple[Finding, ...]:
        """The keywords that say nothing about which documents are valid."""
        return self._with(KeywordStanding.ANNOTATION)

    @property
    def redundant(self) -> tuple[Finding, ...]:
        """The constraints that change nothing at their place. A constraint that only the rest of the schema
        makes redundant counts as enforced, unless that was proved (`sg.explain(grammar, prove=True)`)."""
        return self._with(KeywordStanding.REDUNDANT)

    @property
    def refused(self) -> tuple[Finding, ...]:
        """The keywords that are not handled; the grammar does not compile while there are any."""
        return self._with(KeywordStanding.REFUSED)

    def _with(self, standing: KeywordStanding) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.standing is standing)

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON-ready dict: draft, policies, places by pointer, notes, may_dead_end."""
        places: dict[str, dict[str, Any]] = {}
        for finding in self.findings:
            place = places.setdefault(finding.pointer, {standing.value: {} for standing in KeywordStanding})
            place[finding.standing.value][finding.keyword] = finding.why
        return {
            "draft": self.draft,
            "policies": asdict(self.policies),
            "places": places,
            "notes": list(self.notes),
            "may_dead_end": list(self.may_dead_end),
        }

    def __str__(self) -> str:
        options = ", ".join(f"{name}={value}" for name, value in asdict(self.policies).items())
        lines = [f"JSON Schema draft {self.draft}; {options}"]
        places: dict[str, dict[KeywordStanding, list[str]]] = {}
        for finding in self.findings:
            place = places.setdefault(finding.pointer, {standing: [] for standing in KeywordStanding})
            why = f" ({finding.why})" if finding.why else ""
            place[finding.standing].append(finding.keyword + why)
        for pointer, place in places.items():
            parts = [f"{standing.value} {', '.join(words)}" for standing, words in place.items() if words]
            lines.append(f"{pointer}: {'; '.join(parts)}")
        lines.extend(f"note: {note}" for note in self.notes)
        lines.extend(f"may dead-end: {pointer}" for pointer in self.may_dead_end)
        return "\n".join(lines)


def report_of(
    document: Document, notes: Iterable[str] = (), may_dead_end: Iterable[str] = ()
) -> KeywordReport:
    """Return the report of a document; the reader's `notes` come before its own. Some 2 us a keyword."""
    refused: dict[tuple[str, str], str] = {
        (refusal.pointer, refusal.keyword): refusal.what for refusal in document.refusals
    }
    meant = {one.where: one.likely for one in suspects(document)}
    findings: dict[Finding, None] = {}
    for schema in document.schemas:
        if isinstance(schema, SchemaPlace) and isinstance(schema.raw, dict):
            # A schema that stands in several dynamic scopes is several places, and has one line.
            findings.update(dict.fromkeys(_findings(document, schema, schema.raw, refused, meant)))
    return KeywordReport(
        draft=document.draft,
        policies=document.policies,
        findings=tuple(findings),
        notes=(*notes, *document.notes),
        may_dead_end=tuple(may_dead_end),
    )


_SILENT = frozenset(
    ("$schema", "$id", "id", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$defs", "definitions")
)


def _findings(
    document: Document,
    place: SchemaPlace,
    raw: dict[str, Any],
    refused: dict[tuple[str, str], str],
    meant: dict[str, str],
) -> Iterable[Finding]:
    known = place.scope.dialect
    pointer = place.pointer
    hidden = known.hides_siblings and "$ref" in raw
    for keyword, value in raw.items():
        if keyword in _SILENT and keyword in known.annotations:
            continue
        standing, why = KeywordStanding.ANNOTATION, ""
        if hidden and keyword != "$ref":
            why = f"void beside $ref in draft {known.draft}"
        elif (pointer, keyword) in refused:
            standing, why = KeywordStanding.REFUSED, refused[pointer, keyword]
        elif keyword in known.keywords:
            why = _idle(document, place, raw, keyword, value)
            standing = KeywordStanding.ANNOTATION if why else KeywordStanding.ENFORCED
            if not why and (why := redundant(document, place, raw, keyword)):
                standing = KeywordStanding.REDUNDANT
            if keyword == "format" and standing is KeywordStanding.ENFORCED and isinstance(value, str):
                why = "" if value in dict(document.policies.custom_formats) else CUTS.get(value, "")
            elif keyword in ("pattern", "patternProperties") and standing is KeywordStanding.ENFORCED:
                why = _legacy([value] if isinstance(value, str) else value)
        elif keyword not in known.annotations:
            why = f"unknown in draft {known.draft}"
            if likely := meant.get(f"{pointer}/{escape(keyword)}"):
                why += f"; is {likely} meant?"
        yield Finding(pointer, keyword, standing, why)


def _legacy(sources: Iterable[str]) -> str:
    """Return which of some patterns are none with the flag u, and are read as without it (ECMA-262, Annex
    B)."""
    for source in sources:
        fault = only_legacy(source)
        if fault:
            what = fault.removeprefix("With the flag u, ")
            return f"no pattern with the flag u: {what} It is read as without that flag."
    return ""


def _idle(document: Document, place: SchemaPlace, raw: dict[str, Any], keyword: str, value: Any) -> str:
    """Return why a keyword that the draft knows has no effect here, or "" where it has one."""
    if keyword == "format":
        if document.policies.formats != "assert" and not place.scope.dialect.asserts_formats:
            return f"formats={document.policies.formats!r}"
        if value in dict(document.policies.custom_formats):
            return ""
        known = value in FORMATS or (place.scope.dialect.draft == "3" and value in draft3.FORMATS)
        return "" if known else f"{value!r} is not a format of JSON Schema"
    if keyword.startswith("content"):
        return "it describes what a string holds, and restricts none"
    if keyword == "if":
        return "" if "then" in raw or "else" in raw else "says nothing without then or else"
    if keyword in ("then", "else"):
        return "" if "if" in raw else "says nothing without if"
    if keyword in ("minContains", "maxContains"):
        return "" if "contains" in raw else "says nothing without contains"
    if keyword == "additionalItems":
        return "" if isinstance(raw.get("items"), list) else "says nothing unless items is a list"
    if keyword in ("exclusiveMinimum", "exclusiveMaximum") and isinstance(value, bool):
        beside = keyword[len("exclusive") :].lower()
        return "" if value and beside in raw else f"says nothing unless it is true beside {beside}"
    return ""

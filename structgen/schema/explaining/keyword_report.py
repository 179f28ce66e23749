"""The report of a schema's keywords: enforced, annotation, redundant, or refused, place by place.

A constraint is called redundant where the text of its one place shows that it changes nothing: a value that
stands for absence, a type that the place rules out. Whatever else changes nothing is found by proof
(`implied_constraints`). Each constraint is judged by itself: of two equal ones either can go, but not both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from functools import reduce
from operator import or_
from types import MappingProxyType
from typing import Any

from structgen.automata.formats.named_formats import CUTS
from structgen.automata.regex.ecma_syntax import only_legacy
from structgen.base.json_text.events import pointer_of
from structgen.base.json_text.exact_json import escape
from structgen.schema.meaning.place import TYPE_BITS, type_bit
from structgen.schema.reading import draft3
from structgen.schema.reading.document import Document
from structgen.schema.reading.keywords import FORMATS, SPEAKS_OF, field_of
from structgen.schema.reading.model import Schema
from structgen.schema.reading.policies import Policies
from structgen.schema.reading.quote_keyword import INFERRED, KEY, QUOTE
from structgen.schema.reading.suspect_keywords import find_suspects


class KeywordStanding(Enum):
    """The effect of a keyword on the documents of the schema."""

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
    why: str
    """The reason why it is an annotation, redundant or refused; or the part that an enforced format leaves
    out."""


@dataclass(frozen=True, slots=True)
class KeywordReport:
    """The keywords that are enforced, annotations or refused, for every place that the root reaches.

    Identifiers ($schema, $id, $anchor) and definitions are not listed: by themselves they restrict nothing.
    """

    draft: str
    policies: Policies
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    """Notes on the whole document: names that occur twice, an unknown `$schema`."""
    may_dead_end: tuple[str, ...]
    """The places of which it is not known whether a value exists, under `Limits(liveness="flag")`."""

    @property
    def enforced(self) -> tuple[Finding, ...]:
        """The keywords that every document obeys."""
        return self._findings_with(KeywordStanding.ENFORCED)

    @property
    def annotations(self) -> tuple[Finding, ...]:
        """The keywords that say nothing about which documents are valid."""
        return self._findings_with(KeywordStanding.ANNOTATION)

    @property
    def redundant(self) -> tuple[Finding, ...]:
        """The constraints that change nothing at their place. A constraint that only the rest of the schema
        makes redundant counts as enforced, unless that was proved (`sg.explain(grammar, prove=True)`)."""
        return self._findings_with(KeywordStanding.REDUNDANT)

    @property
    def refused(self) -> tuple[Finding, ...]:
        """The keywords that are not handled; the grammar does not compile while there are any."""
        return self._findings_with(KeywordStanding.REFUSED)

    def _findings_with(self, standing: KeywordStanding) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.standing is standing)

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON-ready dict: draft, policies, places by pointer, notes, may_dead_end."""
        return {
            "draft": self.draft,
            "policies": asdict(self.policies),
            "places": self._standings_by_place(),
            "notes": list(self.notes),
            "may_dead_end": list(self.may_dead_end),
        }

    def _standings_by_place(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return the reasons by pointer, standing and keyword: `{"#/a": {"redundant": {"minLength":
        "..."}}}`."""
        places: dict[str, dict[str, dict[str, str]]] = {}
        for finding in self.findings:
            place = places.setdefault(finding.pointer, {standing.value: {} for standing in KeywordStanding})
            place[finding.standing.value][finding.keyword] = finding.why
        return places

    @property
    def options(self) -> str:
        """The policies that say something, as options of `sg.json_schema`; formats of the caller by name, for
        their patterns fill a screen."""
        chosen = asdict(self.policies)
        chosen["custom_formats"] = "|".join(dict(chosen["custom_formats"]))
        return ", ".join(f"{name}={value}" for name, value in chosen.items() if value not in (None, "", ()))

    def __str__(self) -> str:
        lines = [f"JSON Schema draft {self.draft}; {self.options}"]
        for pointer, place in self._standings_by_place().items():
            parts = []
            for standing, keywords in place.items():
                words = [f"{keyword} ({why})" if why else keyword for keyword, why in keywords.items()]
                if words:
                    parts.append(f"{standing} {', '.join(words)}")
            lines.append(f"{pointer}: {'; '.join(parts)}")
        lines.extend(f"note: {note}" for note in self.notes)
        lines.extend(f"may dead-end: {pointer}" for pointer in self.may_dead_end)
        return "\n".join(lines)


def report_of(
    document: Document,
    notes: Iterable[str] = (),
    may_dead_end: Iterable[str] = (),
) -> KeywordReport:
    """Return the report of a document; the reader's `notes` come before its own. Some 2 us a keyword."""
    refusals = {(refusal.pointer, refusal.keyword): refusal.fault for refusal in document.refusals}
    meant = {suspect.where: suspect.likely for suspect in find_suspects(document)}
    findings: dict[Finding, None] = {}
    pointers: dict[int, str] = {}
    for schema in document.schemas:
        # Outer schemas come first: the pointer of an inner one begins with theirs.
        pointer = pointers[id(schema.at)] = _pointer_of(schema, pointers)
        if isinstance(schema.raw, dict):
            # A schema that stands in several dynamic scopes is several places, and has one line.
            place_findings = _find_standings(document, schema, pointer, refusals, meant)
            findings.update(dict.fromkeys(place_findings))
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
"""Keywords that the report does not list."""
_BESIDE = MappingProxyType(
    {
        "if": ("then", "else"),
        "then": ("if",),
        "else": ("if",),
        "minContains": ("contains",),
        "maxContains": ("contains",),
    }
)
"""Keywords that say nothing without one of some others."""
_OF_KEYS = frozenset(("properties", "required", "patternProperties", "dependencies", "dependentSchemas"))
"""The keywords that name keys, so that the order of keys depends on them."""
_READ_BY = MappingProxyType(
    {QUOTE: "for grounded= alone", INFERRED: "for grounded= alone", KEY: "for sg.extract alone"}
)
"""Annotations that other parts of the package read."""
_ABSENT = Schema(-1, "")
"""A place without keywords: a keyword that sets its field to the same value asks for nothing."""


def _pointer_of(place: Schema, pointers: Mapping[int, str]) -> str:
    """Return the pointer of a place. `pointers` are those of earlier places, by the identity of their `at`:
    so a deep schema is spelled out once, and not at each level."""
    at = place.at
    if isinstance(at, tuple) and id(at[0]) in pointers:
        return pointers[id(at[0])] + pointer_of(at[1:])
    return place.pointer


def _find_standings(
    document: Document,
    place: Schema,
    pointer: str,
    refusals: dict[tuple[str, str], str],
    meant: dict[str, str],
) -> Iterable[Finding]:
    """Yield a finding for each keyword of a place that is an object, but for identifiers and definitions.

    `pointer` is that of the place. `refusals` has the faults by pointer and keyword; `meant` the likely
    keyword by the pointer of an unknown one, for example `{"#/maxLenght": "maxLength"}`.
    """
    raw = place.raw
    dialect = place.scope.dialect
    is_hidden = dialect.hides_siblings and "$ref" in raw
    for keyword in raw:
        if keyword in _SILENT and keyword in dialect.annotations:
            continue
        standing = KeywordStanding.ANNOTATION
        why = ""
        if is_hidden and keyword != "$ref":
            why = f"void next to $ref in draft {dialect.draft}"
        elif (pointer, keyword) in refusals:
            standing = KeywordStanding.REFUSED
            why = refusals[pointer, keyword]
        elif keyword in dialect.keywords:
            # An idle keyword is an annotation; else it is redundant, or else enforced.
            why = _idle_reason(document, place, keyword)
            if not why:
                why = redundancy_reason(document, place, keyword)
                standing = KeywordStanding.REDUNDANT if why else KeywordStanding.ENFORCED
            why = why or _omission_note(document, keyword, raw[keyword])
        elif keyword not in dialect.annotations:
            why = _READ_BY.get(keyword, f"unknown in draft {dialect.draft}")
            if likely := meant.get(f"{pointer}/{escape(keyword)}"):
                why += f"; is {likely} meant?"
        yield Finding(pointer, keyword, standing, why)


def _omission_note(document: Document, keyword: str, value: Any) -> str:
    """Return the part that an enforced format leaves out; or a note on a pattern that is none with the flag
    u, and is read as without that flag (ECMA-262, Annex B)."""
    if keyword == "format" and isinstance(value, str) and value not in dict(document.policies.custom_formats):
        return CUTS.get(value, "")
    if keyword in ("pattern", "patternProperties"):
        # The patterns of `patternProperties` are the keys of its value.
        sources = [value] if isinstance(value, str) else value
        for fault in map(only_legacy, sources):
            if fault:
                reason = fault.removeprefix("With the flag u, ")
                return f"no pattern with the flag u: {reason} It is read as without that flag."
    return ""


def _idle_reason(document: Document, place: Schema, keyword: str) -> str:
    """Return the reason why a keyword that the draft knows has no effect at a place, or "" where it has one:
    for example `minContains` "says nothing without contains"."""
    raw = place.raw
    value = raw[keyword]
    dialect = place.scope.dialect
    policies = document.policies
    partners = _BESIDE.get(keyword, (keyword,))
    if raw.keys().isdisjoint(partners):
        return f"says nothing without {' or '.join(partners)}"
    if keyword == "additionalItems" and not isinstance(raw.get("items"), list):
        return "says nothing unless items is a list"
    if keyword.startswith("exclusive") and isinstance(value, bool):
        beside = keyword.removeprefix("exclusive").lower()
        return "" if value and beside in raw else f"says nothing unless it is true next to {beside}"
    if keyword != "format":
        return ""
    if policies.formats != "assert" and not dialect.asserts_formats:
        return f"formats={policies.formats!r}"
    known_formats = FORMATS | (draft3.FORMATS if dialect.draft == "3" else frozenset())
    is_known = value in dict(policies.custom_formats) or value in known_formats
    return "" if is_known else f"{value!r} is not a format of JSON Schema"


def redundancy_reason(document: Document, place: Schema, keyword: str) -> str:
    """Return the reason why a constraint that is enforced at a place changes nothing there, or "": for
    example `minLength: 0` "asks for nothing".

    Under caps (max_string, max_items, any_value), where something is `unevaluated`, and under the declared
    order of keys, less is known to change nothing.
    """
    value = place.raw[keyword]
    policies = document.policies
    field = field_of(keyword)
    if value in (0, [], {}) and getattr(place, field) == getattr(_ABSENT, field):
        return "asks for nothing"
    if (policies.max_string, policies.max_items, policies.any_value) != (None, None, None):
        return ""
    if policies.property_order != "any" and keyword in _OF_KEYS:
        return ""
    # The types that `type` allows, and those of the listed values.
    types = reduce(or_, (TYPE_BITS[name] for name in place.types or TYPE_BITS))
    enum_types = types if place.enum is None else reduce(or_, map(type_bit, place.enum), 0)
    kind = SPEAKS_OF.get(field)
    if kind is not None and not TYPE_BITS[kind] & types & enum_types:
        return f"it applies to {kind}s, which this place does not allow"
    if keyword == "type" and place.types is not None and place.enum is not None:
        # "integer" may exclude some of the listed numbers: they are not looked at one by one.
        may_exclude_numbers = enum_types & TYPE_BITS["number"] and "number" not in place.types
        if may_exclude_numbers or enum_types & ~types:
            return ""
        return "the values listed next to it are of such types"
    # For `unevaluated*` even `true` matters: it makes members evaluated.
    is_applied = field in ("additional", "property_names", "items")
    if is_applied and not document.has_unevaluated and value in (True, {}):
        return "allows every value"
    return ""

"""Subschemas where they stand, the resource around each, its dialect, and what a keyword's reader may ask."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from types import MappingProxyType
from typing import Any, TypeAlias

from structgen.errors import SchemaError
from structgen.json_text.events import spelled
from structgen.json_text.exact_json import escape, kind_name
from structgen.schema.reading.model import Schema
from structgen.schema.reading.policies import Policies


@dataclass(frozen=True, slots=True)
class Dialect:
    """One draft: its keywords, and what it says differently."""

    draft: str
    keywords: Mapping[str, Reader]
    locations: Mapping[str, str]
    """Keyword -> how it holds subschemas: "one", "list", "map", "maps" (of maps), "any" (one or list)."""
    annotations: frozenset[str]
    """Keywords that the draft knows and that say nothing about which values are valid."""
    id_key: str
    anchors: tuple[str, ...]
    """Keywords that name an anchor; empty where `$id` does it, as "#name"."""
    hides_siblings: bool
    """`$ref` makes all other keywords beside it void."""
    booleans: bool
    """true and false are schemas."""
    plain_integers: bool
    """12.0 is no integer."""
    dynamic_anchor: str
    """The keyword that marks the target of a dynamic reference; empty where the draft has none."""
    asserts_formats: bool = False
    """`format` is asserted whatever the policy says: its meta-schema names that vocabulary."""
    unknown_vocabularies: tuple[str, ...] = ()
    """Vocabularies that its meta-schema requires and that are not known here."""


@dataclass(slots=True, eq=False)
class Scope:
    """One schema resource: the base of the references in it."""

    root: Any
    """Its JSON value."""
    prefix: str
    """Its root's place, `#...`."""
    base: str
    """Its URI without a fragment, or "" where it has none."""
    dialect: Dialect


_NO_MEMBERS: Mapping[str, Any] = MappingProxyType({})


def _with_class_defaults(cls: type[SchemaPlace]) -> type[SchemaPlace]:
    """Return the class with the fields' defaults as class attributes, which hide the base class's slots."""
    for item in fields(Schema):
        if item.default is not MISSING:
            setattr(cls, item.name, item.default)
        elif item.default_factory is not MISSING:
            setattr(cls, item.name, _NO_MEMBERS)
    return cls


@_with_class_defaults
class SchemaPlace(Schema):
    """A `Schema` that stands in a document.

    Only fields that a keyword sets are stored, all others are class attributes: a subschema has 40 fields and
    sets two or three, and filling in the others was half of the time that reading a small schema takes.
    """

    __slots__ = ("__dict__", "at", "raw", "scope")

    scope: Scope
    """The resource that it stands in."""
    raw: Any
    """Its JSON value, a dict or a bool; None for a place that the network made up."""
    at: Any
    """Where it stands: `#...`, or the `at` of the place around it and the segments from there. It does not
    hold that place, which holds this one: a document is gone when it is dropped."""

    @property
    def pointer(self) -> str:
        """The place as `#/properties/a`: a JSON pointer after "#" (after a URI in another document).

        Spelled out when asked, since deep schemas would need quadratic memory; "#" alone is the root.
        """
        return spelled(self.at)

    @pointer.setter
    def pointer(self, value: str) -> None:
        self.at = value


@dataclass(frozen=True, slots=True)
class KeywordRefusal:
    """A keyword that is not handled, at a place that the root reaches."""

    pointer: str
    """The place of the schema that holds the keyword."""
    keyword: str
    what: str
    cure: str = ""


class Reading(ABC):
    """The document that is being read (`document.Document`), as the readers of keywords see it."""

    __slots__ = (
        "formats",
        "notes",
        "patterns",
        "policies",
        "refusals",
        "schemas",
        "tests",
        "top",
        "undeclared",
        "unevaluated",
        "unknown",
        "unknown_formats",
    )

    policies: Policies
    top: Scope
    """The resource of the root."""
    notes: list[str]
    """Notes of the report on the document as a whole."""

    def begin(self) -> None:
        """Forget what was read."""
        self.schemas: list[Schema] = []
        """By id: the places that were read, and those that the network derived."""
        self.refusals: list[KeywordRefusal] = []
        self.patterns: dict[str, Schema] = {}
        """Every regular expression of `pattern` and `patternProperties`, with its first place."""
        self.tests: list[tuple[SchemaPlace, Any]] = []
        """Every `if` without `then` and `else`. It is read only if `unevaluated*` asks what it evaluates."""
        self.unevaluated = False
        """`unevaluatedProperties` or `unevaluatedItems` stands somewhere."""
        self.formats: dict[str, Schema] = {}
        """Every format that is asserted, with its first place."""
        self.unknown_formats: list[tuple[SchemaPlace, str]] = []
        """Where formats are asserted: each format that is not known, by its place and its name."""
        self.undeclared: list[SchemaPlace] = []
        """Every place whose `required` names a key that its `properties` lack."""
        self.unknown: list[tuple[SchemaPlace, str]] = []
        """Every keyword that its draft does not know, with its place; one that `$ref` makes void is not in
        it."""

    @abstractmethod
    def child(self, up: SchemaPlace, raw: Any, at: tuple[str | int, ...]) -> SchemaPlace:
        """Return the place of the subschema `raw`, to be read; `at` is the way to it from `up`."""

    @abstractmethod
    def refer(self, place: SchemaPlace, keyword: str, reference: str) -> None:
        """Have a place hold the target of its `$ref`, `$dynamicRef` or `$recursiveRef`."""

    def new(self, raw: Any, up: SchemaPlace | None, at: Any, scope: Scope) -> SchemaPlace:
        """Return a new place, `at` from the one around it; without that one, `at` is its pointer."""
        place = SchemaPlace.__new__(SchemaPlace)
        place.id = len(self.schemas)
        place.raw, place.scope = raw, scope
        place.at = at if up is None else (up.at, *at)
        self.schemas.append(place)
        return place

    def derived(self, pointer: str, **fields: Any) -> Schema:
        """Return a new synthetic schema with these fields of `Schema`, which messages place at `pointer`."""
        place = self.new(None, None, pointer, self.top)
        for name, value in fields.items():
            setattr(place, name, value)
        return place

    def refuse(self, place: SchemaPlace, keyword: str, what: str = "", cure: str = "") -> None:
        """Note that `keyword`, in use at `place`, is not handled."""
        what = what or f"{keyword} is not handled."
        cure = cure or f"Leave {keyword} out, or check it on the finished document."
        self.refusals.append(KeywordRefusal(place.pointer, keyword, what, cure))

    def wrong(self, place: SchemaPlace, keyword: str, takes: str, cure: str = "") -> SchemaError:
        """Return the error for a keyword of `place` whose value is of the wrong kind."""
        return SchemaError(
            f"{keyword} {takes}, not {shown(place.raw[keyword])}.",
            where=f"{place.pointer}/{escape(keyword)}",
            cure=cure or f"Correct {keyword}.",
        )


def shown(value: Any) -> str:
    """Return a value for a message: itself where it is short, else its kind."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (dict, list)) or len(str(value)) > 40:
        return f"{'an' if kind_name(value)[0] in 'aio' else 'a'} {kind_name(value)}"
    return repr(value) if isinstance(value, str) else str(value)


Reader: TypeAlias = Callable[[Reading, SchemaPlace, str, Any], None]
"""Reads one keyword: the document, the place, the keyword and its value."""

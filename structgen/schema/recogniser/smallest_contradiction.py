"""Why no value meets some schemas: a smallest set of keywords that leaves none, found by taking keywords out
and asking again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from structgen.errors import StructgenError
from structgen.schema.meaning.place import NEVER, parts_of
from structgen.schema.meaning.wording import joined
from structgen.schema.reading.json_text import write
from structgen.schema.reading.model import Schema
from structgen.schema.recogniser.schema_liveness import Oracle

_KEYWORDS = MappingProxyType(
    {
        "ref": ("$ref", "$dynamicRef", "$recursiveRef"),
        "types": ("type",),
        "enum": ("enum", "const"),
        "multiple_of": ("multipleOf", "divisibleBy"),
        "exclusive_minimum": ("exclusiveMinimum", "minimum"),
        "exclusive_maximum": ("exclusiveMaximum", "maximum"),
        "additional": ("additionalProperties",),
        "dependent_required": ("dependentRequired", "dependencies"),
        "dependent_schemas": ("dependentSchemas", "dependencies", "propertyDependencies"),
        "prefix": ("prefixItems", "items"),
        "items": ("additionalItems", "items"),
        "all_of": ("allOf", "extends"),
        "not_": ("not", "disallow"),
        "if_": ("if",),
        "else_": ("else",),
        "verdict": ("false",),
    }
)
"""The keywords that set a field of `Schema`; of every other field it is the name in camel case."""
_CARRIED = ("applicators", "bans", "by_value", "plain_integers", "contains_evaluates")
"""Fields that no keyword sets alone, but for the place."""
_MOST_SHOWN = 24
"""Characters of a value that a message repeats."""
_MOST_LISTED = 12
"""Keywords that one message lists."""
_DEFAULTS = {
    one.name: one.default_factory() if one.default_factory is not MISSING else one.default
    for one in fields(Schema)
    if one.name not in ("id", "pointer", *_CARRIED)
}

Keyword: TypeAlias = tuple[Schema, str]
"""A schema and the name of one of its fields."""


class Contradiction(NamedTuple):
    """Keywords that leave no document."""

    keywords: tuple[str, ...]
    """JSON pointers; that of an entry of a list or a map where it is `false`."""
    places: tuple[str, ...]
    """The places of their schemas, in the order of the text."""
    told: str
    """The keywords in words, with their places."""
    cure: str
    """What to change."""


def smallest(
    oracle: Oracle, roots: Sequence[tuple[Schema, bool]], given: Sequence[Schema] = ()
) -> Contradiction:
    """Return keywords of some schemas that no value meets together (True: negated).

    `given`: schemas that the value meets too, and whose keywords stay and are not named. Keywords near the
    roots are tried first, without all others. Of what is left halves are taken out, then quarters, at last
    single keywords, until none can go. Cost: some questions to the oracle for each keyword that is left.
    Past `Limits.oracle_steps` subschemas that were copied for these questions the set may not be the
    smallest, and the words say so.
    """
    search = _Search(oracle, roots, given)
    is_sure = search.run()
    at: dict[str, list[str]] = {}
    found: dict[str, None] = {}
    for schema, field in search.keywords:
        place, keyword, shown = _named(schema, field)
        pointer = place if field == "verdict" else f"{place}/{keyword}"
        if pointer not in found:
            found[pointer] = None
            at.setdefault(place, []).append(shown)
    listed = [f"{joined(said[:_MOST_LISTED])} ({place})" for place, said in at.items()]
    if len(listed) > _MOST_LISTED:
        listed = [*listed[:_MOST_LISTED], f"keywords at {len(listed) - _MOST_LISTED} more places"]
    several = len(found) > 1
    verb = "contradict each other" if several else "allows nothing"
    if given:
        verb = "exclude it" if several else "excludes it"
    told, cure = f"{joined(listed)} {verb}", "Relax one of them." if several else "Relax it."
    met = {schema for schema, _ in search.keywords}
    for schema, field in search.keywords:
        if field == "one_of" and len(met.intersection(schema.one_of)) < len(schema.one_of) - 1:
            told += f": branches of oneOf ({schema.pointer or '#'}) hold together"
            break
    if not is_sure:
        told += " (perhaps fewer of them do: the search ended at Limits.oracle_steps)"
    elif _comes_back(search.keywords):
        told += ": they ask for another such value inside itself, without end"
        cure = "Take a key out of required, lower minItems to 0, or allow null there."
    return Contradiction(tuple(found), tuple(at) or (roots[0][0].pointer or "#",), told, cure)


class _Search:
    def __init__(self, oracle: Oracle, roots: Sequence[tuple[Schema, bool]], given: Sequence[Schema]) -> None:
        self.oracle, self.roots = oracle, roots
        self.given = tuple(map(oracle.tables.literal, given))
        self.left = oracle.limits.oracle_steps
        """Subschemas that may still be copied."""
        self.keywords = self._reached(None)
        """Those that are not taken out."""

    def run(self) -> bool:
        """Take out what can go; return whether nothing else can."""
        # first all keywords that are more than so many away from the roots: one away, two, four and so on
        steps = {schema.id: 0 for schema, _ in self.roots}
        row = [schema for schema, _ in self.roots]
        for schema in row:
            for part in parts_of(_fields(schema, None).values()):
                if part.id not in steps:
                    steps[part.id] = steps[schema.id] + 1
                    row.append(part)
        reach = 1
        while reach < max(steps.values()) and not self._suffices(
            [keyword for keyword in self.keywords if steps[keyword[0].id] <= reach]
        ):
            reach *= 2
        size = len(self.keywords)
        while size and self.left > 0:
            before = self.keywords
            for start in range(0, len(before), size):
                some = set(before[start : start + size])
                rest = [keyword for keyword in self.keywords if keyword not in some]
                if len(rest) < len(self.keywords):
                    self._suffices(rest)
            if size == 1 and len(self.keywords) == len(before):
                return True
            size = max(1, min(size // 2, len(self.keywords)))
        return self.left > 0

    def _suffices(self, some: Sequence[Keyword]) -> bool:
        """Return whether no value meets the roots with some keywords alone, and take out the others then.
        False where that is unknown."""
        if self.left <= 0:
            return False
        kept, tables = frozenset(some), self.oracle.tables
        copies = tables.copies([schema for schema, _ in self.roots], lambda one: _fields(one, kept))
        self.left -= len(copies)
        try:
            literals = [tables.literal(copies[one.id], negated) for one, negated in self.roots]
            demand = tables.demand((*literals, *self.given))
            if demand != NEVER and self.oracle.alive(tables.of_value(demand)):
                return False
        except StructgenError:
            return False
        self.keywords = self._reached(kept)
        return True

    def _reached(self, kept: frozenset[Keyword] | None) -> list[Keyword]:
        """Return the keywords that are reached from the roots through those that are kept (None: all), in
        the order of the text."""
        found: list[Keyword] = []
        seen: set[int] = set()
        stack = [schema for schema, _ in reversed(self.roots)]
        while stack:
            schema = stack.pop()
            if schema.id in seen:
                continue
            seen.add(schema.id)
            said = _fields(schema, kept)
            found += [(schema, field) for field in said if field in _DEFAULTS and _is_keyword(schema, field)]
            stack.extend(reversed(list(parts_of(said.values()))))
        return found


def _comes_back(keywords: Iterable[Keyword]) -> bool:
    """Return whether one of some keywords leads back to its own schema through some of them."""
    below: dict[int, set[int]] = {}
    for schema, field in keywords:
        below.setdefault(schema.id, set()).update(part.id for part in parts_of([getattr(schema, field)]))
    ended = [at for at in below if not below[at] & below.keys()]
    while ended:
        for at in ended:
            del below[at]
        ended = [at for at in below if not below[at] & below.keys()]
    return bool(below)


def _fields(schema: Schema, kept: frozenset[Keyword] | None) -> dict[str, object]:
    """Return the fields that a schema sets, without the keywords that are taken out."""
    found = {name: getattr(schema, name) for name in _CARRIED}
    for name, default in _DEFAULTS.items():
        value = getattr(schema, name)
        if value != default and (kept is None or not _is_keyword(schema, name) or (schema, name) in kept):
            found[name] = value
    return found


def _is_keyword(schema: Schema, field: str) -> bool:
    """Return whether a field can be taken out: the text of the schema sets it, and it may exclude values."""
    if field == "verdict":
        # `"items": false` goes with its keyword; of the entries of lists and maps each may be made true.
        segments = getattr(schema, "at", "#")
        return schema.verdict is False and not (isinstance(segments, tuple) and len(segments) == 1)
    raw = getattr(schema, "raw", None)
    return not schema.bans and (field != "all_of" or not isinstance(raw, dict) or bool(_in(raw, field)))


def _in(raw: Mapping[str, object], field: str) -> str | None:
    """Return the keyword of a schema's text that sets a field, None where there is none."""
    names = _names(field)
    if field in ("enum", "exclusive_minimum", "exclusive_maximum"):
        return next((name for name in raw if name in names), None)
    return next((name for name in names if name in raw), None)


def _names(field: str) -> tuple[str, ...]:
    first, *rest = field.split("_")
    return _KEYWORDS.get(field) or (first + "".join(map(str.capitalize, rest)),)


def _named(schema: Schema, field: str) -> tuple[str, str, str]:
    """Return the place and the keyword of a field; and the keyword with its value, if that is short and no
    schema with keywords."""
    place = schema.pointer or "#"
    raw = getattr(schema, "raw", None)
    own = _in(raw, field) if isinstance(raw, dict) else None
    if own is None and raw is None and field == "enum" and "/" in place:
        # The reader sets const beside enum apart, at the place of the keyword.
        place, _, own = place.rpartition("/")
    keyword = own or _names(field)[0]
    value = raw.get(keyword) if isinstance(raw, dict) and field != "verdict" else None
    if value is None or (isinstance(value, (dict, list)) and any(parts_of([getattr(schema, field)]))):
        return place, keyword, keyword
    text = value if keyword == "type" and isinstance(value, str) else write(value)
    return place, keyword, f"{keyword} {text}" if len(text) <= _MOST_SHOWN else keyword


def signed(oracle: Oracle, literals: Iterable[int]) -> list[tuple[Schema, bool]]:
    """Return the schemas of literals, and which of them are negated."""
    return [(oracle.tables.about(one).schema, bool(one & 1)) for one in literals if one >= 0]

"""Why no value meets some schemas: a smallest set of keywords that leaves none, found by taking keywords out
and asking again; and short words for a schema that is empty on its face."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from structgen.errors import StructgenError
from structgen.schema.meaning import wording
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

Unit: TypeAlias = tuple[int, str]
"""A schema's id and the name of one of its fields."""


class Contradiction(NamedTuple):
    """Keywords that leave no document."""

    keywords: tuple[str, ...]
    """JSON pointers; that of an entry of a list or a map where it is `false`."""
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
    left = search.units(search.kept)
    found = {_pointer(*unit): unit for unit in left}
    at: dict[str, list[str]] = {}
    for schema, field in found.values():
        at.setdefault(_name(schema, field)[0], []).append(_shown(schema, field))
    listed = [f"{joined(said[:_MOST_LISTED])} ({pointer})" for pointer, said in at.items()]
    if len(listed) > _MOST_LISTED:
        listed = [*listed[:_MOST_LISTED], f"keywords at {len(listed) - _MOST_LISTED} more places"]
    several = len(found) > 1
    verb = "contradict each other" if several else "allows nothing"
    if given:
        verb = "exclude it" if several else "excludes it"
    told, cure = f"{joined(listed)} {verb}", "Relax one of them."
    met = {schema.id for schema, _ in left}
    for schema, field in left:
        if field == "one_of" and sum(branch.id not in met for branch in schema.one_of) > 1:
            told += f": branches of oneOf ({schema.pointer or '#'}) hold together"
            break
    if not is_sure:
        told += " (perhaps fewer of them do: the search ended at Limits.oracle_steps)"
    elif _comes_back(left):
        told += ": they ask for another such value inside itself, without end"
        cure = "Take a key out of required, lower minItems to 0, or allow null there."
    return Contradiction(tuple(found), told, cure)


def empty_schema(schema: Schema) -> tuple[str, str]:
    """Return why a schema that allows nothing on its face does so, and how to mend it."""
    at = schema.pointer or "#"
    if schema.enum == ():
        return f"enum is empty ({at})", "Give enum a value."
    if schema.enum is not None and schema.types is not None:
        types = f"type {joined(sorted(schema.types), ' or ')}"
        values = wording.listing(map(wording.value, schema.enum), ", ")
        if len(schema.enum) == 1:
            return f"const {values} is not of {types} ({at})", "Change one of them."
        return f"no value of enum ({values}) is of {types} ({at})", "Change one of them."
    if schema.not_ is not None:
        return f"not excludes every value ({at})", "Relax not."
    return "false allows nothing", "Write true, or the schema that is meant."


class _Search:
    def __init__(self, oracle: Oracle, roots: Sequence[tuple[Schema, bool]], given: Sequence[Schema]) -> None:
        self.oracle, self.roots = oracle, roots
        self.given = tuple(map(oracle.tables.literal, given))
        self.left = oracle.limits.oracle_steps
        """Subschemas that may still be copied."""
        self.kept: frozenset[Unit] | None = None
        """The keywords that are not taken out; None: all."""

    def run(self) -> bool:
        """Take out what can go; return whether nothing else can."""
        self._near()
        units = self._left()
        size = len(units)
        while size and self.left > 0:
            for start in range(0, len(units), size):
                self._take_out(units[start : start + size])
            before, units = len(units), self._left()
            if size == 1 and len(units) == before:
                return True
            size = max(1, min(size // 2, len(units)))
        return self.left > 0

    def _near(self) -> None:
        """Take out all keywords that are more than so many keywords away from the roots, if those within
        exclude all values: one away, two, four and so on."""
        steps = {schema.id: 0 for schema, _ in self.roots}
        row = [schema for schema, _ in self.roots]
        for schema in row:
            for part in parts_of(_fields(schema, None).values()):
                if part.id not in steps:
                    steps[part.id] = steps[schema.id] + 1
                    row.append(part)
        units, reach = self._left(), 1
        while reach < max(steps.values()) and self.left > 0:
            within = frozenset(unit for unit in units if steps[unit[0]] <= reach)
            if not self._lives(within):
                self.kept = within
                return
            reach *= 2

    def _left(self) -> list[Unit]:
        return [(schema.id, field) for schema, field in self.units(self.kept)]

    def _take_out(self, some: Sequence[Unit]) -> None:
        """Take out some keywords if no value meets the others."""
        left = self._left() if self.left > 0 else []
        rest = frozenset(left).difference(some)
        if len(rest) < len(left) and not self._lives(rest):
            self.kept = rest

    def units(self, kept: frozenset[Unit] | None) -> list[tuple[Schema, str]]:
        """Return the keywords that are reached from the roots through those that are kept, in the order of
        the text."""
        found: list[tuple[Schema, str]] = []
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

    def _lives(self, kept: frozenset[Unit]) -> bool:
        """Return whether some value meets the roots with these keywords alone. True where that is unknown."""
        tables = self.oracle.tables
        copies = tables.copies([schema for schema, _ in self.roots], lambda one: _fields(one, kept))
        self.left -= len(copies)
        try:
            literals = [tables.literal(copies[one.id], negated) for one, negated in self.roots]
            demand = tables.demand((*literals, *self.given))
            return demand != NEVER and self.oracle.alive(tables.of_value(demand))
        except StructgenError:
            return True


def _comes_back(units: Iterable[tuple[Schema, str]]) -> bool:
    """Return whether one of some keywords leads back to its own schema through some of them."""
    below: dict[int, set[int]] = {}
    for schema, field in units:
        below.setdefault(schema.id, set()).update(part.id for part in parts_of([getattr(schema, field)]))
    ended = [at for at in below if not below[at] & below.keys()]
    while ended:
        for at in ended:
            del below[at]
        ended = [at for at in below if not below[at] & below.keys()]
    return bool(below)


def _fields(schema: Schema, kept: frozenset[Unit] | None) -> dict[str, object]:
    """Return the fields that a schema sets, without the keywords that are taken out."""
    found = {name: getattr(schema, name) for name in _CARRIED}
    for name, default in _DEFAULTS.items():
        value = getattr(schema, name)
        if value != default and (kept is None or not _is_keyword(schema, name) or (schema.id, name) in kept):
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
    names = _KEYWORDS.get(field) or (_camel(field),)
    if field in ("enum", "exclusive_minimum", "exclusive_maximum"):
        return next((name for name in raw if name in names), None)
    return next((name for name in names if name in raw), None)


def _camel(field: str) -> str:
    first, *rest = field.strip("_").split("_")
    return first + "".join(map(str.capitalize, rest))


def _name(schema: Schema, field: str) -> tuple[str, str]:
    """Return the place and the keyword of a field."""
    pointer = schema.pointer or "#"
    raw = getattr(schema, "raw", None)
    own = _in(raw, field) if isinstance(raw, dict) else None
    if own is None and raw is None and field == "enum" and "/" in pointer:
        # The reader sets const beside enum apart, at the place of the keyword.
        place, _, own = pointer.rpartition("/")
        return place, own
    return pointer, own or (_KEYWORDS.get(field) or (_camel(field),))[0]


def _pointer(schema: Schema, field: str) -> str:
    """Return the JSON pointer of a field's keyword; of a schema `false` its own."""
    place, keyword = _name(schema, field)
    return place if field == "verdict" else f"{place}/{keyword}"


def _shown(schema: Schema, field: str) -> str:
    """Return a keyword with its value, if that is short and no schema with keywords."""
    keyword = _name(schema, field)[1]
    value = (getattr(schema, "raw", None) or {}).get(keyword) if field != "verdict" else None
    if value is None or (isinstance(value, (dict, list)) and any(parts_of([getattr(schema, field)]))):
        return keyword
    text = value if keyword == "type" and isinstance(value, str) else write(value)
    return f"{keyword} {text}" if len(text) <= _MOST_SHOWN else keyword


def signed(oracle: Oracle, literals: Iterable[int]) -> list[tuple[Schema, bool]]:
    """Return the schemas of literals, and which of them are negated."""
    return [(oracle.tables.about(one).schema, bool(one & 1)) for one in literals if one >= 0]

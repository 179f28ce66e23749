"""Why no value meets some schemas: a smallest set of keywords that leaves none, found by taking keywords out
and asking again.

What is taken out only allows more. So a keyword that speaks of the keys or items that another one leaves over
keeps them apart when that other one goes (`_LEFT_OVER`), and an operator that may deny what stands inside it
goes or stays whole (`_taken_apart`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from structgen.base.errors import StructgenError
from structgen.base.json_text.exact_json import write_canonical
from structgen.base.language.checks import MOST_SHOWN
from structgen.schema.meaning.literals import ALWAYS, Literal
from structgen.schema.meaning.wording import MOST_TOLD, join_words
from structgen.schema.reading.keywords import keywords_of
from structgen.schema.reading.model import Schema, parts_of, with_others
from structgen.schema.recogniser.schema_liveness import Oracle

_CARRIED = ("applicators", "bans", "by_value", "plain_integers", "contains_evaluates")
"""Fields that no keyword sets alone, but for the place."""
_COUNTS = ("min_contains", "max_contains")
"""Fields that belong to `contains`."""
_LEFT_OVER = MappingProxyType(
    {
        "properties": ("additional", "unevaluated_properties"),
        "pattern_properties": ("additional", "unevaluated_properties"),
        "additional": ("unevaluated_properties",),
        "prefix": ("items", "unevaluated_items"),
        "items": ("unevaluated_items",),
    }
)
"""Fields, and those that speak of what they leave over."""
_DENIED = "denied"
"""In place of a field: the whole of a schema that no value may meet."""
_FIELDS = tuple(name for name in Schema.__annotations__ if name not in Schema.__slots__)

Keyword: TypeAlias = tuple[Schema, str]
"""A schema and the name of one of its fields."""


class Contradiction(NamedTuple):
    """Keywords that leave no document."""

    keywords: tuple[str, ...]
    """JSON pointers; that of an entry of a list or a map where it is `false`."""
    places: tuple[str, ...]
    """The places of their schemas, in the order of the text."""
    explanation: str
    """The keywords in words, with their places."""
    cure: str
    """What to change."""


def find_contradiction(
    oracle: Oracle, roots: Sequence[Literal], fixed_schemas: Sequence[Schema] = ()
) -> Contradiction:
    """Return keywords of the schemas of some literals that no value meets together.

    `fixed_schemas`: schemas that the value meets too, and whose keywords stay and are not named. A schema
    inside that no value meets either is searched in place of the one around it. Halves of the keywords are
    taken out, then quarters, at last single ones, until none can go. Cost: some questions to the oracle for
    each keyword that is left; a fifth of `Limits.oracle_steps` subschemas, or 16 times as many listed values,
    are copied for them. Past that the set may not be the smallest, and the words say so.
    """
    search = _Search(oracle, roots, fixed_schemas)
    is_sure = search.reduce_keywords()
    at: dict[str, list[str]] = {}
    pointers: dict[str, None] = {}
    for schema, field in search.keywords:
        place, keyword, keyword_text = _name_keyword(schema, field)
        pointer = f"{place}/{keyword}" if keyword and field != "verdict" else place
        if pointer not in pointers:
            pointers[pointer] = None
            at.setdefault(place, []).append(keyword_text)
    place_texts = [
        f"{join_words(keyword_texts[:MOST_TOLD])} ({place})" for place, keyword_texts in at.items()
    ]
    if len(place_texts) > MOST_TOLD:
        place_texts = [*place_texts[:MOST_TOLD], f"keywords at {len(place_texts) - MOST_TOLD} more places"]
    several = len(pointers) > 1
    verb = "contradict each other" if several else "allows nothing"
    if fixed_schemas:
        verb = "exclude it" if several else "excludes it"
    explanation = f"{join_words(place_texts)} {verb}"
    cure = "Relax one of them." if several else "Relax it."
    choices = [schema.pointer or "#" for schema, field in search.keywords if field == "one_of"]
    if choices and not search.is_empty(frozenset(search.keywords), overlapping=True):
        explanation += f": branches of oneOf ({join_words(choices)}) hold together"
    if not is_sure:
        explanation += " (perhaps fewer of them do: the search ended at Limits.oracle_steps)"
    elif _comes_back(search.keywords):
        explanation += ": they ask for another such value inside itself, without end"
        cure = "Take a key out of required, lower minItems to 0, or allow null there."
    return Contradiction(tuple(pointers), tuple(at) or (roots[0].schema.pointer or "#",), explanation, cure)


class _Search:
    def __init__(self, oracle: Oracle, roots: Sequence[Literal], fixed_schemas: Sequence[Schema]) -> None:
        self.oracle = oracle
        roots = [root for root in roots if root.schema is not ALWAYS.schema]
        self.root_schemas = [root.schema for root in roots if not root.is_negated]
        self.negated_schemas = [root.schema for root in roots if root.is_negated]
        self.fixed_literals = tuple(map(oracle.tables.literal_of, fixed_schemas))
        self.copies_left = oracle.limits.oracle_steps // 5
        """Subschemas that may still be copied."""
        self.leaf_copies: dict[tuple[int, frozenset[str]], Schema] = {}
        """Copies of schemas that hold no other schemas, by the original's id and the fields that are kept."""
        self.keywords = self._reached_keywords(None)
        """Those that are not taken out."""

    def reduce_keywords(self) -> bool:
        """Take out what can go; return whether nothing else can."""
        led, inner = self._led_inside()
        if led:
            part = _Search(self.oracle, [self.oracle.tables.signed_literal(inner)], ())
            is_sure = part._take_out()
            self.keywords = [*dict.fromkeys([*led, *part.keywords])]
            self.copies_left = part.copies_left
            around = {schema.id for schema, _ in led}
            if not is_sure or around.isdisjoint(schema.id for schema, _ in part.keywords):
                return is_sure
        return self._take_out()

    def _led_inside(self) -> tuple[list[Keyword], Schema]:
        """Return the keywords that lead from the root to the innermost schema that no value meets, and that
        schema; no keywords and the root where there is none, or the roots are several."""
        schema, *others = (*self.root_schemas, *self.negated_schemas)
        led: list[Keyword] = []
        if self.negated_schemas or others or self.fixed_literals:
            return led, schema
        visited: set[int] = set()
        while True:
            visited.add(schema.id)
            inside = (part for part in _inner_schemas(schema) if part[1].id not in visited)
            part = next((inner_part for inner_part in inside if self._leaves_none(inner_part[1:])), None)
            if part is None:
                return led, schema
            led += [(schema, field) for field in part[0] if _is_keyword(schema, field)]
            schema = part[1]

    def _take_out(self) -> bool:
        size = len(self.keywords)
        while size and self.copies_left > 0:
            previous = self.keywords
            for start in range(0, len(previous), size):
                some = previous[start : start + size]
                kept_keywords = frozenset(self.keywords).difference(some)
                if (
                    len(kept_keywords) < len(self.keywords)
                    and self.copies_left > 0
                    and self.is_empty(kept_keywords)
                ):
                    self.keywords = self._reached_keywords(kept_keywords)
            if size == 1 and len(self.keywords) == len(previous):
                return True
            size = max(1, min(size // 2, len(self.keywords)))
        return self.copies_left > 0

    def is_empty(self, kept_keywords: frozenset[Keyword], *, overlapping: bool = False) -> bool:
        """Return whether no value meets the roots with some keywords alone; False where that is unknown.
        `overlapping`: several branches of a oneOf may hold."""
        tables = self.oracle.tables

        def copy_schema(schema: Schema) -> tuple[Schema, Mapping[str, object]]:
            fields = _set_fields(schema, kept_keywords)
            inner = _taken_apart(schema, fields)
            if overlapping and "any_of" not in fields:
                fields["any_of"] = fields.pop("one_of", ())
            self.copies_left -= 1
            if any(parts_of(inner.values())):
                return tables.make_schema("", **fields), inner
            key = schema.id, frozenset(fields)
            if key not in self.leaf_copies:
                self.copies_left -= len(schema.enum or ()) // 16
                self.leaf_copies[key] = tables.make_schema("", **fields)
            return self.leaf_copies[key], {}

        copies = tables.copy_schemas(self.root_schemas, copy_schema)
        kept_negations = [schema for schema in self.negated_schemas if (schema, _DENIED) in kept_keywords]
        return self._leaves_none([copies[schema.id] for schema in self.root_schemas], kept_negations)

    def _leaves_none(self, schemas: Iterable[Schema], negated_schemas: Iterable[Schema] = ()) -> bool:
        """Return whether no value meets some schemas and the given ones, but none of those that are denied;
        False where that is unknown."""
        tables = self.oracle.tables
        try:
            negations = (tables.literal_of(schema, True) for schema in negated_schemas)
            demand = tables.intern_demand(
                (*map(tables.literal_of, schemas), *negations, *self.fixed_literals)
            )
            return not self.oracle.is_alive(tables.of_value(demand))
        except StructgenError:
            return False

    def _reached_keywords(self, kept_keywords: frozenset[Keyword] | None) -> list[Keyword]:
        """Return the keywords that are reached from the roots through those that are kept (None: all), in
        the order of the text."""
        keywords = [(schema, _DENIED) for schema in self.negated_schemas]
        visited: set[int] = set()
        stack = self.root_schemas[::-1]
        while stack:
            schema = stack.pop()
            if schema.id in visited:
                continue
            visited.add(schema.id)
            fields = _set_fields(schema, kept_keywords)
            keywords += [(schema, field) for field in fields if _is_keyword(schema, field)]
            stack.extend(reversed([*parts_of(_taken_apart(schema, fields).values())]))
        if kept_keywords is None:
            return keywords
        return [keyword for keyword in keywords if keyword in kept_keywords]


def _inner_schemas(schema: Schema) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Yield the schemas that some value must meet where one meets a schema, each with the fields that say
    so."""
    if schema.ref is not None:
        yield ("ref",), schema.ref
    for part in schema.all_of:
        yield ("all_of",), part
    if schema.types == frozenset({"object"}):
        for key in schema.required:
            if key in schema.properties:
                yield ("types", "properties", "required"), schema.properties[key]
    if schema.types == frozenset({"array"}):
        for part in schema.prefix[: schema.min_items]:
            yield ("types", "prefix", "min_items"), part
        if schema.items is not None and schema.min_items > len(schema.prefix):
            yield ("types", "items", "min_items"), schema.items


def _comes_back(keywords: Iterable[Keyword]) -> bool:
    """Return whether one of some keywords leads back to its own schema through some of them."""
    below: dict[int, set[int]] = {}
    for schema, field in keywords:
        if field != _DENIED:  # what is denied leads nowhere
            below.setdefault(schema.id, set()).update(part.id for part in parts_of([getattr(schema, field)]))
    while dead_ends := [at for at in below if not below[at] & below.keys()]:
        for at in dead_ends:
            del below[at]
    return bool(below)


def _set_fields(schema: Schema, kept_keywords: frozenset[Keyword] | None) -> dict[str, object]:
    """Return the fields that a schema sets, without the keywords that are taken out."""
    fields: dict[str, object] = {}
    for name in _FIELDS:
        value = getattr(schema, name)
        if value == getattr(Schema, name):
            continue
        if kept_keywords is None or not _is_keyword(schema, name) or (schema, name) in kept_keywords:
            fields[name] = value
        elif any((schema, left_over) in kept_keywords for left_over in _LEFT_OVER.get(name, ())):
            fields[name] = with_others(value, {part.id: ALWAYS.schema for part in parts_of([value])})
    return fields


def _taken_apart(schema: Schema, fields: Mapping[str, object]) -> dict[str, object]:
    """Return those of a schema's fields whose schemas have keywords that can be taken out one by one. What
    stands inside a field that may deny it goes or stays with the field."""
    has_counts = schema.max_contains is not None or not schema.min_contains
    whole = ("not_", "if_", "one_of", *["contains"] * has_counts)
    return {name: value for name, value in fields.items() if name not in whole}


def _is_keyword(schema: Schema, field: str) -> bool:
    """Return whether a field can be taken out: the text of the schema sets it, and it may exclude values."""
    if field in _CARRIED or field in _COUNTS:
        return False
    if field == "verdict":
        # `"items": false` goes with its keyword; of the entries of lists and maps each may be made true.
        return schema.verdict is False and not (isinstance(schema.at, tuple) and len(schema.at) == 1)
    is_written = isinstance(schema.raw, dict)
    return not schema.bans and (field != "all_of" or not is_written or bool(_keyword_in(schema.raw, field)))


def _keyword_in(raw: Mapping[str, object], field: str) -> str | None:
    """Return the keyword of a schema's text that sets a field, None where there is none."""
    names = keywords_of(field)
    if field in ("enum", "exclusive_minimum", "exclusive_maximum"):
        return next((name for name in raw if name in names), None)
    return next((name for name in names if name in raw), None)


def _name_keyword(schema: Schema, field: str) -> tuple[str, str, str]:
    """Return the place and the keyword of a field; and the keyword with its value, if that is short and no
    schema with keywords."""
    place = schema.pointer or "#"
    if field == _DENIED:
        return _name_operator(place)
    raw = schema.raw
    own = _keyword_in(raw, field) if isinstance(raw, dict) else None
    if own is None and raw is None and field == "enum" and "/" in place:
        # The reader sets const beside enum apart, at the place of the keyword.
        place, _, own = place.rpartition("/")
    keyword = own or keywords_of(field)[0]
    if field == "contains" and isinstance(raw, dict):
        counts = [
            f"{name} {write_canonical(raw[name])}" for name in ("minContains", "maxContains") if name in raw
        ]
        return place, keyword, f"contains with {join_words(counts)}" if counts else keyword
    value = raw.get(keyword) if isinstance(raw, dict) and field != "verdict" else None
    if value is None or (isinstance(value, (dict, list)) and any(parts_of([getattr(schema, field)]))):
        return place, keyword, keyword
    text = value if keyword == "type" and isinstance(value, str) else write_canonical(value)
    return place, keyword, f"{keyword} {text}" if len(text) <= MOST_SHOWN else keyword


def _name_operator(place: str) -> tuple[str, str, str]:
    """Return the place, the keyword and the word of the operator that a schema at a place stands in."""
    place, _, keyword = place.rpartition("/")
    if keyword.isdigit():
        place, _, keyword = place.rpartition("/")
    return place or "#", keyword.lstrip("#"), keyword.lstrip("#") or "the schema"

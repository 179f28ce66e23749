"""Finds the reason why no value meets some schemas: a smallest set of keywords that leaves no value.

A *keyword* is here a pair of a schema and one of its fields (an attribute of `Schema`). The *roots* are the
schemas that a value must meet, or must not meet if they are *negated*. The *oracle* tells whether any value
meets some schemas. A *contradiction* is a set of keywords that together leave no value.

Keywords are taken out, and the oracle is asked about copies of the schemas without them. A keyword without
which there is still no value is not part of the reason. For example in `{"minimum": 5, "maximum": 3, "title":
"x"}` the contradiction is `minimum` and `maximum`.

A schema with fewer keywords must only allow more. So `additionalProperties` must not suddenly hold for the
keys of `properties` when `properties` is taken out: those keys stay, with the schema `true` (`_LEFT_OVER`).
An operator such as `not`, which may deny the schemas inside it, is taken out or kept as a whole
(`_divisible_fields`).
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
"""Fields that a reader sets beside the field of a keyword, or for the place. They are not keywords."""
_COUNTS = ("min_contains", "max_contains")
"""Fields that belong to `contains`, and are taken out with it."""
_LEFT_OVER = MappingProxyType(
    {
        "properties": ("additional", "unevaluated_properties"),
        "pattern_properties": ("additional", "unevaluated_properties"),
        "additional": ("unevaluated_properties",),
        "prefix": ("items", "unevaluated_items"),
        "items": ("unevaluated_items",),
    }
)
"""Fields, each with the fields for the keys or items that it leaves over: `items` is for those that `prefix`
does not describe."""
_DENIED = "denied"
"""Stands in a keyword in place of a field: the whole of a negated schema, which no value may meet."""
# The fields of `Schema` with a default on the class; those in `__slots__` have none.
_FIELDS = tuple(name for name in Schema.__annotations__ if name not in Schema.__slots__)

Keyword: TypeAlias = tuple[Schema, str]
"""A schema and the name of one of its fields."""


class Contradiction(NamedTuple):
    """Keywords that together leave no value, and what an error says about them."""

    keywords: tuple[str, ...]
    """The JSON pointers of the keywords, such as `#/minimum`. An entry of a list or map that is `false` has
    the pointer of the entry."""
    places: tuple[str, ...]
    """The JSON pointers of the schemas that have the keywords, in the order of the text."""
    explanation: str
    """The keywords in words, with their places."""
    cure: str
    """A sentence about what to change."""


def find_contradiction(
    oracle: Oracle,
    roots: Sequence[Literal],
    fixed_schemas: Sequence[Schema] = (),
) -> Contradiction:
    """Return a smallest set of keywords of the roots that no value meets together.

    `roots` are the schemas, as literals that may be negated. `fixed_schemas` are schemas that the value must
    meet too; their keywords are never taken out and never named. Where no value meets a schema inside a root
    either, that inner schema is searched instead.

    All keywords are tried first, then halves of them, then quarters, at last single ones, until none can be
    taken out. Cost: some questions to the oracle for each keyword that is left. At most a fifth of
    `Limits.oracle_steps` subschemas, or 16 times as many listed values, are copied for them. Past that the
    set may not be the smallest, and `explanation` says so.
    """
    search = _Search(oracle, roots, fixed_schemas)
    is_sure = search.reduce_keywords()
    texts_by_place: dict[str, list[str]] = {}
    pointers: dict[str, None] = {}
    for schema, field in search.keywords:
        place, keyword, keyword_text = _name_keyword(schema, field)
        # `false` has no keyword of its own: its place is named.
        pointer = f"{place}/{keyword}" if keyword and field != "verdict" else place
        if pointer not in pointers:
            pointers[pointer] = None
            texts_by_place.setdefault(place, []).append(keyword_text)
    place_texts = [
        f"{join_words(keyword_texts[:MOST_TOLD])} ({place})"
        for place, keyword_texts in texts_by_place.items()
    ]
    if len(place_texts) > MOST_TOLD:
        place_texts = [*place_texts[:MOST_TOLD], f"keywords at {len(place_texts) - MOST_TOLD} more places"]
    several = len(pointers) > 1
    verb = "contradict each other" if several else "allows nothing"
    if fixed_schemas:
        verb = "exclude it" if several else "excludes it"
    explanation = f"{join_words(place_texts)} {verb}"
    cure = "Relax one of them." if several else "Relax it."
    # With `anyOf` in place of `oneOf` a value may be left. Then the reason is that two branches hold at once.
    choices = [schema.pointer or "#" for schema, field in search.keywords if field == "one_of"]
    if choices and not search.is_empty(frozenset(search.keywords), overlapping=True):
        explanation += f": branches of oneOf ({join_words(choices)}) hold together"
    if not is_sure:
        explanation += " (perhaps fewer of them do: the search ended at Limits.oracle_steps)"
    elif _has_loop(search.keywords):
        explanation += ": they ask for another such value inside itself, without end"
        cure = "Remove a key from required, reduce minItems to 0, or allow null there."
    places = tuple(texts_by_place) or (roots[0].schema.pointer or "#",)
    return Contradiction(tuple(pointers), places, explanation, cure)


class _Search:
    """The search for the keywords of one contradiction. It holds the keywords that are not taken out yet."""

    def __init__(
        self,
        oracle: Oracle,
        roots: Sequence[Literal],
        fixed_schemas: Sequence[Schema],
    ) -> None:
        self.oracle = oracle
        roots = [root for root in roots if root.schema is not ALWAYS.schema]
        self.root_schemas = [root.schema for root in roots if not root.is_negated]
        self.negated_schemas = [root.schema for root in roots if root.is_negated]
        self.fixed_literals = tuple(map(oracle.tables.literal_of, fixed_schemas))
        self.copies_left = oracle.limits.oracle_steps // 5
        """The number of subschemas that may still be copied."""
        self.leaf_copies: dict[tuple[int, frozenset[str]], Schema] = {}
        """The copies of schemas without inner schemas, by the id of the original and the fields it keeps."""
        self.keywords = self._reached_keywords(None)
        """The keywords that are not taken out."""

    def reduce_keywords(self) -> bool:
        """Take out all keywords that can be taken out.

        Return whether the rest is surely a smallest set; False where the search ended at its limit.
        """
        leading_keywords, inner_schema = self._find_inner_schema()
        if leading_keywords:
            part = _Search(self.oracle, [self.oracle.tables.signed_literal(inner_schema)], ())
            is_sure = part._take_out_keywords()
            self.keywords = [*dict.fromkeys([*leading_keywords, *part.keywords])]
            self.copies_left = part.copies_left
            outer_ids = {schema.id for schema, _ in leading_keywords}
            # If the inner schema refers back to an outer one, some leading keywords may not be needed.
            if not is_sure or outer_ids.isdisjoint(schema.id for schema, _ in part.keywords):
                return is_sure
        return self._take_out_keywords()

    def _find_inner_schema(self) -> tuple[list[Keyword], Schema]:
        """Return the innermost schema that no value meets, and before it the keywords that lead there from
        the root.

        No keywords and the root come back where there is no such schema, and where there are several roots.
        """
        schema, *others = (*self.root_schemas, *self.negated_schemas)
        leading_keywords: list[Keyword] = []
        if self.negated_schemas or others or self.fixed_literals:
            return leading_keywords, schema
        visited: set[int] = set()
        # Goes one schema inward each time; the `else` of the `for` runs where no inner schema is empty.
        while True:
            visited.add(schema.id)
            for fields, inner_schema in _inner_schemas(schema):
                if inner_schema.id not in visited and self._leaves_none([inner_schema]):
                    leading_keywords += [(schema, field) for field in fields if _is_keyword(schema, field)]
                    schema = inner_schema
                    break
            else:
                return leading_keywords, schema

    def _take_out_keywords(self) -> bool:
        """Take out groups of keywords, ever smaller ones, as long as there is still no value without them.

        Return whether the rest is surely a smallest set; False where the search ended at its limit.
        """
        size = len(self.keywords)
        while size and self.copies_left > 0:
            previous = self.keywords
            for start in range(0, len(previous), size):
                group = previous[start : start + size]
                kept_keywords = frozenset(self.keywords).difference(group)
                is_smaller = len(kept_keywords) < len(self.keywords)
                if is_smaller and self.copies_left > 0 and self.is_empty(kept_keywords):
                    # Keywords that are reached through the group alone go with it.
                    self.keywords = self._reached_keywords(kept_keywords)
            # A whole round of single keywords in which none could go.
            if size == 1 and len(self.keywords) == len(previous):
                return True
            size = max(1, min(size // 2, len(self.keywords)))
        return self.copies_left > 0

    def is_empty(self, kept_keywords: frozenset[Keyword], *, overlapping: bool = False) -> bool:
        """Return whether no value meets the roots if they have `kept_keywords` alone; False where that is
        unknown. With `overlapping` several branches of a `oneOf` may hold, as if it were an `anyOf`."""
        tables = self.oracle.tables

        # Returns the copy, and those of its fields whose inner schemas are to be copied in turn.
        def copy_schema(schema: Schema) -> tuple[Schema, Mapping[str, object]]:
            fields = _set_fields(schema, kept_keywords)
            inner_fields = _divisible_fields(schema, fields)
            if overlapping and "any_of" not in fields:
                fields["any_of"] = fields.pop("one_of", ())
            self.copies_left -= 1
            if any(parts_of(inner_fields.values())):
                return tables.make_schema("", **fields), inner_fields
            # Without inner schemas the copy depends on its fields alone, and can be used again.
            key = schema.id, frozenset(fields)
            if key not in self.leaf_copies:
                self.copies_left -= len(schema.enum or ()) // 16
                self.leaf_copies[key] = tables.make_schema("", **fields)
            return self.leaf_copies[key], {}

        copies = tables.copy_schemas(self.root_schemas, copy_schema)
        kept_negations = [schema for schema in self.negated_schemas if (schema, _DENIED) in kept_keywords]
        return self._leaves_none([copies[schema.id] for schema in self.root_schemas], kept_negations)

    def _leaves_none(
        self,
        schemas: Iterable[Schema],
        negated_schemas: Iterable[Schema] = (),
    ) -> bool:
        """Return whether there is no value that meets all `schemas` and all fixed schemas, and none of
        `negated_schemas`. False where that is unknown."""
        tables = self.oracle.tables
        try:
            literals = [*map(tables.literal_of, schemas)]
            literals += [tables.literal_of(schema, True) for schema in negated_schemas]
            demand = tables.intern_demand((*literals, *self.fixed_literals))
            return not self.oracle.is_alive(tables.of_value(demand))
        except StructgenError:
            # The oracle met a limit. The keyword is kept: the explanation may name more than it must.
            return False

    def _reached_keywords(self, kept_keywords: frozenset[Keyword] | None) -> list[Keyword]:
        """Return the keywords that are reached from the roots through `kept_keywords`, in the order of the
        text. None: all keywords are kept."""
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
            stack.extend(reversed([*parts_of(_divisible_fields(schema, fields).values())]))
        if kept_keywords is None:
            return keywords
        return [keyword for keyword in keywords if keyword in kept_keywords]


def _inner_schemas(schema: Schema) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Yield the schemas that every value of `schema`, or a member or item of it, must meet. Before each stand
    the names of the fields that require it, such as `("types", "properties", "required")`."""
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


def _has_loop(keywords: Iterable[Keyword]) -> bool:
    """Return whether some keyword leads back to its own schema, through `keywords` alone."""
    inner_ids: dict[int, set[int]] = {}
    for schema, field in keywords:
        if field != _DENIED:  # a negation leads nowhere
            ids_inside = {part.id for part in parts_of([getattr(schema, field)])}
            inner_ids.setdefault(schema.id, set()).update(ids_inside)
    # Schemas that lead to no other one are taken out, until only loops are left.
    while dead_ends := [outer for outer in inner_ids if not inner_ids[outer] & inner_ids.keys()]:
        for outer in dead_ends:
            del inner_ids[outer]
    return bool(inner_ids)


def _set_fields(schema: Schema, kept_keywords: frozenset[Keyword] | None) -> dict[str, object]:
    """Return the fields that a schema sets, by their names, without the keywords that are taken out.

    `kept_keywords` are the keywords that stay; None: all.
    """
    fields: dict[str, object] = {}
    for name in _FIELDS:
        value = getattr(schema, name)
        if value == getattr(Schema, name):
            continue
        if kept_keywords is None or not _is_keyword(schema, name) or (schema, name) in kept_keywords:
            fields[name] = value
        elif any((schema, left_over) in kept_keywords for left_over in _LEFT_OVER.get(name, ())):
            # The keyword is taken out, but another one needs its names: their schemas become `true`.
            true_schemas = {part.id: ALWAYS.schema for part in parts_of([value])}
            fields[name] = with_others(value, true_schemas)
    return fields


def _divisible_fields(schema: Schema, fields: Mapping[str, object]) -> dict[str, object]:
    """Return those of `fields` whose inner schemas have keywords that can be taken out one by one.

    The other fields may deny the schemas inside them, and are taken out or kept as a whole.
    """
    whole_fields = ["not_", "if_", "one_of"]
    # An upper bound, or the bound 0, counts items that must not meet the schema.
    if schema.max_contains is not None or not schema.min_contains:
        whole_fields.append("contains")
    return {name: value for name, value in fields.items() if name not in whole_fields}


def _is_keyword(schema: Schema, field: str) -> bool:
    """Return whether a field can be taken out: the text of the schema sets it, and it may exclude values."""
    if field in _CARRIED or field in _COUNTS:
        return False
    if field == "verdict":
        # `"items": false` is taken out with `items`. But an entry `false` of a list or a map can be taken out
        # alone. `at` is the path from the schema around: of one part for a keyword, of two for an entry.
        is_of_keyword = isinstance(schema.at, tuple) and len(schema.at) == 1
        return schema.verdict is False and not is_of_keyword
    if schema.bans:
        return False  # it is not written in the text
    # A reader may have put derived schemas into `all_of` for another keyword, without an `allOf` in the text.
    is_written = isinstance(schema.raw, dict)
    return field != "all_of" or not is_written or bool(_keyword_in(schema.raw, field))


def _keyword_in(raw: Mapping[str, object], field: str) -> str | None:
    """Return the keyword in the text of a schema (`raw`) that sets a field, or None."""
    names = keywords_of(field)
    if field in ("enum", "exclusive_minimum", "exclusive_maximum"):
        # Two keywords set this field: the first one of the text counts.
        return next((name for name in raw if name in names), None)
    return next((name for name in names if name in raw), None)


def _name_keyword(schema: Schema, field: str) -> tuple[str, str, str]:
    """Return three texts for a keyword: the pointer of its schema, its name, and its name with the value.

    For example `("#", "minimum", "minimum 5")`. The value is left out where it is long or holds schemas.
    """
    place = schema.pointer or "#"
    if field == _DENIED:
        return _name_operator(place)
    raw = schema.raw
    written_keyword = _keyword_in(raw, field) if isinstance(raw, dict) else None
    if written_keyword is None and raw is None and field == "enum" and "/" in place:
        # The reader sets const beside enum apart, at the place of the keyword.
        place, _, written_keyword = place.rpartition("/")
    keyword = written_keyword or keywords_of(field)[0]
    if field == "contains" and isinstance(raw, dict):
        count_names = [name for name in ("minContains", "maxContains") if name in raw]
        counts = [f"{name} {write_canonical(raw[name])}" for name in count_names]
        return place, keyword, f"contains with {join_words(counts)}" if counts else keyword
    value = raw.get(keyword) if isinstance(raw, dict) and field != "verdict" else None
    if value is None:
        return place, keyword, keyword
    if isinstance(value, (dict, list)) and any(parts_of([getattr(schema, field)])):
        return place, keyword, keyword
    text = value if keyword == "type" and isinstance(value, str) else write_canonical(value)
    return place, keyword, f"{keyword} {text}" if len(text) <= MOST_SHOWN else keyword


def _name_operator(place: str) -> tuple[str, str, str]:
    """Return the texts of `_name_keyword` for the operator around the schema at a place: `"#/not"` gives
    `("#", "not", "not")`."""
    place, _, keyword = place.rpartition("/")
    if keyword.isdigit():
        # An entry of a list: the keyword is one segment further out.
        place, _, keyword = place.rpartition("/")
    keyword = keyword.lstrip("#")
    return place or "#", keyword, keyword or "the schema"

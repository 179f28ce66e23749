"""A JSON Schema read into one shape for all drafts: what the recogniser reads, with references resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from structgen.json_text.exact_json import Json


@dataclass(slots=True, eq=False)
class Schema:
    """One subschema, its keywords under draft-independent names;
    identity is equality (`id` is dense, from 0).

    Made lazily by the document: `keywords` that the draft does not know, and annotations, are not here. A
    field at its default means that the keyword is absent. Whatever differs between drafts (items as a list,
    exclusiveMinimum as a boolean, `$ref` hiding its siblings, `dependencies`) is already translated.
    """

    id: int
    pointer: str
    verdict: bool | None = None
    """True or False: a boolean schema (or one known to be equivalent); None: read the fields."""
    ref: Schema | None = None
    """The target of `$ref`, which must hold as well (the only field in use
    where the draft hides siblings)."""
    types: frozenset[str] | None = None
    """Of: object, array, string, number, integer, boolean, null."""
    plain_integers: bool = False
    """"integer" in `types` asks for a numeral without fraction and exponent, as in drafts 3 and 4."""
    enum: tuple[Json, ...] | None = None
    """`enum` and `const`, the latter as one member; both present: see `all_of`."""
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    exclusive_minimum: Decimal | None = None
    exclusive_maximum: Decimal | None = None
    multiple_of: Decimal | None = None
    min_length: int = 0
    max_length: int | None = None
    pattern: str | None = None
    format: str | None = None
    """None too where formats are annotations, or the format is unknown (the report lists it)."""
    properties: Mapping[str, Schema] = field(default_factory=dict)
    """In text order."""
    pattern_properties: tuple[tuple[str, Schema], ...] = ()
    additional: Schema | None = None
    """`additionalProperties`: for keys in neither of the above two, of this very schema."""
    required: tuple[str, ...] = ()
    min_properties: int = 0
    max_properties: int | None = None
    property_names: Schema | None = None
    dependent_required: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dependent_schemas: Mapping[str, Schema] = field(default_factory=dict)
    prefix: tuple[Schema, ...] = ()
    items: Schema | None = None
    """For the items after `prefix`."""
    min_items: int = 0
    max_items: int | None = None
    unique_items: bool = False
    contains: Schema | None = None
    min_contains: int = 1
    max_contains: int | None = None
    contains_evaluates: bool = False
    """Items that meet `contains` are evaluated, as `unevaluatedItems` has it (from 2020-12 on)."""
    unevaluated_properties: Schema | None = None
    unevaluated_items: Schema | None = None
    all_of: tuple[Schema, ...] = ()
    any_of: tuple[Schema, ...] = ()
    """Empty: absent."""
    one_of: tuple[Schema, ...] = ()
    not_: Schema | None = None
    if_: Schema | None = None
    """Without `then` and `else` it asserts nothing, and is read only where something is `unevaluated*`."""
    then: Schema | None = None
    else_: Schema | None = None
    by_value: bool = False
    """It only judges values, and asks nothing of how a number is written (`PlaceTables.judging`)."""
    bans: bool = False
    """It is no part of the schema's text: it says which texts no string and no key may hold (`banned`)."""
    applicators: tuple[str, ...] = ()
    """Of properties, allOf, anyOf, oneOf, $ref, if, then, else, dependentSchemas: those present, in text
    order, for the declared order of keys."""

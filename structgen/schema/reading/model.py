"""Subschemas in one shape for all drafts, where they stand; the resource around each, its dialect, and what a
keyword's reader may ask."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from types import MappingProxyType
from typing import Any, TypeAlias

from structgen.base.errors import SchemaError
from structgen.base.json_text.events import spell_pointer
from structgen.base.json_text.exact_json import Json, escape, kind_name
from structgen.base.limits import Limits
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
    """Where its root stands, `#...`."""
    base: str
    """Its URI without a fragment, or "" where it has none."""
    dialect: Dialect


TYPES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        name: frozenset((name,))
        for name in ("object", "array", "string", "number", "integer", "boolean", "null")
    }
)
"""The types that `type` may name, each as a set."""

_NO_MEMBERS: Mapping[str, Any] = MappingProxyType({})


class Schema:
    """One subschema, its keywords under draft-independent names; identity is equality.

    The document makes them: `keywords` that the draft does not know, and annotations, are not here. A field
    at its default means that the keyword is absent. Whatever differs between drafts (items as a list,
    exclusiveMinimum as a boolean, `$ref` hiding its siblings, `dependencies`) is already translated.

    Fields that a keyword sets are stored, all others are class attributes: a subschema has 40 fields and sets
    two or three, and filling in the others was half of the time that reading a small schema takes.
    """

    # `__dict__` holds the fields that a keyword sets. The slots are for what each schema has.
    __slots__ = (
        "__dict__",
        "at",
        "has_combinators",
        "id",
        "kinds",
        "known_verdict",
        "lone_all_of",
        "lone_not",
        "only_values",
        "raw",
        "scope",
        "spoken_types",
        "values",
    )

    id: int
    """Dense, from 0, of the schemas of a document."""
    at: Any
    """Where it stands: `#...`, or the `at` of the schema around it and the segments from there. It does not
    hold that schema, which holds this one: a document is gone when it is dropped."""
    raw: Any
    """Its JSON value, a dict or a bool; None where the text has no such schema."""
    scope: Scope
    """The resource that it stands in; of schemas of a document alone."""

    # What the network has read from the fields below (`PlaceTables.resolve_schema`):
    known_verdict: bool | None
    """True or False: every value meets it, or none, on its face."""
    kinds: int
    """The types that its own `type`, `enum` and `const` leave open, as bits."""
    spoken_types: int
    """The types of values, as bits, that its own keywords for one type speak of."""
    values: frozenset[Hashable] | None
    """A finite set (as keys of equality) that holds all values of the schema, if one is known."""
    only_values: bool
    """`enum` or `const` is the only keyword, but for a `type` that all values have."""
    has_combinators: bool
    """References and combinators stand here."""
    lone_all_of: tuple[Schema, ...] | None
    """The members of an `allOf` that stands alone."""
    lone_not: Schema | None
    """The operand of a `not` that stands alone."""

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
    grammar: Any = None
    """The grammar of `x-grammar` (`string_grammars`)."""
    format: str | None = None
    """None too where formats are annotations, or the format is unknown (the report lists it)."""
    properties: Mapping[str, Schema] = _NO_MEMBERS
    """In text order."""
    pattern_properties: tuple[tuple[str, Schema], ...] = ()
    additional: Schema | None = None
    """`additionalProperties`: for keys in neither of the above two, of this very schema."""
    required: tuple[str, ...] = ()
    min_properties: int = 0
    max_properties: int | None = None
    property_names: Schema | None = None
    dependent_required: Mapping[str, tuple[str, ...]] = _NO_MEMBERS
    dependent_schemas: Mapping[str, Schema] = _NO_MEMBERS
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
    """It only judges values, and asks nothing of how a number is written (`PlaceTables.judging_literal`)."""
    bans: bool = False
    """It is no part of the schema's text: it says which texts no string and no key may hold (`banned`), or
    what a policy of white space cannot write."""
    applicators: tuple[str, ...] = ()
    """Of properties, allOf, anyOf, oneOf, $ref, if, then, else, dependentSchemas: those present, in text
    order, for the declared order of keys."""

    def __init__(self, id: int, at: Any, raw: Any = None) -> None:
        self.id = id
        self.at = at
        self.raw = raw

    @property
    def pointer(self) -> str:
        """Where it stands, as `#/properties/a`: a JSON pointer after "#" (after a URI in another document).

        Spelled out when asked, since deep schemas would need quadratic memory; "#" alone is the root.
        """
        return spell_pointer(self.at)


# One call reads all fields, which is cheaper than a loop over their names.
_IN_PLACE = attrgetter("all_of", "any_of", "one_of", "ref", "if_", "then", "else_")


def in_place(schema: Schema) -> list[Schema]:
    """Return the schemas inside `schema` that judge the same value as it does, but for `not`."""
    return [*parts_of(_IN_PLACE(schema))]


def conjuncts_of(schemas: Iterable[Schema]) -> Iterator[Schema]:
    """Yield some schemas, and all that they ask of the same value by `$ref` and `allOf`, each once."""
    visited: set[int] = set()
    # The stack is reversed, so that the schemas come in the order of the text.
    stack = list(schemas)
    stack.reverse()
    while stack:
        schema = stack.pop()
        if schema.id not in visited:
            visited.add(schema.id)
            yield schema
            stack.extend(reversed(schema.all_of))
            if schema.ref is not None:
                stack.append(schema.ref)


def parts_of(values: Iterable[object]) -> Iterator[Schema]:
    """Yield the schemas in values of fields of `Schema`, in order."""
    stack = list(filter(None, values))  # most fields say nothing
    stack.reverse()
    while stack:
        value = stack.pop()
        if isinstance(value, Schema):
            yield value
        elif isinstance(value, Mapping):
            stack.extend(reversed(list(value.values())))
        # The last part tells tuples of schemas, and of pairs of a pattern and a schema, from tuples of names.
        elif isinstance(value, tuple) and value and isinstance(value[-1], (Schema, tuple)):
            stack.extend(reversed(value))


def with_others(value: object, by: Mapping[int, Schema]) -> object:
    """Return the value of a field of `Schema` with other schemas in it.

    `by` maps the id of a schema to the schema that replaces it.
    """
    if isinstance(value, Schema):
        return by.get(value.id, value)
    if isinstance(value, Mapping):
        return {key: with_others(part, by) for key, part in value.items()}
    # Tuples of schemas and of pairs, as in `parts_of`.
    if isinstance(value, tuple) and value and isinstance(value[-1], (Schema, tuple)):
        return tuple([with_others(part, by) for part in value])
    return value


@dataclass(frozen=True, slots=True)
class KeywordRefusal:
    """A keyword that is not handled, in a schema that the root reaches."""

    pointer: str
    """Of the schema that holds the keyword."""
    keyword: str
    fault: str
    cure: str = ""


class OpenDocument(ABC):
    """The document that is being read (`document.Document`), as the readers of keywords see it."""

    policies: Policies
    limits: Limits
    grammars: dict[Any, Any] | None
    """The grammar objects of `x-grammar` (`string_grammars.HeldGrammars`)."""
    top: Scope
    """The resource of the root."""
    notes: list[str]
    """Notes of the report on the document as a whole."""

    # A document may be read more than once: each reading starts from these.
    def reset_reading(self) -> None:
        """Forget what was read."""
        self.schemas: list[Schema] = []
        """By id: those that were read, and those that the network derived."""
        self.loops: dict[int, tuple[Schema | None, tuple[Schema, ...]]] = {}
        """By id, of each schema that comes back to itself by `$ref` and `allOf`: its `ref` and `all_of`, as
        they are written (`reference_loops`)."""
        self.refusals: list[KeywordRefusal] = []
        self.patterns: dict[str, Schema] = {}
        """Every regular expression of `pattern` and `patternProperties`, and the first schema that has it."""
        self.tests: list[tuple[Schema, Any]] = []
        """Every `if` without `then` and `else`. It is read only if `unevaluated*` asks what it evaluates."""
        self.has_unevaluated = False
        """`unevaluatedProperties` or `unevaluatedItems` stands somewhere."""
        self.has_grammars = False
        """Strings are held to grammars."""
        self.formats: dict[str, Schema] = {}
        """Every format that is asserted, with the first schema that has it."""
        self.unknown_formats: list[tuple[Schema, str]] = []
        """Where formats are asserted: each format that is not known, with its schema."""
        self.undeclared_schemas: list[Schema] = []
        """Every schema whose `required` names a key that its `properties` lack."""
        self.unknown: list[tuple[Schema, str]] = []
        """Every keyword that its draft does not know, with its schema; one that `$ref` makes void is not in
        it."""

    @abstractmethod
    def add_child(self, up: Schema, raw: Any, at: tuple[str | int, ...]) -> Schema:
        """Return the subschema `raw`, to be read; `at` is the way to it from `up`."""

    @abstractmethod
    def follow_reference(self, schema: Schema, keyword: str, reference: str) -> None:
        """Have a schema hold the target of its `$ref`, `$dynamicRef` or `$recursiveRef`."""

    def new_schema(
        self,
        raw: Any,
        up: Schema | None,
        at: Any,
        scope: Scope,
    ) -> Schema:
        """Return a new schema with the next id; it is not read.

        `raw` is its JSON value, `up` the schema around it, `at` the way from there, for example
        `("properties", "a")`, and `scope` its resource. `up` None: `at` is the whole pointer.
        """
        whole_way = at if up is None else (up.at, *at)
        schema = Schema(len(self.schemas), whole_way, raw)
        schema.scope = scope
        self.schemas.append(schema)
        return schema

    def derive_schema(self, pointer: str, **fields: Any) -> Schema:
        """Return a new synthetic schema with these fields of `Schema`, of which messages say `pointer`."""
        schema = self.new_schema(None, None, pointer, self.top)
        vars(schema).update(fields)
        return schema

    def refuse_keyword(
        self,
        schema: Schema,
        keyword: str,
        fault: str = "",
        cure: str = "",
    ) -> None:
        """Note that `keyword`, in use in `schema`, is not handled.

        `fault` and `cure` are sentences for `UnsupportedError`; empty: the usual ones, for example
        `contains is not handled.`
        """
        fault = fault or f"{keyword} is not handled."
        cure = cure or f"Leave {keyword} out, or check it on the finished document."
        self.refusals.append(KeywordRefusal(schema.pointer, keyword, fault, cure))

    def keyword_error(
        self,
        schema: Schema,
        keyword: str,
        takes: str,
        cure: str = "",
    ) -> SchemaError:
        """Return the error for a keyword of `schema` whose value is of the wrong kind.

        `takes` completes a sentence that begins with the keyword, for example `takes a number`; `cure` is the
        last sentence, by default that the keyword is to be corrected.
        """
        return SchemaError(
            f"{keyword} {takes}, not {show_value(schema.raw[keyword])}.",
            where=f"{schema.pointer}/{escape(keyword)}",
            cure=cure or f"Correct {keyword}.",
        )


def show_value(value: Any) -> str:
    """Return a value for a message: itself where it is short, else its kind."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (dict, list)) or len(str(value)) > 40:
        kind = kind_name(value)
        article = "an" if kind[0] in "aio" else "a"
        return f"{article} {kind}"
    if isinstance(value, str):
        return repr(value)
    return str(value)


Reader: TypeAlias = Callable[[OpenDocument, Schema, str, Any], None]
"""Reads one keyword: the document, the schema, the keyword and its value."""

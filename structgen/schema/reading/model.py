"""`Schema`: one subschema in the same form for all drafts. Beside it are the types that readers of keywords
use.

A *subschema* is a schema inside of a document, for example that under `#/properties/a`. A *dialect* is a
draft with its keywords. A *scope* is a schema resource: the part of a document whose references have the same
base URI. A *reader* is the function that reads one keyword into fields of a `Schema`.
"""

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
    """One draft of JSON Schema: its keywords, and the rules in which it differs from other drafts."""

    draft: str
    keywords: Mapping[str, Reader]
    locations: Mapping[str, str]
    """For each keyword how it holds subschemas: "one", "list", "map", "maps" (of maps), "any" (one or
    list)."""
    annotations: frozenset[str]
    """The keywords that the draft knows and that do not restrict values, for example `title`."""
    id_key: str
    anchors: tuple[str, ...]
    """The keywords that name an anchor; empty where `$id` does it, as "#name"."""
    hides_siblings: bool
    """Whether `$ref` makes all other keywords beside it void."""
    booleans: bool
    """Whether true and false are schemas."""
    plain_integers: bool
    """Whether 12.0 is not an integer."""
    dynamic_anchor: str
    """The keyword that marks the target of a dynamic reference; empty where the draft has none."""
    asserts_formats: bool = False
    """Whether `format` restricts values whatever the policy is: the meta-schema names that vocabulary."""
    unknown_vocabularies: tuple[str, ...] = ()
    """The vocabularies that the meta-schema requires and that are not known here."""


@dataclass(slots=True, eq=False)
class Scope:
    """One schema resource: the base of the references in it."""

    root: Any
    """The JSON value of the resource."""
    prefix: str
    """The JSON pointer of its root, `#...`."""
    base: str
    """The URI of the resource without a fragment, or "" where it has none."""
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
    """One subschema: its keywords as fields, with the same names for all drafts. Identity is equality.

    The document makes these objects. Keywords that the draft does not know, and annotations, have no field. A
    field at its default means that the keyword is absent. For example `{"minLength": 2}` has `min_length` 2.
    Differences between drafts (items as a list, exclusiveMinimum as a boolean, `$ref` hiding its siblings,
    `dependencies`) are already translated.

    Only fields that a keyword sets are stored; all others are class attributes. A subschema has 40 fields and
    sets two or three. To fill in the others took half of the time of reading a small schema.
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
    """The number of the schema in its document, from 0 without gaps."""
    at: Any
    """The position in the document: `#...`, or the `at` of the schema around it and the segments from there.
    It does not refer to that schema itself, so that memory of a dropped document is freed at once."""
    raw: Any
    """The JSON value of the schema, a dict or a bool; None where the document does not contain it."""
    scope: Scope
    """The resource that contains the schema; only schemas of a document have one."""

    # What the network has read from the fields below (`PlaceTables.resolve_schema`):
    known_verdict: bool | None
    """True: clearly every value meets the schema. False: clearly no value does. None: not clear."""
    kinds: int
    """The types that the schema's own `type`, `enum` and `const` allow, as bits (`literals.OBJECT`, ...)."""
    spoken_types: int
    """The types, as bits, that keywords of the schema restrict: STRING for `minLength`."""
    values: frozenset[Hashable] | None
    """A finite set (as keys of equality) that holds all values of the schema, if one is known."""
    only_values: bool
    """Whether `enum` or `const` is the only keyword, beside a `type` that all its values have."""
    has_combinators: bool
    """Whether the schema has a reference or a combinator (`allOf`, `anyOf`, `oneOf`, `not`, `if`)."""
    lone_all_of: Schemas | None
    """The members of an `allOf` that is the only keyword, else None."""
    lone_not: Schema | None
    """The operand of a `not` that is the only keyword, else None."""

    verdict: bool | None = None
    """True or False for a boolean schema, or one known to be equivalent. None: the fields decide."""
    ref: Schema | None = None
    """The target of `$ref`, which must hold as well (the only field in use
    where the draft hides siblings)."""
    types: frozenset[str] | None = None
    """The names of `type`: object, array, string, number, integer, boolean, null; None: all types."""
    plain_integers: bool = False
    """Whether "integer" in `types` means a numeral without fraction and exponent, as in drafts 3 and 4."""
    enum: tuple[Json, ...] | None = None
    """The values of `enum`, or the one value of `const`. Where both are present, one is in `all_of`."""
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
    """The format that restricts strings. None also where formats are annotations, or the format is
    unknown."""
    properties: Mapping[str, Schema] = _NO_MEMBERS
    """The schemas of `properties` by key, in text order."""
    pattern_properties: tuple[tuple[str, Schema], ...] = ()
    additional: Schema | None = None
    """`additionalProperties`: the schema for keys that the two fields above do not cover."""
    required: tuple[str, ...] = ()
    min_properties: int = 0
    max_properties: int | None = None
    property_names: Schema | None = None
    dependent_required: Mapping[str, tuple[str, ...]] = _NO_MEMBERS
    dependent_schemas: Mapping[str, Schema] = _NO_MEMBERS
    prefix: Schemas = ()
    items: Schema | None = None
    """The schema of the items after `prefix`."""
    min_items: int = 0
    max_items: int | None = None
    unique_items: bool = False
    contains: Schema | None = None
    min_contains: int = 1
    max_contains: int | None = None
    contains_evaluates: bool = False
    """Whether items that meet `contains` count as evaluated for `unevaluatedItems` (from 2020-12 on)."""
    unevaluated_properties: Schema | None = None
    unevaluated_items: Schema | None = None
    all_of: Schemas = ()
    any_of: Schemas = ()
    """The branches of `anyOf`; empty where the keyword is absent."""
    one_of: Schemas = ()
    not_: Schema | None = None
    if_: Schema | None = None
    """The test of `if`. Without `then` and `else` it restricts nothing, and is read only for
    `unevaluated*`."""
    then: Schema | None = None
    else_: Schema | None = None
    by_value: bool = False
    """Whether the schema only judges values, however a number is written (`PlaceTables.judging_literal`)."""
    bans: bool = False
    """Whether the schema was added by an option. It excludes texts that no string and no key may contain
    (`banned_texts`), or documents that a policy of white space cannot write."""
    applicators: tuple[str, ...] = ()
    """The keywords among properties, allOf, anyOf, oneOf, $ref, if, then, else and dependentSchemas that the
    schema has, in text order. The declared order of keys follows them."""

    def __init__(self, id: int, at: Any, raw: Any = None) -> None:
        self.id = id
        self.at = at
        self.raw = raw

    @property
    def pointer(self) -> str:
        """The position in the document, for example `#/properties/a`: "#" and a JSON pointer. In another
        document its URI stands before that. "#" alone is the root.

        It is spelled out when it is asked for, since kept pointers of deep schemas need quadratic memory.
        """
        return spell_pointer(self.at)


# One call reads all fields, which is cheaper than a loop over their names.
_IN_PLACE = attrgetter("all_of", "any_of", "one_of", "ref", "if_", "then", "else_")


def in_place(schema: Schema) -> list[Schema]:
    """Return the schemas inside `schema` that judge the same value as it does, but for `not`."""
    return [*parts_of(_IN_PLACE(schema))]


def conjuncts_of(schemas: Iterable[Schema]) -> Iterator[Schema]:
    """Yield some schemas, and the schemas that they apply to the same value by `$ref` and `allOf`, each
    once."""
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
    stack = list(filter(None, values))  # most fields are empty
    stack.reverse()
    while stack:
        value = stack.pop()
        if isinstance(value, Schema):
            yield value
        elif isinstance(value, Mapping):
            stack.extend(reversed(list(value.values())))
        # The last element tells three kinds of tuples apart: schemas, pairs of a pattern and a schema, names.
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


Schemas: TypeAlias = tuple[Schema, ...]
"""Schemas in the order in which a document lists them."""


@dataclass(frozen=True, slots=True)
class KeywordRefusal:
    """A keyword that is not handled, in a schema that the root reaches."""

    pointer: str
    """The JSON pointer of the schema that has the keyword."""
    keyword: str
    fault: str
    cure: str


class OpenDocument(ABC):
    """The document that is being read (`document.Document`), as the readers of keywords see it."""

    policies: Policies
    limits: Limits
    grammars: dict[Any, Any] | None
    """The grammar objects of `x-grammar` (`string_grammars.HeldGrammars`)."""
    top: Scope
    """The resource of the root."""
    notes: list[str]
    """The notes on the whole document, for the report."""

    # A document may be read more than once: each reading starts from these.
    def reset_reading(self) -> None:
        """Forget what was read."""
        self.schemas: list[Schema] = []
        """The schemas by id: those that were read, and those that were derived from them."""
        self.loops: dict[int, tuple[Schema | None, Schemas]] = {}
        """The `ref` and `all_of`, as they are written, of each schema that leads back to itself by `$ref` and
        `allOf`, by its id (`reference_loops`)."""
        self.refusals: list[KeywordRefusal] = []
        self.patterns: dict[str, Schema] = {}
        """Every regular expression of `pattern` and `patternProperties`, and the first schema that has it."""
        self.tests: list[tuple[Schema, Any]] = []
        """Every `if` without `then` and `else`. It is read only if `unevaluated*` asks what it evaluates."""
        self.has_unevaluated = False
        """Whether some schema has `unevaluatedProperties` or `unevaluatedItems`."""
        self.has_grammars = False
        """Whether some string must be a text of a grammar (`x-grammar`)."""
        self.formats: dict[str, Schema] = {}
        """Every format that is asserted, with the first schema that has it."""
        self.unknown_formats: list[tuple[Schema, str]] = []
        """Where formats are asserted: each format that is not known, with its schema."""
        self.undeclared_schemas: list[Schema] = []
        """Every schema whose `required` names a key that its `properties` lack."""
        self.unknown: list[tuple[Schema, str]] = []
        """Every keyword that the draft does not know, with its schema. Keywords that `$ref` makes void are
        left out."""

    @abstractmethod
    def add_child(self, up: Schema, raw: Any, at: tuple[str | int, ...]) -> Schema:
        """Return the subschema with the JSON value `raw`, which is read later. `at` leads to it from `up`."""

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
        """Return a new schema with these fields, which no text contains. Messages name `pointer` as its
        place."""
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
        fault = fault or f"{keyword} is not supported."
        cure = cure or f"Remove {keyword}, or check it on the finished document."
        self.refusals.append(KeywordRefusal(schema.pointer, keyword, fault, cure))

    def keyword_error(
        self,
        schema: Schema,
        keyword: str,
        takes: str,
        cure: str = "",
    ) -> SchemaError:
        """Return the error for a keyword of `schema` whose value is of the wrong kind.

        `takes`: the allowed values in words, for example `a number`; `cure`: the last sentence, by default
        that the keyword is to be corrected.
        """
        return SchemaError(
            f"must be {takes}, got {show_value(schema.raw[keyword])}.",
            where=f"{schema.pointer}/{escape(keyword)}",
            cure=cure or f"Correct {keyword}.",
        )


def show_value(value: Any) -> str:
    """Return the words for a value in a message: the value itself where it is short, else its kind."""
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
"""A function that reads one keyword. It takes the document, the schema, the keyword and its value."""

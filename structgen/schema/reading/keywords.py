"""One function for each keyword of JSON Schema: how its value becomes fields of a `Schema`.

A reader is handed the document, the place, the place's JSON object and the keyword's value. It sets fields of
the place, has subschemas read later (`Document.child`), and raises `SchemaError` for a value of a wrong kind.
"""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType
from typing import Any

from structgen.json_text.exact_json import escape
from structgen.schema.reading.model import Schema
from structgen.schema.reading.policies import NUMERIC
from structgen.schema.reading.schema_cures import number_cure, type_cure
from structgen.schema.reading.schema_place import Reader, Reading, SchemaPlace

FORMATS = frozenset(
    (
        *("date-time", "date", "time", "duration"),
        *("email", "idn-email", "hostname", "idn-hostname", "ipv4", "ipv6"),
        *("uri", "uri-reference", "uri-template", "iri", "iri-reference", "uuid"),
        *("json-pointer", "relative-json-pointer", "regex"),
    )
)
"""The formats that are asserted: those of 2020-12 (Validation section 7.3), in every draft.

A draft lets an implementation add formats (draft 6 Validation section 8.1), `uuid` in a schema of draft 4
says what it means, and the validators whose verdicts label MaskBench assert all of them in all drafts.
"""

# --- Kinds of values ----------------------------------------------------------------------------------------

TYPES = MappingProxyType(
    {
        name: frozenset((name,))
        for name in ("object", "array", "string", "number", "integer", "boolean", "null")
    }
)

_COUNT_CAP = 10**18
"""Counts beyond this are taken as this: no document is so long, and 1e999999999 must not become an int."""


def number(value: object) -> Decimal | None:
    """Return a JSON number as a Decimal, or None for anything else."""
    kind = value.__class__
    if kind is int:
        return Decimal(value)  # type: ignore[arg-type]
    return value if kind is Decimal else None  # type: ignore[return-value]


def count(value: object) -> int | None:
    """Return a JSON number that is an integer >= 0 (3, 3.0) as an int, or None for anything else."""
    if value.__class__ is int:
        return min(value, _COUNT_CAP) if value >= 0 else None
    if not isinstance(value, Decimal) or value < 0:
        return None
    if value > _COUNT_CAP:
        return _COUNT_CAP
    return int(value) if value == int(value) else None


def _texts(value: object) -> bool:
    return value.__class__ is list and all(item.__class__ is str for item in value)


# --- Keywords for values of any type ------------------------------------------------------------------------


def read_type(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is str and value in TYPES:
        place.types = TYPES[value]
        if value == "integer" and place.scope.dialect.plain_integers:
            place.plain_integers = True
    elif _texts(value) and value and all(name in TYPES for name in value):
        place.types = frozenset(value)
        if "integer" in value and place.scope.dialect.plain_integers:
            place.plain_integers = True
    else:
        raise document.wrong(
            place,
            "type",
            "takes object, array, string, number, integer, boolean, null, or a list of these",
            type_cure(value),
        )


def read_enum(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is not list:
        raise document.wrong(
            place, "enum", "takes a list of values", "For one value, use const or a list of one."
        )
    _listed(document, place, "enum", tuple(value))


def read_const(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    _listed(document, place, "const", (value,))


def _listed(document: Reading, place: SchemaPlace, keyword: str, values: tuple[Any, ...]) -> None:
    """Set `enum`; where the place has one already (enum beside const), the second must hold as well."""
    if place.enum is None:
        place.enum = values
    else:
        place.all_of += (document.derived(f"{place.pointer}/{keyword}", enum=values),)


# --- Numbers ------------------------------------------------------------------------------------------------


def bound(keyword: str, field: str, flag: str | None) -> Reader:
    """Return the reader of a numeric bound; `flag` is draft 4's boolean keyword that makes it exclusive."""

    def read(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
        bound = number(value)
        if bound is None:
            old = "In draft 4 alone it is true or false beside the bound." if value.__class__ is bool else ""
            raise document.wrong(place, keyword, "takes a number", old or number_cure(value))
        setattr(place, f"exclusive_{field}" if flag and raw.get(flag) is True else field, bound)

    return read


def exclusive_flag(keyword: str) -> Reader:
    """Return the check of draft 4's boolean `exclusiveMinimum`, which `bound` takes into account."""

    def read(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
        if value.__class__ is not bool:
            raise document.wrong(
                place,
                keyword,
                "takes true or false in draft 4",
                "Set $schema to the draft the schema is written in; from draft 6 on it is a number.",
            )

    return read


def read_multiple_of(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    divisor = number(value)
    if divisor is None or divisor <= 0:
        raise document.wrong(place, "multipleOf", "takes a number greater than 0")
    place.multiple_of = divisor


# --- Counts, strings ----------------------------------------------------------------------------------------


def counter(keyword: str, field: str, beside: str | None = None) -> Reader:
    """Return the reader of a count; it has no effect unless the keyword `beside` is present."""

    def read(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
        bound = count(value)
        if bound is None:
            raise document.wrong(place, keyword, "takes an integer of at least 0", number_cure(value))
        if beside is None or beside in raw:
            setattr(place, field, bound)

    return read


def read_pattern(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is not str:
        raise document.wrong(place, "pattern", "takes a regular expression in a string")
    place.pattern = value
    document.patterns.setdefault(value, place)


def read_format(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is not str:
        raise document.wrong(place, "format", "takes a string")
    if document.policies.formats != "assert" and not place.scope.dialect.asserts_formats:
        return
    own = dict(document.policies.custom_formats).get(value)
    if isinstance(own, str):
        place.all_of += (document.derived(f"{place.pointer}/format", pattern=own),)
        document.patterns.setdefault(own, place)
    elif own is not None:
        fields = {NUMERIC[keyword]: Decimal(number) for keyword, number in own}
        place.all_of += (document.derived(f"{place.pointer}/format", **fields),)
    elif value in FORMATS:
        place.format = value
        document.formats.setdefault(value, place)
    else:
        document.unknown_formats.append((place, value))


# --- Objects ------------------------------------------------------------------------------------------------


def read_properties(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is not dict:
        raise document.wrong(place, "properties", "takes an object of schemas")
    child = document.child
    place.properties = {name: child(place, member, ("properties", name)) for name, member in value.items()}
    place.applicators += ("properties",)


def read_pattern_properties(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is not dict:
        raise document.wrong(place, "patternProperties", "takes an object of schemas")
    place.pattern_properties = tuple(
        (source, document.child(place, member, ("patternProperties", source)))
        for source, member in value.items()
    )
    for source in value:
        document.patterns.setdefault(source, place)


def read_required(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if not _texts(value):
        raise document.wrong(
            place,
            "required",
            "takes a list of names",
            "" if value.__class__ is not bool else "Name the property in `required` of the object around it.",
        )
    if value:
        place.required = tuple(dict.fromkeys(value))
        properties = raw.get("properties")
        if properties.__class__ is dict and not properties.keys() >= set(value):
            document.undeclared.append(place)


def read_dependent_required(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is not dict or not all(_texts(names) for names in value.values()):
        raise document.wrong(place, "dependentRequired", "takes an object of lists of names")
    _depend(document, place, "dependentRequired", value, {})


def read_dependent_schemas(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is not dict:
        raise document.wrong(place, "dependentSchemas", "takes an object of schemas")
    _depend(document, place, "dependentSchemas", {}, value)


def read_dependencies(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    # 2019-09 split the keyword in two and kept it in the meta-schema as deprecated. It is enforced there too,
    # as the test suite's optional/dependencies-compatibility.json has it: schemas without $schema rely on it.
    if value.__class__ is not dict:
        raise document.wrong(place, "dependencies", "takes an object of schemas and lists of names")
    names = {key: member for key, member in value.items() if _texts(member)}
    schemas = {key: member for key, member in value.items() if key not in names}
    _depend(document, place, "dependencies", names, schemas)


def _depend(
    document: Reading, place: SchemaPlace, keyword: str, names: dict[str, Any], schemas: dict[str, Any]
) -> None:
    """Add to both dependent fields: `dependencies` may stand beside the keywords that replaced it."""
    if any(names.values()):
        required = dict(place.dependent_required)
        for key, value in names.items():
            required[key] = tuple(dict.fromkeys((*required.get(key, ()), *value)))
        place.dependent_required = required
    if schemas:
        children: dict[str, Schema] = dict(place.dependent_schemas)
        for key, value in schemas.items():
            child: Schema = document.child(place, value, (keyword, key))
            if key in children:
                both = (children[key], child)
                child = document.derived(f"{place.pointer}/{keyword}", all_of=both, applicators=("allOf",))
            children[key] = child
        place.dependent_schemas = children
        if "dependentSchemas" not in place.applicators:
            place.applicators += ("dependentSchemas",)


# --- Arrays -------------------------------------------------------------------------------------------------


def prefix_of(keyword: str) -> Reader:
    def read(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
        # draft 3 alone lets the list be empty
        if value.__class__ is not list or not (value or place.scope.dialect.draft == "3"):
            raise document.wrong(place, keyword, "takes a list of at least one schema")
        place.prefix = tuple(
            document.child(place, member, (keyword, index)) for index, member in enumerate(value)
        )

    return read


read_prefix_items = prefix_of("prefixItems")
read_items_list = prefix_of("items")


def read_items(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is list:
        raise document.wrong(
            place,
            "items",
            "takes one schema in draft 2020-12",
            "Name the list prefixItems, or set $schema (or draft=) to the draft the schema is written in.",
        )
    place.items = document.child(place, value, ("items",))


def read_items_any(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is list:
        read_items_list(document, place, raw, value)
    else:
        place.items = document.child(place, value, ("items",))


def read_additional_items(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if raw.get("items").__class__ is list:  # without a list it says nothing
        place.items = document.child(place, value, ("additionalItems",))


def read_unique_items(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is not bool:
        raise document.wrong(place, "uniqueItems", "takes true or false")
    if value:
        place.unique_items = True


def contains(evaluates: bool) -> Reader:
    """Return the reader of `contains`; `evaluates`: the items that meet it are evaluated."""

    def read(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
        place.contains = document.child(place, value, ("contains",))
        if evaluates:
            place.contains_evaluates = True

    return read


# --- Combinations -------------------------------------------------------------------------------------------


def one_schema(keyword: str, field: str) -> Reader:
    """Return the reader of a keyword that holds one schema."""

    def read(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
        setattr(place, field, document.child(place, value, (keyword,)))

    return read


def list_of_schemas(keyword: str, field: str) -> Reader:
    """Return the reader of a keyword that holds a list of schemas."""

    def read(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
        if value.__class__ is not list or not value:
            raise document.wrong(place, keyword, "takes a list of at least one schema")
        schemas = tuple(
            [document.child(place, member, (keyword, index)) for index, member in enumerate(value)]
        )
        setattr(place, field, getattr(place, field) + schemas)
        place.applicators += (keyword,)

    return read


def read_if(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if "then" in raw or "else" in raw:
        place.if_ = document.child(place, value, ("if",))
        place.applicators += ("if",)
    else:
        # Alone it asserts nothing; what it evaluates matters where something is unevaluated.
        document.tests.append((place, value))


def branch(keyword: str, field: str) -> Reader:
    def read(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
        if "if" in raw:
            setattr(place, field, document.child(place, value, (keyword,)))
            place.applicators += (keyword,)

    return read


def read_ref(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is not str:
        raise document.wrong(place, "$ref", "takes a URI reference in a string")
    document.refer(place, value)


def read_dynamic_ref(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is not str:
        raise document.wrong(place, "$dynamicRef", "takes a URI reference in a string")
    document.refer_dynamically(place, "$dynamicRef", value)


def read_recursive_ref(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if value != "#":
        raise document.wrong(place, "$recursiveRef", 'takes "#" alone')
    document.refer_dynamically(place, "$recursiveRef", value)


def read_property_dependencies(
    document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any
) -> None:
    """Read the proposal of v1: where a property has a certain string, the schema under it holds too."""
    if value.__class__ is not dict or not all(member.__class__ is dict for member in value.values()):
        raise document.wrong(place, "propertyDependencies", "takes an object of objects of schemas")
    for name, members in value.items():
        for word, member in members.items():
            pointer = f"{place.pointer}/propertyDependencies/{escape(name)}/{escape(word)}"
            equal = document.derived(pointer, enum=(word,))
            there = document.derived(
                pointer, types=TYPES["object"], required=(name,), properties={name: equal}
            )
            # Not a plain `if`: that would count the property as evaluated.
            test = document.derived(pointer, not_=document.derived(pointer, not_=there))
            then = document.child(place, member, ("propertyDependencies", name, word))
            place.all_of += (document.derived(pointer, if_=test, then=then, applicators=("if", "then")),)
            if "allOf" not in place.applicators:
                place.applicators += ("allOf",)


def unevaluated(keyword: str, field: str) -> Reader:
    """Return the reader of a keyword for members that no other keyword evaluates."""

    def read(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
        setattr(place, field, document.child(place, value, (keyword,)))
        document.unevaluated = True

    return read

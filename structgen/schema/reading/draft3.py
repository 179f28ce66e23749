"""Keywords of draft 3 alone: `extends`, `disallow`, `divisibleBy`, schemas in `type`.

Source: draft-zyp-json-schema-03, section 5.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from structgen.schema.reading import keywords
from structgen.schema.reading.model import Schema
from structgen.schema.reading.schema_place import Reader, Reading, SchemaPlace

_LATER = (
    "allOf anyOf oneOf not minProperties maxProperties multipleOf required type properties dependencies"
).split()
"""Keywords of draft 4 that draft 3 does not have, or reads otherwise."""

_COLORS = (
    "aqua black blue fuchsia gray green lime maroon navy olive orange purple red silver teal white yellow"
).split()
_RGB = r"rgb\([ \t]*(-?[0-9]+%?[ \t]*,[ \t]*){2}-?[0-9]+%?[ \t]*\)"

_PATTERNS = MappingProxyType(
    {
        # CSS 2.1, section 4.3.6: a color keyword, #rgb, #rrggbb or rgb(r, g, b).
        "color": f"^(#[0-9a-fA-F]{{3}}|#[0-9a-fA-F]{{6}}|{'|'.join(_COLORS)}|{_RGB})$",
        "time": r"^([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)$",
    }
)
_NAMES = MappingProxyType({"ip-address": "ipv4", "host-name": "hostname"})
FORMATS = frozenset((*_PATTERNS, *_NAMES))
"""The formats that draft 3 alone has, or means otherwise (section 5.23); `phone`, `style` and `utc-millisec`
are annotations."""


def replace(readers: dict[str, Reader], locations: dict[str, str]) -> None:
    """Turn the tables of draft 4 into those of draft 3."""
    for keyword in _LATER:
        del readers[keyword]
        locations.pop(keyword, None)
    readers.update(
        {
            "type": read_type,
            "disallow": read_disallow,
            "extends": read_extends,
            "divisibleBy": read_divisible_by,
            "properties": read_properties,
            "dependencies": read_dependencies,
            "format": read_format,
        }
    )
    locations.update(
        {
            "type": "list",
            "disallow": "list",
            "extends": "any",
            "properties": "map",
            "dependencies": "map",
        }
    )


def read_type(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    members = _types(document, place, "type", value)
    if members is None:
        return
    simple, schemas = members
    if not schemas:
        place.types, place.plain_integers = simple, True
        return
    if simple:
        schemas = (_of_types(document, f"{place.pointer}/type", simple), *schemas)
    place.any_of = schemas
    place.applicators += ("anyOf",)


def read_disallow(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    members = _types(document, place, "disallow", value)
    pointer = f"{place.pointer}/disallow"
    if members is None:
        place.not_ = document.derived(pointer, verdict=True)
        return
    simple, schemas = members
    if simple:
        schemas = (_of_types(document, pointer, simple), *schemas)
    place.not_ = document.derived(pointer, any_of=schemas, applicators=("anyOf",))


def _types(
    document: Reading, place: SchemaPlace, keyword: str, value: Any
) -> tuple[frozenset[str], tuple[Schema, ...]] | None:
    """Return the simple types and the schemas of a union, or None where it takes any value."""
    members = value if value.__class__ is list else [value]
    simple: set[str] = set()
    schemas: list[Schema] = []
    any_value = False
    for index, member in enumerate(members):
        if member.__class__ is str:
            # Section 5.1: other names may be used for custom purposes, and allow any value elsewhere.
            any_value = any_value or member not in keywords.TYPES
            simple.add(member)
        elif member.__class__ is dict and value.__class__ is list:
            schemas.append(document.child(place, member, (keyword, index)))
        else:
            raise document.wrong(place, keyword, "takes a type's name, or a list of names and schemas")
    if not members:
        raise document.wrong(place, keyword, "takes a type's name, or a list of names and schemas")
    return None if any_value else (frozenset(simple), tuple(schemas))


def _of_types(document: Reading, pointer: str, types: frozenset[str]) -> Schema:
    return document.derived(pointer, types=types, plain_integers=True)


def read_extends(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is list:
        parts = tuple(
            [document.child(place, member, ("extends", index)) for index, member in enumerate(value)]
        )
    else:
        parts = (document.child(place, value, ("extends",)),)
    place.all_of += parts
    place.applicators += ("allOf",)


def read_divisible_by(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    divisor = keywords.number(value)
    if divisor is None or not divisor:
        raise document.wrong(place, "divisibleBy", "takes a number other than 0")
    place.multiple_of = abs(divisor)


def read_properties(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    """Read `properties`, and the `required` of each property: it speaks of the object, not of the value."""
    keywords.read_properties(document, place, raw, value)
    required: list[str] = []
    for name, member in value.items():
        asked = member.get("required", False)
        if asked.__class__ is not bool:
            raise document.wrong_at(
                place,
                ("properties", name, "required"),
                "required takes true or false in draft 3.",
                "Set $schema (or draft=) to the draft the schema is written in.",
            )
        if asked:
            required.append(name)
    if required:
        place.required = tuple(required)


def read_dependencies(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is dict:
        value = {key: [member] if member.__class__ is str else member for key, member in value.items()}
    keywords.read_dependencies(document, place, raw, value)


def read_format(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    custom = {name for name, _ in document.policies.custom_formats}
    if value.__class__ is str and value in _PATTERNS and value not in custom:
        if document.policies.formats == "assert":
            pattern = _PATTERNS[value]
            place.all_of += (document.derived(f"{place.pointer}/format", pattern=pattern),)
            document.patterns.setdefault(pattern, place)
    else:
        if value.__class__ is str and value not in custom:
            value = _NAMES.get(value, value)
        keywords.read_format(document, place, raw, value)

"""Keywords of draft 3 alone: `extends`, `disallow`, `divisibleBy`, schemas in `type`.

Source: draft-zyp-json-schema-03, section 5.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from structgen.schema.reading import keywords
from structgen.schema.reading.model import TYPES, OpenDocument, Schema, Schemas

_COLORS = (
    "aqua|black|blue|fuchsia|gray|green|lime|maroon|navy|olive|orange|purple|red|silver|teal|white|yellow"
)
_RGB = r"rgb\([ \t]*(-?[0-9]+%?[ \t]*,[ \t]*){2}-?[0-9]+%?[ \t]*\)"

_PATTERNS = MappingProxyType(
    {
        # CSS 2.1, section 4.3.6: a color keyword, #rgb, #rrggbb or rgb(r, g, b).
        "color": f"^(#[0-9a-fA-F]{{3}}|#[0-9a-fA-F]{{6}}|{_COLORS}|{_RGB})$",
        "time": r"^([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)$",
    }
)
_NAMES = MappingProxyType({"ip-address": "ipv4", "host-name": "hostname"})
FORMATS = frozenset((*_PATTERNS, *_NAMES))
"""The formats that draft 3 alone has, or means otherwise (section 5.23); `phone`, `style` and `utc-millisec`
are annotations."""


def read_type(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `type`: a name, or a union as `["string", {"type": "array"}]`."""
    simple, schemas = _split_types(document, schema, keyword, value)
    if simple is not None and not schemas:
        schema.types = simple
        schema.plain_integers = True
    elif simple is not None:
        schema.any_of = _union_branches(document, f"{schema.pointer}/type", simple, schemas)
        schema.applicators += ("anyOf",)


def read_disallow(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `disallow`, the negation of `type`: it is written alike."""
    simple, schemas = _split_types(document, schema, keyword, value)
    pointer = f"{schema.pointer}/disallow"
    if simple is None:
        # The union takes any value, so that none is left.
        schema.not_ = document.derive_schema(pointer, verdict=True)
    else:
        schemas = _union_branches(document, pointer, simple, schemas)
        schema.not_ = document.derive_schema(pointer, any_of=schemas, applicators=("anyOf",))


def _split_types(
    document: OpenDocument, schema: Schema, keyword: str, value: Any
) -> tuple[frozenset[str] | None, Schemas]:
    """Return the simple types of a union (None where it takes any value) and its schemas, to be read.

    For example `["string", {"type": "array"}]` gives `{"string"}` and one schema. Raises `SchemaError` for
    other values.
    """
    members = value if value.__class__ is list else [value]
    names = [member for member in members if member.__class__ is str]
    # A schema stands in a list alone: {"type": {...}} is an error.
    schemas = [
        document.add_child(schema, member, (keyword, index))
        for index, member in enumerate(members)
        if member.__class__ is dict and value.__class__ is list
    ]
    if not members or len(names) + len(schemas) < len(members):
        raise document.keyword_error(schema, keyword, "a type's name, or a list of names and schemas")
    # Section 5.1: other names may be used for custom purposes, and allow any value elsewhere.
    simple = frozenset(names) if TYPES.keys() >= set(names) else None
    return simple, tuple(schemas)


def _union_branches(
    document: OpenDocument, pointer: str, simple: frozenset[str], schemas: Schemas
) -> Schemas:
    """Return the branches of a union of simple types and schemas.

    For example `{"string"}` and one schema are two branches; all simple types together are one. `pointer` is
    that of the keyword, for messages.
    """
    if not simple:
        return schemas
    typed_branch = document.derive_schema(pointer, types=simple, plain_integers=True)
    return (typed_branch, *schemas)


def read_extends(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `extends`, which became `allOf`: one schema, or a list of schemas."""
    if value.__class__ is list:
        schema.all_of += keywords.read_children(document, schema, keyword, value)
    else:
        schema.all_of += (document.add_child(schema, value, (keyword,)),)
    schema.applicators += ("allOf",)


def read_properties(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `properties`, and the `required` of each property, as in `{"a": {"required": true}}`: it speaks of
    the object, not of the property's value."""
    keywords.read_properties(document, schema, keyword, value)
    required_keys: list[str] = []
    for name, member in value.items():
        is_required = member.get("required", False)
        if is_required.__class__ is not bool:
            property_ = schema.properties[name]
            assert isinstance(property_, Schema), "it was read from the text"
            # A list of names is that of later drafts.
            cure = "Set $schema (or draft=) to the draft the schema is written in."
            raise document.keyword_error(property_, "required", "true or false in draft 3", cure)
        if is_required:
            required_keys.append(name)
    if required_keys:
        schema.required = tuple(required_keys)


def read_dependencies(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `dependencies`, where one name may stand for a list of one: `{"a": "b"}`."""
    if value.__class__ is dict:
        value = {key: [member] if member.__class__ is str else member for key, member in value.items()}
    keywords.read_dependencies(document, schema, keyword, value)


def read_format(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `format`; the formats that draft 3 alone has become patterns, or their later names."""
    # The caller's own formats come first, as in `keywords.read_format`.
    if value.__class__ is str and value not in dict(document.policies.custom_formats):
        value = _NAMES.get(value, value)
        if value in _PATTERNS:
            if document.policies.formats == "assert":
                pattern = _PATTERNS[value]
                schema.all_of += (document.derive_schema(f"{schema.pointer}/format", pattern=pattern),)
                document.patterns.setdefault(pattern, schema)
            return
    keywords.read_format(document, schema, keyword, value)

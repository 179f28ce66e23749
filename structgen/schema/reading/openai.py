"""Finds what a server for OpenAI's strict structured outputs refuses in a schema, and has its policies.

The *subset* is the part of JSON Schema that such a server takes. A *refusal* is one breach of the subset: a
place, a keyword and a sentence. A *node* is one schema inside the whole schema. Its *level* is the number of
objects around it, itself included. For example in `{"type": "object", "properties": {"a": {}}}` the root is
refused because "a" is not required, and the node at `#/properties/a` because it has no type.

Sources, as they stood in November 2026: the guide "Structured model outputs", section "Supported schemas"
(developers.openai.com/api/docs/guides/structured-outputs), and where it is silent the server's own errors: on
keywords beside `$ref`, references to other schemas than definitions, schemas without a type, arrays without
items, look-arounds, and `default`. A keyword that the guide does not name as supported is refused, except for
some annotations. The guide lists `minLength` for fine-tuned models alone, and the server refuses it for all.
The guide does not describe how levels of nesting are counted. Here an object inside an object is one level
more, also through arrays and anyOf. `$ref` is not followed: recursive schemas are supported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

from structgen.base.errors import UnsupportedError
from structgen.base.json_text.exact_json import Json, JsonObject, escape
from structgen.schema.reading.model import TYPES

OPENAI_STRICT: Mapping[str, Any] = MappingProxyType(
    {
        "subset": "openai",
        "whitespace": "bounded",
        "property_order": "declared",
        "numbers": "bounded",
        "escapes": "canonical",
        "formats": "assert",
    }
)
"""The keyword arguments of `sg.json_schema` for schemas written for OpenAI's strict structured outputs. They
refuse what such a server refuses, and keys come in the order of the schema."""

DEEPEST = 10
PROPERTIES = 5_000
"""OpenAI's limits of one schema: DEEPEST levels of objects, and PROPERTIES properties of all objects."""
CHARACTERS = 120_000
"""The most characters of all names of properties and definitions, and all strings in enum and const."""
ENUM_VALUES = 1_000
"""The most values of all enums together."""
LONG_ENUM, LONG_ENUM_CHARACTERS = 250, 15_000
"""The strings of one enum with more than 250 values have at most 15,000 characters together."""
FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")
_SUPPORTED = frozenset(
    (
        *("type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf"),
        *("$ref", "$defs", "definitions", "pattern", "format"),
        *("multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems"),
        *("title", "description", "$schema", "$id", "$comment", "examples"),
    )
)
_MAPS = ("properties", "$defs", "definitions")
_TYPED = frozenset(("type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf", "not"))
"""Keywords beside which a schema needs no type, or which are refused themselves."""
# The targets that `$ref` may have: the root `#`, or a definition such as `#/$defs/NAME`.
_TARGET = re.compile(r"#(?:/(?:\$defs|definitions)/[^/]*)?")
# A pattern with a look-around, `(?=`, `(?!`, `(?<=` or `(?<!`, that no backslash escapes.
_LOOK_AROUND = re.compile(r"(?s)(?:\\.|[^\\])*?\(\?<?[=!]")
_Told: TypeAlias = tuple[str, str]
"""A refusal without its place: the keyword, and a sentence about the fault."""


@dataclass(frozen=True, slots=True)
class OpenAIRefusal:
    """One thing in a schema that a server for OpenAI's strict structured outputs refuses."""

    pointer: str
    """The JSON pointer of the node with the fault; "#" for the root and for the schema as a whole."""
    keyword: str
    """The keyword to blame; "" where the node is not an object."""
    why: str
    """One sentence about the fault."""


def find_refusals(schema: Json) -> list[OpenAIRefusal]:
    """Return the refusals of a schema, in the order of its text; those of its totals come last.

    Cost: linear in the size of the schema.
    """
    refusals_so_far = [OpenAIRefusal("#", *refusal) for refusal in _root_refusals(schema)]
    nodes: list[JsonObject] = []
    stack: list[tuple[Json, str, int]] = [(schema, "#", 0)]
    while stack:
        node, pointer, level = stack.pop()
        if not isinstance(node, dict):
            refusals_so_far.append(
                OpenAIRefusal(pointer, "", "A schema must be an object here, not true or false.")
            )
            continue
        # Only objects count as a level; arrays and anyOf hand the level on.
        level += _is_object(node)
        for refusal in _subschema_refusals(node, pointer == "#", level):
            refusals_so_far.append(OpenAIRefusal(pointer, *refusal))
        nodes.append(node)
        inside = [(child, f"{pointer}/{path}", start) for child, path, start in _child_nodes(node, level)]
        # The stack is reversed: the children come in the order of the text.
        stack.extend(reversed(inside))
    for refusal in _total_refusals(nodes):
        refusals_so_far.append(OpenAIRefusal("#", *refusal))
    return refusals_so_far


def check_subset(schema: Json) -> None:
    """Raise `UnsupportedError` for the first refusal of a schema; the error counts the further ones."""
    all_refusals = find_refusals(schema)
    if all_refusals:
        first = all_refusals[0]
        more_text = f" ({len(all_refusals) - 1} more like it.)" if len(all_refusals) > 1 else ""
        raise UnsupportedError(
            f"A server for OpenAI's strict structured outputs rejects this: {first.why}{more_text}",
            keyword=first.keyword,
            where=first.pointer,
            cure="Change the schema, or remove subset.",
        )


def _root_refusals(schema: Json) -> Iterator[_Told]:
    """Yield the rules for the root that a schema breaks."""
    if isinstance(schema, dict):
        if "anyOf" in schema:
            yield "anyOf", "The root must not be an anyOf."
        elif schema.get("type") != "object":
            yield "type", 'The root must have the type "object".'
        if "enum" in schema:
            yield "enum", "The root must not have an enum."


def _types_of(node: JsonObject) -> list[Any]:
    types = node.get("type", [])
    if isinstance(types, list):
        return types
    return [types]


def _is_object(node: JsonObject) -> bool:
    return "properties" in node or "object" in _types_of(node)


def _subschema_refusals(node: JsonObject, is_root: bool, level: int) -> Iterator[_Told]:
    """Yield the rules for every schema that one node breaks. `level` is the level of the node."""
    is_object = _is_object(node)
    types = _types_of(node)
    target = node.get("$ref")
    pattern = node.get("pattern")
    form = node.get("format")
    siblings = ", ".join(name for name in node if name != "$ref")
    leads = target is None or (isinstance(target, str) and _TARGET.fullmatch(target))
    looks_around = isinstance(pattern, str) and _LOOK_AROUND.match(pattern)
    is_open = is_object and node.get("additionalProperties") is not False
    # A table of the rules: whether the schema breaks the rule, the keyword to blame, the sentence.
    for is_broken, keyword, why in (
        (
            # `==` and not `>`: only the first object that is too deep is named, not the objects inside it.
            is_object and level == DEEPEST + 1,
            "properties",
            f"Objects are nested more than {DEEPEST} levels deep.",
        ),
        *(
            (keyword not in _SUPPORTED, keyword, f"{keyword} is not among the supported keywords.")
            for keyword in node
        ),
        (
            target is not None and siblings,
            "$ref",
            f"$ref must not have other keywords next to it: {siblings}.",
        ),
        (not leads, "$ref", f"{target!r} is neither the root (#) nor a definition (#/$defs/NAME)."),
        (not is_root and not node.keys() & _TYPED, "type", "Each schema must have a type."),
        ("array" in types and "items" not in node, "items", "Each array must have items."),
        (looks_around, "pattern", "A pattern must not have a look-ahead or look-behind."),
        *((name not in [*TYPES], "type", f"{name!r} is not among the supported types.") for name in types),
        (form not in (None, *FORMATS), "format", f"{form!r} is not among the supported formats."),
        (is_open, "additionalProperties", "Each object must have additionalProperties: false."),
    ):
        if is_broken:
            yield keyword, why
    properties = node.get("properties", {})
    required_names = node.get("required", [])
    if is_object and isinstance(properties, dict) and isinstance(required_names, list):
        required_set = {name for name in required_names if isinstance(name, str)}
        optional_names = [name for name in properties if name not in required_set]
        undeclared_names = sorted(required_set - properties.keys())
        for complaint, names in (
            ("Each property is required; missing", optional_names),
            ("Each required name is a property; not so", undeclared_names),
        ):
            if names:
                first_names = ", ".join(map(repr, names[:3]))
                if len(names) > 3:
                    first_names += ", ..."
                yield "required", f"{complaint}: {first_names}."


def _child_nodes(node: JsonObject, level: int) -> Iterator[tuple[Json, str, int]]:
    """Yield the schemas inside a node: each with its path from the node, such as `properties/a`, and the
    level of what is around it. `level` is the level of the node."""
    for keyword in _MAPS:
        members = node.get(keyword)
        if isinstance(members, dict):
            # A definition starts from level 0, as `$ref` is not followed.
            start_level = level if keyword == "properties" else 0
            for name, child in members.items():
                yield child, f"{keyword}/{escape(name)}", start_level
    if isinstance(node.get("items"), (dict, bool)):
        yield node["items"], "items", level
    branches = node.get("anyOf")
    if isinstance(branches, list):
        for index, child in enumerate(branches):
            yield child, f"anyOf/{index}", level


def _total_refusals(nodes: Sequence[JsonObject]) -> Iterator[_Told]:
    """Yield the limits that the schema as a whole exceeds. `nodes` are all schemas of it."""
    maps = [
        (keyword, node[keyword]) for node in nodes for keyword in _MAPS if isinstance(node.get(keyword), dict)
    ]
    enums = [node["enum"] for node in nodes if isinstance(node.get("enum"), list)]
    sizes = [sum(len(value) for value in values if isinstance(value, str)) for values in enums]
    name_characters = sum(len(name) for _, members in maps for name in members)
    constants = sum(len(node["const"]) for node in nodes if isinstance(node.get("const"), str))
    properties = sum(len(members) for keyword, members in maps if keyword == "properties")
    all_characters = name_characters + sum(sizes) + constants
    for keyword, count, maximum, unit in (
        ("properties", properties, PROPERTIES, "properties"),
        ("properties", all_characters, CHARACTERS, "characters in names, enum and const"),
        ("enum", sum(map(len, enums)), ENUM_VALUES, "values of enum"),
    ):
        if count > maximum:
            yield keyword, f"The schema has {count:,} {unit}; the limit is {maximum:,}."
    for values, size in zip(enums, sizes, strict=True):
        if len(values) > LONG_ENUM and size > LONG_ENUM_CHARACTERS:
            limit_text = f"and {LONG_ENUM_CHARACTERS:,} are supported."
            yield "enum", f"An enum of more than {LONG_ENUM} values has {size:,} characters, {limit_text}"

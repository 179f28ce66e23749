"""`grammars=`: grammar objects at places of a schema, which JSON Pointers name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from structgen.base.errors import SchemaError
from structgen.base.json_text.events import pointer_of
from structgen.base.json_text.exact_json import Json, unescape_segment
from structgen.base.language.shapes import suggest_name
from structgen.schema.reading.model import show_value
from structgen.schema.reading.string_grammars import GRAMMAR, NamedGrammar

_CURE: Final = 'Name the place of a string, as "#/properties/query"; "#" is the whole value.'


def with_grammars(
    schema: Json, grammars: Mapping[str, NamedGrammar], both: str = "allOf"
) -> tuple[Json, list[str]]:
    """Return a schema, which is changed, with `x-grammar` at some places, and the places of these keywords.

    A place is a JSON Pointer, as `$ref` writes it (`#/properties/query`) or without the `#`. Where a grammar
    stands there, the keyword `both` holds the other one. Raises `SchemaError` for a pointer to nothing, to
    what is no schema, and through a reference.
    """
    top: dict[str, Any] = {"": schema}
    places = []
    for pointer, grammar in grammars.items():
        around, key, way = _find_schema(top, pointer)
        keywords: dict[str, Any] = {} if around[key] is True else around[key]
        around[key] = keywords
        if GRAMMAR in keywords:
            others = keywords.setdefault(both, [])
            if isinstance(others, dict):  # as draft 3 has it
                others = keywords[both] = [others]
            way += [both, str(len(others))]
            others.append(keywords := {})
        keywords[GRAMMAR] = grammar.keyword
        places.append(f"#{pointer_of(way)}")
    return top[""], places


def _find_schema(top: Any, pointer: str) -> tuple[Any, str | int, list[str]]:
    """Return the container of the schema that a pointer names, the schema's key, and the way to it."""
    first, *way = map(
        unescape_segment, (unquote(pointer[1:]) if pointer.startswith("#") else pointer).split("/")
    )
    if first:
        raise pointer_error(f"{pointer!r} is no JSON Pointer.")
    around: Any = top
    key: str | int = ""
    node = top[""]
    for at, token in enumerate(way):
        keys: dict[str, Any] = {}
        if isinstance(node, (dict, list)):
            keys = {str(token): token for token in (node if isinstance(node, dict) else range(len(node)))}
        if token not in keys:
            place = f"#{pointer_of(way[:at])}"
            if "$ref" in keys:
                fault = f"{place} refers to {node['$ref']!r}, and the pointer goes on behind the reference."
                target_text = f'"{node["$ref"]}{pointer_of(way[at:])}"'
                raise pointer_error(fault, f"Name the place where it is written: {target_text}.")
            fault = f"{place} is {show_value(node)}, and has no member {token!r}."
            raise pointer_error(fault, f"{suggest_name(token, keys)}{_CURE}")
        around, key = node, keys[token]
        node = around[key]
    if not isinstance(node, dict) and node is not True:
        raise pointer_error(f"#{pointer_of(way)} is {show_value(node)}, and no schema that takes a string.")
    return around, key, way


def pointer_error(fault: str, cure: str = _CURE) -> SchemaError:
    """Return the error for a pointer."""
    return SchemaError(fault, where="grammars", cure=cure)

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


def with_grammars(schema: Json, grammars: Mapping[str, NamedGrammar], both: str) -> tuple[Json, list[str]]:
    """Return a schema, which is changed, with `x-grammar` at some places, and the places of these keywords.

    A place is a JSON Pointer, as `$ref` writes it (`#/properties/query`) or without the `#`. Where a grammar
    stands there, the keyword `both` holds the other one. Raises `SchemaError` for a pointer to nothing, to
    what is no schema, and through a reference.
    """
    # A container around the root, so that the root can be replaced like any other schema.
    top: dict[str, Any] = {"": schema}
    places = []
    for pointer, grammar in grammars.items():
        container, key, way = _find_schema(top, pointer)
        # The schema `true` becomes an object that can have a keyword.
        keywords: dict[str, Any] = {} if container[key] is True else container[key]
        container[key] = keywords
        if GRAMMAR in keywords:
            conjuncts = keywords.setdefault(both, [])
            if isinstance(conjuncts, dict):  # as draft 3 has it
                conjuncts = keywords[both] = [conjuncts]
            way += [both, str(len(conjuncts))]
            keywords = {}
            conjuncts.append(keywords)
        keywords[GRAMMAR] = grammar.keyword
        places.append(f"#{pointer_of(way)}")
    return top[""], places


def _find_schema(top: Any, pointer: str) -> tuple[Any, str | int, list[str]]:
    """Return the container of the schema that a pointer names, the schema's key, and the way to it."""
    # After a "#" a pointer is a fragment of a URI, where characters may be %-encoded (RFC 6901, section 6).
    plain_pointer = unquote(pointer[1:]) if pointer.startswith("#") else pointer
    first, *way = map(unescape_segment, plain_pointer.split("/"))
    if first:
        raise pointer_error(f"{pointer!r} is not a JSON Pointer.")
    container: Any = top
    key: str | int = ""
    node = top[""]
    for depth, token in enumerate(way):
        # The keys of the node by their text: those of a list are numbers.
        keys: dict[str, Any] = {}
        if isinstance(node, dict):
            keys = {name: name for name in node}
        elif isinstance(node, list):
            keys = {str(index): index for index in range(len(node))}
        if token not in keys:
            place = f"#{pointer_of(way[:depth])}"
            if "$ref" in keys:
                fault = f"{place} refers to {node['$ref']!r}, and the pointer continues after the reference."
                target_text = f'"{node["$ref"]}{pointer_of(way[depth:])}"'
                raise pointer_error(fault, f"Name the place of the definition: {target_text}.")
            fault = f"{place} is {show_value(node)}, and has no member {token!r}."
            raise pointer_error(fault, f"{suggest_name(token, keys)}{_CURE}")
        container = node
        key = keys[token]
        node = container[key]
    if not isinstance(node, dict) and node is not True:
        raise pointer_error(
            f"#{pointer_of(way)} is {show_value(node)}, which is not a schema that allows a string."
        )
    return container, key, way


def pointer_error(fault: str, cure: str = _CURE) -> SchemaError:
    """Return the error for a pointer of `grammars=`."""
    return SchemaError(fault, where="grammars", cure=cure)

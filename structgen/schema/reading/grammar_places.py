"""`grammars=`: grammar objects at places of a schema, which JSON Pointers name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from structgen.base.errors import SchemaError
from structgen.base.json_text.events import pointer_of
from structgen.base.json_text.exact_json import Json, unescape
from structgen.base.language.shapes import nearest
from structgen.schema.reading.model import shown
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
        around, key, way = _found(top, pointer)
        said: dict[str, Any] = {} if around[key] is True else around[key]
        around[key] = said
        if GRAMMAR in said:
            others = said.setdefault(both, [])
            if isinstance(others, dict):  # as draft 3 has it
                others = said[both] = [others]
            way += [both, str(len(others))]
            others.append(said := {})
        said[GRAMMAR] = grammar.keyword
        places.append(f"#{pointer_of(way)}")
    return top[""], places


def _found(top: Any, pointer: str) -> tuple[Any, str | int, list[str]]:
    """Return the container of the schema that a pointer names, the schema's key, and the way to it."""
    first, *way = map(unescape, (unquote(pointer[1:]) if pointer.startswith("#") else pointer).split("/"))
    if first:
        raise refused(f"{pointer!r} is no JSON Pointer.")
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
                what = f"{place} refers to {node['$ref']!r}, and the pointer goes on behind the reference."
                written = f'"{node["$ref"]}{pointer_of(way[at:])}"'
                raise refused(what, f"Name the place where it is written: {written}.")
            what = f"{place} is {shown(node)}, and has no member {token!r}."
            raise refused(what, f"{nearest(token, keys)}{_CURE}")
        around, key = node, keys[token]
        node = around[key]
    if not isinstance(node, dict) and node is not True:
        raise refused(f"#{pointer_of(way)} is {shown(node)}, and no schema that takes a string.")
    return around, key, way


def refused(what: str, cure: str = _CURE) -> SchemaError:
    """Return the error for a pointer."""
    return SchemaError(what, where="grammars", cure=cure)

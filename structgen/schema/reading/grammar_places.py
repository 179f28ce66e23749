"""`grammars=`: grammar objects at places of a schema, which JSON Pointers name."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, Final
from urllib.parse import unquote

from structgen.base.errors import SchemaError
from structgen.base.json_text.events import pointer_of
from structgen.base.json_text.exact_json import Json, unescape
from structgen.base.language.shapes import nearest
from structgen.schema.reading.document import Document
from structgen.schema.reading.model import Schema, shown
from structgen.schema.reading.string_grammars import GRAMMAR, NamedGrammar

_CURE: Final = 'Name the place of a string, as "#/properties/query"; "#" is the whole value.'


def with_grammars(document: Document, grammars: Mapping[str, NamedGrammar]) -> Json:
    """Return the schema of a document, which is changed, with `x-grammar` at some places; where one stands
    there, both hold.

    A place is a JSON Pointer, as `$ref` writes it (`#/properties/query`) or without the `#`. Raises
    `SchemaError` for one that leads to nothing, through a reference, to what is no schema that a value is
    held to, and to a place that takes no string.
    """
    top = {"": document.value}
    found = [(*_found(document, top, pointer), grammar) for pointer, grammar in grammars.items()]
    for place, around, key, grammar in found:
        said: dict[str, Any] = {} if around[key] is True else around[key]
        held: dict[str, Any] = {GRAMMAR: grammar.keyword}
        if GRAMMAR in said:
            both = "extends" if place.scope.dialect.draft == "3" else "allOf"
            others = said.get(both, [])
            held = {both: [*(others if isinstance(others, list) else [others]), held]}
        said.update(held)
        around[key] = said
    return top[""]


def without_grammars(document: Document, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a document, as somebody has it, without `x-grammar`: for those who refuse keywords
    that they do not know. Patterns beside it stay."""
    for pointer in dict.fromkeys(one.pointer for one in document.schemas if one.grammar is not None):
        schema = without_keyword(schema, pointer, GRAMMAR) if pointer.startswith("#") else schema
    return schema


def without_keyword(value: Any, pointer: str, keyword: str) -> Any:
    """Return a schema without a keyword at a place (`#/properties/a`); places off the path are shared."""
    here = root = copy(value)
    for step in map(unescape, pointer.split("/")[1:]):
        at = int(step) if isinstance(here, list) else step
        here[at] = copy(here[at])
        here = here[at]
    del here[keyword]
    return root


def _found(document: Document, top: Any, pointer: str) -> tuple[Schema, Any, Any]:
    """Return the place that a pointer names, and the container of its schema in `top`, with the key."""
    plain = unquote(pointer[1:]) if pointer.startswith("#") else pointer
    tokens = [unescape(token) for token in plain.split("/")]
    if tokens[0]:
        raise SchemaError(f"{pointer!r} is no JSON Pointer.", where="grammars", cure=_CURE)
    around: Any = top
    key: str | int = ""
    node = top[""]
    for at, token in enumerate(tokens[1:], 1):
        keys = list(node if isinstance(node, dict) else map(str, range(len(node) * isinstance(node, list))))
        if token not in keys:
            raise _nowhere(f"#{pointer_of(tokens[1:at])}", node, keys, tokens[at:])
        around, key = node, token if isinstance(node, dict) else int(token)
        node = around[key]
    where = f"#{pointer_of(tokens[1:])}"
    same = (one for one in document.schemas if one.raw is node and (node is not True or one.pointer == where))
    place = next(same, None)
    what, cure = "", _CURE
    if place is None:
        what = f"{where} is {shown(node)}, and no schema that a value is held to."
    elif place.scope.dialect.hides_siblings and "$ref" in node:
        what = f"Beside $ref no other keyword counts in draft {place.scope.dialect.draft}."
        cure = f'Name the place that it refers to: "{node["$ref"]}".'
    elif (refused := _without_strings(place)) is not None:
        what = f"{where} takes {refused}, and no string."
    if place is None or what:
        raise SchemaError(what, where="grammars", cure=cure)
    return place, around, key


def _nowhere(where: str, node: Any, keys: list[str], rest: list[str]) -> SchemaError:
    """Return the error for a pointer that leads to nothing from a node on."""
    if isinstance(node, dict) and "$ref" in node:
        what = f"{where} refers to {node['$ref']!r}, and the pointer goes on behind the reference."
        cure = f'Name the place where it is written: "{node["$ref"]}{pointer_of(rest)}".'
    else:
        what = f"{where} is {shown(node)}, and has no member {rest[0]!r}."
        cure = f"{nearest(rest[0], keys)}{_CURE}"
    return SchemaError(what, where="grammars", cure=cure)


def _without_strings(place: Schema) -> str | None:
    """Return what a schema, or one that holds beside it, takes in place of strings; None where nothing tells
    that it takes none. Branches of `anyOf` and the like are not looked into."""
    seen: dict[int, Schema] = {}
    stack = [place]
    while stack:
        one = stack.pop()
        if one.id in seen:
            continue
        seen[one.id] = one
        if one.verdict is False:
            return "nothing"
        if one.types is not None and "string" not in one.types:
            return " and ".join(sorted(one.types))
        if one.enum is not None and not any(isinstance(value, str) for value in one.enum):
            return "other constants"
        stack += [*one.all_of, *([one.ref] if one.ref is not None else [])]
    return None

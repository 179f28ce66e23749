"""The validators of a type, place by place: what pydantic asks of the value at a path of a document.

Whoever has a part of a document that is still being written may have it validated. The answer for a part is
that of the whole document: where this cannot be promised there is no validator, and the part waits until
what holds it has closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from pydantic_core import SchemaValidator, ValidationError

Core: TypeAlias = "dict[str, Any]"
"""A core schema of pydantic: what its validators are made of."""

_OBJECTS: Final = ("model-fields", "typed-dict", "dataclass-args")
"""Schemas of objects. A validator inside one is told of the members before it, and of nothing outside."""
_WRAPPERS: Final = {
    "definitions": "schema",
    "function-after": "schema",
    "nullable": "schema",
    "default": "schema",
    "json-or-python": "json_schema",
    "lax-or-strict": "lax_schema",
    "dataclass": "schema",
    "model": "schema",
}
"""Schemas around another one that is asked about the same document, and where they hold it. Not among them
are those that may change the document first, ignore its faults, or choose between several types."""
_NO_SCHEMAS: Final = ("metadata", "serialization", "default")
"""Keys of a core schema under which there is anything."""


class PlaceValidators:
    """The validators of a type by the place of a value."""

    def __init__(self, core: Any) -> None:
        """`core` is the core schema of the type (`TypeReader.core_schema`)."""
        self._core: Core = core
        listed = core["definitions"] if core["type"] == "definitions" else []
        self._definitions: dict[str, Core] = {one["ref"]: one for one in listed}
        self._known: dict[int, SchemaValidator | None] = {}

    @property
    def functions(self) -> list[Callable[..., Any]]:
        """The functions that the type calls, its own validators among them."""
        found = (one["function"] for one in self._nodes(self._core, ()) if _is_call(one))
        return list(dict.fromkeys(getattr(one, "__func__", one) for one in found))

    def at(self, path: Sequence[str | int]) -> SchemaValidator | None:
        """Return what validates the value at a path, keys and indices from the root; None where its document
        cannot be judged by itself, or is valid by its JSON Schema alone.

        Cost: that of making the validator, once for each place of the type.
        """
        schema, config = self._core, None
        for part in path:
            found = self._inner(schema, part, config)
            if found is None:
                return None
            schema, config = found
        known = id(schema)
        if known not in self._known:
            self._known[known] = self._validator(schema, config) if self._is_judged(schema, path) else None
        return self._known[known]

    def _is_judged(self, schema: Core, path: Sequence[str | int]) -> bool:
        if not path:
            return True
        calls = [one for one in self._nodes(schema, ()) if _is_call(one)]
        # A validator that is told of other members has to wait for them.
        outside = any(one["type"] == "with-info" for one in self._nodes(schema, _OBJECTS) if _is_call(one))
        return bool(calls) and not outside

    def _validator(self, schema: Core, config: Any) -> SchemaValidator:
        if schema is self._core:
            return SchemaValidator(schema, _use_prebuilt=False)
        whole = {"type": "definitions", "schema": schema, "definitions": [*self._definitions.values()]}
        return SchemaValidator(whole if self._definitions else schema, config)

    def _inner(self, schema: Core, part: str | int, config: Any) -> tuple[Core, Any] | None:
        """Return the schema and the configuration of a member or an item."""
        while True:
            kind = schema["type"]
            if kind == "definition-ref":
                schema = self._definitions[schema["schema_ref"]]
            elif kind in _WRAPPERS:
                if schema.get("custom_init") or schema.get("on_error", "raise") != "raise":
                    return None
                config = schema.get("config", config)
                schema = schema[_WRAPPERS[kind]]
            else:
                break
        inner = _member(schema, part) if isinstance(part, str) else _item(schema, part)
        return None if inner is None else (inner, schema.get("config", config))

    def _nodes(self, schema: Core, closed: Sequence[str]) -> Iterator[Core]:
        """Yield the dicts inside a core schema, those of its definitions too, but nothing inside schemas of
        the types in `closed`."""
        waiting: list[Any] = [schema]
        seen: set[int] = set()
        while waiting:
            one = waiting.pop()
            if isinstance(one, list | tuple):
                waiting += one
            elif isinstance(one, dict) and id(one) not in seen:
                seen.add(id(one))
                yield one
                kind = one.get("type")
                if kind == "definition-ref":
                    waiting.append(self._definitions[one["schema_ref"]])
                elif kind not in closed:
                    waiting += [value for key, value in one.items() if key not in _NO_SCHEMAS]


def _is_call(node: Core) -> bool:
    return node.get("type") in ("with-info", "no-info") and "function" in node


def _member(schema: Core, key: str) -> Core | None:
    """Return the schema of a member; None where it is not told by its key alone."""
    kind = schema["type"]
    if kind == "dict":
        found: Core | None = schema.get("values_schema")
        return found
    if kind not in _OBJECTS:
        return None
    fields = schema["fields"]
    named = fields.items() if isinstance(fields, dict) else ((one["name"], one) for one in fields)
    for name, one in named:
        if (one.get("validation_alias") or name) == key:
            inner: Core = one["schema"]
            return inner
    return None


def _item(schema: Core, index: int) -> Core | None:
    found: Core | None = None
    if schema["type"] in ("list", "set", "frozenset"):
        found = schema.get("items_schema")
    elif schema["type"] == "tuple" and schema.get("variadic_item_index") is None:
        items = schema["items_schema"]
        found = items[index] if index < len(items) else None
    elif schema["type"] == "tuple":
        found = schema["items_schema"][min(index, schema["variadic_item_index"])]
    return found


def refuses(validator: SchemaValidator, document: bytes) -> bool:
    """Return whether a validator refuses a JSON document. What else its functions raise, the caller gets."""
    try:
        validator.validate_json(document)
    except ValidationError:
        return True
    return False

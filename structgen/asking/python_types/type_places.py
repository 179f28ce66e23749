"""The places of a type: finds what pydantic says of the value at a path of a document.

A *place* is a path such as `["items", 0, "price"]`, with the *core schema* there: pydantic's own description
of the type. A *part* is a value inside a document that is still being written. `TypeParts` makes objects of
parts, as their own types say, for programs that show them.

`PlaceValidators` judges a part with all validators of the type. The answer for a part is that of the whole
document. Where this cannot be promised there is no answer, and the part waits until the value around it has
closed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from pydantic_core import SchemaValidator

from structgen.asking.python_types.type_hints import TypeReader
from structgen.base.errors import ValidatorError

Core: TypeAlias = "dict[str, Any]"
"""A core schema: the dict from which pydantic makes the validator of a type."""

_OBJECTS: Final = ("model-fields", "typed-dict", "dataclass-args")
"""The kinds of core schemas of objects. A validator inside such an object sees only the members before it."""
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
_CHANGING: Final = ("function-before", "function-wrap")
"""The kinds of core schemas that wrap another one and may change the document before it."""
_TOLD: Final = (*_OBJECTS, "dict", "list", "set", "frozenset", "tuple")
"""The kinds of core schemas whose members or items can be judged one by one."""
_NO_SCHEMAS: Final = ("metadata", "serialization", "default")
"""The keys of a core schema under which there are no core schemas."""


class TypePlace(NamedTuple):
    """A place of a type."""

    schema: Core
    config: Any = None
    """The configuration under which it is read."""
    cls: Any = None
    """The class whose member it is."""


class _TypePlaces(ABC):
    """The places of a type, found in its core schema (`TypeReader.core_schema`)."""

    def __init__(self, core: Any) -> None:
        self._core: Core = core
        definitions = core["definitions"] if core["type"] == "definitions" else []
        self._definitions: dict[str, Core] = {definition["ref"]: definition for definition in definitions}
        self._readers: dict[int, TypeReader[Any] | None] = {}

    def reader_at(
        self, path: Sequence[str | int], closed_parts: Sequence[tuple[Any, Any]] = ()
    ) -> TypeReader[Any] | None:
        """Return the reader of the value at a path; None where the value must not be read by itself, or where
        this is not known.

        `path` has the keys and indices from the root. `closed_parts` has, for each step of the path, the key
        and the members of the container that have closed. Cost: the depth, and once for each place of the
        type that of making the reader.
        """
        place = TypePlace(self._core)
        for depth, part in enumerate(path):
            inner = self._inner_place(
                place, part, closed_parts[depth][1] if depth < len(closed_parts) else None
            )
            if inner is None:
                return None
            place = inner
        return self._read_by(place)

    @abstractmethod
    def _inner_place(self, place: TypePlace, part: str | int, closed_members: Any) -> TypePlace | None:
        """Return the place of a member or an item; None where its key and the closed members do not decide
        it."""

    def _read_by(self, place: TypePlace) -> TypeReader[Any] | None:
        """Return the reader of a place, made once; None where its value must not be read by itself."""
        key = id(place.schema)
        if key not in self._readers:
            self._readers[key] = self._make_reader(place)
        return self._readers[key]

    def _make_reader(self, place: TypePlace) -> TypeReader[Any] | None:
        schema = place.schema
        definitions = [*self._definitions.values()]
        # a part may refer to definitions, which only the root holds
        if schema is not self._core and definitions:
            schema = {"type": "definitions", "schema": schema, "definitions": definitions}
        validator = SchemaValidator(schema, place.config, _use_prebuilt=False)
        return TypeReader(None, validator, {}, place.schema)

    def _is_around(self, schema: Core) -> bool:
        """Return whether a schema wraps another one that may be looked into."""
        return schema["type"] in _WRAPPERS or schema["type"] in _CHANGING

    def _unwrap_place(self, place: TypePlace) -> TypePlace:
        """Return a place without the schemas around the one that has members, items or a value itself."""
        schema, config, cls = place
        while True:
            config = schema.get("config", config)
            cls = schema.get("cls", cls)
            if schema["type"] == "definition-ref":
                schema = self._definitions[schema["schema_ref"]]
            elif self._is_around(schema):
                schema = schema[_WRAPPERS.get(schema["type"], "schema")]
            else:
                return TypePlace(schema, config, cls)


class TypeParts(_TypePlaces):
    """Reads parts of a type's documents: as their own types say, without the validators of the class around
    them, which may ask for other members.

    In a union of several classes the closed members show which classes are still possible. A member has a
    part where these classes agree about it. Else it is read with the object around it.
    """

    def _inner_place(self, place: TypePlace, part: str | int, closed_members: Any) -> TypePlace | None:
        """Return the place of a member or an item. In a union only the choices that are still possible
        count."""
        choices = self._possible_places(place)
        member = None
        for choice in choices:
            inner = self._own_member(choice, part)
            is_absent = inner is None and not _is_open(choice)
            # an alternative that the closed members exclude says nothing of this one
            if len(choices) > 1 and (is_absent or not self._may_hold(choice, closed_members)):
                continue  # it is not this class, or has no such member
            if inner is None or (
                member is not None and _comparable_schema(inner.schema) != _comparable_schema(member.schema)
            ):
                return None
            member = inner
        return member

    def _possible_places(self, place: TypePlace) -> list[TypePlace]:
        """Return the places that a value here may have, without None: of a union those of its choices, else
        the place itself."""
        place = self._unwrap_place(place)
        kind = place.schema["type"]
        if kind not in ("union", "tagged-union"):
            return [] if kind == "none" else [place]
        listed_choices = place.schema["choices"]
        choices = listed_choices.values() if kind == "tagged-union" else listed_choices
        schemas = [choice[0] if isinstance(choice, tuple) else choice for choice in choices]
        return [
            choice for schema in schemas for choice in self._possible_places(place._replace(schema=schema))
        ]

    def _own_member(self, place: TypePlace, part: str | int) -> TypePlace | None:
        """Return a member or an item without the validators of the class around it."""
        schema = _member_schema(place.schema, part)
        while schema is not None and (schema["type"] == "default" or _is_of_class(schema, place.cls)):
            schema = schema.get("schema")
        return None if schema is None else TypePlace(schema, place.config)

    def _may_hold(self, place: TypePlace, closed_members: Any) -> bool:
        """Tell whether an object of a class may have members that have closed, by their keys, and by the
        values that it lists (`Literal`)."""
        for key, value in closed_members.items() if isinstance(closed_members, dict) else ():
            inner = self._own_member(place, key)
            if inner is None and not _is_open(place):
                return False
            schema = {} if inner is None else self._unwrap_place(inner).schema
            if schema.get("type") == "literal":
                expected = [getattr(member, "value", member) for member in schema["expected"]]
                if getattr(value, "value", value) not in expected:
                    return False
        return True


def _is_of_class(schema: Core, cls: Any) -> bool:
    """Tell whether a schema is that of a class's own validator around one of its members."""
    function = schema["function"] if schema["type"].startswith("function-") else {}
    return cls is not None and getattr(function.get("function"), "__self__", None) is cls


def _is_open(place: TypePlace) -> bool:
    """Tell whether objects of a class may have members that it does not name."""
    behavior = place.schema.get("extra_behavior") or (place.config or {}).get("extra_fields_behavior")
    return bool(behavior == "allow")


def _comparable_schema(node: Any) -> Any:
    """Return a core schema without the parts that do not affect its documents."""
    if isinstance(node, dict):
        return {
            key: _comparable_schema(value)
            for key, value in node.items()
            if key not in ("metadata", "serialization")
        }
    return list(map(_comparable_schema, node)) if isinstance(node, list | tuple) else node


class PlaceValidators(_TypePlaces):
    """The validators of a type by the place of a value: there is a reader where its document can be judged by
    itself, and is not valid by its JSON Schema alone."""

    @property
    def functions(self) -> list[Callable[..., Any]]:
        """The functions that the type calls, its own validators among them."""
        calls = (node["function"] for node in self._inner_schemas(self._core, ()) if _is_call(node))
        return list(dict.fromkeys(getattr(function, "__func__", function) for function in calls))

    def _inner_place(self, place: TypePlace, part: str | int, closed_members: Any) -> TypePlace | None:
        place = self._unwrap_place(place)
        inner = _member_schema(place.schema, part) if place.schema["type"] in _TOLD else None
        return None if inner is None else place._replace(schema=inner)

    def _make_reader(self, place: TypePlace) -> TypeReader[Any] | None:
        return super()._make_reader(place) if self._is_judged(place.schema) else None

    def _is_around(self, schema: Core) -> bool:
        """Return whether a schema wraps another one, changes no document first, and passes over no
        fault."""
        plain = not schema.get("custom_init") and schema.get("on_error", "raise") == "raise"
        return schema["type"] in _WRAPPERS and plain

    def _is_judged(self, schema: Core) -> bool:
        if schema is self._core:
            return True
        calls = [node for node in self._inner_schemas(schema, ()) if _is_call(node)]
        # A validator that is told of other members has to wait for them.
        outside = any(
            node["type"] == "with-info" for node in self._inner_schemas(schema, _OBJECTS) if _is_call(node)
        )
        return bool(calls) and not outside

    def _inner_schemas(self, schema: Core, skipped_kinds: Sequence[str]) -> Iterator[Core]:
        """Yield the dicts inside a core schema, those of its definitions too, but nothing inside schemas of
        the types in `skipped_kinds`."""
        waiting: list[Any] = [schema]
        visited: set[int] = set()
        while waiting:
            node = waiting.pop()
            if isinstance(node, list | tuple):
                waiting += node
            elif isinstance(node, dict) and id(node) not in visited:
                visited.add(id(node))
                yield node
                kind = node.get("type")
                if kind == "definition-ref":
                    waiting.append(self._definitions[node["schema_ref"]])
                # whoever asks judges the members of these kinds by themselves
                elif kind not in skipped_kinds:
                    waiting += [value for key, value in node.items() if key not in _NO_SCHEMAS]


def _is_call(node: Core) -> bool:
    return node.get("type") in ("with-info", "no-info") and "function" in node


def _member_schema(schema: Core, part: str | int) -> Core | None:
    """Return the core schema of a member or an item; None where the key alone does not decide it."""
    kind = schema["type"]
    inner = None
    if isinstance(part, int):
        if kind in ("list", "set", "frozenset", "deque", "generator"):
            inner = schema.get("items_schema")
        elif kind == "tuple":
            items = schema["items_schema"]
            last = schema.get("variadic_item_index")
            part = part if last is None else min(part, last)
            inner = items[part] if part < len(items) else None
    elif kind in ("dict", "ordered-dict"):
        inner = schema.get("values_schema")
    elif kind in (*_OBJECTS, "named-tuple"):
        fields = schema["fields"]
        named_fields = (
            fields.items() if isinstance(fields, dict) else ((field["name"], field) for field in fields)
        )
        schemas = (
            field["schema"] for name, field in named_fields if (field.get("validation_alias") or name) == part
        )
        inner = next(schemas, None)
    return inner


def is_refused(reader: TypeReader[Any], document: bytes) -> bool:
    """Return whether a type refuses a JSON document. What else its functions raise, the caller gets."""
    try:
        reader.read_document(document)
    except ValidatorError:
        return True
    return False

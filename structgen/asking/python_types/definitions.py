"""Makes the key under which the reading of a type is kept, so that the same type is not read again.

A type that has changed since is read again, even if its name is the same.
"""

from __future__ import annotations

import typing
from typing import Any, Final

from structgen.asking.python_types.descriptions import NOT_READ, field_hints, hints_inside, package_of

_HOOKS: Final = {
    "__get_pydantic_core_schema__",
    "__get_pydantic_json_schema__",
    "__is_annotated_types_grouped_metadata__",
}
"""Methods by which a class, or metadata, writes a schema. The schema may depend on anything."""
_WRITERS: Final = (
    "json_schema_extra",
    "field_title_generator",
    "model_title_generator",
    "get_pydantic_core_schema",
    "get_pydantic_json_schema",
)
"""Members of pydantic's metadata and configurations. A function there may change the schema too."""
_BY_TEXT: Final = frozenset(("builtins", "pydantic", "annotated_types", "structgen"))
"""Packages whose metadata `repr` tells whole."""


class Definition:
    """A type, with all that its reading depends on. Equal ones are read alike: they have the same classes
    (not classes of the same names), with the same attributes, and names in annotations stand for the same."""

    __slots__ = ("_marks", "_referents", "hint")

    def __init__(self, hint: Any) -> None:
        """Raises TypeError for a hint that is to be read each time: one with a name that is looked up where
        it is read, or with a class or metadata that write schemas of their own. Cost: some 10 us a class."""
        self.hint = hint
        self._referents: list[Any] = []
        """What the marks have by its `id`: who is held, keeps it."""
        self._marks: list[Any] = []
        for inner, place in hints_inside(hint):
            self._marks.append(place)
            self._mark_hint(inner)

    def _mark_hint(self, hint: Any) -> None:
        base = typing.get_origin(hint) or hint
        inside = typing.get_args(hint)
        if isinstance(base, str | typing.ForwardRef):
            raise TypeError("the type that the name stands for is only known where it is read")
        if isinstance(base, list | tuple):
            inside = tuple(base)
            base = type(base)
        # two types with equal parts in other groups are not equal
        self._marks.append(len(inside))
        self._mark_objects(base)
        if base is typing.Literal:
            self._marks += [(type(value), value) for value in inside]
        for metadata in getattr(hint, "__metadata__", ()):
            is_by_text = package_of(type(metadata)) in _BY_TEXT
            writers = [getattr(metadata, name, None) for name in _WRITERS]
            if any(map(callable, writers)) or (
                not is_by_text and any(hasattr(metadata, hook) for hook in _HOOKS)
            ):
                raise TypeError("it defines a schema of its own")
            self._referents.append(metadata)
            self._marks += [type(metadata), repr(metadata), is_by_text or id(metadata)]
        for kind in base.__mro__ if isinstance(base, type) else ():
            if package_of(kind) not in NOT_READ:
                self._mark_class(kind)

    def _mark_objects(self, *objects: Any) -> None:
        """Take some objects themselves into account."""
        self._referents += objects
        self._marks += map(id, objects)

    def _mark_class(self, kind: type) -> None:
        attributes = vars(kind)
        config = attributes.get("model_config", attributes.get("__pydantic_config__", {}))
        members = [*map(vars, attributes.get("_member_map_", {}).values())]
        plain = attributes.get("__dataclass_fields__", {}).values()
        fields = [*attributes.get("__pydantic_fields__", {}).values(), *(field.default for field in plain)]
        extras = [*map(config.get, _WRITERS)]
        extras += [getattr(field, name, None) for field in fields for name in _WRITERS]
        # what a function writes may differ at each call
        if _HOOKS & attributes.keys() or any(map(callable, extras)):
            raise TypeError("it defines a schema of its own")
        names = attributes.get("__annotations__", {}).values()
        if any(isinstance(name, str | typing.ForwardRef) for name in names) and not field_hints(kind):
            raise TypeError("a name in it is not defined")
        self._marks += [*attributes, repr((config, extras, members, plain))]
        self._mark_objects(*attributes.values())
        for value in attributes.values():
            if isinstance(value, dict):
                self._marks += value
                self._mark_objects(*value.values())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Definition) and self._marks == other._marks

    def __hash__(self) -> int:
        return hash(tuple(self._marks))

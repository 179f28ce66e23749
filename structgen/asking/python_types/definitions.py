"""The key under which the reading of a type is kept. A type that comes again is not read again. A type that
has changed since, whatever its name, is read anew."""

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

    __slots__ = ("_held", "_marks", "hint")

    def __init__(self, hint: Any) -> None:
        """Raises TypeError for a hint that is to be read each time: one with a name that is looked up where
        it is read, or with a class or metadata that write schemas of their own. Cost: some 10 us a class."""
        self.hint = hint
        self._held: list[Any] = []
        """What the marks have by its `id`: who is held, keeps it."""
        self._marks: list[Any] = []
        for inner, place in hints_inside(hint):
            self._marks.append(place)
            self._mark(inner)

    def _mark(self, hint: Any) -> None:
        base, inside = typing.get_origin(hint) or hint, typing.get_args(hint)
        if isinstance(base, str | typing.ForwardRef):
            raise TypeError("which type the name stands for is known where it is read")
        if isinstance(base, list | tuple):
            inside, base = tuple(base), type(base)
        self._marks.append(len(inside))
        self._same(base)
        if base is typing.Literal:
            self._marks += [(type(value), value) for value in inside]
        for said in getattr(hint, "__metadata__", ()):
            is_told = package_of(type(said)) in _BY_TEXT
            writers = [getattr(said, name, None) for name in _WRITERS]
            if any(map(callable, writers)) or (not is_told and any(hasattr(said, hook) for hook in _HOOKS)):
                raise TypeError("it writes a schema of its own")
            self._held.append(said)
            self._marks += [type(said), repr(said), is_told or id(said)]
        for kind in base.__mro__ if isinstance(base, type) else ():
            if package_of(kind) not in NOT_READ:
                self._mark_class(kind)

    def _same(self, *objects: Any) -> None:
        """Take some objects themselves into account."""
        self._held += objects
        self._marks += map(id, objects)

    def _mark_class(self, kind: type) -> None:
        own = vars(kind)
        config = own.get("model_config", own.get("__pydantic_config__", {}))
        members = [*map(vars, own.get("_member_map_", {}).values())]
        plain = own.get("__dataclass_fields__", {}).values()
        fields = [*own.get("__pydantic_fields__", {}).values(), *(field.default for field in plain)]
        extras = [*map(config.get, _WRITERS)]
        extras += [getattr(field, name, None) for field in fields for name in _WRITERS]
        if _HOOKS & own.keys() or any(map(callable, extras)):
            raise TypeError("it writes a schema of its own")
        names = own.get("__annotations__", {}).values()
        if any(isinstance(name, str | typing.ForwardRef) for name in names) and not field_hints(kind):
            raise TypeError("a name in it is not defined")
        self._marks += [*own, repr((config, extras, members, plain))]
        self._same(*own.values())
        for value in own.values():
            if isinstance(value, dict):
                self._marks += value
                self._same(*value.values())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Definition) and self._marks == other._marks

    def __hash__(self) -> int:
        return hash(tuple(self._marks))

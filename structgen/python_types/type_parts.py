"""The parts of a type: what a member or an item of its documents is, for reading one that has closed."""

from __future__ import annotations

import collections.abc
import dataclasses
import json
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Union

from structgen.errors import UnsupportedError
from structgen.python_types.type_hints import TypeReader, read_type

_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping, collections.OrderedDict)
_WRAPPERS = (typing.Required, typing.NotRequired, typing.Final)


class TypePart:
    """A type, and the parts of its documents, each made when it is first asked for.

    In a union of several classes it is told by what has closed which of them it may be; a member has a part
    where those agree about it, else it is read with what holds it.
    """

    __slots__ = ("_alike", "_bare", "_choices", "_config", "_known", "_reader", "hint")

    def __init__(self, hint: Any, config: Mapping[str, Any] | None = None) -> None:
        self.hint, self._config, self._bare = hint, config, _bare(hint)
        arguments = typing.get_args(self._bare)
        self._alike = typing.get_origin(self._bare) is not tuple or Ellipsis in arguments
        """Whether all items are of one type."""
        union = typing.get_origin(self._bare) in (Union, types.UnionType)
        others = [one for one in typing.get_args(self._bare) if one is not type(None)] if union else []
        self._choices = [TypePart(one, config) for one in others]
        """The types of a union of several."""
        self._known: dict[str | int, TypePart | None] = {}
        self._reader: TypeReader[Any] | bool | None = None

    def read(self, document: bytes) -> Any:
        """Return the object of a part's document; as JSON has it, where its type cannot be read without the
        class that holds it. Errors: ValidatorError."""
        if self._reader is None:
            try:
                self._reader = read_type(self.hint, config=self._config)
            except UnsupportedError:
                self._reader = False
        return self._reader.read(document) if isinstance(self._reader, TypeReader) else json.loads(document)

    def at(self, parts: tuple[str | int, ...], held: Sequence[tuple[Any, Any]] = ()) -> TypePart | None:
        """Return the part at a place, keys and indices from here; None where it cannot be told. `held`: the
        containers on the way, from here, each after its key, with what has closed in them."""
        found: TypePart | None = self
        for depth, part in enumerate(parts):
            if found is None:
                return None
            if found._choices:
                found = found._agreed(part, held[depth][1] if depth < len(held) else None)
            else:
                found = found._inner(part)
        return found

    def _agreed(self, key: str | int, held: Any) -> TypePart | None:
        """Return the part at one key or index of a union: of those that it may still be."""
        found: TypePart | None = None
        for one in self._choices:
            if not one._may_hold(held):
                continue
            inner = one._inner(key)
            if inner is None and not one._is_open:
                continue  # this class has no such member
            if inner is None or (found is not None and inner.hint != found.hint):
                return None
            found = inner
        return found

    def _may_hold(self, held: Any) -> bool:
        """Tell whether an object of this class may have members that have closed, by their keys, and by the
        values that it lists (`Literal`)."""
        if not isinstance(held, dict):
            return True
        for key, value in held.items():
            inner = self._inner(key)
            if inner is None:
                if self._is_open:
                    continue
                return False
            if typing.get_origin(inner._bare) is typing.Literal:
                listed = [getattr(one, "value", one) for one in typing.get_args(inner._bare)]
                if getattr(value, "value", value) not in listed:
                    return False
        return True

    @property
    def _is_open(self) -> bool:
        """Whether objects of the class may have members that it does not name."""
        config = getattr(self._bare, "__pydantic_config__", None) or getattr(self._bare, "model_config", None)
        return isinstance(config, Mapping) and config.get("extra") == "allow"

    def _inner(self, key: str | int) -> TypePart | None:
        """Return the part at one key or index."""
        kept: str | int = 0 if self._alike and isinstance(key, int) else key
        if kept not in self._known:
            hint = self._bare
            arguments, origin = typing.get_args(hint), typing.get_origin(hint)
            inner = _item(hint, origin, arguments, key) if isinstance(key, int) else _member(hint, key)
            config = getattr(hint, "__pydantic_config__", None) or getattr(hint, "model_config", None)
            self._known[kept] = None if inner is None else TypePart(inner, config or self._config)
        return self._known[kept]


def _bare(hint: Any) -> Any:
    """Return a hint without its annotations, and without `| None`."""
    while True:
        origin = typing.get_origin(hint)
        if origin is Annotated or origin in _WRAPPERS:
            hint = typing.get_args(hint)[0]
        elif origin in (Union, types.UnionType):
            others = [one for one in typing.get_args(hint) if one is not type(None)]
            if len(others) != 1:
                return hint
            hint = others[0]
        elif isinstance(hint, typing.TypeAliasType if hasattr(typing, "TypeAliasType") else ()):
            hint = hint.__value__
        else:
            return hint


def _item(hint: Any, origin: Any, arguments: tuple[Any, ...], index: int) -> Any:
    if origin is tuple and Ellipsis not in arguments:
        return arguments[index] if index < len(arguments) else None
    listed = isinstance(origin, type) and issubclass(origin, collections.abc.Iterable)
    if listed and not issubclass(origin, collections.abc.Mapping) and arguments:
        return arguments[0]
    return None


def _member(hint: Any, key: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in _MAPPINGS:
        return arguments[1] if len(arguments) == 2 else None
    fields = getattr(hint, "__pydantic_fields__", None)
    if fields is not None:
        for name, field in fields.items():
            if key == (field.validation_alias or field.alias or name):
                return field.rebuild_annotation()
        return None
    if not isinstance(hint, type):
        return None
    attributes = vars(hint).get("__attrs_attrs__")
    named = attributes is not None or dataclasses.is_dataclass(hint) or typing.is_typeddict(hint)
    if not named and not (issubclass(hint, tuple) and hasattr(hint, "_fields")):
        return None
    try:
        hints = typing.get_type_hints(hint, include_extras=True)
    except NameError:
        return None
    if attributes is not None:
        key = next((field.name for field in attributes if field.alias == key), key)
    found = hints.get(key)
    return typing.get_args(found)[0] if typing.get_origin(found) in _WRAPPERS else found

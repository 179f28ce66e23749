"""Plain JSON values of objects as their types read them, where what pydantic writes is something else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any


def by_fields(value: Any) -> Any:
    """Return the plain JSON value of an object, field by field: each under the name that is read, hidden and
    excluded ones too, without computed ones and serializers. A number has no needless fraction. A decimal is
    a number, unless it has more digits than a float.

    Errors: those of pydantic for a value that JSON does not have; RecursionError for one that is too deep.
    """
    match value:
        case float() if value.is_integer():
            return int(value)
        case Decimal() if value.is_finite() and Decimal(repr(float(value))) == value:
            return by_fields(float(value))
        # a member of an enumeration of strings is a str of another module
        case None | str() | bool() | int() | float() if type(value).__module__ == "builtins":
            return value
        case Mapping():
            return {
                key if isinstance(key, str) else _pydantic_value(key): by_fields(item)
                for key, item in value.items()
            }
    if hasattr(value, "get_secret_value"):  # pydantic writes asterisks
        return by_fields(value.get_secret_value())
    # a named tuple is an object with fields
    if isinstance(value, list | tuple | set | frozenset) and not hasattr(value, "_fields"):
        return [by_fields(item) for item in value]
    if getattr(type(value), "__pydantic_root_model__", False):
        return by_fields(value.root)
    fields = {} if isinstance(value, type) else dict(_named_fields(value))
    if not fields:
        return _pydantic_value(value)
    return {name: by_fields(item) for name, item in fields.items()}


def _pydantic_value(value: Any) -> Any:
    """Return a value as pydantic writes it. Errors: those of pydantic."""
    # optional: pydantic
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value, by_alias=True)


def _named_fields(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the fields of an object of pydantic, a dataclass or a named tuple, under the names that are
    read."""
    pydantic_fields = getattr(type(value), "__pydantic_fields__", {})
    names: list[str] = [*pydantic_fields] or [*getattr(value, "_fields", ())]
    if not pydantic_fields and dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
    for name in names:
        alias = getattr(pydantic_fields.get(name), "validation_alias", None)
        first = getattr(alias, "choices", [alias])[0]  # of several aliases the first is read
        yield first if isinstance(first, str) else name, getattr(value, name)
    yield from (getattr(value, "__pydantic_extra__", None) or {}).items()

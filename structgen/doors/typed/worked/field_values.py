"""Plain JSON values of objects as their types read them, where what pydantic writes is something else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any


def by_fields(value: Any) -> Any:
    """Return the plain JSON value of an object, field by field: each under the name that is read, hidden and
    excluded ones too, without computed ones and serializers. A number has no needless fraction; of a decimal
    it has the value, unless that has more digits than a float.

    Errors: those of pydantic for what is no value of JSON; RecursionError for one that is too deep.
    """
    match value:
        case float() if value.is_integer():
            return int(value)
        case Decimal() if value.is_finite() and Decimal(repr(float(value))) == value:
            return by_fields(float(value))
        case None | str() | bool() | int() | float() if type(value).__module__ == "builtins":
            return value
        case Mapping():
            return {
                key if isinstance(key, str) else _pydantic_value(key): by_fields(item)
                for key, item in value.items()
            }
    if hasattr(value, "get_secret_value"):
        return by_fields(value.get_secret_value())
    if isinstance(value, list | tuple | set | frozenset) and not hasattr(value, "_fields"):
        return [by_fields(item) for item in value]
    if getattr(type(value), "__pydantic_root_model__", False):
        return by_fields(value.root)
    fields = {} if isinstance(value, type) else dict(_named_fields(value))
    return {name: by_fields(item) for name, item in fields.items()} if fields else _pydantic_value(value)


def _pydantic_value(value: Any) -> Any:
    # optional: pydantic
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value, by_alias=True)


def _named_fields(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the fields of an object of pydantic, a dataclass or a named tuple, under the names that are
    read."""
    pydantic_fields = getattr(type(value), "__pydantic_fields__", {})
    names = (
        [*pydantic_fields] or [field.name for field in dataclasses.fields(value)]
        if pydantic_fields or dataclasses.is_dataclass(value)
        else getattr(value, "_fields", ())
    )
    for name in names:
        alias = getattr(pydantic_fields.get(name), "validation_alias", None)
        first = getattr(alias, "choices", [alias])[0]
        yield first if isinstance(first, str) else name, getattr(value, name)
    yield from (getattr(value, "__pydantic_extra__", None) or {}).items()

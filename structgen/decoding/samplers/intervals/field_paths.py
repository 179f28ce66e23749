"""Paths of the fields of draws: "city", "address.city", "tags[]" (any item of a list), "tags.length"."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Final, TypeAlias

ABSENT: Final = "(absent)"
"""The value of a field that a draw does not have."""
LENGTH_OF_TEXT: Final = "length of the text"
"""What reports call the number of characters of a text."""
MOST_FIELDS: Final = 64
"""The most fields of which reports tell, and of which ranges are looked up: those of one page."""
ITEM: Final = "[]"
"""A step of a path to any item of a list."""
LENGTH: Final = "length"
"""A step to the number of items of a list."""
Path: TypeAlias = "tuple[str, ...]"
"""A path into a JSON value: keys, and steps into lists; () is the whole value."""


def show_path(path: Path) -> str:
    """Return a path as text, the format of `Samples.marginals`."""
    text = ""
    for step in path:
        text += step if step == ITEM or not text else f".{step}"
    return text


def paths_of(values: list[Any]) -> list[Path]:
    """Return the paths of all fields that hold a value, in order of first appearance."""
    paths: dict[Path, None] = {}
    for value in values:
        for path in _walk_paths(value, ()):
            paths.setdefault(path)
    return list(paths)


def _walk_paths(value: Any, path: Path) -> Iterator[Path]:
    """Yield the paths of all fields in a value that stands at a path; each item of a list has the same."""
    # An empty object has no field below it, so it is a value itself.
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _walk_paths(inner, (*path, key))
    elif isinstance(value, list):
        yield (*path, LENGTH)
        for inner in value:
            yield from _walk_paths(inner, (*path, ITEM))
    else:
        yield path


def values_at(value: Any, path: Path) -> dict[Any, Any]:
    """Return the values of a draw at a path, by a key that tells 1, 1.0 and True apart (`key_values`):
    several for a path through lists."""
    values = [value]
    for step in path:
        inner_values = (_inner_values(outer, step) for outer in values)
        values = list(chain.from_iterable(inner_values))
    # A path through items may have no value. Any other field counts as absent then.
    return key_values(values if ITEM in path else values[:1] or [ABSENT])


def parse_path(text: str) -> Path:
    """Return the path that a text names."""
    # "tags[]" becomes "tags.[]": an item is a step of its own.
    return tuple(filter(None, text.replace(ITEM, f".{ITEM}").split(".")))


def _inner_values(value: Any, step: str) -> list[Any]:
    """Return the values one step of a path below a value: none, one, or all items of a list."""
    # A named tuple has fields, like an object, and is no list.
    if isinstance(value, list | tuple | set | frozenset) and not hasattr(value, "_fields"):
        if step == ITEM:
            return list(value)
        return [len(value)] if step == LENGTH else []
    if isinstance(value, Mapping):
        return [value[step]] if step in value else []
    return [getattr(value, step)] if hasattr(value, step) else []


def key_values(values: list[Any]) -> dict[Any, Any]:
    """Return values by a key that tells 1, 1.0 and True apart, each once; lists and objects as JSON text."""
    return {_value_key(value): _plain_value(value) for value in values}


def _plain_value(value: Any) -> Any:
    """Return a value, a list or an object as JSON text."""
    return value if not isinstance(value, list | dict) else json.dumps(value, ensure_ascii=False)


def _value_key(value: Any) -> Any:
    """Return a key that distinguishes values: 1, 1.0 and True are three."""
    plain = _plain_value(value)
    try:
        hash(plain)
    except TypeError:
        plain = repr(plain)  # an object of the caller's that cannot be a key
    return type(plain), plain

"""Names the fields of draws by paths, and finds the values at a path.

A *path* is the keys that lead from a JSON value to one of its parts. Two *steps* are special: `[]` is any
item of a list, and `length` the number of its items. As texts, paths are "city", "address.city", "tags[]" and
"tags.length". A *field* is what a path names in all draws. For example, {"tags": ["a", "b"]} has the paths
"tags.length", with the value 2, and "tags[]", with the values "a" and "b".
"""

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
"""The most fields that a report shows, and whose ranges are looked up: as many as one page has room for."""
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
    """Yield the paths of all fields in `value`, which is itself at `path`. All items of a list have the same
    path."""
    # An empty object has no fields, so it counts as a value.
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
    """Return the values of a draw at a path, by keys that distinguish 1, 1.0 and True (`key_values`). A path
    through the items of lists may have several values."""
    values = [value]
    for step in path:
        inner_values = (_inner_values(outer, step) for outer in values)
        values = list(chain.from_iterable(inner_values))
    # A path through items may have no value. Any other field without a value has the value ABSENT.
    return key_values(values if ITEM in path else values[:1] or [ABSENT])


def parse_path(text: str) -> Path:
    """Return the path that a text names."""
    # "tags[]" becomes "tags.[]": an item is a step of its own.
    return tuple(filter(None, text.replace(ITEM, f".{ITEM}").split(".")))


def _inner_values(value: Any, step: str) -> list[Any]:
    """Return the values to which one step of a path leads from `value`: [], one value, or all items of a
    list."""
    # A named tuple has fields, like an object, so it does not count as a list.
    if isinstance(value, list | tuple | set | frozenset) and not hasattr(value, "_fields"):
        if step == ITEM:
            return list(value)
        return [len(value)] if step == LENGTH else []
    if isinstance(value, Mapping):
        return [value[step]] if step in value else []
    return [getattr(value, step)] if hasattr(value, step) else []


def key_values(values: list[Any]) -> dict[Any, Any]:
    """Return each distinct value once, by a key that distinguishes 1, 1.0 and True. Lists and objects are
    returned as JSON text. For example, [1, 1, True] has two keys."""
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

"""Values near what a keyword forbids, made from the keyword alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

SIMPLE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 1.5, 12, 1000, -1000.25, 1e9),
    *("", "a", "aB", "zz z", "0", "12", "a" * 40, "é", "-", "2020-02-30", "x@y", "http://a/b", "\n"),
    *([], [0], [0, 0], [0, 1, 2], ["a"], [None, "a", {}], [[]], [{}]),
    *({}, {"zz": 0}, {"zz": "a", "a": 1}, {"zz": {}}),
)


def parts(values: Iterable[Any]) -> Iterator[Any]:
    """Yield the values within some values, each text once, and what is left of them without a member or an
    item."""
    seen: set[str] = set()
    stack = list(values)[::-1]
    while stack:
        value = stack.pop()
        if repr(value) in seen:
            continue
        seen.add(repr(value))
        yield value
        if isinstance(value, dict):
            stack.extend(value.values())
            for key in value:
                yield {other: member for other, member in value.items() if other != key}
        elif isinstance(value, list):
            stack.extend(value)
            yield value[1:]
            yield value + value[:1]


def violators(keyword: str, raw: dict[str, Any]) -> Iterator[Any]:
    """Yield values that a keyword of a schema's JSON object may tell apart."""
    yield from SIMPLE
    value = raw[keyword]
    listed = value if isinstance(value, list) else [value]
    for one in listed:
        if not isinstance(one, (dict, bool)):
            yield from _around(one)
    keys = [*(value if isinstance(value, dict) else ()), *(one for one in listed if isinstance(one, str))]
    whole = dict.fromkeys((*keys, *raw.get("required", ()), *raw.get("properties", {})), 0)
    yield whole
    for key in keys[:20]:
        for child in SIMPLE:
            yield {key: child}
        yield {other: member for other, member in whole.items() if other != key}
    for child in SIMPLE:
        yield [child]
        yield [child, child]
        yield {"zz": child}
        yield {**whole, "zz": child}
    yield from raw.get("enum", ())
    if "const" in raw:
        yield raw["const"]


def _around(value: Any) -> Iterator[Any]:
    """Yield values next to one: a number a little to each side, strings and containers of so many parts."""
    yield value
    if isinstance(value, (int, float)) and abs(value) < 1e15:
        for step in (-1, 1, -0.5, 0.5):
            yield value + step
        yield value * 2
        if isinstance(value, int) and 0 <= value < 3000:
            for size in (value - 1, value, value + 1):
                if size >= 0:
                    yield "a" * size
                    yield [0] * size
                    yield list(range(size))
                    yield {f"k{at}": 0 for at in range(size)}
    elif isinstance(value, str):
        yield value + "a"
        yield value[:-1]
        yield value.swapcase()

"""Unions of many objects, made to be hard: the families of union_families.py at sizes where combinations of
branches would be out of reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hostile_case import Hostile, dumps
from union_families import FAMILIES, HARDER

_OF_NAME = {family.name: family for family in (*FAMILIES, *HARDER)}
_SIZES = {
    "optional constant": 1_000,
    "required constant": 1_000,
    "optional constant, other columns": 100,
    "optional enum": 1_000,
    "optional pattern": 1_000,
    "optional range": 1_000,
    "catch-all": 200,
    "if and then": 1_000,
    "if, then and else": 100,
    "none of": 60,
    "union in a union": 16,
    "own columns": 60,
    "one branch without a tag": 40,
    "thresholds": 20,
    "overlapping ranges": 80,
    "overlapping patterns": 30,
    "no neighbours": 24,
}
_WRONG: dict[str, Any] = {
    "overlapping patterns": {"x": "a1 a2"},
    "overlapping ranges": {"x": 40},
    "no neighbours": {"a1": 0, "a2": 0},
    "one branch without a tag": {"type": "t1", "c1": "x", "c39": "x"},
    "thresholds": {"x": 1},
    "none of": {"type": "t1", "column": 7},
    "if, then and else": {"type": "t1", "column": 0},
}


def _document(name: str, size: int) -> Callable[[], tuple[str, ...]]:
    return lambda: dumps(_OF_NAME[name].document(size))


def _wrong(name: str) -> Callable[[], tuple[str, ...]]:
    return lambda: dumps(_WRONG.get(name, {"type": "t1", "column": "x", "c1": "x"}))


def _make(name: str, size: int) -> Callable[[], Any]:
    return lambda: _OF_NAME[name].make(size)


NO_KEY = "1,000 branches that no key tells apart"

UNIONS = [
    Hostile(f"union: {name}, {size:,}", _make(name, size), _document(name, size), _wrong(name))
    for name, size in _SIZES.items()
]
UNIONS.append(
    Hostile(
        NO_KEY,
        lambda: {"type": "object", "oneOf": [{"required": [f"k{at}"]} for at in range(1_000)]},
        lambda: (),
        lambda: (),
    )
)

"""Unions of objects whose branches the values of some keys decide: families of any size, with small worlds of
documents to try on them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Json = Any


@dataclass(frozen=True)
class Family:
    """Unions of `size` branches, a document of each, and the values to try under each key."""

    name: str
    make: Callable[[int], Json]
    document: Callable[[int], Json]
    world: Callable[[int], dict[str, list[Json]]]
    """Keys in the declared order, each with values."""

    def documents(self, size: int) -> Iterator[Json]:
        """Yield the objects of the world, their keys in the declared order; each key may be absent."""
        world = self.world(size)
        absent = object()
        for values in itertools.product(*([absent, *values] for values in world.values())):
            yield {key: value for key, value in zip(world, values, strict=True) if value is not absent}


def _object(**keywords: Json) -> Json:
    return {"type": "object", **keywords}


def _tag(at: int) -> str:
    return f"t{at}"


def _tagged(word: str, of_branch: Callable[[int], Json], *required: str) -> Callable[[int], Json]:
    """Return unions by `type`, each branch with further properties."""

    def make(size: int) -> Json:
        branches: list[Json] = []
        for at in range(size):
            branch = {"properties": {"type": {"const": _tag(at)}, **of_branch(at)}}
            branches.append({**branch, "required": list(required)} if required else branch)
        return _object(**{word: branches})

    return make


def _same_column(_: int) -> Json:
    return {"column": {"type": "integer"}}


def _column_from(at: int) -> Json:
    return {"column": {"type": "integer", "minimum": at}}


def _own_column(at: int) -> Json:
    return {f"c{at}": {"type": "integer"}}


def _by_discriminator(of_type: Callable[[int], Json]) -> Callable[[int], Json]:
    def make(size: int) -> Json:
        return _object(
            oneOf=[{"properties": {"type": of_type(at), "column": {"type": "integer"}}} for at in range(size)]
        )

    return make


def _with_catch_all(size: int) -> Json:
    closed = [
        {
            "properties": {"type": {"const": _tag(at)}, f"c{at}": {"type": "integer"}},
            "additionalProperties": False,
        }
        for at in range(size)
    ]
    listed = {"type": "string", "enum": [_tag(at) for at in range(size)]}
    other = _object(
        required=["type"],
        properties={"type": {"type": "string"}},
        **{"not": {"properties": {"type": listed}}},
    )
    return _object(required=["type"], oneOf=[*closed, other])


def _chain(size: int) -> Json:
    rules = [
        {"if": {"properties": {"type": {"const": _tag(at)}}}, "then": {"properties": _column_from(at)}}
        for at in range(size)
    ]
    return _object(properties={"type": {"enum": [_tag(at) for at in range(size)]}}, allOf=rules)


def _else_chain(size: int) -> Json:
    found: Json = {"properties": {"column": {"type": "null"}}}
    for at in reversed(range(size)):
        test = {"properties": {"type": {"const": _tag(at)}}, "required": ["type"]}
        found = {"if": test, "then": {"properties": _column_from(at)}, "else": found}
    return _object(**found)


def _nested(size: int) -> Json:
    inner = [
        {"properties": {"kind": {"const": f"k{at}"}, "column": {"type": "integer"}}} for at in range(size)
    ]
    return _object(
        oneOf=[
            {"properties": {"type": {"const": _tag(at)}}, "allOf": [{"oneOf": inner}]} for at in range(size)
        ]
    )


def _with_one_untagged(size: int) -> Json:
    made = _tagged("oneOf", _own_column)(size)
    made["oneOf"][-1]["properties"].pop("type")
    return made


def _none_of(size: int) -> Json:
    denied = [
        {"properties": {"type": {"const": _tag(at)}, **_column_from(at)}, "required": ["type", "column"]}
        for at in range(size)
    ]
    return _object(**{"not": {"anyOf": denied}})


def _thresholds(size: int) -> Json:
    return _object(
        oneOf=[{"properties": {"x": {"minimum": at}, f"a{at}": {"type": "integer"}}} for at in range(size)]
    )


def _small(size: int) -> Json:
    return {"type": "t1", "column": size}


def _tags(size: int) -> dict[str, list[Json]]:
    return {"type": [*(_tag(at) for at in range(size)), "other", 5], "column": [0, 1, size, "x", None]}


def _tags_and_own(size: int) -> dict[str, list[Json]]:
    return {"type": [_tag(0), _tag(1), "other"], **{f"c{at}": [1, "x"] for at in range(size)}}


FAMILIES = [
    Family("optional constant", _tagged("oneOf", _same_column), _small, _tags),
    Family("optional constant, anyOf", _tagged("anyOf", _same_column), _small, _tags),
    Family("required constant", _tagged("oneOf", _column_from, "type"), _small, _tags),
    Family("optional constant, other columns", _tagged("oneOf", _column_from), _small, _tags),
    Family("constant and column required", _tagged("oneOf", _column_from, "type", "column"), _small, _tags),
    Family(
        "optional enum",
        _by_discriminator(lambda at: {"enum": [_tag(at), f"u{at}"]}),
        lambda size: {"type": "u1", "column": size},
        lambda size: {"type": ["t0", "u0", "u1", "v"], "column": [1, "x"]},
    ),
    Family(
        "optional pattern",
        _by_discriminator(lambda at: {"type": "string", "pattern": f"^t{at}-"}),
        lambda size: {"type": "t1-x", "column": size},
        lambda size: {"type": ["t0-", "t1-x", "t", 1], "column": [1, "x"]},
    ),
    Family(
        "optional range",
        _by_discriminator(lambda at: {"type": "integer", "minimum": 10 * at, "maximum": 10 * at + 9}),
        lambda size: {"type": 15, "column": size},
        lambda size: {"type": [-1, 0, 9, 10, 19, 20, 500, 1.5, "x"], "column": [1, "x"]},
    ),
    Family("catch-all", _with_catch_all, lambda size: {"type": "t1", "c1": 1}, _tags_and_own),
    Family("if and then", _chain, _small, _tags),
    Family("if, then and else", _else_chain, _small, _tags),
    Family("none of", _none_of, lambda size: {"type": "t1", "column": 0}, _tags),
]
"""Decided by keys: what they cost grows with their size."""

HARDER = [
    Family(
        "union in a union",
        _nested,
        lambda size: {"type": "t1", "kind": "k1", "column": 1},
        lambda size: {"type": ["t0", "t1", "v"], "kind": ["k0", "k1", "v"], "column": [1, "x"]},
    ),
    Family("own columns", _tagged("oneOf", _own_column), lambda size: {"type": "t1", "c1": 1}, _tags_and_own),
    Family(
        "one branch without a tag",
        _with_one_untagged,
        lambda size: {"type": "t1", f"c{size - 1}": "x"},
        _tags_and_own,
    ),
    Family(
        "thresholds",
        _thresholds,
        lambda size: {"x": 0},
        lambda size: {"x": [-1, 0, 1, 2, "x"], **{f"a{at}": [1, "x"] for at in range(size)}},
    ),
    Family(
        "overlapping ranges",
        lambda size: _object(
            oneOf=[
                {"properties": {"x": {"type": "integer", "minimum": at, "maximum": at + 2}}}
                for at in range(size)
            ]
        ),
        lambda size: {"x": 0},
        lambda size: {"x": [-1, 0, 1, 2, 3, 4, 5, "x"], "y": [0]},
    ),
    Family(
        "overlapping patterns",
        lambda size: _object(
            oneOf=[
                {"properties": {"x": {"type": "string", "pattern": f"a{at}"}}, "required": ["x"]}
                for at in range(size)
            ]
        ),
        lambda size: {"x": "za1"},
        lambda size: {"x": ["", "a0", "a1", "a0a1", "a2a1", 3]},
    ),
    Family(
        "no neighbours",
        lambda size: _object(
            minProperties=2,
            **{"not": {"anyOf": [{"required": [f"a{at}", f"a{at + 1}"]} for at in range(size)]}},
        ),
        lambda size: {"a0": 0, "a2": 0},
        lambda size: {f"a{at}": [0] for at in range(size + 1)},
    ),
]
"""Branches hold together for some values: exact, at a higher price."""

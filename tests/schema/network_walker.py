"""A slow judge of values: walks a parsed JSON value through a network, evaluating every formula directly."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Any

import jsonschema_rs

from structgen.automata.numerals import NumberPool
from structgen.automata.strings import StringPool
from structgen.ir import (
    All,
    Any_,
    Demands,
    Entry,
    Format,
    Formula,
    Interval,
    Length,
    Multiple,
    Not,
    Pattern,
    Spec,
    Words,
)
from structgen.limits import Limits
from structgen.schema.grammar import json_schema
from structgen.schema.network import SchemaNetwork
from structgen.schema.values import json_string


@lru_cache(maxsize=4096)
def _judge(keyword: str, value: str) -> Any:
    schema = {"type": "string", keyword: value}
    return jsonschema_rs.validator_for(schema, validate_formats=True)


def holds(formula: Formula, value: str | Decimal) -> bool:
    """Return whether a scalar meets a formula."""
    match formula:
        case Not(inner):
            return not holds(inner, value)
        case All(parts):
            return all([holds(part, value) for part in parts])
        case Any_(parts):
            return any([holds(part, value) for part in parts])
        case Pattern(source):
            return bool(_judge("pattern", source).is_valid(value))
        case Format(name):
            return bool(_judge("format", name).is_valid(value))
        case Length(least, most):
            assert isinstance(value, str)
            return least <= len(value) and (most is None or len(value) <= most)
        case Words(of):
            return value in of
        case Interval(low, high, open_low, open_high):
            assert isinstance(value, Decimal)
            above = low is None or value > low or (value == low and not open_low)
            return above and (high is None or value < high or (value == high and not open_high))
        case Multiple(of):
            assert isinstance(value, Decimal)
            a, b = value.as_integer_ratio(), of.as_integer_ratio()
            return (a[0] * b[1]) % (a[1] * b[0]) == 0
    raise AssertionError(formula)


class _Outcomes:
    def __init__(self) -> None:
        self.ids = {frozenset({0}): 0}

    def __call__(self, demands: frozenset[int]) -> int:
        return self.ids.setdefault(demands, len(self.ids))


class Strings:
    """The network's questions about strings, put to the automata."""

    def __init__(self, limits: Limits) -> None:
        self.pool = StringPool(limits)
        self.outcomes = _Outcomes()

    def shortest(self, spec: Spec) -> Demands:
        state = self.pool.start(spec, self.outcomes)
        if state < 0:
            return {}
        return {j: json_string(word.decode()) for j, word in self.pool.finish(state).items()}

    def matches(self, formula: Formula, text: str) -> bool:
        return holds(formula, text)

    def words(self, formula: Formula, most: int) -> list[str] | None:
        state = self.pool.start(Spec((formula,)), self.outcomes)
        if state < 0:
            return []
        words = self.pool.is_finite(state, most)
        return None if words is None else [word.decode() for word in words]


class Numbers:
    """The network's questions about numbers, put to the automata."""

    def __init__(self, policy: str, limits: Limits) -> None:
        self.pool = NumberPool(policy, limits)
        self.outcomes = _Outcomes()

    def shortest(self, spec: Spec) -> Demands:
        state = self.pool.start(spec, self.outcomes)
        return {} if state < 0 else dict(self.pool.finish(state))


def network_of(schema: Any, limits: Limits | None = None, **policies: Any) -> SchemaNetwork:
    """Return the network of a schema, with the automata as its oracles."""
    limits = limits or Limits()
    grammar = json_schema(schema, **policies, limits=limits)
    network = grammar.network(Strings(limits), Numbers(grammar.policies.numbers, limits))
    assert isinstance(network, SchemaNetwork)
    return network


class Walker:
    """Judges values by a network."""

    def __init__(self, network: SchemaNetwork) -> None:
        self.network = network

    def accepts(self, value: Any) -> bool:
        """Return whether a document of this value is in the language (objects in the order of their members)."""
        return self.outcome(self.network.root, value) is not None

    def _spec(self, spec: Spec | None, value: str | Decimal) -> int | None:
        if spec is None:
            return None
        met = frozenset(j for j, formula in enumerate(spec.formulas) if holds(formula, value))
        return self.network.outcome(met) if met else None

    def outcome(self, place: int, value: Any) -> int | None:
        """Return the outcome of a value at a place, or None where it leaves the language."""
        entry: Entry = self.network.entry(place)
        if value is None:
            return entry.null
        if isinstance(value, bool):
            return entry.true if value else entry.false
        if isinstance(value, str):
            return self._spec(entry.string, value)
        if isinstance(value, (int, float, Decimal)):
            return self._spec(entry.number, Decimal(repr(value)) if isinstance(value, float) else Decimal(value))
        if isinstance(value, dict):
            return None if entry.object is None else self._object(entry.object, value.items())
        return None if entry.array is None else self._array(entry.array, value)

    def _object(self, residue: int, members: Iterable[tuple[str, Any]]) -> int | None:
        network = self.network
        for name, value in members:
            menu = network.menu(residue)
            key: Any
            if name in network.keys(residue):
                key = name
                place = menu.named.get(name)
            elif menu.extra is None:
                return None
            else:
                key = frozenset(j for j, formula in enumerate(menu.extra.formulas) if holds(formula, name))
                place = menu.extra_places.get(key)
            if place is None:
                return None
            outcome = self.outcome(place, value)
            if outcome is None:
                return None
            after = network.after(residue, key, outcome)
            self._check_simple(residue, key, after, place)
            residue = after
        return network.menu(residue).close

    def _check_simple(self, residue: int, key: Any, after: int, place: int) -> None:
        simple = self.network.simple(residue)
        if simple is not None:
            index = simple.names.index(key) if isinstance(key, str) else -1
            assert self.network.simple_after(residue, index) == after
            assert place == (simple.places[index] if index >= 0 else simple.extra)

    def _array(self, residue: int, items: list[Any]) -> int | None:
        network = self.network
        for value in items:
            place = network.items(residue).item
            if place is None:
                return None
            outcome = self.outcome(place, value)
            if outcome is None:
                return None
            residue = network.after(residue, None, outcome)
        return network.items(residue).close


def parsed(text: bytes) -> Any:
    """Return the value of a text, numbers exact."""
    return json.loads(text, parse_float=Decimal)

"""A slow judge of values: walks a parsed JSON value through a network, evaluating every formula directly."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Any

import jsonschema_rs

from structgen.automata.numbers.number_pool import NumberPool
from structgen.automata.strings.string_pool import StringPool
from structgen.json_grammars.schema_grammar import json_schema
from structgen.json_machine.answers import scalar_questions as engine
from structgen.language.ir import (
    All,
    Any_,
    Demands,
    Format,
    Formula,
    Interval,
    Length,
    Multiple,
    Not,
    Pattern,
    Points,
    Spec,
    ValueMenu,
    Words,
)
from structgen.limits import Limits
from structgen.schema.reading.json_text import exact, write
from structgen.schema.reading.json_values import json_string
from structgen.schema.recogniser.schema_network import SchemaNetwork


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
            return all(holds(part, value) for part in parts)
        case Any_(parts):
            return any(holds(part, value) for part in parts)
        case Pattern(source):
            return bool(_judge("pattern", source).is_valid(value))
        case Format(name):
            return bool(_judge("format", name).is_valid(value))
        case Length(least, most):
            assert isinstance(value, str)
            return least <= len(value) and (most is None or len(value) <= most)
        case Words(of):
            return value in of
        case Points(numbers):
            return any(value == number for number in numbers)
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

    def is_infinite(self, formula: Formula) -> bool:
        return engine.Strings(self.pool, self.outcomes).is_infinite(formula)

    def some(
        self,
        spec: Spec,
        count: int,
        avoid: Collection[str],
        accept: Callable[[frozenset[int]], bool],
        most: int,
    ) -> list[tuple[str, frozenset[int]]] | None:
        return engine.Strings(self.pool, self.outcomes).some(spec, count, avoid, accept, most)


class Numbers:
    """The network's questions about numbers, put to the automata."""

    def __init__(self, policy: str, limits: Limits) -> None:
        self.pool = NumberPool(policy, limits)
        self.outcomes = _Outcomes()

    def shortest(self, spec: Spec) -> Demands:
        state = self.pool.start(spec, self.outcomes)
        return {} if state < 0 else dict(self.pool.finish(state))


def network_of(
    schema: Any, limits: Limits | None = None, strings: Strings | None = None, **policies: Any
) -> SchemaNetwork:
    """Return the network of a schema, with the automata as its oracles, or another oracle of strings."""
    limits = limits or Limits()
    grammar = json_schema(schema, **policies, limits=limits)
    numbers = Numbers(grammar.policies.numbers, limits)
    network = grammar.network(strings or Strings(limits), numbers)
    assert isinstance(network, SchemaNetwork)
    return network


class Walker:
    """Judges values by a network."""

    def __init__(self, network: SchemaNetwork) -> None:
        self.network = network

    def accepts(self, value: Any) -> bool:
        """Return whether a document of this value is in the language (objects in the order
        of their members)."""
        return self.outcome(self.network.root, value) is not None

    def _spec(self, spec: Spec | None, value: str | Decimal) -> int | None:
        if spec is None:
            return None
        met = frozenset(j for j, formula in enumerate(spec.formulas) if holds(formula, value))
        return self.network.outcome(met) if met else None

    def outcome(self, place: int, value: Any) -> int | None:
        """Return the outcome of a value at a place, or None where it leaves the language."""
        entry: ValueMenu = self.network.entry(place)
        if value is None:
            return entry.null
        if isinstance(value, bool):
            return entry.true if value else entry.false
        if isinstance(value, str):
            return self._spec(entry.string, value)
        if isinstance(value, (int, float, Decimal)):
            return self._spec(
                entry.number, Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
            )
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
            residue = network.after(residue, None, outcome, write(exact(value)).encode())
        return network.items(residue).close


def parsed(text: bytes) -> Any:
    """Return the value of a text, numbers exact."""
    return json.loads(text, parse_float=Decimal)


_CHARACTERS = [chr(code) for code in range(0x20, 0x7F) if chr(code) not in '"\\']
_SHORT = sorted(
    {"".join(word) for size in range(4) for word in itertools.product(" !abxyz", repeat=size)}
    | set(_CHARACTERS),
    key=lambda word: (len(json_string(word)), json_string(word)),
)
"""All strings of up to three characters that the random schemas can tell apart,
the shortest literal first."""


class SlowStrings(Strings):
    """The same questions answered by trying every short string: exact for the random schemas of the tests."""

    def __init__(self) -> None:
        pass

    def shortest(self, spec: Spec) -> Demands:
        found = {}
        for j, formula in enumerate(spec.formulas):
            words = itertools.chain(sorted(_named(formula), key=json_string), _SHORT)
            fitting = [json_string(word) for word in words if holds(formula, word)]
            if fitting:
                found[j] = min(fitting, key=lambda text: (len(text), text))
        return found

    def words(self, formula: Formula, most: int) -> list[str] | None:
        found = [word for word in _SHORT if holds(formula, word)]
        return found if len(found) < 10 else None

    def is_infinite(self, formula: Formula) -> bool:
        return self.words(formula, 10) is None

    def some(
        self,
        spec: Spec,
        count: int,
        avoid: Collection[str],
        accept: Callable[[frozenset[int]], bool],
        most: int,
    ) -> list[tuple[str, frozenset[int]]] | None:
        found = []
        for word in _SHORT:
            true = frozenset(at for at, formula in enumerate(spec.formulas) if holds(formula, word))
            if word not in avoid and (spec.judge is None or spec.judge.holds(true)) and accept(true):
                found.append((word, true))
        return found[:count]


def _named(formula: Formula) -> set[str]:
    match formula:
        case Words(of):
            return set(of)
        case Not(inner):
            return _named(inner)
        case All(parts) | Any_(parts):
            return set().union(*map(_named, parts))
    return set()


class Wanderer:
    """Writes random documents of a network, and checks the completions that it is offered on the way."""

    def __init__(self, network: SchemaNetwork, chance: random.Random) -> None:
        self.network = network
        self.chance = chance
        self.walker = Walker(network)

    def document(self) -> str:
        """Return the text of a random document."""
        return self._value(self.network.root, 0)[0]

    def _met(self, outcome: int | None) -> frozenset[int]:
        assert outcome is not None
        return self.network.demands(outcome)

    def _completed(self, place: int, text: bytes, j: int) -> tuple[str, int]:
        """Check that a completed text meets the demand it was offered for."""
        outcome = self.walker.outcome(place, parsed(text))
        assert j in self._met(outcome), (text, j)
        assert outcome is not None
        return text.decode(), outcome

    def _value(self, place: int, depth: int) -> tuple[str, int]:
        network, chance = self.network, self.chance
        entry = network.entry(place)
        kinds = ("object", "array", "string", "number", "true", "false", "null")
        offered = [kind for kind in kinds if getattr(entry, kind) is not None]
        assert offered, "a place that offers nothing"
        finish = network.finish_place(place)
        assert finish, "a place without a completion"
        kind = chance.choice(offered)
        container = kind in ("object", "array")
        if depth > 3 or (container and chance.random() < 0.2 * depth):
            j = chance.choice(sorted(finish))
            return self._completed(place, finish[j], j)
        if kind == "object":
            return self._object(place, entry.object, depth)
        if kind == "array":
            return self._array(place, entry.array, depth)
        if kind == "string":
            return self._scalar(entry.string, ["", "x", "yy", "a", "abc", "zz", "ab", "b"])
        if kind == "number":
            return self._scalar(entry.number, [Decimal(text) for text in "0 1 2 3 -1 1.5 10".split()])
        return kind, getattr(entry, kind)

    def _scalar(self, spec: Spec | None, samples: list[Any]) -> tuple[str, int]:
        assert spec is not None
        self.chance.shuffle(samples)
        oracle = self.network.scalars.strings if isinstance(samples[0], str) else self.network.scalars.numbers
        samples.extend(parsed(text) for text in oracle.shortest(spec).values())
        for sample in samples:
            value = sample if isinstance(sample, str) else Decimal(sample)
            met = frozenset(j for j, formula in enumerate(spec.formulas) if holds(formula, value))
            if met:
                text = json.dumps(value) if isinstance(value, str) else str(value)
                return text, self.network.outcome(met)
        raise AssertionError("an entry without a value")

    def _object(self, place: int, residue: int | None, depth: int) -> tuple[str, int]:
        network, chance = self.network, self.chance
        assert residue is not None
        members: list[str] = []
        used: set[str] = set()
        while True:
            menu = network.menu(residue)
            finish = network.finish(residue, used)
            assert finish, "a residue of an object without a completion"
            offered: list[tuple[str, Any, int]] = [(key, key, child) for key, child in menu.named.items()]
            if menu.extra is not None:
                for name in ("zz", "q", "abb", "bz", "za", "", "z", "aa"):
                    if name in network.keys(residue) or name in used:
                        continue
                    key = frozenset(j for j, f in enumerate(menu.extra.formulas) if holds(f, name))
                    if key in menu.extra_places:
                        offered.append((name, key, menu.extra_places[key]))
            if menu.close is not None and (not offered or len(members) > 4 or chance.random() < 0.3):
                return "{" + ",".join(members) + "}", menu.close
            if not offered or len(members) > 8:
                j = min(finish)
                return self._completed(place, ("{" + ",".join(members)).encode() + finish[j], j)
            name, key, child = chance.choice(offered)
            text, outcome = self._value(child, depth + 1)
            if not isinstance(key, str):
                used.add(name)
            rest = network.finish_with(residue, key, dict.fromkeys(self._met(outcome), b""), used)
            members.append(json.dumps(name) + ":" + text)
            residue = network.after(residue, key, outcome)
            assert network.finish(residue, used) == rest, (
                "the completion after a member is not the one before it"
            )

    def _array(self, place: int, residue: int | None, depth: int) -> tuple[str, int]:
        network, chance = self.network, self.chance
        assert residue is not None
        items: list[str] = []
        while True:
            menu = network.items(residue)
            finish = network.finish(residue)
            assert finish, "a residue of an array without a completion"
            if menu.close is not None and (menu.item is None or len(items) > 3 or chance.random() < 0.4):
                return "[" + ",".join(items) + "]", menu.close
            if menu.item is None or len(items) > 6:
                j = min(finish)
                return self._completed(place, ("[" + ",".join(items)).encode() + finish[j], j)
            text, outcome = self._value(menu.item, depth + 1)
            written = text.encode()
            rest = network.finish_with(residue, None, dict.fromkeys(self._met(outcome), b""), written=written)
            items.append(text)
            residue = network.after(residue, None, outcome, written)
            assert network.finish(residue) == rest, "the completion after an item is not the one before it"

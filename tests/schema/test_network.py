"""The schema network: what it accepts, what it offers, how it completes."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

import jsonschema_rs
import pytest
from called import calls
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from network_walker import SlowStrings, Walker, Wanderer, network_of, parsed
from schema_strategies import schema as random_schema
from schema_strategies import unique_schema, unique_value
from schema_strategies import value as random_value

from structgen.errors import LimitError, UnsatisfiableSchema
from structgen.limits import Limits
from structgen.schema.recogniser.schema_network import SchemaNetwork

ANY = {"whitespace": "any", "property_order": "any", "numbers": "any", "escapes": "any"}
TWICE_REFUSED = {
    "allOf": [
        {"not": {"not": {"properties": {"b": {}}}}},
        {"type": "object", "properties": {"a": {}, "b": {}}},
    ]
}
chances = st.integers(0, 2**40).map(random.Random)
# A seed does not shrink, and tracing each line for an explanation costs a hundred times the test itself.
seeded = settings(
    deadline=None,
    max_examples=4 * settings().max_examples,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.reuse, Phase.generate),
)


class Kind(NamedTuple):
    """Random schemas, and values near one of them, of some depth."""

    schema: Callable[[random.Random], dict[str, Any]]
    value: Callable[[random.Random, dict[str, Any], int], Any]


KINDS = {
    "any keywords": Kind(random_schema, lambda chance, _, depth: random_value(chance, depth)),
    "items that differ": Kind(unique_schema, lambda chance, schema, _: unique_value(chance, schema)),
}


def open_network(kind: str, chance: random.Random, order: str) -> tuple[dict[str, Any], SchemaNetwork | None]:
    """Return a random schema and its network, None where it is refused as unsatisfiable."""
    schema = KINDS[kind].schema(chance)
    try:
        return schema, network_of(schema, strings=SlowStrings(), property_order=order)
    except UnsatisfiableSchema:
        return schema, None


def named(network: SchemaNetwork, residue: int) -> list[str]:
    return list(network.menu(residue).named)


def begun(schema: Any, **policies: Any) -> tuple[SchemaNetwork, int]:
    """Return a network and the residue of its root's object."""
    network = network_of(schema, **policies)
    residue = network.entry(network.root).object
    assert residue is not None
    return network, residue


# The language


@pytest.mark.parametrize("kind", KINDS)
@seeded
@given(chance=chances)
def test_values_are_judged_as_the_validator_does(kind: str, chance: random.Random) -> None:
    schema, network = open_network(kind, chance, "any")
    validator = jsonschema_rs.validator_for(schema)
    walker = None if network is None else Walker(network)
    for _ in range(25):
        value = KINDS[kind].value(chance, schema, 3)
        accepted = walker is not None and walker.accepts(value)
        assert accepted == validator.is_valid(value), (schema, value)


@pytest.mark.parametrize("kind", KINDS)
@seeded
@given(chance=chances, order=st.sampled_from(["any", "declared"]))
def test_walks_end_in_valid_documents_and_never_get_stuck(
    kind: str, chance: random.Random, order: str
) -> None:
    schema, network = open_network(kind, chance, order)
    if network is None:
        return
    validator = jsonschema_rs.validator_for(schema)
    wanderer = Wanderer(network, chance)
    for _ in range(6):
        document = wanderer.document()
        assert validator.is_valid(json.loads(document)), (schema, document)


@pytest.mark.parametrize("kind", KINDS)
@seeded
@given(chance=chances)
def test_no_valid_value_is_shorter_than_the_completion(kind: str, chance: random.Random) -> None:
    schema, network = open_network(kind, chance, "any")
    if network is None:
        return
    shortest = network.finish_place(network.root)[0]
    validator = jsonschema_rs.validator_for(schema)
    assert validator.is_valid(json.loads(shortest))
    for _ in range(25):
        value = KINDS[kind].value(chance, schema, 2)
        if validator.is_valid(value):
            text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
            assert (len(shortest), shortest) <= (len(text), text), (schema, value)


@pytest.mark.parametrize(
    ("schema", "valid", "invalid"),
    [
        ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, [{"a": 1}, {"b": 1}], [{}, {"a": 1, "b": 1}]),
        (
            {
                "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
                "additionalProperties": False,
                "type": "object",
            },
            [],
            [{"a": 1}, {"zzz": 1}, {}],
        ),
        ({"type": "object", "required": ["a"]}, [{"a": 1}, {"b": 2, "a": 1}], [{}, {"b": 1}, []]),
        (
            {"not": {"properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "integer"}}},
            [{"a": 1}, {"b": "x"}, {"a": "x", "b": 1.5}],
            [{}, {"a": "x"}, {"a": "x", "b": 1}, 1, []],
        ),
        (
            {"contains": {"const": 1}, "minContains": 2, "maxContains": 3, "type": "array"},
            [[1, 1], [1, 0, 1, 1], [0, 0, 1, 1]],
            [[], [1], [1, 1, 1, 1], [0, 1, 0]],
        ),
        (
            {
                "patternProperties": {"^x": {"type": "integer"}, "y$": {"minimum": 3}},
                "additionalProperties": False,
            },
            [{"x": 1}, {"xy": 3}, {"y": "s"}, {}],
            [{"xy": 2}, {"x": "s"}, {"z": 1}],
        ),
        (
            {"propertyNames": {"pattern": "^k"}, "minProperties": 1, "type": "object"},
            [{"k": 1}, {"kk": 1, "k": 2}],
            [{}, {"j": 1}],
        ),
        (
            {
                "if": {"properties": {"t": {"const": 1}}},
                "then": {"required": ["x"]},
                "else": {"required": ["y"]},
            },
            [{"t": 1, "x": 0}, {"x": 0}, {"t": 2, "y": 0}, "s"],
            [{"t": 1}, {}, {"t": 2}, {"t": 2, "x": 0}],
        ),
        ({"enum": [{"a": [1, {"b": 2}]}, [1.0, "x"]]}, [{"a": [1.0, {"b": 2}]}, [1, "x"]], [{"a": [1]}, [1]]),
        (
            {
                "dependentSchemas": {"a": {"required": ["b"]}},
                "dependentRequired": {"b": ["c"]},
                "maxProperties": 3,
            },
            [{}, {"c": 1}, {"b": 1, "c": 1}, {"a": 1, "b": 1, "c": 1}],
            [{"a": 1}, {"b": 1}, {"a": 1, "b": 1}, {"a": 1, "b": 1, "c": 1, "d": 1}],
        ),
    ],
    ids=lambda case: json.dumps(case)[:40] if isinstance(case, dict) else None,
)
def test_keywords_mean_what_the_specification_says(schema: Any, valid: list[Any], invalid: list[Any]) -> None:
    if not valid:
        with pytest.raises(UnsatisfiableSchema):
            network_of(schema, **ANY)
        return
    walker = Walker(network_of(schema, **ANY))
    assert [value for value in valid if not walker.accepts(value)] == []
    assert [value for value in invalid if walker.accepts(value)] == []


def test_a_place_remembers_which_of_its_demands_a_value_met() -> None:
    union = {"anyOf": [{"properties": {"k": {"maximum": 5}, "r": {"const": 1}}, "required": ["k", "r"]},
                       {"properties": {"k": {"minimum": 3}, "r": {"const": 2}}, "required": ["k", "r"]}],
             "type": "object"}  # fmt: skip
    walker = Walker(network_of(union))
    assert [r for r in (1, 2) if walker.accepts({"k": 4, "r": r})] == [1, 2]
    assert [r for r in (1, 2) if walker.accepts({"k": 1, "r": r})] == [1]
    assert [r for r in (1, 2) if walker.accepts({"k": 9, "r": r})] == [2]


# The order of keys


def test_declared_keys_come_in_the_order_of_the_text() -> None:
    network, residue = begun({"properties": {"b": {}, "a": {}}, "type": "object"})
    after_a = network.after(residue, "a", 0)
    assert named(network, residue) == ["b", "a"]
    assert named(network, after_a) == []
    assert network.menu(after_a).extra is not None


def test_a_required_key_blocks_all_later_ones() -> None:
    schema = {"properties": {"a": {}, "b": {}, "c": {}}, "required": ["b"], "type": "object"}
    network, residue = begun(schema)
    assert named(network, residue) == ["a", "b"]
    assert network.menu(residue).extra is None
    assert named(network, network.after(residue, "b", 0)) == ["c"]


def test_keys_only_in_required_come_after_those_in_properties_and_before_all_others() -> None:
    schema = {"required": ["r", "p"], "properties": {"p": {}}, "type": "object"}
    network, residue = begun(schema)
    assert named(network, residue) == ["p"]
    then = network.after(residue, "p", 0)
    assert named(network, then) == ["r"]
    assert network.menu(then).extra is None
    assert network.menu(network.after(then, "r", 0)).extra is not None


def test_the_order_is_read_into_applicators_in_text_order_but_not_into_not() -> None:
    schema = {
        "not": {"properties": {"n": {"type": "string"}}, "required": ["n"]},
        "allOf": [{"$ref": "#/$defs/r"}, {"properties": {"second": {}}}],
        "properties": {"third": {}, "first": {}},
        "$defs": {"r": {"properties": {"first": {}, "x": {}}}},
        "type": "object",
    }
    network, residue = begun(schema)
    simple = network.keys(residue)
    assert sorted(simple) == ["first", "n", "second", "third", "x"]
    assert named(network, residue) == ["first", "x", "second", "third", "n"]
    last = network.after(residue, "n", 0)
    assert named(network, last) == []


def test_keys_that_nothing_declares_come_in_any_order_but_last() -> None:
    network, residue = begun({"const": {"b": 1, "a": 2, "c": 3}})
    assert sorted(named(network, residue)) == ["a", "b", "c"]
    assert sorted(named(network, network.after(residue, "c", 0))) == ["a", "b"]


def test_any_order_needs_no_factorial_of_residues() -> None:
    keys = [f"k{index:02}" for index in range(40)]
    schema = {"properties": {key: {} for key in keys}, "required": keys, "type": "object"}
    network, residue = begun(schema, property_order="any")
    shuffled = list(keys)
    random.Random(0).shuffle(shuffled)
    for count, key in enumerate(shuffled):
        assert len(named(network, residue)) == 40 - count
        residue = network.after(residue, key, 0)
    assert network.menu(residue).close == 0
    assert len(network._residues) < 60


# Liveness


def test_a_key_whose_value_nothing_meets_is_not_offered() -> None:
    never = {"type": "string", "enum": [1]}
    network, residue = begun({"properties": {"a": never, "b": {}}, "type": "object"})
    assert named(network, residue) == ["b"]
    assert list(network.keys(residue)) == ["a", "b"]


def test_recursion_that_nothing_ends_is_empty() -> None:
    endless = {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}, "required": ["next"]}
    with pytest.raises(UnsatisfiableSchema):
        network_of({"$ref": "#/$defs/n", "$defs": {"n": endless}})
    ended = {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}], "$defs": {"n": endless}}
    assert network_of(ended).finish_place(0) == {0: b"null"}


def test_a_contradiction_names_the_places() -> None:
    schema = {
        "properties": {"a": {"type": "string"}},
        "allOf": [{"properties": {"a": {"type": "integer"}}}],
        "required": ["a"],
        "type": "object",
    }
    with pytest.raises(UnsatisfiableSchema) as caught:
        network_of(schema)
    assert {"#/properties/a", "#/allOf/0/properties/a"} <= set(caught.value.places)


def test_the_last_item_must_still_pay_what_is_owed() -> None:
    network = network_of({"type": "array", "contains": {"const": 7}, "maxItems": 2})
    residue = network.entry(network.root).array
    assert residue is not None
    item = network.items(residue).item
    assert item is not None
    walker = Walker(network)
    outcome = walker.outcome(item, 1)
    assert outcome is not None
    last = network.items(network.after(residue, None, outcome))
    assert last.close is None and last.item is not None
    assert walker.outcome(last.item, 1) is None
    assert walker.outcome(last.item, 7) is not None


# Completions


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (True, b"0"),
        ({"type": "string"}, b'""'),
        ({"type": ["object", "array"]}, b"[]"),
        ({"type": "object", "minProperties": 2}, b'{"":0," ":0}'),
        ({"type": "array", "minItems": 3, "items": {"type": "boolean"}}, b"[true,true,true]"),
        ({"enum": ["abc", "ab", "aa"]}, b'"aa"'),
        ({"properties": {"b": {}, "a": {}}, "required": ["a", "b"], "type": "object"}, b'{"b":0,"a":0}'),
        ({"dependentRequired": {"a": ["b"]}, "required": ["a"], "type": "object"}, b'{"a":0,"b":0}'),
        ({"type": "array", "contains": {"type": "string"}, "minItems": 2}, b'["",0]'),
        ({"not": {"properties": {"a": {"type": "integer"}}}, "type": "object"}, b'{"a":""}'),
        ({"const": {"k": [1, "x"]}}, b'{"k":[1,"x"]}'),
    ],
)
def test_completions_are_the_shortest_texts(schema: Any, text: bytes) -> None:
    network = network_of(schema)
    assert network.finish_place(network.root)[0] == text


def test_a_completion_does_not_repeat_a_key_that_the_object_holds() -> None:
    network, residue = begun({"type": "object", "minProperties": 2})
    after = network.after(residue, frozenset({0}), 0)
    assert network.finish(after, {""})[0] == b'," ":0}'


# Work and memory


def test_deep_schemas_need_no_deep_stack() -> None:
    schema: Any = {"type": "integer"}
    for level in range(10_000):
        wrapped = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
        schema = wrapped if level % 2 else {"allOf": [wrapped, True]}
    network = network_of(schema)
    text = network.finish_place(network.root)[0]
    assert text == b'{"a":' * 10_000 + b"0" + b"}" * 10_000


def test_a_union_of_thousands_told_apart_by_a_constant_is_not_compared_pair_by_pair() -> None:
    def told_apart(count: int) -> None:
        branches = [
            {"type": "object", "properties": {"t": {"const": f"k{i}"}, "v": {}}, "required": ["t", "v"]}
            for i in range(count)
        ]
        network, residue = begun({"oneOf": branches})
        menu = network.menu(residue)
        after = network.after(residue, "t", network.outcome(frozenset({count // 2})))
        assert named(network, residue) == ["t"] and named(network, after) == ["v"]
        assert menu.extra is None

    assert calls(lambda: told_apart(1_600)) < 5 * calls(lambda: told_apart(400))


def test_conditions_on_one_key_stay_linear() -> None:
    count = 50
    schema = {
        "properties": {"t": {"enum": [f"k{i}" for i in range(count)]}},
        "required": ["t"],
        "type": "object",
        "allOf": [
            {"if": {"properties": {"t": {"const": f"k{i}"}}}, "then": {"required": [f"r{i}"]}}
            for i in range(count)
        ],
    }
    network = network_of(schema)
    shapes = network.shapes.objects(network.tables.places[network.root][0])
    assert len(shapes) <= count + 1
    walker = Walker(network)
    assert walker.accepts({"t": "k7", "r7": 0}) and not walker.accepts({"t": "k7", "r8": 0})


def test_enums_of_many_strings_are_read_in_one_pass() -> None:
    def read(count: int) -> None:
        network = network_of({"enum": [f"word{index}" for index in range(count)]})
        entry = network.entry(network.root)
        assert entry.string is not None and network.finish_place(network.root)[0] == b'"word0"'

    assert calls(lambda: read(40_000)) < 5 * calls(lambda: read(10_000))


def test_alternatives_past_their_limit_are_refused_by_name() -> None:
    pairs = [
        {"anyOf": [{"patternProperties": {f"^a{i}": False}}, {"required": [f"b{i}"]}]} for i in range(12)
    ]
    with pytest.raises(LimitError) as caught:
        network_of({"type": "object", "allOf": pairs}, Limits(alternatives=1_000))
    assert caught.value.limit == "alternatives"


def test_the_oracle_stops_at_its_limit_or_flags_the_place() -> None:
    keys = {f"k{i}": {"$ref": f"#/$defs/d{i}"} for i in range(30)}
    defs = {
        f"d{i}": {"type": "array", "minItems": 1, "items": {"enum": ["x"], "maxLength": 1}} for i in range(30)
    }
    schema = {"type": "object", "properties": keys, "required": list(keys), "$defs": defs}
    with pytest.raises(LimitError) as caught:
        network_of(schema, Limits(oracle_steps=10))
    assert caught.value.limit == "oracle_steps"
    flagged = network_of(schema, Limits(oracle_steps=10, liveness="flag"))
    assert flagged.may_dead_end == ("#",)


# The native path


@pytest.mark.parametrize("order", ["declared", "any"])
def test_plain_objects_can_be_gone_through_without_the_network(order: str) -> None:
    schema = {
        "properties": {"a": {}, "b": {"type": "integer"}, "c": False},
        "required": ["b"],
        "additionalProperties": {"type": "null"},
        "type": "object",
    }
    network, residue = begun(schema, property_order=order)
    simple = network.simple(residue)
    assert simple is not None
    assert simple.names == ("a", "b", "c")
    assert simple.places[2] == -1 and simple.extra == network.simple(residue).extra  # type: ignore[union-attr]
    assert simple.required == (False, True, False)
    assert simple.ordered == (3 if order == "declared" else 0)
    # The walker compares `simple_after` with `after` at every step.
    assert Walker(network).accepts({"a": 1, "b": 2, "x": None, "y": None})


def test_objects_with_counts_or_conditions_are_left_to_the_network() -> None:
    for schema in (
        {"minProperties": 1},
        {"dependentRequired": {"a": ["b"]}},
        {"patternProperties": {"^x": {}}},
    ):
        network, residue = begun({"type": "object", **schema})
        assert network.simple(residue) is None


def test_completions_parse_to_accepted_values() -> None:
    schema = {"type": "object", "patternProperties": {"^x+$": {"minLength": 2}}, "minProperties": 3}
    network = network_of({**schema, "additionalProperties": False})
    text = network.finish_place(network.root)[0]
    assert Walker(network).accepts(parsed(text))


def test_many_alternatives_that_overlap_are_completed_at_once() -> None:
    kinds = [
        {
            "properties": {f"k{n}": {"type": "string"}, "type": {"enum": [f"t{n}"]}, f"x{n}": {"minimum": n}},
            "required": [f"k{n}"],
        }
        for n in range(8)
    ]
    network = network_of({"type": "object", "oneOf": kinds}, property_order="any")
    assert network.finish_place(network.root)[0] == b'{"k0":""}'


@pytest.mark.parametrize(
    ("schema", "value", "accepted"),
    [
        (TWICE_REFUSED, {"a": 1, "b": 1}, True),
        (TWICE_REFUSED, {"b": 1, "a": 1}, False),
        ({"type": "object", "not": {"not": {"required": ["a", "b"]}}}, {"": 1, "b": 1, "a": 1}, True),
        ({"not": {"not": {"required": ["a", "b"]}}}, {"": 1, "b": 1, "a": 1}, True),
        ({"const": {"b": 1, "a": 2}}, {"a": 2, "b": 1}, True),
        ({"items": {"const": {"b": 1, "a": 2}}}, [{"a": 2, "b": 1}, {"b": 1, "a": 2}], True),
    ],
)
def test_only_properties_and_required_outside_of_not_give_keys_a_place(
    schema: Any, value: Any, accepted: bool
) -> None:
    assert Walker(network_of(schema, property_order="declared")).accepts(value) is accepted


def test_many_dependencies_on_one_key_do_not_multiply() -> None:
    needs = {f"k{n}": {"properties": {"type": {"enum": [f"t{n % 4}", "any"]}}} for n in range(20)}
    network = network_of(
        {"type": "object", "dependentSchemas": {**needs, "q": {"required": ["r"]}}}, property_order="any"
    )
    walker = Walker(network)
    assert walker.accepts({"k1": 0, "type": "t1", "k5": 0})
    assert not walker.accepts({"k1": 0, "type": "t1", "k2": 0})
    assert walker.accepts({"k1": 0, "type": "any", "k2": 0, "q": 1, "r": 1})
    assert not walker.accepts({"q": 1})
    assert walker.accepts({"k1": 0, "k2": 0})
    residue = network.entry(network.root).object
    assert residue is not None
    for key in ("k1", "k2"):
        residue = network.after(residue, key, 0)
    assert network.finish(residue)[0] == b"}"


def test_a_limit_met_at_a_menu_is_met_again_when_it_is_asked_again() -> None:
    """The first question may have been asked ahead of time, and its error dropped."""
    pairs = [
        {"anyOf": [{"required": [f"a{n}"], "patternProperties": {f"^{n}": False}}, {"required": [f"b{n}"]}]}
        for n in range(12)
    ]
    value = {"type": "object", "allOf": pairs, "required": ["c"]}
    network = network_of(
        {"patternProperties": {"^.+$": value}}, Limits(alternatives=100), property_order="any"
    )
    residue = network.entry(network.root).object
    assert residue is not None
    for _ in range(2):
        with pytest.raises(LimitError):
            network.menu(residue)


def test_negated_conjunctions_are_obligations_not_choices() -> None:
    kinds = [
        {"allOf": [{"properties": {f"a{n}": {"type": "integer"}}}, {"required": [f"b{n}"]}]}
        for n in range(24)
    ]
    network = network_of({"type": "object", "oneOf": kinds}, property_order="any", strings=SlowStrings())
    walker = Walker(network)
    assert walker.accepts({"b3": 1})
    assert not walker.accepts({"b3": 1, "b4": 1})
    assert walker.accepts({"b3": 1, "b4": 1, "a4": ""})
    assert not walker.accepts({"b3": 1, "a3": ""})


def test_a_pattern_tells_a_branch_apart_from_constants() -> None:
    constants = [
        {"properties": {"type": {"enum": [f"K{n}"]}, "x": {"minimum": n}}, "required": ["type"]}
        for n in range(40)
    ]
    other = {"properties": {"type": {"type": "string", "pattern": r"^\+\w+$"}}, "required": ["type"]}
    network = network_of(
        {"type": "object", "oneOf": [*constants, other]}, Limits(alternatives=100), property_order="any"
    )
    walker = Walker(network)
    assert walker.accepts({"type": "K7", "x": 8})
    assert not walker.accepts({"type": "K7", "x": 6})
    assert walker.accepts({"type": "+a", "x": 0})
    residue = network.entry(network.root).object
    assert residue is not None and not any(debt for _, _, debt in network._object(residue).threads)


class Sealed(Collection[str]):
    """Keys that an object holds, at which nobody may look."""

    def __len__(self) -> int:
        raise AssertionError("looked at")

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("looked at")

    def __contains__(self, key: object) -> bool:
        raise AssertionError("looked at")


OVERLAPPING = {
    "type": "object",
    "oneOf": [
        {
            "properties": {"a": {"type": "string"}},
            "patternProperties": {"^b": {"type": "null"}},
            "required": ["a"],
        },
        {
            "properties": {"b": {"type": "string"}},
            "patternProperties": {"^a": {"type": "null"}},
            "required": ["b"],
        },
    ],
}


def test_the_names_that_an_object_holds_are_looked_at_only_where_its_rest_needs_a_new_one() -> None:
    network, residue = begun(OVERLAPPING)
    assert network.finish(residue, Sealed()) == network.finish(residue)
    network, residue = begun({"type": "object", "minProperties": 2, "dependentRequired": {"a": ["b"]}})
    with pytest.raises(AssertionError, match="looked at"):
        network.finish(residue, Sealed())


def test_a_rest_writes_no_name_that_the_object_holds() -> None:
    network, residue = begun({"type": "object", "minProperties": 2, "dependentRequired": {"a": ["b"]}})
    free = json.loads(b"{" + min(network.finish(residue).values()))
    for held in itertools.combinations([*free, "other"], 2):
        (rest,) = network.finish(residue, held).values()
        assert not set(json.loads(b"{" + rest)) & set(held)

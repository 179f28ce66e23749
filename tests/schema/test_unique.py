"""Arrays whose items must differ (`uniqueItems`), and arrays of which two items must be equal."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema_rs
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from network_walker import SlowStrings, Walker, Wanderer, network_of
from schema_strategies import SCALARS, unique_schema

from structgen.errors import UnsatisfiableSchema
from structgen.schema.network import SchemaNetwork

chances = st.integers(0, 2**40).map(random.Random)
seeded = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.reuse, Phase.generate),
)


def opened(chance: random.Random, order: str = "any") -> tuple[dict[str, Any], SchemaNetwork | None]:
    schema = unique_schema(chance)
    try:
        return schema, network_of(schema, strings=SlowStrings(), property_order=order)
    except UnsatisfiableSchema:
        return schema, None


def near(chance: random.Random, depth: int = 2) -> Any:
    """Return a random value in which equal items are frequent."""
    kind = chance.random()
    if depth == 0 or kind < 0.5:
        return chance.choice((0, 1, 1, 1.0, "x", "yy", "a", True, False, None, *SCALARS))
    if kind < 0.7:
        return {key: near(chance, depth - 1) for key in chance.sample(("a", "b"), chance.randint(0, 2))}
    return [near(chance, depth - 1) for _ in range(chance.randint(0, 4))]


@seeded
@given(chances)
def test_values_are_judged_as_the_validator_does(chance: random.Random) -> None:
    schema, network = opened(chance)
    validator = jsonschema_rs.validator_for(schema)
    walker = None if network is None else Walker(network)
    for _ in range(30):
        value: Any = [near(chance) for _ in range(chance.randint(0, 5))]
        if "properties" in schema:
            value = {"a": value}
        accepted = walker is not None and walker.accepts(value)
        assert accepted == validator.is_valid(value), (schema, value)


@seeded
@given(chances, st.sampled_from(["any", "declared"]))
def test_walks_end_in_valid_documents_and_never_get_stuck(chance: random.Random, order: str) -> None:
    schema, network = opened(chance, order)
    if network is None:
        return
    validator = jsonschema_rs.validator_for(schema)
    wanderer = Wanderer(network, chance)
    for _ in range(6):
        document = wanderer.document()
        assert validator.is_valid(json.loads(document)), (schema, document)


@seeded
@given(chances)
def test_no_valid_value_is_shorter_than_the_completion(chance: random.Random) -> None:
    schema, network = opened(chance)
    if network is None:
        return
    shortest = network.finish_place(network.root)[0]
    validator = jsonschema_rs.validator_for(schema)
    assert validator.is_valid(json.loads(shortest)), (schema, shortest)
    for _ in range(30):
        value: Any = [near(chance) for _ in range(chance.randint(0, 5))]
        if "properties" in schema:
            value = {"a": value}
        if validator.is_valid(value):
            text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
            assert (len(shortest), shortest) <= (len(text), text), (schema, value)

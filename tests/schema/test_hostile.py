"""Schemas made to be hard are compiled, take their documents, and refuse what is none."""

from __future__ import annotations

import json

import pytest
from compiled_texts import takes
from hostile_depths import Hostile, Text
from hostile_schemas import HOSTILE, REFUSED, SLOW
from schema_documents import BYTES, compiled

import structgen as sg


def hold(case: Hostile) -> None:
    """Compile a schema, fill some masks, and hold it to its texts."""
    grammar = compiled(case.make(), **sg.WIDEST)
    matcher, mask = sg.Matcher(grammar), sg.allocate_mask(1, BYTES.vocab_size)
    for _ in range(3):
        matcher.fill_mask(mask)
        allowed = [token for token in mask.allowed() if token < 256 and token > 32]
        if not allowed:
            break
        matcher.advance(int(allowed[-1]))
    for values, wanted in ((case.good, True), (case.bad, False)):
        for value in values:
            text = value if isinstance(value, Text) else json.dumps(value)
            assert takes(grammar, text) is wanted, text[:80]


@pytest.mark.parametrize(
    "case", [case for case in HOSTILE if case.name not in SLOW | REFUSED], ids=lambda case: case.name
)
def test_a_hostile_schema_takes_its_documents_alone(case: Hostile) -> None:
    hold(case)


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in HOSTILE if case.name in SLOW], ids=lambda case: case.name)
def test_a_slow_hostile_schema_takes_its_documents_alone(case: Hostile) -> None:
    hold(case)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_refused_is_refused_by_the_name_of_a_limit(name: str) -> None:
    case = next(case for case in HOSTILE if case.name == name)
    with pytest.raises(sg.errors.LimitError) as caught:
        grammar = compiled(case.make(), **sg.WIDEST)
        grammar.allowed(grammar.start)
    assert caught.value.limit in ("alternatives", "automaton_states", "oracle_steps")


@pytest.mark.parametrize(
    "union",
    [
        [{"properties": {"a": {"pattern": "^(.{1,63}x){1,127}$"}}}, {"required": ["c"]}],
        [{"properties": {"a": {"type": "string", "pattern": "^(.{1,63}x){1,127}$"}}}],
    ],
    ids=["several demands", "one pattern"],
)
def test_a_limit_of_automata_names_the_place(union: list[object]) -> None:
    schema = {"type": "object", "properties": {"b": {"anyOf": union}}}
    matcher = sg.Matcher(compiled(schema))
    with pytest.raises(sg.errors.LimitError) as caught:
        for byte in b'{"b":{"a":"x"}}':
            matcher.fill_mask(sg.allocate_mask(1, BYTES.vocab_size))
            matcher.advance(byte)
    assert caught.value.limit == "automaton_states" and "/properties/a" in caught.value.where


def test_there_are_many_and_few_are_refused() -> None:
    assert len(HOSTILE) >= 40 and len(REFUSED) <= 10
    assert {case.name for case in HOSTILE} >= REFUSED | SLOW

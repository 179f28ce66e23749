"""What is kept of a schema that was read: an equal one under equal options is not read again while somebody
uses its grammar. The oracle is the reading without what was kept."""

from __future__ import annotations

import gc
import json
import random
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

import structgen as sg
from structgen.grammars.json_grammars import schema_grammar

LEAVES: list[Any] = [
    *({"type": "integer"}, {"type": "string", "format": "date"}, {"const": 1}, {"const": 1.0}, True, {}),
    *({"enum": [0, False]}, {"minimum": 0}, {"minimum": 0.0}, {"maxLenght": 3}, {"enum": [1e2, "1e2"]}),
    *({"type": "string", "description": "one"}, {"type": "string", "description": "two"}, {"const": True}),
]
OPTIONS: list[dict[str, Any]] = [
    *({}, {"whitespace": "compact"}, {"whitespace": 1}, {"draft": "4"}, {"formats": "annotate"}),
    *({"grammars": False}, {"limits": sg.Limits(automaton_states=100)}, {"property_order": "any"}),
    *({"custom_formats": {"date": "^a$"}}, {"custom_formats": {"date": "^b$"}}, {"any_value": 2}),
    {"resources": {"http://a/b": {"type": "null"}}},
]


def random_source(draw: random.Random) -> Any:
    """Return a schema, as a dict or as a text; many of them look alike."""
    members = {name: draw.choice(LEAVES) for name in draw.sample("abc", draw.randint(1, 2))}
    schema = draw.choice([{"type": "object", "properties": members}, draw.choice(LEAVES)])
    return draw.choice([lambda: schema, lambda: json.dumps(schema)])()


def told(read: Callable[[], Any]) -> Any:
    """Return all that a grammar tells, with its warnings; else the error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            grammar = read()
        except sg.StructgenError as error:
            return str(error)
        report = [str(finding) for finding in grammar.report.findings]
        outlines = [grammar.outline(descriptions=has_them) for has_them in (False, True)]
        parts = grammar.canonical, grammar.spelling, grammar.limits, grammar.schema, outlines, report
        return (*parts, [str(one.message) for one in caught])


@pytest.mark.parametrize("seed", range(4))
def test_schemas_in_any_order_are_told_as_they_are_told_alone(seed: int) -> None:
    draw, held, reads = random.Random(seed), list[Any](), list[Callable[[], Any]]()
    for _ in range(60):
        source, options = random_source(draw), draw.choice(OPTIONS)
        reads.append(lambda source=source, options=options: sg.json_schema(source, **options))
    alone = []
    for read in reads:
        schema_grammar._READ_SCHEMAS.clear()
        alone.append(told(read))
    schema_grammar._READ_SCHEMAS.clear()
    for at in draw.choices(range(len(reads)), k=3 * len(reads)):
        assert told(read_and_hold(reads[at], held)) == alone[at]
    assert len({id(grammar) for grammar in held}) < len(held), "some came again"


def read_and_hold(read: Callable[[], Any], held: list[Any]) -> Callable[[], Any]:
    """Return the same reading, whose grammars are held."""

    def read_held() -> Any:
        held.append(read())
        return held[-1]

    return read_held


def test_a_schema_goes_with_its_last_user() -> None:
    schema = {"const": "of nobody else"}
    grammar = sg.json_schema(schema)
    assert sg.json_schema(json.loads(json.dumps(schema))) is grammar
    known = len(schema_grammar._READ_SCHEMAS)
    del grammar
    gc.collect()
    assert len(schema_grammar._READ_SCHEMAS) < known


def test_a_dict_that_is_changed_in_place_is_read_anew() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}}
    first = sg.json_schema(schema)
    schema["properties"]["a"]["type"] = "string"
    assert sg.json_schema(schema) != first and "integer" in first.outline()


def test_grammars_that_a_schema_names_are_not_mixed_up() -> None:
    schema = {"type": "string"}
    kept = [sg.json_schema(schema, grammars={"#": text}) for text in ("a", "b")]
    assert kept[0] != kept[1] != sg.json_schema(schema)


def test_the_objects_of_a_type_are_not_those_of_its_schema() -> None:
    class Person(BaseModel):
        name: str

    schema = Person.model_json_schema()
    typed = sg.Request("Ada", Person).grammar
    assert isinstance(typed.reader('{"name": "Ada"}'), Person)
    assert sg.json_schema(typed.schema).reader is None and sg.Request("Ada", schema).grammar.reader is None

"""Holes with a type of their own under a grammar of the whole: against lists of all fillings, and parsers."""

from __future__ import annotations

import json
import re

import jsonschema
import lark
import pytest
from for_each import for_each
from object_schemas import BOOLEAN, object_of
from toy_models import filled as fill

import structgen as sg
from structgen.decoding.infilling.schedulers import NAMES

SCHEMA = object_of(
    id={"type": "integer", "minimum": 5, "maximum": 40}, tag={"type": "string", "maxLength": 5}, on=BOOLEAN
)
TEMPLATE = '{"id": {id: /[0-9]*[02468]/, 3}, "tag": "{tag: /[a-c]+é?/, 5}", "on": {on}}'


@for_each("scheduler", NAMES)
def test_the_whole_is_a_document_and_each_hole_is_of_its_type(scheduler: str) -> None:
    found = fill(TEMPLATE, grammar=SCHEMA, scheduler=scheduler, temperature=1.5)
    jsonschema.validate(json.loads(found.text), SCHEMA)
    assert re.fullmatch("[0-9]*[02468]", found.values["id"])
    assert re.fullmatch("[a-c]+é?", found.values["tag"]) and found.values["on"] in ("true", "false")
    assert found.value["tag"] == found.values["tag"]


def test_a_hole_with_a_json_type_has_a_value_and_the_whole_is_parsed_by_lark() -> None:
    source = 'start: item (";" item)*\nitem: /[a-z]+/ "=" (/-?[0-9]+/ | /"[^"\\\\\\\\]*"/)'
    parser = lark.Lark(source, parser="lalr")
    for seed in range(2):
        found = fill(
            "{rest};b={n: int, 4};c={text: str, 6}",
            grammar=sg.lark(source),
            temperature=1.5,
            seed=seed,
        )
        parser.parse(found.text)
        assert isinstance(found.values["n"], int) and isinstance(found.values["text"], str)
        assert f";b={found.values['n']};c=" in found.text


def test_states_of_both_past_the_limit_are_refused_with_their_numbers() -> None:
    asked = {"template": "{a: /([bc]{6})*/, 50}", "grammar": "([bc]{7})*", "length": "exact"}
    with pytest.raises(
        sg.errors.OptionError, match=r"has 7 states .*'a' a type of 6: .* than the 41 .* max_states="
    ):
        fill(**asked, max_states=48, slots={"a": 42})
    assert len(fill(**asked, max_states=49, slots={"a": 42}).text) == 42


def test_a_depth_goes_to_the_grammars_that_have_anything_to_count() -> None:
    tree = {"type": "array", "items": {"$ref": "#"}, "maxItems": 2}
    found = fill("{a: /x+/, 3} {b}", holes={"b": tree}, depth=2, slots=8)
    assert re.fullmatch(r"x+ \[.*\]", found.text) and found.exactness == "depth<=2"
    inside = fill('{"k": {b}}', grammar='\\{"k": .*\\}', holes={"b": tree}, depth=2, slots=8)
    assert isinstance(inside.values["b"], list) and inside.exactness == "depth<=2"
    with pytest.raises(sg.errors.OptionError, match="Only brackets"):
        fill("{a: /x+/, 3} {b: /y/}", depth=2)

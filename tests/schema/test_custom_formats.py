"""Formats of the caller's own, by regular expression."""

from __future__ import annotations

import pickle

import pytest

import structgen as sg

_BYTES = sg.Tokenizer.from_bytes([*(bytes([byte]) for byte in range(256)), None], 256)
_SKU = {"sku": "^[A-Z]{3}-[0-9]+$"}


def accepts(grammar: sg.JsonSchemaGrammar, text: str) -> bool:
    compiled = sg.compile(grammar, _BYTES)
    state = compiled.step_bytes(compiled.start, text.encode())
    return state is not None and compiled.accepts_end(state)


def test_a_custom_format_restricts_strings_alone() -> None:
    grammar = sg.json_schema({"format": "sku"}, custom_formats=_SKU)
    assert accepts(grammar, '"ABC-1"') and accepts(grammar, "12")
    assert not accepts(grammar, '"abc-1"')


def test_a_custom_format_stands_before_the_standard_one_of_its_name() -> None:
    grammar = sg.json_schema({"format": "date"}, custom_formats={"date": r"^\d{2}/\d{2}$"})
    assert accepts(grammar, '"01/02"') and not accepts(grammar, '"2020-01-02"')


def test_without_it_the_name_is_an_annotation() -> None:
    assert accepts(sg.json_schema({"format": "sku"}), '"abc-1"')
    assert accepts(sg.json_schema({"format": "sku"}, custom_formats=_SKU, formats="annotate"), '"abc-1"')


def test_the_report_says_that_it_is_enforced() -> None:
    grammar = sg.json_schema({"format": "sku"}, custom_formats=_SKU)
    assert all(finding.standing.value == "enforced" for finding in grammar.report.findings)


def test_grammars_with_other_patterns_differ_and_pickle() -> None:
    grammar = sg.json_schema({"format": "sku"}, custom_formats=_SKU)
    assert grammar != sg.json_schema({"format": "sku"}, custom_formats={"sku": "^a$"})
    assert pickle.loads(pickle.dumps(grammar)) == grammar


@pytest.mark.parametrize("wrong", [["sku"], {"sku": 1}, {1: "a"}, "sku"])
def test_what_does_not_map_names_to_patterns_is_refused(wrong: object) -> None:
    with pytest.raises(sg.OptionError, match="custom_formats"):
        sg.json_schema({}, custom_formats=wrong)  # type: ignore[arg-type]


def test_a_faulty_pattern_is_refused_with_its_place() -> None:
    with pytest.raises(sg.RegexError, match="/items"):
        sg.compile(sg.json_schema({"items": {"format": "bad"}}, custom_formats={"bad": "("}), _BYTES)

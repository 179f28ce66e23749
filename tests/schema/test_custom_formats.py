"""Formats of the caller's own, by regular expression."""

from __future__ import annotations

import pickle
import struct

import pytest
from compiled_texts import takes
from for_each import for_each
from schema_documents import BYTES, compiled

import structgen as sg

_SKU = {"sku": "^[A-Z]{3}-[0-9]+$"}


def accepts(grammar: sg.JsonSchemaGrammar, text: str) -> bool:
    return takes(sg.compile(grammar, BYTES), text)


def test_a_custom_format_restricts_strings_alone() -> None:
    grammar = sg.json_schema({"format": "sku"}, custom_formats=_SKU)
    assert accepts(grammar, '"ABC-1"') and accepts(grammar, "12")
    assert not accepts(grammar, '"abc-1"')


def test_a_custom_format_stands_before_the_standard_one_of_its_name() -> None:
    grammar = sg.json_schema({"format": "date"}, custom_formats={"date": r"^\d{2}/\d{2}$"})
    assert accepts(grammar, '"01/02"') and not accepts(grammar, '"2020-01-02"')


def test_the_report_says_that_it_is_enforced() -> None:
    grammar = sg.json_schema({"format": "sku"}, custom_formats=_SKU)
    assert all(finding.standing.value == "enforced" for finding in grammar.report.findings)


def test_grammars_with_other_patterns_differ_and_pickle() -> None:
    grammar = sg.json_schema({"format": "sku"}, custom_formats=_SKU)
    assert grammar != sg.json_schema({"format": "sku"}, custom_formats={"sku": "^a$"})
    assert pickle.loads(pickle.dumps(grammar)) == grammar


_FLOAT_END, _DOUBLE_END = 2**128 - 2**103, 2**1024 - 2**970


@for_each(
    ("name", "valid", "invalid"),
    [
        ("int32", "0 -2147483648 2147483647 1.0 1000.0 true", "2147483648 -2147483649 0.5"),
        ("int64", f"{2**63 - 1} {-(2**63)} 12.0", f"{2**63} {-(2**63) - 1} 1.5"),
        ("int8", "-128 127 100.00", "128 -129"),
        ("int16", "-32768 32767", "32768"),
        ("uint8", "0 255 -0", "256 -1 1.5"),
        ("uint16", "65535", "65536"),
        ("uint32", "4294967295", "4294967296 -1"),
        ("uint64", f"{2**64 - 1}", f"{2**64} -1"),
        ("double-int", f"{2**53 - 1} {1 - 2**53}", f"{2**53} 0.5"),
        ("base64url", '"" "YQ" "YWI" "YWJj" "-_-_" 1', '"YQ==" "YR" "YWJ" "YW+/" "Y"'),
        (
            "float",
            f"1.5 {34 * 10**37} {-34 * 10**37} {_FLOAT_END - 1} 0.0",
            f"{35 * 10**37} {_FLOAT_END} {-_FLOAT_END}",
        ),
        ("double", f"1.5 {10**308} {_DOUBLE_END - 1} 0.0", f"{10**309} {_DOUBLE_END} {-_DOUBLE_END}"),
        ("byte", '"" "YQ==" "YWI=" "YWJj" 1', '"YQ" "YR==" "YWJ" "YW-_"'),
        ("binary", '"a" 1', ""),
        ("password", '"a" null', ""),
    ],
)
def test_openapi_s_formats_mean_what_they_say(name: str, valid: str, invalid: str) -> None:
    grammar = compiled({"format": name}, custom_formats=sg.OPENAPI_FORMATS, **sg.WIDEST)
    assert [text for text in valid.split() if not takes(grammar, text)] == []
    assert [text for text in invalid.split() if takes(grammar, text)] == []


def test_the_ends_of_float_and_double_are_where_rounding_overflows() -> None:
    """Python rounds to binary64 itself, and through struct to binary32."""
    assert float(_DOUBLE_END - 1) < float("inf")
    with pytest.raises(OverflowError):
        float(_DOUBLE_END)
    half_step = 2**103
    struct.pack("<f", float(_FLOAT_END - half_step))
    with pytest.raises(OverflowError):
        struct.pack("<f", float(_FLOAT_END))


def test_a_double_has_an_exponent_as_any_number_has() -> None:
    """By default no numeral is read as an infinite float: the ends of a double exclude none of them."""
    grammar = sg.json_schema({"format": "double"}, custom_formats=sg.OPENAPI_FORMATS)
    assert accepts(grammar, "1.5e-12") and accepts(grammar, "1e287")
    below = sg.json_schema({"format": "double", "maximum": 2}, custom_formats=sg.OPENAPI_FORMATS)
    assert accepts(below, "1.5") and not accepts(below, "1.5e0")


@pytest.mark.parametrize(
    "wrong", [["sku"], {"sku": 1}, {1: "a"}, "sku", {"a": {"type": 1}}, {"a": {"minimum": 0.5}}]
)
def test_what_does_not_map_names_to_patterns_is_refused(wrong: object) -> None:
    with pytest.raises(sg.errors.OptionError, match="custom_formats"):
        sg.json_schema({}, custom_formats=wrong)  # type: ignore[arg-type]


def test_a_faulty_pattern_is_refused_with_its_place() -> None:
    with pytest.raises(sg.errors.RegexError, match="/items"):
        sg.compile(sg.json_schema({"items": {"format": "bad"}}, custom_formats={"bad": "("}), BYTES)

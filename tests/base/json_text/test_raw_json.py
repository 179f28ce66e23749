from __future__ import annotations

import json

import pytest
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from structgen.base.json_text import raw_json
from structgen.base.json_text.events import JsonError
from structgen.base.json_text.growing_json import value_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_writes_what_json_dumps_writes(value):
    text = json.dumps(value, ensure_ascii=False)
    assert raw_json.write_as_read(raw_json.read_as_written(text)) == text


@given(VALUES, st.sampled_from([None, 0, 3]))
def test_the_reader_for_deep_texts_agrees_with_the_quick_one(value, indent):
    text = json.dumps(value, indent=indent)
    assert value_of(text, raw_json.RawNumeral) == raw_json.read_as_written(text)


@pytest.mark.parametrize(
    "numeral", ["1.0", "1e-7", "0.000016", "-0", "1E+2", "3.6893488147419103e19", "9" * 5000]
)
def test_a_numeral_survives_as_it_is_written(numeral):
    assert (
        raw_json.write_as_read(raw_json.read_as_written(f'{{"a": [{numeral}]}}')) == f'{{"a": [{numeral}]}}'
    )


def test_depth_is_no_limit():
    text = "[" * 20_000 + '{"a": {"b": [1.50, "x"]}}' + "]" * 20_000
    assert raw_json.write_as_read(raw_json.read_as_written(text)) == text


def test_a_lone_surrogate_is_written_as_an_escape():
    assert (
        raw_json.write_as_read(raw_json.read_as_written('["\\ud800", "\\ud83d\\ude00"]'))
        == '["\\ud800", "😀"]'
    )


@for_each("text", ["", "{", "[1,]", '{"a" 1}', "[1] 2", "NaN", "[01]", "{1: 2}"])
@for_each("reader", [raw_json.read_as_written, value_of])
def test_what_is_not_json_is_refused(reader, text):
    with pytest.raises(json.JSONDecodeError if reader is raw_json.read_as_written else JsonError):
        reader(text)

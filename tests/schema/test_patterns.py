"""Simple patterns are read as ECMA-262 reads them; what is not simple is left alone."""

from __future__ import annotations

from itertools import product

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from structgen.schema.meaning.simple_patterns import literal_prefix, simple, words

_PIECES = [
    "a",
    "b",
    "^",
    "$",
    ".",
    "\\d",
    "\\w",
    "\\s",
    "[a-c]",
    "[^a]",
    "a*",
    "b+",
    "c?",
    "a{1,2}",
    "\\.",
    "-",
]
_MARKS = ["|", "(", ")", "(?:", "\\D", "[\\w-]"]


def patterns(most: int) -> st.SearchStrategy[str]:
    """Return patterns of at most so many pieces, each of which may match a single character or none."""
    return st.lists(st.sampled_from([*_PIECES, *_MARKS]), max_size=most).map("".join)


@given(patterns(6), st.lists(st.text("abc1. -\n", max_size=5), max_size=8))
def test_simple_patterns_search_as_the_validator_does(source: str, samples: list[str]) -> None:
    found = simple(source)
    if found is not None:
        validator = jsonschema_rs.validator_for({"pattern": source})
        for sample in samples:
            assert (found.search.search(sample) is not None) == validator.is_valid(sample), (source, sample)


@given(patterns(3))
def test_patterns_called_inhabited_match_something(source: str) -> None:
    found = simple(source)
    if found is not None and found.inhabited:
        samples = ["".join(word) for size in range(4) for word in product("ab1.- c(", repeat=size)]
        assert any(found.search.search(sample) for sample in samples), source


@pytest.mark.parametrize(
    "source",
    ["(?=a)", "\\bx", "(a+)+", "\\u0041", "a**", "[]", "(", "\\1", "a{2,1}", "{", "[\\w-.]", "\\p{L}"],
)
def test_other_patterns_are_left_to_the_automata(source: str) -> None:
    assert simple(source) is None


@pytest.mark.parametrize(
    ("source", "infinite"), [("^a$", False), ("a", True), ("^a*$", True), ("^a", True), ("^(a|b)$", False)]
)
def test_infinite_languages_are_told_where_that_is_sure(source: str, infinite: bool) -> None:
    found = simple(source)
    assert found is not None and found.infinite == infinite


def test_finite_patterns_are_read_as_words() -> None:
    assert words("^cat$") == {"cat"}
    assert words("^(cat|dog)$") == words("^(?:cat|dog)$") == {"cat", "dog"}
    assert words("^cat|dog$") is None and words("cat") is None and words("^c.t$") is None


def test_prefixes_stop_before_what_may_repeat() -> None:
    assert literal_prefix("^x-") == "x-"
    assert literal_prefix("^ab*") == "a"
    assert literal_prefix("^a|b") is None and literal_prefix("a") is None

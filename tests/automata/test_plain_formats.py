"""Formats as patterns: never a string that is none; what is left out is listed."""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Callable

import jsonschema_rs
import pytest
from for_each import for_each
from hypothesis import example, given
from hypothesis import strategies as st
from reading import Walker
from regex_twin import is_date, is_date_time, is_time

from structgen.automata.formats.named_formats import _PATTERNS, CUTS, KNOWN
from structgen.base.language.ir import All, Any_, Format, Not, Pattern
from structgen.errors import UnsupportedError
from structgen.schema.reading.keywords import FORMATS

LABEL = "a" * 63


@functools.cache
def walker(name: str) -> Walker:
    return Walker(Format(name))


ANNOTATIONS = {"int32", "int64", "float", "double", "byte", "binary", "password"}
ASSERTED = sorted(KNOWN - ANNOTATIONS)


TWINS = {"date": is_date, "time": is_time, "date-time": is_date_time}


def judge_of(name: str) -> Callable[[str], bool]:
    """Return an independent judge of a format; the package takes `1-` for a day."""
    return TWINS.get(name) or jsonschema_rs.validator_for({"format": name}, validate_formats=True).is_valid


@for_each("name", ASSERTED)
def test_a_text_of_a_format_is_one_and_none_of_its_negation_is(name: str) -> None:
    judge, denied = judge_of(name), Walker(Not(Format(name)))
    chance = random.Random(name)
    texts = [text.decode() for of in (walker(name), denied) for text in of.texts(15, seed=len(name))]
    for text in texts[:30] * 2:
        at = chance.randrange(len(text) + 1)
        texts.append(text[:at] + chance.choice(["", *"a0-.:/@é"]) + text[at + chance.randrange(2) :])
    for text in texts:
        if walker(name).accepts(text):
            assert judge(text), text
        if denied.accepts(text):
            assert not judge(text), text


def test_a_time_is_one_whatever_its_digits() -> None:
    parts = ("00", "23", "24", "59", "60", "7")
    for hour, minute, second in itertools.product(parts, repeat=3):
        for tail in ("Z", "z", "+00:00", "-23:59", "+24:00", ".5Z", ".Z", ""):
            text = f"{hour}:{minute}:{second}{tail}"
            for name, whole, twin in (
                ("time", text, is_time),
                ("date-time", f"2020-01-31T{text}", is_date_time),
            ):
                # of the leap seconds those that are written in UTC
                expected = twin(whole) and (second != "60" or (hour, minute) == ("23", "59"))
                assert walker(name).accepts(whole) == expected, whole


@given(st.integers(0, 9999), st.integers(0, 13), st.integers(0, 32))
def test_dates_follow_the_calendar(year: int, month: int, day: int) -> None:
    text = f"{year:04}-{month:02}-{day:02}T00:00:00Z"
    assert walker("date-time").accepts(text) == is_date_time(text)


def test_beside_another_pattern_a_host_name_needs_few_states() -> None:
    beside = Walker(Any_((Format("hostname"), Format("ipv6"), Format("ipv4"))))
    assert beside.pool.count < 3_000
    for text in ("www.example.com", "::1", f"{LABEL}.{LABEL}.{LABEL}.{'a' * 61}"):
        assert beside.accepts(text)
    for text in (f"{LABEL}.{LABEL}.{LABEL}.{'a' * 62}", "xn--a", "-"):
        assert not beside.accepts(text)


@given(st.lists(st.sampled_from((1, 12, 13, 14, 15, 16, 31, 47, 62, 63)), min_size=1, max_size=24))
@example([63, 63, 63, 61])
@example([63, 63, 63, 63, 13])
@example([15] * 16 + [13])
def test_no_name_has_more_than_253_characters(sizes: list[int]) -> None:
    name = ".".join("a" * size for size in sizes)
    short = len(name) <= 253
    assert walker("hostname").accepts(name) == short
    assert not walker("idn-hostname").accepts(name) or short
    for mailbox in ("email", "idn-email"):
        assert not walker(mailbox).accepts(f"b@{name}") or short
    if not short:
        assert not Walker(All((Format("hostname"), Pattern("^a")))).accepts(name)


LEFT_OUT = {
    "date-time": ["1998-12-31T15:59:60.123-08:00"],
    "time": ["00:59:60+01:00"],
    "hostname": ["xn--bcher-kva.example"],
    "email": [f'"{"a" * 40}"@b'],
    "idn-hostname": ["\u05d0\u05d1", "xn--9n2bp8q", "\u092e\u0928\u094d", "a.b.c.d.e.f.g.\u00e9"],
    "idn-email": ["\u00e9" * 20 + "@b", "a@\u05d0\u05d1"],
    "regex": ["((((a))))", r"(a)\1", "(?<year>a)", "[\u4e00-\u9fa5]", r"[\uD83C\uDF00-\uD83D\uDDFF]"],
}


@pytest.mark.parametrize("name", CUTS)
def test_what_a_format_leaves_out_is_listed_and_not_of_its_negation(name: str) -> None:
    judge, denied = judge_of(name), Walker(Not(Format(name)))
    for text in LEFT_OUT[name]:
        assert judge(text), text
        assert not walker(name).accepts(text), text
        assert not denied.accepts(text), text


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="cannot be asserted"):
        Walker(Format("colour"))


def test_a_schema_knows_each_format_that_has_a_pattern() -> None:
    assert _PATTERNS.keys() <= FORMATS

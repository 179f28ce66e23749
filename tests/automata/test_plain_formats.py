"""Formats as patterns: never a string that is none; what is left out is listed."""

from __future__ import annotations

import functools
import itertools

import pytest
from reading import Walker
from regex_twin import is_date_time, is_time

from structgen.automata.formats import named_formats as today
from structgen.automata.formats.named_formats import CUTS, KNOWN, OWN
from structgen.automata.regex.ecma_syntax import parse
from structgen.automata.strings.string_pool import StringPool
from structgen.automata.strings.string_pool import StringPool as LazyPool
from structgen.errors import RegexError, UnsupportedError
from structgen.language.ir import DEAD, All, Any_, Format, Length, Not, Pattern, Spec, Words
from structgen.limits import Limits

ASSERTED = sorted(KNOWN - set(today._SILENT))
LONG = "a" * 63
VALID = {
    "date": ["2024-02-29", "0000-12-31"],
    "date-time": ["2024-02-29t23:59:59.5z", "1998-12-31T23:59:60Z", "1998-12-31T23:59:60.1+00:00"],
    "duration": ["P1Y2M3DT4H5M6S", "P4W"],
    "email": [
        "joe@x.org",
        '"a b"@x-y.de',
        "a@[127.0.0.1]",
        "a@[IPv6:::1]",
        f"{'a' * 64}@{LONG}.{LONG}.{LONG}",
    ],
    "hostname": ["a", "www.example.com", f"{LONG}.{LONG}.{LONG}.{'a' * 61}", ".".join("a" * 100)],
    "idn-email": ["ü@bücher.example", "joe@x.org", '"é"@실례.테스트'],
    "idn-hostname": ["bücher.example", "실례.테스트", "日本語。日本", "www.example.com", "россия"],
    "ipv4": ["0.0.0.0", "255.249.199.99"],
    "ipv6": ["::", "1::8", "::ffff:1.2.3.4"],
    "iri": ["http://ƒøø.ßår/?∂éœ=πîx#πîüx"],
    "iri-reference": ["/âππ"],
    "json-pointer": ["", "/a~0b~1"],
    "regex": ["^a+(?:b|[c-z])*$", r"(?=a)\d{2,3}?\u{1F600}", "((a)(b))", r"[^\s\-]", "a{3}", r"\p{L}", ""],
    "relative-json-pointer": ["0#", "12/a"],
    "time": ["23:59:60Z", "00:00:00+23:59", "08:30:06.283185Z"],
    "uri": ["http://[::1]:80/?q#f", "urn:a:b"],
    "uri-reference": ["//a", "../b"],
    "uri-template": ["http://x/{+a,b:3,c*}"],
    "uuid": ["2EB8AA08-aa98-11ea-b4aa-73b441d16380"],
}
INVALID = {
    "hostname": ["", "-a", "a-", "a..b", f"{LONG}a", f"{LONG}.{LONG}.{LONG}.{'a' * 62}", "a_b", ".", "a."],
    "email": ["a", "@b", "a@", "a@b_c", f"{'a' * 65}@b", "a..b@c", f"a@{LONG}.{LONG}.{LONG}.{LONG}"],
    "idn-hostname": ["a..b", "-é", "ab--é", "\u0640a", "\u05d0a", "\u0300a", "é" * 64, "a\u00b7l", "É"],
    "idn-email": ["é", "@é", "é@-a", f"{'é' * 33}@a"],
    "time": ["23:59:60+01:00", "24:00:00Z", "12:00:60Z", "12:00:00"],
    "date-time": ["2023-02-29T00:00:00Z", "1998-12-31T23:58:60Z", "1998-12-31 23:59:59Z"],
    "regex": ["*", "(", "a)", "[b-a]", "a{2,1}", r"\p{Nonsense}", "a**", r"\_", "{", "]", "(?=a)*"],
}


@functools.cache
def walker(name: str) -> Walker:
    return Walker(Format(name))


@functools.cache
def lazily(formula: Format | Not) -> tuple[LazyPool, int]:
    pool = LazyPool(Limits())
    return pool, pool.start(Spec((formula,)), lambda met: 0)


def accepted_lazily(formula: Format | Not, text: bytes) -> bool:
    """Return whether today's room accepts a text."""
    pool, state = lazily(formula)
    for byte in text:
        pool.expand(state, byte)
        state = int(pool.trans[state, byte])
        if state < 0:
            return False
    return bool(pool.outcome[state] >= 0)


@pytest.mark.parametrize("name", ASSERTED)
def test_a_text_of_a_format_is_one_and_none_of_its_negation_is(name: str) -> None:
    for text in walker(name).texts(6, seed=len(name)):
        assert accepted_lazily(Format(name), text), text
    for text in Walker(Not(Format(name))).texts(6, seed=len(name)):
        assert not accepted_lazily(Format(name), text), text


@pytest.mark.parametrize("name", ASSERTED)
def test_plain_texts_of_a_format_are_taken_and_its_broken_ones_refused(name: str) -> None:
    denied = Walker(Not(Format(name)))
    for text in VALID[name]:
        assert walker(name).accepts(text), text
        assert not denied.accepts(text), text
    for text in INVALID.get(name, ()):
        assert not walker(name).accepts(text), text


def test_a_time_is_one_whatever_its_digits() -> None:
    parts = ("00", "23", "24", "59", "60", "7")
    for hour, minute, second in itertools.product(parts, repeat=3):
        for tail in ("Z", "z", "+00:00", "-23:59", "+24:00", ".5Z", ".Z", ""):
            text = f"{hour}:{minute}:{second}{tail}"
            for name, whole, twin in (
                ("time", text, is_time),
                ("date-time", f"2020-01-31T{text}", is_date_time),
            ):
                if walker(name).accepts(whole):
                    assert twin(whole), whole
                elif twin(whole):
                    assert second == "60", whole  # a leap second, which CUTS lists


def test_a_pattern_that_the_format_takes_is_read_by_the_reader() -> None:
    for text in walker("regex").texts(60, seed=3, most=25):
        try:
            parse(text.decode())
        except RegexError as error:  # a pattern of ECMA-262 that no automaton reads
            assert "look-behind" in str(error) or "deeper" in str(error), text


def test_beside_another_pattern_a_host_name_needs_few_states() -> None:
    formulas = Any_((Format("hostname"), Format("ipv6"), Format("ipv4")))
    beside = Walker(formulas)
    assert beside.pool.count < 3_000
    for text in ("www.example.com", "::1", f"{LONG}.{LONG}.{LONG}.{'a' * 61}"):
        assert beside.accepts(text)
    for text in (f"{LONG}.{LONG}.{LONG}.{'a' * 62}", "xn--a", "-"):
        assert not beside.accepts(text)


def test_what_a_format_leaves_out_is_listed() -> None:
    assert set(CUTS) == set(OWN)
    for name, text in (
        ("hostname", "xn--bcher-kva.example"),
        ("time", "00:59:60+01:00"),
        ("regex", "((((a))))"),
        ("idn-hostname", "\u05d0\u05d1"),
        ("email", f'"{"a" * 40}"@b'),
    ):
        assert accepted_lazily(Format(name), text.encode())
        assert not walker(name).accepts(text)
        assert name in CUTS


def test_a_format_of_the_user_is_its_pattern_and_an_unknown_one_is_refused() -> None:
    pool = StringPool(Limits(), {"even": "^(?:..)*$", "time": "^noon$"})
    assert Walker(Format("even"), pool=pool).accepts("abcd")
    assert not Walker(Format("even"), pool=pool).accepts("abc")
    assert Walker(Format("time"), pool=pool).accepts("noon")
    assert Walker(Not(Format("time")), pool=pool).accepts("00:00:00Z")
    with pytest.raises(UnsupportedError, match="cannot be asserted"):
        Walker(Format("colour"))
    assert Walker(Format("int32")).start == StringPool.FREE


@pytest.mark.parametrize(
    "texts", [("ab", "ba"), ("aab", "abb", "ca"), ("é日", "日é", "x"), ("he", "she", "his")]
)
def test_texts_that_must_not_occur_are_found_as_their_pattern_finds_them(texts: tuple[str, ...]) -> None:
    # a pattern with an empty look-ahead is no list of texts: the general construction makes it
    pattern = "|".join(texts)
    quick, general = Walker(Not(Pattern(pattern))), Walker(Not(Pattern(f"(?:{pattern})(?:x?)*")))
    assert quick.pool.key(quick.start) == general.pool.key(general.start)
    for size in range(5):
        for letters in itertools.product(sorted(set("".join(texts))), repeat=size):
            text = "".join(letters)
            assert quick.accepts(text) == (not any(one in text for one in texts))


def test_a_thousand_texts_beside_a_count_are_banned() -> None:
    texts = [f"b{number:03}" for number in range(1000)]
    banned = Not(Pattern("|".join(texts)))
    walker = Walker(banned)
    assert walker.accepts("b99") and not walker.accepts("xxb999y")
    assert walker.pool.bans(walker.start) and not walker.pool.bans(StringPool.FREE)
    assert not Walker(Pattern("^a*b$")).pool.bans(8)

    counted = Walker(
        All((Pattern("^[a-z0-9]{3,12}$"), Length(0, 9), banned, Not(Words(frozenset(("bbb",))))))
    )
    assert counted.accepts("abcdef") and not counted.accepts("bbb") and not counted.accepts("abb500")
    assert counted.run("b12") != DEAD

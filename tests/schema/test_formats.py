"""Formats, string by string: what the RFCs allow and what they do not, beside an independent validator."""

from __future__ import annotations

import functools

import jsonschema_rs
import pytest
from for_each import for_each
from hypothesis import given, settings
from hypothesis import strategies as st

import structgen as sg
from structgen.automata.formats.named_formats import KNOWN
from structgen.automata.strings.string_pool import StringPool
from structgen.base.language.ir import DEAD, Format, Formula, Not, Spec
from structgen.base.limits import Limits
from structgen.tokens.tokenizer import byte_tokenizer

VALID = {
    "date-time": "1963-06-19T08:30:06.283185Z 1998-12-31T23:59:60Z"
    " 1998-12-31T23:59:60.123+00:00 2020-02-29t00:00:00z"
    " 2000-02-29T00:00:00+23:59 0000-01-01T00:00:00Z",
    "date": "1963-06-19 2020-02-29 2000-02-29 0400-02-29 1999-12-31",
    "time": "08:30:06Z 23:59:60Z 23:59:60+00:00 23:59:60.5z 12:00:00.1+00:20",
    "duration": "P4DT12H30M5S P4Y PT0S P0D P1M PT1M PT36H P1DT12H P2W P1Y2M3D PT1H30M2S",
    "email": "joe.bloggs@example.com te~st@example.com ~test@example.com te.s.t@example.com joe@[127.0.0.1]"
    ' joe@[IPv6:::1] "joe@bloggs"@example.com "a\\b"@example.com a@b',
    "hostname": f"www.example.com a 1host h0stn4me a-b.c {'a' * 63}.com {'.'.join(['a' * 49] * 5)}.abc",
    "ipv4": "192.168.0.1 0.0.0.0 255.255.255.255 87.10.0.1",
    "ipv6": "::1 :: ::abef 1:2:3:4:5:6:7:8 1:: ::42:ff:1 d6:: 1:d6::42 1::d6:192.168.0.1 ::ffff:192.168.0.1"
    " 1:2:3:4:5:6:1.2.3.4 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8",
    "uri": "http://foo.bar/?baz=qux#quux http://foo.com/blah_(wikipedia)_blah#cite-1"
    " http://foo.bar/?q=Test%20x urn:oasis:n"
    " mailto:a@b.c ldap://[2001:db8::7]/c=GB?one tel:+1 a:// file:///etc http://[v1.a:b]/ a: http://:80",
    "uri-reference": "http://a/b //foo.bar/?x /abc abc #frag ?q a/b:c ../x . ./a:b",
    "iri": "http://ƒøø.ßår/?∂éœ=πîx#πîüx http://foo.bar/?q=%20 urn:é http://a/\U0001f600 http://a/?\ue000",
    "iri-reference": "//ƒøø.ßår /âππ #ƒrägmênt âππ",
    "uri-template": "http://example.com/dictionary/{term:1}/{term} {+path,x}/here {?x,y*}"
    " {#a.b_c%20:3} é {=a}",
    "uuid": "2eb8aa08-aa98-11ea-b4aa-73b441d16380 2EB8AA08-AA98-11EA-B4AA-73B441D16380"
    " 00000000-0000-0000-0000-000000000000",
    "json-pointer": "/foo/bar~0/baz~1/%a / //a /é /~01",
    "relative-json-pointer": "0 1/0 0/foo/bar 120# 10/a~1",
}
INVALID = {
    "date-time": "1990-02-31T15:59:59Z 1990-12-31T15:59:59-24:00 1998-12-31T22:59:60Z 1998-12-31T23:59:61Z"
    " 1963-06-19T08:30:06 2013-350T01:01:01 1963-6-19T08:30:06Z 1963-06-1\u09eaT00:00:00Z"
    " 2021-02-29T00:00:00Z"
    " 1963-06-19T08:30:06.Z 1998-12-31T10:00:60Z",
    "date": "2021-02-29 1900-02-29 2100-02-29 2020-04-31 2020-13-01 2020-00-10 2020-01-00 1963-6-19"
    " +2020-01-01",
    "time": "22:59:60Z 23:58:60Z 22:59:60+00:00 23:59:60+01:00 24:00:00Z 08:60:00Z 08:30:06 08:30Z 1:00:00Z"
    " 01:02:03+24:00 01:02:03+00:60 01:02:03+0100 12:00:00.Z 01:30:60+01:30 \u09e72:00:00Z",
    "duration": "PT1D 4DT12H P P1YT PT P1Y2W P1D2H P2D1Y P1YT1D P2S 1Y P1 PT1.5S P\u09e8Y P1Y1D PT1H1S",
    "email": "2962 .test@example.com test.@example.com te..st@example.com a@b=c joe@[127.0.0.300]"
    " a@ @b a@-b a@b-"
    " a@[IPv6:1:2:3:4:5:6:7::]",
    "hostname": f"-bad -a.b a-.b a_b .a a. a..b . {'a' * 64}.com é.com {'.'.join(['a' * 49] * 5)}.abcd"
    " xn-- xn--X xn--a- 0a.xn--qmbc",
    "ipv4": "127.0.0.0.1 256.256.256.256 127.0 0x7f000001 192.168.01.1 1.2.3.4/24 \u09e7.2.3.4 00.0.0.0",
    "ipv6": "12345:: ::laptop 1:2:3:4:5:6:7:8:9 1 : :2 1::2::3 1:2 fe80::a%eth1 ::1/64 1:2:3:4:5:6:7::8:9"
    " 1:2:3:4:5:6:7:1.2.3.4 ::1.2.3 1:2:3:4:5:6:7: ::12.34.56.256 1:2:3:4::5:6:7:8",
    "uri": "//foo.bar /abc \\\\WINDOWS abc :// http://[1 http://a/[ http://a/%zz 1a:b http://a:b/"
    " http://é/ a:<b>",
    "uri-reference": "\\\\WINDOWS #a\\b 1:b :a http://[::1",
    "iri": "http://2001:0db8::7334/ /abc \\\\WINDOWS http://a/\ue000 http://a/\ufdd0",
    "iri-reference": "\\\\WINDOWS #ƒräg\\mênt",
    "uri-template": "http://example.com/{term {a}} {} {a b} {a:0} {a:10000} {^a} <a> a%zz {a,}",
    "uuid": "2eb8aa08-aa98-11ea-b4aa-73b441d1638 2eb8aa08aa9811eab4aa73b441d16380"
    " 2eb8-aa08-aa98-11ea-b4aa73b44-1d16380",
    "json-pointer": "/foo/bar~ /~2 a #/a 0 /~~",
    "relative-json-pointer": "/foo -1 01 1## 0##/a 1~ +1 \u09e7",
}


@functools.cache
def pool_of(name: str) -> StringPool:
    """Return a pool for a format and its negation."""
    return StringPool(Limits())


def accepts(name: str, text: str) -> bool:
    """Return whether the automaton of a format takes the text."""
    return runs(pool_of(name), Format(name), text)


def outcome(demands: frozenset[int]) -> int:
    return 0


def runs(pool: StringPool, formula: Formula, text: str) -> bool:
    """Return whether a text meets a formula."""
    state = pool.start(Spec((formula,)), outcome)
    for byte in text.encode():
        if state == DEAD:
            return False
        state = int(pool.trans[state, byte])
    return state != DEAD and int(pool.outcome[state]) == 0


@for_each(("name", "text"), [(name, text) for name, texts in VALID.items() for text in texts.split(" ")])
def test_a_valid_string_is_accepted(name: str, text: str) -> None:
    assert accepts(name, text)


@for_each(("name", "text"), [(name, text) for name, texts in INVALID.items() for text in texts.split(" ")])
def test_an_invalid_string_is_not_accepted(name: str, text: str) -> None:
    assert not accepts(name, text)


@for_each("name", [name for name in VALID if name not in ("json-pointer", "uri-reference", "uri-template")])
def test_the_empty_string_is_not_of_a_format_that_demands_something(name: str) -> None:
    assert accepts(name, "") == (name == "iri-reference")


def test_a_quoted_local_part_may_hold_blanks() -> None:
    assert accepts("email", '"joe bloggs"@example.com')
    assert not accepts("email", "joe bloggs@example.com")


_LABEL = "b" * 63
_DOMAIN = ".".join([_LABEL] * 3)


@for_each(
    ("address", "valid"),
    [
        ("a" * 64 + "@b.c", True),
        ("a" * 65 + "@b.c", False),
        ("a." * 31 + "bc@b.c", True),
        ("a." * 32 + "b@b.c", False),
        ('"' + "a" * 31 + '"@b.c', True),
        ('"' + "a" * 63 + '"@b.c', False),
        ('"' + "\\a" * 31 + '"@b.c', True),
        ('"' + "\\a" * 31 + 'a"@b.c', False),
        (f"a@{_LABEL}", True),
        (f"a@{_LABEL}b", False),
        (f"a@{_LABEL}b.c", False),
        (f"a@{_DOMAIN}.{'c' * 61}", True),
        (f"a@{_DOMAIN}.{'c' * 62}", False),
        (f"{'a' * 64}@{_DOMAIN}.{'c' * 61}", True),
        ("a" * 65 + "@[127.0.0.1]", False),
    ],
)
def test_a_mailbox_is_as_long_as_rfc_5321_lets_it_be(address: str, valid: bool) -> None:
    assert accepts("email", address) == valid
    validator = jsonschema_rs.validator_for({"format": "email"}, validate_formats=True)
    assert validator.is_valid(address) == valid
    assert not (valid and runs(pool_of("email"), Not(Format("email")), address))


@pytest.mark.parametrize("char", ["a", "é", "日", "\U0001d54f"])
def test_the_local_part_of_an_international_mailbox_has_at_most_64_octets(char: str) -> None:
    """Beyond ASCII some of those that are as long are left out, none that is longer is taken."""
    for mark in ("", '"'):
        taken = [
            size for size in range(1, 80) if accepts("idn-email", f"{mark}{char * size}{mark}@example.com")
        ]
        assert taken == list(range(1, len(taken) + 1)) and len(taken) >= 7
        assert len(f"{mark}{char * len(taken)}{mark}".encode()) <= 64


_SAME = ("date-time", "date", "time", "duration", "ipv4", "ipv6", "uuid", "json-pointer")
_PIECES = {
    "date-time": "2020 - 02 29 30 T 23 : 59 60 00 .5 Z + z t 1".split(),
    "date": "2020 2021 - 02 29 28 30 31 04 1".split(),
    "time": "23 : 59 60 00 .5 Z + - 08 1".split(),
    "duration": "P T 1 23 Y M D H S W .".split(),
    "ipv4": "1 . 255 256 0 01".split(),
    "ipv6": "1 : :: ffff 1.2.3.4 12345 . 0".split(),
    "uuid": "2eb8aa08 - aa98 73b441d16380 g".split(),
    "json-pointer": "/ ~ 0 1 a é".split(),
}


@given(
    st.sampled_from(_SAME).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.sampled_from(_PIECES[n]), max_size=14))
    )
)
@settings(max_examples=8 * settings().max_examples)
def test_an_independent_validator_agrees(case: tuple[str, list[str]]) -> None:
    name, pieces = case
    text = "".join(pieces)
    validator = jsonschema_rs.validator_for({"format": name}, validate_formats=True)
    accepted, valid = accepts(name, text), validator.is_valid(text)
    assert accepted == valid or (valid and ":60" in text), text


@pytest.mark.parametrize("name", ["int32", "int64", "float", "double", "binary", "password", "byte"])
def test_an_openapi_format_of_numbers_or_display_says_nothing_of_strings(name: str) -> None:
    assert name in KNOWN
    assert accepts(name, "any text, é")


def test_what_no_document_satisfies_but_for_what_is_cut_is_said_so() -> None:
    cut = "(" * 25 + ")" * 25
    with pytest.raises(sg.errors.UnsatisfiableSchema, match="except for texts removed from the format regex"):
        sg.compile(sg.json_schema({"format": "regex", "enum": [cut]}), byte_tokenizer())
    with pytest.raises(sg.errors.UnsatisfiableSchema, match="satisfies the schema:"):
        sg.compile(sg.json_schema({"format": "date", "enum": [cut]}), byte_tokenizer())
    compiled = sg.compile(sg.json_schema({"not": {"format": "regex"}, "type": "string"}), byte_tokenizer())
    assert compiled.step_bytes(compiled.start, b'"*"') is not None
    assert compiled.step_bytes(compiled.start, b'"a"') is None

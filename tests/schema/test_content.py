"""`contentEncoding` under content="assert" is what encoders write, and `contentMediaType` a JSON text."""

from __future__ import annotations

import base64
import binascii
import json
import quopri
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import structgen as sg
from structgen.automata.strings.string_pool import StringPool
from structgen.errors import OptionError, UnsupportedError
from structgen.json_grammars.schema_grammar import json_schema
from structgen.json_machine.answers.scalar_questions import Strings
from structgen.language.ir import All, Pattern
from structgen.limits import Limits
from structgen.schema.explaining.keyword_report import KeywordStanding
from structgen.schema.reading.content import ENCODINGS

POOL = Strings(StringPool(Limits()), lambda demands: 0)


def takes(encoding: str, text: str) -> bool:
    spec = All(tuple(map(Pattern, ENCODINGS[encoding])))
    return POOL.matches(spec, text)


ENCODERS = {
    "base64": base64.b64encode,
    "base64url": base64.urlsafe_b64encode,
    "base32": base64.b32encode,
    "base32hex": base64.b32hexencode,
    "base16": base64.b16encode,
}
DECODERS = {
    "base64": lambda text: base64.b64decode(text, validate=True),
    "base64url": lambda text: base64.b64decode(text, b"-_", validate=True),
    "base32": base64.b32decode,
    "base32hex": base64.b32hexdecode,
    "base16": base64.b16decode,
}


@pytest.mark.parametrize("encoding", ENCODERS)
@given(data=st.binary(max_size=12))
def test_what_an_encoder_writes_is_taken(encoding: str, data: bytes) -> None:
    assert takes(encoding, ENCODERS[encoding](data).decode())


@pytest.mark.parametrize("encoding", ENCODERS)
@given(data=st.data())
def test_what_is_taken_is_what_an_encoder_writes(encoding: str, data: st.DataObject) -> None:
    some = ENCODERS[encoding](data.draw(st.binary(max_size=9))).decode()
    at = data.draw(st.integers(0, len(some)))
    text = (
        some[:at]
        + data.draw(st.sampled_from(["", "=", "A", "B", "7", "/", "_", "8", "!", "\n"]))
        + some[at + 1 :]
    )
    try:
        written = ENCODERS[encoding](DECODERS[encoding](text.encode())).decode() == text
    except binascii.Error:
        written = False
    if encoding == "base64url" and not written and "=" not in text and len(text) % 4 != 1:
        padded = text + "=" * (-len(text) % 4)
        written = takes(encoding, padded)
    assert takes(encoding, text) is written


def test_base64url_may_leave_its_padding_out() -> None:
    assert all(takes("base64url", text) for text in ("AA==", "AA", "AAA=", "AAA", "_-A"))
    assert not any(takes("base64url", text) for text in ("A", "AB", "AA=", "A+A="))


def test_base16_may_be_written_in_lower_case() -> None:
    assert takes("base16", "00ffFF")
    assert not takes("base16", "0")


@given(data=st.binary(max_size=200).map(lambda data: data.replace(b"\r", b"").replace(b"\n", b"\r\n")))
def test_what_a_quoted_printable_encoder_writes_is_taken(data: bytes) -> None:
    text = quopri.encodestring(data.replace(b"\r\n", b"\n")).decode().replace("\n", "\r\n")
    assert takes("quoted-printable", text)


@pytest.mark.parametrize("text", ["=3d", "a \r\nb", "a=", "a\nb", "é", "x" * 77, "=", "trailing "])
def test_what_is_no_quoted_printable_is_not_taken(text: str) -> None:
    assert not takes("quoted-printable", text)


@pytest.mark.parametrize(
    "text", ["a=3D", "a=20\r\nb", "a \tb", "a=\r\nb", "x" * 76 + "\r\n" + "y" * 76, "", "a=\r\n"]
)
def test_quoted_printable_lines(text: str) -> None:
    assert takes("quoted-printable", text)


@pytest.mark.parametrize(("text", "good"), [("a\r\nb", True), ("a\nb", False), ("\x00", False), ("é", False)])
def test_seven_bits(text: str, good: bool) -> None:
    assert takes("7bit", text) is good


class _Scalars:
    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: {0: b"0"}


@pytest.mark.parametrize(
    "beside",
    [
        {"contentEncoding": "quoted-printable"},
        {"contentEncoding": "7BIT"},
        {"contentSchema": {"type": "object"}},
        {"pattern": "^a"},
        {"format": "date"},
        {"minLength": 1},
        {"maxLength": 9},
    ],
)
def test_json_in_a_string_is_refused_by_name_beside_what_is_searched_with_it(beside: dict[str, Any]) -> None:
    schema = {"properties": {"a": {"contentMediaType": "application/problem+json; charset=utf-8", **beside}}}
    json_schema(schema).network(_Scalars(), _Scalars())  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match="annotate") as caught:
        json_schema(schema, content="assert").network(_Scalars(), _Scalars())  # type: ignore[arg-type]
    assert caught.value.where == "#/properties/a/contentMediaType"
    assert next(iter(beside)) in str(caught.value)


TOKENS = sg.Tokenizer.from_bytes(
    [bytes((byte,)) for byte in range(256)]
    + [b'\\"', b'{\\"', b'\\":', b'}"', b"[[", b'"}', b'\\"}', b"]]", b"tru", b"\\u007b", b"1,", b"e5"]
    + [None],
    eos_token_id=268,
)


def begins(grammar: sg.CompiledGrammar, text: str) -> bool:
    return grammar.step_bytes(grammar.start, text.encode()) is not None


@pytest.mark.parametrize("media_type", ["application/json", "application/problem+json; charset=utf-8"])
def test_a_string_of_json_is_a_json_text(media_type: str) -> None:
    grammar = sg.compile(json_schema({"contentMediaType": media_type}, content="assert", **sg.WIDEST), TOKENS)
    for inner in ('{"foo": "bar"}', " [1e5, []]", "null", '"a"', '"\\u00e9\\n"', "[[[[[[0]]]]]]"):
        for text in (json.dumps(inner), json.dumps(inner).replace("{", "\\u007b").replace("[", "\\u005B")):
            state = grammar.step_bytes(grammar.start, text.encode())
            assert state is not None
            assert state.is_complete
    for inner in ("{:}", "", "01", "[1,]", "{'a': 1}", "nul", "1 2", "\x0b1"):
        assert not begins(grammar, json.dumps(inner))
    assert all(begins(grammar, text) for text in ("12", "{}", '["', "null"))


@pytest.mark.parametrize("encoding", ENCODERS)
def test_a_string_of_encoded_json_is_a_json_text_in_digits(encoding: str) -> None:
    schema = {"contentMediaType": "application/json", "contentEncoding": encoding.upper()}
    grammar = sg.compile(json_schema(schema, content="assert", **sg.WIDEST), TOKENS)
    for inner in (b'{"foo": "bar"}\n', b" [1e5, []]", '"\u00e9\U0001f600"'.encode()):
        state = grammar.step_bytes(grammar.start, json.dumps(ENCODERS[encoding](inner).decode()).encode())
        assert state is not None
        assert state.is_complete
    for inner in (b"{:}\n", b"", b'"\xe9"', b"[1,]"):
        assert not begins(grammar, json.dumps(ENCODERS[encoding](inner).decode()))
    assert not begins(grammar, '"{}"')
    assert begins(grammar, "100")


def test_what_is_no_json_text_is_the_opposite() -> None:
    schema = {"type": "string", "not": {"contentMediaType": "application/json"}}
    grammar = sg.compile(json_schema(schema, content="assert"), TOKENS)
    assert [begins(grammar, json.dumps(inner)) for inner in ("{:}", "", "{}", "1")] == [
        True,
        True,
        False,
        False,
    ]


@given(data=st.data())
def test_the_masks_of_json_in_a_string_are_what_can_be_stepped(data: st.DataObject) -> None:
    compare_a_mask_with_steps("8bit", data)


@pytest.mark.parametrize("encoding", ["base64", "base16"])
@settings(max_examples=15)
@given(data=st.data())
def test_the_masks_of_encoded_json_are_what_can_be_stepped(encoding: str, data: st.DataObject) -> None:
    compare_a_mask_with_steps(encoding, data)


def compare_a_mask_with_steps(encoding: str, data: st.DataObject) -> None:
    items = {"type": "string", "contentMediaType": "application/json", "contentEncoding": encoding}
    schema: dict[str, Any] = {"type": "array", "items": items}
    if data.draw(st.booleans()):
        schema["uniqueItems"] = True
    grammar = sg.compile(json_schema(schema, content="assert", whitespace="compact"), TOKENS)
    inner = st.recursive(
        st.sampled_from([0, "a", None]),
        lambda below: st.lists(below, max_size=2) | st.dictionaries(st.just("k"), below),
    )
    chosen = data.draw(st.lists(inner.map(json.dumps), min_size=1, max_size=3, unique=True))
    encode, decode = ENCODERS.get(encoding, bytes), DECODERS.get(encoding, bytes)
    chosen = [encode(one.encode()).decode() for one in chosen]
    text = json.dumps(chosen, separators=(",", ":")).encode()
    begun = text[: data.draw(st.integers(0, len(text)))]
    state = grammar.step_bytes(grammar.start, begun)
    assert state is not None
    mask = sg.allocate_mask(1, 269)
    sg.Matcher(grammar, state).fill_mask(mask)
    allowed = set(mask.allowed(0).tolist())
    for token, piece in enumerate(TOKENS.token_bytes[:268]):
        assert piece is not None
        assert (token in allowed) == (grammar.step_bytes(state, piece) is not None), piece
    whole = json.loads(begun + grammar.completion(state))
    assert [json.loads(decode(one.encode())) is ... for one in whole] == [False] * len(whole)


def test_json_beside_an_unknown_encoding_is_no_matter() -> None:
    schema = {"contentMediaType": "application/json", "contentEncoding": "rot13"}
    standings = {one.standing for one in json_schema(schema, content="assert").report.findings}
    assert standings == {KeywordStanding.ANNOTATION}


def test_the_report_says_what_is_asserted() -> None:
    schema = {"contentEncoding": "BASE64", "contentMediaType": "image/png", "contentSchema": {}}
    found = {
        content: {one.keyword: one.standing for one in json_schema(schema, content=content).report.findings}
        for content in ("annotate", "assert")
    }
    assert set(found["annotate"].values()) == {KeywordStanding.ANNOTATION}
    assert [key for key, standing in found["assert"].items() if standing is KeywordStanding.ENFORCED] == [
        "contentEncoding"
    ]


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(OptionError) as caught:
        json_schema({}, content="check")
    assert caught.value.where == "content"


@pytest.mark.parametrize("draft", ["4", "6"])
def test_earlier_drafts_do_not_know_it(draft: str) -> None:
    assert json_schema({"contentEncoding": "base64"}, draft=draft, content="assert").report.enforced == ()

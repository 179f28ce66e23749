"""`contentEncoding` under content="assert" is what encoders write; JSON in a string is refused by name."""

from __future__ import annotations

import base64
import binascii
import quopri
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structgen.automata.strings import StringPool
from structgen.errors import OptionError, UnsupportedError
from structgen.ir import All, Pattern
from structgen.limits import Limits
from structgen.machine.scalars import Strings
from structgen.schema.content import ENCODINGS
from structgen.schema.grammar import json_schema
from structgen.schema.report import Standing

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


def test_json_in_a_string_is_refused_by_name_if_content_is_asserted() -> None:
    schema = {"properties": {"a": {"contentMediaType": "application/problem+json; charset=utf-8"}}}
    json_schema(schema).network(_Scalars(), _Scalars())  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match="annotate") as caught:
        json_schema(schema, content="assert").network(_Scalars(), _Scalars())  # type: ignore[arg-type]
    assert caught.value.where == "#/properties/a/contentMediaType"


def test_the_report_says_what_is_asserted() -> None:
    schema = {"contentEncoding": "BASE64", "contentMediaType": "image/png", "contentSchema": {}}
    found = {
        content: {one.keyword: one.standing for one in json_schema(schema, content=content).report.findings}
        for content in ("annotate", "assert")
    }
    assert set(found["annotate"].values()) == {Standing.ANNOTATION}
    assert [key for key, standing in found["assert"].items() if standing is Standing.ENFORCED] == [
        "contentEncoding"
    ]


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(OptionError) as caught:
        json_schema({}, content="check")
    assert caught.value.where == "content"


@pytest.mark.parametrize("draft", ["4", "6"])
def test_earlier_drafts_do_not_know_it(draft: str) -> None:
    assert json_schema({"contentEncoding": "base64"}, draft=draft, content="assert").report.enforced == ()

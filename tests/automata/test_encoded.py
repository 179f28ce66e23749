"""JSON texts in base64, base32 and base16: against Python's encoders, and digit by digit against the
automaton of plain JSON texts over the bytes that the digits hold."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structgen.automata.formats.encoded_content import ENCODINGS
from structgen.automata.formats.json_content import JSON_TEXT
from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.partition import PLAIN
from structgen.json_machine.answers.scalar_questions import Strings
from structgen.language.ir import UNKNOWN, Format, Not, Pattern, Spec
from structgen.limits import Limits

ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "base64": base64.b64encode,
    "base64url": base64.urlsafe_b64encode,
    "base32": base64.b32encode,
    "base32hex": base64.b32hexencode,
    "base16": base64.b16encode,
}
DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "base64": lambda text: base64.b64decode(text, validate=True),
    "base64url": lambda text: base64.b64decode(text, b"-_", validate=True),
    "base32": base64.b32decode,
    "base32hex": base64.b32hexdecode,
    "base16": lambda text: base64.b16decode(text, casefold=True),
}


def one(demands: frozenset[int]) -> int:
    return 0


POOL = StringPool(Limits())
ORACLE = Strings(POOL, one)
BYTES = StringPool(Limits(), spelling=PLAIN)
"""Of plain JSON texts, the shortest ends counted in bytes."""


def named(encoding: str) -> Format:
    return Format(f"{JSON_TEXT} in {encoding}")


def after(pool: StringPool, state: int, byte: int) -> int:
    if pool.trans[state, byte] == UNKNOWN:
        pool.expand(state, byte)
    return int(pool.trans[state, byte])


def behind(pool: StringPool, formula: Format, data: bytes) -> int:
    """Return the state behind some bytes, negative where none lives."""
    state = pool.start(Spec((formula,)), one)
    for byte in data:
        state = after(pool, state, byte)
        if state < 0:
            break
    return state


values = st.recursive(
    st.none() | st.booleans() | st.sampled_from([0, -1, 1.5, 1e30]) | st.text('a"\\é/ \n😀', max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab\\", max_size=2), inner, max_size=2)
    ),
    max_leaves=5,
)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """The bytes of a JSON text, or of one that an edit made of it."""
    data = json.dumps(draw(values), ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
    text = data.encode() + draw(st.sampled_from([b"", b" ", b"\n\t"]))
    at = draw(st.integers(0, len(text)))
    piece = draw(
        st.sampled_from([b"", b"", *(b'[]{}:,"\\01'[at : at + 1] for at in range(10)), b"\x80", b"\xe9"])
    )
    return text[:at] + piece + text[at + draw(st.integers(0, 1)) :]


def holds(data: bytes) -> bool:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        json.loads(data.decode(), parse_constant=refuse)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("encoding", ENCODERS)
@given(data=texts())
def test_a_string_holds_a_json_text_where_its_bytes_do(encoding: str, data: bytes) -> None:
    text = ENCODERS[encoding](data).decode()
    assert ORACLE.matches(named(encoding), text) is holds(data)
    assert ORACLE.matches(Not(named(encoding)), text) is not holds(data)


@pytest.mark.parametrize("encoding", ENCODERS)
@given(data=values.map(json.dumps), draw=st.data())
def test_what_an_encoder_does_not_write_is_not_taken(encoding: str, data: str, draw: st.DataObject) -> None:
    some = ENCODERS[encoding](data.encode()).decode()
    at = draw.draw(st.integers(0, len(some)))
    piece = draw.draw(st.sampled_from(["", "=", "A", "B", "Q", "7", "/", "_", "a", "!", "\n"]))
    text = some[:at] + piece + some[at + draw.draw(st.integers(0, 1)) :]
    padded = text
    if encoding == "base64url" and "=" not in text:
        padded += "=" * (-len(text) % 4)
    try:
        found = DECODERS[encoding](padded.encode())
        written = ENCODERS[encoding](found).decode()
    except binascii.Error:
        found, written = b"", ""
    same = padded.upper() == written if encoding == "base16" else padded == written
    assert ORACLE.matches(named(encoding), text) is (same and holds(found))


@pytest.mark.parametrize("encoding", ENCODERS)
@given(data=texts(), draw=st.data())
def test_a_state_lives_where_some_bytes_go_on_and_knows_how_far(
    encoding: str, data: bytes, draw: st.DataObject
) -> None:
    digits = ENCODERS[encoding](data).decode().rstrip("=")
    begun = digits[: draw.draw(st.integers(0, len(digits)))]
    bits = ENCODINGS[encoding].bits
    whole, part = divmod(len(begun) * bits, 8)
    loose = data[whole] >> 8 - part << 8 - part if part and whole < len(data) else 0
    rests = [b""] if not part else [bytes((loose | low,)) for low in range(1 << 8 - part)]
    lengths = []
    if part and part < bits and not loose and holds(data[:whole]):  # what is begun may be padding
        lengths.append(0 if encoding == "base64url" else -len(begun) % ENCODINGS[encoding].group)
    for rest in rests:
        state = behind(BYTES, Format(JSON_TEXT), data[:whole] + rest)
        if state >= 0:
            total = ENCODERS[encoding](data[:whole] + rest + BYTES.finish(state)[0])
            lengths.append(len(total.rstrip(b"=") if encoding == "base64url" else total) - len(begun))
    state = behind(POOL, named(encoding), begun.encode())
    assert (state >= 0) is bool(lengths)
    if lengths:
        rest = POOL.finish(state)[0]
        assert len(rest) == min(lengths)
        assert ORACLE.matches(named(encoding), begun + rest.decode())


@pytest.mark.parametrize("encoding", ENCODERS)
def test_nesting_has_no_bound_and_is_counted(encoding: str) -> None:
    data = b'[{"a":' * 100
    begun = ENCODERS[encoding](data)
    rest = POOL.finish(behind(POOL, named(encoding), begun))[0]
    assert ORACLE.matches(named(encoding), (begun + rest).decode())
    shortest = ENCODERS[encoding](data + b"0" + b"}]" * 100)
    assert len(begun + rest) == len(shortest.rstrip(b"=") if encoding == "base64url" else shortest)


def test_bodies_that_were_called_with_other_guesses_end_in_one_state() -> None:
    ends = {
        behind(POOL, named("base64"), base64.b64encode(b"[%s[]" % (b" " * size))) for size in (0, 3, 6, 9)
    }
    assert len(ends) == 1


@pytest.mark.parametrize("encoding", ENCODERS)
def test_a_state_has_one_name_in_every_process(encoding: str) -> None:
    other = StringPool(Limits())
    other.start(Spec((Pattern("^(ab){3,9}$"),)), one)
    begun = ENCODERS[encoding](b'{"a": [1, {"b": ')[:18]
    assert other.key(behind(other, named(encoding), begun)) == POOL.key(behind(POOL, named(encoding), begun))

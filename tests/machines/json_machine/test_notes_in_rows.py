"""A row of a string automaton that is filled column by column has a note in the place of the byte 255."""

from __future__ import annotations

import pytest

import structgen as sg

TOKENS = [bytes((byte,)) for byte in range(256)]


@pytest.fixture(scope="module")
def compiled() -> sg.CompiledGrammar:
    tokenizer = sg.Tokenizer.from_bytes([*TOKENS, b""], 256)
    return sg.compile(sg.json_schema({"type": "string", "format": "idn-hostname"}), tokenizer, store=False)


@pytest.mark.parametrize("prefix", [b'"\xc3', b'"\xc3\xa4', b'"\xe6', b'"\xe6\x97', b'"a'])
def test_the_byte_255_is_refused_inside_an_international_host_name(
    prefix: bytes, compiled: sg.CompiledGrammar
) -> None:
    state = compiled.step_bytes(compiled.start, prefix)
    assert state is not None
    assert compiled.step_bytes(state, b"\xff") is None
    assert compiled.step(state, 255) is None


def test_what_must_come_within_a_character_of_an_international_host_name(
    compiled: sg.CompiledGrammar,
) -> None:
    state = compiled.step_bytes(compiled.start, b'"\xc3')
    assert state is not None
    matcher = sg.Matcher(compiled, state)
    assert matcher.forced() == b""
    following = compiled.next_bytes(state)
    assert list(following) == [byte for byte in range(256) if compiled.step(state, byte) is not None]
    assert list(following) == compiled.allowed(state)

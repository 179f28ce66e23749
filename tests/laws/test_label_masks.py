"""Masks inside host names: a token is allowed exactly where some host name goes on like that."""

from __future__ import annotations

from typing import Any

import pytest

import structgen as sg

PIECES = [*'ax-é"', "9n", "2b", "p8q", "xn--", "n-", ".a", '."', 'zca"', "--", "-.", "a.xn--q", "A-"]
PIECES += ["0" * 9, "0" * 61, ".a.b.c"]
NAME = ".".join(["a" * 63] * 3 + ["b" * 61])
DOCUMENTS = [f'"{NAME}"', '"www.x-9.example"', '"xm--q.a"', '"\\u0078M--zcA.a"', '"127.0.0.1"', '"::1"']


def tokenizer() -> sg.Tokenizer:
    """Return a vocabulary of all bytes, and of tokens that span labels."""
    return sg.Tokenizer.from_bytes(
        [bytes((byte,)) for byte in range(256)] + [piece.encode() for piece in PIECES] + [None],
        eos_token_id=256 + len(PIECES),
    )


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "format": "hostname"},
        {"type": "string", "format": "hostname", "minLength": 9},
        {"type": "string", "format": "hostname", "maxLength": 120},
        {"type": "string", "anyOf": [{"format": "hostname"}, {"format": "ipv4"}]},
        {"enum": ["www.x-9.example", NAME, NAME + "b", "xn--a"], "format": "hostname"},
    ],
    ids=["alone", "longer", "shorter", "or", "enum"],
)
def test_a_mask_is_what_single_bytes_say(schema: dict[str, Any]) -> None:
    """A token is allowed where its bytes, one by one, lead to a state; each state completes to a document."""
    assert compared(schema, DOCUMENTS) > 20


def compared(schema: dict[str, Any], documents: list[str]) -> int:
    """Return how many states of documents were held to what stepping through bytes says."""
    names = tokenizer()
    compiled = sg.compile(sg.json_schema(schema, **sg.WIDEST), names)
    tokens = [(number, piece.encode()) for number, piece in enumerate(PIECES, 256)]
    seen = 0
    for document in documents:
        state = compiled.start
        for byte in document.encode():
            after = compiled.step_bytes(state, bytes((byte,)))
            if after is None:
                break
            state = after
            allowed = set(compiled.allowed(state))
            for number, data in tokens:
                assert (number in allowed) == (compiled.step_bytes(state, data) is not None), (state, data)
            rest = compiled.completion(state)
            assert compiled.is_finished(compiled.step_bytes(state, rest) or state) or compiled.accepts_end(
                compiled.step_bytes(state, rest) or state
            )
            seen += 1
    return seen

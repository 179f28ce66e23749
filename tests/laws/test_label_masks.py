"""Masks inside A-labels: a token is allowed exactly where some host name goes on like that."""

from __future__ import annotations

from typing import Any

import idna
import pytest

import structgen as sg

PIECES = [
    "a",
    "9n",
    "2b",
    "p8q",
    "xn--",
    "qmbc",
    ".a",
    '."',
    '"',
    "zca",
    "zca.",
    'zca"',
    "-",
    "--",
    "a.xn--q",
    "é",
    "A-",
    "0" * 9,
]
LONGEST = "xn--" + ("a" * 53 + "ß").encode("punycode").decode()
DOCUMENTS = [
    f'"{LONGEST}.a"',
    '"xn--9n2bp8q.xn--9t4b11yi5a"',
    '"0.xn--a-zca"',
    '"xn--qmbc.xn--zca"',
    '"\\u0078N--zcA.a"',
]


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
        {"type": "string", "format": "hostname", "maxLength": 30},
        {"type": "string", "anyOf": [{"format": "hostname"}, {"format": "ipv4"}]},
        {"enum": ["xn--qmbc.xn--zca", "xn--9n2bp8q.xn--9t4b11yi5a"], "format": "hostname"},
    ],
    ids=["alone", "longer", "shorter", "or", "enum"],
)
def test_a_mask_is_what_single_bytes_say(schema: dict[str, Any]) -> None:
    """A token is allowed where its bytes, one by one, lead to a state; each state completes to a document."""
    assert compared(schema, DOCUMENTS) > 20


def compared(schema: dict[str, Any], documents: list[str]) -> int:
    """Return how many states of documents were held to what stepping through bytes says."""
    names = tokenizer()
    limits = sg.Limits(automaton_states=4_000_000)
    compiled = sg.compile(sg.json_schema(schema, **sg.WIDEST), names, limits=limits)
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


def test_completions_of_unfinished_a_labels_are_a_labels() -> None:
    compiled = sg.compile(sg.json_schema({"type": "string", "format": "hostname"}, **sg.WIDEST), tokenizer())
    for text in (
        "xn--",
        "xn--9n",
        "a.xn--qmb",
        "xn---",
        "xn----",
        "xn--a-b-",
        "xn--" + "a" * 54,
        "xn---" + "a" * 52,
    ):
        state = compiled.step_bytes(compiled.start, b'"' + text.encode())
        assert state is not None, text
        name = text + compiled.completion(state).decode()[:-1]
        for label in name.split("."):
            assert idna.ulabel(label.lower()), name
        assert compiled.tokens_to_finish(state) <= len(compiled.completion(state))

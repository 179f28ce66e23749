"""Bounds on lengths beside patterns: exact, and without an automaton that counts."""

from __future__ import annotations

import re

import pytest
from compiled_texts import reached, takes

import structgen as sg

_BYTES = sg.Tokenizer.from_bytes([*(bytes([byte]) for byte in range(256)), None], 256)


@pytest.mark.parametrize(
    ("least", "most", "pattern"),
    [(1, 12, "^$|(^(?:[a-z]+ ){0,3}[a-z]+$)"), (3, 7, "^(?:ab)*$"), (2, 5, "é|^$"), (0, 4, "^a+$")],
)
def test_both_bounds_hold_beside_a_pattern(least: int, most: int, pattern: str) -> None:
    compiled = sg.compile(
        sg.json_schema({"type": "string", "minLength": least, "maxLength": most, "pattern": pattern}), _BYTES
    )
    texts = ["ab" * n for n in range(8)] + ["a " * n + "b" for n in range(8)] + ["a" * n for n in range(14)]
    texts += ["é" * n for n in range(8)]
    for text in texts:
        accepted = takes(compiled, f'"{text}"')
        valid = least <= len(text) <= most and re.search(pattern.replace("$", r"\Z"), text) is not None
        assert accepted == valid, text


def test_five_thousand_characters_in_a_hundred_words_are_counted_beside_the_pattern() -> None:
    schema = {"type": "string", "minLength": 1, "maxLength": 5000, "pattern": r"^$|(^(?:\S+\s+){0,99}\S+$)"}
    compiled = sg.compile(sg.json_schema(schema, limits=sg.Limits(automaton_states=20_000)), _BYTES)
    text = " ".join(["word" * 12] * 100).encode()
    state = reached(compiled, b'"' + text)
    assert compiled.step_bytes(state, b'"') is not None
    assert compiled.step_bytes(state, b" x") is None
    assert compiled.step_bytes(state, b"y" * 101) is not None
    assert compiled.step_bytes(state, b"y" * 102) is None

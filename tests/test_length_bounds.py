"""Bounds on lengths beside patterns: exact, and without an automaton that counts."""

from __future__ import annotations

from compiled_texts import reached

import structgen as sg

_BYTES = sg.Tokenizer.from_bytes([*(bytes([byte]) for byte in range(256)), None], 256)


def test_five_thousand_characters_in_a_hundred_words_are_counted_beside_the_pattern() -> None:
    schema = {"type": "string", "minLength": 1, "maxLength": 5000, "pattern": r"^$|(^(?:\S+\s+){0,99}\S+$)"}
    compiled = sg.compile(sg.json_schema(schema, limits=sg.Limits(automaton_states=20_000)), _BYTES)
    text = " ".join(["word" * 12] * 100).encode()
    state = reached(compiled, b'"' + text)
    assert compiled.step_bytes(state, b'"') is not None
    assert compiled.step_bytes(state, b" x") is None
    assert compiled.step_bytes(state, b"y" * 101) is not None
    assert compiled.step_bytes(state, b"y" * 102) is None

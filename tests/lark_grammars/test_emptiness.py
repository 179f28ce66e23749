"""Proofs that no text goes on: of what is dead, by few steps; and never of what a text completes."""

from __future__ import annotations

import pytest
from lark_reference import build, differences, takes, texts

import structgen as sg
from structgen.lark_grammars.liveness import emptiness
from structgen.lark_grammars.liveness.emptiness import is_proved_dead
from structgen.lark_grammars.tables.contextual_language import ContextualLanguage
from structgen.limits import Limits

DEAD = {
    # what is shifted rather than ended nests for ever, and the outer rules come to nothing
    "a rule that takes what others need": (
        'start.1:  | "c" y y+ | x\nx: y "ab"+ |\ny: "a" "a" | "ab" "c"* x\n',
        "cabab",
    ),
    "all the closing ones are the innermost's": ('start: x\nx: "a" x "b"+ | "c"\n', "aac"),
    "deeper than any stack that is kept": (
        'start: x "d"\nx: "a" x "b"+ | "c" ("b" "d")?\n',
        "a" * 30 + "c",
    ),
    "lexemes that swallow what comes": ('start: x\nx: "a" x B | "a" B\nB: /b+/\n', "aa"),
    "one of two texts below": ('start: "1" x "b" | "2" x\nx: "a" x "b"+ | "c"\n', "1ac"),
}


def _language(grammar: str) -> ContextualLanguage:
    found = sg.lark(grammar).language(Limits())
    assert isinstance(found, ContextualLanguage)
    return found


@pytest.mark.parametrize("name", DEAD)
def test_what_is_dead_is_proved_by_few_steps(name: str) -> None:
    grammar, text = DEAD[name]
    reader = _language(grammar).reader
    reading = reader.run(reader.start(), text.encode())
    assert reading is not None
    assert is_proved_dead(reader, reading, 1000)


@pytest.mark.parametrize("name", DEAD)
def test_nothing_is_proved_of_what_a_text_completes(name: str) -> None:
    grammar, _text = DEAD[name]
    alphabet = sorted(set(grammar) & set("abcd12"))
    reference = build(grammar)
    accepted = [text for text in texts("".join(alphabet), 6) if takes(reference, text)]
    reader = _language(grammar).reader
    for text in {one[:size] for one in accepted for size in range(len(one) + 1)}:
        reading = reader.run(reader.start(), text.encode())
        assert reading is not None
        assert not is_proved_dead(reader, reading, 1000), text


@pytest.mark.parametrize("name", DEAD)
def test_verdicts_are_larks(name: str) -> None:
    grammar, _text = DEAD[name]
    assert (
        differences(build(grammar), _language(grammar), "".join(sorted(set(grammar) & set("abcd12"))), 6)
        == []
    )


NESTING = {
    "two texts below": 'start: "1" x "b" | "2" x\nx: "a" x | "c"\n',
    "other brackets below": 'start: x\nx: "(" x ")" | "[" x "]" | "a" y\n'
    'y: "(" y "]" | "[" y ")" | x "b" | "c"\n',
    "rules that end together": 'start: x "d" | y "e"\nx: "a" x | "a" "b"\ny: "a" y "c" | "b" "c"\n',
    "repeats": 'start: "1" (x "b")* | "2" (x "b" "b")+\nx: "a" x? "c" | "d"\n',
    "an empty rule": 'start: x "b"\nx: "a" e x | "c"\ne: "1" |\n',
}
"""Each text that the table takes so far can be completed."""


@pytest.mark.parametrize("height", [1, 2, 3])
@pytest.mark.parametrize("name", NESTING)
def test_what_was_forgotten_may_be_all_that_it_was(
    name: str, height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emptiness, "_HEIGHTS", (height,))
    reader = _language(NESTING[name]).reader
    met = {reader.start(): b""}
    pending = [*met]
    for reading in pending:
        for byte in reader.representative_bytes(reading):
            after = reader.step(reading, byte)
            if after is not None and after not in met and len(met) < 100:
                met[after] = met[reading] + bytes((byte,))
                assert not is_proved_dead(reader, after, 2000), met[after]
                pending.append(after)

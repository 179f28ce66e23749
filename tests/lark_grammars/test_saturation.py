"""Liveness by saturation, held to lark and to all short texts; no search has a limit."""

from __future__ import annotations

import pytest
from lark.indenter import PythonIndenter
from lark_reference import after, build, differences, takes, texts

import structgen as sg
from structgen.lark_grammars.liveness.letters import _VIOLATED, Letters
from structgen.lark_grammars.liveness.saturated_reader import SaturatedReader
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
NESTING = {
    "two texts below": 'start: "1" x "b" | "2" x\nx: "a" x | "c"\n',
    "other brackets below": 'start: x\nx: "(" x ")" | "[" x "]" | "a" y\n'
    'y: "(" y "]" | "[" y ")" | x "b" | "c"\n',
    "rules that end together": 'start: x "d" | y "e"\nx: "a" x | "a" "b"\ny: "a" y "c" | "b" "c"\n',
    "repeats": 'start: "1" (x "b")* | "2" (x "b" "b")+\nx: "a" x? "c" | "d"\n',
    "an empty rule": 'start: x "b"\nx: "a" e x | "c"\ne: "1" |\n',
}
"""Each text that the table takes so far can be completed."""
OPEN = {
    "a text that may open": ("start: (A|B)+\nA: /<(.*>)?/\nB: /[^<]/\n", "<>a\n", 6),
    "two that may open": ("start: (A|B|C)+\nA: /<(.*>)?/\nB: /[^<\\[]/\nC: /\\[(.*\\])?/\n", "<>[]", 5),
    "one that ends with what others begin": ("start: (A|B)+ C\nA: /a(b*c)?/\nB: /b/\nC: /cb?/\n", "abc", 7),
    "behind an ignored one": ('start: (A B)+\nA: /a( *b)?/\nB: /b+/\n%ignore " "\n', "ab ", 7),
}
"""Lexemes that may have ended: any number of them at once."""
BLOCKS = r"""
start: block+
block: "a" _NEWLINE (_INDENT block+ _DEDENT)? | "(" block? ")" _NEWLINE
_NEWLINE: /(\n *)+/
%declare _INDENT _DEDENT
"""
ENDLESS = r"""
start: "b" _NEWLINE | block
block: "a" _NEWLINE _INDENT block _DEDENT
_NEWLINE: /(\n *)+/
%declare _INDENT _DEDENT
"""


def _language(grammar: str, **options: object) -> ContextualLanguage:
    found = sg.lark(grammar, **options).language(Limits(oracle_steps=5_000))  # type: ignore[arg-type]
    assert isinstance(found, ContextualLanguage)
    return found


def _saturated(language: ContextualLanguage) -> SaturatedReader:
    found = SaturatedReader(language.reader)
    assert found.is_exact
    return found


@pytest.mark.parametrize("name", DEAD)
def test_stacks_from_which_nothing_ends_are_dead(name: str) -> None:
    grammar, text = DEAD[name]
    language = _language(grammar)
    reading = language.reader.run(language.reader.start(), text.encode())
    assert reading is not None
    assert not _saturated(language).may_live(reading)


@pytest.mark.parametrize("name", DEAD)
def test_what_an_accepted_text_begins_with_is_live(name: str) -> None:
    grammar, _text = DEAD[name]
    reference = build(grammar)
    accepted = [
        one for one in texts("".join(sorted(set(grammar) & set("abcd12"))), 6) if takes(reference, one)
    ]
    language = _language(grammar)
    saturated = _saturated(language)
    for text in {one[:size] for one in accepted for size in range(len(one) + 1)}:
        reading = language.reader.run(language.reader.start(), text.encode())
        assert reading is not None
        assert saturated.may_live(reading), text


@pytest.mark.parametrize("name", NESTING)
def test_every_stack_of_a_table_without_conflicts_is_live(name: str) -> None:
    language = _language(NESTING[name])
    saturated, reader = _saturated(language), language.reader
    met = {reader.start(): b""}
    for reading in (pending := [*met]):
        for byte in reader.representative_bytes(reading):
            reached = reader.step(reading, byte)
            if reached is not None and reached not in met and len(met) < 100:
                met[reached] = met[reading] + bytes((byte,))
                assert saturated.may_live(reached), met[reached]
                pending.append(reached)


@pytest.mark.parametrize("name", OPEN)
def test_verdicts_of_lexemes_that_may_have_ended_are_larks(name: str) -> None:
    grammar, alphabet, longest = OPEN[name]
    language = _language(grammar)
    assert _saturated(language).is_exact
    assert differences(build(grammar), language, alphabet, longest) == []


def test_any_number_of_lexemes_that_may_have_ended_are_one() -> None:
    language = _language(OPEN["a text that may open"][0])
    config = after(language, b"<a<b<<" * 50, language.start())
    assert config is not None
    assert len([*config.branches()]) <= 2  # type: ignore[attr-defined]


def test_masks_of_lexemes_that_may_have_ended_meet_no_limit() -> None:
    tokens = [bytes((byte,)) for byte in range(256)] + [b"<a", b"a<", b"<<", b"a>", b"<a<b>"]
    tokenizer = sg.Tokenizer.from_bytes([*tokens, None], eos_token_id=len(tokens))
    grammar = OPEN["two that may open"][0]
    compiled = sg.compile(sg.lark(grammar), tokenizer, store=False, limits=Limits(oracle_steps=20_000))
    reference = build(grammar)
    for text in (b"", b"<", b"<a[", b"<[<[<", b"<a>[b]<"):
        state = compiled.step_bytes(compiled.start, text)
        assert state is not None
        allowed = set(compiled.allowed(state))
        for token, read in enumerate(tokens):
            reached = compiled.step(state, token)
            assert (reached is not None) == (token in allowed)
            if reached is not None:
                assert takes(reference, (text + read + compiled.completion(reached)).decode("latin-1"))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 10])
def test_obligations_are_made_only_where_they_are_met(count: int) -> None:
    # each A that has ended may still go on, and all of them together have exponentially many states
    lines = [f"A{i}: /{chr(97 + i)}([a-z]{{0,{i + 2}}}{i})?/\n" for i in range(count)]
    names = "|".join(f"A{i}" for i in range(count))
    language = _language(f"start: ({names}|X)+\nX: /[x-z]/\n" + "".join(lines))
    saturated = _saturated(language)
    text = bytes(range(97, 97 + count)) * 3
    reading = language.reader.run(language.reader.start(), text)
    assert reading is not None
    assert saturated.may_live(reading)
    assert len(language.reader.lexer.states) < 300


def test_what_two_lexemes_owe_is_broken_by_what_breaks_either() -> None:
    grammar = "start: (A|B|C)+\nA: /a(b*c)?/\nB: /b(a*d)?/\nC: /[cd]/\n"
    lexer = _language(grammar).reader.lexer
    letters = Letters(lexer)
    start = lexer.start(0, lexer.initial_look_behind())
    one, other = (letters.obligation(lexer.move(start, byte).after) for byte in b"ab")

    def breaks(owed: int, text: str) -> bool:
        for byte in text.encode():
            owed = letters._after(owed, byte)
            if owed == _VIOLATED:
                return True
        return False

    both = letters.joined(one, other)
    verdicts = {text: (breaks(one, text), breaks(other, text)) for text in texts("abcd", 4)}
    assert set(verdicts.values()) == {(False, False), (True, False), (False, True)}
    assert {text: breaks(both, text) for text in verdicts} == {
        text: any(found) for text, found in verdicts.items()
    }


def test_lines_are_larks() -> None:
    language = _language(BLOCKS, postlex=PythonIndenter)
    assert _saturated(language).is_exact
    assert differences(build(BLOCKS, postlex=PythonIndenter()), language, "a()\n ", 6) == []


def test_a_block_is_closed_before_what_must_follow_it() -> None:
    grammar = BLOCKS.replace("start: block+", 'start: block+ "."')
    language = _language(grammar, postlex=PythonIndenter)
    assert _saturated(language).is_exact
    assert after(language, b"a\n a\n", language.start()) is not None
    assert differences(build(grammar, postlex=PythonIndenter()), language, "a.\n ", 6) == []


def test_indentation_without_end_is_dead() -> None:
    language = _language(ENDLESS, postlex=PythonIndenter)
    assert _saturated(language).is_exact
    assert language.step(language.start(), ord("a")) is None
    assert language.step(language.start(), ord("b")) is not None


def test_blocks_that_no_number_balances_are_not_exact() -> None:
    grammar = (
        'start: x+\nx: "a" _NEWLINE _INDENT "b" | "c" _NEWLINE\n'
        "_NEWLINE: /(\\n *)+/\n%declare _INDENT _DEDENT\n"
    )
    assert not SaturatedReader(_language(grammar, postlex=PythonIndenter).reader).is_exact

"""Terminals that look ahead inside loops: every call of a mask, a token or a compilation has its bound."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from lark_reference import texts

import structgen as sg
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.lark_grammars.lexer.lexer_tables import LexerTables
from structgen.machines.machine_core.lexeme_tables import RecordTables

# each character of A asks for more, and where A ended is open until it came
NESTED = "start: (A | B)+\nA: /(a(?=b.*c)|b(?=.*a)|[abc](?!.*a.*b))+/\nB: /[bc]/\n"
LATE = "start: (A | B)+\nA: /(a(?!.{3}c)|b)+/\nB: /[abc]/\n"
# where A ends, better matches of A wait for the text's end too: what they owe contradicts what it owes
ENDED = r"""
start: "ab" start | B? y+ | A start*
y: C* "a"
A.1: /(a?[^a]+?|c*.?(ab){1,2}|.c{1,2})[ab]+?$/
B: /./
C: "b"
"""
WINDOW = "start: (A | B)+\nA: /([a-z](?=.{24}q))+z/\nB: /[q-z]/\n"
# lark resolves conflicts by shifting: behind "[] is" every "." belongs to the last expression, so that the
# first one never becomes a method, and no text ends
SHIFTED = r"""
start: call+
call: (NAME | access | method) "(" [expr ("," expr)*] ")"
method: expr "." NAME
?expr: expr "is" expr | expr "==" expr | atom | access
?atom: "[" [expr ("," expr)*] "]" | call | "(" expr ")"
access: NAME "." NAME
%import common.CNAME -> NAME
"""


@pytest.fixture(scope="module")
def crowded() -> sg.Tokenizer:
    """All texts over four letters of up to three of them, and single bytes."""
    singles = [bytes((byte,)) for byte in range(256)]
    longer = [b"".join(of) for n in (2, 3) for of in itertools.product((b"a", b"b", b"c", b","), repeat=n)]
    return sg.Tokenizer.from_bytes([*singles, *longer, None], len(singles) + len(longer))


@pytest.fixture(scope="module")
def whole(crowded: sg.Tokenizer) -> sg.CompiledGrammar:
    """A grammar of which no call was ended."""
    return sg.compile(sg.lark(LATE), crowded, store=False)


@pytest.mark.parametrize("grammar", [WINDOW, NESTED, LATE])
@pytest.mark.parametrize("most", [300, 3_000])
def test_no_call_takes_more_steps_than_its_limit(
    grammar: str, most: int, crowded: sg.Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, spent = sg.lark(grammar), list[int]()

    def counted(*given: Any, **named: Any) -> None:
        spend(*given, **named)
        spent.append(THIS_CALL.spent)

    spend = THIS_CALL.spend_steps
    monkeypatch.setattr(THIS_CALL, "spend_steps", counted)
    try:
        compiled = sg.compile(loaded, crowded, limits=Limits(oracle_steps=most), store=False)
        state: sg.core.State | None = compiled.start
        for byte in b"bcabczq" * 2:
            if state is not None:
                compiled.allowed(state)
                state = compiled.step_bytes(state, bytes((byte,)))
    except sg.errors.LimitError as error:
        assert error.limit == "oracle_steps"
    assert spent
    # what is counted is the work that was done; past the limit nothing is
    assert max(spent) <= most


def test_ends_that_contradict_what_they_owe_are_none(crowded: sg.Tokenizer) -> None:
    limits = Limits(oracle_steps=50_000)
    compiled = sg.compile(sg.lark(ENDED), crowded, limits=limits, store=False)
    for text in texts("abc", 3):
        state = compiled.step_bytes(compiled.start, text.encode())
        assert state is None or compiled.allowed(state)


def test_a_limit_that_was_met_says_how_to_mend_it(crowded: sg.Tokenizer) -> None:
    said = set()
    for _ in range(2):
        with pytest.raises(sg.errors.LimitError) as caught:
            compiled = sg.compile(sg.lark(WINDOW), crowded, limits=Limits(oracle_steps=5_000), store=False)
            compiled.allowed(compiled.start)
        said.add(str(caught.value))
    (message,) = said
    assert "5,000 steps" in message
    assert "shorter look-aheads" in message
    assert message.endswith("or increase it with limits=sg.Limits(oracle_steps=...).")


def test_a_bound_that_was_met_is_met_again_and_nothing_waits_for_it(
    crowded: sg.Tokenizer, whole: sg.CompiledGrammar, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = sg.compile(sg.lark(LATE), crowded, store=False)

    def refused(*_arguments: object) -> None:
        raise sg.errors.LimitError("Too much.", limit="oracle_steps")

    with monkeypatch.context() as patch:
        patch.setattr(RecordTables, "make", refused)
        for _ in range(2):
            with pytest.raises(sg.errors.LimitError):
                compiled.allowed(compiled.start)
    assert compiled.allowed(compiled.start) == whole.allowed(whole.start)


def test_a_lexer_of_too_many_states_says_how_to_mend_it(crowded: sg.Tokenizer) -> None:
    limits = Limits(automaton_states=1_000, oracle_steps=10_000_000)
    with pytest.raises(sg.errors.LimitError, match=r"250 states.*shorten look-aheads") as caught:
        compiled = sg.compile(sg.lark(WINDOW), crowded, limits=limits, store=False)
        for text in texts("qrz", 6):
            compiled.step_bytes(compiled.start, text.encode())
    assert caught.value.limit == "automaton_states"


def test_a_call_past_its_limit_leaves_other_states_as_they_are(
    crowded: sg.Tokenizer, whole: sg.CompiledGrammar, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = sg.compile(sg.lark(LATE), crowded, store=False)
    plain, calls = LexerTables.put_row, itertools.count()

    def at_times(self: LexerTables, state: int) -> None:
        if next(calls) % 7 == 0:
            raise sg.errors.LimitError("Too much.", limit="oracle_steps")
        plain(self, state)

    failed = known = 0
    for text in texts("abc", 3):
        with monkeypatch.context() as patch:
            patch.setattr(LexerTables, "put_row", at_times)
            try:
                state = bound.step_bytes(bound.start, text.encode())
                if state is not None:
                    bound.allowed(state)
            except sg.errors.LimitError:
                failed += 1
        state, expected = (one.step_bytes(one.start, text.encode()) for one in (bound, whole))
        assert (state is None) == (expected is None)
        if state is not None and expected is not None:
            assert bound.allowed(state) == whole.allowed(expected)
            known += 1
    assert failed and known


def test_a_place_that_conflicts_have_closed_is_proved_dead_in_few_steps() -> None:
    tokens: list[bytes | None] = [bytes((byte,)) for byte in range(256)]
    tokens += [text.encode() for text in texts("a[].=i", 3) if len(text) > 1]
    tokenizer = sg.Tokenizer([*tokens, None], eos_token_ids=[len(tokens)])
    compiled = sg.compile(sg.lark(SHIFTED), tokenizer, store=False, limits=Limits(oracle_steps=20_000))
    allowed = {tokenizer.token_bytes[token] for token in compiled.allowed(compiled.start)}
    assert allowed >= {b"[]", b"[].", b"a.a", b"[a"}
    assert not allowed & {b"[]i", b"[]=", b"a[]", b"]"}

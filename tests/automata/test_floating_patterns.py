"""Patterns that may be found anywhere, in any order: exact masks, and a short rest at once."""

from __future__ import annotations

from typing import Any

import pytest
from structgen.automata.programs.instructions import Program, found_anywhere
from structgen.automata.programs.thompson_construction import compile_pattern

import structgen as sg
from structgen.automata.strings import node_completions
from structgen.automata.strings.string_pool import StringPool
from structgen.json_machine.answers.scalar_questions import Strings
from structgen.language.ir import DEAD, All, Format, Formula, Length, Pattern, Spec
from structgen.limits import Limits

PARTS = [*"abcdefg", "[0-9]{2}", "\u00e9\u4e2d", "x(yz)+", "(q|\\.){3}", "-"]
TEXTS = [b"", b"a", b"ab-7", b"abcdefg12-", "\u00e9".encode(), "..\u00e9\u4e2dxyz".encode(), b"\xe4"]


LONG = (b"12", b"yz", b'yz"', b"bcd", "\u00e9\u4e2d".encode(), b"\xb8\xad-", b'-"', b"\\n", b"....")


def grammar(parts: list[str], long: tuple[bytes, ...] = (), **more: Any) -> sg.CompiledGrammar:
    tokens = [*(bytes((byte,)) for byte in range(256)), *long]
    tokenizer = sg.Tokenizer.from_bytes([*tokens, None], len(tokens))
    schema = {"type": "string", "allOf": [{"pattern": part} for part in parts], **more}
    return sg.compile(sg.json_schema(schema, **sg.WIDEST), tokenizer, store=False)


def test_behind_texts_that_meet_all_patterns_ascii_alone_may_come_where_the_rest_is_escaped() -> None:
    schema = {"type": "string", "allOf": [{"pattern": "a"}, {"pattern": "b"}]}
    tokenizer = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], 256)
    compiled = sg.compile(sg.json_schema(schema, **sg.JSON_DUMPS), tokenizer, store=False)
    state = compiled.step_bytes(compiled.start, b'"zab')
    assert state is not None
    mask = sg.allocate_mask(1, compiled.vocab_size)
    sg.Matcher(compiled, state).fill_mask(mask)
    assert mask.allowed(0).tolist() == [*range(0x20, 0x7F)]


@pytest.mark.parametrize("more", [{}, {"maxLength": 24}])
def test_a_mask_allows_what_may_be_written_and_nothing_else(more: dict[str, int]) -> None:
    compiled = grammar(PARTS[:9] if more else PARTS, LONG, **more)
    tokens = compiled.tokenizer.token_bytes
    mask = sg.allocate_mask(1, compiled.tokenizer.vocab_size)
    for text in TEXTS:
        state = compiled.step_bytes(compiled.start, b'"' + text)
        if state is None:
            assert more.get("maxLength") == 24
            continue
        sg.Matcher(compiled, state).fill_mask(mask)
        allowed = set(mask.allowed(0).tolist())
        for number, data in enumerate(tokens):
            if data is not None:
                assert (number in allowed) == (compiled.step_bytes(state, data) is not None), (text, data)
        end = compiled.step_bytes(state, compiled.completion(state))
        assert end is not None and end.is_complete


def test_a_string_ends_where_all_were_found() -> None:
    compiled = grammar(PARTS)
    whole = "gfedcba-12-\u00e9\u4e2dxyzyzq.q"
    assert _takes(compiled, whole)
    for gone in "a", "2", "\u4e2d", "z", "q":
        assert not _takes(compiled, whole.replace(gone, ""))


def _takes(compiled: sg.CompiledGrammar, text: str) -> bool:
    state = compiled.step_bytes(compiled.start, f'"{text}"'.encode())
    return state is not None and state.is_complete


def test_the_rest_is_written_out_token_by_token() -> None:
    compiled = grammar(PARTS)
    matcher = sg.Matcher(compiled)
    rest = compiled.completion(compiled.start)
    assert _takes(compiled, rest[1:-1].decode())
    for at, byte in enumerate(rest):
        assert matcher.tokens_to_finish() == len(rest) - at
        matcher.advance(byte)


def test_the_shortest_rest_of_single_letters_has_each_once() -> None:
    pool = StringPool(Limits())
    letters = "zyxwvutsrqponmlkjihgfedcba"
    state = pool.start(Spec((All(tuple(map(Pattern, letters))),)), lambda demands: 0)
    assert pool.finish(state) == {0: letters[::-1].encode()}


@pytest.mark.parametrize(
    ("source", "anywhere"),
    [
        *(("a", True), ("a*", True), ("[a-c]{2,3}|x", True), ("", True), ("(ab)+c", True)),
        *(("^a", False), ("a$", False), ("a|b$", False), ("^a|b$", False), ("\\ud800", False)),
        *(("\\ba", False), ("a(?=b)", False), ("[]", False)),
    ],
)
def test_which_patterns_stand_in_nobodys_way(source: str, anywhere: bool) -> None:
    program = compile_pattern(source)
    assert (isinstance(program, Program) and found_anywhere(program)) is anywhere


@pytest.mark.parametrize("beside", [Length(0, 60), Pattern("^[^!]*$"), Length(30, 60)])
def test_beside_what_else_is_asked_a_hurried_search_finds_what_a_whole_one_does(
    beside: Formula, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = Spec((All((*map(Pattern, PARTS[:9]), beside)),))
    texts = ["", "!", "ab-7", "7" * 20, "gfedcba12\u00e9\u4e2dx", "a" * 18, "a" * 9]
    slow, quick = StringPool(Limits()), StringPool(Limits(oracle_steps=20_000))
    slow.start(spec, one)
    monkeypatch.setattr(node_completions, "_MOST_IN_ANY_ORDER", 6)
    for text in texts:
        ends = []
        for pool in slow, quick:
            state = pool.start(spec, one)
            for byte in text.encode():
                if state >= 0:
                    pool.expand(state)
                    state = int(pool.trans[state, byte])
            ends.append(None if state < 0 else pool.finish(state)[0].decode())
        assert (ends[0] is None) == (ends[1] is None), text
        if ends[1] is not None:
            assert Strings(slow, one).matches(spec.formulas[0], text + ends[1])


@pytest.mark.parametrize("most", [None, 40])
def test_letters_in_any_order_are_live_without_a_search(most: int | None) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    pool = StringPool(Limits(oracle_steps=400))
    state = pool.start(Spec((All((*map(Pattern, letters), Length(0, most))),)), one)
    for at in range(26):
        assert len(pool.finish(state)[0]) == 26 - at
        pool.expand(state)
        state = int(pool.trans[state, ord(letters[25 - at])])
    assert pool.outcome[state] == 0


def test_a_text_that_is_too_long_for_all_patterns_is_dead() -> None:
    pool = StringPool(Limits())
    state = pool.start(Spec((All((*map(Pattern, "abcdef"), Length(0, 8))),)), one)
    for letter in "aabb":
        pool.expand(state)
        state = int(pool.trans[state, ord(letter)])
    assert state != DEAD  # four letters are left, and four places
    pool.expand(state)
    assert pool.trans[state, ord("a")] == DEAD
    assert pool.trans[state, ord("c")] != DEAD


def test_what_patterns_in_any_order_exclude_together_is_told() -> None:
    parts = [*map(Pattern, "abcdefghijklmnopqrstuvwxyz"), Format("date-time")]
    pool = StringPool(Limits())
    assert pool.start(Spec((All(tuple(parts)),)), one) == DEAD
    assert pool.count < 20_000


def one(demands: frozenset[int]) -> int:
    return 0

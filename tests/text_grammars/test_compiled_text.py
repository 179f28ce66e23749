"""`CompiledText` over languages that are written out: masks, ends, special tokens, counts, completions,
held to enumeration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from reading import reached

import structgen as sg
from structgen.language.expectation import Expected
from structgen.limits import Limits
from structgen.native.raw_memory import address_of
from structgen.text_grammars.machine import text_walks
from structgen.text_grammars.machine.compiled_text import CompiledText
from structgen.text_grammars.machine.language import TOKEN, CompileTarget, Config, Language
from structgen.text_grammars.machine.stepping import MOST_WAITING
from structgen.text_grammars.text_grammar import TextGrammar

TOKENS: list[bytes | None] = [bytes((byte,)) for byte in range(256)] + [
    b"ab", b"abc", b"ca", b"bb", b"aaaa", None, None,
]  # fmt: skip
SPECIAL, END = 261, 262
TOKENIZER = sg.Tokenizer.from_bytes(TOKENS, eos_token_id=END)


class Words(Language):
    """Finitely many words of symbols; a configuration is what was read, and the tokens that are left."""

    def __init__(self, words: Sequence[tuple[int, ...]], most_tokens: int | None = None) -> None:
        self.words = frozenset(words)
        self.specials = frozenset(symbol - TOKEN for word in words for symbol in word if symbol >= TOKEN)
        self.most, self.counts_tokens = most_tokens, most_tokens is not None

    def start(self) -> Config:
        return (), self.most

    def _rests(self, config: Any) -> list[tuple[int, ...]]:
        read, _left = config
        return [word[len(read) :] for word in self.words if word[: len(read)] == read]

    def step(self, config: Any, symbol: int) -> Config | None:
        after = ((*config[0], symbol), config[1])
        return after if self._rests(after) else None

    def accepts(self, config: Any) -> bool:
        return config[0] in self.words

    def shortest(self, config: Any) -> Sequence[int]:
        return min(self._rests(config), key=lambda rest: (len(rest), rest))

    def expected(self, config: Any) -> list[Expected]:
        return [Expected("a word")] if any(self._rests(config)) else []

    def boundary(self, config: Any) -> Config | None:
        if self.most is None:
            return config
        return None if config[1] == 0 else (config[0], config[1] - 1)


class WordGrammar(TextGrammar):
    __slots__ = ("most", "words")

    def __init__(self, words: Sequence[tuple[int, ...]], most: int | None = None) -> None:
        self.words, self.most = tuple(words), most

    @property
    def canonical(self) -> str:
        return repr((self.words, self.most))

    @property
    def limits(self) -> Limits:
        return Limits()

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        return Words(self.words, self.most)


def _compiled(*words: bytes | tuple[int, ...], most: int | None = None) -> sg.CompiledGrammar:
    return sg.compile(WordGrammar([tuple(word) for word in words], most), TOKENIZER, store=False)


def _text(token: int) -> tuple[int, ...]:
    text = TOKENS[token]
    return (TOKEN + token,) if text is None else tuple(text)


def _brute(words: set[tuple[int, ...]], read: tuple[int, ...]) -> list[int]:
    found = [
        token
        for token in range(len(TOKENS))
        if token != END and any(word[: len(read + _text(token))] == read + _text(token) for word in words)
    ]
    return found + [END] * (read in words)


WORDS = {tuple(word) for word in (b"abca", b"abcc", b"ab", b"aaaab", b"b", b"bbbb")} | {
    (97, TOKEN + SPECIAL, 98)
}


def test_masks_are_those_of_enumeration() -> None:
    compiled = _compiled(*WORDS)
    pending = [(compiled.start, ())]
    met = 0
    while pending:
        state, read = pending.pop()
        met += 1
        assert compiled.allowed(state) == _brute(WORDS, read), read
        for token in compiled.allowed(state):
            if token != END:
                after = reached(compiled, token, state)
                pending.append((after, read + _text(token)))
    assert met > 20


def test_what_no_mask_allows_is_refused() -> None:
    compiled = _compiled(*WORDS)
    allowed = compiled.allowed(compiled.start)
    for token in range(len(TOKENS)):
        assert (compiled.step(compiled.start, token) is not None) == (token in allowed), token


def test_the_end_token_ends_and_nothing_follows() -> None:
    matcher = sg.Matcher(_compiled(b"b"))
    matcher.advance(98)
    assert matcher.is_complete
    matcher.advance(END)
    assert matcher.is_finished
    with pytest.raises(sg.errors.FinishedError):
        matcher.fill_mask(sg.allocate_mask(1, len(TOKENS)))
    matcher.rollback(2)
    assert matcher.tokens_to_finish() == 1


def test_tokens_to_finish_falls_by_one_with_the_right_token() -> None:
    compiled = _compiled(*WORDS)
    pending = [compiled.start]
    while pending:
        state = pending.pop()
        cost = compiled.tokens_to_finish(state)
        after = [compiled.step(state, token) for token in compiled.allowed(state) if token != END]
        following = [one for one in after if one is not None]
        assert (
            cost == 0
            if state.is_complete
            else any(compiled.tokens_to_finish(one) <= cost - 1 for one in following)
        )
        pending += following


def test_a_budget_allows_what_can_still_be_completed() -> None:
    matcher = sg.Matcher(_compiled(b"abca", b"aaaab"))
    mask = sg.allocate_mask(1, len(TOKENS))
    matcher.fill_mask(mask, budget=2)
    assert mask.allowed().tolist() == [TOKENS.index(text) for text in (b"ab", b"abc", b"aaaa")]
    with pytest.raises(sg.errors.BudgetError) as caught:
        matcher.fill_mask(mask, budget=1)
    assert caught.value.minimum == 2


def test_counted_tokens_are_part_of_the_state() -> None:
    # three tokens at most: "abca" by single bytes would take four
    compiled = _compiled(b"abca", most=3)
    state = compiled.start
    for byte in b"ab":
        after = reached(compiled, byte, state)
        state = after
    assert compiled.allowed(state) == [99, TOKENS.index(b"ca")]
    # Words does not see that "c" alone leaves no token for "a"; the count itself refuses the fourth
    after = reached(compiled, 99, state)
    assert compiled.allowed(after) == []


def test_a_special_token_never_matches_its_text() -> None:
    compiled = _compiled((97, TOKEN + SPECIAL, 98))
    state = reached(compiled, 97)
    assert compiled.allowed(state) == [SPECIAL]
    assert compiled.completion(state) == b"b"
    assert compiled.tokens_to_finish(state) == 2


def test_forced_bytes() -> None:
    matcher = sg.Matcher(_compiled(b"abca", b"abcc"))
    assert matcher.forced() == b"abc"


def test_an_explicit_automaton_has_a_state_for_each_prefix() -> None:
    compiled = _compiled(b"ab", b"b")
    dfa = compiled.to_dfa(10)
    assert len(dfa) == 4


def test_events_are_of_json_alone() -> None:
    with pytest.raises(sg.StructgenError, match="Only JSON"):
        sg.Matcher(_compiled(b"ab")).events()


@pytest.mark.parametrize(("token", "said"), [(97, "has a text"), (400, "263 tokens"), (END, "ends a text")])
def test_special_tokens_that_are_none_of_the_tokenizer_are_refused(token: int, said: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=said):
        _compiled((97, TOKEN + token))


class Bounded(Words):
    """Words of which some beginnings meet a bound."""

    def step(self, config: Any, symbol: int) -> Config | None:
        if config[0] == (97,) and symbol == 98:
            raise sg.errors.LimitError("Too much.", limit="oracle_steps")
        return super().step(config, symbol)


class BoundedGrammar(WordGrammar):
    __slots__ = ()

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        return Bounded(self.words, self.most)


def test_a_bound_that_was_met_is_met_again_and_nothing_waits_for_it() -> None:
    grammar = BoundedGrammar([tuple(b"abc"), tuple(b"ac")])
    compiled = sg.compile(grammar, TOKENIZER, store=False)
    for _ in range(2):
        with pytest.raises(sg.errors.LimitError):
            compiled.allowed(compiled.start)
        state = reached(compiled, 97)
        with pytest.raises(sg.errors.LimitError):
            compiled.step(state, 98)
        assert compiled.step(state, 99) is not None


def test_a_walk_below_nodes_forgets_the_nodes_that_waited_before() -> None:
    """The place for the next one is told by their number, so that a number of another walk would write beside
    the memory."""
    compiled = sg.compile(sg.regex("[a-z]+") + sg.literal("1"), TOKENIZER)
    assert isinstance(compiled, CompiledText)
    waiting = compiled._steps._waiting
    assert waiting[0] == 0
    waiting[0] = MOST_WAITING
    text_walks.collect_below(compiled.address, 0, address_of(np.zeros(1, np.int64)), 0)
    assert waiting[0] == 0

"""`CompiledText`: ends, special tokens, and bounds that are met. Masks, counts and completions are
held to bytes in test_parts.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from compiled_texts import reached

import structgen as sg
from structgen.base.language.expectation import Expected
from structgen.base.limits import Limits
from structgen.grammars.text_grammars.machine.language import CompileTarget, Config, Language
from structgen.grammars.text_grammars.text_grammar import TextGrammar

TOKENS: list[bytes | None] = [bytes((byte,)) for byte in range(256)] + [
    b"ab", b"abc", b"ca", b"bb", b"aaaa", None, None,
]  # fmt: skip
SPECIAL, END = 261, 262
TOKENIZER = sg.Tokenizer.from_bytes(TOKENS, eos_token_id=END)


def _compiled(grammar: TextGrammar) -> sg.CompiledGrammar:
    return sg.compile(grammar, TOKENIZER, store=False)


def test_the_end_token_ends_and_nothing_follows() -> None:
    matcher = sg.Matcher(_compiled(sg.literal("b")))
    matcher.advance(98)
    assert matcher.is_complete
    matcher.advance(END)
    assert matcher.is_finished
    with pytest.raises(sg.errors.FinishedError):
        matcher.fill_mask(sg.allocate_mask(1, len(TOKENS)))
    matcher.rollback(2)
    assert matcher.tokens_to_finish() == 1


def test_a_special_token_never_matches_its_text() -> None:
    compiled = _compiled("a" + sg.special(SPECIAL) + "b")
    state = reached(compiled, 97)
    assert compiled.allowed(state) == [SPECIAL]
    assert compiled.completion(state) == b"b"
    assert compiled.tokens_to_finish(state) == 2


def test_forced_bytes() -> None:
    matcher = sg.Matcher(_compiled(sg.choice(["abca", "abcc"])))
    assert matcher.forced() == b"abc"


def test_events_are_of_json_alone() -> None:
    with pytest.raises(sg.StructgenError, match="Only JSON"):
        sg.Matcher(_compiled(sg.literal("ab"))).events()


@pytest.mark.parametrize(("token", "said"), [(97, "has a text"), (400, "263 tokens"), (END, "ends a text")])
def test_special_tokens_that_are_none_of_the_tokenizer_are_refused(token: int, said: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=said):
        _compiled("a" + sg.special(token))


class Bounded(Language):
    """The words "abc" and "ac", of which the first one's second letter meets a bound."""

    specials, counts_tokens = frozenset[int](), False

    def start(self) -> Config:
        return b""

    def step(self, config: Any, symbol: int) -> Config | None:
        after = config + bytes((symbol,))
        if after == b"ab":
            raise sg.errors.LimitError("Too much.", limit="oracle_steps")
        return after if b"ac".startswith(after) else None

    def accepts(self, config: Any) -> bool:
        return bool(config == b"ac")

    def shortest_rest(self, config: Any) -> Sequence[int]:
        return b"ac"[len(config) :]

    def expected_items(self, config: Any) -> list[Expected]:
        return []


class BoundedGrammar(TextGrammar):
    __slots__ = ()
    canonical, limits = "bounded", Limits()

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        return Bounded()


def test_a_bound_that_was_met_is_met_again_and_nothing_waits_for_it() -> None:
    compiled = _compiled(BoundedGrammar())
    for _ in range(2):
        with pytest.raises(sg.errors.LimitError):
            compiled.allowed(compiled.start)
        state = reached(compiled, 97)
        with pytest.raises(sg.errors.LimitError):
            compiled.step(state, 98)
        assert compiled.step(state, 99) is not None

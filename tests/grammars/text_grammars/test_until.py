"""Free text up to a text, held to str.find; token counts, held to replay."""

from __future__ import annotations

import pytest
from language_words import texts, words_of

import structgen as sg

LETTERS = "abé"


@pytest.mark.parametrize("until", ["a", "ab", "aab", "aba", "é", "éa", "bb", "aaab", "abab", "aabaa"])
def test_the_text_ends_with_the_first_wherever_it_begins_or_is_without(until: str) -> None:
    letters, most = ("ab", 7) if len(until) > 3 else (LETTERS, 4)
    expected = {text for text in texts(letters, most) if text.find(until) == len(text) - len(until) >= 0}
    assert words_of(sg.text(until), letters, most) == expected
    free = {text for text in texts(letters, most) if until not in text}
    assert words_of(sg.text(until, included=False), letters, most) == free


def test_without_a_text_it_is_any() -> None:
    assert words_of(sg.text(), LETTERS, 3) == set(texts(LETTERS, 3))
    language = sg.text().language(sg.Limits())
    for data in (b"\xff", b"\xc0", b"\xed\xa0", b"\xf4\x90"):
        config = language.start()
        for byte in data:
            config = None if config is None else language.step(config, byte)
        assert config is None


TOKENS: list[bytes | None] = [bytes((byte,)) for byte in range(256)] + [
    b"xx",
    b"x</",
    b"</a>y",
    b"[x",
    b"a>]",
    None,
]
END = len(TOKENS) - 1
TOKENIZER = sg.Tokenizer.from_bytes(TOKENS, eos_token_id=END)


def _after(compiled: sg.CompiledGrammar, *tokens: bytes) -> sg.core.State:
    state = compiled.start
    for token in tokens:
        after = compiled.step(state, TOKENS.index(token))
        assert after is not None, token
        state = after
    return state


def test_after_so_many_tokens_only_the_rest_of_the_text_may_come() -> None:
    compiled = sg.compile(sg.text("</a>", max_tokens=2), TOKENIZER, store=False)
    assert len(compiled.allowed(_after(compiled, b"xx"))) > 100
    assert compiled.allowed(_after(compiled, b"xx", b"x")) == [ord("<")]
    assert compiled.allowed(_after(compiled, b"xx", b"x</")) == [ord("a")]
    done = _after(compiled, b"xx", b"x</", b"a", b">")
    assert done.is_complete and compiled.allowed(done) == [END]
    # the text's end may come in the last token
    assert compiled.allowed(_after(compiled, b"x", b"x", b"<", b"/", b"a", b">")) == [END]


def test_tokens_that_cross_into_the_text_and_out_of_it_count() -> None:
    compiled = sg.compile(
        "[" + sg.text("</a>", included=False, max_tokens=2) + "</a>]", TOKENIZER, store=False
    )
    # "[" alone has no byte of the text, "[x" has
    assert compiled.step(_after(compiled, b"[", b"x", b"x"), TOKENS.index(b"xx")) is None
    assert compiled.step(_after(compiled, b"[", b"x"), TOKENS.index(b"xx")) is not None
    assert compiled.allowed(_after(compiled, b"[x", b"xx")) == [ord("<")]
    assert _after(compiled, b"[x", b"x</", b"a>]").is_complete


def test_a_character_that_is_cut_by_the_count_is_completed() -> None:
    compiled = sg.compile(sg.text(max_tokens=1), TOKENIZER, store=False)
    state = _after(compiled, b"\xc3")
    assert set(compiled.allowed(state)) == set(range(0x80, 0xC0))
    done = _after(compiled, b"\xc3", b"\xa9")
    assert compiled.allowed(done) == [END]


def test_what_is_left_to_write_is_counted() -> None:
    compiled = sg.compile(sg.text("</a>", max_tokens=2), TOKENIZER, store=False)
    assert compiled.tokens_to_finish(compiled.start) == 4
    assert compiled.tokens_to_finish(_after(compiled, b"x</")) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"until": ""}, "until must be .*, got ''"),
        ({"until": 3}, "until must be .*, got 3"),
        ({"until": "\ud800"}, "surrogate"),
        ({"max_tokens": 0}, "max_tokens must be .*, got 0"),
        ({"max_tokens": 1.5}, "max_tokens must be .*, got 1.5"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=said):
        sg.text(**arguments)  # type: ignore[arg-type]

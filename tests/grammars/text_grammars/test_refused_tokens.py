"""A token that a grammar of texts refuses is told with the line and column where it leaves the grammar."""

from __future__ import annotations

import pytest

import structgen as sg

TOKENS = [bytes([byte]) for byte in range(256)] + [b"b;\nb", b"b;c", "ä".encode(), None]
BEGUN, WRONG, LETTER, END = 256, 257, 258, 259
TOKENIZER = sg.Tokenizer.from_bytes(TOKENS, eos_token_id=END)
GRAMMAR = 'start: ("b" ";" "\\n" | "ä" ";")*\n'


def refusal(tokens: list[int], refused: int) -> sg.errors.TokenError:
    matcher = sg.Matcher(sg.compile(sg.lark(GRAMMAR), TOKENIZER))
    for token in tokens:
        matcher.advance(token)
    with pytest.raises(sg.errors.TokenError) as caught:
        matcher.advance(refused)
    assert matcher.tokens == tuple(tokens)
    return caught.value


@pytest.mark.parametrize(
    ("tokens", "refused", "place"),
    [
        ([], ord("x"), "line 1, column 1"),
        ([BEGUN], ord("b"), "line 2, column 2"),
        ([BEGUN, ord(";"), 10], WRONG, "line 3, column 3"),
        ([LETTER, ord(";")], WRONG, "line 1, column 5"),
        ([BEGUN], END, "line 2, column 2"),
    ],
)
def test_the_place_is_that_of_the_byte_that_leaves_the_grammar(
    tokens: list[int], refused: int, place: str
) -> None:
    error = refusal(tokens, refused)
    assert error.where == place
    assert str(error).startswith(f"{place}: Token {refused} ")


def test_a_matcher_that_began_inside_a_text_knows_no_line() -> None:
    compiled = sg.compile(sg.lark(GRAMMAR), TOKENIZER)
    state = compiled.step_bytes(compiled.start, b"b;")
    with pytest.raises(sg.errors.TokenError) as caught:
        sg.Matcher(compiled, state).advance(ord("x"))
    assert caught.value.where == ""


def test_json_is_told_as_before() -> None:
    matcher = sg.Matcher(sg.compile(sg.json_schema(True), TOKENIZER))
    with pytest.raises(sg.errors.TokenError) as caught:
        matcher.advance(ord("x"))
    assert caught.value.where == ""

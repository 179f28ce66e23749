"""Banned identifiers: texts and masks against all texts of a length, in which `re` looks for the words."""

from __future__ import annotations

import random
import re
from itertools import product

import pytest
from for_each import for_each
from methods.banned_identifiers import without_identifiers

import structgen as sg
from structgen.tokens.tokenizer import byte_tokenizer

LETTERS = "abé_1. "
PIECES = [*(letter.encode() for letter in LETTERS), b"ab", b"b.", b". a", b"a1", b"_a", "bé".encode()]
TOKENS = sg.Tokenizer.from_bytes([*PIECES, b"<end>"], eos_token_id=len(PIECES))
NAMES = ["a", "ab", "b", "a1", "_a", "é", "bé", "abé"]


@for_each("seed", range(12))
def test_texts_and_masks_are_those_without_the_words(seed: int) -> None:
    rng = random.Random(seed)
    names = rng.sample(NAMES, rng.randint(1, 3))
    pattern = rng.choice(["[abé_1. ]{0,5}", "(ab|a1|b)([. ](ab|_a|é|b)){0,2}", "a*b[. ]?[abé_1]{1,2}"])
    words = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)")
    found = re.compile(pattern)
    every = ("".join(some) for size in range(6) for some in product(LETTERS, repeat=size))
    texts = {one for one in every if found.fullmatch(one) and not words.search(one)}
    grammar = sg.regex(pattern) & sg.regex("[abé_1. ]{0,5}")
    if not texts:
        with pytest.raises(sg.StructgenError):
            sg.compile(without_identifiers(grammar, names), TOKENS)
        return
    compiled = sg.compile(without_identifiers(grammar, names), TOKENS)
    state, text = compiled.start, b""
    for _ in range(6):
        rest = {one.encode()[len(text) :] for one in texts if one.encode().startswith(text)}
        expected = {at for at, piece in enumerate(PIECES) if any(one.startswith(piece) for one in rest)}
        expected |= {len(PIECES)} if b"" in rest else set()
        assert set(compiled.allowed(state)) == expected, (names, pattern, text)
        if expected == {len(PIECES)}:
            break
        token = rng.choice(sorted(expected - {len(PIECES)}))
        text, after = text + PIECES[token], compiled.step(state, token)
        assert after is not None
        state = after


def test_a_word_that_goes_on_is_another_one() -> None:
    compiled = sg.compile(without_identifiers(sg.regex("[a-z.]*"), ["eval", "exec"]), byte_tokenizer())
    for text, is_taken in (("eval", False), ("evaluate", True), ("a.eval", False), ("medieval.exec.", False)):
        after = compiled.step_bytes(compiled.start, text.encode())
        assert (after is not None and after.is_complete) == is_taken, text
    assert without_identifiers(sg.text(), []) == sg.text()


@pytest.mark.parametrize("name", ["", "a b", "1", "a.b"])
def test_what_is_no_identifier_is_refused(name: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=r"sg\.without\.$") as caught:
        without_identifiers(sg.text(), ["ab", name])
    assert caught.value.where == "names"

"""Lexemes that no separator makes sure of: that a text goes on behind them is shown once for the lexer's
states, and Python is not asked place by place."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lark
import lexeme_endings as slow
import numpy as np
import pytest
from lark.indenter import PythonIndenter
from same_masks import bare, hold

import structgen as sg
from structgen.lark_grammars.masks import slow_masks
from structgen.lark_grammars.masks.compiled_lark import CompiledLark
from structgen.lark_grammars.masks.slow_masks import SlowMasks
from structgen.lark_grammars.parser.contextual_reader import ReaderConfiguration
from structgen.lark_grammars.tables.contextual_language import ContextualLanguage
from structgen.limits import Limits
from structgen.text_grammars.machine.compiled_text import CompiledText

# a blank in a string is text, and what begins it ends before a quote or one brace
FORMATTED = r"""
start: (NAME | text)+
text: OPEN (field REST?)* QUOTE
field: BRACE item CLOSE
item: NAME_IN
    | "[" item END_IN
OPEN.2: /f"([a-z ]|\{\{)*(?="|\{(?!\{))/
REST.2: /([a-z ]|\{\{)+(?="|\{(?!\{))/
QUOTE.2: /"/
BRACE.2: /\{(?!\{)/
NAME_IN.2: /[a-z]+(?! )/
END_IN.2: /\](?! )/
CLOSE.2: /\}(?!#)/
NAME: /[a-z]+/
%ignore " "
"""
STRINGS = 'a f"b c" d f"{e}" f"g {h} i{j}{[[k]]}" f"{{ {l}{{" m'
# what makes sure of A is a part of BAD, which leads nowhere
FOILED = r"""
start: A "b" | "x" | dead
dead: BAD dead
A: /a(?=b)/
BAD.3: /ab/
%ignore " "
"""
# where the bracket has closed, two ends of it wait for what comes behind the blanks
WAITING = r"""
start: (OPEN NAME (CLOSE | LINE "!") REST?)+
OPEN: "{"
NAME: /[a-z]+/
CLOSE.3: /\}(?! *#)/
LINE.2: /\}/
REST: /[a-z #]+/
"""
KEYWORDS = r"""
start: (NAME "=" NAME ";" | MATCH NAME ";")+
MATCH.2: /match(?= [a-z])/
NAME: /[a-z]+/
%ignore " "
"""


@pytest.fixture(scope="module")
def tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_huggingface(Path(__file__).parents[1] / "data" / "bpe" / "tokenizer.json")


@pytest.fixture
def asked(asked_of: Callable[[str], list[Any]]) -> list[ReaderConfiguration]:
    """Return the states of which Python was asked whether a text goes on."""
    return asked_of("is_live")


def compare(text: str, of: str, tokenizer: sg.Tokenizer) -> None:
    """Hold the masks of a text's tokens to those of the slow reader."""
    grammar = sg.lark(text)
    slow, fast = CompiledText(grammar, tokenizer, None, False), CompiledLark(grammar, tokenizer, None, False)
    one, other = hold(slow, fast, tokenizer.encode(of.encode()))
    assert fast.allowed(other) == slow.allowed(one)


@pytest.mark.parametrize(
    ("grammar", "text"),
    [pytest.param(FORMATTED, STRINGS, id="formatted strings"), pytest.param(FOILED, "x ", id="foiled")],
)
def test_each_mask_is_that_of_the_slow_reader(grammar: str, text: str, tokenizer: sg.Tokenizer) -> None:
    compare(grammar, text, tokenizer)


def test_behind_formatted_strings_nothing_is_asked(
    tokenizer: sg.Tokenizer, asked: list[ReaderConfiguration]
) -> None:
    fast = CompiledLark(sg.lark(FORMATTED), tokenizer, None, False)
    state = fast.start
    for token in tokenizer.encode(b'a f"b c" d f"'):
        fast.allowed(state)
        after = fast.step(state, token)
        assert after is not None
        state = after
    assert asked == []


def test_what_may_be_a_keyword_may_be_the_beginning_of_a_name() -> None:
    tables = sg.lark(KEYWORDS).tables
    language = ContextualLanguage(tables, Limits())
    config = language.start()
    for byte in b"match":
        after = language.step(config, byte)
        assert after is not None
        config = after
    assert isinstance(config, ReaderConfiguration)
    name = next(at for at, one in enumerate(tables.terminals) if one.name == "NAME")
    assert name in language.endings(config.lexeme)[0]


def behind_a_try_block() -> tuple[list[int], list[int]]:
    """Have the masks of a text made at whose end comes a keyword and no name, of tokens that end in the midst
    of a letter, too. Return what the last has of the beginnings of keywords, and of those tokens."""
    middle = [keyword + begun for keyword in (b"except", b"finally") for begun in (b"\xc3", b"\xe2", b"\xf0")]
    tokens = [bytes((byte,)) for byte in range(256)] + middle
    tokenizer = sg.Tokenizer.from_bytes([*tokens, None], eos_token_id=len(tokens))
    text = (Path(lark.__file__).parent / "grammars" / "python.lark").read_text(encoding="utf-8")
    matcher = sg.Matcher(
        sg.compile(sg.lark(text, start="file_input", postlex=PythonIndenter), tokenizer, store=False)
    )
    mask = sg.allocate_mask(1, tokenizer.vocab_size)
    for byte in b"try:\n a\n":
        matcher.fill_mask(mask)
        matcher.advance(byte)
    matcher.fill_mask(mask)
    bits = np.unpackbits(mask.array.view(np.uint8), bitorder="little")
    return bits[[ord("e"), ord("f")]].tolist(), bits[256 : len(tokens)].tolist()


def test_a_keyword_in_the_midst_of_a_letter_is_told_without_python(asked: list[ReaderConfiguration]) -> None:
    """The first byte of a letter makes a name of a keyword, which no name may be."""
    keywords, begun = behind_a_try_block()
    assert keywords == [1, 1] and not any(begun)
    assert not [reading for reading in asked if any(reading.bases)]


def test_a_lexeme_gives_way_where_it_does_in_all_texts(tokenizer: sg.Tokenizer) -> None:
    """What is kept of pairs that others led to is what is found of each by itself."""
    fast = CompiledLark(bare(sg.lark(FORMATTED)), tokenizer, None, False)
    state = fast.start
    for token in tokenizer.encode(STRINGS.encode()):
        fast.allowed(state)
        after = fast.step(state, token)
        assert after is not None
        state = after
    lexer = fast._states.reader.lexer
    slots = {state: [slot.terminal for slot in one.slots] for state, one in enumerate(lexer.states)}
    waiting = [state for state, terminals in slots.items() if terminals == [-1]]
    others = [state for state, terminals in slots.items() if -1 not in terminals]
    pairs = [(one, other) for one in waiting for other in others]
    random.Random(1).shuffle(pairs)
    for pair in pairs[:400]:
        lexer.never_ends_at_slot(*pair)
    assert set(lexer._never_ends.values()) == {False, True}
    for pair, known in lexer._never_ends.items():
        assert known == slow.never_ends_at_slot(lexer, *pair)


def test_tokens_left_to_the_reader_are_read_down_the_trie(
    tokenizer: sg.Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    read = SlowMasks._read_below

    def noted(
        self: SlowMasks, reading: ReaderConfiguration, tokens: np.ndarray, deferred: np.ndarray
    ) -> list[int]:
        sizes.append(len(tokens))
        return read(self, reading, tokens, deferred)

    monkeypatch.setattr(slow_masks, "_FEW", 1)
    monkeypatch.setattr(SlowMasks, "_read_below", noted)
    compare(WAITING, "{a}  bc #d{e} ", tokenizer)
    assert sizes and max(sizes) > 20

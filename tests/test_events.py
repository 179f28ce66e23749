"""Events, against a parser that reads the whole text at once."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import structgen as sg
from structgen.base.json_text.events import Event, EventKind, Place, TerminalKind

DATA = Path(__file__).parent / "data" / "bpe" / "tokenizer.json"

Told = tuple[EventKind, str, int, int | None, TerminalKind | None]
LITERALS = {"t": TerminalKind.TRUE, "f": TerminalKind.FALSE, "n": TerminalKind.NULL, '"': TerminalKind.STRING}


class Parser:
    """The slow twin: descends into the text, and notes for each event the byte at which it is known."""

    def __init__(self, text: bytes) -> None:
        self.text = text.decode("latin-1")  # a character a byte
        self.told: list[tuple[int, Told]] = []
        end = self.value(self.space(0), "", EventKind.VALUE_BEGIN, EventKind.VALUE_END)
        assert self.space(end) == len(text)

    def note(
        self,
        known: int,
        kind: EventKind,
        pointer: str,
        start: int,
        end: int | None = None,
        terminal: TerminalKind | None = None,
    ) -> None:
        self.told.append((known, (kind, pointer, start, end, terminal)))

    def space(self, at: int) -> int:
        while at < len(self.text) and self.text[at] in " \t\r\n":
            at += 1
        return at

    def string(self, at: int) -> int:
        at += 1
        while self.text[at] != '"':
            at += 2 if self.text[at] == "\\" else 1
        return at + 1

    def value(self, at: int, pointer: str, begin: EventKind, close: EventKind) -> int:
        first = self.text[at]
        self.note(at, begin, pointer, at)
        late = 0
        if first == "{":
            self.note(at, EventKind.OBJECT_BEGIN, pointer, at)
            end = self.members(at, pointer)
            self.note(end - 1, EventKind.OBJECT_END, pointer, at, end)
        elif first == "[":
            self.note(at, EventKind.ARRAY_BEGIN, pointer, at)
            end = self.items(at, pointer)
            self.note(end - 1, EventKind.ARRAY_END, pointer, at, end)
        else:
            terminal = LITERALS.get(first, TerminalKind.NUMBER)
            self.note(at, EventKind.TERMINAL_BEGIN, pointer, at, None, terminal)
            if terminal is TerminalKind.STRING:
                end = self.string(at)
            elif terminal is TerminalKind.NUMBER:
                end, late = at, 1
                while end < len(self.text) and self.text[end] in "0123456789+-.eE":
                    end += 1
            else:
                end = at + len(terminal.value)
            self.note(end - 1 + late, EventKind.TERMINAL_END, pointer, at, end, terminal)
        self.note(end - 1 + late, close, pointer, at, end)
        return end

    def members(self, start: int, pointer: str) -> int:
        at = self.space(start + 1)
        while self.text[at] != "}":
            at = self.space(at + 1) if self.text[at] == "," else at
            self.note(at, EventKind.KEY_BEGIN, pointer, at)
            end = self.string(at)
            key = json.loads(self.text[at:end].encode("latin-1"))
            below = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
            self.note(end - 1, EventKind.KEY_END, below, at, end)
            at = self.space(self.space(end) + 1)
            at = self.space(self.value(at, below, EventKind.VALUE_BEGIN, EventKind.VALUE_END))
        return at + 1

    def items(self, start: int, pointer: str) -> int:
        at, index = self.space(start + 1), 0
        while self.text[at] != "]":
            at = self.space(at + 1) if self.text[at] == "," else at
            at = self.space(self.value(at, f"{pointer}/{index}", EventKind.ITEM_BEGIN, EventKind.ITEM_END))
            index += 1
        return at + 1

    def before(self, length: int) -> list[Told]:
        """Return what is known once so many bytes were written."""
        return [told for known, told in self.told if known < length]


def told(events: list[Event]) -> list[Told]:
    return [(event.kind, event.pointer, event.start, event.end, event.terminal) for event in events]


@cache
def compiled() -> sg.CompiledGrammar:
    tokenizer = sg.Tokenizer.from_huggingface(DATA)
    return sg.compile(sg.json_schema(True, **sg.WIDEST), tokenizer, store=False)


@cache
def by_first() -> dict[int, list[tuple[bytes, int]]]:
    found: dict[int, list[tuple[bytes, int]]] = {}
    for token, text in enumerate(compiled().tokenizer.token_bytes):
        if text:
            found.setdefault(text[0], []).append((text, token))
    return found


def tokens_of(text: bytes, chance: random.Random) -> list[int]:
    """Return the text in random tokens."""
    tokens, at = [], 0
    while at < len(text):
        fitting = [pair for pair in by_first()[text[at]] if text.startswith(pair[0], at)]
        piece, token = chance.choice(fitting)
        tokens.append(token)
        at += len(piece)
    return tokens


def written(matcher: sg.Matcher) -> bytes:
    return b"".join(compiled().tokenizer.token_bytes[token] or b"" for token in matcher.tokens)


def end_token() -> int:
    return min(compiled().end_tokens)


words = st.text(st.sampled_from('ab/~"\\\n é😀'), max_size=4)
scalars = st.none() | st.booleans() | st.integers(-99, 99) | st.floats(0, 1) | words
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    value: Any = draw(values)
    written = json.dumps(value, indent=draw(st.sampled_from([None, 2])), ensure_ascii=draw(st.booleans()))
    return draw(st.sampled_from([b"", b" "])) + written.encode() + draw(st.sampled_from([b"", b"\n"]))


@given(texts(), st.randoms(use_true_random=False))
def test_events_after_each_token_are_what_its_bytes_tell(text: bytes, chance: random.Random) -> None:
    twin, matcher, length = Parser(text), sg.Matcher(compiled()), 0
    for count, token in enumerate(tokens_of(text, chance)):
        matcher.advance(token)
        before, length = length, len(written(matcher))
        assert told(matcher.events(count)) == twin.before(length)[len(twin.before(before)) :]
    matcher.advance(end_token())
    assert told(matcher.events()) == twin.before(len(text) + 1)


@given(texts(), st.randoms(use_true_random=False))
def test_events_do_not_remember_what_was_rolled_back(text: bytes, chance: random.Random) -> None:
    twin, matcher = Parser(text), sg.Matcher(compiled())
    tokens = [*tokens_of(text, chance), end_token()]
    for _ in range(12):
        taken = len(matcher.tokens)
        if chance.random() < 0.5:
            matcher.rollback(chance.randint(0, taken))
        else:
            for token in tokens[taken : chance.randint(taken, len(tokens))]:
                matcher.advance(token)
        if chance.random() < 0.7:
            length = len(written(matcher)) + matcher.is_finished
            assert told(matcher.events()) == twin.before(length)


@given(texts(), st.randoms(use_true_random=False))
def test_a_fork_has_events_of_its_own(text: bytes, chance: random.Random) -> None:
    twin, matcher = Parser(text), sg.Matcher(compiled())
    tokens = tokens_of(text, chance)
    half = chance.randint(0, len(tokens))
    for token in tokens[:half]:
        matcher.advance(token)
    matcher.events()
    fork, length = matcher.fork(), len(written(matcher))
    for token in tokens[half:]:
        fork.advance(token)
    fork.events()
    matcher.rollback(half // 2)
    assert told(fork.events()) == twin.before(len(text))
    assert told(matcher.events()) == twin.before(len(written(matcher)))
    assert len(written(matcher)) <= length


def test_brackets_may_be_nested_as_deep_as_the_limit() -> None:
    matcher, depth = sg.Matcher(compiled()), 5_000
    for token in compiled().tokenizer.encode(b"[" * depth + b"]" * depth):
        matcher.advance(token)
    deepest = next(event for event in matcher.events() if event.kind is EventKind.ARRAY_END)
    assert deepest.place.parts == (0,) * (depth - 1)


def test_equal_places_are_equal_and_a_key_is_no_index() -> None:
    root = Place(None, "")
    assert Place(root, "0") == Place(Place(None, ""), "0")
    assert Place(root, "0") != Place(root, 0)
    assert Place(root, "0").pointer == Place(root, 0).pointer == "/0"


def test_a_matcher_that_began_inside_a_document_has_no_events() -> None:
    inside = compiled().step_bytes(compiled().start, b'{"a":')
    with pytest.raises(sg.StructgenError, match="began inside a document"):
        sg.Matcher(compiled(), inside).events()


@pytest.mark.parametrize("since", [-1, 1, True])
def test_since_must_be_a_count_of_tokens_taken(since: int) -> None:
    with pytest.raises(sg.StructgenError, match="since"):
        sg.Matcher(compiled()).events(since)

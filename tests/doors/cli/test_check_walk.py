"""Where a text leaves a language: against finite languages, whose prefixes can be listed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structgen.doors.cli.check import find_stop
from structgen.doors.cli.position import MAX_CHARACTERS_AFTER, MAX_CHARACTERS_BEFORE, TextStop
from structgen.machines.core.compiled import CompiledGrammar


class Words:
    """A finite language as a recogniser; a state is the prefix that was read."""

    start = b""
    live_part = CompiledGrammar.live_part

    def __init__(self, words: Sequence[bytes]) -> None:
        self.words = words

    def step_bytes(self, state: bytes, data: bytes) -> bytes | None:
        after = state + data
        return after if any(word.startswith(after) for word in self.words) else None

    def accepts_end(self, state: bytes) -> bool:
        return state in self.words


words = st.lists(st.binary(max_size=12).map(lambda b: bytes(x & 3 for x in b)), min_size=1, max_size=4)


@given(words, st.binary(max_size=12).map(lambda b: bytes(x & 3 for x in b)))
def test_walk_stops_after_the_longest_live_prefix(language: list[bytes], text: bytes) -> None:
    live = max(n for n in range(len(text) + 1) if any(word.startswith(text[:n]) for word in language))
    stop = find_stop(Words(language), text)
    if text in language:
        assert stop is None
    else:
        assert stop is not None
        assert (stop.state, stop.byte) == (text[:live], live)
        assert stop.following == text[live:]


@pytest.mark.parametrize(
    ("following", "character"),
    [
        *((b"", None), (b"x1", "x"), ("漢字".encode(), "漢"), (b"\xff\xff", "\\xff"), (b"\xe6", "\\xe6")),
        (b"\\x", "\\"),
    ],
)
def test_found_names_the_next_character(following: bytes, character: str | None) -> None:
    assert TextStop(None, b"1" + following, 1).character == character


# --- lines, columns, carets ---------------------------------------------------------------------------------


def slow_place(text: str, index: int) -> tuple[int, int]:
    """Return line and column of the character at `index`, by reading all of the text."""
    before = text[:index].split("\n")
    return len(before), len(before[-1]) + 1


texts = st.text(st.sampled_from(["a", "é", "漢", "😀", "\n", "\r", "\t", '"', " "]), max_size=40)


def at(before: str | bytes, rest: bytes = b"") -> TextStop:
    """Return the place behind a text."""
    head = before if isinstance(before, bytes) else before.encode()
    return TextStop(None, head + rest, len(head))


@given(texts, st.data())
def test_a_place_is_counted_in_lines_and_characters(text: str, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(text)))
    place = at(text[:index], text[index:].encode())
    assert (place.line, place.column) == slow_place(text, index)


def test_column_of_a_byte_inside_a_character_is_that_of_the_character() -> None:
    assert at(b'["\xe6', b"\xbc\xa2").column == 3


def test_caret_counts_two_cells_for_a_wide_character_and_keeps_tabs() -> None:
    assert at('\t"漢": ', b"x").excerpt_lines() == ('\t"漢": x', "\t      ^")


def test_long_line_is_cut_on_both_sides() -> None:
    line, caret = at(b"[" + b"1," * 100_000, b"x" * 500).excerpt_lines()
    assert line == "…" + "1," * (MAX_CHARACTERS_BEFORE // 2) + "x" * MAX_CHARACTERS_AFTER + "…"
    assert len(caret) == MAX_CHARACTERS_BEFORE + 2


def test_characters_that_do_not_print_are_replaced() -> None:
    line, _ = at(b'"\x1b[31m', b"\xff\x00").excerpt_lines()
    assert line == '"\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}'

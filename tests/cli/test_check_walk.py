"""Where a text leaves a language: against finite languages, whose prefixes can be listed."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structgen.cli.check import found, walk


class Words:
    """A finite language as a recogniser; a state is the prefix that was read."""

    start = b""

    def __init__(self, words: Sequence[bytes]) -> None:
        self.words = words

    def step_bytes(self, state: bytes, data: bytes) -> bytes | None:
        after = state + data
        return after if any(word.startswith(after) for word in self.words) else None

    def accepts_end(self, state: bytes) -> bool:
        return state in self.words


words = st.lists(st.binary(max_size=12).map(lambda b: bytes(x & 3 for x in b)), min_size=1, max_size=4)


@given(words, st.binary(max_size=12).map(lambda b: bytes(x & 3 for x in b)), st.integers(1, 8))
def test_walk_stops_after_the_longest_live_prefix(language: list[bytes], text: bytes, chunk: int) -> None:
    live = max(n for n in range(len(text) + 1) if any(word.startswith(text[:n]) for word in language))
    stop = walk(Words(language), io.BytesIO(text), chunk)
    if text in language:
        assert stop is None
    else:
        assert stop is not None
        assert (stop.state, stop.position.byte) == (text[:live], live)
        assert stop.following == text[live:]


@pytest.mark.parametrize(
    ("following", "character"),
    [(b"", None), (b"x1", "x"), ("漢字".encode(), "漢"), (b"\xff\xff", "\\xff"), (b"\xe6", "\\xe6")],
)
def test_found_names_the_next_character(following: bytes, character: str | None) -> None:
    assert found(following) == character

"""Spans of documents, held to slices."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from language_words import words_of

import structgen as sg
from structgen.grammars.text_grammars.substrings import suffix_automaton


@settings(max_examples=100, deadline=None)
@given(document=st.text("abé€", min_size=1, max_size=10))
def test_the_words_are_the_slices(document: str) -> None:
    slices = {document[a:b] for a in range(len(document)) for b in range(a + 1, len(document) + 1)}
    assert words_of(sg.substring_of(document), "abé€", 5) == {text for text in slices if len(text) <= 5}


@pytest.mark.parametrize("document", ["ab" * 2000, "a" * 3000, "abcde" * 500 + "edcba" * 500])
def test_the_automaton_is_of_linear_size(document: str) -> None:
    moves = suffix_automaton(document.encode())
    assert len(moves) <= 2 * len(document)
    assert sum(map(len, moves)) <= 3 * len(document)


def test_bad_documents_are_refused() -> None:
    with pytest.raises(sg.errors.GrammarError, match="no spans"):
        sg.substring_of("")
    with pytest.raises(sg.errors.OptionError, match="bytes"):
        sg.substring_of(b"ab")  # type: ignore[arg-type]
    with pytest.raises(sg.errors.OptionError, match="surrogate"):
        sg.substring_of("a\udc00")

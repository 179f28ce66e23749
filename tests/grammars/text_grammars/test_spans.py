"""Spans of documents, held to slices."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from language_words import words_of

import structgen as sg
from structgen.base.limits import Limits


@settings(max_examples=100, deadline=None)
@given(document=st.text("abé€", min_size=1, max_size=10))
def test_the_words_are_the_slices(document: str) -> None:
    slices = {document[a:b] for a in range(len(document)) for b in range(a + 1, len(document) + 1)}
    assert words_of(sg.substring_of(document), "abé€", 5) == {text for text in slices if len(text) <= 5}


@pytest.mark.parametrize("document", ["ab" * 2000, "a" * 3000, "abcde" * 500 + "edcba" * 500])
def test_a_document_that_repeats_itself_is_one_of_its_spans(document: str) -> None:
    language = sg.substring_of(document).language(Limits())
    config = language.config_after(language.start(), document.encode())
    assert language.accepts(config)
    assert not language.goes_on(config)


def test_bad_documents_are_refused() -> None:
    with pytest.raises(sg.errors.GrammarError, match="no spans"):
        sg.substring_of("")
    with pytest.raises(sg.errors.OptionError, match=r"document must be a text, got b.ab"):
        sg.substring_of(b"ab")  # type: ignore[arg-type]
    with pytest.raises(sg.errors.OptionError, match="surrogate"):
        sg.substring_of("a\udc00")

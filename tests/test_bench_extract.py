"""The documents of bench/bench_extract.py are those that were committed, and state their items."""

from __future__ import annotations

import datetime as dt
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pydantic")

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

from extract.writing import ExtractDocument
from extract_documents import DIGESTS, NAMES, digest, read_document

ALL = pytest.mark.parametrize("document", [read_document(name) for name in NAMES], ids=NAMES)
WORDS = "two three four five six seven eight nine ten eleven twelve".split()


def said(text: str, like: Any) -> Any:
    """Return what a written value says, as a value of the kind of another one."""
    if isinstance(like, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", like):
        plain = re.sub(r"(?<=\d)(st|nd|rd|th)\b", "", text)
        for form in ("%d %B %Y", "%B %d, %Y", "%Y-%m-%d"):
            try:
                return dt.datetime.strptime(plain, form).date().isoformat()
            except ValueError:
                continue
    if isinstance(like, int | float):
        if text in WORDS:
            return WORDS.index(text) + 2
        return type(like)(re.sub(r"[£€,]|EUR|euros|pounds", "", text))
    return text


@ALL
def test_a_document_is_the_one_that_was_committed_before_it_was_measured(document: ExtractDocument) -> None:
    assert digest(document) == DIGESTS[document.name]


@ALL
def test_each_field_of_an_item_is_written_at_its_places(document: ExtractDocument) -> None:
    for item in document.items:
        assert item.places.keys() == item.value.keys()
        for name, places in item.places.items():
            for start, end in places:
                assert said(document.text[start:end], item.value[name]) == item.value[name]


@ALL
def test_no_two_items_share_the_text_that_tells_them_apart(document: ExtractDocument) -> None:
    keys = [one.value[document.key] for one in document.items]
    assert len({key.casefold() for key in keys}) == len(keys)


@ALL
def test_items_and_worked_examples_are_of_the_type(document: ExtractDocument) -> None:
    shown = [one for _, items in document.examples for one in items]
    for value in (*(one.value for one in document.items), *shown):
        assert document.item.model_validate(value).model_dump(mode="json") == value


@ALL
def test_worked_examples_state_their_keys_and_are_of_no_document(document: ExtractDocument) -> None:
    assert len(document.examples) == 2
    for text, items in document.examples:
        for one in items:
            assert one[document.key] in text
            assert one[document.key] not in document.text


@ALL
def test_a_document_has_long_stretches_that_state_nothing(document: ExtractDocument) -> None:
    places = sorted(one[0] for item in document.items for spans in item.places.values() for one in spans)
    edges = [0, *places, len(document.text)]
    assert max(after - before for before, after in pairwise(edges)) > 1500


def test_open_and_sealed_documents_have_no_sentence_in_common() -> None:
    halves: dict[str, set[str]] = {"open": set(), "sealed": set()}
    for name in NAMES:
        document = read_document(name)
        halves[document.half] |= {one for one in re.split(r"(?<=[.?])\s+", document.text) if len(one) > 30}
    assert not halves["open"] & halves["sealed"]


def test_items_are_told_twice_in_each_document_but_the_list_of_persons() -> None:
    for name in NAMES:
        document = read_document(name)
        twice = [one for one in document.items if len(one.places[document.key]) > 1]
        assert bool(twice) is (name != "persons"), name

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
from extract_judge import FoundItem, rightness, says

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


def found(document: ExtractDocument, **changed: Any) -> list[FoundItem]:
    """Return the certain items of a document with their first places, each with changed values."""
    return [
        FoundItem({**one.value, **changed}, {name: places[0] for name, places in one.places.items()})
        for one in document.items
    ]


@ALL
def test_certain_items_are_found_and_all_their_places_are_exact(document: ExtractDocument) -> None:
    told, count = rightness(document, found(document)), len(document.items)
    assert (told["certain"], told["keys"], told["found"]) == (count, count, count)
    assert not told["invented"] + told["absent"] + told["twice"] + told["unplaced"]
    assert told["places"] == told["said"] == told["exact"] == count * len(document.items[0].value)


def test_an_item_with_one_wrong_field_is_known_but_not_found() -> None:
    document = read_document("minutes")
    told = rightness(document, found(document, amount=-1))
    assert (told["keys"], told["found"]) == (len(document.items), 0)
    assert told["exact"] == told["own_places"] == 2 * len(document.items)


def test_an_item_that_comes_again_is_counted_as_twice_and_found_where_one_of_them_is_right() -> None:
    document = read_document("minutes")
    told = rightness(document, [*found(document, amount=-1), *found(document)])
    assert told["found"] == told["twice"] == len(document.items)


def test_invented_items_are_absent_where_their_text_is_not_in_the_document() -> None:
    document = read_document("minutes")
    told = rightness(document, [FoundItem({"recipient": one}) for one in ("Mrs Orme", "Mrs Nobody", "")])
    assert (told["invented"], told["absent"], told["unplaced"]) == (3, 2, 3)


def test_the_place_of_another_mention_of_the_same_words_is_not_exact() -> None:
    document = read_document("minutes")
    twice = next(
        one
        for one in document.items
        if document.text.count(one.value["recipient"]) > len(one.places["recipient"])
    )
    name = twice.value["recipient"]
    known = {start for start, _ in twice.places["recipient"]}
    other = next(at.start() for at in re.finditer(name, document.text) if at.start() not in known)
    told = rightness(document, [FoundItem(twice.value, {"recipient": (other, other + len(name))})])
    assert (told["said"], told["exact"]) == (1, 0)


@pytest.mark.parametrize(
    ("text", "wanted", "is_said"),
    [
        ("£1,250", 1250, True),
        ("1250 pounds", 1250, True),
        ("£1,250 or £900", 1250, False),
        (True, 1, False),
        ("twelve", 12, True),
        (6.5, 6.4, False),
        ("3rd May 2019", "2019-05-03", True),
        ("May 3, 2019", "2019-05-03", True),
        ("3 May", "2019-05-03", False),
        ("the Holm Street  bakers.", "Holm Street Bakers", True),
        ("Holm Street", "Holm Street Bakers", False),
        (None, "Holm Street Bakers", False),
    ],
)
def test_a_value_says_what_another_is_however_it_is_written(text: Any, wanted: Any, is_said: bool) -> None:
    assert says(text, wanted) is is_said

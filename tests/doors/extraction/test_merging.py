"""`merged`: the pages of a document have the items of the document, each once, at their places."""

from __future__ import annotations

import random
import string
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any

import pydantic
import pytest
from for_each import for_each
from planted_documents import (
    Planted,
    Writer,
    answers_of,
    found,
    planted_document,
    random_pages,
    reader_of,
)

import structgen as sg
from structgen.asking.python_types.type_hints import read_type
from structgen.doors.extraction.found_items import FoundItem, FoundValue, PageAnswer
from structgen.doors.extraction.item_places import placed_items
from structgen.doors.extraction.merging import MOST_CONFLICTS, keys_of, merge_answers

pytest.importorskip("babel")
pytest.importorskip("text_to_num")

SEEDS = range(20)


def items_of(
    answers: Sequence[PageAnswer], text: str, keys: tuple[str, ...] = (), *, how: str = "places"
) -> list[FoundItem]:
    return merge_answers(answers, text, is_object=False, keys=keys, mode=how)


def object_of(answers: Sequence[PageAnswer], text: str) -> FoundItem:
    (item,) = merge_answers(answers, text, is_object=True, keys=(), mode="places")
    return item


def drawn_case(seed: int) -> tuple[str, list[Planted], list[PageAnswer]]:
    """Return a document, its items, and what a reader says of its pages."""
    drawn = random.Random(seed)
    text, items = planted_document(drawn, drawn.randint(1, 4))
    pages = random_pages(drawn, text, max(one.end - one.start for one in items), 200)
    return text, items, answers_of(pages, reader_of(items))


@for_each("seed", SEEDS)
def test_a_document_that_is_cut_has_the_items_that_it_has_as_one_page(seed: int) -> None:
    text, items, answers = drawn_case(seed)
    assert found(items_of(answers, text)) == items
    assert found(items_of(answers_of([(0, len(text))], reader_of(items)), text)) == items


@for_each("seed", range(3))
def test_it_may_be_cut_at_every_word(seed: int) -> None:
    drawn = random.Random(seed)
    text, items = planted_document(drawn, 1)
    overlap = max(one.end - one.start for one in items)
    for end in (at for at in range(overlap, len(text)) if text[at] == " "):
        start = text.rfind(" ", 0, end - overlap + 1) + 1
        answers = answers_of([(0, end), (start, len(text))], reader_of(items))
        assert found(items_of(answers, text)) == items


@for_each("seed", SEEDS)
def test_the_order_of_the_answers_changes_nothing(seed: int) -> None:
    text, _, answers = drawn_case(seed)
    answers += [replace(one, confidences={"/0/name": 0.5}) for one in answers[:2]]
    shuffled = random.Random(seed).sample(answers, len(answers))
    assert items_of(shuffled, text) == items_of(answers, text)


@for_each("seed", SEEDS)
def test_to_merge_once_more_changes_nothing(seed: int) -> None:
    text, _, answers = drawn_case(seed)
    once = items_of(answers, text)
    again = PageAnswer("text", 1, 0, len(text), [one.value for one in once])
    assert found(items_of([again], text)) == found(items_of([*answers, again], text)) == found(once)


def said_by(words: str, value: Any) -> bool:
    """Whether words are those of a value."""
    return " ".join(words.split()) == value if isinstance(value, str) else Decimal(words) == value


@for_each("seed", SEEDS)
def test_what_stands_at_a_place_says_the_value(seed: int) -> None:
    drawn = random.Random(seed)
    text, _, answers = drawn_case(seed)
    for answer in answers:  # a reader that takes values of one item for those of others
        for one in answer.value:
            one |= drawn.choice([{}, {"age": drawn.randint(30, 36)}, {"name": "Ada"}, {"department": None}])
    items = items_of(answers, text)
    values = [value for item in items for value in (*item.fields, *item.conflicts)]
    assert all(said_by(text[one.start : one.end], one.value) for one in values if one.start is not None)
    by_page = {one.page: one for one in answers}
    for one in values:
        page = by_page[one.page]
        assert one.start is None or (page.start <= one.start and one.end is not None and one.end <= page.end)


def unique_items(drawn: random.Random) -> tuple[str, list[Planted]]:
    """Return a text with items whose names, of two words, stand in it once."""
    page, items = Writer(drawn), list[Planted]()
    for _ in range(4):
        page.noise()
        first, last = ("".join(drawn.choices(string.ascii_lowercase, k=7)).title() for _ in range(2))
        places = {"/name": page.put(f"{first} {last}")}
        page.put(" (")
        places["/age"] = page.put(drawn.randint(30, 34))
        page.put("). ")
        items.append(Planted({"name": f"{first} {last}", "age": int(page.text[-5:-3])}, places))
    page.noise()
    return page.text, items


@for_each("seed", SEEDS)
def test_what_a_page_cuts_off_is_a_conflict_of_the_whole(seed: int) -> None:
    drawn = random.Random(seed)
    text, items = unique_items(drawn)
    cut, pages = items[drawn.randint(1, 2)], []
    border = text.index(" ", cut.start) + 1
    pages = [(0, border), (text.rindex(" ", 0, cut.start) + 1, len(text))]
    first = [*reader_of(items)(*pages[0]), {"name": cut.value["name"].split()[0], "age": None}]
    answers = [
        PageAnswer("text", 1, *pages[0], first),
        PageAnswer("text", 2, *pages[1], reader_of(items)(*pages[1])),
    ]
    merged_items = items_of(answers, text)
    assert found(merged_items) == items
    (item,) = (one for one in merged_items if one.conflicts)
    (conflict,) = item.conflicts
    assert (item.value, item.pages) == (cut.value, (1, 2))
    assert (conflict.path, conflict.value, conflict.page) == ("/name", cut.value["name"].split()[0], 1)
    # the likelier one, where the model says how likely they are
    answers[0] = replace(answers[0], confidences={f"/{len(first) - 1}/name": 0.9})
    answers[1] = replace(answers[1], confidences={"/0/name": 0.8})
    (item,) = (one for one in items_of(answers, text) if one.conflicts)
    assert (item.fields[0].value, item.conflicts[0].value) == (conflict.value, cut.value["name"])


def test_a_half_of_a_page_is_a_page() -> None:
    text = "Ada Ali is 36. Ben Orff is 40. Cleo Ali is 51."
    halves = [(0, 30, ["Ada Ali", "Ben Orff"]), (15, 46, ["Ben Orff", "Cleo Ali"])]
    answers = [PageAnswer("text", 1, start, end, names) for start, end, names in halves]
    assert [one.value for one in items_of(answers, text)] == ["Ada Ali", "Ben Orff", "Cleo Ali"]


def test_what_a_page_says_twice_of_one_place_is_said_once() -> None:
    answer = PageAnswer(
        "text", 1, 0, 14, [{"name": "Ada"}, {"name": "Ada"}, {"name": "Ben"}, {"name": "Ada"}]
    )
    assert [one.value["name"] for one in items_of([answer], "Ada. Ben. Ada.")] == ["Ada", "Ben", "Ada"]


def test_without_merging_all_is_as_the_pages_say() -> None:
    text = "Ada. Ben. Ada."
    answers = [
        PageAnswer("text", 2, 5, 14, ["Ben", "Ada"]),
        PageAnswer("text", 1, 0, 9, ["Ada", "Ben", "Ben"]),
    ]
    items = items_of(answers, text, how="none")
    assert [(one.value, one.pages) for one in items] == [
        ("Ada", (1,)),
        ("Ben", (1,)),
        ("Ben", (1,)),
        ("Ben", (2,)),
        ("Ada", (2,)),
    ]


def test_a_place_that_items_of_a_page_share_tells_none_of_them() -> None:
    text = "2024-03-01: Ada Ali, Ben Orff. Cleo Ali."
    day = "2024-03-01"
    answers = [
        PageAnswer("text", 1, 0, 30, [{"day": day, "name": "Ada Ali"}, {"day": day, "name": "Ben Orff"}]),
        PageAnswer("text", 2, 0, 40, [{"day": day, "name": "Cleo Ali"}]),
    ]
    assert [one.value["name"] for one in items_of(answers, text)] == ["Ada Ali", "Ben Orff", "Cleo Ali"]


def test_numbers_tell_items_that_have_no_strings() -> None:
    text = "36 and 40 and 36"
    answers = [
        PageAnswer("text", 1, 0, 9, [{"n": 36}, {"n": 40}]),
        PageAnswer("text", 2, 7, 16, [{"n": 40}, {"n": 36}]),
    ]
    assert [one.value["n"] for one in items_of(answers, text)] == [36, 40, 36]


def paired(text: str, first: dict[str, Any], second: dict[str, Any]) -> int:
    """Return how many items two pages have that are both the whole text."""
    answers = [PageAnswer("text", at, 0, len(text), [one]) for at, one in ((1, first), (2, second))]
    return len(items_of(answers, text))


def test_strings_tell_items_better_than_numbers_do() -> None:
    text = "Ada Ali and Ben Orff have 3 rooms and 2 cats."
    of_ada, of_ben = ({"name": name, "rooms": 3, "cats": 2} for name in ("Ada Ali", "Ben Orff"))
    assert paired(text, of_ada, of_ben) == 2
    assert paired(text, of_ada, {**of_ada, "rooms": 2, "cats": 3}) == 1


@for_each(
    ("first", "second", "count"),
    [
        # of as many strings all fields decide, and of as many fields the first string
        ({"name": "Ada Ali", "town": "Rome"}, {"name": "Ada Ali", "town": "Bonn"}, 1),
        ({"name": "Ada Ali", "town": "Rome"}, {"name": "Ben Orff", "town": "Rome"}, 2),
        ({"name": "Ada Ali", "town": "Rome", "age": 36}, {"name": "Ada Ali", "town": "Bonn", "age": 40}, 2),
        ({"name": "Ada Ali", "town": "Rome", "age": 36}, {"name": "Ben Orff", "town": "Rome", "age": 36}, 1),
    ],
)
def test_of_as_many_strings_all_fields_decide(
    first: dict[str, Any], second: dict[str, Any], count: int
) -> None:
    assert paired("Ada Ali, Ben Orff, Rome, Bonn, 36, 40", first, second) == count


def test_items_without_places_are_last_in_the_order_of_pages() -> None:
    text = "Ada. Ben."
    answers = [
        PageAnswer("text", 2, 5, 9, [{"is_late": True}, {"name": "Ben"}]),
        PageAnswer("text", 1, 0, 4, [{"is_late": False}, {"name": "Ada"}]),
    ]
    assert [one.value for one in items_of(answers, text)] == [
        {"name": "Ada"},
        {"name": "Ben"},
        {"is_late": False},
        {"is_late": True},
    ]


# --- lists inside of items ---


def test_lists_of_an_item_are_united_by_place() -> None:
    text = "Order A7: 2 tea, 3 oil, 2 tea, 5 salt."
    lines = [
        {"count": count, "what": what} for count, what in [(2, "tea"), (3, "oil"), (2, "tea"), (5, "salt")]
    ]
    answers = [
        PageAnswer("text", 1, 0, 29, [{"order": "A7", "lines": lines[:3], "paid": True}]),
        PageAnswer("text", 2, 0, 38, [{"order": "A7", "lines": lines[1:], "paid": True}]),
    ]
    (item,) = items_of(answers, text)
    assert item.value == {"order": "A7", "lines": lines, "paid": True}
    assert [one.path for one in item.fields] == [
        "/order",
        *(f"/lines/{at}/{name}" for at in range(4) for name in ("count", "what")),
        "/paid",
    ]


def test_elements_stand_in_the_order_of_the_text() -> None:
    text = "red, blue, green"
    answers = [
        PageAnswer("text", 1, 0, 16, {"all": ["red", "green"]}),
        PageAnswer("text", 2, 5, 16, {"all": ["blue", "green"]}),
    ]
    assert object_of(answers, text).value == {"all": ["red", "blue", "green"]}


def test_scalars_of_a_list_are_united_by_place_or_else_by_value() -> None:
    text = "Ada: red, blue, green, red."
    answers = [
        PageAnswer("text", 1, 0, 15, {"name": "Ada", "colours": ["red", "blue"], "kinds": [True, "x"]}),
        PageAnswer(
            "text", 2, 10, 27, {"name": None, "colours": ["blue", "green", "red"], "kinds": ["x", False]}
        ),
    ]
    item = object_of(answers, text)
    assert item.value == {
        "name": "Ada",
        "colours": ["red", "blue", "green", "red"],
        "kinds": [True, "x", False],
    }
    assert not item.conflicts


# --- one object ---


@for_each("seed", range(120))
def test_one_object_has_the_likeliest_stated_values(seed: int) -> None:
    drawn = random.Random(seed)
    names, numbers = ["Ada", "Ben", "Cleo"], [31, 32, 33]
    pages = [" ".join(map(str, drawn.sample([*names, *numbers], drawn.randint(0, 4)))) for _ in range(4)]
    text = ". ".join(pages)
    starts = [sum(len(one) + 2 for one in pages[:at]) for at in range(4)]
    has_confidences = drawn.random() < 0.5
    answers = []
    for at, page in enumerate(pages):
        value = {"name": drawn.choice([*names, None]), "age": drawn.choice([*numbers, None])}
        confidences = {"/name": drawn.random(), "/age": drawn.random()} if has_confidences else {}
        answers.append(PageAnswer("text", at + 1, starts[at], starts[at] + len(page), value, confidences))
    item = object_of(drawn.sample(answers, 4), text)
    for path in ("name", "age"):
        # each different value: whether some page states it, how likely it is there, on how many pages it is
        # said, and where first
        said = defaultdict[Any, list[tuple[bool, float, int]]](list)
        for answer, page in zip(answers, pages, strict=True):
            if (one := answer.value[path]) is not None:
                at = page.find(str(one))
                first = answer.start + at if at >= 0 else 0
                said[one].append((at >= 0, answer.confidences.get(f"/{path}", 0), -first))
        order = sorted(
            said,
            key=lambda one: (
                max(of[:2] for of in said[one]),
                len(said[one]),
                max(said[one])[2],
                -min(a.page for a in answers if a.value[path] == one),
            ),
            reverse=True,
        )
        assert item.value[path] == (order[0] if order else None)
        assert [one.value for one in item.conflicts if one.path == f"/{path}"] == order[1:]
    assert item.pages == (1, 2, 3, 4)


def test_no_pages_have_no_object() -> None:
    assert merge_answers([], "", is_object=True, keys=(), mode="places") == []
    assert merge_answers([], "", is_object=False, keys=(), mode="places") == []


def test_of_two_shapes_the_likelier_is_taken_whole() -> None:
    text = "Ada Ali of Rome"
    parts = {"who": {"name": "Ada Ali", "town": "Rome"}}
    answers = [
        PageAnswer("text", 1, 0, 15, parts, {"/who/name": 0.9, "/who/town": 0.5}),
        PageAnswer("text", 2, 0, 15, {"who": "Ada Ali of Rome"}, {"/who": 0.8}),
        PageAnswer("text", 3, 0, 15, {"who": None}),
    ]
    item = object_of(answers, text)
    assert item.value == {"who": "Ada Ali of Rome"}
    assert [(one.path, one.value) for one in item.conflicts] == [
        ("/who/name", "Ada Ali"),
        ("/who/town", "Rome"),
    ]


def test_a_field_keeps_a_bounded_number_of_conflicts() -> None:
    text = " ".join(f"name{number}" for number in range(40))
    answers = [
        PageAnswer("text", at + 1, 0, len(text), {"name": f"name{at}"}, {"/name": 1 - at / 100})
        for at in range(40)
    ]
    conflicts = object_of(answers, text).conflicts
    assert [one.value for one in conflicts] == [f"name{at}" for at in range(1, MOST_CONFLICTS + 1)]


def test_equal_values_are_no_conflict() -> None:
    text = "Ada\nAli, 12.50; Ada Ali, 12.5"
    answers = [
        PageAnswer("text", 1, 0, 14, {"name": "Ada\nAli", "sum": Decimal("12.50")}),
        PageAnswer("text", 2, 16, 29, {"name": "Ada Ali", "sum": Decimal("12.5")}),
    ]
    assert object_of(answers, text).conflicts == ()


def test_a_part_of_a_value_is_a_conflict() -> None:
    answers = [
        PageAnswer("text", at, 0, 12, {"name": name}) for at, name in ((1, "Lovelace"), (2, "Ada Lovelace"))
    ]
    item = object_of(answers, "Ada Lovelace")
    assert (item.value, [one.value for one in item.conflicts]) == ({"name": "Ada Lovelace"}, ["Lovelace"])


# --- keys ---


@for_each("seed", SEEDS)
def test_items_of_the_same_keys_are_one(seed: int) -> None:
    drawn = random.Random(seed)
    page, said, answers = Writer(drawn), defaultdict[str, list[int]](list), list[PageAnswer]()
    for number in range(1, 5):
        start, items = len(page.text), []
        for _ in range(drawn.randint(0, 4)):
            one = {"id": drawn.choice(["K1", "K2", "K3"]), "total": drawn.randint(30, 40)}
            page.put(f"{one['id']} {one['total']}. ")
            page.noise()
            items.append(one)
            said[one["id"]].append(one["total"])
        answers.append(PageAnswer("text", number, start, len(page.text), items))
    items = items_of(answers, page.text, ("/id",))
    assert [one.value["id"] for one in items] == list(said)
    for item in items:
        totals = {item.value["total"], *(one.value for one in item.conflicts)}
        assert totals == {*said[item.value["id"]]}


def test_other_keys_at_other_places_are_never_one() -> None:
    text = "Ada Ali has K1 and K2."
    answers = [
        PageAnswer("text", 1, 0, 22, [{"id": "K1", "name": "Ada Ali"}]),
        PageAnswer("text", 2, 0, 22, [{"id": None, "name": "Ada Ali"}]),
        PageAnswer("text", 3, 0, 22, [{"id": "K2", "name": "Ada Ali"}]),
    ]
    assert len(items_of(answers, text, ("/id",))) == 2
    assert len(items_of(answers, text)) == 1


def test_a_key_that_a_page_cuts_off_is_that_of_the_whole() -> None:
    text = "INV 12 of Ada. INV 12 again."
    answers = [
        PageAnswer("text", 1, 0, 14, [{"id": "INV 12", "name": "Ada"}]),
        PageAnswer("text", 2, 7, 19, [{"id": "INV", "name": None}]),
        PageAnswer("text", 3, 15, 28, [{"id": "INV 12", "name": None}]),
    ]
    items = items_of(answers, text, ("/id",))
    assert [one.value for one in items] == [{"id": "INV 12", "name": "Ada"}]


def test_of_several_keys_all_have_to_be_there() -> None:
    text = "Ada 7. Ben 7. Ada 8. Ada. Ada."
    pairs = [("Ada", 7), ("Ben", 7), ("Ada", 8), ("Ada", None), ("Ada", None)]
    items = [{"name": name, "number": number} for name, number in pairs]
    answers = [PageAnswer("text", 1, 0, 30, items), PageAnswer("text", 2, 0, 13, items[:2])]
    assert [one.value for one in items_of(answers, text, ("/name", "/number"))] == items


class Address(pydantic.BaseModel):
    zip: Annotated[str, sg.Key]
    town: str


class Person(pydantic.BaseModel):
    number: Annotated[int, sg.Key()] | None
    home: Address
    work: Address | None = None
    parent: Person | None = None
    homes: list[Address] = []


class Marked(pydantic.BaseModel):
    of: Annotated[Address, sg.Key]


class Plain(pydantic.BaseModel):
    parts: list[Address]


@for_each(
    ("hint", "keys"),
    [
        (Person, ("/number", "/home/zip", "/work/zip")),
        (Marked, ("/of/zip", "/of/town")),
        (Plain, ()),
        (Annotated[str, sg.Key], ("",)),
        (str, ()),
    ],
)
def test_keys_are_found(hint: Any, keys: tuple[str, ...]) -> None:
    assert keys_of(read_type(hint).schema) == keys


def test_a_name_of_a_key_is_escaped() -> None:
    assert keys_of({"properties": {"a/b~c": {"x-key": True}, "d": {"x-key": False}}}) == ("/a~1b~0c",)


def test_a_schema_of_too_many_members_is_refused() -> None:
    twice = {
        str(at): {"properties": {name: {"$ref": f"#/$defs/{at + 1}"} for name in "ab"}} for at in range(30)
    }
    schema = {"$defs": {**twice, "30": {"x-key": True}}, "$ref": "#/$defs/0"}
    with pytest.raises(sg.errors.SchemaError, match="members"):
        keys_of(schema)
    del schema["$defs"]["30"]
    assert keys_of(schema) == ()


# --- places, and bounds ---


@for_each(
    ("text", "item", "starts"),
    [
        ("36 came. Ada is 36 years old.", {"name": "Ada", "age": 36}, [9, 16]),
        ("Sales. Ben, 36. Sales. Ada, 36.", {"of": "Sales", "name": "Ada", "age": 36}, [16, 23, 28]),
        ("Ben is here. Ada wrote to Ben.", {"by": "Ada", "to": "Ben"}, [13, 26]),
        ("Bob wrote to Bob.", {"by": "Bob", "to": "Bob"}, [0, 13]),
        ("tea: 7, salt: 7", {"all": [{"of": "salt", "n": 7}, {"of": "tea", "n": 7}]}, [8, 14, 0, 5]),
        ("7 and 7", [7, 7, 7], [0, 6, 6]),
        ("Nobody.", {"name": "Ada", "is_late": True, "age": None}, [None] * 3),
    ],
)
def test_an_item_has_the_places_that_lie_closest_together(
    text: str, item: Any, starts: list[int | None]
) -> None:
    (placed,) = placed_items(PageAnswer("text", 1, 0, len(text), item), text, is_object=True)
    assert [one.start for one in placed.fields] == starts


@pytest.mark.parametrize("gap", [" ", "\n", "\n\n"])
@pytest.mark.parametrize("words", ["{who} sold {count} {what}.", "On Monday {count} {what} went to {who}."])
def test_the_values_of_an_item_stand_in_its_sentence(words: str, gap: str) -> None:
    drawn = random.Random(6)
    items = [
        {"who": drawn.choice(["Ada Byron", "Bo Lind"]), "count": drawn.randint(1, 3), "what": "lamps"}
        for _ in range(12)
    ]
    text = gap.join(words.format(**item) for item in items)
    answer = PageAnswer("a", 1, 0, len(text), items)
    start = 0
    for item, one in zip(items, placed_items(answer, text, is_object=False), strict=True):
        end = start + len(words.format(**item))
        assert all(start <= (of.start or 0) < (of.end or 0) <= end for of in one.fields)
        start = end + len(gap)


def test_places_count_from_the_beginning_of_the_document() -> None:
    text = "Ada. Ben. Ada."
    (placed,) = placed_items(PageAnswer("text", 3, 5, 14, ["Ada"], {"/0": 0.5}), text, is_object=False)
    assert placed == FoundItem("text", "Ada", (FoundValue("", "Ada", 10, 13, 3, 0.5),), (), (3,))


def test_deep_and_many_values_are_merged() -> None:
    deep: Any = "Ada"
    for _ in range(1_500):
        deep = {"a": [deep]}
    answers = [PageAnswer("text", at, 0, 3, deep) for at in (1, 2)]
    assert len(object_of(answers, "Ada").fields) == 1
    text = "yes 1. " * 150
    answer = PageAnswer("text", 1, 0, len(text), [{"is": "yes", "n": 1}] * 200)
    assert len(items_of([answer], text)) == 150

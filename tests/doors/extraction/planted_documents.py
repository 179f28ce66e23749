"""Random documents with items whose places are known, their pages, and readers that find what is there."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from structgen.doors.extraction.found_items import FoundItem, PageAnswer

NOISE = "and so the old river went on under a wide sky while nobody of them said much about that".split()
NAMES = [f"{first} {last}" for first in ("Ada", "Ben", "Cleo") for last in ("Ali", "Orff")]
ALONE = ["Zoe Wu", "Yan Hu"]
"""Names of items of which nothing else is said."""
DEPARTMENTS = ["Sales", "Legal", "Finance", "Garden", "Kitchen", "Harbour"]
GOODS = ["tea", "oil", "salt"]

Places = dict[str, tuple[int, int]]
"""Where scalars stand, by their pointers."""


@dataclass(frozen=True)
class Planted:
    """An item, and where its scalars stand."""

    value: Any
    places: Places

    @property
    def start(self) -> int:
        return min(start for start, _ in self.places.values())

    @property
    def end(self) -> int:
        return max(end for _, end in self.places.values())


class Writer:
    """Writes a text, and says where each piece of it stands."""

    def __init__(self, drawn: random.Random) -> None:
        self.text, self._drawn = "", drawn

    def put(self, words: object) -> tuple[int, int]:
        start = len(self.text)
        self.text += str(words)
        return start, len(self.text)

    def noise(self) -> None:
        self.put(" ".join(self._drawn.choices(NOISE, k=self._drawn.randint(10, 16))) + ". ")


def planted_document(drawn: random.Random, sections: int) -> tuple[str, list[Planted]]:
    """Return a text of some sections, each with a heading that its items share, and the items in order.
    Names, numbers, and whole items repeat."""
    page, items = Writer(drawn), list[Planted]()
    for department in drawn.sample(DEPARTMENTS, sections):
        page.noise()
        heading = page.put(department)
        page.put(": ")
        page.noise()
        for _ in range(drawn.randint(1, 3)):
            value = _value(drawn, department)
            for _ in range(1 + (drawn.random() < 0.2)):
                items.append(_planted(drawn, page, heading, value))
                page.noise()
    return page.text, items


def _value(drawn: random.Random, department: str) -> dict[str, Any]:
    if drawn.random() < 0.2:
        return {"department": department, "name": drawn.choice(ALONE), "age": None, "goods": []}
    goods = [{"what": drawn.choice(GOODS), "cost": drawn.randint(5, 8)} for _ in range(drawn.randint(0, 2))]
    name, age = drawn.choice(NAMES), drawn.randint(30, 34)
    return {"department": department, "name": name, "age": age, "goods": goods}


def _planted(drawn: random.Random, page: Writer, heading: tuple[int, int], value: dict[str, Any]) -> Planted:
    places = {"/department": heading}
    if value["age"] is None:
        places["/name"] = page.put(value["name"])
    elif drawn.random() < 0.5:
        places["/name"] = page.put(value["name"])
        page.put(" (")
        places["/age"] = page.put(value["age"])
        page.put(")")
    else:
        places["/age"] = page.put(value["age"])
        page.put(", ")
        places["/name"] = page.put(value["name"])
    for at, good in enumerate(value["goods"]):
        page.put("; ")
        places[f"/goods/{at}/what"] = page.put(good["what"])
        page.put(" ")
        places[f"/goods/{at}/cost"] = page.put(good["cost"])
    page.put(". ")
    return Planted(value, places)


def random_pages(drawn: random.Random, text: str, overlap: int, most: int) -> list[tuple[int, int]]:
    """Return pages that begin and end between words, and overlap by at least so many characters."""
    borders = [0, *(at for at in range(1, len(text)) if text[at - 1] == " "), len(text)]
    pages, start = list[tuple[int, int]](), 0
    while True:
        wanted = start + overlap + drawn.randint(20, most)
        end = min((one for one in borders if one >= wanted), default=len(text))
        pages.append((start, end))
        if end == len(text):
            return pages
        latest = max(one for one in borders if one <= end - overlap)
        start = drawn.choice([one for one in borders if start < one <= latest] or [latest])


def answers_of(
    pages: Sequence[tuple[int, int]], read: Callable[[int, int], Any], name: str = "text"
) -> list[PageAnswer]:
    """Return what a reader says of each page."""
    return [PageAnswer(name, at, *page, read(*page)) for at, page in enumerate(pages, start=1)]


def reader_of(items: Sequence[Planted]) -> Callable[[int, int], list[Any]]:
    """Return a reader that finds the items that stand whole in a page."""
    return lambda start, end: [one.value for one in items if start <= one.start and one.end <= end]


def found(items: Sequence[FoundItem]) -> list[Planted]:
    """Return items as they would be planted."""
    return [
        Planted(
            item.value,
            {
                one.path: (one.start, one.end)
                for one in item.fields
                if one.start is not None and one.end is not None
            },
        )
        for item in items
    ]

"""Random documents with items whose places are known, their pages, and a reader that finds what is there."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from structgen.doors.extraction.found_items import PageAnswer

NOISE = "and so the old river went on under a wide sky while nobody of them said much about that".split()
NAMES = [f"{first} {last}" for first in ("Ada", "Ben", "Cleo") for last in ("Ali", "Orff")]
ALONE = ["Zoe Wu", "Yan Hu"]
"""Names of items that say nothing else."""
DEPARTMENTS = ["Sales", "Legal", "Finance", "Garden", "Kitchen", "Harbour"]
GOODS = ["tea", "oil", "salt"]


@dataclass(frozen=True)
class Planted:
    """An item, and where its scalars stand, by their pointers in it."""

    value: Any
    places: dict[str, tuple[int, int]]

    @property
    def start(self) -> int:
        return min(start for start, _ in self.places.values())

    @property
    def end(self) -> int:
        return max(end for _, end in self.places.values())


class _Writer:
    def __init__(self) -> None:
        self.text = ""

    def put(self, words: object) -> tuple[int, int]:
        start = len(self.text)
        self.text += str(words)
        return start, len(self.text)


def planted_document(drawn: random.Random, sections: int) -> tuple[str, list[Planted]]:
    """Return a text of some sections, each with a heading that its items share, and the items in order.
    Names, numbers and whole items repeat."""
    page, items = _Writer(), list[Planted]()
    noise = lambda: page.put(" ".join(drawn.choices(NOISE, k=drawn.randint(10, 16))) + ". ")  # noqa: E731
    for department in drawn.sample(DEPARTMENTS, sections):
        noise()
        heading = page.put(department)
        page.put(": ")
        noise()
        for _ in range(drawn.randint(1, 3)):
            items.append(_planted(drawn, page, heading, _value(drawn, department)))
            noise()
            if drawn.random() < 0.2:  # the same once more
                items.append(_planted(drawn, page, heading, items[-1].value))
                noise()
    return page.text, items


def _value(drawn: random.Random, department: str) -> dict[str, Any]:
    if drawn.random() < 0.2:
        return {"department": department, "name": drawn.choice(ALONE), "age": None, "goods": []}
    goods = [{"what": drawn.choice(GOODS), "cost": drawn.randint(5, 8)} for _ in range(drawn.randint(0, 2))]
    name, age = drawn.choice(NAMES), drawn.randint(30, 34)
    return {"department": department, "name": name, "age": age, "goods": goods}


def _planted(drawn: random.Random, page: _Writer, heading: tuple[int, int], value: dict[str, Any]) -> Planted:
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
    borders = [0, *(at for at in range(1, len(text)) if text[at - 1] == " " and text[at] != " "), len(text)]
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
    text: str, pages: Sequence[tuple[int, int]], read: Callable[[int, int], Any]
) -> list[PageAnswer]:
    """Return what a reader says of each page."""
    return [PageAnswer("text", at, *page, read(*page)) for at, page in enumerate(pages, start=1)]


def whole_items(items: Sequence[Planted], start: int, end: int) -> list[Any]:
    """Return the values of the items that stand whole in a page."""
    return [one.value for one in items if start <= one.start and one.end <= end]

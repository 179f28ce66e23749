"""How a document of the bench is written: `Writer` fills sentences with words, and keeps the places of items.

A sentence is a template with `{names}`. A name is that of a list of words, or of a function that makes one,
or a field of an item, whose place in the finished text is kept. What comes of a seed is the same on every
machine: draws use `random.Random.random` alone, whose sequence Python promises.
"""

from __future__ import annotations

import datetime as dt
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

Words = Mapping[str, "Sequence[str] | Callable[[Writer], str]"]

MONTHS = ("January February March April May June July August September October November December").split()
_OPEN, _HEAD, _CLOSE = "\ue000", "\ue001", "\ue002"
_MARK = re.compile(f"{_OPEN}([0-9]+) ([a-z_]+){_HEAD}|{_CLOSE}")
_VOWEL = re.compile(
    f"\\b([Aa]) ((?:{_OPEN}[^{_HEAD}]*{_HEAD})?(?!one\\b|once\\b|eu|Eu|uni|Uni|use)[aeiouAEIOU])"
)
_NAME = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True)
class CertainItem:
    """An item that a document states."""

    value: Mapping[str, Any]
    """As JSON has it."""
    places: Mapping[str, tuple[tuple[int, int], ...]]
    """By field, where it is written: `text[start:end]`. More than one place: it is told more than once."""


@dataclass(frozen=True)
class ExtractDocument:
    """A document, the type of its items, how one asks for them, and what a right answer is."""

    name: str
    kind: str
    half: str
    text: str
    item: type[BaseModel]
    key: str
    """The field whose text tells items apart: it stands in the document, and no two items share it."""
    prompt: str
    examples: tuple[tuple[str, tuple[Mapping[str, Any], ...]], ...]
    """Worked examples: a short text, and its items as JSON has them."""
    items: tuple[CertainItem, ...]


class Writer:
    """Writes one document. `words`: by name the words that sentences are filled with."""

    def __init__(self, seed: int, words: Words) -> None:
        self._random = random.Random(seed)
        self._words = words
        self._decks: dict[tuple[Any, ...], list[Any]] = {}
        self._taken: set[str] = set()
        self._items: list[Mapping[str, Any]] = []
        self.parts: list[str] = []

    def below(self, count: int) -> int:
        """Return a number from 0 to `count` - 1."""
        return int(self._random.random() * count)

    def between(self, least: int, most: int, step: int = 1) -> int:
        """Return a multiple of `step` above `least`, at most `most`."""
        return least + step * self.below((most - least) // step + 1)

    def shuffled(self, given: Sequence[Any]) -> list[Any]:
        """Return the same things in another order."""
        left, found = list(given), []
        while left:
            found.append(left.pop(self.below(len(left))))
        return found

    def deal(self, given: Sequence[Any]) -> Any:
        """Return one of a list; it comes again only when all others have been there."""
        deck = self._decks.setdefault(tuple(given), [])
        if not deck:
            deck.extend(self.shuffled(given))
        return deck.pop()

    def word(self, name: str) -> str:
        """Return a word of a list, with its own names filled in."""
        known = self._words[name]
        return self.filled(known(self) if callable(known) else self.deal(known))

    def unique(self, name: str) -> str:
        """Return a word of a list that was not taken before."""
        for _ in range(10_000):
            found = self.word(name)
            if found not in self._taken:
                self._taken.add(found)
                return found
        raise ValueError(f"{name} has no other words")

    def filled(self, template: str, **fields: str) -> str:
        """Return a template with words and fields for their names; a capital begins a sentence."""
        found = _NAME.sub(lambda one: fields.get(one[1]) or self.word(one[1]), template)
        is_sentence = template.startswith("{") and template.endswith((".", "?", "!"))
        return found[:1].upper() + found[1:] if is_sentence else found

    def new(self, **value: Any) -> int:
        """Note an item by its values, and return its number."""
        self._items.append(value)
        return len(self._items) - 1

    def told(self, number: int, template: str, **written: str) -> str:
        """Return a sentence that tells of an item. `written`: its fields as this sentence writes them."""
        fields = {name: f"{_OPEN}{number} {name}{_HEAD}{text}{_CLOSE}" for name, text in written.items()}
        return self.filled(template, **fields)

    def value(self, number: int) -> Mapping[str, Any]:
        """Return the values of an item."""
        return self._items[number]

    def prose(self, name: str, least: int, most: int) -> list[str]:
        """Return some sentences of a list, at least and at most so many."""
        return [self.word(name) for _ in range(self.between(least, most))]

    def add(self, *paragraphs: str) -> None:
        """Put paragraphs behind what is written."""
        self.parts.extend(paragraphs)

    def finish(self) -> tuple[str, tuple[CertainItem, ...]]:
        """Return the text, and the items in the order of their first mention."""
        marked = _VOWEL.sub(r"\1n \2", "\n\n".join(self.parts)) + "\n"
        text, at, open_ = "", 0, ("", "", 0)
        places: dict[int, dict[str, list[tuple[int, int]]]] = {}
        for mark in _MARK.finditer(marked):
            text += marked[at : mark.start()]
            at = mark.end()
            if mark[1]:
                open_ = (mark[1], mark[2], len(text))
            else:
                known = places.setdefault(int(open_[0]), {})
                known.setdefault(open_[1], []).append((open_[2], len(text)))
        text += marked[at:]
        found = [
            CertainItem(self._items[number], {name: tuple(all_) for name, all_ in fields.items()})
            for number, fields in places.items()
        ]
        return text, tuple(found)


def spread(writer: Writer, filler: Sequence[str], items: Sequence[str]) -> str:
    """Return one paragraph of sentences, those of items somewhere among the others."""
    found = list(filler)
    for one in items:
        found.insert(writer.below(len(found) + 1), one)
    return " ".join(found)


def dealt(writer: Writer, things: int, piles: int) -> list[int]:
    """Return how many of `things` each of `piles` gets: a fair share, one more or one less."""
    shares = [things // piles + (one < things % piles) for one in range(piles)]
    for _ in range(piles):
        giver, taker = writer.below(piles), writer.below(piles)
        if shares[giver] > 1 and shares[taker] <= things // piles:
            shares[giver] -= 1
            shares[taker] += 1
    return writer.shuffled(shares)


def day(writer: Writer, first: int, last: int) -> dt.date:
    """Return a day of the years from `first` to `last`."""
    return dt.date(writer.between(first, last), writer.between(1, 12), writer.between(1, 28))


def later(writer: Writer, one: dt.date, least: int, most: int) -> dt.date:
    """Return a day that is so many days after another."""
    return one + dt.timedelta(days=writer.between(least, most))


def day_written(writer: Writer, one: dt.date) -> str:
    """Return a day as people write it, always with its year."""
    month, style = MONTHS[one.month - 1], writer.below(4)
    ending = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd"}.get(one.day, "th")
    return (
        f"{one.day} {month} {one.year}",
        f"{month} {one.day}, {one.year}",
        f"{one.day}{ending} {month} {one.year}",
        one.isoformat(),
    )[style]

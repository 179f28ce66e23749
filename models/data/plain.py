"""Sentences of plain English words, each with an object or a list and the clauses that people put around it.

In the other sources half of the words are made up, so that names have to be copied; what they do not teach
is where a thing or a list of ordinary words begins and ends: `sledge` in `lent me their sledge when it was
dark`. A frame is a text with slots and the keys under which each slot is asked for; what stands in braces
with a capital letter is a list. `~` is a place for a clause, or for nothing.
"""

from __future__ import annotations

import re

from data.texts import texts
from data.values import Fact, Value, Values, article_of, facts_of, spoken
from data.words import KNOWN, Words, plural_of

LISTS = texts("plain")

ALL_FRAMES = LISTS.frames + LISTS.thing_frames + LISTS.row_frames
_POOLS = {"an": LISTS.animals + KNOWN.animals, "o": LISTS.dishes, "s": LISTS.subjects, "m": LISTS.instruments}
_SLOT = re.compile(r"\{(\w+)(?: (\w+))?\}")


class Plain:
    """Draws sentences: the facts that they tell, and the text."""

    def __init__(self, words: Words, values: Values) -> None:
        self.words, self.values, self.chance = words, values, words.chance
        self.things = LISTS.things + KNOWN.items

    def draw(self) -> tuple[dict[str, Fact], str]:
        """Return the facts by name, and the sentence."""
        chance = self.chance
        kinds = LISTS.frames, LISTS.thing_frames, LISTS.row_frames
        frame, asked = chance.choice(chance.choices(kinds, (5, 4, 2))[0])
        said: dict[str, Value] = {}

        def filled(match: re.Match[str]) -> str:
            return self._filled(match[1], match[2], said)

        text = _SLOT.sub(filled, frame)
        clause = chance.choice(LISTS.clauses) if chance.random() < 0.6 else ""
        text = re.sub(r" ~", f" {clause}" if clause else "", text)
        facts = facts_of(said, asked)
        if chance.random() < 0.2:
            opening = chance.choice(LISTS.openings)
            text = f"{opening} {text}"
        if not text.startswith(tuple(value.said for value in said.values())):
            text = text[0].upper() + text[1:]
        mark = "?" if frame.startswith("has anyone") else chance.choice((".", ".", ".", ".", "!", ""))
        return facts, text + mark

    def _filled(self, slot: str, second: str | None, said: dict[str, Value]) -> str:
        """Return the words of a slot, and note what it says; `a i` is a thing with its article."""
        chance = self.chance
        if slot == "his":
            return chance.choice(("his", "her", "their"))
        if slot == "the":
            return chance.choice(("the", "the", "this", "that", "my", "our", "your"))
        if slot == "a" and second is not None:
            words = self._filled(second, None, said)
            if second == "I":
                return words
            article = article_of(words) if chance.random() < 0.75 else "another"
            return f"{article} {words}"
        value = said[slot] = self._value(slot)
        return value.said

    def _value(self, slot: str) -> Value:
        chance, values = self.chance, self.values
        if slot in LISTS.kinds:
            return values.draw(LISTS.kinds[slot])
        if slot.rstrip("2") in _POOLS:
            word = chance.choice(_POOLS[slot.rstrip("2")]).replace("-", " ")
            if chance.random() < 0.2:
                word = f"{chance.choice(KNOWN.adjectives)} {word}"
            return spoken(word)
        if slot == "R":
            return self._rows()
        if slot == "w":
            word = chance.choice(LISTS.many)
            return spoken(word)
        if slot[0] in "iI":
            thing = self._thing()
            thing = plural_of(thing) if slot == "I" else thing
            return spoken(thing)
        count = int(slot[1]) if len(slot) > 1 else chance.choices((1, 2, 3, 4, 5), (0.5, 6, 7, 4, 1))[0]
        if slot[0] == "N":
            draw = self.words.full_name if chance.random() < 0.25 else self.words.first_name
            return values.listed(list(dict.fromkeys(draw() for _ in range(max(2, count)))))
        if slot[0] == "W":
            many = chance.sample(LISTS.many, count)
            if chance.random() < 0.75:
                return values.listed(many)
            # how much there is of it is no part of the value; what it is like, is
            before = [chance.choice(("some", "a bit of", "a few", "plenty of", "fresh")) for _ in many]
            said = [f"{word} {one}" for word, one in zip(before, many, strict=True)]
            kept = [
                f"{word} {one}" if word == "fresh" else one for word, one in zip(before, many, strict=True)
            ]
            return Value(values.listed(said).said, kept, "strings", "list")
        things = list(dict.fromkeys(self._thing() for _ in range(max(2, count))))
        lead = chance.choice(("a", "a", "the", "his", "her"))
        articled = [f"{article_of(one) if lead == 'a' else lead} {one}" for one in things]
        return Value(values.listed(articled).said, things, "strings", "list")

    def _thing(self) -> str:
        chance = self.chance
        thing = chance.choice(self.things)
        if chance.random() < 0.15:
            return f"{chance.choice(KNOWN.adjectives)} {thing}"
        return thing

    def _rows(self) -> Value:
        """Return things with their numbers, their prices or both, all said in one of many ways."""
        chance, values = self.chance, self.values
        name = chance.choice(("name", "name", "item", "product", "article", "thing", "title"))
        number = chance.choice(("quantity", "quantity", "qty", "count", "amount", "number"))
        money = chance.choice(("price", "price", "cost", "unit_price"))
        form, priced, counted = chance.choice(LISTS.row_forms)
        said, rows = [], []
        for _ in range(chance.choices((1, 2, 3, 4), (1, 6, 5, 1))[0]):
            thing = self._thing() if chance.random() < 0.8 else self.words.made_up()
            count, price = values.small(), values.price()
            many = thing if " of " in thing else plural_of(thing)
            said.append(form.format(
                a=article_of(thing), i=thing, I=many, q=count.said, p=price.said
            ))  # fmt: skip
            row: dict[str, object] = {name: many if "{I}" in form else thing}
            row |= {number: count.value} if counted else {}
            rows.append(row | ({money: price.value} if priced else {}))
        if "," in form:
            return Value("; ".join(said), rows, "lines", "list")
        return Value(values.listed(said).said, rows, "lines", "list")

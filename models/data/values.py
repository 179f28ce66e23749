"""Values as a sentence says them and as the document holds them, kind by kind."""

from __future__ import annotations

import calendar
import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from data.texts import texts
from data.words import KNOWN, Words, plural_of, spelled

LISTS = texts("values")
SCHEMAS = LISTS.schemas


@dataclass(frozen=True)
class Value:
    """One drawn value: its words in the sentence, the JSON value, its type (of SCHEMAS) and its kind."""

    said: str
    value: object
    type: str
    kind: str

    def fact(self, keys: list[str]) -> Fact:
        """Return the fact that the text tells the value, with the schema of its type."""
        return Fact(self, keys, schema_of(self))


def schema_of(value: Value) -> dict[str, Any]:
    """Return the schema of a value: that of its type, or that of rows."""
    if value.type != "lines":
        return SCHEMAS[value.type]
    assert isinstance(value.value, list)
    keys = list(value.value[0])
    properties = {key: {"type": LISTS.row_types.get(key, "string")} for key in keys}
    return {"type": "array", "items": {"type": "object", "properties": properties, "required": keys}}


def spoken(text: str, kind: str = "item") -> Value:
    """Return a text as it is said."""
    return Value(text, text, "string", kind)


@dataclass
class Fact:
    """A value that the text tells, the keys that may ask for it, and its schema."""

    value: Value
    keys: list[str]
    schema: dict[str, Any]


def facts_of(said: dict[str, Value], asked: str) -> dict[str, Fact]:
    """Return the facts that may be asked for: parts `slot:key,key`, or `slot+slot:key` for a list of what is
    said apart."""
    facts: dict[str, Fact] = {}
    for part in asked.split():
        name, _, keys = part.partition(":")
        told = said.get(name)
        if told is None:
            held = [said[one].value for one in name.split("+")]
            every = [item for one in held for item in (one if isinstance(one, list) else [one])]
            told = Value("", list(dict.fromkeys(every)), "strings", "list")
        facts[name] = told.fact(list(dict.fromkeys(keys.split(","))))
    return facts


def ordinal(day: int) -> str:
    """Return 1st, 2nd, 3rd, 4th, ..."""
    if day in (11, 12, 13):
        return f"{day}th"
    return f"{day}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th') }"


def article_of(noun: str) -> str:
    """Return `an` before a vowel, else `a`."""
    return "an" if noun[0] in "aeiou" else "a"


def number_of(text: float) -> float | int:
    """Return 12 for 12.0, and 12.5 for 12.5."""
    return int(text) if text == int(text) else text


class Values:
    """Draws values; a kind is a method's name."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.chance = words.chance

    def draw(self, kind: str) -> Value:
        """Return a value of a kind: `person`, `date`, `price`, ... (the methods below)."""
        make: Callable[[], Value] = getattr(self, kind)
        return make()

    def person(self) -> Value:
        """A name, now and then said with a title that is no part of the value."""
        if self.chance.random() < 0.06:
            title = self.chance.random() < 0.5
            name = self.words.proper(KNOWN.last_names) if title else self.words.first_name()
            before = self.chance.choice(KNOWN.titles if title else KNOWN.nicknames)
            return Value(f"{before} {name}", name, "string", "name")
        return spoken(self.words.person(), "name")

    def first(self) -> Value:
        return spoken(self.words.first_name(), "name")

    def surname(self) -> Value:
        return spoken(self.words.proper(KNOWN.last_names), "name")

    def city(self) -> Value:
        return spoken(self.words.city(), "city")

    def country(self) -> Value:
        return spoken(self.words.proper(KNOWN.countries, 0.6), "city")

    def company(self) -> Value:
        return spoken(self.words.company(), "name")

    def title(self) -> Value:
        return spoken(self.words.title())

    def item(self) -> Value:
        return spoken(self.words.item())

    def items(self) -> Value:
        return spoken(self.words.item(plural=True))

    def mass(self) -> Value:
        return spoken(self.chance.choice(KNOWN.mass_items))

    def job(self) -> Value:
        word = self.chance.choice(KNOWN.jobs) if self.chance.random() < 0.7 else self.words.made_up()
        start = self.chance.choice(("", "", "", "senior ", "chief ", "junior "))
        return spoken(start + word)

    def animal(self) -> Value:
        known = self.chance.random() < 0.8
        return spoken(self.chance.choice(KNOWN.animals) if known else self.words.made_up())

    def street(self) -> Value:
        name, end = self.words.proper(KNOWN.last_names), self.chance.choice(KNOWN.streets)
        return spoken(f"{self.chance.randint(1, 399)} {name} {end}")

    def email(self) -> Value:
        user = self.words.made_up() + self.chance.choice(("", "", str(self.chance.randint(1, 99))))
        end = self.chance.choice(("com", "org", "net", "example", "io"))
        return spoken(f"{user}@{self.words.made_up()}.{end}")

    def phone(self) -> Value:
        digits = [str(self.chance.randint(10, 999)) for _ in range(self.chance.randint(2, 4))]
        start = self.chance.choice(("", "+", "0", "555-"))
        return spoken(start + self.chance.choice("- ").join(digits))

    def code(self) -> Value:
        chance = self.chance
        letters = "".join(chance.choices(string.ascii_uppercase, k=chance.randint(1, 3)))
        digits = "".join(chance.choices(string.digits, k=chance.randint(2, 6)))
        return spoken(letters + chance.choice(("-", "", "-", "/")) + digits, "item")

    def age(self) -> Value:
        age = self.chance.randint(1, 99)
        return Value(spelled(age) if self.chance.random() < 0.2 else str(age), age, "integer", "age")

    def count(self) -> Value:
        """A number of things, of 2 or more, in digits or words."""
        chance, draw = self.chance, self.chance.random()
        if draw < 0.05:
            said, count = chance.choice(LISTS.dozens)
            return Value(said, count, "integer", "quantity")
        if draw < 0.17:
            # Words that are met seldom otherwise.
            count = chance.choice((*range(10, 20), *range(20, 100, 10)))
            return Value(spelled(count), count, "integer", "quantity")
        top = chance.choice((12, 12, 40, 100, 1000, 20000))
        count = chance.randint(2, top)
        if chance.random() < (0.5 if count <= 20 else 0.25 if count < 100 else 0.0):
            return Value(spelled(count), count, "integer", "quantity")
        said = f"{count:,}" if count >= 1000 and chance.random() < 0.6 else str(count)
        return Value(said, count, "integer", "quantity")

    def price(self) -> Value:
        """An amount of money in one of several spellings; the value is the amount."""
        chance = self.chance
        whole = chance.randint(1, chance.choice((9, 60, 300, 2000, 90000)))
        cents = chance.choice((0, 0, 0, 50, 99, 95, chance.randint(1, 99)))
        value = number_of(round(whole + cents / 100, 2))
        text = f"{whole:,}" if whole >= 1000 and chance.random() < 0.6 else str(whole)
        if cents or chance.random() < 0.2:
            text += f".{cents:02d}"
        form = chance.choices(LISTS.price_forms, LISTS.price_weights)[0]
        unit, code = chance.choice(LISTS.units), chance.choice(LISTS.codes)
        return Value(form.format(text=text, unit=unit, code=code), value, "number", "price")

    def measure(self) -> Value:
        """A plain number, often with a fraction; the sentence has the unit."""
        chance = self.chance
        value = number_of(
            round(chance.uniform(1, chance.choice((10, 100, 900))), chance.choice((0, 1, 1, 2)))
        )
        return Value(str(value), value, "number", "number")

    def small(self) -> Value:
        """A small whole number of hours, nights, guests and the like."""
        count = self.chance.randint(2, 14) if self.chance.random() < 0.7 else self.chance.randint(15, 120)
        said = spelled(count) if count < 13 and self.chance.random() < 0.45 else str(count)
        return Value(said, count, "integer", "quantity")

    def place_number(self) -> Value:
        number = self.chance.randint(1, self.chance.choice((20, 99, 900)))
        return Value(str(number), number, "integer", "number")

    def score(self) -> Value:
        value = number_of(self.chance.choice((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 3.5, 4.5, 2.5, 4.2, 8.7)))
        return Value(str(value), value, "number", "number")

    def year(self) -> Value:
        year = self.chance.randint(1900, 2035)
        return Value(str(year), year, "integer", "number")

    def clock(self) -> Value:
        text = f"{self.chance.randint(0, 23)}:{self.chance.choice((0, 5, 10, 15, 20, 30, 40, 45, 50)):02d}"
        return spoken(text)

    def date(self) -> Value:
        """A day in one of some ten spellings; the value is the ISO 8601 date."""
        chance = self.chance
        year, month = chance.randint(1950, 2039), chance.randint(1, 12)
        if chance.random() < 0.6:
            year = chance.randint(2015, 2029)
        day = date(year, month, chance.randint(1, calendar.monthrange(year, month)[1]))
        name = KNOWN.months[month - 1]
        if chance.random() < 0.15:
            name = name[:3] + chance.choice(("", "."))
        form = chance.choices(LISTS.date_forms, LISTS.date_weights)[0]
        names = {"name": name, "nth": ordinal(day.day), "week": KNOWN.weekdays[day.weekday()]}
        said = form.format(d=day.day, month=month, year=year, iso=day.isoformat(), **names)
        if chance.random() < 0.12:
            return spoken(said)
        return Value(said, day.isoformat(), "date", "date")

    def listed(self, things: list[str]) -> Value:
        """A list of strings, said with commas and a conjunction."""
        chance = self.chance
        if len(things) == 1:
            said = things[0]
        else:
            links = (" and ", ", and ", " as well as ", ", ", " & ", " plus ", ", then ", " and also ", "; ")
            last = chance.choices(links, (12, 5, 1, 1, 0.5, 0.7, 0.4, 0.5, 0.3))[0]
            mark = chance.choices((", ", "; ", " and "), (14, 0.5, 0.7))[0]
            said = mark.join(things[:-1]) + last + things[-1]
            if len(things) == 2 and last == " and " and chance.random() < 0.12:
                said = f"both {said}"
        return Value(said, things, "strings", "list")

    def _several(self, draw: Callable[[], str], most: int = 5) -> list[str]:
        counts = range(1, most + 1)
        count = self.chance.choices(counts, [1, 6, 7, 4, 2, 1][: len(counts)])[0]
        return list(dict.fromkeys(draw() for _ in range(count)))

    def people_list(self) -> Value:
        full = self.chance.random() < 0.3
        return self.listed(self._several(self.words.full_name if full else self.words.first_name))

    def item_list(self) -> Value:
        plural = self.chance.random() < 0.6
        pool = KNOWN.mass_items if self.chance.random() < 0.3 else None
        if pool:
            return self.listed(self._several(lambda: self.chance.choice(pool)))
        return self.listed(self._several(lambda: self.words.item(plural)))

    def article_list(self) -> Value:
        """A list said as `a lamp, an old map and a pen`; the values have no article."""
        things = self._several(self.words.item)
        said = self.listed([f"{article_of(thing)} {thing}" for thing in things]).said
        return Value(said, things, "strings", "list")

    def skill_list(self) -> Value:
        pool = KNOWN.skills + KNOWN.hobbies

        def skill() -> str:
            return self.chance.choice(pool) if self.chance.random() < 0.8 else self.words.made_up()

        return self.listed(self._several(skill))

    def city_list(self) -> Value:
        return self.listed(self._several(self.words.city, 4))

    def lines(self) -> Value:
        """Things with their counts, or with their prices, or both: a list of objects."""
        chance = self.chance
        name, number = chance.choice(("name", "item", "product")), chance.choice(("quantity", "qty", "count"))
        amount = chance.choice(("price", "cost", "unit_price"))
        shape = chance.choice(("count", "count", "price", "both"))
        rows: list[dict[str, object]] = []
        said = []
        for _ in range(chance.choices((1, 2, 3, 4), (1, 5, 4, 1))[0]):
            noun = self.words.item()
            count, price = self.count(), self.price()
            while count.said.endswith("of") or count.said.endswith("dozen"):
                count = self.count()
            if shape == "price":
                said.append(f"{article_of(noun)} {noun} {chance.choice(('at', 'for'))} {price.said}")
                rows.append({name: noun, amount: price.value})
                continue
            head, _, last = noun.rpartition(" ")
            noun = f"{head} {plural_of(last)}".strip()
            row: dict[str, object] = {name: noun, number: count.value}
            text = f"{count.said} {noun}"
            if shape == "both":
                row[amount] = price.value
                text += f" {chance.choice(('at', 'for'))} {price.said}" + chance.choice(("", " each"))
            said.append(text)
            rows.append(row)
        return Value(self.listed(said).said, rows, "lines", "list")

"""Sentences that say several things of one subject, one predicate after the other, and short notes.

Each predicate is a phrase of its own with its own keys (`took 4 hours`: hours, duration), so that any of them
meets any other.
"""

from __future__ import annotations

from typing import Any

from data import words as lexicon
from data.phrases import Phrases
from data.traits import STATES
from data.values import SCHEMAS, Fact, Value, Values, article_of
from data.words import Words, plural_of

_COLORS = "red blue green yellow black white brown grey pink purple".split()
_BOTH: tuple[tuple[str, str, str], ...] = (
    ("has {v} {t}", "count", "{t} {t} number_of_{t} {1}_count"),
    ("came with {v} {t}", "count", "{t} number_of_{t}"),
    ("needs {v} {t}", "count", "{t} {t}_needed number_of_{t}"),
    ("is in {v}", "city", "city location place"),
    ("came to {v}", "city", "city destination"),
    ("went to {v}", "city", "city destination"),
    ("arrived on {v}", "date", "date arrival arrived_on"),
    ("leaves on {v}", "date", "date departure leaves_on"),
    ("has been here since {v}", "date", "since start date"),
    ("is called {v}", "first", "name called"),
    ("goes by the name of {v}", "first", "name nickname"),
    ("answers to {v}", "first", "name called"),
    ("will be ready by {v}", "date", "deadline ready_on date due"),
    ("met {v}", "person", "met person friend other"),
    ("weighs {v} kg", "measure", "weight weight_kg kg"),
)
_OF_THINGS: tuple[tuple[str, str, str], ...] = (
    ("cost {v}", "price", "cost price amount"),
    ("cost me {v}", "price", "cost price paid"),
    ("costs {v} a {u}", "price", "price cost rate"),
    ("is worth {v}", "price", "value worth price"),
    ("sold for {v}", "price", "price sold_for sale_price"),
    ("goes for {v}", "price", "price asking_price"),
    ("took {v} hours", "small", "hours duration time_hours"),
    ("lasts {v} minutes", "small", "minutes duration length"),
    ("lasted {v} days", "small", "days duration length"),
    ("takes {v} weeks", "small", "weeks duration"),
    ("seats {v}", "small", "seats capacity"),
    ("is {v} metres long", "measure", "length length_m meters"),
    ("holds {v} litres", "measure", "volume litres capacity"),
    ("is from {v}", "year", "year built made_in_year"),
    ("was made in {v}", "city", "city made_in origin"),
    ("was bought in {v}", "city", "city bought_in place"),
    ("comes from {v}", "city", "origin from city"),
    ("belongs to {v}", "person", "owner belongs_to name"),
    ("is for {v}", "person", "for recipient customer name"),
    ("was made by {v}", "person", "maker made_by author"),
    ("was left by {v}", "person", "left_by giver name"),
    ("was bought on {v}", "date", "date bought_on purchase_date"),
    ("was opened on {v}", "date", "opened date opened_on"),
    ("is due back on {v}", "date", "due return_date date"),
    ("is {v}", "color", "color colour"),
    ("was painted {v}", "color", "color colour painted"),
    ("contains {v}", "item_list", "contents contains items"),
    ("was shown in {v}", "city_list", "cities places shown_in"),
    ("has the number {v}", "code", "number code id"),
    ("got {v} points", "score", "score points rating"),
)
_OF_PEOPLE: tuple[tuple[str, str, str], ...] = (
    ("is {v}", "age", "age age years_old"),
    ("turned {v}", "age", "age age"),
    ("is {v} years old", "age", "age age"),
    ("was {v} at the time", "age", "age age"),
    ("lives in {v}", "city", "city lives_in home"),
    ("moved to {v}", "city", "city moved_to home"),
    ("grew up in {v}", "city", "hometown city birthplace"),
    ("was born on {v}", "date", "born birthday date_of_birth birth_date"),
    ("joined on {v}", "date", "joined member_since date start"),
    ("retired on {v}", "date", "retired retirement date"),
    ("earns {v} a {u}", "price", "salary income pay earns"),
    ("owes me {v}", "price", "debt owes amount"),
    ("owes the club {v}", "price", "debt owes amount"),
    ("paid {v}", "price", "paid price amount"),
    ("will pay {v}", "price", "price amount offer"),
    ("won {v}", "price", "prize won amount"),
    ("offered {v}", "price", "offer price amount"),
    ("works as a {v}", "job", "job profession occupation"),
    ("became a {v}", "job", "job profession"),
    ("works for {v}", "company", "employer company works_for"),
    ("has {v} children", "small", "children kids number_of_children"),
    ("ran {v} km", "measure", "km distance distance_km"),
    ("waited {v} minutes", "small", "minutes waiting_time waited"),
    ("speaks {v}", "skill_list", "languages skills speaks"),
    ("likes {v}", "skill_list", "hobbies likes interests"),
    ("brought {v}", "article_list", "items brought things"),
    ("ordered {v}", "lines", "order items lines"),
    ("visited {v}", "city_list", "cities visited places"),
    ("lives with {v}", "people_list", "family people lives_with names"),
    ("is married to {v}", "person", "spouse husband wife partner married_to"),
    ("drives a {v} car", "color", "car_color color car_colour"),
    ("bought {a} {v}", "item", "item bought product"),
    ("lost {a} {v}", "item", "item lost thing"),
    ("can be reached at {v}", "phone", "phone tel number"),
    ("writes from {v}", "email", "email mail"),
    ("keeps {a} {v}", "animal", "animal pet"),
    ("finished in {v} seconds", "measure", "time seconds result"),
    ("scored {v}", "score", "score points result"),
)
_KINDS = (
    "car house boat flat book film bike painting dog horse course machine shop party trip guitar room".split()
)


class Notes:
    """Draws sentences: the facts that they tell, and the text."""

    def __init__(self, words: Words, values: Values, phrases: Phrases) -> None:
        self.words, self.values, self.phrases, self.chance = words, values, phrases, words.chance

    def draw(self) -> tuple[dict[str, Fact], str]:
        """Return the facts by name, and the sentence."""
        chance = self.chance
        facts: dict[str, Fact] = {}
        text = self._share(facts) if chance.random() < 0.12 else self._predicates(facts)
        if chance.random() < 0.12:
            text += f" {self.phrases.tail()}"
        if chance.random() < 0.2 and not text.startswith("The "):
            text = f"{self.phrases.start()} {text}"
        if text[0].islower() and chance.random() < 0.85:
            text = text[0].upper() + text[1:]
        return facts, text + chance.choice((".", ".", ".", ".", "", "!"))

    def _share(self, facts: dict[str, Fact]) -> str:
        """Say for whom some of the things are."""
        chance = self.chance
        count, person, city = self.values.count(), self.values.person(), self.values.city()
        while count.said.endswith((" of", "dozen")):
            count = self.values.count()
        noun = self.words.item(plural=True)
        last = noun.split()[-1]
        keys = [last, last, noun.replace(" ", "_"), f"number_of_{last}", "quantity"]
        facts["count"] = Fact(count, keys, SCHEMAS["integer"])
        facts["who"] = Fact(person, ["customer", "name", "recipient", "for", "person"], SCHEMAS["string"])
        facts["city"] = Fact(city, ["city", "place", "destination", "town"], SCHEMAS["string"])
        frame = chance.choice((
            "{n} of the {t} are for {p} in {c}", "the other {n} {t} go to {p} in {c}",
            "{n} of my {t} went to {p} in {c}",
            "of the {t}, {n} belong to {p} of {c}", "{p} from {c} took {n} of the {t}",
            "{n} more {t} for {p}, {c}",
            "{p} in {c} is waiting for {n} of these {t}", "I set aside {n} of the {t} for {p} from {c}",
        ))  # fmt: skip
        return frame.format(n=count.said, t=noun, p=person.said, c=city.said)

    def _predicates(self, facts: dict[str, Fact]) -> str:
        chance = self.chance
        personal = chance.random() < 0.55
        table = _BOTH + (_OF_PEOPLE if personal else _OF_THINGS)
        parts: list[str] = []
        taken: set[str] = {"name"} if personal else set()
        for frame, kind, keys in chance.sample(table, 8):
            found = self._predicate(frame, kind, keys, taken, facts)
            parts += [found] if found else []
            if len(parts) == chance.choice((1, 2, 2, 3, 3, 4)) or len(parts) == 4:
                break
        if chance.random() < 0.3:
            parts.insert(chance.randint(0, len(parts)), self._property(taken, facts))
        subject = self._subject(personal, facts)
        draw = chance.random()
        if len(parts) == 1:
            return f"{subject} {parts[0]}"
        if draw < 0.6:
            link = chance.choice((" and ", ", and ", " but ", " and also ", ", "))
            return f"{subject} {', '.join(parts[:-1])}{link}{parts[-1]}"
        if draw < 0.75:
            relative = "who" if personal else "which"
            return f"{subject}, {relative} {parts[0]}, {' and '.join(parts[1:])}"
        again = chance.choice(("He", "She") if personal else ("It", "It", "This one"))
        return f"{subject} {parts[0]}. {again} {' and '.join(parts[1:])}"

    def _predicate(
        self, frame: str, kind: str, keys: str, taken: set[str], facts: dict[str, Fact]
    ) -> str | None:
        """Return a predicate with a value of its own, or None where one of its keys is taken already."""
        chance = self.chance
        noun = chance.choice(lexicon.ITEMS) if chance.random() < 0.7 else self.words.made_up()
        names = keys.format("", noun, t=plural_of(noun)).split()
        if taken & set(names):
            return None
        taken.update(names)
        if kind == "color":
            options = chance.sample(_COLORS, chance.randint(2, 5))
            said = chance.choice(options)
            schema: dict[str, Any] = {"type": "string", "enum": options}
            value = Value(said, said, "string", "enum")
            if chance.random() < 0.2:
                schema = SCHEMAS["string"]
        else:
            value = self.values.draw(kind)
            if value.said.endswith((" of", "dozen")):
                value = Value("12", 12, "integer", "quantity")
            if value.type == "lines":
                assert isinstance(value.value, list)
                schema = self.values.rows_schema(value.value)
            else:
                schema = SCHEMAS[value.type]
        facts[names[0]] = Fact(value, names, schema)
        unit = chance.choice(("night", "month", "week", "day", "year", "kilo", "piece", "person"))
        return frame.format(v=value.said, t=plural_of(noun), u=unit, a=article_of(value.said))

    def _property(self, taken: set[str], facts: dict[str, Fact]) -> str:
        chance = self.chance
        word = chance.choice(STATES) if chance.random() < 0.75 else self.words.made_up()
        truth = chance.random() < 0.5
        yes = ("is {w}", "was {w}", "is already {w}", "is now {w}", "has been {w}")
        no = (
            "is not {w}",
            "isn't {w}",
            "was never {w}",
            "is no longer {w}",
            "is not {w} yet",
            "has not been {w}",
        )
        keys = [word.replace("-", "_"), f"is_{word}".replace("-", "_")]
        if not taken & set(keys):
            facts[f"is {word}"] = Fact(Value("", truth, "boolean", "boolean"), keys, SCHEMAS["boolean"])
        return chance.choice(yes if truth else no).format(w=word)

    def _subject(self, personal: bool, facts: dict[str, Fact]) -> str:
        chance = self.chance
        if personal:
            if chance.random() < 0.15:
                return chance.choice(("my brother", "our neighbour", "the new tenant", "she", "he"))
            person = self.values.person()
            facts["who"] = Fact(person, ["name", "name", "person", "who", "full_name"], SCHEMAS["string"])
            return person.said
        noun = chance.choice(_KINDS) if chance.random() < 0.4 else self.words.item()
        keys = ["item", "thing", "object", "what"]
        facts["thing"] = Fact(Value(noun, noun, "string", "item"), keys, SCHEMAS["string"])
        first = chance.choice(("the", "the", "my", "our", "this", "her", "that"))
        if chance.random() < 0.2 and not any(
            key in facts for key in ("owner", "for", "maker", "left_by", "met")
        ):
            owner = self.values.person()
            facts["owner"] = Fact(owner, ["owner", "name", "belongs_to"], SCHEMAS["string"])
            first = f"{owner.said}'s"
        return f"{first} {noun}"

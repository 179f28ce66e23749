"""Sentences that say several things of one subject, one predicate after the other, and short notes.

Each predicate is a phrase of its own with its own keys (`took 4 hours`: hours, duration), so that any of them
meets any other.
"""

from __future__ import annotations

from typing import Any

from data import traits
from data.phrases import Phrases
from data.texts import texts
from data.values import SCHEMAS, Fact, Value, Values, article_of, schema_of, spoken
from data.words import KNOWN, Words, plural_of

LISTS = texts("notes")


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
        facts["count"] = count.fact(keys)
        facts["who"] = person.fact(["customer", "name", "recipient", "for", "person"])
        facts["city"] = city.fact(["city", "place", "destination", "town"])
        frame = chance.choice(LISTS.shares)
        return frame.format(n=count.said, t=noun, p=person.said, c=city.said)

    def _predicates(self, facts: dict[str, Fact]) -> str:
        chance = self.chance
        personal = chance.random() < 0.55
        table = LISTS.both + (LISTS.of_people if personal else LISTS.of_things)
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
        noun = chance.choice(KNOWN.items) if chance.random() < 0.7 else self.words.made_up()
        names = keys.format("", noun, t=plural_of(noun)).split()
        if taken & set(names):
            return None
        taken.update(names)
        if kind == "color":
            options = chance.sample(LISTS.colors, chance.randint(2, 5))
            said = chance.choice(options)
            schema: dict[str, Any] = {"type": "string", "enum": options}
            value = spoken(said, "enum")
            if chance.random() < 0.2:
                schema = SCHEMAS["string"]
        else:
            value = self.values.draw(kind)
            if value.said.endswith((" of", "dozen")):
                value = Value("12", 12, "integer", "quantity")
            schema = schema_of(value)
        facts[names[0]] = Fact(value, names, schema)
        unit = chance.choice(("night", "month", "week", "day", "year", "kilo", "piece", "person"))
        return frame.format(v=value.said, t=plural_of(noun), u=unit, a=article_of(value.said))

    def _property(self, taken: set[str], facts: dict[str, Fact]) -> str:
        chance = self.chance
        word = chance.choice(traits.LISTS.states) if chance.random() < 0.75 else self.words.made_up()
        truth = chance.random() < 0.5
        yes = ("is {w}", "was {w}", "is already {w}", "is now {w}", "has been {w}")
        no = LISTS.denials
        keys = [word.replace("-", "_"), f"is_{word}".replace("-", "_")]
        if not taken & set(keys):
            facts[f"is {word}"] = Value("", truth, "boolean", "boolean").fact(keys)
        return chance.choice(yes if truth else no).format(w=word)

    def _subject(self, personal: bool, facts: dict[str, Fact]) -> str:
        chance = self.chance
        if personal:
            if chance.random() < 0.15:
                return chance.choice(("my brother", "our neighbour", "the new tenant", "she", "he"))
            person = self.values.person()
            facts["who"] = person.fact(["name", "name", "person", "who", "full_name"])
            return person.said
        noun = chance.choice(LISTS.kinds) if chance.random() < 0.4 else self.words.item()
        facts["thing"] = spoken(noun).fact(["item", "thing", "object", "what"])
        first = chance.choice(("the", "the", "my", "our", "this", "her", "that"))
        if chance.random() < 0.2 and not facts.keys() & {"owner", "for", "maker", "left_by", "met"}:
            owner = self.values.person()
            facts["owner"] = owner.fact(["owner", "name", "belongs_to"])
            first = f"{owner.said}'s"
        return f"{first} {noun}"

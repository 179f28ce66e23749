"""Sentences about several things at once: who did what to whom, rows of people, counts and kinds of things.

What they teach is to tell like things apart: two people with an age and a town each, a number for each of
three nouns, an adjective for each of two; and lists of many kinds, said in many ways.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from data.phrases import ROLES, Phrases
from data.texts import texts
from data.values import SCHEMAS, Fact, Value, Values, article_of, spoken
from data.words import KNOWN, Words, plural_of, spelled

LISTS = texts("frames")

RequestFacts: TypeAlias = dict[str, Fact]
Attribute: TypeAlias = tuple[str, Value, list[str]]
"""A key, its value, and the ways to say it after a name (`{v}`)."""


def joined(parts: list[str], ends: str = "and") -> str:
    """Return parts with commas and a last conjunction."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {ends} {parts[-1]}"


def object_schema(value: dict[str, object]) -> dict[str, Any]:
    """Return the schema of an object whose values are strings and numbers."""
    return {
        "type": "object",
        "properties": {
            key: SCHEMAS["string" if isinstance(held, str) else "number" if key in LISTS.money else "integer"]
            for key, held in value.items()
        },
        "required": list(value),
        "additionalProperties": False,
    }


class Frames:
    """Draws sentences: the facts that they tell, and the text."""

    def __init__(self, words: Words, values: Values, phrases: Phrases, shares: Sequence[int]) -> None:
        """`shares`: how often each kind comes, in the order of `draw`."""
        self.words, self.values, self.phrases, self.chance = words, values, phrases, words.chance
        self.shares = shares

    def draw(self) -> tuple[RequestFacts, str]:
        """Return the facts by name, and the sentence."""
        facts: RequestFacts = {}
        makers: tuple[Callable[[RequestFacts], str], ...] = (
            self._parties, self._rows, self._counts, self._kinds, self._card, self._list,
        )  # fmt: skip
        text = self.chance.choices(makers, self.shares)[0](facts)
        if self.chance.random() < 0.12:
            text = f"{text.rstrip('.')} {self.phrases.tail()}"
        if self.chance.random() < 0.2 and text[0].isupper() and "," not in text[:4]:
            text = f"{self.phrases.start()} {text}"
        elif text[0].islower() and self.chance.random() < 0.8:
            text = text[0].upper() + text[1:]
        return facts, text if text[-1] in ".;!?" else text + self.chance.choice((".", ".", ".", "", "!"))

    def _pick(self, text: str) -> str:
        """Return one of the words between bars: `sold|bought`."""
        return self.chance.choice(text.split("|"))

    def _chosen(self, frame: str) -> str:
        """Return a frame with its choices `(a|b)` made."""
        while "(" in frame:
            start, end = frame.index("("), frame.index(")")
            frame = frame[:start] + self._pick(frame[start + 1 : end]) + frame[end + 1 :]
        return frame

    def _subject(self) -> str:
        """Return somebody that no field asks for."""
        return self.chance.choice(LISTS.subjects) if self.chance.random() < 0.6 else self.words.person()

    def _thing(self) -> str:
        thing = self.words.item()
        return f"{self.chance.choice(('the', 'his', 'her', 'my', 'the', article_of(thing)))} {thing}"

    # Two people.

    def _attribute(self, key: str) -> Attribute:
        values = self.values
        draw = {"age": values.age, "city": values.city, "job": values.job}.get(key, values.price)
        return key, draw(), LISTS.attributes[key]

    def _described(self, name: str, attributes: list[Attribute]) -> str:
        said = name
        for _, value, forms in attributes:
            said = said.rstrip(",") + self.chance.choice(forms).format(v=value.said)
        return said

    def _parties(self, facts: RequestFacts) -> str:
        chance = self.chance
        does, suffers, passive, first, second = chance.choice(LISTS.deals)
        by_role = chance.random() < 0.3
        if by_role:
            first, second = chance.sample(ROLES, 2)
        wanted = chance.choice((["age"], ["city"], ["age", "city"], ["city"], ["job"], []))
        people: list[tuple[str, str, list[Attribute]]] = []
        told: list[str] = []
        for role in (first, second):
            held = [self._attribute(key) for key in wanted if chance.random() < 0.85]
            named = self.values.person()
            people.append((role, str(named.value), held))
            told.append(self._described(named.said, held))
        text = self._told_of_two(people, told, by_role, (does, suffers, passive), facts)
        nested = bool(wanted) and chance.random() < 0.6
        for role, name, held in people:
            if nested:
                value = {"name": name} | {key: held_value.value for key, held_value, _ in held}
                facts[role] = Fact(Value("", value, "object", "nested"), [role], object_schema(value))
                continue
            facts[role] = spoken(name, "name").fact([role, role, f"{role}_name"])
            for key, attribute, _ in held:
                facts[f"{role} {key}"] = attribute.fact([f"{role}_{key}"])
        return text

    def _told_of_two(
        self,
        people: list[tuple[str, str, list[Attribute]]],
        told: list[str],
        by_role: bool,
        verbs: tuple[str, str, str],
        facts: RequestFacts,
    ) -> str:
        chance, (one, other) = self.chance, told
        does, suffers, passive = verbs
        thing = self._thing()
        if by_role:
            (first, *_), (second, *_) = people
            frame = chance.choice(LISTS.roles_of_two)
            text = frame.format(f=first, s=second, a=one, b=other)
        elif passive and chance.random() < 0.25:
            text = f"{thing} {passive.format(a=one, b=other)}"
        elif chance.random() < 0.5:
            text = f"{one} {does.format(t=thing)} {other}"
        else:
            text = f"{other} {suffers.format(t=thing)} {one}"
        if thing in text and chance.random() < 0.7:
            item = thing.split(" ", 1)[1]
            facts["thing"] = spoken(item).fact(["item", "thing", "object"])
        if chance.random() < 0.3 and not by_role:
            day = self.values.date()
            text = f"{text.rstrip(',')} on {day.said}"
            facts["day"] = day.fact(["date", "day", "when"])
        return text.replace(",.", ".").replace(",;", ";").replace(",,", ",").rstrip(",")

    # Rows of people.

    def _rows(self, facts: RequestFacts) -> str:
        chance = self.chance
        key = chance.choice(("age", "city", "job", "amount"))
        count = chance.choice((2, 2, 3, 3, 4))
        draw = self.words.full_name if chance.random() < 0.3 else self.words.first_name
        names = list(dict.fromkeys(draw() for _ in range(count)))
        held = [self._attribute(key)[1] for _ in names]
        forms = LISTS.row_forms[key]
        form = chance.choice(forms)
        parts = [name + form.format(v=value.said) for name, value in zip(names, held, strict=True)]
        mark = "; " if form.startswith(",") or chance.random() < 0.1 else ", "
        said = f"{mark.join(parts[:-1])}{chance.choice((' and ', mark, mark + 'and '))}{parts[-1]}"
        label = chance.choice(("name", "name", "name", "person", "who", "full_name"))
        rows: list[dict[str, object]] = [
            {label: name, key: value.value} for name, value in zip(names, held, strict=True)
        ]
        group = chance.choice(LISTS.groups)
        schema = {"type": "array", "items": object_schema(rows[0])}
        facts["rows"] = Fact(Value(said, rows, "lines", "list"), [group], schema)
        if chance.random() < 0.25:
            facts["names"] = Value("", names, "strings", "list").fact(["names", f"{group}_names"])
        frame = chance.choice(LISTS.group_frames)
        if " is " in form or form.split()[0] in ("turned", "lives", "paid", "gave", "owes"):
            frame = chance.choice(LISTS.told_frames)
        if chance.random() < 0.3:
            number = Value(spelled(len(names)), len(names), "integer", "quantity")
            facts["number"] = number.fact([f"number_of_{group}", "count"])
            frame = f"The {number.said} {{g}}: {{v}}"
        return frame.format(v=said, g=group)

    # Numbers and kinds of several things.

    def _nouns(self, count: int) -> list[str]:
        made = [self.chance.choice(KNOWN.items) if self.chance.random() < 0.8 else self.words.made_up()
                for _ in range(count)]  # fmt: skip
        return list(dict.fromkeys(made))

    def _counts(self, facts: RequestFacts) -> str:
        chance = self.chance
        parts: list[str] = []
        nouns = self._nouns(chance.choice((1, 2, 2, 3, 3, 4)))
        for noun in nouns:
            many = plural_of(noun)
            draw = chance.random()
            if draw < 0.25:
                one = chance.choice(LISTS.ones).format(a=article_of(noun))
                count = Value(one, 1, "integer", "quantity")
                parts.append(f"{count.said} {noun}")
            elif draw < 0.3:
                count = Value("no", 0, "integer", "quantity")
                parts.append(f"no {many}")
            else:
                count = self.values.count()
                parts.append(f"{count.said} {many}")
            keys = [many, many, noun, f"number_of_{many}", f"{noun}_count", f"num_{many}"]
            facts[noun] = count.fact(keys)
        subject = self.values.person() if chance.random() < 0.5 else None
        frame = self._chosen(chance.choice(LISTS.orders))
        if "{s}" in frame and subject is not None:
            keys = ["name", "customer", "person", "who", "client"]
            facts["who"] = subject.fact(keys)
        said = subject.said if subject is not None else self._subject()
        return frame.format(v=joined(parts, chance.choice(("and", "and", "plus", "and also", "but"))), s=said)

    def _kinds(self, facts: RequestFacts) -> str:
        chance = self.chance
        pool, keys = chance.choice(LISTS.adjectives)
        values = pool.split()
        if chance.random() < 0.2:
            values = [self.words.made_up() for _ in range(4)]
        nouns = self._nouns(chance.choice((1, 2, 2, 3)))
        options = chance.sample(values, chance.randint(2, len(values)))
        form = chance.choice(keys)
        chosen = [chance.choice(options) for _ in nouns]
        for noun, option in zip(nouns, chosen, strict=True):
            schema: dict[str, Any] = {"type": "string", "enum": options}
            if chance.random() < 0.15:
                schema = SCHEMAS["string"]
            facts[noun] = Fact(spoken(option, "enum"), [form.format(n=noun)], schema)
        if chance.random() < 0.35:
            parts = [f"the {noun} is {option}" for noun, option in zip(nouns, chosen, strict=True)]
            return joined(parts, chance.choice(("and", "but", "while")))
        parts = [f"{article_of(option)} {option} {noun}" for noun, option in zip(nouns, chosen, strict=True)]
        return self._chosen(chance.choice(LISTS.orders)).format(v=joined(parts), s=self._subject())

    # Cards and lists.

    def _card(self, facts: RequestFacts) -> str:
        """Say who and where in a few words: a line of an address book."""
        chance = self.chance
        name, city, street = self.values.person(), self.values.city(), self.values.street()
        if chance.random() < 0.5:
            name_of = self.words.made_up().capitalize() + chance.choice(LISTS.street_ends)
            said = f"{chance.choice(('', '', 'Via ', 'Rue '))}{name_of} {chance.randint(1, 199)}"
            street = spoken(said)
        code = Value(
            said := "".join(chance.choices("0123456789", k=chance.choice((4, 5, 5)))), said, "string", "item"
        )
        address = {"street": street, "city": city}
        where = f"{street.said}, {city.said}"
        if chance.random() < 0.4:
            address["zip"] = code
            where = f"{street.said}, {code.said} {city.said}"
        age, mail, phone = self.values.age(), self.values.email(), self.values.phone()
        facts["name"] = name.fact(["name", "full_name", "person", "contact"])
        more: list[str] = []
        if chance.random() < 0.4:
            facts["age"] = age.fact(["age", "age", "years_old"])
            more.append(chance.choice(("{v}", "aged {v}", "{v} years old", "age {v}")).format(v=age.said))
        if chance.random() < 0.3:
            facts["mail"] = mail.fact(["email", "mail", "e_mail"])
            more.append(mail.said)
        if chance.random() < 0.3:
            facts["phone"] = phone.fact(["phone", "tel", "phone_number"])
            more.append(chance.choice(("{v}", "tel. {v}", "phone {v}")).format(v=phone.said))
        if chance.random() < 0.6:
            value = {key: part.value for key, part in address.items()}
            keys = ["address", "address", "home", "location", "lives_at"]
            facts["address"] = Fact(Value("", value, "object", "nested"), keys, object_schema(value))
        else:
            for key, part in address.items():
                facts[key] = part.fact([key, f"home_{key}"])
        draw = chance.random()
        if draw < 0.4:
            return ", ".join([name.said, *more, where])
        if draw < 0.7:
            verb = chance.choice(("lives at", "can be found at", "moved to", "has a shop at", "lives in"))
            return f"{', '.join([name.said, *more])}{',' if more else ''} {verb} {where}"
        return chance.choice(LISTS.contacts).format(n=", ".join([name.said, *more]), w=where)

    def _list(self, facts: RequestFacts) -> str:
        chance = self.chance
        pool, keys, frames = chance.choice(LISTS.lists)
        count = chance.choices((1, 2, 3, 4, 5), (1, 4, 5, 3, 1))[0]
        things = chance.sample(pool.split(), count)
        things = [self.words.made_up() if chance.random() < 0.12 else thing for thing in things]
        value = self.values.listed(list(dict.fromkeys(things)))
        facts["list"] = value.fact(list(keys))
        frame = chance.choice(frames)
        said = self._subject()
        if "{s}" in frame and chance.random() < 0.6:
            person = self.values.person()
            facts["who"] = person.fact(["name", "person", "who", "owner"])
            said = person.said
        if "{s}" in frame and said in ("they", "we", "I"):
            said = "she"
        return frame.format(s=said, v=value.said)

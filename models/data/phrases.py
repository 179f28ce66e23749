"""Sentences with no template: a subject, a verb, an object and phrases of time, place and money in any order.

What a phrase means is told by its form alone (`aged 41`, `from Mirstad`, `by 3 May 2026`, `Kolm, our
plumber`), so that a model learns forms, and the words of keys, rather than whole sentences.
"""

from __future__ import annotations

from data.texts import texts
from data.values import Fact, Values, spoken
from data.words import KNOWN, Words, plural_of

LISTS = texts("phrases")

ROLES = [*KNOWN.jobs, *LISTS.roles]


class Phrases:
    """Draws sentences: the facts that they tell, and the text."""

    def __init__(self, words: Words, values: Values) -> None:
        self.words, self.values, self.chance = words, values, words.chance

    def draw(self) -> tuple[dict[str, Fact], str]:
        """Return the facts by name, and the sentence."""
        chance = self.chance
        facts: dict[str, Fact] = {}
        subject = self._someone(facts, "subject")
        verb = chance.choice(LISTS.verbs) if chance.random() < 0.8 else self.words.made_up() + "ed"
        thing = self._something(facts)
        # One list at most: no key could tell two apart.
        kinds = [self._place, self._day, self._money, *([] if "list" in facts else [self._with])]
        makers = chance.sample(kinds, min(len(kinds), chance.choice((0, 1, 1, 2, 2, 3))))
        phrases = [make(facts) for make in makers]
        if chance.random() < 0.25:
            phrases.append(f"{chance.choice(LISTS.links)} {self._someone(facts, 'other')}")
        if chance.random() < 0.2:
            phrases.append(chance.choice(LISTS.ends))
        draw = chance.random()
        if draw < 0.5:
            parts = [subject, verb, thing, *phrases]
        elif draw < 0.65:
            parts = [thing, chance.choice(LISTS.passives), verb, "by", subject, *phrases]
        elif draw < 0.8 and phrases:
            parts = [phrases[0] + ",", subject, verb, thing, *phrases[1:]]
        elif draw < 0.9:
            parts = [f"{part}," for part in (subject, thing, *phrases)]
            parts = chance.sample(parts, len(parts))
            parts[-1] = parts[-1].rstrip(",")
        else:
            parts = [chance.choice(LISTS.questions), subject, verb, thing, *phrases]
        if chance.random() < 0.4:
            parts.insert(0, self.start())
        if chance.random() < 0.2:
            at = chance.randint(1, len(parts))
            if parts[at - 1] != thing:
                parts.insert(at, self.words.filler())
        text = " ".join(parts).replace(",,", ",").rstrip(",")
        copied = [fact.value.said for fact in facts.values() if fact.value.value == fact.value.said]
        if not text[0].isupper() and not text.startswith(tuple(copied)):
            text = text[0].upper() + text[1:]
        return facts, text + chance.choice((".", ".", ".", ".", "!", "?", ""))

    def start(self) -> str:
        """Return how a sentence may begin before its subject: capitalised words that are no name."""
        chance = self.chance
        draw = chance.random()
        if draw < 0.25:
            return self._filled(chance.choice(LISTS.leads))
        if draw < 0.55:
            return chance.choice(LISTS.starts)
        words = [self.words.filler() for _ in range(chance.choice((1, 1, 2, 3)))]
        return f"{' '.join(words).capitalize()}{chance.choice(('', '', ' that', ','))}"

    def tail(self) -> str:
        """Return how a sentence may go on when all is said: a clause or a phrase that no field asks for."""
        return self._filled(self.chance.choice(LISTS.tails))

    def _filled(self, text: str) -> str:
        words, chance = self.words, self.chance
        number, order = chance.randint(2, 40), chance.choice(("first", "second", "third", "last", "fifth"))
        return text.format(
            a=chance.choice(KNOWN.adjectives), v=words.filler(), w=words.filler(), n=number, o=order
        )

    def _someone(self, facts: dict[str, Fact], name: str) -> str:
        """Say a person: by a role, a title or the name alone, perhaps with the age."""
        chance = self.chance
        if name == "subject" and chance.random() < 0.2:
            return chance.choice(LISTS.somebody)
        draw = chance.random()
        if draw < 0.15:
            value = self.values.surname()
            said = f"{chance.choice(KNOWN.titles)} {value.said}"
        else:
            value = self.values.person()
            said = value.said
        keys = ["name", "person", "who", "full_name", "contact", "guest", "customer", "participant"]
        if draw > 0.5:
            role = chance.choice(ROLES) if chance.random() < 0.85 else self.words.made_up()
            keys = [role, role, f"{role}_name", "name"]
            if "subject" in facts:
                keys = keys[:3]
            said = chance.choice(LISTS.named).format(r=role, n=said)
        elif name == "other":
            keys = ["other", "partner", "friend", "with", "second_person"]
        facts[name] = value.fact(keys)
        if chance.random() < 0.25:
            age = self.values.age()
            form = chance.choice(LISTS.age_forms)
            said = said.rstrip(",") + form.format(a=age.said)
            facts[f"{name} age"] = age.fact(["age", "age", f"{keys[0]}_age", "years_old"])
        return said

    def _something(self, facts: dict[str, Fact]) -> str:
        chance, draw = self.chance, self.chance.random()
        if draw < 0.45:
            count = self.values.count()
            noun = self.words.item(plural=True)
            last = noun.split()[-1]
            keys = [last, noun.replace(" ", "_"), f"number_of_{last}", "quantity", "count"]
            facts["count"] = count.fact(keys)
            facts["things"] = spoken(noun).fact(["item", "product", "things"])
            return f"{chance.choice(('', '', '', 'all ', 'about ', 'only ', 'some '))}{count.said} {noun}"
        if draw < 0.7:
            noun = self.words.item()
            facts["thing"] = spoken(noun).fact(["item", "thing", "product", "object"])
            return f"{chance.choice(LISTS.articles)} {noun}"
        if draw < 0.9:
            return self._with(facts)
        return chance.choice(("it", "everything", "nothing", "them", "that"))

    def _with(self, facts: dict[str, Fact]) -> str:
        """Say a list, after the word that is its key or after none."""
        chance = self.chance
        kind, *keys = chance.choice(LISTS.list_kinds)
        value = self.values.draw(kind)
        noun = plural_of(chance.choice(ROLES if kind == "people_list" else KNOWN.items))
        form = chance.choice(LISTS.list_forms)
        facts["list"] = value.fact([noun] if "{n}" in form else keys)
        return form.format(v=value.said, n=noun)

    def _place(self, facts: dict[str, Fact]) -> str:
        value = self.values.city()
        form = self.chance.choice(LISTS.place_forms)
        keys = {"from": ["from", "origin", "start"], "to": ["to", "destination", "goal"]}.get(form, [])
        facts["place"] = value.fact(["city", *keys, "town", "place", "location"])
        return f"{form.format(p=self.chance.choice(LISTS.places))} {value.said}"

    def _day(self, facts: dict[str, Fact]) -> str:
        value = self.values.date()
        form = self.chance.choice(LISTS.day_forms)
        keys = [*LISTS.day_keys.get(form, []), "date", "day", "when"]
        facts["day"] = value.fact(keys)
        return f"{form} {value.said}"

    def _money(self, facts: dict[str, Fact]) -> str:
        value, noun = self.values.price(), self.chance.choice(LISTS.money)
        form = self.chance.choice(LISTS.paid)
        keys = [noun, f"{noun}_amount"] if "{n}" in form else ["price", "cost", "total"]
        facts["money"] = value.fact([*keys, "amount", "sum"])
        return form.format(p=value.said, n=noun)

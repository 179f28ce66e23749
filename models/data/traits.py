"""Things that any sentence may add: a property that holds or not, one of several values, a number of things.

The key of a trait is made of the words that say it, made-up ones too, so that a model learns to find what a
key names, and what a negation does, rather than a list of keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from data.texts import texts
from data.values import Fact, Value, Values
from data.words import KNOWN, Words, plural_of

LISTS = texts("traits")


@dataclass(frozen=True)
class Family:
    """Properties that are said alike: their words, how they are said to hold and not to, and their keys."""

    words: str
    """The name of their list."""
    yes: list[str]
    no: list[str]
    pairs: list[tuple[str, bool, bool]]
    """Sentences about two of them, and whether each of the two holds."""
    keys: list[str]
    made: str = "{m}"
    """What a made-up word becomes; after a bar, what `{b}` says, as in the words."""


_FAMILIES = [Family(**table) for table in LISTS.families]
_WEIGHTS = (5, 3, 2, 2, 2, 3, 3)


Trait: TypeAlias = tuple[str, list[Fact]]
"""A sentence, and the facts that it tells."""


class Traits:
    """Draws traits."""

    def __init__(self, words: Words, values: Values) -> None:
        self.words, self.values, self.chance = words, values, words.chance

    def draw(self) -> Trait:
        """Return a sentence and the facts that it tells."""
        draw = self.chance.random()
        if draw < 0.45:
            return self._holds()
        if draw < 0.6:
            return self._both()
        if draw < 0.8:
            return self._one_of()
        if draw < 0.92:
            return self._counted()
        return self._measured()

    def _word(self, known: list[str], share: float = 0.75) -> str:
        return self.chance.choice(known) if self.chance.random() < share else self.words.made_up()

    def _holds(self) -> Trait:
        chance = self.chance
        truth = chance.random() < 0.5
        family = chance.choices(_FAMILIES, _WEIGHTS)[0]
        word, base = self._property(family)
        form = chance.choice(family.yes if truth else family.no)
        text = form.format(**self._parts(word), b=base)
        return text, [self._boolean(family, word, base, truth)]

    def _property(self, family: Family) -> tuple[str, str]:
        """Return a word of the family, and what goes with it (`{b}`)."""
        known = self.chance.random() < 0.75
        text = (
            self.chance.choice(getattr(LISTS, family.words))
            if known
            else family.made.format(m=self.words.made_up())
        )
        word, _, base = text.partition("|")
        return word, base

    def _parts(self, word: str) -> dict[str, str]:
        chance = self.chance
        subject = chance.choice(LISTS.subjects) if chance.random() < 0.7 else f"The {self.words.item()}"
        if chance.random() < 0.08:
            subject = self.words.person()
        return {
            "S": subject,
            "s": subject.lower() if subject.split()[0] in LISTS.lowered else subject,
            "t": self.words.item(),
            "w": word,
            "W": word[0].upper() + word[1:],
        }

    def _both(self) -> Trait:
        """Return a sentence about two properties of one family, which often differ."""
        chance = self.chance
        family = chance.choice(_FAMILIES)
        (first, base), (second, other) = self._property(family), self._property(family)
        if family.words == "taken":
            # One verb for both.
            other = base
        form, *truths = chance.choice(family.pairs)
        text = form.format(**self._parts(first), v=second, b=base)
        if first == second or (family.words == "opposites" and first == other):
            same = first == second and truths[0] == truths[1]
            return text, [self._boolean(family, first, base, truths[0])] if same else []
        pairs = zip((first, second), (base, other), truths, strict=True)
        return text, [self._boolean(family, word, goes_with, truth) for word, goes_with, truth in pairs]

    def _boolean(self, family: Family, word: str, base: str, truth: bool) -> Fact:
        keys = [key.format(w=word, b=base).replace("-", "_") for key in family.keys]
        return Value("", truth, "boolean", "boolean").fact(keys)

    def _one_of(self) -> Trait:
        chance = self.chance
        if chance.random() < 0.65:
            key = chance.choice(sorted(LISTS.enums))
            values = LISTS.enums[key].split()
        else:
            key = self._word(KNOWN.fillers, 0.4)
            values = [self._word(KNOWN.adjectives + KNOWN.items, 0.4) for _ in range(5)]
        fact = self.enum_fact([key], list(dict.fromkeys(values)))
        template = chance.choice(LISTS.said)
        text = template.format(key=key, Key=key.capitalize(), value=fact.value.said)
        return text, [Fact(fact.value, [key, key, f"{key}_name", f"the_{key}"], fact.schema)]

    def enum_fact(self, keys: list[str], values: list[str]) -> Fact:
        """Return a fact whose value is one of some `values`, written as the schema has it, in any order."""
        chance = self.chance
        options = chance.sample(values, chance.randint(min(2, len(values)), min(6, len(values))))
        if chance.random() < 0.08:
            options[0] = self.words.made_up()
        said = value = chance.choice(options)
        draw = chance.random()
        if draw < 0.06:
            options, value = [option.upper() for option in options], value.upper()
        elif draw < 0.14:
            options, value = [option.capitalize() for option in options], value.capitalize()
        elif draw < 0.18:
            options = [option.replace("-", "_") for option in options]
            value = value.replace("-", "_")
        schema = {"type": "string", "enum": options}
        return Fact(Value(said, value, "string", "enum"), keys, schema)

    def _counted(self) -> Trait:
        count = self.values.small() if self.chance.random() < 0.6 else self.values.count()
        noun = self._word(LISTS.things, 0.7)
        things = plural_of(noun)
        said = count.said.removesuffix(" of")
        if said.endswith("a couple"):
            said += " of"
        text = self.chance.choice(LISTS.counts).format(n=said, things=things)
        text = text[0].upper() + text[1:]
        keys = [things, f"number_of_{things}", f"{noun}_count", f"num_{things}"]
        return text, [Value(said, count.value, "integer", "quantity").fact(keys)]

    def _measured(self) -> Trait:
        key, unit = self.chance.choice(LISTS.measures)
        value = self.values.measure()
        text = self.chance.choice(LISTS.measured)
        said = text.format(v=value.said, u=unit, K=key.capitalize())
        return said, [value.fact([key, key, f"total_{key}"])]

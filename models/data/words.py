"""Words that the sentences are made of: common ones in lists, made-up ones from syllables and letters.

A made-up word belongs to training or to the held-out sentences by a hash of itself (`held_out`), so that no
model has seen the made-up names that it is examined with.
"""

from __future__ import annotations

import random
import re
import zlib

from data.texts import texts

KNOWN = texts("words")
"""Common words, by their kind."""


_ENDS = ["", "", "", *"b ck d f g k l ll m n nd ng nk nt p r rd rn rt s sh ss st t th v x z".split()]
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def held_out(word: str) -> bool:
    """Tell whether a made-up word is kept from training: one in ten is, by its checksum."""
    return zlib.crc32(word.lower().encode()) % 10 == 0


def spelled(number: int) -> str:
    """Return a number from 0 to 999 in words."""
    if number < 20:
        return KNOWN.ones[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return KNOWN.tens[tens] + (f"-{KNOWN.ones[ones]}" if ones else "")
    hundreds, rest = divmod(number, 100)
    return f"{KNOWN.ones[hundreds]} hundred" + (f" and {spelled(rest)}" if rest else "")


class Words:
    """Draws words from one source of chance; made-up ones from training or from what is held out."""

    def __init__(self, chance: random.Random, *, unseen: bool = False) -> None:
        self.chance = chance
        self.unseen = unseen

    def made_up(self, least: int = 1, most: int = 3) -> str:
        """Return a lower-case word of syllables that sounds like a name."""
        chance = self.chance
        while True:
            word = "".join(
                chance.choice(KNOWN.starts) + chance.choice(KNOWN.vowels) + chance.choice(_ENDS)
                for _ in range(chance.randint(least, most))
            )
            if 3 <= len(word) <= 14 and held_out(word) == self.unseen:
                return word

    def letters(self, least: int = 3, most: int = 9) -> str:
        """Return a lower-case word of random letters."""
        while True:
            word = "".join(self.chance.choices(_LETTERS, k=self.chance.randint(least, most)))
            if held_out(word) == self.unseen:
                return word

    def proper(self, known: list[str], share: float = 0.3) -> str:
        """Return a capitalised word: in `share` of the draws a known one, else made up or random letters."""
        draw = self.chance.random()
        if draw < share and not self.unseen:
            return self.chance.choice(known)
        word = self.made_up() if draw < share + 0.45 else self.letters()
        if self.chance.random() < 0.06:
            plain = self.chance.choice("aeioucnlszy")
            word = word.replace(plain, self.chance.choice(KNOWN.accented[plain]))
        if self.chance.random() < 0.04:
            return self.chance.choice((word, word.upper(), f"{word}{self.chance.randint(1, 99)}"))
        return word.capitalize()

    def first_name(self) -> str:
        """Return a given name."""
        return self.proper(KNOWN.first_names)

    def full_name(self) -> str:
        """Return a given name and a family name, now and then with an initial, a hyphen or a particle."""
        chance = self.chance
        first, last, draw = self.first_name(), self.proper(KNOWN.last_names), chance.random()
        if draw < 0.06:
            return f"{first} {chance.choice('ABCDEFGHJKLMNPRSTW')}. {last}"
        if draw < 0.12:
            return f"{first} {last}-{self.proper(KNOWN.last_names)}"
        if draw < 0.17:
            return f"{first} {chance.choice(('van', 'de', 'von', 'di', 'al', 'van der', 'de la'))} {last}"
        return f"{first} {last}"

    def person(self) -> str:
        """Return a name as people are named in sentences: given name, or both."""
        return self.first_name() if self.chance.random() < 0.5 else self.full_name()

    def city(self) -> str:
        """Return a city, of one word or two."""
        if self.chance.random() < 0.12:
            start = self.chance.choice(("New", "San", "Port", "Saint", "Upper", "Santa", "Fort", "Bad", "El"))
            return f"{start} {self.proper(KNOWN.cities)}"
        if self.chance.random() < 0.03 and not self.unseen:
            return self.chance.choice(KNOWN.two_word_cities)
        return self.proper(KNOWN.cities)

    def company(self) -> str:
        """Return the name of a firm."""
        chance, draw = self.chance, self.chance.random()
        if draw < 0.25:
            return self.proper(KNOWN.last_names)
        if draw < 0.4:
            first, second = self.proper(KNOWN.last_names), self.proper(KNOWN.last_names)
            return f"{first} & {chance.choice((second, 'Sons', 'Co'))}"
        return f"{self.proper(KNOWN.last_names)} {chance.choice(KNOWN.company_ends)}"

    def title(self) -> str:
        """Return the title of a book, a course or an event: one to four capitalised words."""
        chance = self.chance
        count = chance.choices((1, 2, 3, 4), (2, 4, 3, 1))[0]
        pool = [
            chance.choice(KNOWN.adjectives + KNOWN.items + KNOWN.hobbies + KNOWN.fillers)
            for _ in range(count)
        ]
        words = [self.made_up() if chance.random() < 0.25 else word for word in pool]
        words = [word.capitalize() for word in words]
        if count > 2 and chance.random() < 0.5:
            words[1] = chance.choice(("of", "and", "in", "for", "the", "of the", "to"))
        if chance.random() < 0.25:
            words.insert(0, "The")
        return " ".join(words)

    def item(self, plural: bool = False) -> str:
        """Return a thing that is bought, counted or lost, in lower case."""
        chance = self.chance
        if not plural and chance.random() < 0.05:
            return f"{chance.choice(KNOWN.containers)} of {chance.choice(KNOWN.mass_items)}"
        noun = chance.choice(KNOWN.items) if chance.random() < 0.65 else self.made_up()
        if plural:
            noun = plural_of(noun)
        if chance.random() < 0.1:
            noun = f"{chance.choice(KNOWN.items + KNOWN.mass_items)} {noun}"
        draw = chance.random()
        if draw < 0.18:
            noun = f"{chance.choice(KNOWN.adjectives)} {noun}"
        elif draw < 0.32:
            noun = f"{chance.choice(KNOWN.modifiers)} {noun}"
        elif draw < 0.36:
            noun = f"{chance.choice(KNOWN.adjectives)} {chance.choice(KNOWN.modifiers)} {noun}"
        return noun

    def filler(self) -> str:
        """Return a word that says nothing of a field."""
        return (
            self.made_up() if self.chance.random() < 0.3 else self.chance.choice(KNOWN.fillers + KNOWN.common)
        )

    def noisy(self, text: str, share: float) -> str:
        """Replace some plain words by others, so that no single word carries the meaning."""

        def changed(match: re.Match[str]) -> str:
            word = match[0]
            if word in KNOWN.kept or self.chance.random() > share:
                return word
            return self.filler()

        return re.sub(r"(?<![\w'-])[a-z]+(?![\w'-])", changed, text)


def plural_of(noun: str) -> str:
    """Return the regular plural of an English noun."""
    if noun.endswith(("s", "sh", "ch", "x", "z")):
        return noun + "es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    if noun in ("loaf", "shelf", "knife"):
        return noun.replace("fe", "f")[:-1] + "ves"
    return noun + "s"

"""Things that any sentence may add: a property that holds or not, one of several values, a number of things.

The key of a trait is made of the words that say it, made-up ones too, so that a model learns to find what a
key names, and what a negation does, rather than a list of keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from data import words as lexicon
from data.values import SCHEMAS, Fact, Value, Values
from data.words import Words, plural_of

_STATES = (
    "heated locked sealed washable waterproof foldable signed printed verified certified public "
    "private broken clean dirty complete empty full legal safe tested handmade local imported "
    "frozen fresh ripe seasonal portable rechargeable adjustable removable visible active "
    "official final ready open closed available busy occupied reserved confirmed approved "
    "registered licensed experienced retired employed bilingual left-handed pregnant injured "
    "hungry tired happy interested satisfied invited present absent punctual accessible recycled "
    "toxic flammable noisy quiet expensive popular famous rare original genuine fake digital "
    "wireless automatic manual mandatory optional taxable deductible renewable insured encrypted "
    "archived deleted blocked delayed cancelled shipped billed reviewed"
).split()
_PARTS = (
    "balcony pool elevator garden terrace kitchen fireplace basement roof window door engine "
    "battery screen lid handle lock warranty discount licence passport visa degree certificate "
    "diploma driver permit ticket invoice contract password account website logo menu bar gym "
    "sauna wifi heating parking lift stage kitchenette safe dishwasher"
).split()
_DEEDS = (
    "swim drive cook dance sing ski ride type code fly travel walk read write paint climb dive "
    "sail juggle weld speak sleep vote pay return stay attend help teach work wait come join"
).split()


@dataclass(frozen=True)
class Family:
    """Properties that are said alike: their words, how they are said to hold and not to, and their keys."""

    words: list[str]
    yes: tuple[str, ...]
    no: tuple[str, ...]
    pairs: tuple[tuple[str, tuple[bool, bool]], ...]
    keys: tuple[str, ...]


_FAMILIES = (
    Family(
        _STATES,
        (
            "{S} is {w}.", "{S} is {w}.", "{S} is certainly {w}.", "{S} turned out to be {w}.",
            "{S} was {w}.",
            "{S} is now {w}.", "{S} has been {w}.", "{S} remains {w}.", "{S} is fully {w}.", "{W}: yes.",
            "{W}? Yes.", "Everyone was {w}.", "All of them are {w}.", "{W} as always.", "Yes, {s} is {w}.",
            "Both are {w}.", "{S} got {w}.", "{S} had to be {w}.", "{W}!", "I am {w}.", "Are you {w}? I am.",
        ),
        (
            "{S} is not {w}.", "{S} is not {w}.", "{S} isn't {w}.", "{S} is by no means {w}.",
            "{S} was not {w}.",
            "{S} turned out not to be {w}.", "{S} is not {w} yet.", "{S} is no longer {w}.",
            "{S} wasn't {w}.",
            "{S} has not been {w}.", "{S} was never {w}.", "{W}: no.", "{W}? No.", "Nobody was {w}.",
            "None of them is {w}.", "No one is {w}.", "No one has {w} it.", "Nobody {w} it.",
            "No, {s} isn't {w}.", "{S} hasn't been {w} yet.",
            "{S} is hardly {w}.", "{S} cannot be {w}.", "I am not {w}.", "{S} is anything but {w}.",
            "Not {w}.",
        ),
        (
            ("{S} is {w} but not {v}.", (True, False)),
            ("{S} is not {w} but {v}.", (False, True)),
            ("{S} is {w} and {v}.", (True, True)),
            ("{S} is neither {w} nor {v}.", (False, False)),
            ("{W}: yes, {v}: no.", (True, False)),
            ("{W}: no, {v}: yes.", (False, True)),
        ),
        ("{w}", "is_{w}", "{w}", "was_{w}"),
    ),
    Family(
        _PARTS,
        (
            "{S} has a {w}.", "{S} comes with a {w}.", "{S} has its own {w}.", "{S} includes a {w}.",
            "{W}: yes.",
            "{S} offers a {w}.", "{S} has got a {w}.", "There is a {w}.", "A {w} is included.", "With {w}.",
            "{W} included.", "The {w} is included.", "The price includes the {w}.", "I have a {w}.",
            "A {w} is welcome.", "You get a {w}.",
        ),
        (
            "{S} has no {w}.", "{S} comes without a {w}.", "{S} does not have a {w}.", "{S} lacks a {w}.",
            "{S} doesn't have a {w}.", "There is no {w}.", "{S} has never had a {w}.", "{S} offers no {w}.",
            "{W}: no.", "{W}: none.", "No {w}, please.", "There isn't a {w}.", "{W} not included.",
            "Without {w}.",
            "The {w} is not included.", "I don't have a {w}.", "I never got a {w}.", "The {w} is missing.",
        ),
        (
            ("{S} has a {w} but no {v}.", (True, False)),
            ("{S} has no {w}, but there is a {v}.", (False, True)),
            ("{S} has no {w} but a {v}.", (False, True)),
            ("{S} has a {w} and a {v}.", (True, True)),
            ("{S} has neither a {w} nor a {v}.", (False, False)),
            ("The {w} is included, the {v} is not.", (True, False)),
            ("{W} yes, {v} no.", (True, False)),
            ("{S} includes the {w} but not the {v}.", (True, False)),
        ),
        ("{w}", "has_{w}", "with_{w}", "{w}_included"),
    ),
    Family(
        _DEEDS,
        (
            "{S} can {w}.", "{S} is able to {w}.", "{S} wants to {w}.", "{S} will {w}.",
            "{S} knows how to {w}.",
            "{S} likes to {w}.", "{S} agreed to {w}.", "{S} still {w}s.", "{S} {w}s.", "You may {w} here.",
            "I would {w} again.", "{S} {w}s every day.", "Yes, {s} will {w}.", "Please {w}.",
        ),
        (
            "{S} cannot {w}.", "{S} is not able to {w}.", "{S} does not want to {w}.", "{S} will not {w}.",
            "{S} can't {w}.", "{S} never learned to {w}.", "{S} refuses to {w}.", "{S} does not {w}.",
            "{S} won't {w}.",
            "{S} is unable to {w}.", "{S} declined to {w}.", "{S} doesn't {w}.", "{S} never {w}s.",
            "You can't {w} here.", "You may not {w} here.", "I would never {w} again.", "{S} couldn't {w}.",
        ),
        (
            ("{S} can {w} but not {v}.", (True, False)),
            ("{S} {w}s but does not {v}.", (True, False)),
            ("{S} does not {w} but {v}s.", (False, True)),
            ("{S} can neither {w} nor {v}.", (False, False)),
            ("{S} can {w} and {v}.", (True, True)),
        ),
        ("can_{w}", "will_{w}", "{w}s", "{w}", "would_{w}", "may_{w}"),
    ),
)  # fmt: skip
_SUBJECTS = ("It", "It", "She", "He", "This one", "The place", "The thing", "The person", "Everything there")
_ENUMS = {
    "size": "small medium large tiny huge",
    "shape": "round square oval flat long",
    "material": "wood steel glass plastic leather cotton stone paper",
    "color": "red blue green yellow black white orange purple brown grey",
    "season": "spring summer autumn winter",
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "language": "English German French Spanish Italian Polish Dutch Czech",
    "gender": "male female other",
    "direction": "north south east west left right",
    "quality": "good bad fair poor excellent",
    "speed": "slow fast normal express",
    "risk": "low medium high none",
    "shift": "morning evening night afternoon",
    "delivery": "pickup courier post express standard",
    "mood": "happy sad angry calm excited worried",
    "diet": "vegan vegetarian kosher halal none",
    "sport": "football tennis chess hockey golf rugby",
    "weather": "sunny rainy cloudy windy snowy",
    "format": "pdf paper audio video ebook hardcover paperback",
    "rank": "first second third last",
    "genre": "jazz rock pop folk classical blues",
    "taste": "sweet sour salty bitter spicy",
    "device": "phone laptop tablet watch camera printer",
    "unit": "kg liters meters pieces boxes bags",
    "category": "food tools clothes books toys music health garden",
    "type": "regular special basic premium custom",
    "status": "open closed pending active done",
    "stage": "draft review final published",
}
_SAID = (
    "The {key} is {value}.", "{Key}: {value}.", "It is {value}.", "It comes in {value}.",
    "It was marked as {value}.", "It counts as {value}.", "We chose {value}.", "{Key} {value}.",
    "It is rated {value}.", "The {key} was {value}.", "It was set to {value}.", "They went for {value}.",
    "The choice fell on {value}.", "It should be {value}.", "Please make it {value}.",
    "Listed under {value}.", "They said {value}.", "Preferred {key}: {value}.",
)  # fmt: skip
_COUNTS = (
    "It has {n} {things}.", "There are {n} {things}.", "We counted {n} {things}.",
    "It comes with {n} {things}.", "They brought {n} {things}.", "It takes {n} {things}.",
    "It holds {n} {things}.", "She has {n} {things}.", "He owns {n} {things}.",
    "They asked for {n} {things}.", "Bring {n} {things}.", "It includes {n} {things}.",
    "With {n} {things}, it is complete.", "{n} {things} are left.", "{n} {things} were there.",
)  # fmt: skip
_MEASURES = (
    ("length", "metres long"), ("height", "metres high"), ("height", "cm tall"), ("width", "cm wide"),
    ("weight", "kg"), ("weight", "grams"), ("distance", "km away"), ("distance", "miles from here"),
    ("depth", "metres deep"), ("speed", "km/h"), ("volume", "litres"), ("area", "square metres"),
    ("temperature", "degrees"), ("duration", "minutes"), ("power", "watts"), ("discount", "percent"),
    ("discount", "% off"), ("percentage", "percent"), ("share", "%"), ("age", "years old"),
)  # fmt: skip
_THINGS = (
    "room window door seat page player wheel button key ticket bag box bottle child guest error "
    "test floor step game lesson question answer car bike tree dog cat employee student visitor "
    "member copy photo song day week month hour meal stop branch store table drawer pocket goal "
    "win vote"
).split()


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
        family = chance.choices(_FAMILIES, (5, 3, 2))[0]
        word = self._word(family.words)
        form = chance.choice(family.yes if truth else family.no)
        subject = chance.choice(_SUBJECTS) if chance.random() < 0.8 else f"The {self.words.item()}"
        text = form.format(S=subject, s=subject.lower(), w=word, W=word.capitalize())
        return text, [self._boolean(family, word, truth)]

    def _both(self) -> Trait:
        """Return a sentence about two properties of one family, which often differ."""
        chance = self.chance
        family = chance.choice(_FAMILIES)
        first, second = self._word(family.words), self._word(family.words)
        form, truths = chance.choice(family.pairs)
        text = form.format(S=chance.choice(_SUBJECTS), w=first, W=first.capitalize(), v=second)
        if first == second:
            return text, [self._boolean(family, first, truths[0])] if truths[0] == truths[1] else []
        pairs = zip((first, second), truths, strict=True)
        return text, [self._boolean(family, word, truth) for word, truth in pairs]

    def _boolean(self, family: Family, word: str, truth: bool) -> Fact:
        keys = [key.format(w=word).replace("-", "_") for key in family.keys]
        return Fact(Value("", truth, "boolean", "boolean"), keys, SCHEMAS["boolean"])

    def _one_of(self) -> Trait:
        chance = self.chance
        if chance.random() < 0.65:
            key = chance.choice(sorted(_ENUMS))
            values = _ENUMS[key].split()
        else:
            key = self._word(lexicon.FILLERS, 0.4)
            values = [self._word(lexicon.ADJECTIVES + lexicon.ITEMS, 0.4) for _ in range(5)]
        fact = self.enum_fact([key], list(dict.fromkeys(values)))
        template = chance.choice(_SAID)
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
        noun = self._word(_THINGS, 0.7)
        things = plural_of(noun)
        said = count.said.removesuffix(" of")
        if said.endswith("a couple"):
            said += " of"
        text = self.chance.choice(_COUNTS).format(n=said, things=things)
        text = text[0].upper() + text[1:]
        keys = [things, f"number_of_{things}", f"{noun}_count", f"num_{things}"]
        return text, [Fact(Value(said, count.value, "integer", "quantity"), keys, SCHEMAS["integer"])]

    def _measured(self) -> Trait:
        key, unit = self.chance.choice(_MEASURES)
        value = self.values.measure()
        text = self.chance.choice(
            ("It is {v} {u}.", "That makes {v} {u}.", "{K}: {v} {u}.", "It measures {v} {u}.")
        )
        said = text.format(v=value.said, u=unit, K=key.capitalize())
        return said, [Fact(value, [key, key, f"total_{key}"], SCHEMAS["number"])]

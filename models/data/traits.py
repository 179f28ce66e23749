"""Things that any sentence may add: a property that holds or not, one of several values, a number of things.

The key of a trait is made of the words that say it, made-up ones too, so that a model learns to find what a
key names, and what a negation does, rather than a list of keys.
"""

from __future__ import annotations

from typing import Any

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
_YES = (
    "is {a}",
    "is {a}", "is certainly {a}", "turned out to be {a}", "seems to be {a}", "was {a}", "is now {a}",
    "is already {a}", "has been {a}", "remains {a}", "is always {a}", "is fully {a}",
)  # fmt: skip
_NO = (
    "is not {a}", "is not {a}", "isn't {a}", "is by no means {a}", "turned out not to be {a}",
    "was not {a}", "is not {a} yet", "is no longer {a}", "has not been {a}", "was never {a}",
    "is never {a}", "wasn't {a}", "is not {a} at all", "is hardly {a}",
)  # fmt: skip
_HAS = (
    "has a {n}", "comes with a {n}", "has its own {n}", "includes a {n}", "offers a {n}", "has got a {n}",
    "there is a {n}",
)  # fmt: skip
_HAS_NOT = (
    "has no {n}", "comes without a {n}", "does not have a {n}", "lacks a {n}",
    "doesn't have a {n}", "there is no {n}", "has never had a {n}", "offers no {n}", "is missing a {n}",
)  # fmt: skip
_CAN = (
    "can {v}", "is able to {v}", "wants to {v}", "will {v}", "knows how to {v}", "likes to {v}",
    "agreed to {v}",
)  # fmt: skip
_CANNOT = (
    "cannot {v}", "is not able to {v}", "does not want to {v}", "will not {v}",
    "can't {v}", "never learned to {v}", "refuses to {v}", "does not {v}", "won't {v}", "is unable to {v}",
    "declined to {v}",
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


class Traits:
    """Draws traits: a sentence, the value, the keys that may ask for it, and its schema."""

    def __init__(self, words: Words, values: Values) -> None:
        self.words, self.values, self.chance = words, values, words.chance

    def draw(self) -> tuple[str, Value, list[str], dict[str, Any]]:
        """Return a trait."""
        draw = self.chance.random()
        if draw < 0.45:
            return self._holds()
        if draw < 0.7:
            return self._one_of()
        if draw < 0.88:
            return self._counted()
        return self._measured()

    def _word(self, known: list[str], share: float = 0.75) -> str:
        return self.chance.choice(known) if self.chance.random() < share else self.words.made_up()

    def _holds(self) -> tuple[str, Value, list[str], dict[str, Any]]:
        chance = self.chance
        truth = chance.random() < 0.5
        draw = chance.random()
        if draw < 0.5:
            word = self._word(_STATES)
            said = chance.choice(_YES if truth else _NO).format(a=word)
            keys = [word, f"is_{word}"]
        elif draw < 0.8:
            word = self._word(_PARTS)
            said = chance.choice(_HAS if truth else _HAS_NOT).format(n=word)
            keys = [word, f"has_{word}", f"with_{word}"]
        else:
            word = self._word(_DEEDS)
            said = chance.choice(_CAN if truth else _CANNOT).format(v=word)
            keys = [f"can_{word}", f"will_{word}", f"{word}s", word]
        subject = chance.choice(_SUBJECTS) if chance.random() < 0.8 else f"The {self.words.item()}"
        text = f"{said[0].upper()}{said[1:]}." if said.startswith("there") else f"{subject} {said}."
        keys = [key.replace("-", "_") for key in keys]
        return text, Value(said, truth, "boolean", "boolean"), keys, SCHEMAS["boolean"]

    def _one_of(self) -> tuple[str, Value, list[str], dict[str, Any]]:
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
        return text, fact.value, [key, key, f"{key}_name", f"the_{key}"], fact.schema

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

    def _counted(self) -> tuple[str, Value, list[str], dict[str, Any]]:
        count = self.values.small() if self.chance.random() < 0.6 else self.values.count()
        noun = self._word(_THINGS, 0.7)
        things = plural_of(noun)
        said = count.said.removesuffix(" of")
        if said.endswith("a couple"):
            said += " of"
        text = self.chance.choice(_COUNTS).format(n=said, things=things)
        text = text[0].upper() + text[1:]
        keys = [things, f"number_of_{things}", f"{noun}_count", f"num_{things}"]
        return text, Value(said, count.value, "integer", "quantity"), keys, SCHEMAS["integer"]

    def _measured(self) -> tuple[str, Value, list[str], dict[str, Any]]:
        key, unit = self.chance.choice(_MEASURES)
        value = self.values.measure()
        text = self.chance.choice(
            ("It is {v} {u}.", "That makes {v} {u}.", "{K}: {v} {u}.", "It measures {v} {u}.")
        )
        said = text.format(v=value.said, u=unit, K=key.capitalize())
        return said, value, [key, key, f"total_{key}"], SCHEMAS["number"]

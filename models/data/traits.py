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

STATES = (
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


_ALLOWED = (
    "parking|park smoking|smoke swimming|swim camping|camp fishing|fish singing|sing filming|film "
    "cycling|cycle "
    "barbecuing|barbecue diving|dive eating|eat talking|talk running|run skating|skate shouting|shout "
    "photography|photograph music|sing climbing|climb drinking|drink feeding|feed"
).split()
_TAKEN = (
    "meat|eat fish|eat sugar|take milk|drink coffee|drink alcohol|drink wine|drink bread|eat eggs|eat "
    "French|speak "
    "German|speak English|speak Spanish|speak chess|play tennis|play piano|play cards|take cash|accept "
    "cheques|accept pets|keep chickens|keep dogs|like cats|like music|like opera|like stamps|collect "
    "coins|collect "
    "papers|read novels|read glasses|wear hats|wear uniforms|wear lessons|take tablets|take taxes|pay "
    "rent|pay"
).split()
_EVENTS = (
    "signed|sign printed|print paid|pay sent|send delivered|deliver checked|check tested|test booked|book "
    "repaired|repair cleaned|clean approved|approve ordered|order shipped|ship opened|open closed|close "
    "sold|sell returned|return found|find finished|finish cancelled|cancel confirmed|confirm reviewed|review "
    "painted|paint invited|invite informed|inform registered|register insured|insure claimed|claim "
    "answered|answer updated|update installed|install published|publish refunded|refund reported|report "
    "packed|pack locked|lock washed|wash tasted|taste translated|translate accepted|accept"
).split()
_OPPOSITES = (
    "open|closed closed|open full|empty empty|full clean|dirty dirty|clean new|old free|taken awake|asleep "
    "on|off alive|dead married|single cheap|expensive expensive|cheap legal|illegal safe|dangerous hot|cold "
    "available|gone public|private private|public possible|impossible happy|unhappy ripe|unripe raw|cooked "
    "early|late late|early strong|weak true|false wet|dry dry|wet loud|quiet quiet|loud fresh|stale "
    "sharp|blunt "
    "heavy|light light|heavy complete|incomplete locked|unlocked furnished|unfurnished fit|ill ill|healthy "
    "guilty|innocent rich|poor popular|unpopular present|absent absent|present left-handed|right-handed"
).split()


@dataclass(frozen=True)
class Family:
    """Properties that are said alike: their words, how they are said to hold and not to, and their keys."""

    words: list[str]
    yes: tuple[str, ...]
    no: tuple[str, ...]
    pairs: tuple[tuple[str, tuple[bool, bool]], ...]
    keys: tuple[str, ...]
    made: str = "{m}"
    """What a made-up word becomes; after a bar, what `{b}` says, as in the words."""


_FAMILIES = (
    Family(
        STATES,
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
    Family(
        _ALLOWED,
        (
            "{W} is allowed.", "{W} is permitted here.", "You may {b}.", "You can {b} here.", "{W} is fine.",
            "Guests are free to {b}.", "{W} is welcome.", "{W} allowed.", "Feel free to {b}.",
            "Nobody minds if you {b}.", "There is no rule against {w}.",
        ),
        (
            "{W} is not allowed.", "{W} is forbidden.", "No {w}.", "No {w} here, please.", "You may not {b}.",
            "You can't {b} here.", "{W} is prohibited.", "{W} is strictly forbidden.", "Please do not {b}.",
            "{W} is banned.", "You must not {b}.", "{W} isn't permitted.", "Don't {b} in here.",
        ),
        (
            ("{W} is allowed, {v} is not.", (True, False)),
            ("You may {b} here. No {v}, though.", (True, False)),
            ("No {w}, but {v} is fine.", (False, True)),
            ("{W} and {v} are forbidden.", (False, False)),
        ),
        ("{w}_allowed", "{w}", "allows_{w}", "{w}_permitted", "may_{b}", "can_{b}"),
        "{m}ing|{m}",
    ),
    Family(
        _TAKEN,
        (
            "She {b}s {w}.", "He {b}s {w}.", "{S} {b}s {w} now and then.", "They {b} {w}.", "I {b} {w}.",
            "She loves to {b} {w}.", "He always {b}s {w}.", "She still {b}s {w}.", "He will {b} {w} too.",
        ),
        (
            "She never {b}s {w}.", "He does not {b} {w}.", "{S} doesn't {b} {w}.", "They don't {b} {w}.",
            "I don't {b} {w}.", "She refuses to {b} {w}.", "He won't {b} any {w}.",
            "She stopped {w} long ago.",
            "He would not {b} {w} if you paid him.", "She no longer {b}s {w}.",
        ),
        (
            ("She {b}s {w} but no {v}.", (True, False)),
            ("He doesn't {b} {w}, only {v}.", (False, True)),
            ("She {b}s {w} and {v}.", (True, True)),
            ("He {b}s neither {w} nor {v}.", (False, False)),
        ),
        ("{b}s_{w}", "{b}s_{w}", "{w}", "likes_{w}"),
        "{m}|eat",
    ),
    Family(
        _EVENTS,
        (
            "{S} has been {w}.", "It was {w} yesterday.", "They have already {w} it.", "She {w} it herself.",
            "Somebody {w} it last week.", "He remembered to {b} it.", "We {w} it in the end.",
            "{S} got {w} after all.", "I {w} it this morning.", "It has finally been {w}.", "{W} already.",
            "They managed to {b} it.", "Yes, we did {b} it.", "The {t} has been {w}.",
            "The {t} was {w} on time.",
            "Someone has {w} the {t}.",
        ),
        (
            "{S} still has to be {w}.", "No one has {w} it yet.", "They forgot to {b} it.",
            "It was never {w}.",
            "She failed to {b} it.", "Nobody {w} it.", "We did not {b} it.", "{S} has yet to be {w}.",
            "He didn't {b} it.", "It will be {w} next week.", "They refused to {b} it.", "Not yet {w}.",
            "I have not {w} it.", "It needs to be {w}.", "He never {w} it.", "The {t} has not been {w}.",
            "No one has {w} the {t} yet.", "The {t} was not {w}.", "The {t} is waiting to be {w}.",
        ),
        (
            ("It was {w} but not {v}.", (True, False)),
            ("It has been {w} and {v}.", (True, True)),
            ("It was {w} yesterday and still has to be {v}.", (True, False)),
            ("It was not {w}, but it was {v}.", (False, True)),
            ("Nobody has {w} or {v} it.", (False, False)),
        ),
        ("{w}", "is_{w}", "{w}", "was_{w}", "has_been_{w}"),
        "{m}ed|{m}",
    ),
    Family(
        _OPPOSITES,
        (
            "{S} is {w}.", "{S} is not {b}.", "{S} is {w} now.", "{S} isn't {b} any more.", "{S} was {w}.",
            "{S} looks {w}.", "{S} is far from {b}.", "The {t} is {w}.", "The {t} is not {b}.",
            "{S} seems {w}.", "{S} is no longer {b}.", "A {w} one.", "{S} stays {w}.",
        ),
        (
            "{S} is {b}.", "{S} is not {w}.", "{S} is {b} now.", "{S} isn't {w} any more.", "{S} was {b}.",
            "{S} looks {b}.", "{S} is far from {w}.", "The {t} is {b}.", "The {t} is not {w}.",
            "{S} seems {b}.", "{S} is no longer {w}.", "A {b} one.", "{S} stays {b}.",
        ),
        (
            ("It is {w} and {v}.", (True, True)),
            ("It is {w} but not {v}.", (True, False)),
            ("It is {b} but {v}.", (False, True)),
        ),
        ("{w}", "is_{w}", "{w}"),
        "{m}|un{m}",
    ),
)  # fmt: skip
_WEIGHTS = (5, 3, 2, 2, 2, 3, 3)
_LOWERED = ("It", "She", "He", "This", "The", "Everything")
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
        family = chance.choices(_FAMILIES, _WEIGHTS)[0]
        word, base = self._property(family)
        form = chance.choice(family.yes if truth else family.no)
        text = form.format(**self._parts(word), b=base)
        return text, [self._boolean(family, word, base, truth)]

    def _property(self, family: Family) -> tuple[str, str]:
        """Return a word of the family, and what goes with it (`{b}`)."""
        known = self.chance.random() < 0.75
        text = self.chance.choice(family.words) if known else family.made.format(m=self.words.made_up())
        word, _, base = text.partition("|")
        return word, base

    def _parts(self, word: str) -> dict[str, str]:
        chance = self.chance
        subject = chance.choice(_SUBJECTS) if chance.random() < 0.7 else f"The {self.words.item()}"
        if chance.random() < 0.08:
            subject = self.words.person()
        return {
            "S": subject,
            "s": subject.lower() if subject.split()[0] in _LOWERED else subject,
            "t": self.words.item(),
            "w": word,
            "W": word[0].upper() + word[1:],
        }

    def _both(self) -> Trait:
        """Return a sentence about two properties of one family, which often differ."""
        chance = self.chance
        family = chance.choice(_FAMILIES)
        (first, base), (second, other) = self._property(family), self._property(family)
        if family.words is _TAKEN:
            # One verb for both.
            other = base
        form, truths = chance.choice(family.pairs)
        text = form.format(**self._parts(first), v=second, b=base)
        if first == second or (family.words is _OPPOSITES and first == other):
            same = first == second and truths[0] == truths[1]
            return text, [self._boolean(family, first, base, truths[0])] if same else []
        pairs = zip((first, second), (base, other), truths, strict=True)
        return text, [self._boolean(family, word, goes_with, truth) for word, goes_with, truth in pairs]

    def _boolean(self, family: Family, word: str, base: str, truth: bool) -> Fact:
        keys = [key.format(w=word, b=base).replace("-", "_") for key in family.keys]
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

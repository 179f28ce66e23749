"""Words that the sentences are made of: common ones in lists, made-up ones from syllables and letters.

A made-up word belongs to training or to the held-out sentences by a hash of itself (`held_out`), so that no
model has seen the made-up names that it is examined with.
"""

from __future__ import annotations

import random
import re
import zlib

FIRST_NAMES = (
    "Anna Ben Carla David Elena Farid Grace Hugo Ines Jonas Karin Liam Mara Nadia Omar Paula "
    "Quentin Rosa Samir Tara Uwe Vera Walter Ximena Yara Zoe Alice Bob Charlie Diana Ethan Fiona "
    "George Hannah Ivan Julia Kevin Laura Miguel Nina Oliver Priya Rahul Sofia Tom Ursula Victor "
    "Wendy Yusuf Zara Aiko Bruno Chen Dalia Emil Fatima Giulia Henrik Isabel Jamal Kofi Lena "
    "Mateo Noor Olga Pedro Rania Sven Thandi Umar Viktor Wei Yuki Zainab James Mary Robert Linda "
    "Michael Susan William Karen Richard Nancy Joseph Sarah Daniel Emma Lucas Mia Noah Ella"
).split()
LAST_NAMES = (
    "Smith Jones Garcia Muller Rossi Tanaka Okafor Novak Silva Kowalski Haddad Larsen Dubois "
    "Petrov Nguyen Patel Kim Chen Ali Johansson Weber Moreau Costa Ivanova Sato Mensah Brown "
    "Taylor Wilson Evans Walker Hughes Green Clark Lewis Young Hall Allen King Wright Lopez Hill "
    "Scott Adams Baker Nelson Carter Mitchell Perez Roberts Turner Phillips Campbell Parker "
    "Collins Stewart Morris Rogers Reed Cook Morgan Bell Murphy Bailey Rivera Cooper O'Brien "
    "O'Neill Lindqvist Bergstrom Castellano Yamamoto Abebe Farouk Brandt Keller Vogel Schmidt "
    "Fischer"
).split()
CITIES = (
    "Paris London Berlin Madrid Rome Vienna Prague Lisbon Dublin Oslo Helsinki Stockholm Warsaw "
    "Athens Budapest Brussels Amsterdam Zurich Geneva Milan Naples Porto Seville Lyon Marseille "
    "Hamburg Munich Cologne Leipzig Boston Chicago Denver Seattle Austin Dallas Houston Phoenix "
    "Portland Atlanta Miami Toronto Montreal Vancouver Tokyo Osaka Kyoto Seoul Busan Beijing "
    "Shanghai Delhi Mumbai Chennai Lagos Nairobi Accra Cairo Tunis Lima Quito Bogota Santiago "
    "Sydney Perth Auckland Leeds York Bristol Cardiff Glasgow Utrecht Ghent Basel Graz Turin "
    "Bergen Krakow Riga Tallinn Vilnius Zagreb Split Sofia Izmir Ankara Hanoi Manila Jakarta "
    "Recife Salvador Rosario"
).split()
TWO_WORD_CITIES = [
    "New York",
    "San Francisco",
    "Los Angeles",
    "San Diego",
    "Cape Town",
    "Buenos Aires",
    "Hong Kong",
]
COUNTRIES = (
    "France Germany Spain Italy Portugal Norway Sweden Denmark Poland Austria Greece Turkey Egypt "
    "Kenya Nigeria Ghana Brazil Peru Chile Mexico Canada Japan Korea China India Vietnam Ireland "
    "Iceland Finland Croatia Morocco Jordan"
).split()
ITEMS = (
    "apple pear plum orange lemon banana potato tomato onion carrot cabbage mushroom egg loaf "
    "bagel muffin cake cookie pen pencil notebook folder stapler envelope stamp marker ruler "
    "eraser chair table desk lamp shelf sofa stool rug mirror clock vase pillow blanket towel "
    "curtain plate bowl cup mug glass fork knife spoon pan pot kettle toaster shirt jacket coat "
    "scarf hat glove sock shoe boot belt dress skirt sweater hoodie umbrella bag backpack "
    "suitcase wallet watch ring necklace phone laptop tablet keyboard mouse monitor printer "
    "camera speaker headset charger cable battery bulb hammer drill saw wrench screw nail bolt "
    "ladder bucket brush broom rope tent stove bicycle helmet tyre ball racket guitar violin drum "
    "book magazine map poster puzzle kite candle basket tile brick plank croissant pretzel sandwich "
    "pizza pie tart waffle pancake sausage steak burger salad soup stew peach grape cherry melon "
    "mango coconut walnut almond leek radish turnip pumpkin cucumber pepper beer whisky cider "
    "lemonade trousers jumper cardigan pullover raincoat apron sandal slipper trainer bracelet "
    "earring brooch pendant purse handbag briefcase trunk crate barrel bin bucket hose rake spade "
    "shovel wheelbarrow mower axe chisel file pliers spanner torch lantern radio television fridge "
    "freezer oven microwave kettle blender mixer dishwasher heater fan carpet mattress bed cot "
    "cupboard wardrobe drawer bench armchair bookcase cushion duvet sheet napkin tray jug teapot "
    "saucer ladle sieve whisk grater tin jar can carton parcel packet tube sack bundle roll ribbon "
    "thread needle button zip canvas easel paintbrush crayon pencil-case globe atlas dictionary "
    "novel diary calendar ticket voucher coupon leaflet brochure letter postcard photo painting "
    "sculpture statue vase clarinet trumpet flute cello piano accordion microphone amplifier "
    "record boat canoe kayak raft sail anchor car van truck lorry bus motorbike motorcycle scooter "
    "moped tractor trailer caravan skateboard sledge ski surfboard paddle oar net hook rod saddle "
    "bridle leash collar cage kennel aquarium seedling bulb rose tulip daisy fern cactus shrub hedge "
    "fence gate pump pipe tap sink bathtub shower toilet radiator boiler gutter chimney roof-tile "
    "beam girder cable switch socket plug fuse sensor motor engine gearbox brake tyre wheel pedal "
    "chain spring lever valve filter bearing bracket hinge lock key padlock doorbell router modem "
    "server drone tripod lens telescope microscope thermometer scale compass whistle medal trophy "
    "badge flag banner balloon lollipop chocolate biscuit doughnut scone cupcake"
).split()
MASS_ITEMS = (
    "flour sugar salt rice butter milk cheese honey coffee tea pepper oil vinegar yoghurt bread "
    "pasta cream garlic basil thyme oregano ginger cinnamon cocoa yeast chicken beef fish spinach "
    "corn beans lentils"
).split()
ADJECTIVES = (
    "small large red blue green white black yellow wooden plastic steel leather cotton vintage "
    "new used cheap heavy light round square folding electric silver golden grey wireless spare "
    "striped soft"
).split()
MODIFIERS = (
    "oak pine brass copper silk woollen denim linen marble clay rubber bamboo second-hand hand-made "
    "home-made antique modern ancient broken rusty dented cracked faded polished painted carved "
    "embroidered padded quilted pocket garden kitchen office travel winter summer school wedding "
    "birthday reading walking running mountain racing fishing baby toy children's men's ladies' "
    "double single left right spare extra tall short long wide narrow thin thick flat deep tiny huge "
    "big little strong weak sharp blunt warm cold hot fresh dried frozen smoked roasted grilled "
    "vegetarian sweet sour bitter spicy dark bright pale blank lined torn clean dirty wet dry noisy "
    "quiet fast slow digital solar battery-powered wind-up portable cordless Swiss French Japanese "
    "Persian Turkish Irish beautiful ugly rare fine plain good decent favourite old-fashioned"
).split()
JOBS = (
    "teacher nurse engineer baker plumber lawyer designer accountant driver pilot carpenter "
    "chemist editor farmer gardener librarian mechanic musician painter photographer physicist "
    "programmer surgeon tailor translator waiter architect analyst electrician journalist manager "
    "clerk cashier dentist technician welder researcher consultant"
).split()
SKILLS = (
    "Python Java SQL Excel German French Spanish Mandarin welding cooking driving painting typing accounting "
    "negotiation carpentry statistics bookkeeping juggling first-aid sewing editing chess Rust Go Kotlin"
).split()
HOBBIES = (
    "hiking chess painting swimming cycling reading gardening cooking climbing sailing knitting "
    "running fishing photography singing dancing skiing surfing pottery yoga birdwatching origami "
    "archery rowing baking"
).split()
ANIMALS = "dog cat rabbit parrot hamster horse goat pony turtle ferret canary goldfish puppy kitten".split()
STREETS = "Street Road Avenue Lane Square Way Drive Court Hill Place".split()
COMPANY_ENDS = (
    "Ltd Inc Labs Foods Bakery Motors Systems Group Partners Books Tools Textiles Hotels Media".split()
)
TITLES = ("Mr.", "Mrs.", "Ms.", "Dr.", "Mr", "Ms", "Professor", "Miss")
NICKNAMES = (
    "Granny", "Grandpa", "Uncle", "Aunt", "Auntie", "Cousin", "old", "little", "young", "Captain", "Father",
    "Sister", "Coach", "Chef", "Judge", "poor", "my friend", "Nurse", "Inspector", "Sir", "Madam", "big",
)  # fmt: skip
CONTAINERS = (
    "cup glass bottle pair loaf slice bag box sack bunch jar piece packet bar tin roll sheet bowl pot"
).split()
FILLERS = (
    "quickly later kindly often gladly again today really rather simply also soon finally roughly "
    "mostly still apparently usually merely together quietly officially early briefly thing "
    "person place matter people work time day way part case week month group team office market "
    "plan report record note file story letter meeting project made gave took found kept went "
    "came left held saw told asked needed wanted moved stood ran turned looked called brought "
    "showed used passed started ended opened closed marked listed noted added dropped reached "
    "covered signed nice good old young long short early late full empty open quiet busy clear "
    "plain great local public common"
).split()
COMMON = (
    "about above across after against almost along already although always among another any "
    "anyone anything around ask asks back because become before behind believe below between big "
    "both break bring build building business but buy by call care carry cause certain chance "
    "change charge check choose claim clear come contact contain continue control cost could "
    "cover create cut dark day deal decide deep deliver demand depart describe detail did "
    "different difficult dinner direct discuss do does done door down draw drive drop during each "
    "earn easy eat either else end enjoy enough enter even evening ever every everyone everything "
    "exact example expect explain fact fall family far fast feel few fill find first fit follow "
    "food foot force form forward friend front full further gather general get give glad go goes "
    "gone grow guess half hand happen hard head hear heard heavy help her here herself high him "
    "himself his hold home hope hour house how however idea if important increase inform inside "
    "instead into issue join just keep kind know large last lead leave less let life lift light "
    "likely line list listen little live load local look lose lot low main major make man many "
    "matter may maybe me mean meet member mention might mind minute miss moment money more "
    "morning most mother much must my near nearly need news next night no none nothing notice now "
    "number offer once one only open or other our out outside over owner part party pass past pay "
    "people perhaps phone pick piece place play please point possible prefer prepare pretty price "
    "probably problem produce promise provide public pull put question quite raise rate rather "
    "reach read ready real reason receive recent recently record reduce remain remember remove "
    "repair replace reply report request rest result return right rise road room round rule run "
    "safe said same sat say scheduled second see seem sell send sent serve set several shall "
    "share she should sign since sit size sleep small so some someone something sometimes son "
    "soon sorry sort sound speak special spend spoke stand start state stay step stop store story "
    "street strong such suggest sure take talk teach tell ten test than their them themselves "
    "then there these they thing think third those though thought through throughout time today "
    "together told tomorrow tonight too top total toward town trade train travel treat tree trip "
    "true try turn two under understand until up upon us usual value very visit wait walk wall "
    "wants war warm was watch water way we wear week weekend well were what when where whether "
    "which while who whole whose why wide wife will wind window wish woman wonder word world "
    "worry would write wrong year yesterday yet you young your accepted account added agreed "
    "amount announced appeared applied appointment approved arranged arrival article available "
    "average award balance birthday boarded bonus borrowed bottle branch brought budget carried "
    "celebrated chose clerk collected comes completed confirmed cooked couple currently customer "
    "daily damaged daughter dealer declined delivered delivery departed deposit discount dollar "
    "donated drove earned email employed evening exactly exchange expensive father fee figures "
    "filed finished fixed flew fresh gave got grew guests handed happy headed hired hosted "
    "husband include including inspected interview joined kept lasted later launched leaves left "
    "lives located lost lovely managed market married met monthly moved named neighbour newly "
    "ordered owes owned package paid parents parked passed performed picked planned planted "
    "played posted priced printed purchased ran ranked rated reached receipt reported requested "
    "reserved returned roughly sales saved seats served settled shipped shop signed sister sold "
    "spent stands started stayed stock stocked stored submitted supplied taught ticket tickets "
    "took traveled turned unit units upgraded used usually vendor visited voted waiting wanted "
    "warehouse weighed weighs won wore worked works worth wrote yearly"
).split()
MONTHS = ("January February March April May June July August September October November December").split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()

_STARTS = (
    "b br c ch cl d dr f fl g gr h j k kl kr l m n p pl pr qu r s sch sh sk sl sp st t th tr v w x y z zh"
).split()
_VOWELS = "a e i o u a e i o u ai au ea ee ei ia ie io oa oo ou ua ue y".split()
_ENDS = ["", "", "", *"b ck d f g k l ll m n nd ng nk nt p r rd rn rt s sh ss st t th v x z".split()]
_ACCENTED = {
    "a": "áàâäãåă", "e": "éèêëęě", "i": "íìîï", "o": "óòôöõøő", "u": "úùûüůű", "c": "çćč", "n": "ñńň",
    "l": "łľ", "s": "śšş", "z": "źżž", "y": "ýÿ",
}  # fmt: skip
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def held_out(word: str) -> bool:
    """Tell whether a made-up word is kept from training: one in ten is, by its checksum."""
    return zlib.crc32(word.lower().encode()) % 10 == 0


def spelled(number: int) -> str:
    """Return a number from 0 to 999 in words."""
    if number < 20:
        return ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return TENS[tens] + (f"-{ONES[ones]}" if ones else "")
    hundreds, rest = divmod(number, 100)
    return f"{ONES[hundreds]} hundred" + (f" and {spelled(rest)}" if rest else "")


_KEPT = frozenset(
    "a an the in at on for from to of by with without and or is was are were be been has have had "
    "not no never it its he she they who which that until till since named called years year old "
    "aged each per".split()
)
"""Words that noise leaves as they are: what others mean hangs on them."""


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
                chance.choice(_STARTS) + chance.choice(_VOWELS) + chance.choice(_ENDS)
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
            word = word.replace(plain, self.chance.choice(_ACCENTED[plain]))
        if self.chance.random() < 0.04:
            return self.chance.choice((word, word.upper(), f"{word}{self.chance.randint(1, 99)}"))
        return word.capitalize()

    def first_name(self) -> str:
        """Return a given name."""
        return self.proper(FIRST_NAMES)

    def full_name(self) -> str:
        """Return a given name and a family name, now and then with an initial, a hyphen or a particle."""
        chance = self.chance
        first, last, draw = self.first_name(), self.proper(LAST_NAMES), chance.random()
        if draw < 0.06:
            return f"{first} {chance.choice('ABCDEFGHJKLMNPRSTW')}. {last}"
        if draw < 0.12:
            return f"{first} {last}-{self.proper(LAST_NAMES)}"
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
            return f"{start} {self.proper(CITIES)}"
        if self.chance.random() < 0.03 and not self.unseen:
            return self.chance.choice(TWO_WORD_CITIES)
        return self.proper(CITIES)

    def company(self) -> str:
        """Return the name of a firm."""
        chance, draw = self.chance, self.chance.random()
        if draw < 0.25:
            return self.proper(LAST_NAMES)
        if draw < 0.4:
            return f"{self.proper(LAST_NAMES)} & {chance.choice((self.proper(LAST_NAMES), 'Sons', 'Co'))}"
        return f"{self.proper(LAST_NAMES)} {chance.choice(COMPANY_ENDS)}"

    def title(self) -> str:
        """Return the title of a book, a course or an event: one to four capitalised words."""
        chance = self.chance
        count = chance.choices((1, 2, 3, 4), (2, 4, 3, 1))[0]
        pool = [chance.choice(ADJECTIVES + ITEMS + HOBBIES + FILLERS) for _ in range(count)]
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
            return f"{chance.choice(CONTAINERS)} of {chance.choice(MASS_ITEMS)}"
        noun = chance.choice(ITEMS) if chance.random() < 0.65 else self.made_up()
        if plural:
            noun = plural_of(noun)
        if chance.random() < 0.1:
            noun = f"{chance.choice(ITEMS + MASS_ITEMS)} {noun}"
        draw = chance.random()
        if draw < 0.18:
            noun = f"{chance.choice(ADJECTIVES)} {noun}"
        elif draw < 0.32:
            noun = f"{chance.choice(MODIFIERS)} {noun}"
        elif draw < 0.36:
            noun = f"{chance.choice(ADJECTIVES)} {chance.choice(MODIFIERS)} {noun}"
        return noun

    def filler(self) -> str:
        """Return a word that says nothing of a field."""
        return self.made_up() if self.chance.random() < 0.3 else self.chance.choice(FILLERS + COMMON)

    def noisy(self, text: str, share: float) -> str:
        """Replace some plain words by others, so that no single word carries the meaning."""

        def changed(match: re.Match[str]) -> str:
            word = match[0]
            if word in _KEPT or self.chance.random() > share:
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

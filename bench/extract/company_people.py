"""The history of a company: who took over which office, and in which year."""

from __future__ import annotations

from pydantic import BaseModel

from .writing import ExtractDocument, Writer, dealt, spread


class Appointment(BaseModel):
    """A person who took over an office of the company."""

    person: str
    role: str
    year: int


PROMPT = (
    "List every person who took over an office of the company: the full name, the role, and the year in "
    "which it began."
)
EXAMPLES = (
    (
        "In 1911 Leopold Arnim became head brewer. The new cellar of 1913 was opened by Countess Ada Thun, a "
        "neighbour. When the war was over, in 1919, Berta Kolb was made cashier.",
        (
            {"person": "Leopold Arnim", "role": "head brewer", "year": 1911},
            {"person": "Berta Kolb", "role": "cashier", "year": 1919},
        ),
    ),
    (
        "Sales fell by 7 per cent in 1926. The painter Otto Seeger drew the label. As agent in Riga the "
        "firm took on "
        "Matteo Conti, from 1927.",
        ({"person": "Matteo Conti", "role": "agent in Riga", "year": 1927},),
    ),
)
WORDS = {
    "given": (
        "Adalbert Benedikta Cornelius Dorothea Emmerich Friederike Gottfried Hedwig Isidor Josefa "
        "Konstantin Ludmila "
        "Maximilian Natalie Oswald Paulina Reinhold Sidonie Theodor Ursula Valentin Wilhelmina"
    ).split(),
    "family": (
        "Achleitner Brenninger Czerny Dallmann Egger Fuchsberg Gallenstein Hirschauer Imhof Jellinek "
        "Klostermann "
        "Lanzinger Mosbacher Nestler Oberhuber Plattner Rautenberg Salzer Traunfels Urbanek Vogelsang "
        "Wiesinger"
    ).split(),
    "someone": ["{given} {family}", "{given} von {family}", "{given} {family}", "{given} {family}"],
    "role": [
        "managing director",
        "chief engineer",
        "head of the dye works",
        "works doctor",
        "head of accounts",
        "foreman of the spinning mill",
        "chair of the board",
        "agent in Lisbon",
        "agent in Odessa",
        "chief chemist",
        "head of the pattern room",
        "night manager",
        "head of exports",
        "company lawyer",
        "school teacher of the works",
        "keeper of the archive",
        "head of the power station",
        "chief designer",
        "head of the sales office in Vienna",
        "master dyer",
        "supervisor of the canteen",
        "head of the fire brigade",
    ],
    "year": lambda writer: str(writer.between(1862, 1994)),
    "count": lambda writer: str(writer.between(12, 2400)),
    "crowns": lambda writer: f"{writer.between(3, 900) * 1000:,} crowns",
    "trade": [
        "a travelling photographer",
        "a banker from Trieste",
        "the mayor",
        "a poet of some fame",
        "a rival from the valley",
        "a bishop",
        "an inspector of the ministry",
        "a botanist",
        "an English weaver",
        "a dealer in wool",
        "a piano teacher",
    ],
    "object": [
        "the old mill",
        "the boiler house",
        "the iron bridge",
        "the workers' houses",
        "the warehouse on the quay",
        "the water tower",
        "the dining hall",
        "the second chimney",
        "the bleaching ground",
        "the branch line",
        "the weir",
        "the clock tower",
        "the library for apprentices",
        "the telephone exchange",
    ],
    "cloth": [
        "loden",
        "damask",
        "printed calico",
        "blankets for the army",
        "sailcloth",
        "velvet ribbon",
        "ticking",
        "upholstery plush",
        "fine batiste",
        "waxed cloth",
        "theatre curtains",
    ],
    "filler": [
        "In {year} {object} burnt down to its foundations and was built again within eleven months.",
        "The order books show {count} bales of {cloth} for {year}, more than ever before.",
        "{someone}, {trade}, stayed for a week in {year} and left a long description of {object}.",
        "A loan of {crowns} had to be paid back by {year}, which left little for new machines.",
        "Nobody now remembers why {object} was painted green.",
        "The strike of {year} lasted nineteen days and ended with half a crown more a week.",
        "Among those who bought {cloth} in these years was {someone}, {trade}.",
        "The flood of {year} carried away {object} and drowned forty sheep.",
        "{cloth} went out of fashion, and {count} pieces were sold at a loss.",
        "A letter of {year} from {someone} complains that {cloth} had shrunk at the first washing.",
        "{someone} was offered a place on the board in {year} and declined it politely.",
        "At the exhibition of {year} the firm showed {cloth} and won a bronze medal.",
        "The wages of {count} people depended on {cloth}, and everybody knew it.",
        "{object} appears on the letterhead from {year} on, larger than it was.",
        "For a time {someone}, {trade}, lived in the rooms above {object}.",
        "The railway reached the valley in {year}, and with it came coal at half the price.",
        "Shares that had cost {crowns} in {year} were worth a third of it two years later.",
        "Old photographs show {object} with a flag, and a dog that moved.",
        "The daughter of the founder married {someone}, {trade}, in {year} and went to live abroad.",
        "A fire insurance policy of {year} lists {object} at {crowns}.",
        "In the winter of {year} the river froze and the looms stood still for five weeks.",
        "The recipe for the blue of the {cloth} was kept in a safe, and the safe in {object}.",
        "{someone} wrote a novel about the valley in which {object} is haunted.",
        "When {object} was pulled down in {year}, a bottle with coins was found under the threshold.",
        "The contract over {cloth} that {someone} had promised was never signed.",
        "An apprentice earned less than a cook, and the cook ate better.",
        "Of the {count} looms of {year} two are left, one of them in a museum.",
        "The minutes for {year} are lost; mice are suspected.",
        "{object} was lit by electricity in {year}, a year before the town hall.",
        "It was {someone}, {trade}, who called {object} the cathedral of {cloth}.",
        "In {year} the firm bought the patent of {someone} for {crowns} and never used it.",
        "The works band played at the opening of {object} and again at its closing.",
    ],
}
TOOK_OVER = [
    "In {year} {person} became {role}.",
    "{person} was made {role} in {year}, against the advice of the family.",
    "From {year} on {person} served as {role}, and did so for a long time.",
    "The new {role} was {person}, who began in {year}.",
    "As {role} the board chose {person} in {year}.",
    "The post of {role} went to {person} in {year}.",
    "{person} came from a mill in Moravia. The family liked the plain manner of this visitor. In {year} it "
    "made the newcomer "
    "{role}.",
    "When the office of {role} fell vacant, {person} took it over in {year}.",
    "The year {year} brought {person} as {role}, whose portrait hangs in the hall.",
    "{year} saw the appointment of {person} as {role}.",
    "{person} entered the firm as a clerk and rose quickly; the appointment as {role} followed in {year}.",
    "It took three votes before {person} could begin as {role} in {year}.",
]
AGAIN = [
    "All this was the work of {person}, {role} since {year}.",
    "The reader will remember {person}, who had become {role} in {year}.",
]
CHAPTERS = [
    "The mill on the river",
    "Coal and colour",
    "Years of plenty",
    "The great strike",
    "Between the wars",
    "Cloth for soldiers",
    "The new machines",
    "Abroad",
    "The quiet decades",
    "Loss and repair",
    "The last looms",
    "What remains",
    "The family",
]


def document() -> ExtractDocument:
    """Return the document."""
    writer = Writer(9404, WORDS)
    writer.add("A hundred and thirty years of the Traunegg mills")
    chapters, told = 13, []
    for chapter, count in enumerate(dealt(writer, 58, chapters)):
        writer.add(f"{chapter + 1}  {CHAPTERS[chapter]}")
        tellings = []
        for _ in range(count if chapter not in (3, 9) else 0):
            year = 1864 + chapter * 9 + writer.below(10)
            number = writer.new(person=writer.unique("someone"), role=writer.word("role"), year=year)
            tellings.append(_told(writer, number, TOOK_OVER))
            told.append(number)
        if chapter % 3 == 2:
            tellings.append(_told(writer, told[-1 - writer.below(5)], AGAIN))
        for index in range(9):
            writer.add(spread(writer, writer.prose("filler", 3, 5), tellings[index::9]))
    text, items = writer.finish()
    return ExtractDocument(
        "history", "history of a company", "sealed", text, Appointment, "person", PROMPT, EXAMPLES, items
    )


def _told(writer: Writer, number: int, templates: list[str]) -> str:
    written = {name: str(one) for name, one in writer.value(number).items()}
    return writer.told(number, writer.deal(templates), **written)

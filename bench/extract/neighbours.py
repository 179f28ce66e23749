"""Who lives in a street: name, age and city, in the sentences that structgen/extract was trained for."""

from __future__ import annotations

from pydantic import BaseModel

from .writing import ExtractDocument, Writer, dealt, spread


class Person(BaseModel):
    """A person of whom the document tells age and city."""

    name: str
    age: int
    city: str


PROMPT = "List every person whose age is told: the name, the age, and the city."
EXAMPLES = (
    (
        "Gideon Falk is 47 and lives in Norwich. The bakery opened in 1988. Petra Lunt, aged 29, comes "
        "from Derby.",
        (
            {"name": "Gideon Falk", "age": 47, "city": "Norwich"},
            {"name": "Petra Lunt", "age": 29, "city": "Derby"},
        ),
    ),
    (
        "Mrs Oates waters the plants. In Carlisle lives Arthur Penn, who is 71 years old.",
        ({"name": "Arthur Penn", "age": 71, "city": "Carlisle"},),
    ),
)
WORDS = {
    "given": (
        "Alma Boris Celia Denis Esther Felix Greta Hugo Irma Jonas Karin Leo Mona Nils Olga Philip Rosa Simon"
    ).split(),
    "family": (
        "Adler Bishop Croft Dale Evans Foster Grant Hayes Irwin Jarvis Knight Lowe Mercer Nash Owen Parker"
    ).split(),
    "name": ["{given} {family}"],
    "city": (
        "London Leeds Bristol Glasgow York Oxford Cardiff Dublin Exeter Lincoln Durham Bath Chester Dundee"
    ).split(),
    "filler": [
        "The street was laid out in 1904 and is 380 metres long.",
        "Number 12 has stood empty since the spring.",
        "Mrs {family} keeps bees on the roof and sells the honey in 30 jars a year.",
        "The bus to {city} leaves every 20 minutes.",
        "A plane tree was planted for the jubilee and is now taller than the houses.",
        "The baker sold 600 rolls on the day of the parade.",
        "Mr {family} would not tell us anything about himself.",
        "A cat of uncertain ownership sleeps on the wall of number 7.",
        "There was a flood in 1953, and a mark on the pub shows how high it came.",
        "Most houses have 4 rooms and a yard.",
        "The chapel was sold to a dentist from {city}.",
        "Rents went up by 5 per cent in the last year.",
    ],
}
TOLD = [
    "{name} is {age} and lives in {city}.",
    "{name}, aged {age}, comes from {city}.",
    "In {city} lives {name}, who is {age} years old.",
    "{name} is {age} years old and moved to {city}.",
    "{name} ({age}) works in {city}.",
    "Born in {city}, {name} is {age} now.",
]


def document() -> ExtractDocument:
    """Return the document."""
    writer = Writer(9407, WORDS)
    writer.add("The people of Tanner Street")
    for count in dealt(writer, 40, 36):
        tellings = []
        for _ in range(count):
            age = writer.between(18, 94)
            number = writer.new(name=writer.unique("name"), age=age, city=writer.word("city"))
            written = {name: str(one) for name, one in writer.value(number).items()}
            tellings.append(writer.told(number, writer.deal(TOLD), **written))
        writer.add(spread(writer, writer.prose("filler", 1, 2), tellings))
    for _ in range(9):
        writer.add(" ".join(writer.prose("filler", 3, 4)))
    text, items = writer.finish()
    return ExtractDocument(
        "persons", "list of persons", "open", text, Person, "name", PROMPT, EXAMPLES, items
    )

"""The catalogue of an auction: which picture is sold, by whom it is, of which year, and its estimate."""

from __future__ import annotations

from pydantic import BaseModel

from .writing import ExtractDocument, Writer, dealt


class Lot(BaseModel):
    """A picture that is sold in this auction."""

    title: str
    artist: str
    year: int
    estimate: int


PROMPT = (
    "List every lot of this auction: the title of the picture, the artist, the year in which it was "
    "painted, and the "
    "estimate in pounds."
)
EXAMPLES = (
    (
        "Lot 501\nAino Salmela (1880-1944)\nBoats near Kotka\nOil on board, 1909. 30 by 41 cm.\n\nIt hung "
        "in Turku "
        "in 1911 beside The Red Oar. The frame is new.\n\nEstimate £1,200",
        ({"title": "Boats near Kotka", "artist": "Aino Salmela", "year": 1909, "estimate": 1200},),
    ),
    (
        "As lot 502 we offer The Broken Swing by Jorge Pinto, painted in 1931 and estimated at £850. A "
        "fair by "
        "the same hand made £4,000 in Porto in 1988. Buyers pay a premium of 25 per cent.",
        ({"title": "The Broken Swing", "artist": "Jorge Pinto", "year": 1931, "estimate": 850},),
    ),
)
WORDS = {
    "given": (
        "Aurelio Birgitta Casimir Delphine Eero Fabrizio Gudrun Hannes Iolanda Jurgen Klementina Leontine "
        "Mirko Nerea "
        "Orsolya Pelle Quirin Rosalba Sixten Teodora Umberto Valerija Wenzel Xaver Ylva Zdenek Amparo "
        "Bohumil Carlota "
        "Desiderio Elsbeth Ferran Grazia Hjalmar"
    ).split(),
    "family": (
        "Arcuri Belmonte Castagna Dvorak Engstrom Falkenrath Gyllen Hollar Isaksen Jablonski Kerekes "
        "Lombard Maspero "
        "Nystrom Orlandi Pacholski Quadri Rosenqvist Szabo Tavares Uccelli Vestergaard Winkelmann Ybarra "
        "Zelenka "
        "Aldrovandi Brisighella Carvalho Dietz Estrella Fontanes Guzman Heyerdahl"
    ).split(),
    "artist": ["{given} {family}"],
    "motif": (
        "Bridge Orchard Harbour Meadow Mill Quarry Staircase Terrace Garden Ferry Chapel Market Courtyard "
        "Kitchen Well "
        "Lighthouse Vineyard Threshold Barn Cloister Brickyard Regatta Tollhouse Wardrobe"
    ).split(),
    "mood": (
        "Empty Flooded Yellow Silent Burning Distant Frozen Crooked White Sleeping Green Narrow Sunlit "
        "Forgotten Painted "
        "Windy Black Borrowed Unfinished Late"
    ).split(),
    "hour": [
        "Evening",
        "Morning",
        "Noon",
        "Thaw",
        "First Snow",
        "Rain",
        "Dusk",
        "Harvest",
        "Low Tide",
        "Midsummer",
    ],
    "spot": [
        "over Arles",
        "at Sorrento",
        "near Visby",
        "in the Tatra",
        "by the Guadiana",
        "behind the Arsenal",
        "at Ragusa",
        "on the Skeldergate",
        "above Bolzano",
        "off Heligoland",
        "outside Poznan",
        "along the Loire",
        "at Cadaques",
        "in Lower Saxony",
        "under Etna",
        "near Tallinn",
    ],
    "sitter": [
        "Woman",
        "Boy",
        "Girl",
        "Old Man",
        "Nun",
        "Sailor",
        "Student",
        "Cook",
        "Widow",
        "Notary",
        "Soldier",
        "Pilgrim",
    ],
    "holding": [
        "with a Lute",
        "with Lemons",
        "reading",
        "in Grey",
        "at a Window",
        "with a Parrot",
        "asleep",
        "and Dog",
        "in a Straw Hat",
        "counting Coins",
        "with a Letter",
        "peeling Apples",
        "by Candlelight",
        "before a Mirror",
    ],
    "title": [
        "The {mood} {motif}",
        "{hour} {spot}",
        "{sitter} {holding}",
        "{motif} {spot}",
        "The {mood} {motif}",
    ],
    "technique": [
        "Oil on canvas",
        "Oil on panel",
        "Tempera on board",
        "Watercolour on paper",
        "Gouache on card",
        "Oil on copper",
        "Pastel on brown paper",
        "Oil and gold leaf on panel",
        "Ink and wash",
        "Egg tempera on gesso",
    ],
    "past": lambda writer: str(writer.between(1870, 1965)),
    "lately": lambda writer: str(writer.between(1966, 2021)),
    "paid": lambda writer: f"£{writer.between(3, 900) * 50:,}",
    "fee": lambda writer: f"£{writer.between(20, 90)}",
    "size": lambda writer: f"{writer.between(12, 140)} by {writer.between(12, 160)} cm",
    "town": (
        "Antwerp Basel Cremona Danzig Elche Ferrara Gothenburg Haarlem Innsbruck Jena Krakow Lucca Mantua "
        "Nantes Oviedo "
        "Perugia Quedlinburg Rouen Siena Turin Uppsala Verona Wismar York Zagreb"
    ).split(),
    "owner": [
        "a physician in {town}",
        "the heirs of {given} {family}",
        "a convent near {town}",
        "the museum of {town}",
        "a shipping line",
        "a collector in {town}",
        "the estate of a judge",
        "a savings bank",
        "an actress",
        "the dealer {given} {family}",
        "a school in {town}",
        "a family who had it from the painter",
    ],
    "critic": [
        "{given} {family}",
        "a critic of the day",
        "the painter's brother",
        "a visitor from {town}",
        "{given} {family}",
    ],
    "detail": [
        "the thin blue of the sky",
        "a dog in the lower left corner",
        "the barely drawn hands",
        "the crack in the jug",
        "a figure that was painted out",
        "the reflection in the water",
        "the folded cloth",
        "a row of poplars",
        "the light from the side",
        "the signature scratched into wet paint",
        "a kite above the roofs",
        "the red of the sash",
        "an open drawer",
        "the shadow of somebody who is not in the picture",
        "the tiled floor",
    ],
    "flaw": [
        "a short tear at the upper edge",
        "slight rubbing along the frame",
        "old worm holes in the stretcher",
        "a yellowed varnish",
        "three small losses near the signature",
        "a stain on the back",
        "a relined canvas",
        "faint craquelure in the darks",
        "a repaired corner",
        "traces of damp",
        "a warped panel",
    ],
    "manner": [
        "with a knife",
        "in one sitting",
        "from memory",
        "after a photograph",
        "over an older picture",
        "in the open air",
        "with very little paint",
        "for a wager",
        "as a gift",
        "during a long illness",
        "in a rented room",
    ],
    "note": [
        "It was painted {manner}, if we may believe {critic}.",
        "The eye goes first to {detail}, and only then to the rest.",
        "It belonged to {owner} until {lately}, and then to {owner}.",
        "A smaller version, {title}, was sold in {town} in {lately} for {paid}.",
        "The condition is good for its age, with {flaw} and {flaw}.",
        "It was shown in {town} in {past} and again in {town} in {lately}.",
        "{critic} praised {detail} and forgave {detail}.",
        "On the back is a label of {owner} with the number 4 in pencil.",
        "The catalogue of {lately} calls it a study for {title}, which seems unlikely to us.",
        "There is {flaw}, which can be seen under a raking light.",
        "{owner} lent it to the exhibition of {past}, where it was hung too high.",
        "Compare {title} in the museum of {town}, which has the same {size}.",
        "The frame was made in {town} about {past} and has been gilded again.",
        "A letter of {past} to {critic} speaks of {detail} with some pride.",
        "It came into the collection by exchange for {title} and {paid} in cash.",
        "We thank {given} {family}, who has seen the picture and confirms who painted it.",
        "X-rays show {detail} in another place.",
        "For many years it was thought to be by a pupil, because of {detail}.",
        "The pigments were tested in {town} in {lately}, and are what one would expect.",
        "At its last sale, in {lately}, it made {paid} against a guess of {paid}.",
        "{owner} kept it in a corridor, which explains {flaw}.",
        "A print after it was published in {town} in {past}.",
        "The subject is taken from a ballad that {critic} had sent from {town}.",
        "It has not been seen in public since {past}.",
        "Of the group to which it belongs, {title} and {title} are lost.",
        "The canvas was cut down on the left before {past}, so that {detail} now touches the edge.",
        "{critic} called it a bad picture with a good sky; posterity disagrees about the sky.",
        "It is sold with its papers, among them a bill of {past} for {paid}.",
        "{detail} returns in nearly everything from these years.",
        "An old copy with {flaw} is in {town}.",
    ],
    "essay": [
        "{given} {family} was born in {town} and never left it for longer than a summer.",
        "In {past} the academy of {town} opened its classes to women, and the effect was seen within five "
        "years.",
        "Critics have made much of {detail}, but painters have always known about it.",
        "The market for such pictures was made in {town} by {given} {family}, a dealer with patience.",
        "A fire in {past} destroyed the studio and, with it, {title} and most of the drawings.",
        "What we call a school was in truth four friends who shared a stove in {town}.",
        "Prices rose until {lately}, when a large canvas brought {paid} in {town}, and then stood still.",
        "The diary of {critic} for {past} is full of weather and has one sentence about art.",
        "They painted {manner}, they quarrelled, and they sent each other fruit.",
        "One has to imagine {town} in {past}: two newspapers, one tram, and no frame-maker.",
        "{owner} bought forty pictures in a single afternoon of {past} and looked at none of them again.",
        "It is hard to say when {given} {family} first saw {title}, but after it everything is different.",
        "The exhibition of {past} in {town} had sold eleven catalogues by the evening of the first day.",
        "The colour merchants of {town} kept accounts, and from these we know how much white was bought.",
        "Nobody signed before {past}, which gives work to people like us.",
        "There was a fashion for {detail}, and like all fashions it ended at once.",
        "{critic} believed that a picture should be finished {manner}, and burnt those that were not.",
        "After the war the names were forgotten; {owner} used two of the panels as shelves.",
        "The museum of {town} owns {title}, bought for {paid} in {lately} after a public appeal.",
        "Travel was slow, and {town} was as far from {town} as it had been for the monks.",
        "To this day the house in {town} has a north window of unusual size.",
        "A forger was at work in {town} from {past} on, and was better at {detail} than his models.",
        "The catalogue of the works that {given} {family} began in {lately} has reached the letter M.",
        "We do not know what {critic} thought of the picture that hung above the piano for thirty years.",
        "Most of the letters were sold in {town} in {lately}, in lots of fifty, for {paid}.",
        "It would be wrong to see in {detail} more than a habit of the hand.",
        "The summer of {past} was so wet that three painters from {town} took up still life.",
        "In the inventory of {past}, {title} is valued less than the easel.",
        "{given} {family} gave lessons to pay the rent, and learned more than the pupils.",
        "A tax on canvas, raised in {past}, explains the many small formats of the time.",
        "When {owner} died, the pictures were divided by drawing numbered corks.",
        "Not one of them painted the sea after {past}, though all of them lived beside it.",
    ],
    "terms": [
        "Bids are made in pounds, and the auctioneer may refuse any bid without giving a reason.",
        "A premium of 25 per cent is added to the hammer price up to {paid}, and 20 per cent above it.",
        "Lots that are paid for can be collected from the day after the sale, between nine and four.",
        "All pictures are sold as seen, with all faults, and descriptions are opinions.",
        "Whoever bids by telephone should register two days before, since lines are few.",
        "Storage after three weeks costs {fee} a month for each crate.",
        "A licence is needed for the export of pictures that are older than fifty years.",
        "Estimates do not include the premium or any tax.",
        "The house may withdraw a lot at any time before the hammer falls.",
        "Disputes are settled by the courts of the city in which the sale is held.",
    ],
}
SECTIONS = [
    "The hill painters",
    "Pictures of the north coast",
    "Rooms and windows",
    "Portraits without names",
    "The lake colony",
    "Snow",
    "Travellers to the south",
    "Small formats",
    "The friends of the stove",
    "Rivers",
    "Kitchens and tables",
    "Gardens",
    "Works from three estates",
    "The late years",
]
RUNNING = [
    "Lot {number} is {title} by {artist}, painted in {year}, which we estimate at {estimate}.",
    "{artist} finished {title} in {year}; it is lot {number}, with an estimate of {estimate}.",
    "As lot {number} we sell {title}, a work of {year} by {artist}. {note} The estimate is {estimate}.",
    "With lot {number} comes {artist}, whose {title} of {year} is estimated at {estimate}.",
    "For lot {number}, {title}, we expect {estimate}. {artist} painted it in {year}.",
]
OVERVIEW = [
    "The section closes with a reminder of its best lot, {title} by {artist}, of {year}, at {estimate}.",
    "Nobody should miss {title}, which {artist} painted in {year} and for which we ask {estimate}.",
]


def document() -> ExtractDocument:
    """Return the document."""
    writer = Writer(9406, WORDS)
    writer.add(
        "PICTURES OF THE LONG CENTURY", "Catalogue of the sale of three hundred works", "Terms of the sale"
    )
    for _ in range(3):
        writer.add(" ".join(writer.prose("terms", 3, 4)))
    number = 0
    for section, count in enumerate(dealt(writer, 300, len(SECTIONS))):
        writer.add(f"{section + 1}. {SECTIONS[section]}")
        for _ in range(writer.between(11, 16)):
            writer.add(" ".join(writer.prose("essay", 4, 7)))
        told = []
        for _ in range(count):
            number += 1
            told.append(_noted(writer))
            (_in_a_line, _in_a_block, _in_a_block, _in_another_block)[(section + number // 40) % 4](
                writer, told[-1], number
            )
        if section % 2:
            again = told[writer.below(len(told))]
            writer.add(writer.told(again, writer.deal(OVERVIEW), **_written(writer, again)))
    writer.add("How to reach us", " ".join(writer.prose("terms", 4, 5)))
    text, items = writer.finish()
    return ExtractDocument(
        "catalogue", "catalogue of an auction", "sealed", text, Lot, "title", PROMPT, EXAMPLES, items
    )


def _noted(writer: Writer) -> int:
    year, estimate = writer.between(1872, 1964), writer.between(4, 900) * 50
    return writer.new(
        title=writer.unique("title"), artist=writer.word("artist"), year=year, estimate=estimate
    )


def _written(writer: Writer, item: int) -> dict[str, str]:
    value = writer.value(item)
    pounds = value["estimate"]
    estimate = f"£{pounds:,}" if writer.below(3) else f"{pounds:,} pounds"
    return {**{name: str(one) for name, one in value.items()}, "estimate": estimate}


def _in_a_block(writer: Writer, item: int, number: int) -> None:
    """Put a lot under a heading, its notes between heading and estimate."""
    head = f"Lot {number}\n{{artist}}\n{{title}}\n{{technique}}, {{year}}. {{size}}."
    parts = head + "\n\n" + " ".join(["{note}"] * writer.between(6, 9)) + "\n\nEstimate {estimate}"
    writer.add(writer.told(item, parts, **_written(writer, item)))


def _in_another_block(writer: Writer, item: int, number: int) -> None:
    """Put a lot into two paragraphs, the estimate first."""
    head = f"{number}  {{title}}. {{artist}}, {{year}}. Estimated at {{estimate}}. {{technique}}, {{size}}."
    parts = head + "\n\n" + " ".join(["{note}"] * writer.between(6, 9))
    writer.add(writer.told(item, parts, **_written(writer, item)))


def _in_a_line(writer: Writer, item: int, number: int) -> None:
    """Put a lot into one sentence or two among its notes."""
    stated = writer.deal(RUNNING).replace("{number}", str(number))
    notes = ["{note}"] * writer.between(7, 10)
    notes.insert(writer.below(3), stated)
    writer.add(writer.told(item, " ".join(notes), **_written(writer, item)))

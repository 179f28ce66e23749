"""The mailbox of a workshop: who orders what, how many, and for which day."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel

from .writing import ExtractDocument, Writer, day, day_written, later, spread


class Order(BaseModel):
    """An order that a customer places."""

    customer: str
    product: str
    quantity: int
    delivery: dt.date


PROMPT = (
    "List every order that a customer places: the full name of the customer, the product, the quantity, "
    "and the day "
    "of delivery that the customer asks for."
)
EXAMPLES = (
    (
        "Hello, I am Tove Lindahl from the school. Please send us 40 clay beakers by 2 March 2023. The 12 "
        "plates "
        "of last year, delivered on 5 May 2022, are still fine. Kind regards, Tove Lindahl",
        ({"customer": "Tove Lindahl", "product": "clay beakers", "quantity": 40, "delivery": "2023-03-02"},),
    ),
    (
        "Two orders came by telephone. Rafael Noguera takes 150 oak pegs, delivered on 2023-04-18. Ida "
        "Brandt wants "
        "six stone troughs on May 9, 2023. Pavel Horak only asked for the price of a sundial.",
        (
            {"customer": "Rafael Noguera", "product": "oak pegs", "quantity": 150, "delivery": "2023-04-18"},
            {"customer": "Ida Brandt", "product": "stone troughs", "quantity": 6, "delivery": "2023-05-09"},
        ),
    ),
)
NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split()
WORDS = {
    "given": (
        "Anneke Bartosz Chiara Dimitri Elif Florian Giulia Henrik Ines Jaromir Katarina Lukas Marisol "
        "Nikolai Oksana "
        "Paolo Renata Stefan Tamara Ulrich Vesna Wiktor Yusuf Zuzana"
    ).split(),
    "family": (
        "Aalto Bianchi Cermak Drescher Eriksen Ferreira Gruber Haugen Ivanov Jansen Kovacs Lindqvist "
        "Moretti Nowak "
        "Olsen Petrov Quintero Rossi Schreiber Tanaka Ulvang Varga Wozniak Zanetti"
    ).split(),
    "someone": ["{given} {family}"],
    "material": "walnut copper linen slate birch felt pewter willow enamel leather marble cork".split(),
    "ware": (
        "bowls lamps trays coasters stools candlesticks hooks baskets frames boxes spoons shutters "
        "door-handles tiles"
    ).split(),
    "product": ["{material} {ware}"],
    "count": lambda writer: str(writer.between(2, 400)),
    "price": lambda writer: f"${writer.between(4, 600)}.{writer.between(0, 9)}0",
    "date": lambda writer: day_written(writer, day(writer, 2021, 2025)),
    "town": (
        "Odense Ghent Trieste Lublin Malaga Graz Bergen Maribor Tartu Utrecht Coimbra Brno Aarhus Ravenna"
    ).split(),
    "business": [
        "a small hotel",
        "a bookshop",
        "two restaurants",
        "a museum shop",
        "a wedding office",
        "a school",
        "a bakery",
        "a theatre",
        "a guest house",
        "a yacht yard",
        "a parish",
        "an architect's office",
    ],
    "filler": [
        "I found your address through a friend who runs {business} in {town}.",
        "Your catalogue says that the {product} cost {price} each; is that still so?",
        "The last parcel had been left in the rain, but nothing inside was damaged.",
        "We paid the invoice of {price} on {date}, so it must be a mistake of the bank.",
        "Do you still make the {product} that {someone} showed at the fair?",
        "Our office is closed until {date}, so please do not telephone before then.",
        "My colleague {someone} will collect the empty crates when the van comes through {town}.",
        "The {count} samples went back to you on {date} with many thanks.",
        "If the colour is a little darker than in the photograph, all the better.",
        "I remember that {someone} once bought {product} from you and was very happy.",
        "Please write the invoice to our company, not to me.",
        "We run {business} in {town} and have four people who help in the season.",
        "The stairs here are narrow, so nothing longer than two metres will go up.",
        "How long do {product} keep their shine if they are cleaned every week?",
        "A customer of ours paid {price} for something like it in {town}, which seems a great deal.",
        "There is no hurry with the answer, as I am away at a wedding in {town}.",
        "The driver may ring at the side door, where {someone} has the key.",
        "I was sorry to hear about the fire and hope that the kiln is working again.",
        "The number of our account has changed; the new one is on the attached sheet.",
        "On {date} you wrote that the workshop would move, and I wonder how that went.",
        "The children broke {count} of the old ones, which says more about the children.",
        "It would be a pleasure to show you {business} when you are next in {town}.",
        "We are members of the guild and should get the discount of five per cent.",
        "{someone} from the tax office asked for a copy of the receipt over {price}.",
    ],
    "thanks": [
        "Kind regards,",
        "With best wishes,",
        "Many thanks,",
        "Yours,",
        "Greetings from {town},",
        "All the best,",
    ],
    "chatter": [
        "This is only a question: could {product} be made by {date}? We have not decided anything.",
        "Thank you for the {count} {product} which came on {date}. They look lovely in the window.",
        "I am sending back the invoice over {price}, because it was meant for {someone}.",
        "The newsletter of {date} reached me twice. Please take one of the addresses off your list.",
        "We would like to know what {count} {product} would cost. It is for a tender and we may not win it.",
        "Can you recommend somebody in {town} who repairs {product}?",
        "On {date} there is a market in {town}, and {someone} has a table to spare.",
        "After long thought we shall not buy the {product}, as {business} nearby has the same.",
    ],
}
GREETINGS = ["Hello,", "Dear workshop,", "Good morning,", "Dear all,"]
PLACED = [
    "Please send {quantity} {product} by {delivery}. The order is in the name of {customer}.",
    "I would like to order {quantity} {product}, to be here on {delivery}.",
    "We need {quantity} {product} for {business} on {delivery}, and hereby order them.",
    "Could you put me down for {quantity} {product}? They should come on {delivery}, please take this as a "
    "firm order.",
    "We have decided to take {product}, {quantity} of them, with delivery on {delivery}.",
    "Our order is for {quantity} {product}. {someone} says that your price is fair. Delivery should be on "
    "{delivery}.",
    "For delivery on {delivery} I order {quantity} {product}.",
    "By {delivery} we should like to have {quantity} {product}; this is our order.",
]
BY_TELEPHONE = [
    "{customer} telephoned and ordered {quantity} {product} for {delivery}.",
    "An order from {customer}: {quantity} {product}, delivery on {delivery}.",
    "{customer} was here in person and wants {quantity} {product} to be delivered on {delivery}.",
    "On {delivery} we deliver {quantity} {product} to {customer}, who ordered them at the counter.",
]
AGAIN = [
    "Just to be sure that my mail arrived: it was {quantity} {product} for {delivery}, in the name of "
    "{customer}.",
    "You asked me to repeat the order of {customer}. It is for {quantity} {product} on {delivery}.",
]


def document() -> ExtractDocument:
    """Return the document."""
    writer = Writer(9402, WORDS)
    today, told = dt.date(2024, 1, 8), []
    kinds = writer.shuffled(["order"] * 24 + ["telephone"] * 6 + ["chatter"] * 10 + ["again"] * 3)
    kinds[20:20] = ["chatter"] * 6  # a stretch that states nothing
    for place, kind in enumerate(["order", *kinds]):
        today = later(writer, today, 0, 3)
        number = None
        if kind == "again":
            number = told[-1 - writer.below(2)]
        elif kind != "chatter":
            number = _placed(writer, today)
            told.append(number)
        sender = writer.value(number)["customer"] if number is not None and kind != "telephone" else ""
        by = writer.told(number, "{customer}", customer=sender) if number is not None and sender else ""
        author = by or writer.unique("someone")
        writer.add(f"From: {author}\nDate: {day_written(writer, today)}\nSubject: {_subject(kind, place)}")
        writer.add(writer.deal(GREETINGS))
        if kind == "telephone":
            other = _placed(writer, today)
            tellings = [_told(writer, number, BY_TELEPHONE), _told(writer, other, BY_TELEPHONE)]
            told.append(other)
            writer.add(spread(writer, writer.prose("filler", 1, 2), tellings))
        elif kind == "chatter":
            writer.add(" ".join([writer.word("chatter"), *writer.prose("filler", 1, 4)]))
        elif kind == "again":
            writer.add(" ".join([_told(writer, number, AGAIN), *writer.prose("filler", 1, 2)]))
        else:
            writer.add(spread(writer, writer.prose("filler", 2, 4), [_told(writer, number, PLACED)]))
            if writer.below(2):
                writer.add(" ".join(writer.prose("filler", 1, 3)))
        writer.add(f"{writer.word('thanks')}\n{author}")
    text, items = writer.finish()
    return ExtractDocument("mailbox", "mailbox", "sealed", text, Order, "customer", PROMPT, EXAMPLES, items)


def _placed(writer: Writer, today: dt.date) -> int:
    """Note an order, and return its number."""
    quantity = writer.between(2, 12) if writer.below(4) == 0 else writer.between(13, 260)
    wanted = later(writer, today, 12, 150).isoformat()
    return writer.new(
        customer=writer.unique("someone"), product=writer.word("product"), quantity=quantity, delivery=wanted
    )


def _subject(kind: str, place: int) -> str:
    known = {
        "order": ("Order", "For the spring", "Our request"),
        "telephone": ("From the counter", "Calls today"),
    }
    found = known.get(kind, ("A question", "Invoice", "Re: your letter", "Hello again"))
    return found[place % len(found)]


def _told(writer: Writer, number: int, templates: list[str]) -> str:
    value = writer.value(number)
    quantity = value["quantity"]
    in_words = quantity <= 12 and writer.below(2)
    written = {
        "customer": value["customer"],
        "product": value["product"],
        "quantity": NUMBERS[quantity] if in_words else str(quantity),
        "delivery": day_written(writer, dt.date.fromisoformat(value["delivery"])),
    }
    return writer.told(number, writer.deal(templates), **written)

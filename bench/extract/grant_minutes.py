"""Minutes of a village fund: which groups get a grant, how much, and by when it is paid."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel

from .writing import ExtractDocument, Writer, day, day_written, dealt, later, spread


class Grant(BaseModel):
    """A grant that the committee decided to pay."""

    recipient: str
    amount: int
    paid_by: dt.date


PROMPT = (
    "List every grant that the committee decided to pay: the group that receives it, the amount in pounds, "
    "and the day by which it is paid."
)
EXAMPLES = (
    (
        "The minutes of the last meeting were signed. Members gave Holm Street Bakers £240 for a new oven "
        "door, "
        "to be paid by 4 April 2019. The hall was let for £60. A further 900 pounds goes to Sandlings Chess "
        "Circle before October 30, 2019.",
        (
            {"recipient": "Holm Street Bakers", "amount": 240, "paid_by": "2019-04-04"},
            {"recipient": "Sandlings Chess Circle", "amount": 900, "paid_by": "2019-10-30"},
        ),
    ),
    (
        "Mr Hale read a letter of 2 May 2019 from the county. The request of Upper Nene Divers for £1,100 "
        "was "
        "refused. It was decided to pay Mill Lane Nursery the sum of £1,350 by 2019-06-15.",
        ({"recipient": "Mill Lane Nursery", "amount": 1350, "paid_by": "2019-06-15"},),
    ),
)
WORDS = {
    "place": (
        "Tarrow Oakfield Brindle Lowmoor Hatherby Quarry Chapel Ferry Millbrook Eastgate Larkhill Wyncote "
        "Station "
        "Harbour Bridge Stonely Ashdown Copper Priory Marsh Fairfield Beacon Withy Castle"
    ).split(),
    "sort": [
        "Choir",
        "Cricket Club",
        "Gardeners",
        "Youth Theatre",
        "Rowing Club",
        "Lunch Club",
        "Brass Band",
        "Scouts",
        "History Society",
        "Toddlers",
        "Repair Cafe",
        "Allotments",
        "Film Society",
        "Bell Ringers",
        "Swimmers",
        "Library Friends",
        "Walkers",
        "Orchestra",
        "Bowls Club",
        "Printmakers",
    ],
    "group": ["{place} {sort}"],
    "first": (
        "Agnes Colin Doreen Frank Gillian Howard Irene Keith Lorna Malcolm Nora Percy Ruth Stanley Thelma "
        "Victor "
        "Winifred Alec Brenda Clive Edna Gordon"
    ).split(),
    "last": (
        "Abbot Barrow Crane Dunstan Ellery Fenwick Garside Hollis Ingram Jessop Kemble Lister Mossop "
        "Naylor Orme "
        "Pickard Quayle Ridley Sowerby Tranter Unwin Varley"
    ).split(),
    "person": ["{first} {last}", "Mrs {last}", "Mr {last}", "{first} {last}"],
    "money": lambda writer: money(writer, writer.between(30, 9000, 10)),
    "date": lambda writer: day_written(writer, day(writer, 2016, 2024)),
    "purpose": [
        "a new roof",
        "music stands",
        "the repair of its boiler",
        "a storage shed",
        "the hire of a minibus",
        "first-aid training",
        "replacement nets",
        "a set of folding tables",
        "the printing of a guide",
        "insulation of the loft",
        "a hearing loop",
        "its summer concerts",
        "waterproof coats",
        "two display cases",
        "lessons for beginners",
        "a ramp at the side door",
        "seeds and compost",
        "a second-hand projector",
        "the tuning of its piano",
        "safety rails",
        "kitchen equipment",
        "an outing to the coast",
    ],
    "thing": [
        "car park",
        "noticeboard",
        "footpath behind the church",
        "kitchen hatch",
        "war memorial",
        "village pump",
        "clock on the hall",
        "hedge along the green",
        "bus shelter",
        "playing field",
        "drain outside the school",
        "fire door",
        "boundary wall",
        "flagpole",
        "duck pond",
        "sign at the crossroads",
    ],
    "filler": [
        "{person} reported that the {thing} had been inspected again and that nothing needed to be done "
        "before winter.",
        "There was a long discussion about the {thing}, in which nobody changed their mind.",
        "The treasurer said that the account stood at {money} and that the auditors were content.",
        "Bank charges of {money} had been refunded after a telephone call that lasted most of a morning.",
        "{person} asked whether the {thing} could be painted by volunteers, and offered to bring brushes.",
        "A letter dated {date} from the county surveyor was read out and filed.",
        "The {thing} had been measured by {person}, who found it shorter than the plan says.",
        "Members thanked {person} for forty years of service and presented a clock.",
        "The hall will be closed on {date} while the floor is sanded.",
        "{person} had written to complain about noise from the {thing}; the secretary will answer politely.",
        "Rent from the hall came to {money} over the quarter, a little more than was hoped.",
        "It was noted that the insurance on the {thing} runs out on {date} and has to be renewed.",
        "The chair wished it recorded that the tea had been excellent.",
        "{group} had asked for {money} towards {purpose}, and the application was turned down.",
        "The request of {group} for {purpose} was put off, since no accounts had been sent with it.",
        "{person} suggested a quiz, which raised {money} when it was last held.",
        "No one had claimed the umbrella that was left behind on {date}.",
        "{group} sent a card with the good wishes of all its members.",
        "A quotation of {money} for mending the {thing} was thought far too high.",
        "{person} and {person} will look at the {thing} together and report back.",
        "The electricity bill was {money}, which {person} put down to the cold spring.",
        "Nothing was heard from the diocese about the {thing}.",
        "{person} declared an interest as the landlord of the Plough and left the room for this part.",
        "The raffle at the fair on {date} brought in {money} after expenses.",
        "It was felt that the {thing} gives a poor impression to visitors who come by train.",
        "The secretary will find out who owns the {thing}, as the deeds do not say.",
        "{person} had counted the chairs and found eleven more than in the inventory.",
        "A visitor from {group} explained what its members had done over the year, with slides.",
        "The next newsletter goes to the printer on {date}, and contributions are welcome.",
        "{person} will stand in for {person} until the hip has healed.",
    ],
}
GRANTED = [
    "It was agreed to give {recipient} {amount} for {purpose}, payable by {paid_by}.",
    "{recipient} had asked for help with {purpose}. The committee granted {amount}, which the treasurer "
    "will pay by "
    "{paid_by}.",
    "On a vote of five to two, a grant of {amount} was made to {recipient}, to be paid no later than "
    "{paid_by}.",
    "Everyone was in favour of {purpose} for {recipient}, and {amount} will be paid by {paid_by}.",
    "Resolved: {amount} to {recipient} by {paid_by}, for {purpose}.",
    "The committee will support {recipient} with {amount}; {person} promised that the money will be there "
    "by {paid_by}.",
    "After some debate about {purpose}, members approved {amount} for {recipient}, with payment by "
    "{paid_by}.",
    "By {paid_by} the treasurer is to pay {recipient} a grant of {amount}.",
    "A grant towards {purpose} was approved for {recipient}. {person} had visited and was impressed. It "
    "comes to "
    "{amount} and is due by {paid_by}.",
    "{recipient} will receive {amount} by {paid_by}, on the condition that receipts are shown.",
    "Approved without a vote was {purpose} for {recipient}: {amount}, payable by {paid_by}.",
]
AGAIN = [
    "The secretary reminded members of what was decided for {recipient}: {amount}, by {paid_by}.",
    "For the record, {recipient} has its grant of {amount} by {paid_by}, as was agreed above.",
]


def money(writer: Writer, pounds: int) -> str:
    """Return an amount as minutes write it."""
    return (f"£{pounds:,}", f"{pounds:,} pounds", f"£{pounds}")[writer.below(3)]


def document() -> ExtractDocument:
    """Return the document."""
    writer = Writer(9401, WORDS)
    meetings = 9
    told: list[int] = []
    for meeting, count in enumerate(dealt(writer, 26, meetings), 1):
        held = day(writer, 2016 + (meeting - 1) // 2, 2016 + (meeting - 1) // 2)
        writer.add(f"Minutes of meeting {meeting}, {day_written(writer, held)}")
        present = ", ".join(writer.word("person") for _ in range(writer.between(4, 7)))
        writer.add(f"Present: {present}. Apologies came from {writer.word('person')}.")
        tellings = []
        for _ in range(count if meeting != 4 else 0):
            pounds, due = writer.between(50, 4800, 25), later(writer, held, 14, 400)
            number = writer.new(recipient=writer.unique("group"), amount=pounds, paid_by=due.isoformat())
            tellings.append(_told(writer, number, GRANTED))
            told.append(number)
        if meeting in (3, 6, 8):
            tellings.append(_told(writer, told[-1 - writer.below(2)], AGAIN))
        paragraphs = 6
        for index in range(paragraphs):
            here = tellings[index::paragraphs]
            writer.add(spread(writer, writer.prose("filler", 2, 4), here))
    text, items = writer.finish()
    return ExtractDocument(
        "minutes", "minutes of meetings", "open", text, Grant, "recipient", PROMPT, EXAMPLES, items
    )


def _told(writer: Writer, number: int, templates: list[str]) -> str:
    value = writer.value(number)
    paid_by = day_written(writer, dt.date.fromisoformat(value["paid_by"]))
    written = {"recipient": value["recipient"], "amount": money(writer, value["amount"]), "paid_by": paid_by}
    return writer.told(number, writer.deal(templates), **written)

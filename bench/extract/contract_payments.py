"""A contract of many parties: which company is paid how much, and when the payment is due."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel

from .writing import ExtractDocument, Writer, day, day_written, dealt, later, spread


class Payment(BaseModel):
    """A payment that the contract obliges the Authority to make."""

    company: str
    amount: int
    due: dt.date


PROMPT = (
    "List every payment that the Authority has to make to a company: the name of the company, the amount "
    "in euros, "
    "and the day on which it is due."
)
EXAMPLES = (
    (
        "12. The Authority shall pay Norwell Paving Ltd the sum of EUR 18,400 on 1 June 2021. 13. "
        "Liability under "
        "this Part is limited to EUR 500,000. 14. Notices of 3 May 2020 to Kestle Pipes plc remain valid.",
        ({"company": "Norwell Paving Ltd", "amount": 18400, "due": "2021-06-01"},),
    ),
    (
        "To Tern Scaffolding LLP €7,250 falls due from the Authority on 2022-02-11, and to Abingford Lamps "
        "Ltd "
        "€93,000 on March 30, 2022. Drawings are kept for ten years.",
        (
            {"company": "Tern Scaffolding LLP", "amount": 7250, "due": "2022-02-11"},
            {"company": "Abingford Lamps Ltd", "amount": 93000, "due": "2022-03-30"},
        ),
    ),
)
WORDS = {
    "root": (
        "Ardmore Bellwether Calder Dunmore Elmstead Farrant Glenavon Hartwell Inverlea Juniper Kirkwood "
        "Langmead "
        "Merriman Northgate Ollerton Pembury Quantock Redwing Stanhope Thornbury Ulverton Wexcombe Yardley "
        "Zennor"
    ).split(),
    "trade": (
        "Cranes Glazing Surveyors Drainage Haulage Joinery Masonry Roofing Insulation Fencing Piling "
        "Groundworks "
        "Elevators Signals Turbines Coatings Bridges Fireproofing"
    ).split(),
    "form": ["Ltd", "plc", "LLP", "and Sons", "Ltd", "GmbH"],
    "firm": ["{root} {trade} {form}"],
    "sum": lambda writer: money(writer, writer.between(1000, 900_000, 500)),
    "date": lambda writer: day_written(writer, day(writer, 2018, 2029)),
    "days": lambda writer: f"{writer.between(5, 90)} days",
    "percent": lambda writer: f"{writer.between(1, 40) / 2} per cent",
    "part": lambda writer: f"{writer.between(1, 40)}.{writer.between(1, 12)}",
    "party": [
        "the Authority",
        "the Contractor",
        "each Party",
        "the Engineer",
        "the Guarantor",
        "a Subcontractor",
        "the Independent Certifier",
        "the Insurer",
        "the Employer's Agent",
    ],
    "duty": [
        "keep the Site clean and secure",
        "provide as-built drawings",
        "give access to its records",
        "insure the Works against fire and flood",
        "protect trees marked on the Plan",
        "appoint a safety officer",
        "hold a meeting with residents",
        "hand over the keys of all temporary buildings",
        "remove surplus soil",
        "submit a programme in the agreed format",
        "keep the towpath open to the public",
        "test every cable run",
        "record the noise at the boundary",
        "renew the bond",
        "translate the manuals",
        "label all switchgear",
    ],
    "work": [
        "the North Abutment",
        "the Pumping Station",
        "the Ticket Hall",
        "the Access Road",
        "the Lock Gates",
        "the Depot",
        "the Retaining Wall",
        "the Control Room",
        "the Footbridge",
        "the Switch House",
        "the Culvert",
        "the Visitor Centre",
        "the Eastern Embankment",
        "the Boat Lift",
    ],
    "cause": [
        "exceptional weather",
        "an order of a court",
        "industrial action",
        "the discovery of remains",
        "a lack of power",
        "flooding of the lower levels",
        "a change of law",
        "works of a statutory undertaker",
        "an act of a third party",
    ],
    "filler": [
        "{party} shall, within {days} of a written request, {duty}.",
        "If {work} is delayed by {cause}, {party} may ask for more time but for no more money.",
        "The liability of {party} under clause {part} is limited to {sum} for each event.",
        'In this Part, "Completion" means the state of {work} that is described in clause {part}.',
        "{party} shall {duty} and, so far as {cause} allows, {duty}.",
        "The guarantee that was given on {date} stays in force until {work} has been handed over.",
        "A dispute about {work} is first referred to {party}, who decides within {days}.",
        "Nothing in clause {part} takes away the right of {party} to stop work for reasons of safety.",
        "The bond of {firm} for {sum} is returned when the last defect has been mended.",
        "Notices to {firm} are sent to its registered office and are deemed received after {days}.",
        "{party} may not assign its rights without consent, which is not to be withheld without reason.",
        "Materials that are stored for {work} remain at the risk of {party} until they are fixed.",
        "Insurance of not less than {sum} is maintained by {party} for any one occurrence.",
        "The retention of {percent} is dealt with in clause {part} and not in this one.",
        "Interest runs at {percent} above the base rate from the day on which a sum should have been paid.",
        "{party} shall {duty} even where {cause} makes it more expensive than was foreseen.",
        "The survey of {date} forms part of this Contract for information only.",
        "Where clause {part} and a drawing differ, clause {part} prevails.",
        "{firm} was invited to tender for {work} and declined.",
        "{party} keeps full accounts for {work} and shows them within {days}.",
        "No failure to enforce clause {part} is a waiver of it.",
        "Should {cause} last longer than {days}, either Party may end the appointment for {work}.",
        "The key date for {work} is {date}, unless it is moved under clause {part}.",
        "Damages for late completion of {work} are {sum} a week, up to {percent} of the price.",
        "{party} has visited {work} and is taken to know its condition.",
        "The estimate for {work} was {sum} before the scope was reduced.",
        "Headings do not affect the meaning of this Contract.",
        "{party} shall {duty} before anyone enters {work}.",
        "The order that {firm} gave on {date} is not affected by this Contract.",
        "Copyright in all drawings of {work} stays with {party}, with a licence for maintenance.",
        "Tests of {work} are repeated at the cost of {party} if the first ones fail.",
        "Each Party bears its own costs of {cause}.",
        "A reference to a statute is a reference to it as amended.",
        "Confidential papers about {work} are destroyed within {days} of completion.",
        "{party} shall not, without leave of {party}, {duty} outside working hours.",
        "The claim of {firm} for {sum} was settled before this Contract and is not part of it.",
    ],
}
OBLIGED = [
    "The Authority shall pay {company} the sum of {amount} on {due}.",
    "For its part in {work}, {company} receives {amount} from the Authority, due on {due}.",
    "A payment of {amount} to {company} falls due on {due}, and the Authority shall make it in full.",
    "On {due} the Authority pays {amount} to {company}.",
    "The Authority owes {company} {amount} for {work}. The debt is due on {due} and not before.",
    "{company} completes {work} under the supervision of {party}. In return the Authority pays {amount}. "
    "The due day is {due}.",
    "Due on {due}, and payable by the Authority without any set-off: {amount} to {company}.",
    "To {company} the Authority shall transfer {amount} not earlier and not later than {due}.",
    "{company} is entitled to {amount} from the Authority on {due}, whatever the state of {work}.",
    "Once {party} has certified {work}, and in any case on {due}, the Authority shall pay {company} "
    "{amount}.",
    "The price agreed with {company} for {work} is {amount}. The Authority pays it on {due}.",
    "The instalment for {company} amounts to {amount}; the Authority shall pay it on {due}.",
]
AGAIN = [
    "For the avoidance of doubt, the {amount} that the Authority owes {company} is due on {due}.",
    "The day of {due} stands for the payment of {amount} to {company}, as stated before.",
]
TITLES = [
    "Definitions",
    "Access to the Site",
    "Care of the Works",
    "Programme",
    "Payments",
    "Variations",
    "Insurance",
    "Testing",
    "Disputes",
    "Records",
    "Environment",
    "Subcontractors",
    "Drawings",
    "Labour",
    "Handover",
    "Defects",
    "Bonds",
    "Notices",
]


def money(writer: Writer, euros: int) -> str:
    """Return an amount as a contract writes it."""
    return (f"EUR {euros:,}", f"€{euros:,}", f"{euros:,} euros")[writer.below(3)]


def document() -> ExtractDocument:
    """Return the document."""
    writer = Writer(9405, WORDS)
    writer.add(
        "FRAMEWORK CONTRACT FOR THE RENEWAL OF THE KELDER CANAL",
        "between the Authority and the Companies named in it",
    )
    told: list[int] = []
    parts = 36
    for part, count in enumerate(dealt(writer, 76, parts), 1):
        writer.add(f"PART {part}. {writer.deal(TITLES)}")
        tellings = []
        for _ in range(count if part % 6 != 1 else 0):
            due = later(writer, dt.date(2020, 1, 1), 0, 2200)
            euros = writer.between(2000, 480_000, 100)
            number = writer.new(company=writer.unique("firm"), amount=euros, due=due.isoformat())
            tellings.append(_told(writer, number, OBLIGED))
            told.append(number)
        if part % 7 == 5:
            tellings.append(_told(writer, told[-1 - writer.below(4)], AGAIN))
        for index in range(writer.between(5, 7)):
            here = tellings[index::5] if index < 5 else []
            clause = spread(writer, writer.prose("filler", 3, 4), here)
            writer.add(f"{part}.{index + 1} {clause}")
    text, items = writer.finish()
    return ExtractDocument("contract", "contract", "open", text, Payment, "company", PROMPT, EXAMPLES, items)


def _told(writer: Writer, number: int, templates: list[str]) -> str:
    value = writer.value(number)
    due = day_written(writer, dt.date.fromisoformat(value["due"]))
    written = {"company": value["company"], "amount": money(writer, value["amount"]), "due": due}
    return writer.told(number, writer.deal(templates), **written)

"""The log of a survey ship: what the probe measured at which station, how deep, and on which day."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel

from .writing import ExtractDocument, Writer, day, day_written, dealt, later, spread


class Measurement(BaseModel):
    """A measurement of the probe at a station."""

    station: str
    depth: int
    temperature: float
    day: dt.date


PROMPT = (
    "List every measurement of the probe: the name of the station, the depth in metres, the temperature of "
    "the "
    "water in degrees Celsius, and the day."
)
EXAMPLES = (
    (
        "Wind from the north at 22 knots. At Otter Hole the probe read 5.1 degrees at 140 metres on 3 May "
        "1994. "
        "The air was 9.5 degrees at noon. We anchored in 18 metres off Plum Island.",
        ({"station": "Otter Hole", "depth": 140, "temperature": 5.1, "day": "1994-05-03"},),
    ),
    (
        "On 1994-05-06 the probe went down to 75 metres at Long Sand and gave 6.8 degrees. Two days later, "
        "on May "
        "8, 1994, it gave 4.0 degrees at Drum Pool, 310 metres down. The cook has a fever of 38.6 degrees.",
        (
            {"station": "Long Sand", "depth": 75, "temperature": 6.8, "day": "1994-05-06"},
            {"station": "Drum Pool", "depth": 310, "temperature": 4.0, "day": "1994-05-08"},
        ),
    ),
)
WORDS = {
    "beast": (
        "Gannet Kestrel Heron Walrus Badger Petrel Lobster Marlin Osprey Raven Sturgeon Turbot Curlew "
        "Narwhal Plover"
    ).split(),
    "ground": "Ledge Bank Trench Shoal Deep Gully Ridge Basin Reef Sound Slope Narrows".split(),
    "station": ["{beast} {ground}"],
    "sailor": [
        "Ms Aldous",
        "the mate",
        "Dr Brook",
        "the bosun",
        "young Carver",
        "Ms Devlin",
        "the engineer",
        "Dr Eames",
        "the cook",
        "Mr Fossey",
        "the second mate",
        "Ms Grieve",
        "the doctor",
        "Mr Haddow",
        "the radio operator",
    ],
    "port": [
        "Saltmarket",
        "Port Helier",
        "Gullhaven",
        "Ness Quay",
        "Brackwater",
        "Cold Harbour",
        "St Anselm",
        "Farther Bay",
    ],
    "knots": lambda writer: str(writer.between(4, 48)),
    "metres": lambda writer: f"{writer.between(6, 900)} metres",
    "degrees": lambda writer: f"{writer.between(-40, 240) / 10} degrees",
    "date": lambda writer: day_written(writer, day(writer, 1996, 1999)),
    "wind": ["north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"],
    "sky": ["low cloud", "thin fog", "clear sky", "drizzle", "hail", "broken cloud", "a pale sun", "sleet"],
    "gear": [
        "the forward winch",
        "the echo sounder",
        "the starboard pump",
        "the crane",
        "the plankton net",
        "the generator",
        "the gyrocompass",
        "the water maker",
        "the small boat",
        "the sediment corer",
        "the radar",
        "the stern door",
    ],
    "creature": [
        "a pod of dolphins",
        "two fin whales",
        "a raft of eider",
        "a lost racing pigeon",
        "a basking shark",
        "some hundreds of jellyfish",
        "an old grey seal",
        "a swarm of moths",
        "three storm petrels",
        "a sunfish",
    ],
    "filler": [
        "Wind from the {wind} at {knots} knots, with {sky} until noon.",
        "{sailor} spent the watch taking {gear} apart and had three screws left at the end.",
        "The air stood at {degrees} on the bridge, which is warm for the season.",
        "We passed {creature} a mile off the port side, and everybody came up to look.",
        "{sailor} says that {gear} will last until {port}, if it is spared.",
        "The chart shows {metres} here, but the chart is older than any of us.",
        "A message came from {port} to say that the mail will wait for us until {date}.",
        "We anchored in {metres} to wait for the tide, and had fish for supper.",
        "{gear} was stopped for an hour and then ran as though nothing had happened.",
        "The swell came from the {wind} and made the soup a matter of skill.",
        "{sailor} has a temperature of 37.9 degrees and was sent to bed with a book.",
        "The sounder lost the bottom at {metres} and found it again at breakfast.",
        "No work was done on deck, since the wind from the {wind} reached {knots} knots.",
        "{sailor} and {sailor} played chess for the last orange, which turned out to be a lemon.",
        "The freezer is down to minus 17 degrees again after {sailor} had cleaned its coils.",
        "The permit for these waters was signed on {date} and hangs in the mess.",
        "We should be in {port} by {date}, with {sky} and some luck.",
        "The glass fell all afternoon, and by dusk we had {sky} and a sea on the beam.",
        "A cable of {metres} was wound back on its drum and greased.",
        "{sailor} painted the rail on the lee side and then leaned on it.",
        "The fuel will do for eleven more days at nine knots.",
        "{creature} kept us company until the light went.",
        "It was {degrees} in the laboratory because somebody had left the door open.",
        "The last time that this ship was in {port}, on {date}, the harbour master was asleep.",
        "{sailor} read aloud from the regulations about lifeboats, which took until ten.",
        "With {gear} out of order we drifted for two hours, broadside to the swell.",
        "There was ice on the rigging at dawn and none by eight.",
        "The survey of the seabed went on, line after line, at five knots.",
        "{sailor} heard on the radio that {port} had beaten {port} by four goals.",
        "We gave {gear} a coat of grease and hoped.",
    ],
}
MEASURED = [
    "On {day} at {station} the probe read {temperature} degrees at {depth} metres.",
    "The probe went down to {depth} metres at {station} on {day} and gave {temperature} degrees.",
    "At {station}, on {day}, we lowered the probe. {sailor} counted the turns of the winch. It stopped at "
    "{depth} metres "
    "and showed {temperature} degrees.",
    "{station}: probe at {depth} m, {temperature} °C, {day}.",
    "It was {temperature} degrees by the probe, {depth} metres under us, at {station} on {day}.",
    "{sailor} noted {temperature} °C from the probe for {station}, where it hung at {depth} metres on {day}.",
    "The measurement of {day} was made at {station}. At {depth} metres the probe had settled at "
    "{temperature} degrees.",
    "We reached {station} before dark and had the probe at {depth} metres within the hour; it read "
    "{temperature} degrees, "
    "on {day}.",
    "With the probe at {depth} metres, {station} gave {temperature} degrees on {day}.",
    "{day}. The probe at {station} came up after an hour at {depth} metres, having recorded {temperature} "
    "degrees.",
]
AGAIN = [
    "{sailor} checked the figures of {station} against the tape: {temperature} degrees at {depth} metres "
    "on {day}, as written.",
    "In the fair copy {station} stands with {depth} metres, {temperature} degrees, {day}.",
]
STORM = (24, 25, 26, 27)
"""Days on which nothing was measured."""
PASSED = [
    "We passed {station} in the night without stopping.",
    "The probe was not lowered at {station}, as the winch was being mended.",
    "{station} was left for the way back, since the swell was too high for the probe.",
    "{sailor} wants to call at {station} next year, where the bottom is said to be {metres} down.",
]


def document() -> ExtractDocument:
    """Return the document."""
    writer = Writer(9403, WORDS)
    today, told = dt.date(1997, 3, 2), []
    writer.add("Log of the survey ship Margaret Tonge, second voyage")
    for watch, count in enumerate(dealt(writer, 46, 40), 1):
        today = later(writer, today, 1, 4)
        writer.add(f"{day_written(writer, today)}, day {watch} of the voyage")
        tellings = []
        for _ in range(count if watch % 7 and watch not in STORM else 0):
            taken, depth = later(writer, today, -1, 0), writer.between(12, 640)
            warm = writer.between(5, 140) / 10
            number = writer.new(
                station=writer.unique("station"), depth=depth, temperature=warm, day=taken.isoformat()
            )
            tellings.append(_told(writer, number, MEASURED))
            told.append(number)
        if watch % 9 == 5:
            tellings.append(_told(writer, told[-1 - writer.below(3)], AGAIN))
        if watch % 5 == 2:
            tellings.append(writer.filled(writer.deal(PASSED), station=writer.unique("station")))
        for index in range(2):
            writer.add(spread(writer, writer.prose("filler", 2, 4), tellings[index::2]))
    text, items = writer.finish()
    return ExtractDocument(
        "log", "log of a ship", "open", text, Measurement, "station", PROMPT, EXAMPLES, items
    )


def _told(writer: Writer, number: int, templates: list[str]) -> str:
    value = writer.value(number)
    written = {name: str(value[name]) for name in ("station", "depth", "temperature")}
    written["day"] = day_written(writer, dt.date.fromisoformat(value["day"]))
    return writer.told(number, writer.deal(templates), **written)

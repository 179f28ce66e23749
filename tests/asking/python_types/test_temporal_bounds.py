"""Bounds of dates, times, durations and digits of decimals: the mask allows what pydantic takes."""

from __future__ import annotations

import datetime as dt
import decimal
import itertools
import json
import random
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from compiled_texts import takes
from for_each import for_each
from type_walks import documents, grammar_of

pydantic = pytest.importorskip("pydantic")

from pydantic import Field, TypeAdapter  # noqa: E402

import structgen as sg  # noqa: E402
from structgen.asking.python_types.type_hints import read_type  # noqa: E402

NAMES = ("ge", "gt", "le", "lt")
SECOND = dt.timedelta(seconds=1)
STEPS = (1e-6, 0.25, 1, 59, 60, 61, 3599, 3600, 86_399, 86_400, 86_401, 86_400 * 31, 86_400 * 400)
"""Seconds from a bound to the values that are tried."""
ZONES = (
    None,
    dt.UTC,
    dt.timezone(dt.timedelta(hours=5, minutes=30)),
    dt.timezone(-3 * 3600 * SECOND),
)


def differences(hint: Any, texts: list[str]) -> list[tuple[str, bool]]:
    """Return the documents on which pydantic and the grammar differ, with what pydantic says. A type that is
    refused for it allows no document has none."""
    adapter, found = TypeAdapter(hint), []
    try:
        compiled = grammar_of(hint)
    except sg.errors.UnsatisfiableSchema:
        compiled = None
    for text in texts:
        try:
            adapter.validate_json(text)
            valid = True
        except pydantic.ValidationError:
            valid = False
        if valid != (compiled is not None and takes(compiled, text)):
            found.append((text, valid))
    return found


def near(bound: dt.datetime, chance: random.Random) -> Iterator[dt.datetime]:
    """Yield points in time around one."""
    yield bound
    for step, sign in itertools.product(STEPS, (-1, 1)):
        yield bound + sign * step * SECOND
        yield bound + sign * step * chance.random() * SECOND


def spellings(value: dt.datetime) -> Iterator[str]:
    """Yield the texts of a point in time: with and without seconds, with fewer digits of their fraction."""
    for spec in ("microseconds", "milliseconds", "seconds", "minutes"):
        text = value.isoformat(timespec=spec)
        if dt.datetime.fromisoformat(text) == value:
            yield text
    yield value.isoformat().replace("+00:00", "Z")


def some_point(chance: random.Random, zone: Any) -> dt.datetime:
    day = dt.datetime(chance.randint(1600, 2400), chance.randint(1, 12), chance.randint(1, 28), tzinfo=zone)
    return day + chance.choice([0, 9 * 3600, chance.randint(0, 86_399), 86_399.25, 86_399.999999]) * SECOND


def in_zones(bound: dt.datetime, values: Iterator[dt.datetime]) -> Iterator[dt.datetime]:
    """Yield values in UTC, in the zone of a bound, and without a zone."""
    for value in values:
        yield value.replace(tzinfo=None)
        yield value if value.tzinfo else value.replace(tzinfo=ZONES[2])
        yield value.astimezone(dt.UTC) if value.tzinfo else value.replace(tzinfo=dt.UTC)


@for_each("seed", range(12))
def test_dates(seed: int) -> None:
    chance = random.Random(seed)
    listed = [dt.date.min, dt.date.max, dt.date(2024, 2, 28), dt.date(1999, 12, 31)]
    bound = listed[seed] if seed < len(listed) else dt.date.fromordinal(chance.randint(400, 3_652_000))
    days = {bound.toordinal() + sign * step for step in (0, 1, 2, 30, 31, 366, 4000) for sign in (-1, 1)}
    inside = [dt.date.fromordinal(day) for day in days if 1 <= day <= dt.date.max.toordinal()]
    for name in NAMES:
        texts = [json.dumps(day.isoformat()) for day in inside]
        assert differences(Annotated[dt.date, Field(**{name: bound})], texts) == [], (name, bound)


@for_each("seed", range(8))
def test_points_in_time_and_times_of_the_day(seed: int) -> None:
    chance, zone = random.Random(seed), ZONES[seed % 4]
    bound = some_point(chance, zone)
    values = list(in_zones(bound, near(bound, chance)))
    texts = [text for value in values for text in spellings(value)]
    for name in NAMES:
        hint = Annotated[dt.datetime, Field(**{name: bound})]
        assert differences(hint, list(map(json.dumps, texts))) == [], (name, bound)
        clock = bound.timetz()
        of_day = [json.dumps(text.split("T")[1]) for text in texts]
        assert differences(Annotated[dt.time, Field(**{name: clock})], of_day) == [], (name, clock)


@for_each("seed", range(6))
def test_other_zones_are_written_a_day_from_the_bound(seed: int) -> None:
    chance = random.Random(seed)
    bound = some_point(chance, ZONES[1 + seed % 3])
    for name, zone in itertools.product(NAMES, ["+02:00", "-11:59", "+23:59", "-23:59"]):
        hint = Annotated[dt.datetime, Field(**{name: bound})]
        offset = dt.datetime.fromisoformat(f"2000-01-01T00:00{zone}").tzinfo
        texts = [json.dumps(value.astimezone(offset).isoformat()) for value in near(bound, chance)]
        assert all(valid for _, valid in differences(hint, texts))  # it lets nothing else in
        far = [
            json.dumps((bound + days * 86_400 * SECOND).astimezone(offset).isoformat()) for days in (-3, 3)
        ]
        assert differences(hint, far) == []


@for_each("seed", range(13))
def test_durations(seed: int) -> None:
    chance, adapter = random.Random(seed), TypeAdapter(dt.timedelta)
    listed = [0, 0.5, 1, 59, 60, 90, 3600, 5400, 86_400, 100_000, 604_800]
    bound = (
        listed[seed] if seed < len(listed) else chance.randint(0, 10**6) / chance.choice([1, 4])
    ) * SECOND
    texts = ['"PT0S"', '"P0D"']
    for step, sign in itertools.product((0, *STEPS[:-1]), (-1, 1)):
        value = bound + sign * step * SECOND
        if value >= dt.timedelta() and value < 360 * 86_400 * SECOND:
            texts.append(adapter.dump_json(value).decode())
            for size, form in ((1, "PT%dS"), (60, "PT%dM"), (3600, "PT%dH"), (604_800, "P%dW")):
                if value % (size * SECOND) == dt.timedelta() and value < 999_999 * size * SECOND:
                    texts.append(json.dumps(form % (value // (size * SECOND))))
    for name in NAMES:
        assert differences(Annotated[dt.timedelta, Field(**{name: bound})], texts) == [], (name, bound)


BOTH: dict[str, Any] = {
    "dates": Annotated[dt.date, Field(gt=dt.date(2024, 2, 27), le=dt.date(2024, 3, 1))],
    "naive": Annotated[
        pydantic.NaiveDatetime, Field(ge=dt.datetime(2024, 1, 1), lt=dt.datetime(2024, 1, 1, 0, 5))
    ],
    "aware": Annotated[
        pydantic.AwareDatetime,
        Field(ge=dt.datetime(2024, 1, 1, tzinfo=ZONES[2]), lt=dt.datetime(2024, 1, 1, 1, tzinfo=ZONES[2])),
    ],
    "times": Annotated[dt.time, Field(ge=dt.time(9), lt=dt.time(17, 30))],
    "durations": Annotated[dt.timedelta, Field(gt=dt.timedelta(hours=1), le=dt.timedelta(days=2))],
    "keys": dict[Annotated[dt.date, Field(ge=dt.date(2024, 1, 1))], bool],
    "a bound as a text": Annotated[dt.date, Field(ge="2024-12-30")],
}


@for_each("hint", BOTH.values())
def test_what_is_between_two_bounds_validates(hint: Any) -> None:
    reader = read_type(hint)
    for document in documents(hint, 20):
        reader.read_document(document)


def test_bounds_that_leave_nothing_are_refused() -> None:
    for hint in (
        Annotated[dt.date, Field(gt=dt.date.max)],
        Annotated[dt.time, Field(lt=dt.time.min)],
        Annotated[dt.timedelta, Field(le=-SECOND)],
    ):
        with pytest.raises(sg.errors.UnsatisfiableSchema):
            grammar_of(hint)


@for_each(("digits", "places"), list(itertools.product((1, 2, 3, None), (0, 1, 2, 3, 5, None))))
def test_digits_of_decimals(digits: int | None, places: int | None) -> None:
    limits = {
        name: value
        for name, value in (("max_digits", digits), ("decimal_places", places))
        if value is not None
    }
    values = [decimal.Decimal(number).scaleb(-point) for number in range(1, 1300, 97) for point in range(6)]
    values += [decimal.Decimal(10) ** -point for point in range(6)]
    normal = {format(value.normalize(), "f") for value in values} | {"0", "0.5", "0.999", "99.9"}
    texts = [sign + text for text in sorted(normal) for sign in ("", "-") if text != "0" or not sign]
    assert differences(Annotated[decimal.Decimal, Field(**limits)], texts) == []

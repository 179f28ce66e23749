"""Writes bounds of dates, times and durations as patterns of their texts.

A pattern stands beside a format. The format describes how the text is built; the pattern compares it with a
bound, digit by digit from the left. For example "not before 2024-05-03" is a pattern of dates.

As in pydantic, texts are compared by what the clock shows where the text or the bound has no zone, else by
the instant. Instants are compared in UTC and in the bound's own zone. In other zones only texts that are a
day away from the bound are allowed. In a duration, each unit but the first is less than one of the unit
before it.
"""

from __future__ import annotations

import datetime as dt
import re
from types import MappingProxyType

from pydantic_core import SchemaValidator

from structgen.asking.python_types.pydantic_formats import AWARE, NAIVE
from structgen.base.json_text.exact_json import JsonMapping, JsonObject

_BOUNDS = (("ge", True, 0), ("gt", True, 1), ("le", False, 0), ("lt", False, -1))
"""Names of bounds: whether they are least, and how many steps further the least or the largest value is."""
_DAY = dt.timedelta(days=1)
_TICK = dt.timedelta(microseconds=1)
_NOTHING = "^(?:a^)"
_DATE = len("2000-01-01")
_SHOWN = MappingProxyType({"date": slice(_DATE), "time": slice(_DATE + 1, None), "datetime": slice(None)})
"""What is written of a point in time."""
_UNITS = MappingProxyType({"W": 7 * _DAY, "D": _DAY, "H": _DAY / 24, "M": _DAY / 1440, "S": _DAY / 86_400})
_CHAINS = ("W", "DHMS", "HMS", "MS", "S")
_FRACTION = r"(?:\.[0-9]{1,6})?"
_SECONDS = f"(?:T?[1-5]?[0-9]{_FRACTION}S)?"
_MINUTES = f"(?:T?[1-5]?[0-9]M)?{_SECONDS}"
_BEHIND = MappingProxyType(
    {"W": "", "D": f"(?:T?(?:1?[0-9]|2[0-3])H)?{_MINUTES}", "H": _MINUTES, "M": _SECONDS, "S": ""}
)
"""What may follow each unit."""


def add_bounds(json_schema: JsonMapping, schema: JsonMapping) -> JsonObject:
    """Return a schema of dates, times, points in time or durations with the bounds of its core schema. No
    duration is below zero."""
    kind = schema["type"]
    parts = [dict(json_schema)]
    for name, is_minimum, steps in _BOUNDS:
        if schema.get(name) is None:
            continue
        bound = SchemaValidator({"type": kind}).validate_python(schema[name])
        if kind == "timedelta":
            parts.append(_compare_durations(bound + steps * _TICK, is_minimum))
            continue
        # a date is compared as the first instant of its day
        if kind == "date":
            bound = dt.datetime.combine(bound, dt.time())
        elif kind == "time":
            bound = dt.datetime.combine(dt.date(2000, 1, 1), bound)
        step = _DAY if kind == "date" else _TICK
        parts.append(_compare_in_zones(bound, steps * step, is_minimum, _SHOWN[kind]))
    clash = len(parts) > 2 or any(json_schema.keys() & part.keys() for part in parts[1:])
    return (
        {**json_schema, "allOf": parts[1:]} if clash else {key: part[key] for part in parts for key in part}
    )


def _compare_in_zones(
    bound: dt.datetime, later: dt.timedelta, is_minimum: bool, shown_part: slice
) -> JsonObject:
    """Return what compares points in time, of which a part is shown."""
    clock = bound.replace(tzinfo=None)
    offset = bound.utcoffset()
    by_clock = _compare_clock(clock, later, is_minimum, shown_part)
    if offset is None:
        return by_clock
    own_zone = re.escape(bound.isoformat()[-6:])
    zones = [(NAIVE, by_clock), (f"{own_zone}$", by_clock)]
    zones.append(("(?:Z|[+-]00:00)$", _compare_clock(clock, later - offset, is_minimum, shown_part)))
    if not shown_part.start:
        zones.append(
            (AWARE, _compare_clock(clock, (_DAY if is_minimum else -_DAY) - offset, is_minimum, shown_part))
        )
    return {"anyOf": [{"allOf": [{"pattern": zone}, comparison]} for zone, comparison in zones]}


def _compare_clock(
    clock: dt.datetime, later: dt.timedelta, is_minimum: bool, shown_part: slice
) -> JsonObject:
    """Return what compares texts with the time that a clock shows so much later."""
    try:
        limit = clock + later
    except OverflowError:
        limit = None
    if limit is None or (shown_part.start and limit.date() != clock.date()):
        return {"pattern": _NOTHING} if (later > dt.timedelta()) == is_minimum else {}
    text = limit.isoformat(timespec="microseconds")[shown_part]
    return {"pattern": "^" + _compare_digits(text, is_minimum, _DATE - (shown_part.start or 0), "$|[Z+-]")}


def _compare_digits(
    bound: str,
    is_minimum: bool,
    optional_from: int = 99,
    end: str = "",
    rest: str = "",
) -> str:
    """Return a pattern of the beginnings of texts that are at least, or at most, a bound as long as they are.

    From the index `optional_from` on a text may end as `end` does, and what is missing are zeros. `rest`:
    what each character may be after the one that decides.
    """
    pattern = free = ""
    # from the last digit on, so that each pattern holds the one behind it
    for index in reversed(range(len(bound))):
        digit = bound[index]
        if not digit.isdigit():
            pattern = pattern and re.escape(digit) + pattern
        elif pattern != free or digit != ("0" if is_minimum else "9"):
            low, high = (int(digit) + 1, 9) if is_minimum else (0, int(digit) - 1)
            pattern = f"(?:[{low}-{high}]{free}|{digit}{pattern})" if low <= high else digit + pattern
        else:
            pattern = rest + free
        free += rest
        if index >= optional_from and not is_minimum and pattern != free:
            pattern = f"(?:{end}|{pattern})"
    return pattern


def _compare_durations(bound: dt.timedelta, is_minimum: bool) -> JsonObject:
    if bound < dt.timedelta():
        return {} if is_minimum else {"pattern": _NOTHING}
    return {"pattern": f"^P(?:{'|'.join(_duration_pattern(units, bound, is_minimum) for units in _CHAINS)})$"}


def _duration_pattern(units: str, bound: dt.timedelta, is_minimum: bool) -> str:
    """Return a pattern of durations in some units that are at least, or at most, a bound."""
    if not units:
        return "(?:a^)" if is_minimum and bound else ""
    unit = units[0]
    count, remainder = divmod(bound, _UNITS[unit])
    fraction = part = ""
    if unit == "S":
        digits = f"{remainder // _TICK:06}"
        fraction = _FRACTION
        part = rf"(?:\.{_compare_digits(digits, is_minimum, 1, '', '[0-9]*')})"
        part += "" if is_minimum and remainder else "?"
    equal_count = f"T?{count}{part}{unit}"
    other_counts = f"T?{_count_pattern(count + 1 if is_minimum else count - 1, is_minimum)}{fraction}{unit}"
    if not is_minimum:
        other_counts = f"(?:{other_counts})?" if count else "a^"
    # zero of a unit need not be written
    if not count and (unit != "S" or part.endswith("?")):
        equal_count = f"(?:{equal_count})?"
    smaller_units = "" if part else _duration_pattern(units[1:], remainder, is_minimum)
    return f"(?:{other_counts}{_BEHIND[unit]}|{equal_count}{smaller_units})"


def _count_pattern(bound: int, is_minimum: bool) -> str:
    """Return a pattern of numerals that are at least, or at most, a bound."""
    text = str(bound)
    other_lengths = f"[1-9][0-9]{{{len(text)},}}" if is_minimum else f"[0-9]{{1,{len(text) - 1}}}"
    same_length = _compare_digits(text, is_minimum, rest="[0-9]")
    has_others = is_minimum or len(text) > 1
    return f"(?:{same_length}{f'|{other_lengths}' if has_others else ''})"

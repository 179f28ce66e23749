"""Bounds of dates, times and durations as patterns of their texts.

Patterns stand beside the format, which says how a text is built; they compare it with a bound digit by digit,
from the left. As pydantic does, a text without a zone, and any text where the bound has none, is compared by
what the clock shows, else by the instant. Instants are compared in UTC and in the bound's own zone; in other
zones only what is a day away from the bound is written. Of durations each unit but the first is less than one
of the unit before it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic_core import SchemaValidator

from structgen.asking.python_types.pydantic_formats import AWARE, NAIVE

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


def bounded(made: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema of dates, times, points in time or durations with the bounds of its core schema. No
    duration is below zero."""
    kind, parts = schema["type"], [dict(made)]
    for name, least, steps in _BOUNDS:
        if schema.get(name) is None:
            continue
        bound = SchemaValidator({"type": kind}).validate_python(schema[name])
        if kind == "timedelta":
            parts.append(_duration(bound + steps * _TICK, least))
            continue
        if kind == "date":
            bound = dt.datetime.combine(bound, dt.time())
        elif kind == "time":
            bound = dt.datetime.combine(dt.date(2000, 1, 1), bound)
        step = _DAY if kind == "date" else _TICK
        parts.append(_in_zones(bound, steps * step, least, _SHOWN[kind]))
    clash = len(parts) > 2 or any(made.keys() & part.keys() for part in parts[1:])
    return {**made, "allOf": parts[1:]} if clash else {key: part[key] for part in parts for key in part}


def _in_zones(bound: dt.datetime, later: dt.timedelta, least: bool, shown: slice) -> dict[str, Any]:
    """Return what compares points in time, of which a part is shown."""
    clock, offset = bound.replace(tzinfo=None), bound.utcoffset()
    by_clock = _clock(clock, later, least, shown)
    if offset is None:
        return by_clock
    own = re.escape(bound.isoformat()[-6:])
    zones = [(NAIVE, by_clock), (f"{own}$", by_clock)]
    zones.append(("(?:Z|[+-]00:00)$", _clock(clock, later - offset, least, shown)))
    if not shown.start:
        zones.append((AWARE, _clock(clock, (_DAY if least else -_DAY) - offset, least, shown)))
    return {"anyOf": [{"allOf": [{"pattern": zone}, compared]} for zone, compared in zones]}


def _clock(clock: dt.datetime, later: dt.timedelta, least: bool, shown: slice) -> dict[str, Any]:
    """Return what compares texts with the time that a clock shows so much later."""
    try:
        moved = clock + later
    except OverflowError:
        moved = None
    if moved is None or (shown.start and moved.date() != clock.date()):
        return {"pattern": _NOTHING} if (later > dt.timedelta()) == least else {}
    text = moved.isoformat(timespec="microseconds")[shown]
    return {"pattern": "^" + _compared(text, least, _DATE - (shown.start or 0), "$|[Z+-]")}


def _compared(bound: str, least: bool, whole: int = 99, end: str = "", rest: str = "") -> str:
    """Return a pattern of the beginnings of texts that are at least, or at most, a bound as long as they are.

    From the index `whole` on a text may end as `end` does, and what is missing are zeros. `rest`: what each
    character may be after the one that decides.
    """
    pattern = free = ""
    for at in reversed(range(len(bound))):
        digit = bound[at]
        if not digit.isdigit():
            pattern = pattern and re.escape(digit) + pattern
        elif pattern != free or digit != ("0" if least else "9"):
            low, high = (int(digit) + 1, 9) if least else (0, int(digit) - 1)
            pattern = f"(?:[{low}-{high}]{free}|{digit}{pattern})" if low <= high else digit + pattern
        else:
            pattern = rest + free
        free += rest
        if at >= whole and not least and pattern != free:
            pattern = f"(?:{end}|{pattern})"
    return pattern


def _duration(bound: dt.timedelta, least: bool) -> dict[str, Any]:
    if bound < dt.timedelta():
        return {} if least else {"pattern": _NOTHING}
    return {"pattern": f"^P(?:{'|'.join(_durations(units, bound, least) for units in _CHAINS)})$"}


def _durations(units: str, bound: dt.timedelta, least: bool) -> str:
    """Return a pattern of durations in some units that are at least, or at most, a bound."""
    if not units:
        return "(?:a^)" if least and bound else ""
    unit = units[0]
    count, left = divmod(bound, _UNITS[unit])
    fraction = part = ""
    if unit == "S":
        digits = f"{left // _TICK:06}"
        fraction, part = _FRACTION, rf"(?:\.{_compared(digits, least, 1, '', '[0-9]*')})"
        part += "" if least and left else "?"
    same = f"T?{count}{part}{unit}"
    beyond = f"T?{_counts(count + 1 if least else count - 1, least)}{fraction}{unit}"
    if not least:
        beyond = f"(?:{beyond})?" if count else "a^"
    if not count and (unit != "S" or part.endswith("?")):
        same = f"(?:{same})?"
    return f"(?:{beyond}{_BEHIND[unit]}|{same}{'' if part else _durations(units[1:], left, least)})"


def _counts(bound: int, least: bool) -> str:
    """Return a pattern of numerals that are at least, or at most, a bound."""
    text = str(bound)
    other = f"[1-9][0-9]{{{len(text)},}}" if least else f"[0-9]{{1,{len(text) - 1}}}"
    return f"(?:{_compared(text, least, rest='[0-9]')}{f'|{other}' if least or text[1:] else ''})"

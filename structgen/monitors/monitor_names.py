"""Monitors by name, as a command line gives them: `python-attributes:project=DIR`."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, Final

from structgen.errors import OptionError
from structgen.monitors.monitor import Monitor
from structgen.monitors.python_code import python_arguments, python_attributes, python_names

MONITORS: Final[dict[str, Callable[..., Monitor]]] = {
    "python-attributes": python_attributes,
    "python-names": python_names,
    "python-arguments": python_arguments,
}
_OPTIONS: Final = ("project", "seconds")


def monitor_named(told: str) -> Monitor:
    """Return the monitor of a text NAME, NAME:project=DIR or NAME:project=DIR,seconds=1. Raises OptionError
    for names and options that there are not, and those of the monitor."""
    name, _colon, rest = told.partition(":")
    made = MONITORS.get(name)
    if made is None:
        near = [*get_close_matches(name, MONITORS, 1), ""][0]
        raise OptionError(
            f"There is no monitor {name!r}.",
            where="monitor",
            cure=f"Write {near}." if near else f"Choose from {', '.join(MONITORS)}.",
        )
    given: dict[str, Any] = {"project": "."}
    for option in rest.split(",") if rest else ():
        key, equals, value = option.partition("=")
        if not equals or key not in _OPTIONS:
            raise OptionError(
                f"{option!r} is no option of {name}.",
                where="monitor",
                cure=f"Write {name}:project=DIR,seconds=1.",
            )
        given[key] = value
    if "seconds" in given:
        try:
            given["seconds"] = float(given["seconds"])
        except ValueError:
            raise OptionError(
                f"{given['seconds']!r} is no number.", where="seconds", cure="Give a number of seconds."
            ) from None
    return made(given.pop("project"), **given)

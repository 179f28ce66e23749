"""Readers for the fields of a structural tag. Each checks the type and raises an error that says where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias

from structgen.errors import OptionError

Format: TypeAlias = "dict[str, Any]"


def fields(value: object, known: set[str], place: str) -> Format:
    """Return a value as an object. Raises `OptionError` where it is not one, or has unknown fields."""
    if not isinstance(value, dict):
        raise OptionError("It is no object.", where=place, cure=f"Its fields are {', '.join(sorted(known))}.")
    if not value.keys() <= known:
        unknown = sorted(value.keys() - known, key=str)
        near = get_close_matches(str(unknown[0]), known, 1)
        raise OptionError(
            f"{', '.join(map(repr, unknown))}: not known here.",
            where=place,
            cure=(f"Is {near[0]!r} meant? " if near else "") + f"Known are {', '.join(sorted(known))}.",
        )
    return value


def member(value: Format, name: str, place: str) -> Any:
    """Return a field that must be there."""
    if name not in value:
        raise OptionError(f"{name} is missing.", where=place, cure=f"Give {name}.")
    return value[name]


def text_of(value: Format, name: str, place: str) -> str:
    """Return a field that is a text."""
    found = member(value, name, place)
    if not isinstance(found, str):
        raise OptionError(f"{name} is no text.", where=f"{place}/{name}", cure="Give a string.")
    return found


def texts_of(value: Format, name: str, place: str, *, empty: bool = False) -> list[str]:
    """Return a list of texts, [] where there is none; `empty`: the empty text may be among them."""
    found = value.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, str) and (one or empty) for one in found):
        raise OptionError(
            f"{name} is no list of texts.", where=f"{place}/{name}", cure="Give strings that are not empty."
        )
    return list(dict.fromkeys(found))


def some_of(value: Format, name: str, place: str) -> list[Any]:
    """Return a field that is a list of one or more."""
    found = member(value, name, place)
    if not isinstance(found, list) or not found:
        raise OptionError(f"{name} lists nothing.", where=f"{place}/{name}", cure="Give one at least.")
    return found


def dicts_of(values: Sequence[Any], place: str) -> Iterator[tuple[int, Format]]:
    """Yield the objects of a list, with their indices."""
    for index, one in enumerate(values):
        if not isinstance(one, dict):
            raise OptionError("It is no object.", where=f"{place}/{index}", cure="Give an object.")
        yield index, one


def flag_of(value: Format, name: str, place: str, *, unsaid: bool = False) -> bool:
    """Return a field that is true or false; `unsaid` where it is not there."""
    found = value.get(name, unsaid)
    if not isinstance(found, bool):
        raise OptionError(f"{name} is {found!r}.", where=f"{place}/{name}", cure="Give true or false.")
    return found


def count_of(value: Format, name: str, place: str) -> int | None:
    """Return a field that is a count, or None."""
    found = value.get(name)
    if found is not None and (isinstance(found, bool) or not isinstance(found, int) or found < 0):
        raise OptionError(f"{name} is {found!r}.", where=f"{place}/{name}", cure="Give 0 or more.")
    return found

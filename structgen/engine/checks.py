"""Checks of options: each returns the value as the engine keeps it, or raises OptionError with the cure.

Numbers may be Python's or numpy's; a bool is no number, and NaN and infinity are not either.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

from structgen.errors import OptionError

_GREATEST = 1.7e308
_SHOWN = 60
"""Characters of a wrong value that a message shows."""


def whole(name: str, value: Any, least: int | None = None, most: int | None = None) -> int:
    """Return a whole number between two bounds, both allowed."""
    takes = "a whole number"
    if least is not None:
        takes += f", at least {least:,}" if most is None else f" from {least:,} to {most:,}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise _wrong(name, value, takes)
    found = int(value)
    if (least is not None and found < least) or (most is not None and found > most):
        raise _wrong(name, value, takes)
    return found


def number(
    name: str, value: Any, least: float, most: float, takes: str, besides: float | None = None
) -> float:
    """Return a number between two bounds, both allowed, or the one that is allowed besides; `takes` says so
    in words."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise _wrong(name, value, takes)
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not (found == besides or least <= found <= most):
        raise _wrong(name, value, takes)
    return found


def flag(name: str, value: Any) -> bool | None:
    """Return True or False, or None where it is left out."""
    if value is not None and not isinstance(value, bool):
        raise _wrong(name, value, "True or False, or leave it out")
    return value


def seconds(name: str, value: Any) -> float | None:
    """Return seconds, or None where there is no limit."""
    takes = "seconds, at least 0, or None for no limit"
    return None if value is None else number(name, value, 0.0, _GREATEST, takes)


def text(name: str, value: Any) -> str:
    """Return a text that UTF-8 can write, not an empty one."""
    if not isinstance(value, str) or not value:
        raise _wrong(name, value, "a text that is not empty")
    return encodable(name, value)


def encodable(name: str, value: str) -> str:
    """Return a text that UTF-8 can write."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise OptionError(
            f"Character {error.start}, {value[error.start]!r}, is half of a surrogate pair: no text.",
            where=name,
            cure="Take it out, or write the character whole.",
        ) from error
    return value


def texts(name: str, value: Any) -> tuple[str, ...]:
    """Return some texts, of one text or a sequence of them."""
    if isinstance(value, str):
        value = (value,)
    if not isinstance(value, Sequence) or isinstance(value, bytes | bytearray):
        raise _wrong(name, value, "a text, or a sequence of texts")
    return tuple(text(name, one) for one in value)


def tokens(name: str, value: Any) -> tuple[int, ...]:
    """Return token ids, at least one, of a sequence of whole numbers or an array of them."""
    takes = "a text, or a sequence of token ids (whole numbers), at least one"
    listed = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(listed, Sequence) or isinstance(listed, bytes | bytearray | memoryview) or not listed:
        raise _wrong(name, value, takes)
    if not all(type(token) is int and token >= 0 for token in listed):
        for at, token in enumerate(listed):
            whole(f"{name}[{at}]", token, 0)
    return tuple(map(int, listed))


def _wrong(name: str, value: Any, takes: str) -> OptionError:
    shown = repr(value)
    if len(shown) > _SHOWN:
        shown = f"{shown[:_SHOWN]}..."
    return OptionError(f"{shown} is not allowed.", where=name, cure=f"Give {takes}.")

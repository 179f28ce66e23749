"""JSON text to values and back with every numeral exactly as written; neither way recurses."""

from __future__ import annotations

import json
from json import JSONDecodeError
from typing import Any, NoReturn

from structgen.json_text.events import JsonError
from structgen.json_text.growing_json import value_of
from structgen.json_text.writing import quoted, written


class RawNumeral(str):
    """A JSON number as its text: `1e-7`, `0.000016` and `1.0` do not survive a float."""

    __slots__ = ()


def read(text: str) -> Any:
    """Return the value of a JSON text, numbers as `RawNumeral`; of equal keys the last one counts.

    Depth is bounded by memory alone. Raises `json.JSONDecodeError`, also for NaN and Infinity (RFC 8259).
    """
    try:
        return json.loads(text, parse_float=RawNumeral, parse_int=RawNumeral, parse_constant=_no_constant)
    except RecursionError:
        try:
            return value_of(text, RawNumeral)
        except JsonError as error:
            raise JSONDecodeError(error.what, text, error.at) from error


def write(value: Any) -> str:
    """Return the text `json.dumps(value, ensure_ascii=False)` writes, with every `RawNumeral` as it was read.

    Lone surrogates, which no UTF-8 text can hold, are written as escapes.
    """
    return written(value, _atom, name=quoted, space=" ")


def _atom(value: Any) -> str:
    if isinstance(value, RawNumeral):
        return value
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def dumped(value: Any) -> str:
    """Return the text `json.dumps(value, ensure_ascii=False)` writes, at any depth."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return write(value)


def _no_constant(name: str) -> NoReturn:
    raise JSONDecodeError(f"{name} is no JSON value", name, 0)

"""JSON text to values and back with every numeral exactly as written; neither way recurses."""

from __future__ import annotations

import json
import re
from json import JSONDecodeError
from typing import Any, Final, NoReturn

from structgen.core.events import JsonError
from structgen.core.growing_json import value_of

_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


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
    pieces: list[str] = []
    # What is still to be written, last first; a 1-tuple is text that is ready.
    rest: list[Any] = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, tuple):
            pieces.append(item[0])
        elif isinstance(item, dict):
            pieces.append("{")
            rest.append(("}",))
            first = len(rest)
            for key, member in item.items():
                rest.append((f"{', ' if len(rest) > first else ''}{_quote(key)}: ",))
                rest.append(member)
            rest[first:] = rest[: first - 1 : -1]
        elif isinstance(item, list):
            pieces.append("[")
            rest.append(("]",))
            for index in range(len(item) - 1, -1, -1):
                rest.append(item[index])
                if index:
                    rest.append((", ",))
        elif isinstance(item, RawNumeral):
            pieces.append(item)
        elif isinstance(item, str):
            pieces.append(_quote(item))
        else:
            pieces.append(json.dumps(item))
    return "".join(pieces)


def written(value: Any) -> str:
    """Return the text `json.dumps(value, ensure_ascii=False)` writes, at any depth."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return write(value)


def _quote(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


def _no_constant(name: str) -> NoReturn:
    raise JSONDecodeError(f"{name} is no JSON value", name, 0)

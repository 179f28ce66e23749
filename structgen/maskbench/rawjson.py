"""JSON text to values and back with every numeral exactly as written; neither way recurses."""

from __future__ import annotations

import json
import re
from json import JSONDecodeError, JSONDecoder
from typing import Any, Final, NoReturn

_BLANKS: Final = re.compile(r"[ \t\n\r]*")
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
        return _read_deep(text)


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


def _quote(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


def _no_constant(name: str) -> NoReturn:
    raise JSONDecodeError(f"{name} is no JSON value", name, 0)


def _read_deep(text: str) -> Any:
    """Return what `read` returns, for texts nested deeper than the interpreter's stack."""
    decoder = JSONDecoder(parse_float=RawNumeral, parse_int=RawNumeral, parse_constant=_no_constant)
    # One entry per open bracket: the container and, in an object, the key that waits for its value.
    opened: list[tuple[Any, str]] = []
    at = _skip(text, 0)
    while True:
        char = text[at : at + 1]
        if char in ("{", "["):
            value: Any = {} if char == "{" else []
            at = _skip(text, at + 1)
            if text[at : at + 1] != ("}" if char == "{" else "]"):
                key, at = _key(decoder, text, at) if char == "{" else ("", at)
                opened.append((value, key))
                continue
            at += 1
        else:
            value, at = decoder.raw_decode(text, at)
        at = _skip(text, at)
        while opened:
            container, key = opened.pop()
            if isinstance(container, dict):
                container[key] = value
            else:
                container.append(value)
            char = text[at : at + 1]
            if char == ",":
                at = _skip(text, at + 1)
                key, at = _key(decoder, text, at) if isinstance(container, dict) else ("", at)
                opened.append((container, key))
                break
            if char != ("}" if isinstance(container, dict) else "]"):
                raise JSONDecodeError("Expecting ',' or a closing bracket", text, at)
            value, at = container, _skip(text, at + 1)
        else:
            if at != len(text):
                raise JSONDecodeError("Extra data", text, at)
            return value


def _skip(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def _key(decoder: JSONDecoder, text: str, at: int) -> tuple[str, int]:
    if text[at : at + 1] != '"':
        raise JSONDecodeError("Expecting a property name in double quotes", text, at)
    key, at = decoder.raw_decode(text, at)
    at = _skip(text, at)
    if text[at : at + 1] != ":":
        raise JSONDecodeError("Expecting ':'", text, at)
    return key, _skip(text, at + 1)

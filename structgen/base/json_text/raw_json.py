"""JSON text to values and back with every numeral as it was written, and the writer of JSON of any depth.

Nothing here recurses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from json import JSONDecodeError
from typing import Any, Final, NoReturn

from structgen.base.json_text.events import JsonError
from structgen.base.json_text.growing_json import value_of


class RawNumeral(str):
    """A JSON number as its text: `1e-7`, `0.000016` and `1.0` do not survive a float."""

    __slots__ = ()


def read_as_written(text: str) -> Any:
    """Return the value of a JSON text, numbers as `RawNumeral`; of equal keys the last one counts.

    Depth is bounded by memory alone. Raises `json.JSONDecodeError`, also for NaN and Infinity (RFC 8259).
    """
    try:
        return json.loads(text, parse_float=RawNumeral, parse_int=RawNumeral, parse_constant=_no_constant)
    except RecursionError:
        # Too deep for the C reader: ours does not recurse, and takes some 50 times as long.
        try:
            return value_of(text, RawNumeral)
        except JsonError as error:
            raise JSONDecodeError(error.fault, text, error.at) from error


def write_json(
    value: Any,
    atom: Callable[[Any], str],
    *,
    name: Callable[[str], str] = json.dumps,
    space: str = "",
) -> str:
    """Return the JSON text of a value of any depth, members in order. `atom` writes what is no list and no
    dict, `name` the names of members; `space` stands behind commas and colons. Cost: linear, some 1 us a
    value."""
    parts: list[str] = []
    # Either a value to write, or (a str in a 1-tuple) text that is ready; the last comes first.
    todo: list[Any] = [value]
    while todo:
        node = todo.pop()
        kind = node.__class__
        if kind is tuple:
            parts.append(node[0])
        elif kind is list:
            todo.append(("]",))
            # Backwards, since the last entry of `todo` is written next. A comma stands before all but one.
            for index in range(len(node) - 1, -1, -1):
                todo.append(node[index])
                if index:
                    todo.append(("," + space,))
            parts.append("[")
        elif kind is dict:
            todo.append(("}",))
            for remaining, (key, member) in zip(
                range(len(node) - 1, -1, -1),
                reversed(node.items()),
                strict=True,
            ):
                todo.append(member)
                todo.append((("," + space if remaining else "") + name(key) + ":" + space,))
            parts.append("{")
        else:
            parts.append(atom(node))
    return "".join(parts)


LONE: Final = re.compile("[\ud800-\udfff]")
"""A lone surrogate, which no UTF-8 text can hold."""


def quote_string(text: str) -> str:
    """Return the shortest JSON literal of a string, as `json.dumps(ensure_ascii=False)` writes it; lone
    surrogates are written as escapes."""
    return LONE.sub(_escape_surrogate, json.dumps(text, ensure_ascii=False))


def _escape_surrogate(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def write_as_read(value: Any) -> str:
    """Return the text `json.dumps(value, ensure_ascii=False)` writes, with every `RawNumeral` as it was read.

    Lone surrogates, which no UTF-8 text can hold, are written as escapes.
    """
    return write_json(value, _write_atom, name=quote_string, space=" ")


def _write_atom(value: Any) -> str:
    if isinstance(value, RawNumeral):
        return value
    if isinstance(value, str):
        return quote_string(value)
    return json.dumps(value)


def dump_json(value: Any) -> str:
    """Return the text `json.dumps(value, ensure_ascii=False)` writes, at any depth."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return write_as_read(value)


def _no_constant(name: str) -> NoReturn:
    raise JSONDecodeError(f"{name} is not a JSON value", name, 0)

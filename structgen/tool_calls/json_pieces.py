"""JSON inside other texts: where a value ends, and what there is of one that is still being written."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from structgen.text_grammars.composition.templates import BLANK

MISSING: Final = object()
"""Nothing can be said of a value yet."""
_CLOSES: Final = {"{": "}", "[": "]"}
_STRING_END: Final = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_CUT_ESCAPE: Final = re.compile(
    r"(?:\\u[dD][89abAB][0-9a-fA-F]{2})?\\(?:u[0-9a-fA-F]{0,3})?$|\\u[dD][89abAB][0-9a-fA-F]{2}$"
)
_SCALAR: Final = re.compile(r"[^\s,\]}]*")


def value_end(text: str, at: int) -> int | None:
    """Return where the object, array or string that begins at `at` ends; None if the text ends before.
    Raises ValueError where none begins, or brackets do not fit."""
    first = text[at : at + 1]
    if first == '"':
        found = _STRING_END.match(text, at + 1)
        return found.end() if found else None
    if first not in _CLOSES:
        raise ValueError("it begins neither an object nor a string")
    open_: list[str] = []
    while at < len(text):
        char = text[at]
        if char == '"':
            found = _STRING_END.match(text, at + 1)
            if found is None:
                return None
            at = found.end()
            continue
        if char in _CLOSES:
            open_.append(_CLOSES[char])
        elif char in "]}":
            if open_.pop() != char:
                raise ValueError(f"{char} closes what is not open")
            if not open_:
                return at + 1
        at += 1
    return None


def exact_value(text: str) -> Any:
    """Return the value of a JSON text. Raises ValueError, for NaN and the infinities too."""
    return json.loads(text, parse_constant=_no_number)


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def growing_value(text: str, at: int = 0) -> tuple[Any, int]:
    """Return what there is of a value that begins at `at`, and where that ends: the members and items that
    have closed, and of a string the characters that are there. MISSING where nothing is there yet: of a
    number it is not known whether more digits come. Raises ValueError where the text is no JSON."""
    at = _skipped(text, at)
    if at == len(text):
        return MISSING, at
    if text[at] == '"':
        return _string(text, at)
    if text[at] in _CLOSES:
        return _container(text, at)
    found = _SCALAR.match(text, at)
    assert found is not None
    return (MISSING if found.end() == len(text) else exact_value(found[0])), found.end()


def _string(text: str, at: int) -> tuple[str, int]:
    found = _STRING_END.match(text, at + 1)
    if found:
        return json.loads(text[at : found.end()], strict=False), found.end()
    return json.loads(f'{_CUT_ESCAPE.sub("", text[at:])}"', strict=False), len(text)


def _container(text: str, at: int) -> tuple[Any, int]:
    keyed, close = text[at] == "{", _CLOSES[text[at]]
    members: dict[str, Any] = {}
    items: list[Any] = []
    at = _skipped(text, at + 1)
    while at < len(text) and text[at] != close:
        key = ""
        if keyed:
            if value_end(text, at) is None:
                break
            key, at = _string(text, at)
            at = _skipped(text, at)
            if at == len(text):
                break
            if text[at] != ":":
                raise ValueError("a key without a value")
            at += 1
        value, at = growing_value(text, at)
        if value is not MISSING:
            members[key] = value
            items.append(value)
        at = _skipped(text, at)
        if text[at : at + 1] == ",":
            at = _skipped(text, at + 1)
    return (members if keyed else items), min(at + 1, len(text))


def _skipped(text: str, at: int) -> int:
    while at < len(text) and text[at] in BLANK:
        at += 1
    return at

"""What `jsonschema` and jsonschema-rs say of a value, where they agree; formats say nothing."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

import jsonschema
import jsonschema_rs

Json = Any


class TwoJudges:
    """The two validators of draft 2020-12 for one schema.

    jsonschema-rs does not read lone surrogates: it gets others of Unicode's unused characters in their place,
    each its own, which no pattern here can tell from them.
    """

    def __init__(self, schema: Json) -> None:
        self._python = jsonschema.Draft202012Validator(schema)
        self._rust = jsonschema_rs.Draft202012Validator(_written(schema), validate_formats=False)

    def valid(self, value: Json) -> bool | None:
        """Return what both say, or None where they differ."""
        try:
            said = self._python.is_valid(value)
        except (TypeError, InvalidOperation):
            # A float and a Decimal that are to be divided by one another, or a quotient of over 28 digits.
            return None
        return said if self._rust.is_valid(_written(value)) == said else None


def has_lone(value: Json) -> bool:
    """Return whether a value has a lone surrogate."""
    return bool(_written(value) != value)


def _written(value: Json) -> Json:
    """Return a value with other characters for its lone surrogates."""
    if isinstance(value, str):
        return value if value.isascii() else _LONE.sub(lambda one: chr(_UNUSED + ord(one[0])), value)
    if isinstance(value, dict):
        return {_written(key): _written(member) for key, member in value.items()}
    return list(map(_written, value)) if isinstance(value, list) else value


_LONE = re.compile("[\ud800-\udfff]")
_UNUSED = 0xF0000


def readable(text: bytes | str, *, exact: bool = False) -> Json:
    """Return the value of a JSON text as validators take it; ValueError for numbers that they do not hold.

    `exact`: a number that no float holds is a Decimal or, where it is whole, an int.
    """

    def number(digits: str) -> float | Decimal:
        try:
            value = Decimal(digits)
        except InvalidOperation:
            raise ValueError(digits) from None
        if abs(value.adjusted()) > 300:
            raise ValueError(digits)
        near = float(digits)
        if near == value or (not exact and len(digits) <= 15):
            return near
        if not exact:
            raise ValueError(digits)
        return int(value) if value == value.to_integral_value() else value

    return json.loads(text, parse_float=number)

"""What `jsonschema` and jsonschema-rs say of a value, where they agree; formats say nothing."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any

import jsonschema
import jsonschema_rs

Json = Any


class TwoJudges:
    """The two validators of draft 2020-12 for one schema.

    A lone surrogate, in the schema or in the value, jsonschema-rs does not read: then the other decides
    alone.
    """

    def __init__(self, schema: Json) -> None:
        self._python = jsonschema.Draft202012Validator(schema)
        self._rust: Any = None
        if writable(schema):
            self._rust = jsonschema_rs.Draft202012Validator(schema, validate_formats=False)

    def valid(self, value: Json) -> bool | None:
        """Return what both say, or None where they differ."""
        try:
            said = self._python.is_valid(value)
        except TypeError:
            # A float and a Decimal that are to be divided by one another.
            return None
        if self._rust is None or not writable(value):
            return said
        return said if self._rust.is_valid(value) == said else None


def writable(value: Json) -> bool:
    """Return whether a value has no lone surrogate."""
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return False
    return True


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

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
        said = self._python.is_valid(value)
        if self._rust is None or not writable(value):
            return said
        return said if self._rust.is_valid(value) == said else None


def writable(value: Json) -> bool:
    """Return whether a value has no lone surrogate."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def readable(text: bytes | str) -> Json:
    """Return the value of a JSON text as validators take it; ValueError for numbers that they do not
    hold."""

    def number(digits: str) -> float:
        try:
            exact = Decimal(digits)
        except InvalidOperation:
            raise ValueError(digits) from None
        if abs(exact.adjusted()) > 300 or (Decimal(float(digits)) != exact and len(digits) > 15):
            raise ValueError(digits)
        return float(digits)

    return json.loads(text, parse_float=number)

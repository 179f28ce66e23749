"""Decides whether a value meets a schema: `jsonschema`, with exact numbers, and the patterns of ECMA-262.

The package takes numbers as floats and patterns as Python's: keywords of both are written here, from the
words of the specifications. Formats are asked of jsonschema-rs, since they are no question of evaluation.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

import ecma
import jsonschema
import jsonschema_rs
from jsonschema.validators import extend
from referencing.exceptions import Unresolvable
from schema_text import OLD_DRAFTS, draft_of, exact

Json = Any
_NAMES = frozenset(("properties", "patternProperties", "$defs", "definitions"))
"""Keywords whose members are names, not keywords."""
_COUNTED = "x-contains"
"""`contains` of draft 2019-09 (core 9.3.1.3), which evaluates no item."""


class Unknown(ValueError):
    """The schema has a reference that leads nowhere, or out of the document."""


def is_number(value: Json) -> bool:
    """Return whether a value is a number of JSON."""
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _is_integer(_checker: object, value: Json) -> bool:
    return is_number(value) and Fraction(exact(value)).denominator == 1


@lru_cache(maxsize=256)
def _format_judge(name: str) -> Any:
    return jsonschema_rs.validator_for({"format": name}, validate_formats=True)


def _faults(is_met: bool) -> Iterator[jsonschema.ValidationError]:
    if not is_met:
        yield jsonschema.ValidationError("")


def _pattern(judge: Any, body: Json, value: Json, members: Json) -> Iterator[Any]:
    return _faults(not isinstance(value, str) or ecma.search(body, value))


def _format(judge: Any, body: Json, value: Json, members: Json) -> Iterator[Any]:
    return _faults(not isinstance(value, str) or _format_judge(body).is_valid(value))


def _multiple(judge: Any, body: Json, value: Json, members: Json) -> Iterator[Any]:
    return _faults(not is_number(value) or (Fraction(value) / Fraction(body)).denominator == 1)


def _unique(judge: Any, body: Json, value: Json, members: Json) -> Iterator[Any]:
    if body and isinstance(value, list):
        pairs = ((one, other) for at, one in enumerate(value) for other in value[:at])
        yield from _faults(not any(judge.evolve(schema={"enum": [one]}).is_valid(two) for one, two in pairs))


def _pattern_properties(judge: Any, body: Json, value: Json, members: Json) -> Iterator[Any]:
    for pattern, schema in body.items() if isinstance(value, dict) else ():
        for key, child in value.items():
            if ecma.search(pattern, key):
                yield from judge.descend(child, schema)


def _additional(judge: Any, body: Json, value: Json, members: Json) -> Iterator[Any]:
    for key, child in value.items() if isinstance(value, dict) else ():
        by_pattern = any(ecma.search(pattern, key) for pattern in members.get("patternProperties", ()))
        if key not in members.get("properties", ()) and not by_pattern:
            yield from judge.descend(child, body)


@cache
def _validators(draft: str, formats: bool) -> Any:
    known = getattr(jsonschema, f"Draft{draft.replace('-', '')}Validator")
    own = {
        "pattern": _pattern,
        "multipleOf": _multiple,
        "uniqueItems": _unique,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional,
    }
    own |= {"format": _format} if formats else {}
    own |= {_COUNTED: known.VALIDATORS["contains"]} if draft == "2019-09" else {}
    types = known.TYPE_CHECKER if draft in ("3", "4") else known.TYPE_CHECKER.redefine("integer", _is_integer)
    return extend(known, own, type_checker=types)


def _written(schema: Json, draft: str, around: str = "") -> Json:
    """Return a schema whose numbers are exact, as the extended classes take it."""
    if isinstance(schema, float):
        return exact(schema)
    if isinstance(schema, list):
        return [_written(one, draft) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {}
    for name, body in schema.items():
        if around not in _NAMES:
            if name == "contains" and draft == "2019-09":
                name = _COUNTED
            elif name == "items" and draft == "2019-09" and isinstance(body, bool):
                body = {} if body else {"not": {}}  # jsonschema asks for its length
            elif name == "dependencies" and draft in OLD_DRAFTS and isinstance(body, dict):
                # referencing 0.37 takes such a list for a schema
                body = {key: {"required": one} if isinstance(one, list) else one for key, one in body.items()}
        found[name] = _written(body, draft, name)
    return found


class Arbiter:
    """The truth about one schema."""

    def __init__(self, schema: Json, draft: str | None = None, formats: str = "assert") -> None:
        draft = draft_of(schema, draft)
        self._judge = _validators(draft, formats == "assert")(_written(schema, draft))

    def valid(self, value: Json) -> bool:
        """Return whether the value meets the schema; raise `Unknown` for a reference out of it."""
        try:
            return bool(self._judge.is_valid(value))
        except Unresolvable as error:
            raise Unknown(str(error)) from error

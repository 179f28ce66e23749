"""The truth of a value under a schema, agreed by three: the arbiter, jsonschema-rs, jsonschema.

Where the two validators depart from the arbiter, the departure must be one of `DISAGREEMENTS`; any other is
raised, so that a person decides who is wrong.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import jsonschema
import jsonschema_rs
from arbiter import Arbiter
from schema_text import OLD_DRAFTS, draft_of

Json = Any


class Dispute(AssertionError):
    """A validator departs from the arbiter in a way that nobody has looked at."""


@dataclass(frozen=True)
class Disagreement:
    """A known fault of a validator, with one case that shows it and the words of the specification."""

    who: str
    schema: Json
    value: Json
    valid: bool
    section: str
    applies: Callable[[Json, Json], bool]


def _keywords(schema: Json) -> Iterator[tuple[str, Json]]:
    stack = [schema]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield from item.items()
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def _has(*names: str) -> Callable[[Json, Json], bool]:
    return lambda schema, value: any(keyword in names for keyword, _ in _keywords(schema))


def _scalars(value: Json) -> Iterator[Json]:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield from item
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
        else:
            yield item


def _fraction_under_multiple(schema: Json, value: Json) -> bool:
    return _has("multipleOf")(schema, value) and any(isinstance(v, (float, Decimal)) for v in _scalars(value))


def _newline_under_pattern(schema: Json, value: Json) -> bool:
    named = _has("pattern", "patternProperties")(schema, value)
    return named and any(isinstance(v, str) and "\n" in v for v in _scalars(value))


def _later_format(schema: Json, value: Json) -> bool:
    return _has("format")(schema, value) and draft_of(schema) in OLD_DRAFTS


def _long_number(schema: Json, value: Json) -> bool:
    numbers = [Decimal(v) for v in _scalars(value) if isinstance(v, (int, Decimal))]
    return any(len(n.as_tuple().digits) > 15 or abs(n.adjusted()) > 300 for n in numbers)


def _counted_item_under_rest(schema: Json, value: Json) -> bool:
    both = _has("contains")(schema, value) and _has("unevaluatedItems")(schema, value)
    return both and draft_of(schema) == "2019-09"


_COUNTED = {
    "$schema": "https://json-schema.org/draft/2019-09/schema",
    "contains": {},
    "unevaluatedItems": False,
}
_REST = (
    "Core 2019-09, 9.3.1.3: the rest is what items, additionalItems, unevaluatedItems leave; not contains."
)
DISAGREEMENTS: tuple[Disagreement, ...] = (
    Disagreement(
        "jsonschema",
        {"multipleOf": 0.01},
        Decimal("19.99"),
        True,
        "Validation 6.2.1: division results in an integer; JSON numbers are decimal (RFC 8259, section 6).",
        _fraction_under_multiple,
    ),
    Disagreement(
        "jsonschema",
        {"pattern": "^a$"},
        "a\n",
        False,
        "Validation 6.3.3 with ECMA-262 22.2.2.4: without the m flag, $ is the end of the text alone.",
        _newline_under_pattern,
    ),
    Disagreement(
        "jsonschema_rs",
        {"$schema": "http://json-schema.org/draft-06/schema#", "format": "uuid"},
        "no uuid",
        False,
        "Draft-06 validation 8.1: later formats may be offered; each is asserted in every draft.",
        _later_format,
    ),
    Disagreement(
        "jsonschema_rs",
        {"multipleOf": 2},
        Decimal("-10000000169639103.502"),
        False,
        "Validation 6.2.1, as above: the number is read as a binary64.",
        _long_number,
    ),
    Disagreement(
        "jsonschema",
        {"maximum": 1},
        Decimal("1.00000000000000000001"),
        False,
        "Validation 6.2.2: the number is read as a binary64.",
        _long_number,
    ),
    Disagreement("jsonschema_rs", _COUNTED, [0], False, _REST, _counted_item_under_rest),
    Disagreement("jsonschema", _COUNTED, [0], False, _REST, _counted_item_under_rest),
)
"""Every entry's case is run by the tests: an entry whose validator was mended must go."""


def _finite(value: Decimal) -> float:
    if math.isinf(float(value)):
        raise OverflowError(value)
    return float(value)


def _plain(value: Json) -> Json:
    """Return the value with floats for decimals, as jsonschema takes numbers."""
    if isinstance(value, Decimal):
        return _finite(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _writable(value: Json) -> bool:
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return False
    return True


_URIS = {
    "4": "http://json-schema.org/draft-04/schema#",
    "6": "http://json-schema.org/draft-06/schema#",
    "7": "http://json-schema.org/draft-07/schema#",
    "2019-09": "https://json-schema.org/draft/2019-09/schema",
    "2020-12": "https://json-schema.org/draft/2020-12/schema",
}


class Validator:
    """One schema under the three judges. `draft` and `formats` are as `json_schema` takes them."""

    def __init__(self, schema: Json, draft: str | None = None, formats: str = "assert") -> None:
        self.schema = schema
        name = draft_of(schema, draft)
        # what disagreements look at: it says its draft, however that was given
        self._said = (
            schema if draft is None or not isinstance(schema, dict) else schema | {"$schema": _URIS[name]}
        )
        self.arbiter = Arbiter(schema, draft, formats)
        numbers = {"4": 4, "6": 6, "7": 7, "2019-09": 201909, "2020-12": 202012}
        rust = getattr(jsonschema_rs, f"Draft{numbers[name]}Validator")
        asserts = formats == "assert"
        self._rust = rust(schema, validate_formats=asserts)
        cls = getattr(jsonschema, f"Draft{numbers[name]}Validator")
        # jsonschema's formats depend on what else is installed: its opinion is asked only where there is
        # none.
        self._python = None if _has("format")(schema, None) and asserts else cls(_plain(schema))

    def opinions(self, value: Json) -> dict[str, bool]:
        """Return what each validator that can read the value says (lone surrogates: jsonschema-rs cannot)."""
        found: dict[str, bool] = {}
        if _writable(value):
            found["jsonschema_rs"] = self._rust.is_valid(value)
        if self._python is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                # referencing 0.37 takes the list of a dependency for a schema
                with contextlib.suppress(OverflowError, re.error, AttributeError):
                    found["jsonschema"] = self._python.is_valid(_plain(value))
        return found

    def valid(self, value: Json) -> bool:
        """Return whether the value meets the schema; raise `Dispute` on an unknown disagreement."""
        truth = self.arbiter.valid(value)
        for who, opinion in self.opinions(value).items():
            known = (d for d in DISAGREEMENTS if d.who == who)
            if opinion != truth and not any(d.applies(self._said, value) for d in known):
                raise Dispute(f"{who} says {opinion}, the arbiter {truth}: {self.schema!r} on {value!r}")
        return truth

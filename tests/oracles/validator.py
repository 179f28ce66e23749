"""The truth of a value under a schema, agreed by two: the arbiter and jsonschema-rs.

Where jsonschema-rs departs from the arbiter, the departure must be one of `DISAGREEMENTS`; any other is
raised, so that a person decides who is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import jsonschema_rs
from arbiter import Arbiter
from schema_text import OLD_DRAFTS, draft_of

Json = Any


class Dispute(AssertionError):
    """jsonschema-rs departs from the arbiter in a way that nobody has looked at."""


@dataclass(frozen=True)
class Disagreement:
    """A known fault of jsonschema-rs, with one case that shows it and the words of the specification."""

    schema: Json
    value: Json
    valid: bool
    section: str
    applies: Callable[[Json, Json], bool]


def _has(schema: Json, name: str) -> bool:
    return f'"{name}"' in json.dumps(schema, default=str)


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


def _later_format(schema: Json, value: Json) -> bool:
    return _has(schema, "format") and draft_of(schema) in OLD_DRAFTS


def _long_number(schema: Json, value: Json) -> bool:
    numbers = [Decimal(v) for v in _scalars(value) if isinstance(v, (int, Decimal))]
    return any(len(n.as_tuple().digits) > 15 or abs(n.adjusted()) > 300 for n in numbers)


def _counted_item_under_rest(schema: Json, value: Json) -> bool:
    both = _has(schema, "contains") and _has(schema, "unevaluatedItems")
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
        {"$schema": "http://json-schema.org/draft-06/schema#", "format": "uuid"},
        "no uuid",
        False,
        "Draft-06 validation 8.1: later formats may be offered; each is asserted in every draft.",
        _later_format,
    ),
    Disagreement(
        {"multipleOf": 2},
        Decimal("-10000000169639103.502"),
        False,
        "Validation 6.2.1, as above: the number is read as a binary64.",
        _long_number,
    ),
    Disagreement(_COUNTED, [0], False, _REST, _counted_item_under_rest),
)
"""Every entry's case is run by the tests: an entry that was mended must go."""


_URIS = {
    "4": "http://json-schema.org/draft-04/schema#",
    "6": "http://json-schema.org/draft-06/schema#",
    "7": "http://json-schema.org/draft-07/schema#",
    "2019-09": "https://json-schema.org/draft/2019-09/schema",
    "2020-12": "https://json-schema.org/draft/2020-12/schema",
}


class Validator:
    """One schema under the two judges. `draft` and `formats` are as `json_schema` takes them."""

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
        self._rust = rust(schema, validate_formats=formats == "assert")

    def opinion(self, value: Json) -> bool | None:
        """Return what jsonschema-rs says; None of lone surrogates, which it cannot read."""
        try:
            json.dumps(value, ensure_ascii=False, default=str).encode()
        except UnicodeEncodeError:
            return None
        return bool(self._rust.is_valid(value))

    def valid(self, value: Json) -> bool:
        """Return whether the value meets the schema; raise `Dispute` on an unknown disagreement."""
        truth, opinion = self.arbiter.valid(value), self.opinion(value)
        if opinion not in (None, truth) and not any(one.applies(self._said, value) for one in DISAGREEMENTS):
            raise Dispute(f"jsonschema-rs says {opinion}, the arbiter {truth}: {self.schema!r} on {value!r}")
        return truth

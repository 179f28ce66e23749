"""Decides whether a value meets a schema, by the specifications' own words: exact numbers, Node's patterns.

Written independently of structgen, from: JSON Schema 2020-12 core and validation, 2019-09, draft-07, -06,
-04. Formats are asked of jsonschema-rs, since they are no question of evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

import ecma
import jsonschema_rs
from evaluation import evaluated_items, evaluated_keys
from schema_text import OLD_DRAFTS, Source, draft_of, exact

Json = Any


class Unknown(ValueError):
    """The schema has a keyword that the arbiter does not decide."""


UNDECIDED = frozenset(("$dynamicRef", "$recursiveRef"))
"""Keywords that would need dynamic scope. Other unknown keywords say nothing (core 6.5)."""


_SINCE = {
    "6": ("const", "contains", "propertyNames"),
    "7": ("if",),
    "2019-09": ("dependentRequired", "dependentSchemas", "unevaluatedItems", "unevaluatedProperties"),
    "2020-12": ("prefixItems",),
}
_DRAFTS = ("4", "6", "7", "2019-09", "2020-12")


def is_known(keyword: str, draft: str) -> bool:
    """Return whether a draft has a keyword: a later one's is no keyword in it."""
    return not any(
        keyword in names and _DRAFTS.index(draft) < _DRAFTS.index(d) for d, names in _SINCE.items()
    )


def same(left: Json, right: Json) -> bool:
    """Return whether two values are equal as JSON values: 1 = 1.0, key order is irrelevant, true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if _is_number(left) and _is_number(right):
        return exact(left) == exact(right)
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return bool(left == right)


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _whole(value: Json) -> bool:
    return _is_number(value) and Fraction(exact(value)).denominator == 1


def type_holds(name: str, value: Json, draft: str) -> bool:
    """Return whether a value has a type. Validation 6.1.1: 1.0 is an integer (in draft 4, 3.5, it is not)."""
    if name == "integer":
        return _whole(value) and (draft != "4" or isinstance(value, int))
    kinds: dict[str, Callable[[Json], bool]] = {
        "object": lambda v: isinstance(v, dict),
        "array": lambda v: isinstance(v, list),
        "string": lambda v: isinstance(v, str),
        "number": _is_number,
        "boolean": lambda v: isinstance(v, bool),
        "null": lambda v: v is None,
    }
    return kinds[name](value)


@lru_cache(maxsize=256)
def _format_judge(name: str) -> Any:
    return jsonschema_rs.validator_for({"format": name}, validate_formats=True)


class Arbiter:
    """The truth about one schema."""

    def __init__(self, schema: Json, draft: str | None = None, formats: str = "assert") -> None:
        self.source = Source(schema, draft_of(schema, draft))
        self.draft = self.source.draft
        self.formats = formats == "assert"

    def valid(self, value: Json) -> bool:
        """Return whether the value meets the schema; raise `Unknown` for a keyword that is not decided
        here.
        """
        return self.meets(self.source.root, value)

    def meets(self, schema: Json, value: Json) -> bool:
        """Return whether a value meets a subschema."""
        if isinstance(schema, bool):
            return schema
        members = self.source.members(schema)
        holds = True
        for keyword, body in members.items():
            if keyword in UNDECIDED:
                raise Unknown(keyword)
            judge = getattr(self, "_" + keyword.replace("$", ""), None)
            if judge is None or not is_known(keyword, self.draft):
                continue
            holds = judge(body, value, members) and holds
        return holds

    # Any type

    def _ref(self, body: Json, value: Json, members: Json) -> bool:
        return self.meets(self.source.resolve(body), value)

    def _type(self, body: Json, value: Json, members: Json) -> bool:
        return any(
            type_holds(name, value, self.draft) for name in ([body] if isinstance(body, str) else body)
        )

    def _enum(self, body: Json, value: Json, members: Json) -> bool:
        return any(same(member, value) for member in body)

    def _const(self, body: Json, value: Json, members: Json) -> bool:
        return same(body, value)

    def _allOf(self, body: Json, value: Json, members: Json) -> bool:
        return all(self.meets(s, value) for s in body)

    def _anyOf(self, body: Json, value: Json, members: Json) -> bool:
        return any(self.meets(s, value) for s in body)

    def _oneOf(self, body: Json, value: Json, members: Json) -> bool:
        return sum(self.meets(s, value) for s in body) == 1

    def _not(self, body: Json, value: Json, members: Json) -> bool:
        return not self.meets(body, value)

    def _if(self, body: Json, value: Json, members: Json) -> bool:
        branch = "then" if self.meets(body, value) else "else"
        return branch not in members or self.meets(members[branch], value)

    def _then(self, body: Json, value: Json, members: Json) -> bool:
        return True  # read by `if`; alone it says nothing (core 10.2.2.2)

    _else = _then

    # Strings

    def _minLength(self, body: Json, value: Json, members: Json) -> bool:
        return not isinstance(value, str) or len(value) >= body

    def _maxLength(self, body: Json, value: Json, members: Json) -> bool:
        return not isinstance(value, str) or len(value) <= body

    def _pattern(self, body: Json, value: Json, members: Json) -> bool:
        return not isinstance(value, str) or ecma.search(body, value)

    def _format(self, body: Json, value: Json, members: Json) -> bool:
        if not isinstance(value, str) or not self.formats:
            return True
        return bool(_format_judge(body).is_valid(value))

    # Numbers

    def _minimum(self, body: Json, value: Json, members: Json) -> bool:
        strict = members.get("exclusiveMinimum") is True
        return not _is_number(value) or (
            exact(value) > exact(body) if strict else exact(value) >= exact(body)
        )

    def _maximum(self, body: Json, value: Json, members: Json) -> bool:
        strict = members.get("exclusiveMaximum") is True
        return not _is_number(value) or (
            exact(value) < exact(body) if strict else exact(value) <= exact(body)
        )

    def _exclusiveMinimum(self, body: Json, value: Json, members: Json) -> bool:
        return isinstance(body, bool) or not _is_number(value) or exact(value) > exact(body)

    def _exclusiveMaximum(self, body: Json, value: Json, members: Json) -> bool:
        return isinstance(body, bool) or not _is_number(value) or exact(value) < exact(body)

    def _multipleOf(self, body: Json, value: Json, members: Json) -> bool:
        return not _is_number(value) or (Fraction(exact(value)) / Fraction(exact(body))).denominator == 1

    # Objects

    def _properties(self, body: Json, value: Json, members: Json) -> bool:
        return not isinstance(value, dict) or all(
            self.meets(s, value[k]) for k, s in body.items() if k in value
        )

    def _patternProperties(self, body: Json, value: Json, members: Json) -> bool:
        if not isinstance(value, dict):
            return True
        return all(self.meets(s, v) for p, s in body.items() for k, v in value.items() if ecma.search(p, k))

    def _additionalProperties(self, body: Json, value: Json, members: Json) -> bool:
        if not isinstance(value, dict):
            return True
        named, patterns = members.get("properties", {}), members.get("patternProperties", {})
        rest = [
            v for k, v in value.items() if k not in named and not any(ecma.search(p, k) for p in patterns)
        ]
        return all(self.meets(body, v) for v in rest)

    def _propertyNames(self, body: Json, value: Json, members: Json) -> bool:
        return not isinstance(value, dict) or all(self.meets(body, key) for key in value)

    def _required(self, body: Json, value: Json, members: Json) -> bool:
        return not isinstance(value, dict) or all(key in value for key in body)

    def _minProperties(self, body: Json, value: Json, members: Json) -> bool:
        return not isinstance(value, dict) or len(value) >= body

    def _maxProperties(self, body: Json, value: Json, members: Json) -> bool:
        return not isinstance(value, dict) or len(value) <= body

    def _dependencies(self, body: Json, value: Json, members: Json) -> bool:
        if not isinstance(value, dict) or self.draft not in OLD_DRAFTS:
            return True  # split into the two below in 2019-09 (validation appendix A)
        lists = {key: s for key, s in body.items() if isinstance(s, list)}
        schemas = {key: s for key, s in body.items() if not isinstance(s, list)}
        return self._dependentRequired(lists, value, members) and self._dependentSchemas(
            schemas, value, members
        )

    def _dependentRequired(self, body: Json, value: Json, members: Json) -> bool:
        return not isinstance(value, dict) or all(
            k in value for key in body if key in value for k in body[key]
        )

    def _dependentSchemas(self, body: Json, value: Json, members: Json) -> bool:
        return not isinstance(value, dict) or all(
            self.meets(s, value) for key, s in body.items() if key in value
        )

    def _unevaluatedProperties(self, body: Json, value: Json, members: Json) -> bool:
        if not isinstance(value, dict):
            return True
        found = evaluated_keys(self, members, value, own=False)
        return all(self.meets(body, child) for key, child in value.items() if key not in found)

    # Arrays

    def _unevaluatedItems(self, body: Json, value: Json, members: Json) -> bool:
        if not isinstance(value, list):
            return True
        found = evaluated_items(self, members, value, own=False)
        return all(self.meets(body, item) for index, item in enumerate(value) if index not in found)

    def _prefixItems(self, body: Json, value: Json, members: Json) -> bool:
        if not isinstance(value, list) or self.draft != "2020-12":
            return True
        return all(self.meets(s, v) for s, v in zip(body, value, strict=False))

    def _items(self, body: Json, value: Json, members: Json) -> bool:
        if not isinstance(value, list):
            return True
        if isinstance(body, list):
            return all(self.meets(s, v) for s, v in zip(body, value, strict=False))
        start = len(members.get("prefixItems", [])) if self.draft == "2020-12" else 0
        return all(self.meets(body, v) for v in value[start:])

    def _additionalItems(self, body: Json, value: Json, members: Json) -> bool:
        first = members.get("items")
        if not isinstance(value, list) or not isinstance(first, list) or self.draft == "2020-12":
            return True
        return all(self.meets(body, v) for v in value[len(first) :])

    def _minItems(self, body: Json, value: Json, members: Json) -> bool:
        return not isinstance(value, list) or len(value) >= body

    def _maxItems(self, body: Json, value: Json, members: Json) -> bool:
        return not isinstance(value, list) or len(value) <= body

    def _uniqueItems(self, body: Json, value: Json, members: Json) -> bool:
        if not body or not isinstance(value, list):
            return True
        return not any(same(a, b) for i, a in enumerate(value) for b in value[:i])

    def _contains(self, body: Json, value: Json, members: Json) -> bool:
        if not isinstance(value, list):
            return True
        counted = self.draft not in OLD_DRAFTS
        least = members.get("minContains", 1) if counted else 1
        most = members.get("maxContains", math.inf) if counted else math.inf
        return least <= sum(self.meets(body, item) for item in value) <= most

    def _minContains(self, body: Json, value: Json, members: Json) -> bool:
        return True  # read by `contains` (validation 6.4.4, 6.4.5)

    _maxContains = _minContains

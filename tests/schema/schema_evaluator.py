"""The slow twin of everything that reads `Schema` objects: a plain recursive evaluator of one value."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from structgen.schema.reading.model import Json, Schema

FormatCheck = Callable[[str, str], bool]


def holds(schema: Schema, value: Json, format_check: FormatCheck | None = None) -> bool:
    """Return whether `schema` accepts `value`, field by field as the model's docstrings say."""

    def ok(one: Schema, item: Json) -> bool:
        return holds(one, item, format_check)

    if schema.verdict is not None:
        return schema.verdict
    checks: list[bool] = [
        schema.ref is None or ok(schema.ref, value),
        schema.types is None or any(_is(value, name, schema.plain_integers) for name in schema.types),
        schema.enum is None or any(same(value, member) for member in schema.enum),
        all(ok(one, value) for one in schema.all_of),
        not schema.any_of or any(ok(one, value) for one in schema.any_of),
        not schema.one_of or sum(ok(one, value) for one in schema.one_of) == 1,
        schema.not_ is None or not ok(schema.not_, value),
    ]
    if schema.if_ is not None:
        branch = schema.then if ok(schema.if_, value) else schema.else_
        checks.append(branch is None or ok(branch, value))
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        number = Fraction(value)
        for bound, good in (
            (schema.minimum, lambda limit: number >= limit),
            (schema.maximum, lambda limit: number <= limit),
            (schema.exclusive_minimum, lambda limit: number > limit),
            (schema.exclusive_maximum, lambda limit: number < limit),
            (schema.multiple_of, lambda divisor: (number / divisor).denominator == 1),
        ):
            checks.append(bound is None or good(Fraction(bound)))
    elif isinstance(value, str):
        checks += [
            len(value) >= schema.min_length,
            schema.max_length is None or len(value) <= schema.max_length,
            schema.pattern is None or re.search(schema.pattern, value) is not None,
            schema.format is None or format_check is None or format_check(schema.format, value),
        ]
    elif isinstance(value, list):
        checks += _array(schema, value, ok)
        if schema.unevaluated_items is not None:
            found = _evaluated(schema, value, ok, top=True)
            rest = [item for index, item in enumerate(value) if index not in found]
            checks.append(all(ok(schema.unevaluated_items, item) for item in rest))
    elif isinstance(value, dict):
        checks += _object(schema, value, ok)
        if schema.unevaluated_properties is not None:
            found = _evaluated(schema, value, ok, top=True)
            rest = [item for key, item in value.items() if key not in found]
            checks.append(all(ok(schema.unevaluated_properties, item) for item in rest))
    return all(checks)


def _evaluated(
    schema: Schema, value: Any, ok: Callable[[Schema, Any], bool], *, top: bool = False
) -> set[str | int]:
    """Return the keys or indices that a schema which holds evaluates (`top`: but for `unevaluated*`)."""
    found: set[str | int] = set()
    if isinstance(value, dict):
        own = schema.additional is not None or (not top and schema.unevaluated_properties is not None)
        found.update(
            key
            for key in value
            if own
            or key in schema.properties
            or any(re.search(source, key) for source, _ in schema.pattern_properties)
        )
    else:
        own = schema.items is not None or (not top and schema.unevaluated_items is not None)
        for index, item in enumerate(value):
            contained = schema.contains is not None and schema.contains_evaluates
            if own or index < len(schema.prefix) or (contained and ok(schema.contains, item)):
                found.add(index)
    below = [*schema.all_of, *schema.any_of, *schema.one_of, schema.ref, schema.if_]
    if isinstance(value, dict):
        below += [one for key, one in schema.dependent_schemas.items() if key in value]
    if schema.if_ is not None:
        below.append(schema.then if ok(schema.if_, value) else schema.else_)
    for one in below:
        if one is not None and ok(one, value):
            found |= _evaluated(one, value, ok)
    return found


def same(one: Json, other: Json) -> bool:
    """Return whether two JSON values are equal as values: 1 = 1.0, true is not 1, key order irrelevant."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return (type(one) is type(other) and one == other) or (
        _is(one, "number") and _is(other, "number") and one == other
    )


def _array(schema: Schema, value: list[Any], ok: Callable[[Schema, Any], bool]) -> list[bool]:
    start = len(schema.prefix)
    checks = [
        len(value) >= schema.min_items,
        schema.max_items is None or len(value) <= schema.max_items,
        all(ok(one, item) for one, item in zip(schema.prefix, value, strict=False)),
        schema.items is None or all(ok(schema.items, item) for item in value[start:]),
        not schema.unique_items
        or not any(same(value[i], value[j]) for i in range(len(value)) for j in range(i)),
    ]
    if schema.contains is not None:
        found = sum(ok(schema.contains, item) for item in value)
        checks.append(found >= schema.min_contains)
        checks.append(schema.max_contains is None or found <= schema.max_contains)
    return checks


def _object(schema: Schema, value: dict[str, Any], ok: Callable[[Schema, Any], bool]) -> list[bool]:
    checks = [
        len(value) >= schema.min_properties,
        schema.max_properties is None or len(value) <= schema.max_properties,
        all(key in value for key in schema.required),
        all(
            key not in value or set(names) <= value.keys() for key, names in schema.dependent_required.items()
        ),
        all(key not in value or ok(one, value) for key, one in schema.dependent_schemas.items()),
        schema.property_names is None or all(ok(schema.property_names, key) for key in value),
    ]
    for key, member in value.items():
        matching = [one for source, one in schema.pattern_properties if re.search(source, key)]
        if key in schema.properties:
            matching.append(schema.properties[key])
        if not matching and schema.additional is not None:
            matching.append(schema.additional)
        checks.append(all(ok(one, member) for one in matching))
    return checks


def _is(value: Json, name: str, plain: bool = False) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if isinstance(value, (int, Decimal)):
        if plain and name == "integer":
            return isinstance(value, int)
        return name == "number" or (name == "integer" and Fraction(value).denominator == 1)
    kinds: dict[type, str] = {type(None): "null", str: "string", list: "array", dict: "object"}
    return kinds[type(value)] == name

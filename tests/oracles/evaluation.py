"""Which members and items a schema evaluates: the annotations of JSON Schema, gathered from the raw schema.

Written independently of structgen, from: JSON Schema 2020-12 core, sections 10.3, 11.2 and 11.3, and 2019-09
core, sections 9.3 and 9.3.1.3 (where `contains` evaluates nothing).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ecma

if TYPE_CHECKING:
    from arbiter import Arbiter

Json = Any


def evaluated_keys(judge: Arbiter, schema: Json, value: dict[str, Json], *, own: bool = True) -> set[str]:
    """Return the keys that a schema which holds for the object has evaluated.

    `own`: also by its `unevaluatedProperties`.
    """
    if isinstance(schema, bool):
        return set()
    members = judge.source.members(schema)
    found = {key for key in members.get("properties", {}) if key in value}
    for pattern in members.get("patternProperties", {}):
        found.update(key for key in value if ecma.search(pattern, key))
    if "additionalProperties" in members or (own and "unevaluatedProperties" in members):
        found.update(value)
    for part in holding(judge, members, value):
        found |= evaluated_keys(judge, part, value)
    return found


def evaluated_items(judge: Arbiter, schema: Json, value: list[Json], *, own: bool = True) -> set[int]:
    """Return the indices that a schema which holds for the array has evaluated."""
    if isinstance(schema, bool):
        return set()
    members = judge.source.members(schema)
    everything = set(range(len(value)))
    found: set[int] = set()
    new = judge.draft == "2020-12"
    if own and "unevaluatedItems" in members:
        found = everything
    if new and "prefixItems" in members:
        found |= set(range(len(members["prefixItems"])))
    if "items" in members:
        if not new and isinstance(members["items"], list):
            found |= set(range(len(members["items"])))
            if "additionalItems" in members:
                found = everything
        else:
            found = everything
    if new and "contains" in members:
        found |= {index for index, item in enumerate(value) if judge.meets(members["contains"], item)}
    for part in holding(judge, members, value):
        found |= evaluated_items(judge, part, value)
    return found & everything


def holding(judge: Arbiter, members: Json, value: Json) -> list[Json]:
    """Return the subschemas of a schema that judge the same value and hold for it, none of them negated."""
    parts: list[Json] = []
    if "$ref" in members:
        parts.append(judge.source.resolve(members["$ref"]))
    for keyword in ("allOf", "anyOf", "oneOf"):
        parts.extend(members.get(keyword, []))
    if "if" in members:
        parts.append(members["if"])
        branch = "then" if judge.meets(members["if"], value) else "else"
        if branch in members:
            parts.append(members[branch])
    if isinstance(value, dict):
        for keyword in ("dependentSchemas", "dependencies"):
            for key, part in members.get(keyword, {}).items():
                if key in value and not isinstance(part, list):
                    parts.append(part)
    return [part for part in parts if judge.meets(part, value)]

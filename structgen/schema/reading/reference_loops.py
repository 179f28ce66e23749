"""Schemas that come back to themselves without going down into a value.

The specification leaves open what they mean (Core 2020-12, section 9.4.1). A loop of `$ref` and `allOf` alone
asks nothing that is not asked already, so each schema on it means the rest of what all of them say: what
validators that end at all say too. Any other loop (through `anyOf`, `not`, ...), and one that says nothing
else, has no such meaning and is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from structgen.errors import SchemaError
from structgen.schema.reading.model import Schema
from structgen.schema.reading.schema_place import Reading, SchemaPlace


def settle(document: Reading, referring: Iterable[SchemaPlace]) -> None:
    """Give the loops of conjunctions their meaning; raise `SchemaError` for every other loop.

    `referring` are the places that hold references: a loop passes through one of them. Linear in the places
    that they reach, iterative.
    """
    starts = list(referring)
    if _loop(starts, len(document.schemas)) is None:
        return
    for group in _conjunctive_groups(starts):
        _open(document, group)
    found = _loop(starts, len(document.schemas))
    if found is not None:
        schema, following = found
        raise SchemaError(
            f"This schema refers back to itself ({following.pointer}) without going down into "
            "a value, so that no value can be judged.",
            where=schema.pointer,
            cure="Refer to it from within properties or items, or define what was meant.",
        )


def _loop(starts: Iterable[Schema], count: int) -> tuple[Schema, Schema] | None:
    """Return a schema and the one of its operands that leads back to it, or None."""
    # 0 not seen, 1 on the way here, 2 done: depth-first search with its own stack.
    state = bytearray(count)
    for start in starts:
        if state[start.id]:
            continue
        way: list[tuple[Schema, list[Schema]]] = [(start, _same_value(start))]
        state[start.id] = 1
        while way:
            schema, rest = way[-1]
            if not rest:
                state[schema.id] = 2
                way.pop()
                continue
            following = rest.pop()
            if state[following.id] == 0:
                state[following.id] = 1
                way.append((following, _same_value(following)))
            elif state[following.id] == 1:
                return schema, following
    return None


def _same_value(schema: Schema) -> list[Schema]:
    """Return the schemas that judge the same value as `schema` does, one step on."""
    found = [*schema.all_of, *schema.any_of, *schema.one_of, *schema.dependent_schemas.values()]
    found += [
        one for one in (schema.ref, schema.not_, schema.if_, schema.then, schema.else_) if one is not None
    ]
    return found


def _parts(schema: Schema) -> list[Schema]:
    """Return the operands of a schema's conjunction, in text order where `$ref` comes first."""
    return [*([schema.ref] if schema.ref is not None else []), *schema.all_of]


def _conjunctive_groups(starts: Iterable[Schema]) -> list[list[Schema]]:
    """Return the loops of `$ref` and `allOf` (strongly connected components, by Tarjan) in reading order."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    held: dict[int, Schema] = {}
    groups: list[list[Schema]] = []
    for start in starts:
        if start.id in order:
            continue
        way: list[tuple[Schema, list[Schema]]] = []

        def enter(schema: Schema, way: list[tuple[Schema, list[Schema]]] = way) -> None:
            order[schema.id] = low[schema.id] = len(order)
            held[schema.id] = schema
            way.append((schema, _parts(schema)[::-1]))

        enter(start)
        while way:
            schema, rest = way[-1]
            if rest:
                following = rest.pop()
                if following.id not in order:
                    enter(following)
                elif following.id in held:
                    low[schema.id] = min(low[schema.id], order[following.id])
                continue
            way.pop()
            if way:
                up = way[-1][0]
                low[up.id] = min(low[up.id], low[schema.id])
            if low[schema.id] == order[schema.id]:
                group = [one for one in held.values() if order[one.id] >= order[schema.id]]
                for one in group:
                    del held[one.id]
                if len(group) > 1 or schema in _parts(schema):
                    groups.append(group)
    return groups


def _open(document: Reading, group: list[Schema]) -> None:
    """Make each schema of a loop the conjunction of what all of them say besides."""
    if any(name.startswith("unevaluated") for one in group for name in vars(one)):
        return  # that keyword reads what the schemas beside it have evaluated, which taking them apart loses
    inside = {one.id for one in group}
    said: list[Schema] = []
    for one in group:
        # A place holds the fields that are set in its `__dict__`.
        fields: dict[str, Any] = dict(vars(one))
        if fields.pop("ref", None) is not None and one.ref is not None and one.ref.id not in inside:
            fields["ref"] = one.ref
        rest = tuple(part for part in fields.pop("all_of", ()) if part.id not in inside)
        if rest:
            fields["all_of"] = rest
        gone = {"$ref": "ref", "allOf": "all_of"}
        fields["applicators"] = tuple(
            name for name in one.applicators if name not in gone or gone[name] in fields
        )
        if len(fields) > 1:
            said.append(document.derived(one.pointer, **fields))
    if not said:
        return
    for one in group:
        vars(one).clear()
        one.all_of, one.applicators = tuple(said), ("allOf",)
    document.notes.append(
        f"{group[0].pointer} refers back to itself by $ref and allOf: it means what else is said there."
    )

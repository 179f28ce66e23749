"""Schemas that come back to themselves without going down into a value.

The specification leaves open what they mean (Core 2020-12, section 9.4.1). A loop of `$ref` and `allOf` alone
asks nothing that is not asked already, so each schema on it means the rest of what all of them say: what
validators that end at all say too. Any other loop (through `anyOf`, `not`, ...), and one that says nothing
else, has no such meaning and is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from structgen.errors import SchemaError
from structgen.schema.reading.model import Reading, Schema, parts_of


def settle(document: Reading, referring: Iterable[Schema]) -> None:
    """Give the loops of conjunctions their meaning; raise `SchemaError` for every other loop.

    `referring` are the places that hold references: a loop passes through one of them. Linear in the places
    that they reach, iterative.
    """
    starts = list(referring)
    if _loops(starts, _same_value)[1] is None:
        return
    for group in _loops(starts, _parts)[0]:
        _open(document, group)
    found = _loops(starts, _same_value)[1]
    if found is not None:
        schema, following = found
        raise SchemaError(
            f"This schema refers back to itself ({following.pointer}) without going down into "
            "a value, so that no value can be judged.",
            where=schema.pointer,
            cure="Refer to it from within properties or items, or define what was meant.",
        )


_OF_SAME_VALUE = attrgetter(
    *("all_of", "any_of", "one_of", "dependent_schemas", "ref", "not_", "if_", "then", "else_")
)
_OF_CONJUNCTION = attrgetter("ref", "all_of")


def _same_value(schema: Schema) -> list[Schema]:
    """Return the subschemas of `schema` that apply to the same value as it does (its `$ref` too)."""
    return [*parts_of(_OF_SAME_VALUE(schema))]


def _parts(schema: Schema) -> list[Schema]:
    """Return the operands of a schema's conjunction, the last one of the text first; `$ref` comes last."""
    return [*parts_of(_OF_CONJUNCTION(schema))][::-1]


def _loops(
    starts: Iterable[Schema], operands: Callable[[Schema], list[Schema]]
) -> tuple[list[list[Schema]], tuple[Schema, Schema] | None]:
    """Return the loops of a relation of schemas (strongly connected components, by Tarjan), each in reading
    order, and the first schema on one with the operand of it that leads back."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    held: dict[int, Schema] = {}
    to_itself: set[int] = set()
    groups: list[list[Schema]] = []
    back: tuple[Schema, Schema] | None = None
    way: list[tuple[Schema, list[Schema]]] = []
    for start in starts:
        waiting = [start] if start.id not in order else []
        while waiting or way:
            if waiting:
                schema = waiting.pop()
                order[schema.id] = low[schema.id] = len(order)
                held[schema.id] = schema
                way.append((schema, operands(schema)))
            schema, rest = way[-1]
            if rest:
                following = rest.pop()
                if following.id not in order:
                    waiting.append(following)
                elif following.id in held:
                    low[schema.id] = min(low[schema.id], order[following.id])
                    back = back or (schema, following)
                    if following is schema:
                        to_itself.add(schema.id)
                continue
            way.pop()
            if way:
                up = way[-1][0]
                low[up.id] = min(low[up.id], low[schema.id])
            if low[schema.id] == order[schema.id]:
                group = [held.popitem()[1]]
                while group[-1] is not schema:
                    group.append(held.popitem()[1])
                if len(group) > 1 or schema.id in to_itself:
                    groups.append(group[::-1])
    return groups, back


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

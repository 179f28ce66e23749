"""Schemas that come back to themselves without going down into a value.

The specification leaves open what they mean (Core 2020-12, section 9.4.1). A loop of `$ref` and `allOf` alone
asks nothing that is not asked already, so each schema on it means the rest of what all of them say: what
validators that end at all say too. Any other loop (through `anyOf`, `not`, ...), and one that says nothing
else, has no such meaning and is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

from structgen.base.errors import SchemaError
from structgen.base.language.graphs import components
from structgen.schema.reading.model import OpenDocument, Schema, parts_of


def settle_loops(document: OpenDocument, referring: Iterable[Schema]) -> None:
    """Give the loops of conjunctions their meaning; raise `SchemaError` for every other loop.

    `referring` are the schemas that hold references: a loop passes through one of them. Linear in the schemas
    that they reach, iterative.
    """
    starts = list(referring)
    if not _find_loops(starts, _same_value):
        return
    for group in _find_loops(starts, _operands_of):
        _open_loop(document, group)
    for following, *others in _find_loops(starts, _same_value):
        schema = next((candidate for candidate in others if following in _same_value(candidate)), following)
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


def _operands_of(schema: Schema) -> list[Schema]:
    """Return the operands of a schema's conjunction, the last one of the text first; `$ref` comes last."""
    return [*parts_of(_OF_CONJUNCTION(schema))][::-1]


def _find_loops(starts: Sequence[Schema], operands: Callable[[Schema], list[Schema]]) -> list[list[Schema]]:
    """Return the loops of a relation of schemas, and the schemas of each, as they are reached."""
    reached_schemas: dict[int, Schema] = {}
    edges: dict[int, list[int]] = {}
    stack = [*reversed(starts)]
    while stack:
        schema = stack.pop()
        if schema.id not in reached_schemas:
            reached_schemas[schema.id] = schema
            below = operands(schema)
            edges[schema.id] = [part.id for part in below]
            stack += below
    order = {at: number for number, at in enumerate(reached_schemas)}
    loops = (
        sorted(group, key=order.__getitem__)
        for group in components(edges)
        if len(group) > 1 or group[0] in edges[group[0]]
    )
    return [[reached_schemas[at] for at in loop] for loop in sorted(loops, key=lambda loop: order[loop[0]])]


def _open_loop(document: OpenDocument, group: list[Schema]) -> None:
    """Make each schema of a loop the conjunction of what all of them say besides."""
    if any(name.startswith("unevaluated") for schema in group for name in vars(schema)):
        return  # that keyword reads what the schemas beside it have evaluated, which taking them apart loses
    inside = {schema.id for schema in group}
    conjuncts: list[Schema] = []
    for schema in group:
        # A schema holds the fields that are set in its `__dict__`.
        fields: dict[str, Any] = dict(vars(schema))
        if fields.pop("ref", None) is not None and schema.ref is not None and schema.ref.id not in inside:
            fields["ref"] = schema.ref
        rest = tuple(part for part in fields.pop("all_of", ()) if part.id not in inside)
        if rest:
            fields["all_of"] = rest
        gone = {"$ref": "ref", "allOf": "all_of"}
        fields["applicators"] = tuple(
            name for name in schema.applicators if name not in gone or gone[name] in fields
        )
        if len(fields) > 1:
            conjuncts.append(document.derive_schema(schema.pointer, **fields))
    if not conjuncts:
        return
    for schema in group:
        document.loops[schema.id] = schema.ref, schema.all_of
        vars(schema).clear()
        schema.all_of, schema.applicators = tuple(conjuncts), ("allOf",)
    document.notes.append(
        f"{group[0].pointer} refers back to itself by $ref and allOf: it means what else is said there."
    )

"""Schemas that come back to themselves without going down into a value.

The specification leaves open what they mean (Core 2020-12, section 9.4.1). A loop of `$ref` and `allOf` alone
asks nothing that is not asked already, so each schema on it means the conjunction of all other keywords on
the loop. Validators that end at all say the same. Any other loop (through `anyOf`, `not`, ...), and one that
says nothing else, has no such meaning and is refused.
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
        return  # the usual case
    for group in _find_loops(starts, _operands_of):
        _open_loop(document, group)
    # A loop that is left is none of conjunctions alone. Its first schema and the one that refers to it are
    # named; a schema that is alone on its loop refers to itself.
    for following, *others in _find_loops(starts, _same_value):
        referring_schemas = (candidate for candidate in others if following in _same_value(candidate))
        schema = next(referring_schemas, following)
        raise SchemaError(
            f"{following.pointer} refers to itself without a property or item in between.",
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
    """Return the loops of a relation of schemas: for each its schemas, in the order in which they are
    reached."""
    reached_schemas: dict[int, Schema] = {}
    edges: dict[int, list[int]] = {}
    stack = [*reversed(starts)]
    while stack:
        schema = stack.pop()
        if schema.id not in reached_schemas:
            reached_schemas[schema.id] = schema
            operand_schemas = operands(schema)
            edges[schema.id] = [part.id for part in operand_schemas]
            stack += operand_schemas
    # Strongly connected components come in an order of their own: the errors must not depend on it.
    order = {schema_id: number for number, schema_id in enumerate(reached_schemas)}
    loops = [
        sorted(group, key=order.__getitem__)
        for group in components(edges)
        if len(group) > 1 or group[0] in edges[group[0]]
    ]
    loops.sort(key=lambda loop: order[loop[0]])
    return [[reached_schemas[schema_id] for schema_id in loop] for loop in loops]


def _open_loop(document: OpenDocument, group: list[Schema]) -> None:
    """Make each schema of a loop the conjunction of all that its schemas say, but for the loop itself."""
    # `unevaluated*` reads which members the schemas beside it have evaluated, and opening would lose these.
    if any(name.startswith("unevaluated") for schema in group for name in vars(schema)):
        return
    inside = {schema.id for schema in group}
    conjuncts: list[Schema] = []
    for schema in group:
        # A schema holds the fields that are set in its `__dict__`.
        fields: dict[str, Any] = dict(vars(schema))
        # `ref` and `all_of` lose the schemas of the loop, and stay for those outside of it.
        target = fields.pop("ref", None)
        if target is not None and target.id not in inside:
            fields["ref"] = target
        outer_parts = tuple(part for part in fields.pop("all_of", ()) if part.id not in inside)
        if outer_parts:
            fields["all_of"] = outer_parts
        loop_fields = {"$ref": "ref", "allOf": "all_of"}
        fields["applicators"] = tuple(
            name for name in schema.applicators if name not in loop_fields or loop_fields[name] in fields
        )
        # More than `applicators`: the schema says something besides the loop.
        if len(fields) > 1:
            conjuncts.append(document.derive_schema(schema.pointer, **fields))
    if not conjuncts:
        return
    for schema in group:
        # As it is written, for `Document.loops`: other rooms follow references as the text has them.
        document.loops[schema.id] = schema.ref, schema.all_of
        vars(schema).clear()
        schema.all_of = tuple(conjuncts)
        schema.applicators = ("allOf",)
    document.notes.append(
        f"{group[0].pointer} refers to itself by $ref and allOf: only its other keywords have an effect."
    )

"""Annotations in `Annotated` that speak of the strings of a type, in the schema that pydantic writes."""

from __future__ import annotations

from typing import Any

from structgen.base.errors import UnsupportedError


def annotate_schema(
    annotation: str,
    core: Any,
    handler: Any,
    keywords: dict[str, Any],
) -> dict[str, Any]:
    """Return the schema of a type, as `handler` writes it, with the keywords that an annotation says of its
    strings: for example `{"type": "string", "x-quote": {}}`.

    `annotation` is its name, for the error; `core` and `handler` are those of pydantic's
    `__get_pydantic_json_schema__`; `keywords` are added beside the schema, or in an `allOf` with it.

    Raises `UnsupportedError` where no value of the type is a string.
    """
    schema: dict[str, Any] = handler(core)
    if not _has_strings(schema, handler):
        raise UnsupportedError(
            f"{annotation} in Annotated would be ignored: the type has no strings.",
            keyword="Annotated",
            where="type",
            cure="Annotate the strings inside: list[Annotated[str, ...]].",
        )
    # Up to draft 7 keywords beside `$ref` are void; a keyword that stands there already must hold as well.
    if "$ref" not in schema and schema.keys().isdisjoint(keywords):
        return {**schema, **keywords}
    return {"allOf": [schema, keywords]}


def _has_strings(schema: dict[str, Any], handler: Any) -> bool:
    """Return whether some string may be a value of a schema that pydantic writes."""
    try:
        schema = handler.resolve_ref_schema(schema)
    except LookupError:  # a class that is being read
        return False
    if branches := schema.get("anyOf", schema.get("oneOf")):
        return any(_has_strings(branch, handler) for branch in branches)
    if "allOf" in schema:
        return all(_has_strings(part, handler) for part in schema["allOf"])
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return any(isinstance(value, str) for value in values)
    return "string" in schema.get("type", "string")

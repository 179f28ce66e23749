"""Describes a schema for a prompt: its names, types and listed values, in a short form that models read.

This form is the *outline*; one line, for example:

    {customer: string, items: [{name: string, qty: integer}], paid?: boolean, size: "S"|"M"|"L"|null}

The outline informs a model; the grammar is what constrains it. Bounds, patterns, conditions and negations are
left out of it, and it is never read back. The descriptions of a schema are a list of lines below its outline,
each once, after the place that it describes; a chat model reads them as the system's words:

    customer: the surname only
    items[].qty: pieces, not boxes
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from structgen.base.errors import OptionError
from structgen.grammars.json_grammars.outline_writer import ModelPrompt, extraction_prompt_under
from structgen.grammars.json_grammars.schema_grammar import unwarned_schema
from structgen.machines.core.grammar import Grammar


def schema_outline(
    schema: Grammar | dict[str, Any] | bool | str | Path,
    *,
    depth: int | None = None,
    descriptions: bool = False,
) -> str:
    """Return the short form of a schema, one line, for a prompt: names, types, formats, listed values.

    A key that may be absent has `?` after it; `[T]` is a list, `A|B` a choice, `{...: T}` says what other
    keys hold, and values are written as JSON. A definition that contains itself is written once, after its
    name (`Node={...}`). `schema`: whatever `sg.json_schema` takes, or its grammar. `depth`: values nested
    deeper are described by their types alone. `descriptions`: whether the schema's descriptions follow, each
    once, on a line after its place (`items[].name: ...`); white space and control characters become blanks.
    Cost: some microseconds for each subschema. Errors: those of `sg.json_schema`; `OptionError` for a grammar
    that has no schema; `LimitError` beyond MOST_OUTLINE characters.
    """
    grammar = schema if isinstance(schema, Grammar) else unwarned_schema(schema)
    if grammar.outline is None:
        raise OptionError(
            f"A {type(grammar).__name__} has no schema to outline.",
            where="schema",
            cure="Describe the format in the prompt yourself.",
        )
    return grammar.outline(depth=depth, descriptions=descriptions)


def extraction_prompt(schema: Grammar | dict[str, Any] | bool | str | Path, text: str) -> ModelPrompt:
    """Return the prompt with which the embedded models were trained: the outline, a line break, the text.

    The line break after the text is part of it; the document follows. Errors: those of `schema_outline`.
    """
    return extraction_prompt_under(schema_outline(schema), text)

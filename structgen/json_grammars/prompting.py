"""What a prompt says of a schema: its names, types and listed values, in a short form that models read.

    {customer: string, items: [{name: string, qty: integer}], paid?: boolean, size: "S"|"M"|"L"|null}

The outline informs a model; the grammar is what constrains it. Bounds, patterns, conditions and negations are
left out of it, and it is never read back. The descriptions of a schema are a list of lines below its outline,
each once, behind the place that it describes; a chat model reads them as the system's words:

    customer: the surname only
    items[].qty: pieces, not boxes
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from structgen.core.grammar import Grammar
from structgen.errors import LimitError, OptionError
from structgen.json_grammars.schema_grammar import unwarned_schema

_LEVELS: Final[Mapping[int, str]] = MappingProxyType(
    {
        **{depth: f"the first {depth} levels alone" for depth in (6, 4, 3, 2)},
        1: "the first level alone",
        0: "the type alone",
    }
)
"""Levels of objects and lists that a shortened outline keeps, tried in this order, and what it then tells."""
Outlines: TypeAlias = Callable[..., str]
"""`schema_outline` of one schema, which takes its other arguments."""


def schema_outline(
    schema: Grammar | dict[str, Any] | bool | str | Path,
    *,
    depth: int | None = None,
    descriptions: bool = False,
) -> str:
    """Return the short form of a schema, one line, for a prompt: names, types, formats, listed values.

    A key that may be absent has `?` after it; `[T]` is a list, `A|B` a choice, `{...: T}` says what other
    keys hold, and values are written as JSON. A definition that holds itself is written once, after its name
    (`Node={...}`). `schema` is whatever `sg.json_schema` takes, or its grammar. `depth`: values that lie
    deeper are told by their types alone. `descriptions`: whether the schema's descriptions follow, each
    once, on a line behind its place (`items[].name: ...`); white space and control characters are one blank.
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


def shorter_outlines(outline: Outlines, *, descriptions: bool) -> Iterator[tuple[str, str]]:
    """Yield the outlines of a schema, each with what it tells of the schema: the whole one (""), then the
    same without descriptions, then shallower ones, at last the type of the whole. Those that are no shorter
    than the one before, or longer than MOST_OUTLINE, are left out. `descriptions`: whether any has them."""
    known: str | None = None
    whole = [(None, True, ""), (None, False, "no descriptions")] if descriptions else [(None, False, "")]
    forms = [*whole, *((depth, False, told) for depth, told in _LEVELS.items())]
    for depth, described, told in forms:
        try:
            found = outline(depth=depth, descriptions=described)
        except LimitError:
            continue  # a shorter form follows
        if known is None or len(found) < len(known):
            yield found, told
            known = found


class ModelPrompt(str):
    """A prompt in the form that its model was trained on. The engine hands it to the model as it is."""

    __slots__ = ()


def extraction_prompt(schema: Grammar | dict[str, Any] | bool | str | Path, text: str) -> ModelPrompt:
    """Return the prompt with which the embedded models were trained: the outline, a line break, the text.

    The line break after the text is part of it; the document follows. Errors: those of `schema_outline`.
    """
    return extraction_prompt_under(schema_outline(schema), text)


def extraction_prompt_under(outline: str, text: str) -> ModelPrompt:
    """Return the same for an outline that was written before."""
    return ModelPrompt(f"{outline}\n{text.strip()}\n")

"""A grammar as a validator of pydantic, which judges the strings of a type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from structgen.machines.core.compiled import first_fault
from structgen.machines.core.grammar import Grammar
from structgen.tokens.tokenizer import byte_tokenizer

_OWN: Final = "structgen_grammar"
"""The key of a core schema's metadata that tells these validators from others."""


def with_texts_of(grammar: Grammar, schema: CoreSchema) -> CoreSchema:
    """Return a core schema whose strings are texts of a grammar: a value that is a string, or else what it is
    made of. The grammar is compiled at the first of them. Cost: linear in each."""
    compiled = cache(lambda: grammar.compiled(byte_tokenizer(), None, None))

    def text_of_grammar(value: Any, read: Callable[[Any], Any]) -> Any:
        made = read(value)
        text = made if isinstance(made, str) else value
        if isinstance(text, str) and (fault := first_fault(compiled(), text, in_lines=True)):
            said = {"fault": f"not {grammar.texts_named}: {fault}"}
            raise PydanticCustomError("x-grammar", "{fault}", said)
        return made

    return core_schema.no_info_wrap_validator_function(text_of_grammar, schema, metadata={_OWN: True})


def judges_texts(schema: Mapping[str, Any]) -> bool:
    """Tell whether a core schema is that of `with_texts_of`, or stands around it."""
    while not (is_own := _OWN in schema.get("metadata", {})) and "schema" in schema:
        schema = schema["schema"]
    return is_own

"""Strings judged by a grammar, for validators: pydantic's, and those of JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from structgen.machines.core.compiled import CompiledGrammar, first_fault
from structgen.tokens.tokenizer import byte_tokenizer

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

_METADATA_KEY: Final = "structgen_grammar"
"""The key of a core schema's metadata that tells these validators from others."""


def over_bytes(grammar: Any) -> CompiledGrammar:
    """Return a grammar compiled against single bytes, anew once texts have used up its memory; a compiled one
    as it is."""
    return _over_bytes(grammar).fresh()


def _compile_over_bytes(grammar: Any) -> CompiledGrammar:
    """Return a grammar compiled against single bytes; a compiled grammar as it is."""
    if isinstance(grammar, CompiledGrammar):
        return grammar
    compiled: CompiledGrammar = grammar.compiled(byte_tokenizer(), None, None)
    return compiled


_over_bytes: Final = lru_cache(maxsize=64)(_compile_over_bytes)


def fault_in(text: str, compiled: CompiledGrammar) -> str:
    """Return in words, with line and column, why a text is none of a grammar's; "" where it is one. Linear in
    the text."""
    fault = first_fault(compiled, text, in_lines=True)
    return fault and f"not {compiled.grammar.texts_named}: {fault}"


def grammar_accepts(compiled: CompiledGrammar, text: str) -> bool:
    """Tell whether a text is one of a grammar's. Linear in the text."""
    state = compiled.step_bytes(compiled.start, text.encode("utf-8", "surrogatepass"))
    return state is not None and compiled.accepts_end(state)


def with_texts_of(grammar: Any, schema: CoreSchema) -> CoreSchema:
    """Return a core schema whose strings are texts of a grammar: the value if it is a string, or else the
    string of which it is made. The grammar is compiled at the first string, and freed with the schema."""
    # optional: pydantic
    from pydantic_core import PydanticCustomError, core_schema

    # not `over_bytes`: the grammar is to go when the schema goes
    compiled = cache(partial(_compile_over_bytes, grammar))

    def text_of_grammar(value: Any, reader: Callable[[Any], Any]) -> Any:
        value_read = reader(value)
        text = value_read
        if not isinstance(text, str):
            # The type makes another object of the string: the string that came in is checked. Of a member of
            # an Enum that is its value.
            text = getattr(value, "value", value)
        if isinstance(text, str) and (fault := fault_in(text, compiled())):
            raise PydanticCustomError("x-grammar", "{fault}", {"fault": fault})
        return value_read

    return core_schema.no_info_wrap_validator_function(
        text_of_grammar, schema, metadata={_METADATA_KEY: True}
    )


def judges_texts(schema: Mapping[str, Any]) -> bool:
    """Tell whether a core schema is that of `with_texts_of`, or stands around it."""
    if schema["type"] == "chain":
        return judges_texts(schema["steps"][0])
    if _METADATA_KEY in schema.get("metadata", {}):
        return True
    return "schema" in schema and judges_texts(schema["schema"])

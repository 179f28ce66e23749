"""Validators (pydantic's, and those of JSON Schema) ask here whether a string is a text of a grammar.

- A grammar is compiled *over bytes*: each token is one byte. So no model's tokenizer is needed.
- A *core schema* is pydantic's description of a type: a dict with a `type`, often with inner schemas.
- A *fault* is a sentence that says where and why a string is not a text of the grammar; "": it is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from structgen.machines.core.compiled import CompiledGrammar, first_fault
from structgen.tokens.tokenizer import byte_tokenizer

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

_METADATA_KEY: Final = "structgen_grammar"
"""The key in a core schema's metadata by which the schemas of `with_texts_of` are recognised."""


def over_bytes(grammar: Any) -> CompiledGrammar:
    """Return a grammar compiled over bytes. Once texts have used up its memory, it is compiled anew.

    `grammar`: a grammar object, or a compiled grammar.
    """
    return _over_bytes(grammar).fresh()


def _compile_over_bytes(grammar: Any) -> CompiledGrammar:
    """Return a grammar compiled over bytes. A compiled grammar is returned as it is."""
    if isinstance(grammar, CompiledGrammar):
        return grammar
    compiled: CompiledGrammar = grammar.compiled(byte_tokenizer(), None, None)
    return compiled


_over_bytes: Final = lru_cache(maxsize=64)(_compile_over_bytes)


def fault_in(text: str, compiled: CompiledGrammar) -> str:
    """Return why a text is not a text of a grammar, with line and column; "": it is one.

    Cost: linear in the text.
    """
    fault = first_fault(compiled, text, in_lines=True)
    return fault and f"not {compiled.grammar.texts_named}: {fault}"


def grammar_accepts(compiled: CompiledGrammar, text: str) -> bool:
    """Return whether a text is a text of a grammar. Cost: linear in the text."""
    state = compiled.step_bytes(compiled.start, text.encode("utf-8", "surrogatepass"))
    return state is not None and compiled.accepts_end(state)


def with_texts_of(grammar: Any, schema: CoreSchema) -> CoreSchema:
    """Return a core schema that also demands that strings are texts of a grammar.

    `schema`: the core schema of the type. The validated value is judged if it is a string, else the string
    from which the value was made. The grammar is compiled at the first string, and freed with the schema.
    """
    # optional: pydantic
    from pydantic_core import PydanticCustomError, core_schema

    # not `over_bytes`: the grammar is to go when the schema goes
    compiled = cache(partial(_compile_over_bytes, grammar))

    def text_of_grammar(value: Any, reader: Callable[[Any], Any]) -> Any:
        """Return the value that the type reads. Raises PydanticCustomError where its string is no text."""
        value_read = reader(value)
        text = value_read
        if not isinstance(text, str):
            # The type makes another object from the string, so the string that came in is checked. A member
            # of an Enum may come in as well: then its `value` is checked.
            text = getattr(value, "value", value)
        if isinstance(text, str) and (fault := fault_in(text, compiled())):
            raise PydanticCustomError("x-grammar", "{fault}", {"fault": fault})
        return value_read

    return core_schema.no_info_wrap_validator_function(
        text_of_grammar, schema, metadata={_METADATA_KEY: True}
    )


def judges_texts(schema: Mapping[str, Any]) -> bool:
    """Return whether a core schema was made by `with_texts_of`, or wraps such a schema."""
    if schema["type"] == "chain":
        return judges_texts(schema["steps"][0])
    if _METADATA_KEY in schema.get("metadata", {}):
        return True
    return "schema" in schema and judges_texts(schema["schema"])

"""The JSON texts of a schema as a `Language`, so that they can be a part of another grammar.

A *part* is a grammar inside another one, such as the JSON object in `<tool>{"city": "Oslo"}</tool>`. A
*document* is a JSON text of the schema. The *target* is the tokenizer and the mask store that a grammar is
compiled for. Compilation is put off until a text comes near the part: of many tools few are called.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import Final

from structgen.base.errors import StructgenError
from structgen.base.limits import Limits
from structgen.grammars.json_grammars.compiled_schema import CompiledSchema
from structgen.grammars.json_grammars.plain_network import network_of
from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar
from structgen.grammars.text_grammars.machine.language import CompileTarget, Config, Language
from structgen.grammars.text_grammars.machine.masked_language import MaskedPlaces
from structgen.machines.core.compiled import CompiledGrammar
from structgen.tokens.tokenizer import byte_tokenizer

_SPACE: Final = b"\t\n\r "
_DIGITS: Final = b"0123456789"
_LAST: Final = {
    "object": b"}", "array": b"]", "string": b'"', "boolean": b"e", "null": b"l",
    "integer": _DIGITS, "number": _DIGITS,
}  # fmt: skip
"""For each type of JSON value the bytes that can be its last: `e` ends `true` and `false`, `l` ends
`null`."""
_byte_tokenizer: Final = cache(byte_tokenizer)
"""A function that returns the tokenizer whose tokens are single bytes. All schemas of the process share
it."""
_START: Final = 0
"""The number of the state before the first byte of a document: it is the first state that is made."""


def schema_language(of: JsonSchemaGrammar, limits: Limits, target: CompileTarget | None) -> Language:
    """Return the language of a schema's JSON texts. It is compiled for the tokenizer of `target`, or, where
    `target` is None, for single bytes. Raises the errors of `CompiledSchema`.

    Compilation is put off if the target has several parts, and the schema is known to have a document.
    """
    language = JsonText(of, limits, target)
    may_wait = target is not None and target.is_one_of_many and limits.liveness != "flag"
    if not may_wait or not _has_documents(of, limits):
        # compiled now, so that its errors are those of this call
        language.locks = 1 + language.compiled.height
    return language


def _has_documents(of: JsonSchemaGrammar, limits: Limits) -> bool:
    """Return whether it is certain, without compiling, that a schema is supported and has a document.

    False means that it is not certain: for example, a string has a grammar of its own. Cost: some 0.1 ms.
    """
    try:
        document = of.document(limits=limits)
        if any(place.grammar is not None for place in document.schemas):
            return False
        document.require_handled()
        network_of(document)  # raises where the schema has no document
    except StructgenError:
        return False
    return True


class JsonText(MaskedPlaces):
    """The language of a schema's JSON texts, none of which is empty. It is compiled when it is first
    needed."""

    def __init__(self, of: JsonSchemaGrammar, limits: Limits, target: CompileTarget | None) -> None:
        """`of`: the schema; `target`: what it is compiled for; None: single bytes."""
        self._of = of
        self._limits = limits
        self._target = target
        last_bytes = {byte for kind in (of.root_types or _LAST) for byte in _LAST[kind]}
        self.last = bytes(sorted(last_bytes))
        self.space = b"" if of.policies.whitespace in ("compact", "any:0") else _SPACE
        self.has_stack = True
        self.locks = 1

    @cached_property
    def compiled(self) -> CompiledSchema:  # type: ignore[override]
        """The compiled schema. It is made when it is first asked for."""
        if self._target is None:
            return CompiledSchema(self._of, _byte_tokenizer(), self._limits, store=False)
        grammar = CompiledSchema(self._of, self._target.tokenizer, self._limits, self._target.store)
        # `start` answers without compiling, by a number that every schema has
        assert grammar.start.index == _START
        return grammar

    def start(self) -> Config:
        return _START

    def accepts(self, config: Config) -> bool:
        """Return whether a document is complete. Before its first byte this needs no compilation."""
        return config != _START and super().accepts(config)

    @property
    def sizes(self) -> dict[str, int]:
        # to ask for sizes must not compile: the cached property stands in the dict once it was made
        return super().sizes if "compiled" in self.__dict__ else {}

    @property
    def compiled_parts(self) -> frozenset[CompiledGrammar]:
        return super().compiled_parts if "compiled" in self.__dict__ else frozenset()

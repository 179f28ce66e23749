"""A Python type as a grammar for `sample`, and its validators as a checker."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import PurePath
from types import FunctionType
from typing import Any, Final

from structgen.core.compiled import CompiledGrammar
from structgen.core.grammar import Grammar
from structgen.errors import OptionError
from structgen.json_grammars.schema_grammar import json_schema
from structgen.python_types.type_hints import TypeReader, read_type
from structgen.samplers.checkers import Checker, ClosedValue

_NO_TYPES: Final = (str, bytes, int, float, Mapping, list, tuple, set, PurePath, re.Pattern, FunctionType)
"""Types of values that are probably a mistake in place of a type or a grammar."""


@dataclass(frozen=True)
class TypedGrammar:
    """A grammar of the documents of a type, and the reader that makes objects of documents."""

    reader: TypeReader[Any]
    grammar: Grammar | CompiledGrammar


class TypeChecker:
    """The validators of a type, as a checker of JSON values as they close.

    A document that the type refuses is not valid. A validator of a member or an item is run as soon as that
    value has closed; if it refuses, no text continues from there. If its answer may depend on more than the
    value, it is run when the surrounding value has closed: if it sees other members (`ValidationInfo`), is
    inside a union, or comes after a validator that may change the document first (mode "before", "wrap" or
    "plain").
    """

    def __init__(self, type_: Any) -> None:
        """`type_` is any type that `sg.sample` takes, a `pydantic.TypeAdapter`, or a TypeReader.

        Raises UnsupportedError for a type that has no JSON Schema here.
        """
        # optional: pydantic
        from structgen.python_types.pydantic_schema import TypeSchema
        from structgen.python_types.type_places import PlaceValidators

        if hasattr(type_, "core_schema") and hasattr(type_, "validator"):  # a TypeAdapter
            hint, core = type_, type_.core_schema
            schema = type_.json_schema(schema_generator=TypeSchema)
        else:
            reader = type_ if isinstance(type_, TypeReader) else read_type(type_)
            hint, core, schema = reader.hint, reader.core_schema, reader.schema
        self.hint = hint
        self._validators = PlaceValidators(core)
        marks = [repr(schema), *map(_mark, self._validators.functions)]
        self.fingerprint = blake2b("\n".join(marks).encode("utf-8", "replace"), digest_size=16).hexdigest()
        """Identifies the type for prefix trees. A type with functions of its own has another fingerprint in
        each process, because their behaviour may have changed."""

    def closed(self, event: ClosedValue) -> bool:
        """Return False if the type refuses a value that has closed."""
        # optional: pydantic
        from structgen.python_types.type_places import refuses

        validator = self._validators.at(event.path)
        return validator is None or not refuses(validator, event.document)

    def copy(self) -> TypeChecker:
        """Return the checker itself: it keeps no state of a prefix."""
        return self


def checkers_of(reader: TypeReader[Any]) -> tuple[Checker, ...]:
    """Return the checkers that a text of the type has to pass."""
    return (TypeChecker(reader),)


def understood(
    grammar: Any,
) -> tuple[Grammar | CompiledGrammar, Callable[[bytes], Any] | None, tuple[Checker, ...]]:
    """Return a grammar, the reader that makes objects of its texts (None without a type), and the type's
    checkers.

    `grammar` is a grammar, compiled or not; a `TypedGrammar`; or a Python type. Raises OptionError for a
    value that is no type, UnsupportedError for a type that has no JSON Schema here.
    """
    if isinstance(grammar, Grammar | CompiledGrammar):
        return grammar, None, ()
    if grammar is None or isinstance(grammar, _NO_TYPES):
        raise OptionError(
            f"A {type(grammar).__name__} is neither a grammar nor a type.",
            where="grammar",
            cure="Give a type, or a grammar: sg.json_schema(schema), sg.regex(pattern), sg.lark(text), "
            "sg.choice(texts).",
        )
    if not isinstance(grammar, TypedGrammar):
        reader: TypeReader[Any] = read_type(grammar)
        grammar = TypedGrammar(reader, json_schema(reader.schema, **reader.policies))
    return grammar.grammar, grammar.reader.read, checkers_of(grammar.reader)


def _mark(function: Callable[..., Any]) -> str:
    """Return a text that identifies a function in this process."""
    name = f"{function.__module__}.{getattr(function, '__qualname__', function)}"
    return name if name.startswith(("pydantic.", "pydantic_core.")) else f"{name} {id(function)}"

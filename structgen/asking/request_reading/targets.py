"""Reads a *target*: what a caller hands in to describe the wanted texts. It is a grammar, a pattern, a type
or a dict.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, Final, NamedTuple, TypeAlias

from structgen.asking.python_types.type_hints import TypeReader, read_type
from structgen.asking.request_reading.grammar_forms import requested_grammar
from structgen.asking.request_reading.request_reader import SERVED, ReadRequest
from structgen.base.errors import OptionError, StructgenError
from structgen.base.language.checks import show_value
from structgen.grammars.json_grammars.schema_grammar import json_schema
from structgen.grammars.text_grammars.regular import regex
from structgen.grammars.text_grammars.text_grammar import TextGrammar
from structgen.machines.core.compiled import CompiledGrammar
from structgen.machines.core.grammar import Grammar

_NO_TARGETS: Final = (
    *(str, bytes, bytearray, int, float, complex, list, tuple, set, frozenset, PurePath),
    *(types.BuiltinFunctionType, types.ModuleType),
)
"""Types of values that people pass by mistake in place of a type. `read_type` refuses functions by name."""
_CURE: Final = (
    "Pass a type, re.compile(pattern), a dict that is a JSON Schema, or a grammar: "
    "sg.json_schema(text_or_path), sg.regex(pattern), sg.lark(text), sg.choice(texts)."
)


class ReadTarget(NamedTuple):
    """Which texts are wanted, and what reads them. Made by `read_target`."""

    grammar: Grammar | CompiledGrammar | None
    """None: free text."""
    reader: TypeReader[Any] | None = None
    """The type, where one was given; None: the value of a text is that of its grammar."""


TextTarget: TypeAlias = TextGrammar | re.Pattern[str]
"""A target whose value is the text, for type checkers."""
AnyTarget: TypeAlias = Grammar | CompiledGrammar | Mapping[str, Any] | bool | ReadRequest | ReadTarget
"""A target that does not say of which type its value is: what `json.loads` makes of the text, or the text."""


def read_target(
    target: Any,
    policies: Mapping[str, Any] | None = None,
    usual: Mapping[str, Any] | None = None,
    *,
    where: str = "target",
    reading: Callable[[Any], TypeReader[Any]] = read_type,
) -> ReadTarget:
    """Return the grammar and the reader of a target: a grammar, compiled or not, a pattern (`re.Pattern`), a
    Python type, a JSON Schema (a dict or a boolean), OpenAI's `response_format`, vLLM's
    `structured_outputs`, what `sg.read_request` returns; None and `str` are free text.

    `policies` are options of `sg.json_schema` for the schema that is read; `usual` those of a dict where
    there are none, by default `SERVED`; `reading` reads a type; `where` is the option's name, for errors.
    Errors: OptionError for what is no target, for a dict with keys that are not known, and for policies where
    there is no schema to be written under them; UnsupportedError for a type that has no JSON Schema; those of
    the grammars.
    """
    if isinstance(target, ReadTarget):
        return target
    # the grammar of a request that calls no tool
    if isinstance(target, ReadRequest):
        target = target.grammar()
    if target is None or target is str:
        return ReadTarget(None)
    # a compiled pattern keeps its flags, which `regex` reads
    if isinstance(target, re.Pattern):
        target = regex(target)
    if isinstance(target, Grammar | CompiledGrammar):
        if policies:
            raise OptionError(
                "A grammar already has its policies.", where="policies", cure="Pass them to sg.json_schema."
            )
        return ReadTarget(target)
    if isinstance(target, Mapping | bool):
        try:
            return ReadTarget(requested_grammar(target, policies, SERVED if usual is None else usual))
        except StructgenError as error:
            # the person wrote another option's name
            if error.where == "target":
                StructgenError.__init__(error, error.what, where=where, cure=error.cure)
            raise
    if isinstance(target, _NO_TARGETS):
        raise OptionError(
            f"{show_value(target)} ({type(target).__name__}) is not a valid target.",
            where=where,
            cure=_CURE,
        )
    reader = reading(target)
    return ReadTarget(json_schema(reader.schema, **{**reader.policies, **(policies or {})}), reader)

"""What is wanted of a model: a type, items of a type one by one, a schema, a grammar, or free text."""

from __future__ import annotations

import collections.abc
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import PurePath
from typing import Any

from structgen.compilation.compiler import compile
from structgen.core.compiled import CompiledGrammar
from structgen.core.grammar import Grammar
from structgen.engine.contradictions import refuse
from structgen.engine.requests import Result
from structgen.engine.searches.listed_values import listed, listed_values
from structgen.errors import (
    GenerationError,
    GrammarError,
    OptionError,
    TokenizerError,
    UnsupportedError,
)
from structgen.json_grammars.prompting import Outlines, schema_outline, shorter_outlines
from structgen.json_grammars.schema_grammar import JsonSchemaGrammar, json_schema, unwarned_schema
from structgen.language.ir import Pattern, Words
from structgen.python_types.type_hints import TypeReader, read_type, shown
from structgen.request_reading.grammar_forms import requested
from structgen.request_reading.request_reader import ReadRequest
from structgen.schema.reading.policies import JSON_DUMPS, WIDEST
from structgen.text_grammars.regular import RegularGrammar
from structgen.tokens.tokenizer import Tokenizer, byte_tokenizer
from structgen.typed.missing_options import OF_TOOLS
from structgen.typed.options import TypedOptions
from structgen.typed.tool_use import ToolOptions, ToolUse, names_calls, tool_use
from structgen.typed.wrapping import WRAPPER, WrappedReader, Wrapping, is_object, wrapped

_SYNC = (collections.abc.Iterator, collections.abc.Iterable, collections.abc.Generator)
_ASYNC = (collections.abc.AsyncIterator, collections.abc.AsyncIterable, collections.abc.AsyncGenerator)
_NO_TARGETS = (str, bytes, int, float, list, tuple, set, PurePath, re.Pattern)
"""Types of values that people pass by mistake in place of a type or a grammar."""


@dataclass(frozen=True)
class WantedForm:
    """What is wanted. Made by `form_of_type` and `form_of`."""

    hint: Any = None
    """The type of the value; of the list, where items are handed out one by one. None: there is no type."""
    reader: TypeReader[Any] | None = None
    grammar: Grammar | None = None
    """None: free text."""
    items: bool = False
    """Whether the items of the list are handed out as they close."""
    asynchronous: bool = False
    """Whether they are handed out by an asynchronous iterator."""
    tools: ToolUse | None = None
    """Which tools a reply may call; its grammar is then its model's affair. None: it is no such reply."""
    wrap: bool = False
    """Whether the model is asked for objects alone. The reader and the grammar of a type are then those of an
    object that holds the document; what else is sent to a server, its writer puts into one."""
    is_said: bool = False
    """Whether the grammar is that of an object that holds, as a string, the text that is wanted."""

    @cached_property
    def schema(self) -> dict[str, Any] | None:
        """The JSON Schema; None of free text, or of a grammar that has none."""
        if self.reader is not None:
            return self.reader.schema
        if isinstance(self.grammar, JsonSchemaGrammar):
            value = self.grammar.schema
            return value if isinstance(value, dict) else {}
        return None

    @cached_property
    def choices(self) -> tuple[str, ...]:
        """The documents, as texts, where they are a few listed values; () where they are not."""
        return listed(self.grammar).texts

    @property
    def is_wrapped(self) -> bool:
        """Whether an object with one member holds the type's document."""
        return isinstance(self.reader, WrappedReader)

    @property
    def holder(self) -> str:
        """The JSON pointer of what is wanted in the document that is written."""
        return f"/{WRAPPER}" if self.is_wrapped or self.is_said else ""

    @cached_property
    def outlines(self) -> Outlines | None:
        """What gives the outlines of the schema, for prompts; None where there is no schema."""
        schema = self.schema
        return None if schema is None else cache(partial(schema_outline, schema))

    @property
    def outline(self) -> str:
        """The deepest outline of the schema that is written, its descriptions too; "" where there is none."""
        if self.outlines is None:
            return ""
        return next(shorter_outlines(self.outlines, descriptions=True))[0]

    @cached_property
    def spoken(self) -> dict[str, Any] | None:
        """The JSON Schema of the strings that are the texts of a choice or a pattern; None for all else."""
        match self.grammar:
            case RegularGrammar(formula=Words(words)):
                return {"type": "string", "enum": sorted(words)}
            case RegularGrammar(formula=Pattern(source)):
                return {"type": "string", "pattern": source}
        return None

    @cached_property
    def sent(self) -> tuple[CompiledGrammar, dict[str, Any]]:
        """The grammar over bytes that a server's documents are held to, and the schema that is sent. Raises
        UnsupportedError for a grammar that no schema says."""
        grammar, schema = self.grammar, self.schema if self.spoken is None else self.spoken
        if schema is None or grammar is None:
            raise UnsupportedError(
                "A grammar that no JSON Schema says cannot be sent.",
                keyword="grammar",
                where="target",
                cure="Ask an engine, or for a schema, a choice or a regular expression.",
            )
        if self.spoken is None:
            own = dict(self.reader.policies) if self.reader is not None else {}
            grammar = unwarned_schema(schema, **{**own, **WIDEST})
        return compile(grammar, byte_tokenizer()), wrapped(schema) if self.wrap else schema

    def written_by(self, tokenizer: Tokenizer) -> Grammar | None:
        """Return the grammar for a vocabulary. The object that says a text has no needless escapes; where the
        tokens write none of the texts without escapes, it has all. Cost: that of compiling, for such an
        object and a vocabulary that lacks bytes."""
        grammar = self.grammar
        if self.is_said and isinstance(grammar, JsonSchemaGrammar) and tokenizer.missing_bytes:
            try:
                compile(grammar, tokenizer)
            except (GrammarError, TokenizerError):
                return grammar.under(replace(grammar.policies, escapes="canonical"))
        return grammar

    def said(self, result: Result) -> Result:
        """Return a result with the text that is wanted in place of the object that says it, which is then its
        `reply`."""
        if not self.is_said or result.error is not None:
            return result
        text = result.value[WRAPPER]
        return replace(result, text=text, value=text, reply=result.text)

    def read(self, result: Result) -> Any:
        """Return the object of a whole document; without a type, the result's value; of a reply that may
        call tools, what is taken of it. Errors: ValidatorError."""
        if self.tools is not None:
            return self.tools.value(result.value)
        return result.value if self.reader is None else self.reader.read(result.text)


@dataclass(frozen=True)
class WantedText:
    """What a writer is asked for beside the prompt."""

    form: WantedForm
    options: TypedOptions
    waits: bool = False
    """Whether the caller waits in an event loop; else the writer blocks."""


def form_of_type(
    hint: Any, policies: Mapping[str, Any] | None = None, wrap: Wrapping = "never"
) -> WantedForm:
    """Return the form of a type: free text for `str` itself, items for Iterator[T] and AsyncIterator[T], else
    one document. `policies` are options of `sg.json_schema` that replace the reader's. `wrap`: whether a
    document that is no object is held by one, "always" or where it is none of a few listed values.

    Errors: UnsupportedError for a type that has no schema; those of `sg.json_schema`.
    """
    if hint is str:
        return WantedForm(str)
    if names_calls(hint):
        raise UnsupportedError(
            f"{shown(hint)} has calls of tools, and there are no tools.",
            keyword="type",
            where="return",
            cure="Give tools=[...].",
        )
    origin, items, asynchronous = typing.get_origin(hint), False, False
    if origin in (*_SYNC, *_ASYNC):
        (item, *_) = typing.get_args(hint)
        hint, items, asynchronous = types.GenericAlias(list, item), True, origin in _ASYNC
    if isinstance(hint, (*_NO_TARGETS, Mapping)):
        raise UnsupportedError(
            f"The {type(hint).__name__} {shortened(repr(hint))} is no type.",
            keyword="type",
            where="return",
            cure="Annotate a type, such as `-> Person`; sg.run takes schemas and grammars.",
        )
    if hint is None or hint is type(None) or hint in (typing.NoReturn, typing.Never):
        raise UnsupportedError(
            f"{shown(hint)} leaves nothing to write.",
            keyword="type",
            where="return",
            cure="Annotate what comes back: `-> Person`.",
        )
    reader: TypeReader[Any] = read_type(hint)
    is_held = wrap == "always" or (wrap == "unlisted" and not listed_values(reader.schema))
    if is_held and not is_object(reader.schema):
        reader = WrappedReader(reader)
    grammar = json_schema(reader.schema, **{**reader.policies, **(policies or {})})
    return WantedForm(hint, reader, grammar, items, asynchronous, wrap=wrap == "always")


def form_of(
    target: Any,
    policies: Mapping[str, Any] | None = None,
    usual: Mapping[str, Any] | None = None,
    wrap: Wrapping = "never",
) -> WantedForm:
    """Return the form of whatever says what is wanted: a type, a grammar, a JSON Schema (a dict or a
    boolean), OpenAI's `response_format`, vLLM's `structured_outputs`, what `sg.read_request` returns.

    `policies` are options of `sg.json_schema`; `usual` those of schemas where nothing is said; `wrap` is of
    types, and of what is sent to a server.
    Errors: OptionError for a shape that is none of these, or has keys that are not known; and for policies
    where there is no schema to be written under them.
    """
    if isinstance(target, ReadRequest):
        target = target.grammar()
    if isinstance(target, Grammar):
        if policies:
            raise OptionError(
                "A grammar has its policies already.", where="policies", cure="Give them to sg.json_schema."
            )
        form = WantedForm(grammar=target, wrap=wrap == "always")
        if wrap == "unlisted" and "pattern" in (form.spoken or {}):
            # a chat model ends a string of JSON, and goes on with a bare text as long as the pattern does
            how: Mapping[str, Any] = {**JSON_DUMPS, "escapes": "utf8"}
            return WantedForm(grammar=json_schema(wrapped(form.spoken or {}), **how), is_said=True)
        return form
    if isinstance(target, Mapping | bool):
        grammar = requested(target, policies, usual or {})
        return WantedForm(str) if grammar is None else WantedForm(grammar=grammar, wrap=wrap == "always")
    if target is None:
        return WantedForm(str)
    if isinstance(target, _NO_TARGETS):
        raise OptionError(
            f"The {type(target).__name__} {shortened(repr(target))} does not say what is wanted.",
            where="target",
            cure="Pass a type, a dict that is a JSON Schema, or a grammar: sg.json_schema(text_or_path), "
            "sg.regex(pattern), sg.lark(text), sg.choice(texts).",
        )
    return form_of_type(target, policies, wrap)


def form_of_calls(given: ToolOptions, thinking: Any, options: TypedOptions, hint: Any) -> WantedForm:
    """Return the form of a reply that may call tools. Errors: those of `tool_use`; OptionError for options
    that have no meaning beside tools."""
    refuse(OF_TOOLS, options)
    return WantedForm(hint, tools=tool_use(given, thinking, options.policies, hint))


def check_wrap(form: WantedForm, wrap: bool | None) -> None:
    """Raise OptionError where a person asks to wrap what is never wrapped."""
    if wrap and form.reader is None:
        what = (
            "Free text is no document" if form.grammar is None else "A schema or a grammar is taken as it is"
        )
        raise OptionError(
            f"{what}: there is nothing to wrap.",
            where="wrap",
            cure="Leave wrap out, or ask for a Python type such as list[str].",
        )


def shortened(text: str, most: int = 60) -> str:
    """Return a text for a message: whole, or its beginning."""
    return text if len(text) <= most else f"{text[:most]}..."


def failed(what: str, text: str, attempts: int, where: str = "", cure: str = "") -> GenerationError:
    """Return the error of a text that is not what was asked for. `cure`: "" for a fault of the text."""
    tried = "one attempt" if attempts == 1 else f"{attempts} attempts"
    return GenerationError(
        what,
        text=text,
        attempts=attempts,
        where=where,
        cure=cure
        or f"This was after {tried}; the text is in `.text`. Raise attempts=, or loosen what refuses it.",
    )

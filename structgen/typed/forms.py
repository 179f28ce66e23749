"""What is wanted of a model: a type, items of a type one by one, a schema, a grammar, or free text."""

from __future__ import annotations

import collections.abc
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from structgen.errors import GenerationError, OptionError, UnsupportedError, ValidatorError
from structgen.frontends.type_hints import TypeReader, read_type, shown
from structgen.grammar import Grammar
from structgen.prompting import schema_outline
from structgen.schema.grammar import JsonSchemaGrammar, json_schema

_SYNC = (collections.abc.Iterator, collections.abc.Iterable, collections.abc.Generator)
_ASYNC = (collections.abc.AsyncIterator, collections.abc.AsyncIterable, collections.abc.AsyncGenerator)
_SERVED = ("json", "regex", "choice", "grammar", "structural_tag", "json_object")
"""Keys of vLLM's `structured_outputs`, of which there is exactly one."""


@dataclass(frozen=True)
class Form:
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
    def outline(self) -> str:
        """The outline of the schema, for prompts; "" where there is none."""
        return "" if self.schema is None else schema_outline(self.schema)

    def read(self, text: str) -> Any:
        """Return the object of a whole document, or the text itself. Errors: ValidatorError."""
        if self.reader is not None:
            return self.reader.read(text)
        if not isinstance(self.grammar, JsonSchemaGrammar):
            return text
        try:
            return json.loads(text)
        except ValueError as error:
            raise ValidatorError(f"The text is not JSON: {error}.", where="text") from error


def form_of_type(hint: Any, policies: Mapping[str, Any] | None = None) -> Form:
    """Return the form of a type: free text for `str` itself, items for Iterator[T] and AsyncIterator[T], else
    one document. `policies` are options of `sg.json_schema` that replace the reader's.

    Errors: UnsupportedError for a type that has no schema; those of `sg.json_schema`.
    """
    if hint is str:
        return Form(str)
    origin, items, asynchronous = typing.get_origin(hint), False, False
    if origin in (*_SYNC, *_ASYNC):
        (item, *_) = typing.get_args(hint)
        hint, items, asynchronous = list[item], True, origin in _ASYNC  # type: ignore[valid-type]
    if hint is None or hint is type(None) or hint in (typing.NoReturn, typing.Never):
        raise UnsupportedError(
            f"{shown(hint)} leaves nothing to write.",
            keyword="type",
            where="return",
            cure="Annotate what comes back: `-> Person`.",
        )
    reader: TypeReader[Any] = read_type(hint)
    grammar = json_schema(reader.schema, **{**reader.policies, **(policies or {})})
    return Form(hint, reader, grammar, items, asynchronous)


def form_of(target: Any, policies: Mapping[str, Any] | None = None) -> Form:
    """Return the form of whatever says what is wanted: a type, a grammar, a JSON Schema (a dict or a
    boolean), OpenAI's `response_format`, vLLM's `structured_outputs`.

    Errors: OptionError for a shape that is none of these, or has keys that are not known.
    """
    if isinstance(target, Grammar):
        if policies:
            raise OptionError(
                "A grammar has its policies already.", where="policies", cure="Give them to sg.json_schema."
            )
        return Form(grammar=target)
    if isinstance(target, bool):
        return Form(grammar=json_schema(target, **(policies or {})))
    if isinstance(target, Mapping):
        return _form_of_dict(dict(target), policies or {})
    if target is None:
        return Form(str)
    return form_of_type(target, policies)


def _form_of_dict(target: dict[str, Any], policies: Mapping[str, Any]) -> Form:
    kind = target.get("type")
    if kind in ("json_schema", "json_object", "text"):
        return _response_format(target, policies)
    named = [key for key in _SERVED if target.get(key) is not None]
    if named and "$schema" not in target and kind is None:
        return _structured_outputs(target, named, policies)
    return Form(grammar=json_schema(target, **policies))


def _response_format(target: dict[str, Any], policies: Mapping[str, Any]) -> Form:
    """Read OpenAI's shape: {"type": "json_schema", "json_schema": {"name", "schema", "strict"}} and its
    kin."""
    _known(target, {"type", "json_schema"}, "response_format")
    if target["type"] == "text":
        return Form(str)
    if target["type"] == "json_object":
        return Form(grammar=json_schema({"type": "object"}, **policies))
    inner = target.get("json_schema")
    if not isinstance(inner, Mapping) or "schema" not in inner:
        raise OptionError(
            "There is no schema in it.",
            where="response_format/json_schema",
            cure='Write {"type": "json_schema", "json_schema": {"name": "...", "schema": {...}}}.',
        )
    _known(inner, {"name", "description", "schema", "strict"}, "response_format/json_schema")
    return Form(grammar=json_schema(inner["schema"], **policies))


def _structured_outputs(target: dict[str, Any], named: list[str], policies: Mapping[str, Any]) -> Form:
    """Read vLLM's shape: exactly one of the kinds, and its options."""
    options = {"disable_any_whitespace", "disable_additional_properties", "whitespace_pattern"}
    _known(target, {*_SERVED, *options}, "structured_outputs")
    if len(named) != 1:
        raise OptionError(
            f"It says {' and '.join(named)}.", where="structured_outputs", cure="Give exactly one of them."
        )
    (kind,) = named
    refused = [name for name in ("disable_additional_properties", "whitespace_pattern") if target.get(name)]
    if kind in ("grammar", "structural_tag", "regex") or refused:
        raise UnsupportedError(
            f"{(refused or [kind])[0]!r} is not offered.",
            keyword=(refused or [kind])[0],
            where="structured_outputs",
            cure="Use json, json_object or choice.",
        )
    if target.get("disable_any_whitespace"):
        policies = {"whitespace": "compact", **policies}
    if kind == "choice":
        choices = target["choice"]
        if not isinstance(choices, list) or not choices or not all(isinstance(one, str) for one in choices):
            raise OptionError("choice is a list of strings.", where="structured_outputs/choice")
        return Form(grammar=json_schema({"enum": choices}, **{"escapes": "utf8", **policies}))
    return Form(
        grammar=json_schema({"type": "object"} if kind == "json_object" else target["json"], **policies)
    )


def _known(target: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(target) - known)
    if unknown:
        raise OptionError(
            f"{', '.join(map(repr, unknown))}: not known here.",
            where=where,
            cure=f"Known: {', '.join(sorted(known))}.",
        )


def failed(what: str, text: str, attempts: int, where: str = "") -> GenerationError:
    """Return the error of a text that is not what was asked for."""
    return GenerationError(
        what,
        text=text,
        attempts=attempts,
        where=where,
        cure="The text made so far is in `.text`; ask for more attempts, or loosen what refuses it.",
    )

"""The form of a target: a type, items of a type one by one, a schema, a grammar, or free text."""

from __future__ import annotations

import collections.abc
import json
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any

from structgen.asking.python_types.definitions import Definition
from structgen.asking.python_types.pydantic_formats import make_refusal
from structgen.asking.python_types.type_hints import TypeReader, read_type, type_text
from structgen.asking.request_reading.request_reader import SERVED, ReadRequest
from structgen.asking.request_reading.targets import read_target
from structgen.asking.tool_calls.tool_replies import Reply, json_of_calls
from structgen.base.errors import (
    GenerationError,
    GrammarError,
    OptionError,
    TokenizerError,
    UnsupportedError,
)
from structgen.base.json_text.exact_json import JsonObject, write_canonical
from structgen.base.language.ir import Pattern, Words
from structgen.decoding.engine.requests import Result
from structgen.decoding.engine.searches.listed_values import listed_values, named_values
from structgen.doors.typed.missing_options import OF_TOOLS
from structgen.doors.typed.model_servers.server_replies import SentSchema
from structgen.doors.typed.options import TypedOptions
from structgen.doors.typed.tool_use import ToolUse, names_calls, read_tool_use
from structgen.doors.typed.wrapping import (
    WRAPPER,
    WrappedReader,
    Wrapping,
    is_object,
    openings_of,
    wrap_schema,
)
from structgen.grammars.compilation.compiler import compile
from structgen.grammars.json_grammars.outline_writer import longest_outline
from structgen.grammars.json_grammars.schema_grammar import json_schema, unwarned_schema, without_grammars
from structgen.grammars.text_grammars.regular import RegularGrammar
from structgen.machines.core.compiled import CompiledGrammar, plain_grammar
from structgen.machines.core.grammar import Grammar
from structgen.machines.core.string_values import over_bytes
from structgen.schema.reading.policies import JSON_DUMPS, READABLE_DUMPS, WIDEST
from structgen.schema.reading.string_grammars import GRAMMAR, OBJECT
from structgen.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from structgen.asking.grounding.stated_text import StatedText
    from structgen.asking.python_types.type_places import TypeParts

_SYNC = (collections.abc.Iterator, collections.abc.Iterable, collections.abc.Generator)
_ASYNC = (collections.abc.AsyncIterator, collections.abc.AsyncIterable, collections.abc.AsyncGenerator)


@dataclass(frozen=True)
class TargetForm:
    """How a target is written, and how the text becomes its value. Made by `form_of`."""

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
    """Which tools a reply may call. The form is then that of a reply without calls, and the model's writer
    makes the grammar. None: no tools were given."""
    wrap: bool = False
    """Whether the model is asked for objects alone. The reader and the grammar of a type are then those of an
    object that holds the document. The writer of a server wraps schemas and choices itself."""
    is_text_in_string: bool = False
    """Whether the grammar is that of an object that holds the text of the target as a string."""
    unnarrowed: TargetForm | None = None
    """The form as it was before its grammar was narrowed to what a text states. None: it was not."""
    quoted_text: StatedText | None = None
    """The texts whose letters the quotes of a server's document get. None: they stay as the model writes
    them; beside `quotes`, a string has its places in the same letters alone."""
    quotes: bool = False
    """Whether each free string is a quote, not only those with `x-quote`."""

    @cached_property
    def schema(self) -> JsonObject | None:
        """The JSON Schema; None of free text, or of a grammar that has none."""
        if self.reader is not None and self.unnarrowed is None:
            return self.reader.schema
        value = None if self.grammar is None else self.grammar.schema
        # the schema `true` is {} to those who ask for members
        return value if value is None or isinstance(value, dict) else {}

    @cached_property
    def type_parts(self) -> TypeParts | None:
        """The reader of the parts of a document as its type has them; None without a type."""
        if self.reader is None:
            return None
        # optional: pydantic
        from structgen.asking.python_types.type_places import TypeParts

        return TypeParts(self.reader.core_schema)

    @property
    def card_form(self) -> str:
        """What cards of models call the form (`model_cards.FORMS`). A call that is certain to be of one tool
        is asked for as the JSON of its arguments."""
        if self.tools is not None:
            choice = self.tools.choice
            return "JSON" if choice.must_call and len(choice.tools) == 1 else "calls"
        if self.grammar is None:
            return "text"
        return "grammar" if self.grammar.schema is None else "JSON"

    @cached_property
    def request(self) -> ReadRequest:
        """What is asked of a text, as a request to a server says it."""
        return ReadRequest(answer=self.grammar) if self.tools is None else self.tools.request_of(self.grammar)

    @property
    def is_wrapped(self) -> bool:
        """Whether an object with one member holds the type's document."""
        return isinstance(self.reader, WrappedReader)

    @property
    def value_pointer(self) -> str:
        """The JSON pointer of the target's value in the document that is written."""
        return f"/{WRAPPER}" if self.is_wrapped or self.is_text_in_string else ""

    @property
    def outline(self) -> str:
        """The deepest outline of the schema that is written, its descriptions too; "" where there is none."""
        return longest_outline(self.grammar, descriptions=True)

    @cached_property
    def string_schema(self) -> JsonObject | None:
        """The JSON Schema of the strings that are the texts of a grammar; None of free text, of a schema, and
        of a grammar that no text of a schema says."""
        match None if self.grammar is None else self.grammar.bare():
            case RegularGrammar(formula=Words(words)):
                return {"type": "string", "enum": sorted(words)}
            case RegularGrammar(formula=Pattern(source)):
                return {"type": "string", "pattern": source}
            case Grammar(schema=None, keyword={"syntax": syntax} as keyword) if syntax != OBJECT:
                return {"type": "string", GRAMMAR: keyword}
        return None

    @cached_property
    def object_schema(self) -> JsonObject:
        """The schema of the documents that a server writes, with `x-grammar`. Raises UnsupportedError for a
        grammar that no schema expresses."""
        schema = self.schema if self.string_schema is None else self.string_schema
        if self.unnarrowed is not None:
            schema = json.loads(write_canonical(schema))  # plain numbers: `json.dumps` writes no exact ones
        is_inside = self.grammar is not None and self.grammar.bare() is not self.grammar.innermost
        if schema is None or is_inside:
            raise _unsent_grammar()
        return wrap_schema(schema) if self.wrap else schema

    def schema_for(self, *, is_structgen: bool) -> JsonObject:
        """Return the schema that a server is asked for. structgen's own reads `x-grammar` where it is a text;
        to others it is not sent, and the reply is held to it here. Raises UnsupportedError for a grammar that
        cannot be sent."""
        if is_structgen:
            return without_grammars(self.object_schema, OBJECT)
        if GRAMMAR in (self.string_schema or {}):
            raise _unsent_grammar()
        return self.server_schema.schema

    def compile_sent_schema(self, **widened: Any) -> CompiledGrammar:
        """Return the grammar over bytes of the documents that a server writes. `widened`: policies that count
        in place of the form's. Raises UnsupportedError for a grammar that no schema expresses."""
        policies = None if self.grammar is None else self.grammar.policies
        own_policies = {} if policies is None else asdict(policies)
        return over_bytes(unwarned_schema(self.object_schema, **{**own_policies, **widened}))

    @cached_property
    def server_schema(self) -> SentSchema:
        """The schema that other servers than structgen's are asked for, and the way back from their replies.
        Raises UnsupportedError for a grammar that no schema expresses."""
        is_wrapped = self.is_wrapped or (self.wrap and not is_object(self.string_schema or self.schema or {}))
        # no mask holds the server to a way of writing: every way is read
        byte_grammar = self.compile_sent_schema(**WIDEST)
        make_repair = None
        if self.quoted_text is not None:
            # start-up: few answers are grounded
            from structgen.asking.grounding.repairs import QuoteRepair

            grammar = (self.unnarrowed or self).compile_sent_schema(**WIDEST).grammar
            make_repair = partial(QuoteRepair, grammar, self.quotes, self.quoted_text)
        sent_schema = without_grammars(self.object_schema)
        # what a text states of a type is no list of values that the type has
        type_schema = self.string_schema or (self.unnarrowed or self).schema or {}
        value_schema = type_schema["properties"][WRAPPER] if self.is_wrapped else type_schema
        return SentSchema(
            sent_schema,
            byte_grammar,
            is_wrapped,
            keeps_wrapper=self.is_wrapped,
            is_text_in_string=self.string_schema is not None,
            names=named_values(value_schema, type_schema.get("$defs")),
            make_repair=make_repair,
        )

    def grammar_for(self, tokenizer: Tokenizer) -> Grammar | None:
        """Return the grammar for a vocabulary. The object that says a text has no needless escapes; where the
        tokens write none of the texts without escapes, it has all. Cost: that of compiling, for such an
        object and a vocabulary that lacks bytes."""
        grammar = self.grammar
        if self.is_text_in_string and grammar is not None and tokenizer.missing_bytes:
            try:
                compile(grammar, tokenizer, first_mask=False)
            except (GrammarError, TokenizerError):
                policies: Mapping[str, Any] = {**JSON_DUMPS, "escapes": "canonical"}
                return json_schema(self.schema or {}, **policies)
        return grammar

    def openings_of(self, text: str) -> Iterator[tuple[str, str]]:
        """Return the `openings_of` a document."""
        is_string = self.is_text_in_string
        return openings_of(text, is_wrapped=self.is_wrapped or is_string, is_string=is_string)

    def unwrap_result(self, result: Result) -> Result:
        """Return a result with the text of the target in place of the object that holds it as a string. The
        object is then its `reply`."""
        if not self.is_text_in_string or result.error is not None or isinstance(result.value, Reply):
            return result
        text = result.value[WRAPPER]
        return replace(result, text=text, value=text, reply=result.text)

    def read_value(self, result: Result) -> Any:
        """Return the object of a whole document; without a type, the result's value; of a reply that may
        call tools, what is taken of it. Errors: ValidatorError."""
        if self.tools is not None and isinstance(result.value, Reply):
            return self.tools.take_whole(result.value)
        return result.value if self.reader is None else self.reader.read_document(result.text)

    def read_json(self, result: Result) -> Any:
        """Return the plain JSON of a whole document, without its wrapper (`Outcome.json`)."""
        value = result.value
        if self.tools is not None and isinstance(value, Reply):
            return json_of_calls(self.tools.take_parts(value))
        return value[WRAPPER] if self.is_wrapped else value


@dataclass(frozen=True)
class WritingTask:
    """What a writer is asked for beside the prompt: the form of the text, and the options."""

    form: TargetForm
    options: TypedOptions
    is_async: bool = False
    """Whether the caller waits in an event loop; else the writer blocks."""
    name: str = ""
    """Of the function that asks, for traces."""
    stated: StatedText | None = None
    """The texts to which the form was narrowed; None: it was not."""


def form_of(
    target: Any,
    policies: Mapping[str, Any] | None = None,
    default_policies: Mapping[str, Any] | None = None,
    wrap: Wrapping = "never",
    where: str = "target",
) -> TargetForm:
    """Return the form of a target (`read_target`): free text for None and `str`, items for Iterator[T] and
    AsyncIterator[T], else one text.

    `policies`
        options of `sg.json_schema`.
    `default_policies`
        those of a schema where a person gives none.
    `wrap`
        whether an object holds a type's document that is none: "always", or "unlisted", unless the type lists
        a few values.
    `where`
        "return", or the name of the option, for errors.

    For example, `form_of(int, wrap="always")` has the documents `{"value": 36}`. Errors: those of
    `read_target`; UnsupportedError for a type that leaves nothing to write.
    """
    if names_calls(target):
        raise make_refusal(
            f"{type_text(target)} returns tool calls, but no tools are given.",
            "type",
            "Pass tools=[...].",
            where,
        )
    if any(target is nothing for nothing in (type(None), typing.NoReturn, typing.Never)):
        raise make_refusal(
            f"{type_text(target)} has no values to generate.",
            "type",
            "Annotate the return type: `-> Person`.",
            where,
        )
    origin, items, asynchronous = typing.get_origin(target) or target, False, False
    if any(origin is kind for kind in (*_SYNC, *_ASYNC)):
        item = (typing.get_args(target) or (Any,))[0]
        target, items, asynchronous = types.GenericAlias(list, item), True, origin in _ASYNC
    # the forms of types are kept: a type is hashed faster than it is read
    if isinstance(target, type) or typing.get_origin(target) is not None:
        policy_items = tuple((name, type(value), value) for name, value in (policies or {}).items())
        try:
            key = Definition(target), policy_items, wrap, items, asynchronous
            hash(key)
        except Exception:  # people's code may run in it: the type is read anew, and tells its own faults
            return _form_of_type(target, policies, wrap, items, asynchronous)
        return _cached_form(*key)
    grammar = plain_grammar(read_target(target, policies, default_policies, where=where).grammar)
    if grammar is None:
        return TargetForm(str)
    form = TargetForm(grammar=grammar, wrap=wrap == "always")
    if wrap == "unlisted" and "pattern" in (form.string_schema or {}):
        # a chat model ends a string of JSON, and goes on with a bare text as long as the pattern does
        wrapped_grammar = json_schema(wrap_schema(form.string_schema or {}), **READABLE_DUMPS)
        return TargetForm(grammar=wrapped_grammar, is_text_in_string=True)
    return form


def _form_of_type(
    target: Any,
    policies: Mapping[str, Any] | None,
    wrap: Wrapping,
    items: bool,
    asynchronous: bool,
) -> TargetForm:
    """Return the form of a type, perhaps free text; for example of `Person`, with `items` of list[Person].
    Errors: those of `read_target`."""
    grammar, reader = read_target(target, policies, reading=partial(_reader_or_wrapper, wrap=wrap))
    if reader is None:
        return TargetForm(str)
    return TargetForm(target, reader, plain_grammar(grammar), items, asynchronous, wrap=wrap == "always")


@lru_cache(maxsize=64)
def _cached_form(
    definition: Definition, policy_items: tuple[tuple[str, type, Any], ...], *form_options: Any
) -> TargetForm:
    """Return `_form_of_type` of a type that is as it was, under policies of the same types and values."""
    return _form_of_type(definition.hint, {name: value for name, _, value in policy_items}, *form_options)


def _reader_or_wrapper(hint: Any, wrap: Wrapping) -> TypeReader[Any]:
    """Return the reader of a type, or of objects that hold its documents."""
    reader: TypeReader[Any] = read_type(hint)
    is_wrapped = wrap == "always" or (wrap == "unlisted" and not listed_values(reader.schema))
    return WrappedReader(reader) if is_wrapped and not is_object(reader.schema) else reader


def form_of_calls(
    options: TypedOptions,
    hint: Any,
    default_policies: Mapping[str, Any] | None = None,
    wrap: Wrapping = "never",
    where: str = "target",
) -> TargetForm:
    """Return the form of a reply that may call tools; a reply that calls none has the form of `form_of`.

    `hint`: the return type or the target, such as `Person | Call`; `default_policies`: those of the arguments
    too; the other parameters are those of `form_of`. Errors: those of `read_tool_use` and `form_of`;
    OptionError for options that have no meaning beside tools.
    """
    use = read_tool_use(options, hint, where, default_policies or SERVED)
    OF_TOOLS.raise_first(options, use)
    if use.reply_shape.answer is None:
        return TargetForm(hint, tools=use)
    form = form_of(use.reply_shape.answer, options.policies, default_policies, wrap, where)
    if form.items:
        raise make_refusal(
            "Iterator[T] cannot be combined with tools.",
            "type",
            "Use list[T] instead of Iterator[T].",
            where,
        )
    # a reply whose answer has no schema may be any text of its grammar
    use = replace(use, reply_shape=use.reply_shape._replace(text=form.schema is None))
    return form if use.choice.mode == "none" else replace(form, hint=hint, tools=use)


def _unsent_grammar() -> UnsupportedError:
    return make_refusal(
        "This grammar cannot be expressed as a JSON Schema, so it cannot be sent to a server.",
        "grammar",
        "Use an engine; or a schema, a choice or a regular expression; a server of structgen's "
        "takes the text of a grammar too.",
        "target",
    )


def check_wrap(form: TargetForm, wrap: bool | None) -> None:
    """Raise OptionError where a person asks to wrap what is never wrapped."""
    if wrap and form.reader is None:
        is_free = form.grammar is None
        fault = (
            "wrap= has no effect on free text"
            if is_free
            else ("wrap= has no effect on a schema or a grammar")
        )
        raise OptionError(
            f"{fault}.",
            where="wrap",
            cure="Remove wrap, or use a Python type such as list[str].",
        )


def generation_error(
    fault: str,
    text: str,
    attempts: int,
    where: str = "",
    cure: str = "",
) -> GenerationError:
    """Return the error of a text that the target refuses. `where`: the JSON pointer of the fault; `cure`: ""
    for a fault of the text. For example, `generation_error("It is no date", text, 3, "/born")`."""
    if not cure:
        attempt_text = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        cure = f"Gave up after {attempt_text}; error.text holds the reply. "
        cure += "Retry, or relax the constraint that rejects it."
    return GenerationError(fault, text=text, attempts=attempts, where=where, cure=cure)

"""Writing with a server that speaks OpenAI's protocol: `openai:URL#NAME`.

The schema goes along as `response_format`; how well the server keeps it is the server's affair. What comes
back is read (`server_replies`), held to the grammar and to the type here, and asked for again where it
fails. A server that takes no schema, or breaks it, finds it in the prompt.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from structgen.compilation.compiler import compile
from structgen.core.compiled import CompiledGrammar
from structgen.engine.contradictions import refuse
from structgen.engine.requests import DEFAULT_MAX_TOKENS, FinishReason, Result, Usage
from structgen.errors import StructgenError, UnsupportedError, ValidatorError
from structgen.json_grammars.schema_grammar import unwarned_schema
from structgen.schema.reading.openai import check_subset
from structgen.schema.reading.policies import WIDEST
from structgen.tokens.tokenizer import byte_tokenizer
from structgen.tool_calls.tool_replies import Reply
from structgen.typed.missing_options import OF_SERVER_FORMS
from structgen.typed.options import TypedOptions
from structgen.typed.prompts import PromptSource
from structgen.typed.remote_calls import PARALLEL, SentCalls, fields_of, read_reply
from structgen.typed.server_replies import ArrivingObject, ReadReply, first_fault, read
from structgen.typed.servers import SCHEMA, Server, habits_of
from structgen.typed.tool_use import history
from structgen.typed.wanted_forms import WantedForm
from structgen.typed.wrapping import is_object, unwrapped, wrapped, wrapper_of

LOST = (
    "That every token keeps the schema: the server may ignore parts of it. A document that breaks it is "
    "asked for again, up to `attempts` times.",
    "That a document is complete within max_tokens: it may be cut off, which is an error with the text so "
    "far.",
    "Log-probabilities, the mass removed and traces; the same text for the same seed in any batch.",
    "Policies (white space, numbers, escapes), and thoughts with a budget.",
)
"""What an engine of this process guarantees, and a server does not."""

MOST_AT_ONCE = 8
"""Requests of a batch that are under way at a time."""

_REASONS = MappingProxyType({"stop": FinishReason.STOP, "length": FinishReason.MAX_TOKENS})
_URL_CURE = "Check that the URL is that of an OpenAI-compatible server: it mostly ends in /v1."


class Remote:
    """A model on a server."""

    kind: Final = "server"
    lost = LOST
    bound = "max_tokens"

    def __init__(self, server: Server) -> None:
        """Errors: StructgenError where openai is not installed."""
        try:
            import openai
        except ImportError as error:
            raise StructgenError(
                "Servers are asked with the openai package.",
                where="model",
                cure="pip install openai",
            ) from error
        self._openai, self.url, self.name = openai, server.url, server.name
        self._server, self._habits = server, habits_of(server)
        self._faults = (openai.OpenAIError, ValueError)  # ValueError: a reply that is not JSON
        self._kept: dict[int, tuple[WantedForm, CompiledGrammar, dict[str, Any]]] = {}

    @cached_property
    def _client(self) -> Any:
        # the key is the environment's OPENAI_API_KEY; servers of one's own need none
        return self._openai.OpenAI(base_url=self.url, api_key=_key(), max_retries=1)

    @cached_property
    def _aclient(self) -> Any:
        return self._openai.AsyncOpenAI(base_url=self.url, api_key=_key(), max_retries=1)

    # --- what is sent ---------------------------------------------------------------------------------------

    def prompt(self, form: WantedForm, source: PromptSource, options: TypedOptions) -> str:
        """Return the text of the last message."""
        return str(self._messages(form, source, options)[-1]["content"])

    def _messages(
        self, form: WantedForm, source: PromptSource, options: TypedOptions
    ) -> list[dict[str, Any]]:
        question = source.question(form, options)
        if form.grammar is not None and options.outline is not False:
            schema = self._known(form)[1]
            if self._habits.breaks_schemas or not self._sends(schema):
                question = replace(question, schema=json.dumps(schema, ensure_ascii=False))
        messages = question.messages()
        return messages if form.tools is None else history(messages, "text")

    def _sends(self, schema: dict[str, Any]) -> bool:
        """Tell whether a schema is sent in its field."""
        return SCHEMA not in self._server.leave_out and self._habits.takes(schema)

    def _body(
        self, form: WantedForm, source: PromptSource, options: TypedOptions, attempt: int
    ) -> dict[str, Any]:
        refuse(OF_SERVER_FORMS, options, form)
        how = options.sampling_of(attempt)
        body: dict[str, Any] = {
            "model": self.name,
            "messages": self._messages(form, source, options),
        }
        for field, value in (
            (self._server.max_tokens_field, options.max_tokens or DEFAULT_MAX_TOKENS),
            ("temperature", how.temperature),
            ("seed", how.seed),
        ):
            sent = None if field in self._server.leave_out else self._habits.field(field)
            if sent is not None:
                body[sent] = value
        for name, unset in (("top_p", 1.0), ("presence_penalty", 0.0), ("frequency_penalty", 0.0)):
            if getattr(how, name) != unset:
                body[name] = getattr(how, name)
        if how.logit_bias:
            body["logit_bias"] = {str(token): bias for token, bias in dict(how.logit_bias).items()}
        if options.stop:
            body["stop"] = list(options.stop)
        if options.timeout is not None:
            body["timeout"] = options.timeout
        if form.tools is not None:
            body |= fields_of(form.tools)
            if PARALLEL in self._server.leave_out or self._habits.field(PARALLEL) is None:
                body.pop(PARALLEL, None)
        if form.grammar is not None:
            schema = self._known(form)[1]
            if self._sends(schema):
                strict = True
                try:
                    check_subset(unwarned_schema(schema).schema)
                except StructgenError:
                    strict = False
                body[SCHEMA] = {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": schema, "strict": strict},
                }
        return body

    def _known(self, form: WantedForm) -> tuple[CompiledGrammar, dict[str, Any]]:
        """Return a form's grammar over bytes, for checking, and the schema that is sent; kept. Raises
        UnsupportedError for a grammar that no schema says."""
        found = self._kept.get(id(form))
        if found is None:
            grammar, schema = form.grammar, form.schema if form.spoken is None else form.spoken
            if schema is None or grammar is None:
                raise UnsupportedError(
                    "A grammar that no JSON Schema says cannot be sent.",
                    keyword="grammar",
                    where="target",
                    cure="Ask an engine, or for a schema, a choice or a regular expression.",
                )
            if form.spoken is None:
                own = dict(form.reader.policies) if form.reader is not None else {}
                grammar = unwarned_schema(schema, **{**own, **WIDEST})
            found = self._kept[id(form)] = (
                form,
                compile(grammar, byte_tokenizer()),
                wrapped(schema) if form.wrap else schema,
            )
        return found[1], found[2]

    # --- what comes back ------------------------------------------------------------------------------------

    def reading(self, form: WantedForm, reply: str) -> ReadReply:
        """Return what a reply says of a form that has a grammar. A document that was asked for inside of an
        object is also read as it is, from servers that do not keep to that."""
        compiled, sent = self._known(form)

        def asked(text: str) -> str | None:
            document = _document(form, text)
            return document if document is not None and _accepts(compiled, document) else None

        def bare(text: str) -> str | None:
            whole = wrapper_of(text) if form.is_wrapped else text
            if _accepts(compiled, whole):
                return whole
            said = _said(text) if form.spoken is not None else None
            return said if said is not None and _accepts(compiled, said) else None

        found = read(reply, asked, inside=is_object(sent))
        if found.document is None and not found.fault:
            again = read(reply, bare, inside=False)
            if again.document is not None:
                return again
            if bare(found.found) is not None:
                return replace(found, fault="The document is no object, and stands inside of a sentence")
        return found

    def _result(
        self,
        form: WantedForm,
        reply: str,
        reason: str | None,
        usage: Any,
        refusal: str | None,
        thoughts: str = "",
    ) -> Result:
        error: StructgenError | None = None
        text, reading = reply, None
        found: Reply | None = None
        if form.tools is not None:
            found = read_reply(form.tools, reply, ended=True)
            thoughts = thoughts or found.thinking or ""
            found = replace(found, thinking=thoughts or None)
            reason = "stop" if reason == "tool_calls" else reason
        if refusal:
            error = StructgenError(f"The model refuses: {refusal}", where=self.name, cure="Ask differently.")
        elif reason is None:
            error = StructgenError("The server's reply has no finish_reason.", where=self.url, cure=_URL_CURE)
        elif reason not in _REASONS:
            error = StructgenError(
                f"The text ended for the reason {reason!r}.",
                where=self.name,
                cure="See what the server means by it; content_filter is a refusal of the text.",
            )
        elif form.tools is not None and found is not None:
            error = form.tools.fault(found)
            if error is not None and reason == "length":
                error = StructgenError("The reply was cut off.", where=self.name, cure="Raise max_tokens.")
        elif form.grammar is not None:
            if reason == "length":
                error = StructgenError("The text was cut off.", where=self.name, cure="Raise max_tokens.")
                begun = ArrivingObject()
                begun.add(reply)
                text = begun.found or reply
            else:
                reading = self.reading(form, reply)
                thoughts = thoughts or reading.thoughts
                if reading.document is not None:
                    text = reading.document
                else:
                    text, error = self._refused(form, reading)
        spent = Usage(
            prompt_tokens=getattr(usage, "prompt_tokens", 0) or 0,
            tokens=getattr(usage, "completion_tokens", 0) or 0,
        )
        if found is not None:
            value: Any = found
        elif reading is None or reading.document is None:
            value = text
        else:
            value = self._known(form)[0].value(text.encode("utf-8", "surrogatepass"))
        ended = FinishReason.ERROR if refusal else _REASONS.get(str(reason), FinishReason.ERROR)
        return Result(text, ended, [], [], spent, error=error, value=value, thoughts=thoughts, reply=reply)

    def _refused(self, form: WantedForm, reading: ReadReply) -> tuple[str, ValidatorError]:
        """Return the text of a reply that says no document, and what is wrong with it. The text is the one
        object in the reply, without its wrapper, or all of the reply. The schema goes into later prompts."""
        self._habits.breaks_schemas = True
        text, fault = _document(form, reading.found) or reading.found, reading.fault
        if not fault:
            found = first_fault(self._known(form)[0], text)
            fault = f"The server's document is none of the schema's: {found}"
        return text, ValidatorError(f"{fault}.", where="text")

    def _failure(self, error: Exception, text: str = "") -> Result:
        what = "The server's reply is not JSON" if isinstance(error, ValueError) else "The server failed"
        reason = StructgenError(
            f"{what}: {type(error).__name__}: {str(error).rstrip('.')}.",
            where=self.url,
            cure=self._cure(error),
        )
        return Result(text, FinishReason.ERROR, [], [], Usage(), error=reason)

    def _cure(self, error: Exception) -> str:
        """Return what a person can do about an error of the openai package."""
        status = getattr(error, "status_code", None)
        if isinstance(error, ValueError):
            return _URL_CURE
        if isinstance(error, self._openai.APITimeoutError):
            return "Raise timeout=, or look whether the server is overloaded."
        if isinstance(error, self._openai.APIConnectionError):
            return "Check that the server runs and that the URL is right (host, port)."
        if status == 404:
            return (
                f"Check the URL, which mostly ends in /v1, and the model's name {self.name!r}: "
                f"curl {self.url}/models lists the names."
            )
        if status in (401, 403):
            return "Set the environment variable OPENAI_API_KEY to a key of this server."
        if status == 429:
            return "Wait, ask for fewer texts at a time, or raise the quota at the server."
        if status in (400, 422):
            return "The server does not take this request: its message says which part."
        return "See the server's log."

    # --- texts ----------------------------------------------------------------------------------------------

    def write(
        self, form: WantedForm, sources: Sequence[PromptSource], options: TypedOptions, attempt: int = 0
    ) -> list[Result]:
        """Return a text for each source; some are under way at the same time."""
        for source in sources:
            self._body(form, source, options, attempt)  # wrong options are told before anything is sent

        def one(source: PromptSource) -> Result:
            try:
                answer = self._sent(lambda: self._body(form, source, options, attempt))
            except self._faults as error:
                return self._failure(error)
            return self._answered(form, answer)

        if len(sources) == 1:
            return [one(sources[0])]
        with ThreadPoolExecutor(MOST_AT_ONCE, "structgen-remote") as pool:
            return list(pool.map(one, sources))

    def _sent(self, body: Callable[[], dict[str, Any]]) -> Any:
        """Send a request, and send it again, made anew, while a refusal names a field that can be mended: at
        most twice for each. Errors: those of the openai package."""
        while True:
            made = body()
            try:
                return self._client.chat.completions.create(**made)
            except self._openai.APIStatusError as error:
                if not self._habits.learn(self._server, error, made):
                    raise

    async def _asent(self, body: Callable[[], dict[str, Any]]) -> Any:
        """Do the same in an event loop."""
        while True:
            made = body()
            try:
                return await self._aclient.chat.completions.create(**made)
            except self._openai.APIStatusError as error:
                if not self._habits.learn(self._server, error, made):
                    raise

    async def awrite(
        self, form: WantedForm, source: PromptSource, options: TypedOptions, attempt: int = 0
    ) -> Result:
        """Return a text."""
        try:
            answer = await self._asent(lambda: self._body(form, source, options, attempt))
        except self._faults as error:
            return self._failure(error)
        return self._answered(form, answer)

    def _answered(self, form: WantedForm, answer: Any) -> Result:
        missing = _missing_key(answer)
        if missing:
            fault = StructgenError(
                f"The server's reply has no {missing}.",
                where=self.url,
                cure=_URL_CURE,
            )
            return Result("", FinishReason.ERROR, [], [], Usage(), error=fault)
        choice = answer.choices[0]
        message = choice.message
        refusal = getattr(message, "refusal", None)
        usage = getattr(answer, "usage", None)
        content, thoughts = _content(message.content), _thoughts(message)
        if form.tools is not None:
            calls = SentCalls()
            calls.add(getattr(message, "tool_calls", None))
            content += calls.text(ended=choice.finish_reason != "length")
        return self._result(form, content, choice.finish_reason, usage, refusal, thoughts)

    def read(self, form: WantedForm, options: TypedOptions, text: str) -> Reply:
        """Return what there is of a reply that may call tools, from its text so far."""
        assert form.tools is not None, "the form is one of replies"
        return read_reply(form.tools, text, ended=False)

    def stream(
        self, form: WantedForm, source: PromptSource, options: TypedOptions, done: Callable[[Result], None]
    ) -> Iterator[str]:
        """Yield a text in pieces as they arrive, and hand its result to `done`."""
        answer = _Arriving(self, form)
        try:
            with self._sent(lambda: {**self._body(form, source, options, 0), "stream": True}) as chunks:
                answer.is_stream = _is_stream(chunks)
                for chunk in chunks:
                    piece = answer.add(chunk)
                    if piece:
                        yield piece
        except Exception as error:  # of openai, of its HTTP library, or a chunk that is none
            done(self._failure(error, answer.text))
            return
        result, rest = answer.result()
        if rest:
            yield rest
        done(result)

    async def astream(
        self, form: WantedForm, source: PromptSource, options: TypedOptions, done: Callable[[Result], None]
    ) -> AsyncIterator[str]:
        """Yield a text in pieces as they arrive, and hand its result to `done`."""
        answer = _Arriving(self, form)
        try:
            chunks = await self._asent(lambda: {**self._body(form, source, options, 0), "stream": True})
            answer.is_stream = _is_stream(chunks)
            async with chunks:
                async for chunk in chunks:
                    piece = answer.add(chunk)
                    if piece:
                        yield piece
        except Exception as error:  # of openai, of its HTTP library, or a chunk that is none
            done(self._failure(error, answer.text))
            return
        result, rest = answer.result()
        if rest:
            yield rest
        done(result)


def _accepts(compiled: CompiledGrammar, text: str) -> bool:
    """Tell whether a text is one of a grammar's."""
    state = compiled.step_bytes(compiled.start, text.encode("utf-8", "surrogatepass"))
    return state is not None and compiled.accepts_end(state)


def _is_stream(chunks: Any) -> bool:
    """Tell whether a reply to `stream: true` is a stream: a server that knows none sends one JSON object."""
    return not chunks.response.headers.get("content-type", "").startswith("application/json")


def _content(content: Any) -> str:
    """Return the text of a message: some servers send parts, of which those of text count."""
    if isinstance(content, list):
        return "".join(str(one.get("text") or "") for one in content if isinstance(one, dict))
    return content or ""


def _thoughts(message: Any) -> str:
    """Return the thoughts that a server sends beside a message, or beside a piece of one."""
    found = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
    return found if isinstance(found, str) else ""


def _missing_key(answer: Any) -> str:
    """Return the first key of a chat completion that a reply does not have; "" where it has all."""
    for name in ("choices", "choices[0]", "choices[0].message", "choices[0].finish_reason"):
        found = answer
        for key in name.replace("[0]", ".0").split("."):
            if key == "0":
                found = found[0] if isinstance(found, list) and found else None
            else:
                found = getattr(found, key, None)
        if found is None:
            return name
    return ""


class _Arriving:
    """A streamed answer."""

    def __init__(self, remote: Remote, form: WantedForm) -> None:
        self._remote, self._form = remote, form
        self._object, self._thoughts = ArrivingObject(), ""
        self.is_stream = True
        self._is_object = form.schema is not None and is_object(form.schema)
        self._reason: str | None = None
        self._refusal = ""
        self._calls, self._told = SentCalls(), ""

    def add(self, chunk: Any) -> str:
        """Take a chunk; returns what it adds to the document."""
        if not getattr(chunk, "choices", None):
            return ""
        choice = chunk.choices[0]
        self._reason = choice.finish_reason or self._reason
        self._refusal += getattr(choice.delta, "refusal", None) or ""
        piece = _content(choice.delta.content)
        self._thoughts += _thoughts(choice.delta)
        known = self._object.add(piece)
        if self._form.tools is not None:
            self._calls.add(getattr(choice.delta, "tool_calls", None))
            return self._new(ended=False)
        return piece if self._form.grammar is None else known if self._is_object else ""

    def _new(self, *, ended: bool) -> str:
        """Return what the reply has beyond what was handed out: its text, and behind it its calls."""
        reply = self._object.reply + self._calls.text(ended=ended)
        new = reply.removeprefix(self._told) if reply.startswith(self._told) else ""
        self._told += new
        return new

    @property
    def text(self) -> str:
        """What was handed out: of a reply that has a document, the object that may be it."""
        if self._form.tools is not None:
            return self._told
        if self._form.grammar is None:
            return self._object.reply
        return self._object.found if self._is_object else ""

    def result(self) -> tuple[Result, str]:
        """Return the result, once all has arrived, and what of the document was not handed out before: all of
        it, where only the whole reply shows where it is."""
        reply, form = self._object.reply, self._form
        if not self.is_stream:
            fault = StructgenError(
                "The server did not stream: it answered with one object.",
                where=self._remote.url,
                cure="Call the function itself, without .stream and with list[T] in place of Iterator[T].",
            )
            return Result("", FinishReason.ERROR, [], [], Usage(), error=fault), ""
        refusal = self._refusal or None
        rest = ""
        if form.tools is not None:
            reply += self._calls.text(ended=self._reason != "length")
            rest = self._new(ended=self._reason != "length")
        result = self._remote._result(form, reply, self._reason, None, refusal, self._thoughts)
        if form.grammar is None or result.error is not None:
            return result, rest
        if not self.text:
            return result, result.text
        if result.text.strip() != self.text:
            result.error = StructgenError(
                "The stream began with another object than the document.",
                where=self._remote.name,
                cure="Call the function itself, without .stream, or ask for the document alone.",
            )
        return result, ""


def _document(form: WantedForm, text: str) -> str | None:
    """Return the document of a text that is as it was asked for, else None. The grammar of a type has the
    wrapper, that of a schema has not; a choice and a pattern are strings of JSON to the server."""
    if form.reader is not None or (form.schema is not None and is_object(form.schema)):
        return text
    document = unwrapped(text) if form.wrap else text
    if form.wrap and document == text:
        return None
    return document if form.spoken is None else _said(document)


def _said(text: str) -> str | None:
    """Return what a string of JSON says; None for any other text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def _key() -> str:
    return os.environ.get("OPENAI_API_KEY") or "none"

"""Writing with a server that speaks OpenAI's protocol: `openai:URL#NAME`.

The schema goes along as `response_format`; how well the server keeps it is the server's affair. What comes
back is read (`server_replies`), held to the grammar and to the type here, and asked for again where it
fails. A server that takes no schema, or breaks it, finds it in the prompt.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from structgen.engine.requests import DEFAULT_MAX_TOKENS, FinishReason, Result, Usage
from structgen.errors import StructgenError, ValidatorError
from structgen.system.installation import not_installed
from structgen.tool_calls.tool_replies import Reply
from structgen.typed.missing_options import OF_SERVER_FORMS
from structgen.typed.prompts import PromptSource
from structgen.typed.remote_calls import SentCalls, fields_of, is_strict, read_reply
from structgen.typed.server_replies import (
    ArrivingObject,
    ReadReply,
    accepts,
    first_fault,
    read,
    words_of,
    words_of_error,
)
from structgen.typed.servers import KNOWN, SCHEMA, Server, ServerHabits
from structgen.typed.tool_use import history
from structgen.typed.waiting import now, pieces_of
from structgen.typed.wanted_forms import WantedForm, WantedText
from structgen.typed.wrapping import is_object, unwrapped, wrapper_of

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
_CURES = MappingProxyType(
    {
        404: "Check the URL, which mostly ends in /v1, and the model's name {name!r}: "
        "curl {url}/models lists the names.",
        **dict.fromkeys((401, 403), "Set the environment variable OPENAI_API_KEY to a key of this server."),
        429: "Wait, ask for fewer texts at a time, or raise the quota at the server.",
        **dict.fromkeys((400, 422), "The server does not take this request: its message says which part."),
    }
)
"""What a person can do about a status."""
_WHOLE = "Call the function itself, without .stream and with list[T] in place of Iterator[T]."
_SILENT = "The server does not take this request, and does not say why: see its log."
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
            raise not_installed("A model on a server", "openai", where="model") from error
        self._openai, self.url, self.name = openai, server.url, server.name
        self._server = server
        self._habits = KNOWN.setdefault((server.url, server.name), ServerHabits())
        self._faults = (openai.OpenAIError, ValueError)  # ValueError: a reply that is not JSON

    @cached_property
    def _client(self) -> Any:
        return self._made(self._openai.OpenAI)

    @cached_property
    def _aclient(self) -> Any:
        return self._made(self._openai.AsyncOpenAI)

    def _made(self, client: Any) -> Any:
        # the key is the environment's; servers of one's own need none
        return client(base_url=self.url, api_key=os.environ.get("OPENAI_API_KEY") or "none", max_retries=1)

    # --- what is sent ---------------------------------------------------------------------------------------

    def prompt(self, wanted: WantedText, source: PromptSource) -> str:
        """Return the text of the last message."""
        return str(self._messages(wanted, source)[-1]["content"])

    def _messages(self, wanted: WantedText, source: PromptSource) -> list[dict[str, Any]]:
        question, form = source.question(wanted), wanted.form
        if form.grammar is not None and wanted.options.outline is not False:
            schema = form.sent[1]
            if self._habits.breaks_schemas or not self._sends(schema):
                question = replace(question, schema=json.dumps(schema, ensure_ascii=False))
        messages = question.messages()
        return messages if form.tools is None else history(messages, "text")

    def _sends(self, schema: dict[str, Any]) -> bool:
        """Tell whether a schema is sent in its field."""
        return SCHEMA not in self._server.leave_out and self._habits.takes(schema)

    def _body(self, wanted: WantedText, source: PromptSource, attempt: int) -> dict[str, Any]:
        form, options = wanted.form, wanted.options
        OF_SERVER_FORMS.refuse(options, form)
        how = options.sampling_of(attempt)
        body: dict[str | None, Any] = {
            "model": self.name,
            "messages": self._messages(wanted, source),
            self._server.max_tokens_field: options.max_tokens or DEFAULT_MAX_TOKENS,
            "temperature": how.temperature,
            "seed": how.seed,
        }
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
            body.update(fields_of(form.tools).items())
        if form.grammar is not None:
            schema = form.sent[1]
            if self._sends(schema):
                said = {"name": "answer", "schema": schema, "strict": is_strict(schema)}
                body[SCHEMA] = {"type": "json_schema", "json_schema": said}
        taken = {name: self._habits.field(name) for name in body if name not in self._server.leave_out}
        return {sent: body[name] for name, sent in taken.items() if sent is not None}

    # --- what comes back ------------------------------------------------------------------------------------

    def reading(self, form: WantedForm, reply: str) -> ReadReply:
        """Return what a reply says of a form that has a grammar. A document that was asked for inside of an
        object is also read as it is, from servers that do not keep to that."""
        compiled, sent = form.sent

        def held(*documents: str | None) -> str | None:
            return next((one for one in documents if one is not None and accepts(compiled, one)), None)

        def asked(text: str) -> str | None:
            return held(_document(form, text))

        def bare(text: str) -> str | None:
            whole = wrapper_of(text) if form.is_wrapped else text
            return held(whole, None if form.spoken is None else _said(text))

        found = read(reply, asked, inside=is_object(sent))
        if found.document is None and not found.fault:
            again = read(reply, bare, inside=False)
            if again.document is not None:
                return again
            if bare(found.found) is not None:
                return replace(found, fault="The document is no object, and stands inside of a sentence")
        return found

    def result(self, form: WantedForm, answer: _Answer, usage: Any = None) -> Result:
        """Return the result of an answer that is over."""
        text, thoughts, reason = answer.reply, answer.thoughts, answer.reason
        value: Any = text
        if form.tools is not None:
            value = read_reply(form.tools, text, ended=True)
            thoughts = thoughts or value.thinking or ""
            value = replace(value, thinking=thoughts or None)
            reason = "stop" if reason == "tool_calls" else reason
        error = self._ended_badly(answer.refusal, reason)
        if error is None and form.tools is not None:
            error = form.tools.fault(value)
            if error is not None and reason == "length":
                error = StructgenError("The reply was cut off.", where=self.name, cure="Raise max_tokens.")
        elif error is None and form.grammar is not None and reason == "length":
            error = StructgenError("The text was cut off.", where=self.name, cure="Raise max_tokens.")
            value = text = answer.object.found or text
        elif error is None and form.grammar is not None:
            reading = self.reading(form, text)
            thoughts = thoughts or reading.thoughts
            if reading.document is not None:
                text = reading.document
                value = form.sent[0].value(text.encode("utf-8", "surrogatepass"))
            else:
                text, error = self._refused(form, reading)
                value = text
        spent = Usage(
            prompt_tokens=getattr(usage, "prompt_tokens", 0) or 0,
            tokens=getattr(usage, "completion_tokens", 0) or 0,
        )
        ended = FinishReason.ERROR if answer.refusal else _REASONS.get(str(reason), FinishReason.ERROR)
        return Result(
            text, ended, [], [], spent, error=error, value=value, thoughts=thoughts, reply=answer.reply
        )

    def _ended_badly(self, refusal: str, reason: str | None) -> StructgenError | None:
        """Return the error of a text that did not end by itself or at its bound."""
        if refusal:
            return StructgenError(f"The model refuses: {refusal}", where=self.name, cure="Ask differently.")
        if reason is None:
            return StructgenError("The server's reply has no finish_reason.", where=self.url, cure=_URL_CURE)
        if reason in _REASONS:
            return None
        return StructgenError(
            f"The text ended for the reason {reason!r}.",
            where=self.name,
            cure="See what the server means by it; content_filter is a refusal of the text.",
        )

    def _refused(self, form: WantedForm, reading: ReadReply) -> tuple[str, ValidatorError]:
        """Return the text of a reply that says no document, and what is wrong with it. The text is the one
        object in the reply, without its wrapper, or all of the reply. The schema goes into later prompts."""
        self._habits.breaks_schemas = True
        text, fault = _document(form, reading.found) or reading.found, reading.fault
        if not fault:
            found = first_fault(form.sent[0], text)
            fault = f"The server's document is none of the schema's: {found}"
        return text, ValidatorError(f"{fault}.", where="text")

    def _failure(self, error: Exception, text: str = "") -> Result:
        """Return the result of a request without an answer that is one of the protocol's."""
        if not isinstance(error, StructgenError):
            what = "The server's reply is not JSON" if isinstance(error, ValueError) else "The server failed"
            words = words_of_error(error)
            told = "" if words in " ".join(str(error).split()) else f" - {words}"
            what = f"{what}: {type(error).__name__}: {str(error).rstrip('.')}{told.rstrip('.')}."
            error = StructgenError(what, where=self.url, cure=self._cure(error, words))
        return Result(text, FinishReason.ERROR, [], [], Usage(), error=error)

    def _missing(self, what: str, said: object, cure: str = _URL_CURE) -> StructgenError:
        """Return the error of a reply, of status 200, that is no answer: perhaps it says why."""
        words = words_of(said)
        if words:
            what = f"{what} It says: {words.rstrip('.')}."
            cure = cure if isinstance(said, str) else _CURES[400]  # a page is of another server
        return StructgenError(what, where=self.url, cure=cure)

    def _cure(self, error: Exception, words: str) -> str:
        """Return what a person can do about an error of the openai package. `words`: the server's own."""
        if isinstance(error, ValueError):
            return _URL_CURE
        if isinstance(error, self._openai.APITimeoutError):
            return "Raise timeout=, or look whether the server is overloaded."
        if isinstance(error, self._openai.APIConnectionError):
            return "Check that the server runs and that the URL is right (host, port)."
        status = getattr(error, "status_code", 0)
        cure = _SILENT if status in (400, 422) and not words else _CURES.get(status, "See the server's log.")
        return cure.format(name=self.name, url=self.url)

    # --- texts ----------------------------------------------------------------------------------------------

    async def write(
        self, wanted: WantedText, sources: Sequence[PromptSource], attempt: int = 0
    ) -> list[Result]:
        """Return a text for each source; some are under way at the same time."""
        for source in sources[1:]:
            self._body(wanted, source, attempt)  # wrong options are told before anything is sent

        async def one(source: PromptSource) -> Result:
            answer = _Answer(wanted.form)
            try:
                whole = await self._sent(lambda: self._body(wanted, source, attempt), wanted.waits)
            except self._faults as error:
                return self._failure(error)
            missing = _missing_key(whole)
            if missing:
                return self._failure(self._missing(f"The server's reply has no {missing}.", _beside(whole)))
            answer.add(whole.choices[0], whole.choices[0].message)
            answer.end()
            return self.result(wanted.form, answer, getattr(whole, "usage", None))

        if wanted.waits:
            return await asyncio.gather(*map(one, sources))
        if len(sources) == 1:
            return [now(one(sources[0]))]
        with ThreadPoolExecutor(MOST_AT_ONCE, "structgen-remote") as pool:
            return list(pool.map(lambda source: now(one(source)), sources))

    async def _sent(self, body: Callable[[], dict[str, Any]], waits: bool) -> Any:
        """Send a request, and send it again, made anew, while a refusal names a field that can be mended: at
        most twice for each. Errors: those of the openai package."""
        client = self._aclient if waits else self._client
        while True:
            made = body()
            try:
                answer = client.chat.completions.create(**made)
                return await answer if waits else answer
            except self._openai.APIStatusError as error:
                if not self._habits.learn(self._server, error, made):
                    raise

    def read(self, wanted: WantedText, text: str) -> Reply:
        """Return what there is of a reply that may call tools, from its text so far."""
        assert wanted.form.tools is not None, "the form is one of replies"
        return read_reply(wanted.form.tools, text, ended=False)

    async def stream(
        self, wanted: WantedText, source: PromptSource, done: Callable[[Result], None]
    ) -> AsyncGenerator[str, None]:
        """Yield a text in pieces as they arrive, and hand its result to `done`."""
        form = wanted.form
        answer = _Answer(form)

        def body() -> dict[str, Any]:
            return {**self._body(wanted, source, 0), "stream": True}

        try:
            stream = await self._sent(body, wanted.waits)
            # a server that knows no streams sends one JSON object
            if stream.response.headers.get("content-type", "").startswith("application/json"):
                said = await stream.response.aread() if wanted.waits else stream.response.read()
                what = "The server did not stream: it answered with one object."
                raise self._missing(what, json.loads(said), _WHOLE)
            async with aclosing(pieces_of(stream)) as chunks:
                async for chunk in chunks:
                    if getattr(chunk, "choices", None):
                        answer.add(chunk.choices[0], chunk.choices[0].delta)
                    elif words_of(said := _beside(chunk)):
                        raise self._missing("The server's stream ends in an error.", said)
                    if piece := answer.new():
                        yield piece
        except Exception as error:  # of openai, of its HTTP library, or a chunk that is none
            done(self._failure(error, answer.told))
            return
        answer.end()
        result = self.result(form, answer)
        is_document = form.grammar is not None and result.error is None
        if is_document and answer.told and result.text.strip() != answer.told:
            result.error = StructgenError(
                "The stream began with another object than the document.",
                where=self.name,
                cure="Call the function itself, without .stream, or ask for the document alone.",
            )
        # where only the whole reply shows where the document is, all of it is new
        rest = result.text if is_document and not answer.told else answer.new()
        if rest:
            yield rest
        done(result)


def _content(content: Any) -> str:
    """Return the text of a message: some servers send parts, of which those of text count."""
    if isinstance(content, list):
        return "".join(str(one.get("text") or "") for one in content if isinstance(one, dict))
    return content or ""


def _beside(answer: Any) -> Any:
    """Return what a reply has beside the members of the protocol; all of one that is a text."""
    return answer if isinstance(answer, str) else getattr(answer, "model_extra", None)


def _missing_key(answer: Any) -> str:
    """Return the first key of a chat completion that a reply does not have; "" where it has all."""
    choices = getattr(answer, "choices", None)
    first = choices[0] if isinstance(choices, list) and choices else None
    found = {"choices": choices, "choices[0]": first}
    found |= {f"choices[0].{key}": getattr(first, key, None) for key in ("message", "finish_reason")}
    return next((name for name, one in found.items() if one is None), "")


class _Answer:
    """An answer, as it arrives."""

    def __init__(self, form: WantedForm) -> None:
        self._form, self._calls, self._ended = form, SentCalls(), False
        self._is_object = form.schema is not None and is_object(form.schema)
        self.object, self.told = ArrivingObject(), ""
        """The object that may be the document; and what of the text was handed out."""
        self.thoughts = self.refusal = ""
        self.reason: str | None = None

    def add(self, choice: Any, part: Any) -> None:
        """Take a choice of a completion or of a chunk, and its message or its delta."""
        self.reason = choice.finish_reason or self.reason
        self.refusal += getattr(part, "refusal", None) or ""
        # some servers send the thoughts beside the text
        thoughts = getattr(part, "reasoning_content", None) or getattr(part, "reasoning", None)
        self.thoughts += thoughts if isinstance(thoughts, str) else ""
        self.object.add(_content(part.content))
        if self._form.tools is not None:
            self._calls.add(getattr(part, "tool_calls", None))

    def end(self) -> None:
        """Note that all has arrived."""
        self._ended = self.reason != "length"

    @property
    def reply(self) -> str:
        """The text so far, and behind it its calls."""
        return self.object.reply + self._calls.text(ended=self._ended)

    def new(self) -> str:
        """Return what there is beyond what was handed out: of a document, of the object that may be it."""
        has_all = self._form.tools is not None or self._form.grammar is None
        known = self.reply if has_all else self.object.found if self._is_object else ""
        new = known[len(self.told) :] if known.startswith(self.told) else ""
        self.told += new
        return new


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

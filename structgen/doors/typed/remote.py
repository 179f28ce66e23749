"""Writing with a server: `openai:URL#NAME`, `ollama:NAME`, `anthropic:NAME`.

The schema goes along as `response_format`, to Anthropic as the only tool; how well the server keeps it is the
server's affair. What comes back is read (`server_replies`), held to the grammar and to the type here, and
asked for again where it fails. A server that takes no schema, or breaks it, finds it in the prompt.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from contextvars import Context, copy_context
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any, Final

from structgen.asking.tool_calls.tool_replies import Reply
from structgen.base.errors import StructgenError, ValidatorError
from structgen.base.json_text.exact_json import JsonObject
from structgen.base.system.installation import require_extras
from structgen.decoding.engine.requests import DEFAULT_MAX_TOKENS, FinishReason, Result, Usage
from structgen.decoding.runs.telemetry import carried_headers
from structgen.doors.typed.missing_options import OF_EMBEDDED, OF_OTHER_SERVERS, OF_SERVER_FORMS
from structgen.doors.typed.model_servers import anthropic_messages
from structgen.doors.typed.model_servers.own_servers import (
    needs_own_server,
    own_members,
    sent_form,
    split_begun_turn,
)
from structgen.doors.typed.model_servers.remote_calls import is_strict, read_reply, tool_fields
from structgen.doors.typed.model_servers.server_answers import Answer
from structgen.doors.typed.prompts import PromptSource, TextRequest
from structgen.doors.typed.servers import (
    KNOWN,
    PROTOCOLS,
    SCHEMA,
    Server,
    ServerHabits,
    words_of,
    words_of_error,
)
from structgen.doors.typed.target_forms import WritingTask
from structgen.doors.typed.tool_use import rewrite_history
from structgen.doors.typed.waiting import pieces_of, run_coroutine

LOST = (
    "That every token keeps the schema: a server that is not structgen's own may ignore parts of "
    "it. A document that breaks it is requested again, up to `attempts` times.",
    "That a document is complete within max_tokens: it may be truncated, which is an error with "
    "the text so far.",
    "Log-probabilities, the mass removed and traces; the same text for the same seed in any batch.",
    "Policies (white space, numbers, escapes), and thoughts with a budget; a server of structgen's has them.",
)
"""What an engine of this process guarantees, and a server does not."""

MOST_AT_ONCE = 8
"""Requests of a batch that are under way at a time."""
SECONDS_OF_HEADERS: Final = 10.0
"""The time limit of the question whether a server is structgen's."""
MOST_SECONDS: Final = 600.0
"""The time limit of an answer, and between two pieces of a stream, where `timeout` says none."""
_HOST: Final = re.compile(r"://(?:[^/@]*@)?(\[[^\]]*\]|[^:/?#]*)(?::(\d+))?")
"""The host and the port of an address, without a name and a password before them."""
_REQUEST = "The server rejected the request; its message says why."
_CURES = {
    **dict.fromkeys(
        ("AuthenticationError", "PermissionDeniedError", "CredentialsError", "AnthropicError"),
        "Set the environment variable {key} to a key of this server.",
    ),
    **dict.fromkeys(("BadRequestError", "UnprocessableEntityError"), _REQUEST),
    "NotFoundError": (
        "Check the URL, which usually ends in /v1, and the model's name {name!r}: "
        "curl {url}/models lists the names."
    ),
    "APIConnectionError": "Check that the server runs and that the URL is right (host, port).",
    "RateLimitError": "Wait, request fewer texts at a time, or raise the quota at the server.",
    "EOFError": "Retry; a proxy's time limit, or the server's log, may explain why it ends.",
    "APITimeoutError": (
        f"Increase timeout=, in seconds (by default {MOST_SECONDS:.0f}), or check "
        "whether the server is overloaded."
    ),
}
"""The cure for a person, by the name of a client's error."""
_URL = "Check that the URL is that of an OpenAI-compatible server: it usually ends in /v1."
_WHOLE = "Call the function itself, without .stream and with list[T] instead of Iterator[T]."


class Remote:
    """A model on a server."""

    kind: Final = "server"
    lost = LOST
    bound = "max_tokens"

    def __init__(self, server: Server) -> None:
        """Errors: StructgenError where the client of its protocol is not installed."""
        self._protocol = PROTOCOLS[server.protocol]
        package = self._protocol.package
        with require_extras("A model on a server", package, where="model"):
            self._library = import_module(package)
        self.url, self.name = server.url, server.name
        host, port = _HOST.findall(server.url)[0]
        self.span_attributes = {
            "gen_ai.provider.name": server.protocol,
            "server.address": host,
            "server.port": int(port) if port else None,
        }
        """The attributes of the server in the span of a call."""
        self._is_anthropic = package == "anthropic"
        self._library_error = (
            self._library.AnthropicError if self._is_anthropic else self._library.OpenAIError
        )
        # the others: a reply that is not JSON, and one of another shape than the protocol's
        self._faults = (self._library_error, ValueError, TypeError, AttributeError)
        self._add_received = anthropic_messages.add_event if self._is_anthropic else _add_completion
        self._client = cache(self._make_client)  # at the first request: a key may be set until then
        self._habits = KNOWN.setdefault(server, ServerHabits(server))
        self._asks_kind = server.protocol == "openai"
        """Whether the server may be structgen's: with Anthropic's protocol the schema is a tool's, and Ollama
        is another."""

    def _make_client(self, make: Callable[..., Any]) -> Any:
        """Return a client with the key of the environment. Errors: the client's, where a key is needed and is
        not there."""
        key = os.environ.get(self._protocol.key) or self._protocol.without_key
        time_limits = self._library.Timeout(MOST_SECONDS, connect=5.0)
        client = make(base_url=self.url, api_key=key, max_retries=1, timeout=time_limits)
        # a client may be made without a key, and fails at its first request in other words
        if not (client.api_key or client.auth_token or getattr(client, "credentials", None)):
            raise self._faults[0]("No API key is set")
        return client

    # --- what is sent ---------------------------------------------------------------------------------------

    def prompt_text(self, text_request: TextRequest) -> str:
        """Return the text of the last message, as the server reads it."""
        return str(self._build_messages(text_request.task, text_request.source)[-1]["content"])

    def _build_messages(self, task: WritingTask, source: PromptSource) -> list[JsonObject]:
        """Return the messages of a prompt. The last one has the schema where the server takes it in no
        field, or has broken one."""
        question, form, habits = source.build_question(task), task.form, self._habits
        outline = form.outline if task.options.outline else ""
        if habits.is_structgen:  # it writes the outline itself
            question, outline = replace(question, examples=()), ""
        if habits.reads_texts:
            question = replace(question, prompt="\n".join(source.values) or source.prompt, refused=None)
        if form.grammar is not None and task.options.outline is not False:
            schema = self._sent_schema(task)
            if self._habits.breaks_schemas or not self._habits.accepts_schema(schema):
                question = replace(question, schema=json.dumps(schema, ensure_ascii=False))
        messages = question.to_messages(outline)
        return messages if form.tools is None else rewrite_history(messages, "text")

    def _sent_schema(self, task: WritingTask) -> JsonObject:
        """Return the schema of a task as this server takes it. Raises UnsupportedError where it takes
        none."""
        if self._habits.is_structgen:
            return sent_form(task).schema_for(is_structgen=True)
        return task.form.schema_for(is_structgen=False)

    def _ask_kind(self, timeout: float | None) -> None:
        """Ask the server whether it is structgen's, unless that is known. One that does not answer in time,
        or refuses, is another; after a fault of its own (429, 5xx, no answer in time, a connection that it
        closes) it is asked again next time. `timeout`: the time limit of the call in seconds, which bounds
        this question too. Errors: those of the client, where no server is there."""
        with self._habits.lock:
            if self._habits.is_structgen is not None:
                return
            client = self._client(self._library.Client).with_options(max_retries=0)
            headers: Mapping[str, str] = {}
            is_sure = True
            seconds = SECONDS_OF_HEADERS if timeout is None else min(timeout, SECONDS_OF_HEADERS)
            try:
                # the body is not read: it may be long, and need not come
                with client.models.with_streaming_response.list(timeout=seconds) as response:
                    headers = response.headers
            except self._library.APIStatusError as error:
                headers = error.response.headers
                is_sure = error.status_code != 429 and error.status_code < 500
            except self._library.APIConnectionError as error:
                if type(error.__cause__).__name__ == "ConnectError":
                    raise
                is_sure = False  # a server that lists no models may answer all the same
            self._habits.read_headers(headers)
            if not is_sure and not self._habits.is_structgen:
                self._habits.is_structgen = None

    async def _learn_kind(self, text_requests: Sequence[TextRequest]) -> None:
        """Find out whether the server is structgen's, if a request depends on it. Errors: those of the
        client; OptionError for what this server does not take."""
        if not any(needs_own_server(each.task, each.source) for each in text_requests):
            return
        task = text_requests[0].task
        if self._asks_kind:
            timeout = task.options.timeout
            await asyncio.to_thread(self._ask_kind, timeout) if task.is_async else self._ask_kind(timeout)
        if not self._habits.is_structgen:
            OF_OTHER_SERVERS.raise_first(task.options, task.options.sampling)
        elif self._habits.reads_texts:
            OF_EMBEDDED.raise_first(task.options)

    def _request_body(self, task: WritingTask, source: PromptSource, attempt: int) -> JsonObject:
        """Return a request of chat completions, with the fields that this server takes."""
        options, is_structgen = task.options, bool(self._habits.is_structgen)
        form = sent_form(task) if is_structgen else task.form
        OF_SERVER_FORMS.raise_first(options, form)
        sampling = options.sampling_of(attempt)
        begun_turns, begun_members = list[JsonObject](), dict[str, bool]()
        if is_structgen:
            source, begun_turns, begun_members = split_begun_turn(task, source)
        body: JsonObject = {
            "model": self.name,
            "messages": self._build_messages(task, source) + begun_turns,
            "max_tokens": options.max_tokens or DEFAULT_MAX_TOKENS,
            "temperature": sampling.temperature,
            "seed": sampling.seed,
        }
        # those that change nothing are left out: some servers know none of them
        for name, unset in (("top_p", 1.0), ("presence_penalty", 0.0), ("frequency_penalty", 0.0)):
            if getattr(sampling, name) != unset:
                body[name] = getattr(sampling, name)
        if sampling.logit_bias:
            body["logit_bias"] = {str(token): bias for token, bias in dict(sampling.logit_bias).items()}
        if options.stop:
            body["stop"] = list(options.stop)
        if options.timeout is not None:
            body["timeout"] = options.timeout
        if form.tools is not None:
            body |= tool_fields(form.tools, is_structgen=is_structgen)
        if is_structgen:
            body["extra_body"] = {**own_members(task, source), **begun_members}
        if form.grammar is not None and self._habits.accepts_schema(schema := self._sent_schema(task)):
            schema_field = {"name": "answer", "schema": schema, "strict": is_strict(schema)}
            body[SCHEMA] = {"type": "json_schema", "json_schema": schema_field}
        sent_names = {name: self._habits.sent_name_of(name) for name in body}
        return {sent: body[name] for name, sent in sent_names.items() if sent is not None}

    async def _send_request(self, task: WritingTask, *source_and_attempt: Any, **extra_fields: bool) -> Any:
        """Send a request (`_request_body` and `extra_fields`) and return the response of the client. While a
        refusal names a field that can be left out, the request is made anew and sent again: at most twice for
        each field. For example, `stream=True` asks for pieces. Errors: those of the client."""
        client = self._client(self._library.AsyncClient if task.is_async else self._library.Client)
        while True:
            body = {**self._request_body(task, *source_and_attempt), **extra_fields}
            headers = carried_headers() or None
            try:
                if self._is_anthropic:
                    arguments = anthropic_messages.to_anthropic_request(body)
                    response = client.messages.create(**arguments, extra_headers=headers)
                else:
                    response = client.chat.completions.create(**body, extra_headers=headers)
                return await response if task.is_async else response
            except self._library.APIStatusError as error:
                # structgen's own server refuses what it would not hold a text to
                if self._habits.is_structgen or not self._habits.learn_from_error(error, body):
                    raise

    # --- what comes back ------------------------------------------------------------------------------------

    def _failed_result(self, error: Exception, text: str = "") -> Result:
        """Return the result of a request that failed, or whose reply is not one of the protocol's. `text`:
        the pieces that had come."""
        failure = error if isinstance(error, StructgenError) else self._error_for(error, text)
        return Result(text, FinishReason.ERROR, [], [], Usage(), error=failure)

    def _error_for(self, error: Exception, text: str) -> StructgenError:
        """Return our error for one of the client, of JSON, or of a shape. `text`: the pieces that had
        come."""
        words, kind = words_of_error(error), type(error).__name__
        fault = "Cannot reach the server" if kind == "APIConnectionError" else "The server failed"
        cures = {**_CURES, **self._protocol.cures}
        cure = cures.get(kind, "Check the server's log.")
        if text:
            fault = f"The server closed the stream after {text[-60:]!r}"
        elif isinstance(error, ValueError):
            fault, cure = "The server's reply is not JSON", _URL
        elif isinstance(error, (TypeError, AttributeError)):
            fault, cure = "The server's reply is not valid in its protocol", _URL
        elif cure == _REQUEST and not words:
            cure = "The server rejected the request without a reason: check its log."
        # many clients repeat the server's words in their own message
        detail = "" if words in " ".join(str(error).split()) else f" - {words}"
        fault = f"{fault}: {kind}: {str(error).rstrip('.')}{detail.rstrip('.')}."
        cure = cure.format(name=self.name, url=self.url, key=self._protocol.key)
        failure = StructgenError(fault, where=self.url, cure=cure)
        failure.__cause__ = error
        return failure

    def _error_of_reply(self, fault: str, error_body: Any, cure: str = _URL) -> StructgenError:
        """Return the error of a reply of status 200 that is no answer, with the words of its body."""
        words = words_of(error_body)
        if words:
            fault = f"{fault} Its message: {words.rstrip('.')}."
            cure = cure if isinstance(error_body, str) else _REQUEST  # a page is of another server
        return StructgenError(fault, where=self.url, cure=cure)

    def _finish_result(self, answer: Answer, response: Any = "") -> Result:
        """Return the result of an answer that is over. Where it is no document of its schema, the schema goes
        into later prompts. `response`: the reply, if it came at once."""
        if answer.reason is None and not answer.refusal:
            if not response and answer.reply:  # a stream that broke off without an error
                return self._failed_result(EOFError("it has no finish_reason"), answer.reply)
            missing = _missing_key(response) if response and not self._is_anthropic else "finish_reason"
            fault = f"The server's reply has no {missing}."
            return self._failed_result(self._error_of_reply(fault, _extra_members(response)))
        result = answer.make_result()
        if isinstance(result.error, ValidatorError) and not isinstance(result.value, Reply):
            self._habits.breaks_schemas = True
        return result

    async def write_texts(self, text_requests: Sequence[TextRequest], attempt: int = 0) -> list[Result]:
        """Return the results of texts; up to MOST_AT_ONCE requests are under way at the same time."""
        try:
            await self._learn_kind(text_requests)
        except self._library_error as error:
            return [self._failed_result(error) for _ in text_requests]
        for text_request in text_requests[1:]:
            # wrong options raise before anything is sent
            self._request_body(text_request.task, text_request.source, attempt)

        async def answer_request(text_request: TextRequest) -> Result:
            answer = Answer(text_request.task.form, self.name)
            try:
                response = await self._send_request(text_request.task, text_request.source, attempt)
                self._add_received(answer, response)
            except self._faults as error:
                return self._failed_result(error)
            return self._finish_result(answer, response)

        if text_requests[0].task.is_async:
            return await asyncio.gather(*map(answer_request, text_requests))
        if len(text_requests) == 1:
            return [run_coroutine(answer_request(*text_requests))]
        with ThreadPoolExecutor(MOST_AT_ONCE, "structgen-remote") as pool:
            # the requests of the threads belong to the caller's span, which is in its context
            contexts = [copy_context() for _ in text_requests]

            def write_in(context: Context, text_request: TextRequest) -> Result:
                return context.run(run_coroutine, answer_request(text_request))

            return list(pool.map(write_in, contexts, text_requests))

    def read_reply(self, task: WritingTask, text: str) -> Any:
        """Return the value of a reply that may call tools, from its text so far."""
        use = task.form.tools
        assert use is not None, "the form is one of replies"
        return use.take_so_far(read_reply(use, text, is_complete=False))

    async def stream_text(
        self, text_request: TextRequest, done: Callable[[Result], None]
    ) -> AsyncGenerator[str, None]:
        """Yield a text in pieces as they arrive, and hand its result to `done`."""
        task = text_request.task
        answer = Answer(task.form, self.name)
        try:
            await self._learn_kind([text_request])
        except self._library_error as error:
            done(self._failed_result(error))
            return
        try:
            stream = await self._send_request(task, text_request.source, 0, stream=True)
            # a server that knows no streams sends one JSON object
            if stream.response.headers.get("content-type", "").startswith("application/json"):
                error_body = await stream.response.aread() if task.is_async else stream.response.read()
                fault = "The server does not support streaming: it returned a single JSON object."
                raise self._error_of_reply(fault, json.loads(error_body), _WHOLE)
            async with aclosing(pieces_of(stream)) as chunks:
                async for chunk in chunks:
                    if not getattr(chunk, "choices", None) and words_of(error_body := _extra_members(chunk)):
                        raise self._error_of_reply("The server's stream ends in an error.", error_body)
                    self._add_received(answer, chunk)
                    if piece := answer.take_new_text():
                        yield piece
        except Exception as error:  # of the client, of its HTTP library, or a chunk that is none
            done(self._failed_result(error, answer.reply))
            return
        result = self._finish_result(answer)
        if rest := answer.take_rest(result):
            yield rest
        done(result)


def _add_completion(answer: Answer, received: Any) -> None:
    """Add a chat completion, or a chunk of one, to an answer."""
    if usage := getattr(received, "usage", None):
        answer.count_tokens(getattr(usage, "prompt_tokens", 0), getattr(usage, "completion_tokens", 0))
    choice = _first_choice(received)
    part = getattr(choice, "message", None) or getattr(choice, "delta", None)
    if part is None:
        return
    content = getattr(part, "content", None)
    if isinstance(content, list):  # some servers send parts, of which those of text count
        texts = [part.get("text") or "" for part in content if isinstance(part, dict)]
        content = "".join(map(str, texts))
    answer.add_part(
        content,
        getattr(part, "tool_calls", None),
        # some servers send the thoughts beside the text
        thoughts=getattr(part, "reasoning_content", None) or getattr(part, "reasoning", None),
        refusal=getattr(part, "refusal", None),
        reason=getattr(choice, "finish_reason", None),
    )
    answer.add_ending(getattr(choice, "model_extra", None) or {})


def _first_choice(answer: Any) -> Any:
    """Return the first choice of a chat completion, or of a chunk; None where there is none."""
    choices = getattr(answer, "choices", None)
    return choices[0] if isinstance(choices, list) and choices else None


def _extra_members(answer: Any) -> Any:
    """Return the members of a reply that are not the protocol's; all of a reply that is a text."""
    return answer if isinstance(answer, str) else getattr(answer, "model_extra", None)


def _missing_key(answer: Any) -> str:
    """Return the first key of a chat completion that a reply does not have; "" where it has all."""
    first = _first_choice(answer)
    members = {"choices": getattr(answer, "choices", None), "choices[0]": first}
    members |= {f"choices[0].{key}": getattr(first, key, None) for key in ("message", "finish_reason")}
    return next((name for name, member in members.items() if member is None), "")

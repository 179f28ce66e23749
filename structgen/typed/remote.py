"""Writing with a server that speaks OpenAI's protocol: `openai:URL#NAME`.

The schema goes along as `response_format`; how well the server keeps it is the server's affair. What comes
back is held to the grammar and to the type here, and asked for again where it fails.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from types import MappingProxyType
from typing import Any

from structgen.compilation.compiler import compile
from structgen.core.compiled import CompiledGrammar
from structgen.engine.requests import DEFAULT_MAX_TOKENS, FinishReason, Result, Sampling, Usage
from structgen.errors import OptionError, StructgenError, UnsupportedError
from structgen.json_grammars.schema_grammar import unwarned_schema
from structgen.schema.reading.openai import check_subset
from structgen.schema.reading.policies import WIDEST
from structgen.tokens.tokenizer import byte_tokenizer
from structgen.typed.forms import WantedForm
from structgen.typed.options import TypedOptions
from structgen.typed.prompts import PromptSource

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
_NAME = re.compile(r"openai:(https?://[^#]+)#(.+)", re.DOTALL)
_URL_CURE = "Check that the URL is that of an OpenAI-compatible server: it mostly ends in /v1."
_WRAPPED = "value"
"""The member that holds a document which is no object; OpenAI takes objects alone."""


class Remote:
    """A model on a server."""

    lost = LOST

    def __init__(self, name: str) -> None:
        """Read `openai:URL#NAME`. Errors: OptionError; StructgenError where openai is not installed."""
        found = _NAME.fullmatch(name)
        if found is None:
            raise OptionError(
                f"{name!r} names no model on a server.",
                where="model",
                cure="Write openai:URL#NAME, such as openai:http://localhost:8000/v1#llama.",
            )
        try:
            import openai
        except ImportError as error:
            raise StructgenError(
                "Servers are asked with the openai package.",
                where="model",
                cure="pip install openai",
            ) from error
        self._openai, self.url, self.name = openai, found[1], found[2]
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

    @staticmethod
    def _messages(form: WantedForm, source: PromptSource, options: TypedOptions) -> list[dict[str, Any]]:
        return source.question(form, options).messages()

    def _body(
        self, form: WantedForm, source: PromptSource, options: TypedOptions, attempt: int
    ) -> dict[str, Any]:
        check_options(options)
        how = options.sampling_of(attempt)
        body: dict[str, Any] = {
            "model": self.name,
            "messages": self._messages(form, source, options),
            "max_tokens": options.max_tokens or DEFAULT_MAX_TOKENS,
            "temperature": how.temperature,
            "seed": how.seed,
        }
        for name, unset in (("top_p", 1.0), ("presence_penalty", 0.0), ("frequency_penalty", 0.0)):
            if getattr(how, name) != unset:
                body[name] = getattr(how, name)
        if how.logit_bias:
            body["logit_bias"] = {str(token): bias for token, bias in dict(how.logit_bias).items()}
        if options.stop:
            if form.grammar is not None:
                raise OptionError(
                    "A stop string would cut a document short.",
                    where="stop",
                    cure="Leave it out, or return str.",
                )
            body["stop"] = list(options.stop)
        if options.timeout is not None:
            body["timeout"] = options.timeout
        if form.grammar is not None:
            schema = self._known(form)[1]
            strict = True
            try:
                check_subset(unwarned_schema(schema).schema)
            except StructgenError:
                strict = False
            body["response_format"] = {
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
            found = self._kept[id(form)] = (form, compile(grammar, byte_tokenizer()), wrapped(schema))
        return found[1], found[2]

    # --- what comes back ------------------------------------------------------------------------------------

    def _result(
        self, form: WantedForm, text: str, reason: str | None, usage: Any, refusal: str | None
    ) -> Result:
        error: StructgenError | None = None
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
        elif form.grammar is not None:
            if reason == "length":
                error = StructgenError("The text was cut off.", where=self.name, cure="Raise max_tokens.")
            else:
                text = unwrapped(text, self._known(form)[1], spoken=form.spoken is not None)
        spent = Usage(
            prompt_tokens=getattr(usage, "prompt_tokens", 0) or 0,
            tokens=getattr(usage, "completion_tokens", 0) or 0,
        )
        ended = FinishReason.ERROR if error is not None else _REASONS[str(reason)]
        result = Result(text, ended, [], [], spent, error=error)
        if error is None and form.grammar is not None and self.check(form, text) is None:
            result.value = self._known(form)[0].value(text.encode("utf-8", "surrogatepass"))
        return result

    def check(self, form: WantedForm, text: str) -> str | None:
        """Return what is wrong with a document under the grammar; None where nothing is."""
        if form.grammar is None:
            return None
        compiled, data = self._known(form)[0], text.encode("utf-8", "surrogatepass")
        state = compiled.step_bytes(compiled.start, data)
        if state is not None and compiled.accepts_end(state):
            return None
        return f"The server's document is none of the schema's: {_first_fault(compiled, data)}."

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
        bodies = [self._body(form, one, options, attempt) for one in sources]

        def one(body: dict[str, Any]) -> Result:
            try:
                answer = self._client.chat.completions.create(**body)
            except self._faults as error:
                return self._failure(error)
            return self._answered(form, answer)

        if len(bodies) == 1:
            return [one(bodies[0])]
        with ThreadPoolExecutor(MOST_AT_ONCE, "structgen-remote") as pool:
            return list(pool.map(one, bodies))

    async def awrite(
        self, form: WantedForm, source: PromptSource, options: TypedOptions, attempt: int = 0
    ) -> Result:
        """Return a text."""
        body = self._body(form, source, options, attempt)
        try:
            answer = await self._aclient.chat.completions.create(**body)
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
        return self._result(form, message.content or "", choice.finish_reason, usage, refusal)

    def stream(
        self, form: WantedForm, source: PromptSource, options: TypedOptions, done: Callable[[Result], None]
    ) -> Iterator[str]:
        """Yield a text in pieces as they arrive, and hand its result to `done`."""
        answer = _Arriving(self, form)
        try:
            with self._client.chat.completions.create(
                **self._body(form, source, options, 0), stream=True
            ) as chunks:
                answer.is_stream = _is_stream(chunks)
                for chunk in chunks:
                    piece = answer.add(chunk)
                    if piece:
                        yield piece
        except Exception as error:  # of openai, of its HTTP library, or a chunk that is none
            done(self._failure(error, answer.text))
            return
        done(answer.result())

    async def astream(
        self, form: WantedForm, source: PromptSource, options: TypedOptions, done: Callable[[Result], None]
    ) -> AsyncIterator[str]:
        """Yield a text in pieces as they arrive, and hand its result to `done`."""
        answer = _Arriving(self, form)
        try:
            chunks = await self._aclient.chat.completions.create(
                **self._body(form, source, options, 0), stream=True
            )
            answer.is_stream = _is_stream(chunks)
            async with chunks:
                async for chunk in chunks:
                    piece = answer.add(chunk)
                    if piece:
                        yield piece
        except Exception as error:  # of openai, of its HTTP library, or a chunk that is none
            done(self._failure(error, answer.text))
            return
        done(answer.result())


def _first_fault(compiled: CompiledGrammar, data: bytes) -> str:
    """Return in words where a text leaves a grammar, and what could have come there. Linear in the text."""
    state, at = compiled.start, 0
    while at < len(data):
        after = compiled.step_bytes(state, data[at : at + 1])
        if after is None:
            break
        state, at = after, at + 1
    expected = [one.what for one in compiled.expected(state) if one.what != "white space"]
    found = (
        "it ends too early"
        if at == len(data)
        else f"{data[at:].decode('utf-8', 'replace')[:1]!r} cannot come"
    )
    return f"{found} at byte {at}, where {' or '.join(expected[:3])} was expected"


def _is_stream(chunks: Any) -> bool:
    """Tell whether a reply to `stream: true` is a stream: a server that knows none sends one JSON object."""
    return not chunks.response.headers.get("content-type", "").startswith("application/json")


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
        self.text = ""
        self.is_stream = True
        self._told = 0
        self._reason: str | None = None
        self._refusal = ""
        self._is_wrapped = form.grammar is not None and is_wrapped(remote._known(form)[1])

    def add(self, chunk: Any) -> str:
        """Take a chunk; returns what it adds to the document."""
        if not getattr(chunk, "choices", None):
            return ""
        choice = chunk.choices[0]
        self._reason = choice.finish_reason or self._reason
        self._refusal += getattr(choice.delta, "refusal", None) or ""
        self.text += choice.delta.content or ""
        document = self._document()
        piece, self._told = document[self._told :], max(self._told, len(document))
        return piece

    def _document(self) -> str:
        """Return the document so far; of a wrapped one what cannot be part of the wrapper."""
        if not self._is_wrapped:
            return self.text
        begun = re.match(rf'\s*\{{\s*"{_WRAPPED}"\s*:\s*', self.text)
        return "" if begun is None else re.sub(r"[}\s]*\Z", "", self.text[begun.end() :])

    def result(self) -> Result:
        """Return the result, once all has arrived."""
        if not self.is_stream:
            fault = StructgenError(
                "The server did not stream: it answered with one object.",
                where=self._remote.url,
                cure="Call the function itself, without .stream and with list[T] in place of Iterator[T].",
            )
            return Result("", FinishReason.ERROR, [], [], Usage(), error=fault)
        return self._remote._result(self._form, self.text, self._reason, None, self._refusal or None)


def check_options(options: TypedOptions) -> None:
    """Raise OptionError for an option that servers do not have."""
    how, plain = options.sampling, Sampling()
    for name in ("top_k", "min_p", "repetition_penalty", "min_tokens"):
        if getattr(how, name) != getattr(plain, name):
            raise OptionError(f"{name} is not in OpenAI's protocol.", where="sampling", cure="Leave it out.")
    for name in ("thinking", "policies", "chat"):
        if getattr(options, name) is not None:
            raise OptionError(
                f"{name} cannot be had from a server.", where=name, cure="Leave it out, or use an engine."
            )
    for name in ("canonical", "healing"):
        if getattr(options, name):
            raise OptionError(
                f"A server chooses its tokens itself, so {name} cannot be had from it.",
                where=name,
                cure="Leave it out, or use an engine.",
            )
    if options.speculation != "auto":
        raise OptionError(
            "Whether a server speculates is the server's own affair.",
            where="speculation",
            cure="Leave it out, or use an engine.",
        )


def wrapped(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of an object: the schema itself, or of one whose member `value` it is."""
    root = schema
    if set(schema) == {"$ref", "$defs"}:
        root = schema["$defs"].get(str(schema["$ref"]).removeprefix("#/$defs/"), {})
    if root.get("type") == "object":
        return schema
    inner = {key: value for key, value in schema.items() if key != "$defs"}
    made: dict[str, Any] = {
        "type": "object",
        "properties": {_WRAPPED: inner},
        "required": [_WRAPPED],
        "additionalProperties": False,
        "$comment": "wrapped",
    }
    return {**made, "$defs": schema["$defs"]} if "$defs" in schema else made


def is_wrapped(schema: dict[str, Any]) -> bool:
    """Tell whether a schema was made by `wrapped`."""
    return schema.get("$comment") == "wrapped"


def unwrapped(text: str, schema: dict[str, Any], *, spoken: bool = False) -> str:
    """Return the document of a text that was written under `wrapped(schema)`; the text itself, if it is
    none. `spoken`: the text that the document, a string, stands for."""
    if not is_wrapped(schema):
        return text
    try:
        found = json.loads(text)[_WRAPPED]
    except (ValueError, KeyError, TypeError):
        return text
    return found if spoken and isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def _key() -> str:
    return os.environ.get("OPENAI_API_KEY") or "none"

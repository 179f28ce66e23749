"""The application: addresses, keys, limits, errors, and clients that go away.

A *body* is the JSON object that a client posts; a *shape* reads a body and writes its answer. A *handle* is a
text that the engine is writing. An *event* is a piece of a stream. A *line* is a request of a batch file.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import sys
import threading
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any, Final, TypeVar

import anyio
from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from structgen import __version__
from structgen.base.errors import StructgenError
from structgen.base.json_text.exact_json import JsonObject
from structgen.base.system.garbage import glibc_trim
from structgen.base.system.public_calls import THIS_CALL, Stop
from structgen.decoding.engine.driver import event_of_handles
from structgen.decoding.engine.requests import Handle, Result, total_usage
from structgen.decoding.runs.telemetry import TRACING, CallSpan, call_span
from structgen.doors.serving.answer_shape import AnswerShape, ObjectResponse
from structgen.doors.serving.api_errors import ApiError, answer_to
from structgen.doors.serving.batches import Batches
from structgen.doors.serving.chat_shape import ChatShape, CompletionShape
from structgen.doors.serving.error_places import MOST_PLACE, abridge_text
from structgen.doors.serving.folder_import import open_store
from structgen.doors.serving.message_shape import CountShape, MessageShape
from structgen.doors.serving.record_store import disk_checked, owner_of
from structgen.doors.serving.reply_parts import ReplyParts
from structgen.doors.serving.request_fields import read_object
from structgen.doors.serving.response_shape import InputTokensShape, ResponseShape
from structgen.doors.serving.served_model import BodyRequest, ServedModel
from structgen.doors.serving.server_metrics import ServerMetrics
from structgen.doors.serving.server_options import ServerOptions
from structgen.doors.serving.stored_responses import StoredResponses
from structgen.doors.serving.token_shapes import DetokenizeShape, TokenizeShape
from structgen.doors.typed.servers import PROMPTS_HEADER, VERSION_HEADER
from structgen.grammars.json_grammars.schema_grammar import SCHEMA_REMARKS

T = TypeVar("T")

_ANSWERS: Final = 32
"""The number of answers after which freed memory is returned to the system. That takes some tens of
milliseconds of another thread."""
_PROMPTS: Final = ("messages", "input", "prompt")
"""The members of bodies that may hold the prompt."""
_log = logging.getLogger("structgen.doors.serving")
SHAPES: Final[tuple[type[AnswerShape], ...]] = (
    ChatShape,
    CompletionShape,
    ResponseShape,
    InputTokensShape,
    MessageShape,
    CountShape,
    TokenizeShape,
    DetokenizeShape,
)
"""The shapes of all addresses that answer bodies."""


def make_app(model: ServedModel, options: ServerOptions | None = None) -> Starlette:
    """Return the ASGI application that serves a model. Its engine is closed when the application ends."""
    server = ModelServer(model, ServerOptions() if options is None else options)
    # the store of files and batches is opened here, so that a fault of its folder stops the start
    batches = Batches(server)
    routes = [
        *(Route(kind.path, partial(_Answer, server, kind), methods=["POST"]) for kind in SHAPES),
        Route("/tokenizer_info", server.show_tokenizer),
        Route("/version", server.show_version),
        Route("/v1/models", server.list_models),
        Route("/v1/models/{name:path}", server.show_model),
        Route("/health", server.show_health),
        Route("/metrics", server.show_metrics),
        *batches.routes(),
    ]
    handlers: dict[Any, Any] = dict.fromkeys((ApiError, HTTPException, Exception), _error_response)
    host_middleware = [Middleware(_OwnNames, server.options)] if server.options.hosts else []
    return Starlette(
        routes=routes, lifespan=batches.run_batches, exception_handlers=handlers, middleware=host_middleware
    )


@dataclass
class _OwnNames:
    """Passes on requests whose header Host has one of the server's names, and refuses the others.

    starlette's `TrustedHostMiddleware` does the same, but its refusal is not in the form of an API's errors.
    """

    app: ASGIApp
    options: ServerOptions

    async def __call__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        if scope["type"] == "http":
            http = Request(scope, receive)
            host = http.headers.get("host", "")
            if not self.options.answers_to(host):
                host_name = host.encode("latin-1").decode("utf-8", "replace")
                fault = f"The server does not have the name {host_name[:80]!r}."
                cure = "Use its address, or start it with --allowed-host NAME."
                refusal = ApiError(f"{fault} {cure}", code="unknown_host")
                await _error_response(http, refusal)(scope, receive, send)
                return
        await self.app(scope, receive, send)


class ModelServer:
    """What all addresses share: the model, the options and the metrics."""

    def __init__(self, model: ServedModel, options: ServerOptions) -> None:
        self.served_model = model
        self.options = options
        self.store = open_store(options)
        self.metrics = ServerMetrics(model.engine)
        self.answers = 0
        self._trim = glibc_trim()
        # the limiter is made at the first body, inside of the event loop that serves
        self._limiter: anyio.CapacityLimiter | None = None

    # --- addresses ------------------------------------------------------------------------------------------

    async def list_models(self, http: Request) -> Response:
        """Answer `/v1/models`."""
        self.check_key(http)
        model = self.served_model
        model_objects = [model.model_object(name) for name in model.names]
        prompts = "texts" if model.engine.prompts.is_embedded else "messages"
        headers = {VERSION_HEADER: __version__, PROMPTS_HEADER: prompts}
        return JSONResponse({"object": "list", "data": model_objects}, headers=headers)

    async def show_model(self, http: Request) -> Response:
        """Answer `/v1/models/NAME`."""
        self.check_key(http)
        name = self.served_model.resolve_name({"model": http.path_params["name"]})
        return JSONResponse(self.served_model.model_object(name))

    async def show_tokenizer(self, http: Request) -> Response:
        """Answer `/tokenizer_info`."""
        self.check_key(http)
        return JSONResponse(await run_sync(self.served_model.tokenizer_object))

    async def show_version(self, http: Request) -> Response:
        """Answer `/version`."""
        return JSONResponse({"version": __version__})

    async def show_health(self, http: Request) -> Response:
        """Answer `/health`."""
        return JSONResponse({"status": "ok", "model": self.served_model.name})

    async def show_metrics(self, http: Request) -> Response:
        """Answer `/metrics`."""
        return Response(self.metrics.build_page(), media_type=self.metrics.content_type)

    # --- bodies ---------------------------------------------------------------------------------------------

    def check_key(self, http: Request) -> bytes:
        """Return the key that was sent; b"" if the server needs none. Raises ApiError for a wrong or missing
        key."""
        if not self.options.keys:
            return b""
        scheme, _, sent = http.headers.get("authorization", "").partition(" ")
        # Anthropic's clients send their key in a header of its own
        sent = sent if scheme.lower() == "bearer" else http.headers.get("x-api-key", "")
        client_key = sent.strip().encode()
        # the time of the comparisons must not reveal the keys, so all are compared
        if not sum(hmac.compare_digest(client_key, key.encode()) for key in self.options.keys):
            raise ApiError("The API key is missing or wrong.", status=401, code="invalid_api_key")
        return client_key

    async def receive_pieces(self, http: Request, seconds: float) -> AsyncGenerator[bytes, None]:
        """Yield what is posted as it comes: all of it in so much time, and no byte later than `body_seconds`
        after the one before. Raises ApiError."""
        clock = asyncio.get_running_loop().time
        is_open = True
        # the time since the last piece is limited, too
        last = clock()
        end = last + seconds
        while is_open:
            try:
                async with asyncio.timeout_at(min(end, last + self.options.body_seconds)):
                    message = await http.receive()
            except TimeoutError:
                raise ApiError("The body took too long to arrive.", status=408, code="timeout") from None
            # without this error, a form that is cut off could be taken for a whole one
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            is_open = message.get("more_body", False)
            if message.get("body"):
                yield message.pop("body")  # taken out, so that the wait for the next piece does not hold it
                last = clock()

    async def receive_body(self, http: Request) -> bytearray:
        """Return the bytes of the JSON that was posted. Raises ApiError for another content type, and for
        more than `max_body` bytes or `body_seconds`."""
        kind = http.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not kind.endswith("+json"):
            # a page in a browser may post other types to any address without its consent
            raise ApiError("The body's content-type must be application/json.", status=415)
        data = bytearray()
        async for piece in self.receive_pieces(http, self.options.body_seconds):
            data += piece
            if len(data) > self.options.max_body:
                fault = f"The body has more than {self.options.max_body:,} bytes."
                raise ApiError(fault, status=413, code="too_large")
        return data

    async def receive_object(self, http: Request) -> JsonObject:
        """Return the object that was posted. Errors: ApiError."""
        return await self.in_reader(partial(read_object, await self.receive_body(http)))

    async def in_reader(self, work: Callable[[], T]) -> T:
        """Run some work on a body in a thread, and return its result. So a large body holds up nobody. When
        the caller is cancelled, the work ends at its next step. Raises what `work` raises."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self.options.readers)
        # the thread looks at this at each of its steps
        stop = Stop()
        try:
            reading = partial(THIS_CALL.run_until, stop, work)
            return await run_sync(reading, limiter=self._limiter, abandon_on_cancel=True)
        finally:
            stop.set()

    async def begin_texts(self, body_request: BodyRequest, cache_salt: str = "") -> list[Handle]:
        """Hand the texts of a request to the engine, and return their handles. Raises ApiError. `cache_salt`:
        only prompts with the same one share what the engine keeps of them."""
        handles: list[Handle] = []
        try:
            for request in body_request.requests:
                own_request = replace(request, cache_salt=cache_salt)
                handles += await self.served_model.engine.asubmit(own_request)
        except BaseException as error:
            # texts of the same body that were begun already are cancelled, too
            _cancel_texts(handles)
            if not isinstance(error, StructgenError):
                raise
            # in a thread: a message may be as long as what was sent
            if own_answer := await run_sync(self.served_model.too_long_error, body_request, error):
                raise own_answer from error
            raise await run_sync(answer_to, error) from error
        for handle in handles if body_request.parts.stops else ():
            handle.listen(partial(_stop_text, handle, replace(body_request.parts, parts={})))
        return handles

    def count_answer(
        self,
        path: str,
        status: int,
        seconds: float,
        results: Sequence[Result],
    ) -> None:
        """Count an answer. `path`: its address; `status`: of HTTP; `seconds`: its time; `results`: its texts.

        After each `_ANSWERS` answers, another thread returns freed memory to the system. The tables of ever
        new grammars leave holes between them, which glibc keeps (0.1 MiB a grammar was measured).
        """
        self.metrics.count_answer(path, status, seconds, results)
        # only the thread of the event loop counts, so that no lock is needed
        self.answers += 1
        if self._trim is not None and self.answers % _ANSWERS == 0:
            threading.Thread(target=self._trim, name="structgen-freed-memory", daemon=True).start()

    async def answer_line(
        self,
        path: str,
        load: Callable[[], JsonObject],
        owner: str = "",
    ) -> tuple[int, Any, str]:
        """Answer a body that did not come over a connection. Return the status, the body and the warning of
        the answer. `path`: the address; `load`: returns the body; `owner`: whose request it is."""
        kind = next(kind for kind in SHAPES if kind.path == path)
        line = _Line(self, kind, {"type": "http", "method": "POST", "path": path}, owner=owner)
        await line.run_traced({}, line.run_kept(load))
        warning = line.response.headers.get("x-structgen-warning", "")
        return line.status, await run_sync(json.loads, bytes(line.response.body)), warning


class _ClientGoneError(Exception):
    """The client closed its connection."""

    status: Final = 499
    """The status under which such an answer is counted."""


@dataclass(eq=False)
class _Answer:
    """The answer to a body. One task reads the body, and writes and sends the answer. It ends when the client
    goes away."""

    server: ModelServer
    kind: type[AnswerShape]
    scope: Scope
    receive: Any = None
    send: Any = None
    handles: list[Handle] = field(default_factory=list)
    body: JsonObject = field(default_factory=dict)
    status: int = _ClientGoneError.status
    owner: str = ""

    def __await__(self) -> Generator[Any, None, None]:
        return self.run().__await__()

    async def run(self) -> None:
        """Read the body, answer it, and count the answer. Nothing is sent to a client that has gone."""
        http = Request(self.scope, self.receive)
        await self.run_traced(http.headers, self._run_request(http))

    async def _run_request(self, http: Request) -> None:
        began = time.perf_counter()
        try:
            key = self.server.check_key(http)
            self.owner = owner_of(key)
            load = partial(read_object, await self.server.receive_body(http))
            # a client that goes away ends the work for it
            await _unless_gone(self.receive, self.answer_body(load))
        except (_ClientGoneError, ClientDisconnect):
            pass
        except ApiError as error:
            await self.send_error(error)
        except Exception:
            self.status = 500
            raise
        finally:
            self.finish_answer(began)

    async def run_traced(self, headers: Mapping[str, str], work: Coroutine[Any, Any, None]) -> None:
        """Do some work inside of a span (a part of a trace) for a request. `headers`: those of the request,
        which may name the span of its client."""
        # without the library of traces, a span would cost time and be read by nobody
        if TRACING not in sys.modules:
            await work
            return
        attributes = {"http.request.method": "POST", "http.route": self.kind.path}
        span = call_span(self.kind.operation, self.server.served_model.name, attributes, "SERVER", headers)
        with span, span.make_current():
            try:
                await work
            finally:
                await run_sync(self.describe_in_span, span)

    def describe_in_span(self, span: CallSpan) -> None:
        """Add the outcome of the request to its span."""
        span.set_attributes({"http.response.status_code": self.status})
        span.record_prompt(next((self.body[name] for name in _PROMPTS if self.body.get(name)), ""))
        if done := self.done_results:
            usage = total_usage([result.usage for result in done])
            usage.prompt_tokens = sum(result.usage.prompt_tokens for result in done if result.sample == 0)
            texts = [(result.text, result.finish_reason.value) for result in done]
            span.record_answer(
                usage, texts, next((result.error for result in done if result.error is not None), None)
            )
        elif self.status >= 500:
            span.record_error(str(self.status))

    @property
    def done_results(self) -> list[Result]:
        """The results of the texts that have ended."""
        return [handle.result for handle in self.handles if handle.result is not None]

    def finish_answer(self, began: float) -> None:
        """Cancel the texts that are not complete, and count the answer. `began`: when the answer began."""
        _cancel_texts(self.handles)
        self.server.count_answer(self.kind.path, self.status, time.perf_counter() - began, self.done_results)

    async def answer_body(self, load: Callable[[], JsonObject]) -> None:
        """Answer the body that `load` returns, whole or as a stream. Errors: ApiError."""
        shape = await self.server.in_reader(partial(self.read_shape, load))
        # the handles are noted, so that the end of the request cancels its texts
        # no client can tell from the time what the prompts of another one are
        cache_salt = f"{self.owner} {self.body.get('cache_salt', '')}"
        self.handles = await self.server.begin_texts(shape.body_request, cache_salt)
        shape.replies = [replace(shape.body_request.parts, parts={}) for _ in self.handles]
        # a header has only ASCII characters
        headers = {"x-structgen-model": shape.model_name.encode("unicode_escape").decode()}
        if shape.warning:
            headers["x-structgen-warning"] = shape.warning
        # events are sent as the texts grow
        if shape.body.get("stream"):
            await self.send_lines(self.stream_lines(shape), headers)
            return
        async for index in _changed_texts(self.handles, pieces=False):
            self.result_of(index)
        answer = await run_sync(self.whole_response, shape, headers)
        await _keep_answer(shape)
        await self.send_response(answer)

    def read_shape(self, load: Callable[[], JsonObject]) -> AnswerShape:
        """Read the body and return its shape. The limits of a request bound this work. `load`: returns the
        body. Raises ApiError."""
        SCHEMA_REMARKS.set([])  # a new list for this call, whose thread has its own context
        try:
            self.body = load()
            store = self.server.store
            responses = None if store is None else StoredResponses(store, self.owner)
            with THIS_CALL.begin_call(self.server.served_model.limits):
                return self.kind(self.server.served_model, self.body, responses)
        except StructgenError as error:
            raise answer_to(error) from error
        except RecursionError:
            raise ApiError("The body is nested too deeply.") from None

    def whole_response(self, shape: AnswerShape, headers: Mapping[str, str]) -> Response:
        """Return the answer of texts that have ended; `headers`: more headers."""
        results = [self.result_of(index) for index in range(len(self.handles))]
        # replies are read to their end before the body is written
        for index, result in enumerate(results):
            for _ in shape.piece_events(index, shape.replies[index].read_end(result)):
                pass
        return ObjectResponse(shape.whole_body(results), headers=headers)

    async def send_error(self, error: Exception) -> None:
        """Answer with an error, in which members have the names that the client sent."""

        def error_response() -> Response:
            if isinstance(error, ApiError):
                self.kind.in_its_words(error, self.body)
            return _error_response(Request(self.scope), error)

        await self.send_response(await run_sync(error_response))

    def result_of(self, index: int) -> Result:
        """Return the result of a text that has ended, by its number. Raises ApiError if it ended in an
        error."""
        result = self.handles[index].result
        assert result is not None, "its end was told"
        if result.error is not None:
            raise answer_to(result.error, is_begun=True)
        return result

    async def stream_lines(self, shape: AnswerShape) -> AsyncIterator[str]:
        """Yield the events of a stream as text. Events that are there at the same time are yielded as one."""
        try:
            yield await run_sync(_text_of, shape, shape.first_events())
            async with aclosing(_changed_texts(self.handles, pieces=True)) as changes:
                async for index in changes:
                    handle = self.handles[index]
                    reply = shape.replies[index]
                    # the text is not complete: only what is new is sent
                    if handle.result is None:
                        yield _text_of(
                            shape,
                            shape.piece_events(index, reply.read_growth(handle.written, handle.thoughts)),
                        )
                    else:
                        result = self.result_of(index)
                        piece = shape.piece_events(index, reply.read_end(result))
                        text = await run_sync(_text_of, shape, chain(piece, shape.end_events(index, result)))
                        await _keep_answer(shape)
                        yield text
            results = [self.result_of(index) for index in range(len(self.handles))]
            yield _text_of(shape, shape.last_events(results)) + shape.last
        except ApiError as error:
            # the status was sent already, so the error is sent as an event
            yield shape.event_text(shape.error_event(shape.in_its_words(error, shape.body)))

    async def send_lines(self, lines: AsyncIterator[str], more_headers: Mapping[str, str]) -> None:
        """Send the headers of a stream, then its lines as they come. `more_headers`: additional headers."""
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
        headers += [(name.encode(), value.encode()) for name, value in more_headers.items()]
        self.status = 200
        await self.send({"type": "http.response.start", "status": 200, "headers": headers})
        async for several in lines:
            if several:
                await self.send_piece({"body": several.encode("utf-8", "replace"), "more_body": True})
        await self.send_piece({"body": b"", "more_body": False})

    async def send_piece(self, piece: Message) -> None:
        """Send a piece of an answer. A client that does not take it in time counts as gone."""
        try:
            async with asyncio.timeout(self.server.options.body_seconds):
                await self.send({"type": "http.response.body", **piece})
        except (TimeoutError, OSError):
            raise _ClientGoneError from None

    async def send_response(self, response: Response) -> None:
        self.status = response.status_code
        await response(self.scope, self.receive, self.send)


class _Line(_Answer):
    """The answer to a line of a batch. It is kept and not sent."""

    async def run_kept(self, load: Callable[[], JsonObject]) -> None:
        """Answer the body that `load` returns, and count the answer."""
        began = time.perf_counter()
        try:
            await self.answer_body(load)
        except Exception as error:
            await self.send_error(error)
        finally:
            self.finish_answer(began)

    async def send_response(self, response: Response) -> None:
        self.status = response.status_code
        self.response = response


async def _keep_answer(shape: AnswerShape) -> None:
    """Store a complete answer, if its client wants it stored. Raises ApiError."""
    if shape.keep is not None:
        with disk_checked():
            await run_sync(shape.keep)


async def _unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Run some work, and return its result. If the client goes away first, the work is cancelled, its end is
    waited for, and _ClientGoneError is raised. The body of the request must have been read."""

    async def wait_until_gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(wait_until_gone())
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise _ClientGoneError
        return working.result()
    finally:
        # the engine must not go on for a client that has gone
        working.cancel()
        watching.cancel()
        await asyncio.wait((working, watching))
        # an error and this frame would hold each other, and with them the grammar of the request
        del working, watching


async def _changed_texts(handles: Sequence[Handle], *, pieces: bool) -> AsyncGenerator[int, None]:
    """Yield the number of a text each time that it may have grown, and when it has ended, until all texts
    have ended. Several changes between two steps count as one. `pieces`: whether growth is yielded; if False,
    only the ends of texts are."""
    wake_event = event_of_handles(handles, pieces=pieces)
    open_ = list(range(len(handles)))
    while open_:
        await wake_event.wait()
        wake_event.clear()
        for index in list(open_):
            if handles[index].result is not None:
                open_.remove(index)
                yield index
            elif pieces:
                yield index


def _text_of(shape: AnswerShape, events: Iterable[JsonObject]) -> str:
    """Return events as they are sent."""
    return "".join(map(shape.event_text, events))


def _stop_text(handle: Handle, parts: ReplyParts, _piece: str | None) -> None:
    """End a text whose reply has met a stop sequence. It is called in the thread that writes the text."""
    for _ in parts.read_growth(handle.written, ""):
        pass
    # what follows a stop would be written for nobody
    if parts.stopped_by:
        handle.cancel()


def _cancel_texts(handles: Iterable[Handle]) -> None:
    for handle in handles:
        handle.cancel()


def _error_response(http: Request, error: Exception) -> Response:
    """Return the answer for an error, in the form that clients of the address read. The error is a refusal,
    an unknown address, or a fault of the server. The details of a fault are in the log only."""
    if isinstance(error, HTTPException):
        fault = "The address does not exist" if error.status_code == 404 else error.detail
        if http.scope["path"] == "/v1/embeddings":
            fault = "Embeddings are not supported: the served model generates text"
        path, status = abridge_text(http.scope["path"], MOST_PLACE), error.status_code
        if status == 405 and http.headers.get("upgrade", "").lower() == "websocket":
            # codex asks by WebSocket first; the status 426 alone makes it go on by HTTP at once
            fault, status = "WebSockets are not supported; send the request by HTTP", 426
        error = ApiError(f"{fault}: {http.method} {path}.", status=status)
    elif not isinstance(error, ApiError):
        _log.error("%s %s failed", http.method, http.scope["path"], exc_info=error)
        error = ApiError("The server failed. Its log says why.", status=500, code="internal_error")
    path = http.scope["path"]
    of_anthropic = any(name == b"anthropic-version" for name, _ in http.scope.get("headers", ()))
    fallback = MessageShape if of_anthropic or path.startswith(MessageShape.path) else AnswerShape
    kind = next((shape for shape in SHAPES if shape.path == path), fallback)
    headers = {VERSION_HEADER: __version__, **({"retry-after": "1"} if error.status == 429 else {})}
    return ObjectResponse(kind.error_body(error), error.status, headers)

"""The application: addresses, keys, limits, errors, and clients that go away."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from copy import deepcopy
from typing import Any, Final, TypeAlias

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from structgen.engine.requests import Handle, Result
from structgen.errors import StructgenError
from structgen.serving import request_fields as fields
from structgen.serving.api_errors import ApiError, failed, refused
from structgen.serving.chat_shape import ChatShape, CompletionShape
from structgen.serving.event_stream import ClientGoneError, changes, unless_gone
from structgen.serving.freed_memory import FreedMemory
from structgen.serving.message_shape import MessageShape, chat_body, error_body
from structgen.serving.reply_parts import ReplyParts
from structgen.serving.response_shape import ResponseShape, response_messages
from structgen.serving.served_model import AskedTexts, ServedModel
from structgen.serving.server_metrics import ServerMetrics
from structgen.serving.server_options import ServerOptions

_GONE: Final = 499
"""The status that is counted where a client went away."""
_log = logging.getLogger("structgen.serving")
_MESSAGES: Final = "/v1/messages"
Shape: TypeAlias = CompletionShape | ResponseShape | MessageShape
Read: TypeAlias = Callable[[dict[str, Any]], tuple[AskedTexts, Shape]]


def make_app(model: ServedModel, options: ServerOptions | None = None) -> Starlette:
    """Return the ASGI application that serves a model. Its engine is closed when the application ends."""
    server = _Server(model, ServerOptions() if options is None else options)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        # the threads of the engine may be in the middle of a step
        await anyio.to_thread.run_sync(model.engine.close)

    posts = {
        "/v1/chat/completions": server.read_chat,
        "/v1/completions": server.read_completion,
        "/v1/responses": server.read_response,
        _MESSAGES: server.read_message,
    }
    routes = [Route(path, server.poster(path, read), methods=["POST"]) for path, read in posts.items()]
    routes += [
        Route("/v1/models", server.models),
        Route("/v1/models/{name:path}", server.model),
        Route("/health", server.health),
        Route("/metrics", server.told_metrics),
    ]
    handlers: dict[Any, Any] = {ApiError: _refusal, HTTPException: _http_error, Exception: _fault}
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)


class _Server:
    def __init__(self, model: ServedModel, options: ServerOptions) -> None:
        self.named, self.options = model, options
        self.metrics = ServerMetrics(model.engine)
        self.freed = FreedMemory()
        self._limiter: anyio.CapacityLimiter | None = None

    # --- addresses ------------------------------------------------------------------------------------------

    def read_chat(self, body: dict[str, Any]) -> tuple[AskedTexts, Shape]:
        """Read a body of `/v1/chat/completions`."""
        body = fields.check_members(body, "chat")
        asked = self.named.read_chat(body)
        tokenizer = self.named.engine.tokenizer
        return asked, ChatShape(self.named.name, tokenizer, asked.likeliest, fields.usage_wanted(body))

    def read_completion(self, body: dict[str, Any]) -> tuple[AskedTexts, Shape]:
        """Read a body of `/v1/completions`."""
        body = fields.check_members(body, "completions")
        asked = self.named.read_prompts(body)
        tokenizer = self.named.engine.tokenizer
        return asked, CompletionShape(self.named.name, tokenizer, asked.likeliest, fields.usage_wanted(body))

    def read_response(self, body: dict[str, Any]) -> tuple[AskedTexts, Shape]:
        """Read a body of `/v1/responses`."""
        body = fields.check_members(body, "responses")
        shape = ResponseShape(self.named.name, body)
        return self.named.read_chat(body, "input", response_messages(body)), shape

    def read_message(self, body: dict[str, Any]) -> tuple[AskedTexts, Shape]:
        """Read a body of `/v1/messages`."""
        body = chat_body(fields.check_members(body, "messages"))
        shape = MessageShape(self.named.name, self.named.engine.tokenizer, body.get("stop", ()))
        return self.named.read_chat(body), shape

    async def models(self, http: Request) -> Response:
        """Answer `/v1/models`."""
        self.check_key(http)
        return JSONResponse({"object": "list", "data": [self.named.described()]})

    async def model(self, http: Request) -> Response:
        """Answer `/v1/models/NAME`."""
        self.check_key(http)
        self.named.check_name({"model": http.path_params["name"]})
        return JSONResponse(self.named.described())

    async def health(self, http: Request) -> Response:
        """Answer `/health`."""
        return JSONResponse({"status": "ok", "model": self.named.name})

    async def told_metrics(self, http: Request) -> Response:
        """Answer `/metrics`."""
        return Response(self.metrics.page(), media_type=self.metrics.content_type)

    def poster(self, path: str, read: Read) -> Callable[[Request], Any]:
        """Return the function that answers an address to which bodies are posted."""

        async def post(http: Request) -> Response:
            return _Answer(self, path, read, http)

        return post

    # --- bodies ---------------------------------------------------------------------------------------------

    def check_key(self, http: Request) -> None:
        """Raise ApiError where a key is needed and none of them was sent."""
        if not self.options.keys:
            return
        scheme, _, sent = http.headers.get("authorization", "").partition(" ")
        sent = sent if scheme.lower() == "bearer" else http.headers.get("x-api-key", "")
        given = sent.strip().encode()
        # all are compared, in a time that says nothing of them
        if not sum(hmac.compare_digest(given, key.encode()) for key in self.options.keys):
            raise ApiError("The API key is missing or wrong.", status=401, code="invalid_api_key")

    async def body(self, http: Request) -> dict[str, Any]:
        """Return the object that was posted. Errors: ApiError."""
        kind = http.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not kind.endswith("+json"):
            # browsers send other kinds to any address without asking it
            raise ApiError("The body's content-type must be application/json.", status=415)
        data = bytearray()
        try:
            async with asyncio.timeout(self.options.body_seconds):
                async for piece in http.stream():
                    data += piece
                    if len(data) > self.options.max_body:
                        raise ApiError(
                            f"The body has more than {self.options.max_body:,} bytes.",
                            status=413,
                            code="too_large",
                        )
        except TimeoutError:
            raise ApiError("The body took too long to arrive.", status=408, code="timeout") from None
        try:
            found = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ApiError(f"The body is no JSON: {str(error)[:200]}.") from None
        if not isinstance(found, dict):
            raise ApiError(f"The body is a {type(found).__name__}, and must be an object.")
        return found

    async def read(self, read: Read, body: dict[str, Any]) -> tuple[AskedTexts, Shape]:
        """Read a body in a thread: a large schema holds up nobody. Errors: ApiError."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self.options.readers)
        self.named.check_name(body)
        try:
            return await anyio.to_thread.run_sync(read, body, limiter=self._limiter, abandon_on_cancel=True)
        except StructgenError as error:
            raise refused(error) from error
        except RecursionError:
            raise ApiError("The body is nested too deeply.") from None

    async def begin(self, asked: AskedTexts) -> list[Handle]:
        """Return the texts of a request, which the engine brings on. Errors: ApiError."""
        handles: list[Handle] = []
        try:
            for request in asked.requests:
                handles += await self.named.engine.asubmit(request)
        except BaseException as error:
            _cancel(handles)
            if isinstance(error, StructgenError):
                raise refused(error) from error
            raise
        return handles


class _Answer(Response):
    """The answer to a body: it is read, written and sent by one task, which ends where the client goes."""

    def __init__(self, server: _Server, path: str, read: Read, http: Request) -> None:
        self.server, self.path, self.reader, self.http = server, path, read, http
        self.handles: list[Handle] = []
        self.status = _GONE
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        try:
            self.server.check_key(self.http)
            body = await self.server.body(self.http)
            await unless_gone(receive, self.answer(body, scope, receive, send))
        except (ClientGoneError, ClientDisconnect):
            pass
        except ApiError as error:
            await self.respond(_told(error, self.path), scope, receive, send)
        except Exception:
            self.status = 500
            raise
        finally:
            _cancel(self.handles)
            done = [one.result for one in self.handles if one.result is not None]
            self.server.metrics.written(done)
            self.server.metrics.answered(self.path, self.status, time.perf_counter() - began)
            self.server.freed.answered()

    async def answer(self, body: dict[str, Any], scope: Scope, receive: Receive, send: Send) -> None:
        asked, shape = await self.server.read(self.reader, body)
        self.handles = await self.server.begin(asked)
        parts = [deepcopy(asked.parts) for _ in self.handles]
        if {**body, **(body.get("extra_body") or {})}.get("stream"):
            await self.send_events(self.events(shape, parts), send)
            return
        async for index in changes(self.handles, pieces=False):
            for _ in parts[index].ended(self.result(index)):
                pass
        results = [self.result(index) for index in range(len(self.handles))]
        await self.respond(JSONResponse(shape.whole(parts, results)), scope, receive, send)

    def result(self, index: int) -> Result:
        """Return the result of a text that has ended. Raises ApiError where it ended in an error."""
        found = self.handles[index].result
        assert found is not None, "its end was told"
        if found.error is not None:
            raise failed(found.error)
        return found

    async def events(self, shape: Shape, parts: Sequence[ReplyParts]) -> AsyncIterator[Iterable[str]]:
        """Yield the events of a stream, those that come together at once."""
        try:
            yield list(shape.began(len(parts)))
            async with aclosing(changes(self.handles, pieces=True)) as changed:
                async for index in changed:
                    handle, own = self.handles[index], parts[index]
                    if handle.result is None:
                        yield list(shape.piece(index, own.grown(handle.written, handle.thoughts), own))
                        continue
                    result = self.result(index)
                    yield [*shape.piece(index, own.ended(result), own), *shape.ended(index, own, result)]
            yield list(shape.closed([self.result(index) for index in range(len(parts))]))
        except ApiError as error:
            yield list(shape.failed(error))

    async def send_events(self, events: AsyncIterator[Iterable[str]], send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
        self.status = 200
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for several in events:
            data = "".join(several).encode("utf-8", "replace")
            if data:
                await self.sent(send, {"type": "http.response.body", "body": data, "more_body": True})
        await self.sent(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def sent(self, send: Send, message: Message) -> None:
        """Send a piece of an answer. A client that does not take it in time is gone."""
        try:
            async with asyncio.timeout(self.server.options.body_seconds):
                await send(message)
        except (TimeoutError, OSError):
            raise ClientGoneError from None

    async def respond(self, response: Response, scope: Scope, receive: Receive, send: Send) -> None:
        self.status = response.status_code
        await response(scope, receive, send)


def _cancel(handles: Iterable[Handle]) -> None:
    for handle in handles:
        handle.cancel()


def _told(error: ApiError, path: str) -> Response:
    """Return an error as the clients of an address read it."""
    headers = {"retry-after": "1"} if error.status == 429 else None
    return JSONResponse(error_body(error) if path == _MESSAGES else error.body, error.status, headers)


async def _refusal(http: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return _told(error, http.url.path)


async def _http_error(http: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    what = "There is no such address" if error.status_code == 404 else error.detail
    found = ApiError(f"{what}: {http.method} {http.url.path}.", status=error.status_code)
    return _told(found, http.url.path)


async def _fault(http: Request, error: Exception) -> Response:
    """Answer a request in which structgen failed in an unforeseen way; the log has the error."""
    _log.error("%s %s failed", http.method, http.url.path, exc_info=error)
    found = ApiError("The server failed. Its log says why.", status=500, code="internal_error")
    return _told(found, http.url.path)

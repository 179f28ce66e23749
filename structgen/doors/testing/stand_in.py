"""`sg.testing.server`: a server on loopback that says given texts through the mask, or fails as servers do.

It is the application of `structgen serve` over a `Scripted` model. A layer around the application takes the
reply to each request as it comes, and acts out failures.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from structgen.asking.tool_calls.tool_replies import Call
from structgen.asking.tool_calls.tool_shapes import JsonObject
from structgen.base.errors import OptionError, StructgenError, options_named
from structgen.base.language.checks import shown
from structgen.base.system.installation import needing
from structgen.doors.testing.failures import Failure
from structgen.doors.testing.reply_texts import held, in_order, plain_values
from structgen.doors.testing.script_replies import Replies, TakenReply
from structgen.doors.testing.scripted import TAKEN, Scripted
from structgen.doors.typed.servers import KNOWN, Server

_NAME: Final = "scripted"
"""The name of the model that is served. Requests may give any other."""
_ASKS: Final = ("/completions", "/responses", "/messages")
"""How the addresses end that answer with a reply."""
_PLAIN: Final = frozenset(
    "model messages system prompt input instructions stream stream_options n"
    " max_tokens max_completion_tokens max_output_tokens".split()
)
"""Members of bodies that hold a reply to no form."""
_MISFIT: Final = 417
"""The status where script and requests do not fit. Clients ask again at others, or with another form."""
_MOST_SECONDS: Final = 30.0
"""How long a server may take to start, and to end."""
_WORKERS: Final = ("AnyIO worker thread", "structgen-requests")
"""Prefixes of the names of the threads that read bodies for a server."""

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class Address(str):
    """The address of a server in OpenAI's protocol, as `base_url` of its clients takes it. Anthropic's
    clients take `root`."""

    requests: list[JsonObject]
    """The bodies that were posted, in order."""

    def __new__(cls, root: str) -> Address:
        made = super().__new__(cls, f"{root}/v1")
        made.requests = []
        return made

    @property
    def root(self) -> str:
        """The address without `/v1`."""
        return self.removesuffix("/v1")

    @property
    def model(self) -> str:
        """The name of the model: pass it to `sg.run`, or wherever a model is taken."""
        return f"openai:{self}#{_NAME}"

    @property
    def claude(self) -> Server:
        """The same model in Anthropic's protocol."""
        return Server(self.root, _NAME, protocol="anthropic")


@options_named('with sg.testing.server(["Ada"]) as url: ...', name="sg.testing.server")
@contextmanager
def server(replies: Any, *, like: Any = None) -> Iterator[Address]:
    """Serve given replies on loopback while a block runs, in OpenAI's and Anthropic's protocols. Yields the
    `Address`: a text, with the bodies of requests in `url.requests`, and `url.model` for `sg.run`.

    `replies` and `like` are those of `Scripted`; a reply may also be a `Failure`. A dict or a function sees
    the texts of the messages, joined by line ends. Any name of a model is served.

    Errors at the end of the block, unless another is on its way: ScriptError for unused replies, for a
    request without a reply, and for a reply that a form forbids; the client was told status 417 then. Errors
    at its beginning: those of `Scripted`; StructgenError where the extra `serve` is not installed. Then no
    port is open and no thread left. Cost: some milliseconds, and a tenth of a second to end.
    """
    with needing("A server for tests", "serve", where="testing.server"):
        # optional: serve
        import uvicorn

        # optional: serve
        from structgen.doors.serving.app import make_app
        from structgen.doors.serving.served_model import ServedModel
    given = Replies(replies)
    model = Scripted(given, like=like)
    log = logging.getLogger("uvicorn.error")
    level = log.level
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = Address("http://{}:{}".format(*listening.getsockname()))
        acting = _Acting(make_app(ServedModel(model, _NAME)), model, given, url)
        # a connection that is cut on purpose is told by no line of the log
        config = uvicorn.Config(
            acting, log_config=None, log_level="critical", access_log=False, timeout_graceful_shutdown=1
        )
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, args=([listening],), daemon=True)
        before = set(threading.enumerate())
        thread.start()
        try:
            end = time.monotonic() + _MOST_SECONDS
            while not running.started:
                if time.monotonic() > end or not thread.is_alive():
                    raise _stuck("start")
                time.sleep(0.002)
            yield url
        finally:
            acting.is_over = running.should_exit = True
            thread.join(_MOST_SECONDS)
            model.close()
            for worker in set(threading.enumerate()) - before:
                if worker.name.startswith(_WORKERS):
                    worker.join(1.0)  # it was told to end
            log.setLevel(level)
            for known in [one for one in KNOWN if one.url.startswith(url.root)]:
                del KNOWN[known]  # another server may have the port
    if thread.is_alive():
        raise _stuck("end")
    model.done()


def _stuck(what: str) -> StructgenError:
    cure = "Look at what a function among the replies waits for, and at the load of the machine."
    return StructgenError(f"The server for tests does not {what}.", where="testing.server", cure=cure)


@dataclass
class _Acting:
    """The layer around the application."""

    app: Any
    model: Scripted
    replies: Replies
    url: Address
    is_over: bool = False
    """Whether the server ends: nothing waits any more."""

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request."""
        asks = scope["type"] == "http" and scope["method"] == "POST" and scope["path"].endswith(_ASKS)
        if not asks:
            await self.app(scope, receive, send)
            return
        data = await _received(receive)
        try:
            body = json.loads(data)
            prompt = "\n".join(_texts(body))
        except (ValueError, AttributeError, RecursionError):  # the application says what is wrong with it
            await self.app(scope, _again(data, receive), send)
            return
        self.url.requests.append(dict(body))
        try:
            with self.replies.lock:
                taken = self.replies.take(prompt)
            taken = taken.made(prompt)
            if taken.is_raised and not isinstance(taken.reply, Exception):  # it would end the server
                cure = "Give an sg.testing.Failure, or an exception that is an Exception."
                raise OptionError(f"{shown(taken.reply)} is for no client.", where=taken.place, cure=cure)
        except BaseException as error:  # too few replies, or of a function that makes them
            self.model.errors.append(error)
            await _refuse(send, Failure(status=_MISFIT, message=str(error)))
            return
        body["model"] = _NAME
        if isinstance(taken.reply, Failure):
            failure, taken = taken.reply, TakenReply(taken.reply.reply, taken.place)
            await self._wait(failure.delay)
            if failure.status is not None:
                await _refuse(send, failure)
                return
            if failure.reply is None:
                return
            if failure.unchecked:
                body = {name: value for name, value in body.items() if name in _PLAIN}
            if failure.cut is not None:
                send = _cut(send, failure.cut)
        # the application says what is wrong with the tools, and the model with the reply
        with suppress(AttributeError, TypeError, OptionError):
            taken = taken._replace(reply=_as_call(taken.reply, body))
        TAKEN.set(taken)
        data = json.dumps(body).encode()
        length = str(len(data)).encode()
        headers = [(name, length if name == b"content-length" else said) for name, said in scope["headers"]]
        await self.app({**scope, "headers": headers}, _again(data, receive), self._as_misfit(send))

    def _as_misfit(self, send: Send) -> Send:
        """Return what sends an answer, with the status of a misfit where the model has told one meanwhile."""
        known = len(self.model.errors)

        async def sent(message: Message) -> None:
            if message.get("status") == 400 and len(self.model.errors) > known:
                message = {**message, "status": _MISFIT}
            await send(message)

        return sent

    async def _wait(self, seconds: float) -> None:
        """Wait, but no longer than the server runs."""
        end = time.monotonic() + seconds
        while not self.is_over and (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, 0.02))


async def _received(receive: Receive) -> bytes:
    """Return what was posted."""
    data, more = b"", True
    while more:
        message = await receive()
        data += message.get("body", b"")
        more = message.get("more_body", False)
    return data


def _again(data: bytes, receive: Receive) -> Receive:
    """Return what receives a body that was received before, and then what comes behind."""
    waiting = [data]

    async def received() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return received


def _cut(send: Send, most: int) -> Send:
    """Return what sends an answer up to so many bytes of its body, and not its end: the connection is then
    closed."""
    left = most

    async def sent(message: Message) -> None:
        nonlocal left
        if message["type"] == "http.response.body":
            body = message.get("body", b"")[:left]
            left -= len(body)
            message = {**message, "body": body, "more_body": True}
        await send(message)

    return sent


async def _refuse(send: Send, failure: Failure) -> None:
    """Send an error of HTTP, as both protocols' clients read it."""
    kind = {429: "rate_limit_error", 529: "overloaded_error"}.get(failure.status or 0, "api_error")
    said = {"type": "error", "error": {"message": failure.message, "type": kind, "code": kind}}
    headers = [(b"content-type", b"application/json")]
    if failure.retry_after is not None:
        headers.append((b"retry-after", f"{failure.retry_after:g}".encode()))
    await send({"type": "http.response.start", "status": failure.status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(said).encode()})


def _as_call(reply: Any, body: JsonObject) -> Any:
    """Return a reply; a document as a call where a body asks for a call of a tool whose arguments it is, as
    clients ask for documents in protocols that have no schemas."""
    choice, tools = body.get("tool_choice"), [tool.get("function", tool) for tool in body.get("tools") or ()]
    named = [tool for tool in tools if "name" in tool]
    if isinstance(choice, dict):
        name = choice.get("function", choice).get("name")
        named = [tool for tool in named if name in (None, tool["name"])]
        choice = choice.get("type")
    parts = reply if isinstance(reply, list | tuple) else [reply]
    if choice not in ("required", "any", "tool", "function") or any(isinstance(one, Call) for one in parts):
        return reply
    values = list[Any]()
    if not isinstance(reply, str | bytes):
        values += plain_values(reply, "replies")
    else:
        text = reply if isinstance(reply, str) else reply.decode("utf-8", "replace")
        with suppress(ValueError):
            values.append(json.loads(text))
        values.append(text)
    for tool in named:
        schema = tool.get("parameters", tool.get("input_schema"))
        for made in (made for value in values for made in (value, *held(value, schema))):
            if isinstance(made, dict) and _is_valid(made, schema):
                return Call(tool["name"], in_order(made, schema), "call_0")
    if len(named) == 1 and isinstance(values[0], dict):  # the model tells the fault
        return Call(named[0]["name"], values[0], "call_0")
    return reply


def _is_valid(document: JsonObject, schema: Any) -> bool:
    """Tell whether a document is one of a schema; it is none of a schema that is wrong, which others tell."""
    # start-up: jsonschema takes 30 ms
    from jsonschema import Draft202012Validator

    try:
        return bool(Draft202012Validator(schema).is_valid(document))
    except Exception:  # whatever a schema with faults raises: the application names the fault
        return False


def _texts(body: JsonObject) -> Iterator[str]:
    """Yield the texts of the messages of a body, in order."""
    waiting: list[Any] = [
        body.get(name) for name in ("messages", "input", "prompt", "instructions", "system")
    ]
    waiting.reverse()
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, list):
            waiting += reversed(part)
        elif isinstance(part, dict):
            waiting += [part.get("text"), part.get("content")]

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
from structgen.base.errors import OptionError, StructgenError, options_named
from structgen.base.json_text.exact_json import JsonObject
from structgen.base.language.checks import show_value
from structgen.base.system.installation import require_extras
from structgen.doors.testing.failures import Failure
from structgen.doors.testing.reply_texts import in_order, plain_values, wrapped_values
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
        address = super().__new__(cls, f"{root}/v1")
        address.requests = []
        return address

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
    with require_extras("A server for tests", "serve", where="testing.server"):
        # optional: serve
        import uvicorn

        # optional: serve
        from structgen.doors.serving.app import make_app
        from structgen.doors.serving.served_model import ServedModel
    script = Replies(replies)
    model = Scripted(script, like=like)
    log = logging.getLogger("uvicorn.error")
    level = log.level
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = Address("http://{}:{}".format(*listening.getsockname()))
        layer = _FailureLayer(make_app(ServedModel(model, _NAME)), model, script, url)
        # a connection that is cut on purpose is told by no line of the log
        config = uvicorn.Config(
            layer,
            log_config=None,
            log_level="critical",
            access_log=False,
            timeout_graceful_shutdown=1,
            ws="none",
        )
        running_server = uvicorn.Server(config)
        thread = threading.Thread(target=running_server.run, args=([listening],), daemon=True)
        threads_before = set(threading.enumerate())
        thread.start()
        try:
            end = time.monotonic() + _MOST_SECONDS
            while not running_server.started:
                if time.monotonic() > end or not thread.is_alive():
                    raise _hanging_error("start")
                time.sleep(0.002)
            yield url
        finally:
            layer.is_over = running_server.should_exit = True
            thread.join(_MOST_SECONDS)
            model.close()
            for worker in set(threading.enumerate()) - threads_before:
                if worker.name.startswith(_WORKERS):
                    worker.join(1.0)  # it was told to end
            log.setLevel(level)
            for server_key in [
                known_server for known_server in KNOWN if known_server.url.startswith(url.root)
            ]:
                del KNOWN[server_key]  # another server may have the port
    if thread.is_alive():
        raise _hanging_error("end")
    model.done()


def _hanging_error(fault: str) -> StructgenError:
    """Return the error of a server that does not start or end in time. `fault`: "start" or "end"."""
    cure = "Check what a function among the replies waits for, and the load of the machine."
    return StructgenError(f"The server for tests does not {fault}.", where="testing.server", cure=cure)


@dataclass
class _FailureLayer:
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
        data = await _read_body(receive)
        try:
            body = json.loads(data)
            prompt = "\n".join(_texts_of_body(body))
        except (ValueError, AttributeError, RecursionError):  # the application says what is wrong with it
            await self.app(scope, _receive_again(data, receive), send)
            return
        self.url.requests.append(dict(body))
        try:
            with self.replies.lock:
                taken_reply = self.replies.take_reply(prompt)
            taken_reply = taken_reply.make_reply(prompt)
            if taken_reply.is_raised and not isinstance(
                taken_reply.reply, Exception
            ):  # it would end the server
                cure = "Pass an sg.testing.Failure, or an exception that is an Exception."
                raise OptionError(
                    f"{show_value(taken_reply.reply)} cannot be sent to a client.",
                    where=taken_reply.location,
                    cure=cure,
                )
        except BaseException as error:  # too few replies, or of a function that makes them
            self.model.errors.append(error)
            await _send_failure(send, Failure(status=_MISFIT, message=str(error)))
            return
        body["model"] = _NAME
        if isinstance(taken_reply.reply, Failure):
            failure, taken_reply = (
                taken_reply.reply,
                TakenReply(taken_reply.reply.reply, taken_reply.location),
            )
            await self._wait_while_open(failure.delay)
            if failure.status is not None:
                await _send_failure(send, failure)
                return
            if failure.reply is None:
                return
            if failure.unchecked:
                body = {name: value for name, value in body.items() if name in _PLAIN}
            if failure.cut is not None:
                send = _cut_answer(send, failure.cut)
        # the application says what is wrong with the tools, and the model with the reply
        with suppress(AttributeError, TypeError, OptionError):
            taken_reply = taken_reply._replace(reply=_as_call(taken_reply.reply, body))
        TAKEN.set(taken_reply)
        data = json.dumps(body).encode()
        length = str(len(data)).encode()
        headers = [
            (name, length if name == b"content-length" else header) for name, header in scope["headers"]
        ]
        await self.app({**scope, "headers": headers}, _receive_again(data, receive), self._send_misfits(send))

    def _send_misfits(self, send: Send) -> Send:
        """Return a `Send` that gives an answer the status of a misfit, if the model has noted one since."""
        error_count = len(self.model.errors)

        async def send_message(message: Message) -> None:
            if message.get("status") == 400 and len(self.model.errors) > error_count:
                message = {**message, "status": _MISFIT}
            await send(message)

        return send_message

    async def _wait_while_open(self, seconds: float) -> None:
        """Wait, but no longer than the server runs."""
        end = time.monotonic() + seconds
        while not self.is_over and (remaining := end - time.monotonic()) > 0:
            await asyncio.sleep(min(remaining, 0.02))


async def _read_body(receive: Receive) -> bytes:
    """Return the body that was posted."""
    data, has_more = b"", True
    while has_more:
        message = await receive()
        data += message.get("body", b"")
        has_more = message.get("more_body", False)
    return data


def _receive_again(data: bytes, receive: Receive) -> Receive:
    """Return a `Receive` that has a body, which was received before, and then the messages after it."""
    waiting_bodies = [data]

    async def receive_message() -> Message:
        if waiting_bodies:
            return {"type": "http.request", "body": waiting_bodies.pop(), "more_body": False}
        return await receive()

    return receive_message


def _cut_answer(send: Send, max_bytes: int) -> Send:
    """Return a `Send` that sends so many bytes of the body of an answer, and not its end: the connection is
    then closed."""
    remaining = max_bytes

    async def send_message(message: Message) -> None:
        nonlocal remaining
        if message["type"] == "http.response.body":
            body = message.get("body", b"")[:remaining]
            remaining -= len(body)
            message = {**message, "body": body, "more_body": True}
        await send(message)

    return send_message


async def _send_failure(send: Send, failure: Failure) -> None:
    """Send an error of HTTP, as both protocols' clients read it."""
    kind = {429: "rate_limit_error", 529: "overloaded_error"}.get(failure.status or 0, "api_error")
    error_body = {"type": "error", "error": {"message": failure.message, "type": kind, "code": kind}}
    headers = [(b"content-type", b"application/json")]
    if failure.retry_after is not None:
        headers.append((b"retry-after", f"{failure.retry_after:g}".encode()))
    await send({"type": "http.response.start", "status": failure.status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(error_body).encode()})


def _as_call(reply: Any, body: JsonObject) -> Any:
    """Return a reply; a document as a call where a body asks for a call of a tool whose arguments it is, as
    clients ask for documents in protocols that have no schemas."""
    choice = body.get("tool_choice")
    tools = [tool.get("function", tool) for tool in body.get("tools") or ()]
    named_tools = [tool for tool in tools if "name" in tool]
    if isinstance(choice, dict):
        name = choice.get("function", choice).get("name")
        named_tools = [tool for tool in named_tools if name in (None, tool["name"])]
        choice = choice.get("type")
    parts = reply if isinstance(reply, list | tuple) else [reply]
    if choice not in ("required", "any", "tool", "function") or any(isinstance(part, Call) for part in parts):
        return reply
    values = list[Any]()
    if not isinstance(reply, str | bytes):
        values += plain_values(reply, "replies")
    else:
        text = reply if isinstance(reply, str) else reply.decode("utf-8", "replace")
        with suppress(ValueError):
            values.append(json.loads(text))
        values.append(text)
    for tool in named_tools:
        schema = tool.get("parameters", tool.get("input_schema"))
        for document in (made for value in values for made in (value, *wrapped_values(value, schema))):
            if isinstance(document, dict) and _is_valid(document, schema):
                return Call(tool["name"], in_order(document, schema), "call_0")
    if len(named_tools) == 1 and isinstance(values[0], dict):  # the model tells the fault
        return Call(named_tools[0]["name"], values[0], "call_0")
    return reply


def _is_valid(document: JsonObject, schema: Any) -> bool:
    """Tell whether a document is one of a schema; it is none of a schema that is wrong, which others tell."""
    # start-up: jsonschema takes 30 ms
    from jsonschema import Draft202012Validator

    try:
        return bool(Draft202012Validator(schema).is_valid(document))
    except Exception:  # whatever a schema with faults raises: the application names the fault
        return False


def _texts_of_body(body: JsonObject) -> Iterator[str]:
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

"""A server that speaks OpenAI's protocol and Anthropic's, as far as is needed: given messages, in order.

A message is a text, or the fields of a choice: `content`, `finish_reason`, others of the message; `status`
and `error` are those of a refusal. `raw` is a whole reply, of the type `kind`, whose length is said to be
`promised`. Of Anthropic's, whose bodies must be those that its client types, it is a list of blocks, or the
members of a message; `events` are those of a stream in place of the message's own.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structgen as sg
from structgen.doors.typed import servers


class Server:
    """What was asked, and what is to be answered: texts, a choice's fields, or functions of the body."""

    def __init__(self, answers: tuple[Any, ...], listing: tuple[int, dict[str, str]]) -> None:
        self.answers, self.bodies = answers, list[dict[str, Any]]()
        self.listing, self.listed = listing, 0
        """The status and the headers of `/v1/models`, and how often it was asked for."""
        self.headers = list[dict[str, str]]()
        self.lock = threading.Lock()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def model(self) -> str:
        return f"openai:{self.url}#small"

    @property
    def claude(self) -> sg.Server:
        return sg.Server(f"http://127.0.0.1:{self.port}", "claude", protocol="anthropic")

    def next(self, body: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            answer = self.answers[min(len(self.bodies), len(self.answers) - 1)]
            self.bodies.append(body)
        if callable(answer):
            answer = answer(body)
        if isinstance(answer, dict):
            return {"content": None, "finish_reason": "stop", **answer}
        return {"content": answer, "finish_reason": "stop"}


def call_deltas(calls: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield calls in pieces, as OpenAI's server sends them: the name first, then the arguments."""
    for index, call in enumerate(calls):
        function = call["function"]
        begun = {"name": function["name"], "arguments": ""}
        yield {"index": index, "id": call.get("id"), "type": "function", "function": begun}
        text = function["arguments"]
        for at in range(0, len(text), 4):
            yield {"index": index, "function": {"arguments": text[at : at + 4]}}


def claude_events(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a message as the events of a stream, as Anthropic's page on streaming shows them."""
    yield {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}}
    yield {"type": "ping"}
    for index, block in enumerate(message["content"] or ()):
        kind, name, member = {
            "text": ("text_delta", "text", "text"),
            "thinking": ("thinking_delta", "thinking", "thinking"),
            "tool_use": ("input_json_delta", "partial_json", "input"),
        }[block["type"]]
        begun = {**block, member: {} if member == "input" else ""}
        yield {"type": "content_block_start", "index": index, "content_block": begun}
        text = json.dumps(block[member]) if block[member] and member == "input" else block[member] or ""
        for at in range(0, len(text), 5):
            delta = {"type": kind, name: text[at : at + 5]}
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}}
    yield {"type": "message_stop"}


@cache
def claude_bodies() -> Any:
    """Return what checks the bodies of Anthropic's protocol."""
    import anthropic
    from pydantic import TypeAdapter

    return TypeAdapter(anthropic.types.message_create_params.MessageCreateParams)


@contextmanager
def serving(*answers: Any, status: int = 404, says: dict[str, str] | None = None) -> Iterator[Server]:
    """Serve answers. `status` and `says`: the status and the headers of `/v1/models`. `status` 0 closes the
    connection there without an answer."""
    servers.KNOWN.clear()  # a port may come again
    server = Server(answers, (status, says or {}))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers = server.listing
            server.listed += self.path == "/v1/models"
            if status == 0:
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b'{"object": "list", "data": []}')

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
            choice = server.next(body)
            if choice.get("status"):
                told = choice.get("raw", json.dumps({"error": choice.get("error")}).encode())
                self.begin(choice["status"], choice.get("kind", "application/json"), choice.get("promised"))
                self.wfile.write(told)
            elif self.path == "/v1/messages":
                key = self.headers["x-api-key"] or self.headers["authorization"].removeprefix("Bearer ")
                assert self.headers["anthropic-version"] and key == "a key"
                claude_bodies().validate_python(body)
                self.claude(choice, is_stream=body.get("stream"))
            else:
                self.chat(choice, is_stream=body.get("stream"))

        def claude(self, said: dict[str, Any], *, is_stream: bool) -> None:
            del said["finish_reason"]
            usage = {"input_tokens": 5, "output_tokens": 7}
            message = {"id": "m", "type": "message", "role": "assistant", "model": "x", "usage": usage}
            message |= {"stop_reason": "tool_use", "stop_sequence": None, **said}
            self.begin(200, "text/event-stream" if is_stream else "application/json")
            if is_stream:
                for event in said.get("events") or claude_events(message):
                    self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            else:
                self.wfile.write(json.dumps(message).encode())

        def chat(self, choice: dict[str, Any], *, is_stream: bool) -> None:
            head = {"id": "1", "object": "chat.completion", "created": 0, "model": "small"}
            reason = choice.pop("finish_reason")
            self.begin(200, "text/event-stream" if is_stream else "application/json")
            if is_stream:
                head["object"] = "chat.completion.chunk"
                text = choice["content"] or ""
                for at in range(0, len(text), 3):
                    self.event({**head, "choices": [{"index": 0, "delta": {"content": text[at : at + 3]}}]})
                for delta in call_deltas(choice.get("tool_calls", [])):
                    self.event({**head, "choices": [{"index": 0, "delta": {"tool_calls": [delta]}}]})
                self.event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
                self.wfile.write(b"data: [DONE]\n\n")
                return
            message = {"role": "assistant", **choice}
            usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
            choices = [{"index": 0, "message": message, "finish_reason": reason}]
            self.wfile.write(json.dumps({**head, "usage": usage, "choices": choices}).encode())

        def begin(self, status: int, kind: str, length: str | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if length is not None:
                self.send_header("Content-Length", length)
            self.end_headers()

        def event(self, value: dict[str, Any]) -> None:
            self.wfile.write(f"data: {json.dumps(value)}\n\n".encode())

        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as host:
        server.port = host.server_address[1]
        thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            host.shutdown()
            thread.join()

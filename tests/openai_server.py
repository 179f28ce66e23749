"""A server that speaks OpenAI's protocol as far as is needed: it answers with given messages, in order.

A message is a text, or the fields of a choice: `content`, `finish_reason`, others of the message; `status`
and `error` are those of a refusal. `raw` is a whole reply, of the type `kind`, whose length is said to be
`promised`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from structgen.doors.typed import servers


class Server:
    """What was asked, and what is to be answered: texts, a choice's fields, or functions of the body."""

    def __init__(self, answers: tuple[Any, ...]) -> None:
        self.answers, self.bodies = answers, list[dict[str, Any]]()
        self.headers = list[dict[str, str]]()
        self.lock = threading.Lock()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def model(self) -> str:
        return f"openai:{self.url}#small"

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


@contextmanager
def serving(*answers: Any) -> Iterator[Server]:
    servers.KNOWN.clear()  # a port may come again
    server = Server(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
            choice = server.next(body)
            if choice.get("status"):
                told = choice.get("raw", json.dumps({"error": choice.get("error")}).encode())
                self.send_response(choice["status"])
                self.send_header("Content-Type", choice.get("kind", "application/json"))
                if "promised" in choice:
                    self.send_header("Content-Length", choice["promised"])
                self.end_headers()
                self.wfile.write(told)
                return
            head = {"id": "1", "object": "chat.completion", "created": 0, "model": "small"}
            reason = choice.pop("finish_reason")
            self.send_response(200)
            if body.get("stream"):
                head["object"] = "chat.completion.chunk"
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                text = choice["content"] or ""
                for at in range(0, len(text), 3):
                    self.event({**head, "choices": [{"index": 0, "delta": {"content": text[at : at + 3]}}]})
                for delta in call_deltas(choice.get("tool_calls", [])):
                    self.event({**head, "choices": [{"index": 0, "delta": {"tool_calls": [delta]}}]})
                self.event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
                self.wfile.write(b"data: [DONE]\n\n")
                return
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            message = {"role": "assistant", **choice}
            usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
            found = {
                **head,
                "usage": usage,
                "choices": [{"index": 0, "message": message, "finish_reason": reason}],
            }
            self.wfile.write(json.dumps(found).encode())

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

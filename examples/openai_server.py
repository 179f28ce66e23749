"""A small server that speaks OpenAI's protocol, so that a client can be tried without another server.

It answers `POST /v1/chat/completions` with the model that comes with structgen. It is an example: it reads
the last message, the schema of `response_format`, `max_tokens` and `stream`, and no other field.
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import structgen as sg

engine = sg.Engine("structgen/extract")


def request_of(body: dict[str, Any]) -> sg.Request:
    """Return the engine's request for the body of a request; without a response_format the text is free."""
    wanted = body.get("response_format") or {"type": "text"}
    grammar = None if wanted["type"] == "text" else sg.json_schema(wanted["json_schema"]["schema"])
    return sg.Request(body["messages"][-1]["content"], grammar, max_tokens=body.get("max_tokens") or 200)


def envelope(body: dict[str, Any], kind: str, choice: dict[str, Any]) -> dict[str, Any]:
    """Return a reply, or one chunk of a streamed reply."""
    head = {"id": "1", "object": kind, "created": int(time.time()), "model": body.get("model", "extract")}
    return {**head, "choices": [{"index": 0, **choice}]}


def finish_reason(result: sg.Result) -> str:
    """Return the protocol's name of the reason why a text ended. Raises the error of a text that failed."""
    if result.error is not None:
        raise result.error
    return "length" if result.finish_reason is sg.FinishReason.MAX_TOKENS else "stop"


class Handler(BaseHTTPRequestHandler):
    """Reads a request, and writes the reply."""

    def do_POST(self) -> None:
        """Answer one request; a faulty request is status 400."""
        try:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            (handle,) = engine.submit(request_of(body))
            if not body.get("stream"):
                engine.drive([handle])
                message = {"role": "assistant", "content": handle.result.text}
                choice = {"message": message, "finish_reason": finish_reason(handle.result)}
                return self.reply(200, envelope(body, "chat.completion", choice))
        except KeyError as error:
            return self.reply(400, {"error": {"message": f"The request has no {error}."}})
        except (TypeError, ValueError, IndexError, sg.StructgenError) as error:
            return self.reply(400, {"error": {"message": f"{type(error).__name__}: {error}"}})
        self.stream(body, handle)

    def reply(self, status: int, reply: dict[str, Any]) -> None:
        """Send one JSON object."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(reply).encode())

    def stream(self, body: dict[str, Any], handle: Any) -> None:
        """Send the text in server-sent events, as it comes."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for piece in engine.pieces(handle):
            self.event(envelope(body, "chat.completion.chunk", {"delta": {"content": piece}}))
        try:
            choice = {"delta": {}, "finish_reason": finish_reason(handle.result)}
            self.event(envelope(body, "chat.completion.chunk", choice))
        except sg.StructgenError as error:
            self.event({"error": {"message": str(error)}})
        self.wfile.write(b"data: [DONE]\n\n")

    def event(self, value: dict[str, Any]) -> None:
        """Send one event."""
        self.wfile.write(f"data: {json.dumps(value)}\n\n".encode())

    def log_message(self, *_: Any) -> None:
        """Print no line for each request."""


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8099
    try:
        server = HTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise SystemExit(
            f"Port {port} cannot be used: {error.strerror}. Name another: openai_server.py 8100"
        ) from None
    with server:
        print(f"serving structgen/extract at http://127.0.0.1:{port}/v1", flush=True)
        server.serve_forever()

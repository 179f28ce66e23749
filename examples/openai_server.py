"""A small server that speaks OpenAI's protocol, so that a client can be tried without another server.

It answers `POST /v1/chat/completions` with the model that comes with structgen. It is an example: it reads
the last message and the schema of `response_format`, and no other field.
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import structgen as sg

engine = sg.Engine("structgen/extract")


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """Return the reply to the body of a request."""
    grammar = sg.json_schema(body["response_format"]["json_schema"]["schema"])
    (result,) = engine.generate(sg.Request(body["messages"][-1]["content"], grammar, max_tokens=200))
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": result.text},
        "finish_reason": "stop",
    }
    return {
        "id": "1",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [choice],
    }


class Handler(BaseHTTPRequestHandler):
    """Reads a request, and writes the reply."""

    def do_POST(self) -> None:
        """Answer one request; what is wrong with it is status 400."""
        try:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, reply = 200, answer(body)
        except (KeyError, TypeError, ValueError, sg.StructgenError) as error:
            status, reply = 400, {"error": {"message": f"{type(error).__name__}: {error}"}}
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(reply).encode())

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

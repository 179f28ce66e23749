"""Applications for the tests of the server, clients in this process, and one that sends and reads by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import httpx2
import openai
from starlette.applications import Starlette

import structgen as sg
from structgen.doors.serving.app import make_app
from structgen.doors.serving.served_model import ServedModel
from structgen.doors.serving.server_options import ServerOptions

TEXT = "Ada Lovelace, 36, lives in London."
MESSAGES: Any = [{"role": "system", "content": "Extract."}, {"role": "user", "content": TEXT}]
PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "city": {"enum": ["London", "Paris"]},
    },
    "required": ["name", "age", "city"],
    "additionalProperties": False,
}
ADA = {"name": "Ada Lovelace", "age": 36, "city": "London"}
FORMAT: Any = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}


def schema_format(schema: Any) -> Any:
    """Return the format of a reply that is a document of a schema."""
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}


TOOL: Any = {"type": "function", "function": {"name": "save", "description": "Save.", "parameters": PERSON}}
CHAT = {"model": "extract", "messages": MESSAGES}


def app_of(engine: sg.Engine, options: ServerOptions | None = None, **more: Any) -> Starlette:
    return make_app(ServedModel(engine, "extract", **more), options)


def http_client(app: Starlette) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://test")


def openai_client(app: Starlette, key: str = "any") -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url="http://test/v1", api_key=key, max_retries=0, http_client=http_client(app)
    )


def run(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Return what some work returns; an error only if it hangs: inner loops may compile meanwhile."""

    async def bounded() -> Any:
        return await asyncio.wait_for(work(), 900)

    return asyncio.run(bounded())


def post(app: Starlette, path: str, body: Any, **headers: str) -> httpx2.Response:
    """Return the answer to a body: an object, or bytes as they are."""

    async def work() -> httpx2.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await http_client(app).post(
            path, content=data, headers={"content-type": "application/json", **headers}
        )

    found: httpx2.Response = run(work)
    return found


class HandClient:
    """A client that sends a body and reads pieces as slowly as it likes, and may go away."""

    def __init__(
        self, app: Starlette, body: Any, path: str = "/v1/chat/completions", whole: bool = True
    ) -> None:
        data = json.dumps(body).encode()
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.incoming.put_nowait(
            {"type": "http.request", "body": data if whole else data[:9], "more_body": not whole}
        )
        self.pieces: list[bytes] = []
        self.came = asyncio.Event()
        self.takes = asyncio.Event()
        """Whether the client takes what is sent."""
        self.takes.set()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "headers": [(b"content-type", b"application/json")],
            "client": ("127.0.0.1", 1),
            "server": ("test", 80),
        }
        self.task = asyncio.ensure_future(app(scope, self.incoming.get, self.send))  # type: ignore[arg-type]

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.body" and message["body"]:
            self.came.set()
            await self.takes.wait()
            self.pieces.append(message["body"])

    def go(self) -> None:
        """Close the connection."""
        self.incoming.put_nowait({"type": "http.disconnect"})


async def until(is_so: Callable[[], bool]) -> None:
    """Return once something is so; `run` bounds the waiting."""
    while not is_so():
        await asyncio.sleep(0.005)

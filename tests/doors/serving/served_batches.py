"""Servers with a folder at a port of this machine, and batches on them."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import openai
import uvicorn
from served_apps import FORMAT, MESSAGES, app_of

import structgen as sg
from structgen.doors.serving.server_options import ServerOptions

KEYS = ("sk-one", "sk-two")
ENDED = {"completed", "failed", "expired", "cancelled"}
CHAT_PATH = "/v1/chat/completions"


def request(name: str, url: str = CHAT_PATH, **body: Any) -> dict[str, Any]:
    body = {"model": "extract", "messages": MESSAGES, "response_format": FORMAT, **body}
    return {"custom_id": name, "method": "POST", "url": url, "body": body}


def lines(*requests: Any) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in requests).encode()


@contextmanager
def served(engine: sg.Engine, folder: Path | None, **options: Any) -> Iterator[str]:
    """Serve at a port of this machine, as `structgen serve` does; yield the address."""
    app = app_of(engine, ServerOptions(files=folder, **options))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()


def client_of(address: str, key: str = KEYS[0]) -> openai.OpenAI:
    return openai.OpenAI(base_url=address, api_key=key, max_retries=0)


OF_BATCHES = "FROM items JOIN records ON record = records.number WHERE kind = 'batches'"
LINES = f"SELECT content {OF_BATCHES} AND items.number > 0"


def kept_rows(folder: Path, statement: str, *values: Any) -> list[Any]:
    """Return the rows of a statement in the database of a folder."""
    with closing(sqlite3.connect(folder / "records.sqlite3")) as database, database:
        return database.execute(statement, values).fetchall()


def begun(client: openai.OpenAI, content: bytes, endpoint: Any = CHAT_PATH) -> Any:
    file = client.files.create(file=("../../my.jsonl", content), purpose="batch")
    return client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h")


def ended(client: openai.OpenAI, batch: Any) -> Any:
    """Return a batch that has ended; the tests' own limit bounds the waiting."""
    while batch.status not in ENDED:
        time.sleep(0.02)
        batch = client.batches.retrieve(batch.id)
    return batch


def results(client: openai.OpenAI, file: str) -> dict[str, Any]:
    found = [json.loads(line) for line in client.files.content(file).text.splitlines()]
    assert len({one["custom_id"] for one in found}) == len(found), "a request was answered twice"
    return {one["custom_id"]: one for one in found}

"""Batch files of OpenAI's and Anthropic's protocol: requests, one a line, and a line of results for each.

What comes in: a file of requests. What goes out: its checked lines; and answers, made by the application of
`app`, which is called without a connection. `system.result_files` writes them, so that a run goes on.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from structgen.errors import OptionError
from structgen.language.shapes import JsonShapes
from structgen.system.result_files import Answers, as_done, results_of

_SHAPES: Final = JsonShapes(
    """
openai: word custom_id!; 'POST' method; '/v1/chat/completions'|'/v1/completions'|'/v1/responses' url!;
    object body!
anthropic: word custom_id!; object params!
"""
)
"""The lines of each protocol."""


def protocol_of(path: Path) -> str:
    """Return the protocol of a file, "openai" or "anthropic", as its first line tells; "prompts" if it is
    none of a batch, as a pipe is, which is read once. Raises OSError."""
    if not path.is_file():
        return "prompts"
    with path.open("rb") as file:
        try:
            found = json.loads(next(filter(bytes.strip, file), b"0"))
        except (ValueError, RecursionError):
            return "prompts"
    keys = set(found) if isinstance(found, dict) else set()
    return "anthropic" if "params" in keys else "openai" if keys & {"custom_id", "url", "body"} else "prompts"


def read_batch(path: Path, protocol: str, most: int) -> dict[str, bytes]:
    """Return the requests of a file as they stand, by their `custom_id`. Their bodies are not looked at.

    Raises OSError, and OptionError for a file without requests and for the first line that has more than
    `most` bytes, is no JSON or no request of the protocol, or whose `custom_id` has been there."""
    lines: dict[str, bytes] = {}
    with path.open("rb") as file:
        for number, line in enumerate(iter(partial(file.readline, most + 1), b""), 1):
            if not line.strip():
                continue
            try:
                if len(line) > most:
                    raise OptionError(f"The line has more than {most:,} bytes.", cure="Shorten the request.")
                found = json.loads(line)
                _SHAPES.check(found, protocol, "")
                if lines.setdefault(found["custom_id"], line) is not line:
                    what = f"A line before it has {found['custom_id'][:80]!r} too."
                    raise OptionError(what, where="custom_id", cure="Give each request another one.")
            except (ValueError, RecursionError, OptionError) as error:
                if not isinstance(error, OptionError):
                    cure = "Write a request, a JSON object, on each line."
                    error = OptionError(f"No JSON: {error}.", cure=cure)
                error.name_owner(f"{path}:{number}", ", ")
                raise error from None
    if not lines:
        raise OptionError("The file has no request.", where=str(path), cure="Write one on each line.")
    return lines


def batch_results(
    ask: Callable[[bytes], dict[str, Any]],
    engine: Mapping[str, str],
    lines: Mapping[str, bytes],
    results: Path,
    at_once: int,
    *,
    start_over: bool,
) -> Generator[tuple[dict[str, Any], bool], None, None]:
    """Yield the lines of `results_of` of requests, so many of which are asked at a time in threads. `engine`:
    its `engine_parts`."""

    def answers(left: Sequence[bytes]) -> Answers:
        yield engine
        yield from as_done(ask, left, at_once, waits=False)

    def run_of(parts: Mapping[str, str], lines: Sequence[bytes]) -> dict[str, str]:
        said = b"\n".join(map(bytes.strip, lines))
        return {**parts, "file of requests": blake2b(said, digest_size=16).hexdigest()}

    return results_of(results, lines, answers, run_of, start_over=start_over, member="custom_id")


async def answered(app: Any, model: str, line: bytes) -> dict[str, Any]:
    """Return the line of results of a request, whose body an application answers; `model`: whose name stands
    in place of that in the body. A server that has no room for another text is asked again."""
    asked = json.loads(line)
    body = {**asked.get("body", asked.get("params")), "model": model, "stream": None}
    while (found := await _posted(app, asked.get("url", "/v1/messages"), body))[0] == 429:
        await asyncio.sleep(1)
    status, said = found
    if "params" in asked:
        kind, member = ("succeeded", "message") if status == 200 else ("errored", "error")
        return {"custom_id": asked["custom_id"], "result": {"type": kind, member: said}}
    response = {"status_code": status, "request_id": f"req_{secrets.token_hex(12)}", "body": said}
    number = f"batch_req_{secrets.token_hex(12)}"
    return {"custom_id": asked["custom_id"], "id": number, "response": response, "error": None}


async def _posted(app: Any, path: str, body: Mapping[str, Any]) -> tuple[int, Any]:
    """Return the status and the body of an application's answer to a body, as ASGI has it."""
    pieces, sent = [{"type": "http.request", "body": json.dumps(body).encode()}], list[dict[str, Any]]()

    async def receive() -> Any:
        return pieces.pop() if pieces else await asyncio.Event().wait()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": [(b"content-type", b"application/json")],
    }
    with suppress(Exception):  # of the server: its log and its answer say it
        await app(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])

"""Batch files of OpenAI's and Anthropic's protocol: requests, one a line, and a line of results for each.

What comes in: a file of requests. What goes out: its checked lines; and answers, made by the application that
answers the same bodies over connections. `system.result_files` writes them, so that a run goes on.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, Final

from anyio.to_thread import run_sync

from structgen.base.errors import OptionError, prefix_place
from structgen.base.language.shapes import JsonShapes
from structgen.decoding.runs.result_files import Answers, as_done, results_of

URLS: Final = ("/v1/chat/completions", "/v1/completions", "/v1/responses")
"""The addresses whose bodies lines of OpenAI's protocol may have."""


def protocol_of(path: Path) -> str:
    """Return the protocol of a file, "openai" or "anthropic", as one of its first lines tells. It is
    "prompts" if it is none of a batch, as a pipe is, which is read once. Raises OSError."""
    # a pipe cannot be read twice
    if not path.is_file():
        return "prompts"
    with path.open("rb") as file:
        for line in islice(filter(bytes.strip, file), 9):
            with suppress(ValueError, RecursionError):
                keys = set(request) if isinstance(request := json.loads(line), dict) else set()
                if keys & {"custom_id", "url", "body", "params"}:
                    return "anthropic" if "params" in keys else "openai"
    return "prompts"


def read_batch(
    path: Path,
    protocol: str,
    name: str,
    max_bytes: int,
    urls: Sequence[str] = URLS,
) -> dict[str, bytes]:
    """Return the requests of a file as they stand, by their `custom_id`. Their bodies are not looked at.

    Raises OSError, and OptionError for a file without requests. So is the first line refused that has more
    than `max_bytes` bytes, or is no JSON or no request of the protocol. Its `url` must be one of `urls`, and
    its `custom_id` a new one. `name`: that of the file."""
    shapes = JsonShapes(
        f"openai: word custom_id!; 'POST' method; {'|'.join(map(repr, urls))} url!; object body!\n"
        "anthropic: word custom_id!; object params!"
    )
    lines: dict[str, bytes] = {}
    with path.open("rb") as file:
        for number, line in enumerate(iter(partial(file.readline, max_bytes + 1), b""), 1):
            if not line.strip():
                continue
            # errors name the line
            with prefix_place(f"{name}:{number}", ", "):
                if len(line) > max_bytes:
                    raise OptionError(
                        f"The line has more than {max_bytes:,} bytes.", cure="Shorten the request."
                    )
                try:
                    request = json.loads(line)
                except (ValueError, RecursionError) as error:
                    cure = "Write a request, a JSON object, on each line."
                    raise OptionError(f"No JSON: {error}.", cure=cure) from None
                shapes.check(request, protocol, "")
                # results are found by this id
                if lines.setdefault(request["custom_id"], line) is not line:
                    fault = f"A line before it has {request['custom_id'][:80]!r} too."
                    raise OptionError(fault, where="custom_id", cure="Give each request another one.")
    if not lines:
        raise OptionError("The file has no request.", where=name, cure="Write one on each line.")
    return lines


def batch_results(
    portal: Any,
    server: Any,
    lines: Mapping[str, bytes],
    results: Path,
    at_once: int,
    *,
    model: str = "",
    start_over: bool = False,
) -> Generator[tuple[dict[str, Any], bool], None, None]:
    """Yield the lines of `results_of` of requests, answered as `batch_answers` does it."""
    answers = partial(
        batch_answers, portal, server.served_model.engine, server.answer_line, at_once, model=model
    )
    return results_of(results, lines, answers, batch_run, start_over=start_over, member="custom_id")


def batch_answers(
    portal: Any,
    engine: Any,
    answer: Callable[..., Awaitable[tuple[int, Any, str]]],
    at_once: int,
    lines: Sequence[bytes],
    *,
    model: str = "",
) -> Answers:
    """Yield the parts of an engine, then a line of results for each request, in any order. `answer`:
    `ModelServer.answer_line`, which runs in the event loop of a portal, for `at_once` requests at a time.
    `model`: whose name stands in place of that in each body."""
    # start-up: torch
    from structgen.decoding.engine.bulk_runs import own_parts

    yield own_parts(engine)
    ask = partial(portal.call, result_line, answer, model)
    yield from as_done(ask, lines, at_once, waits=False)


def outcome_of(line: Mapping[str, Any]) -> str:
    """Return to which file of a batch a line of results belongs."""
    return "completed" if line["response"]["status_code"] == 200 else "failed"


def batch_run(parts: Mapping[str, str], lines: Sequence[bytes]) -> dict[str, str]:
    """Return what a run is for `results_of`: the parts of the engine, and a digest of the requests."""
    requests = b"\n".join(map(bytes.strip, lines))
    return {**parts, "file of requests": blake2b(requests, digest_size=16).hexdigest()}


async def result_line(
    answer: Callable[..., Awaitable[tuple[int, Any, str]]], model: str, line: bytes
) -> dict[str, Any]:
    """Return the line of results of a request. A server that has no room for another text is asked again."""
    request = await run_sync(json.loads, line)
    body = {**request.get("body", request.get("params")), **({"model": model} if model else {})}
    while (reply := await answer(request.get("url", "/v1/messages"), body))[0] == 429:
        # a batch can wait for those who cannot
        await asyncio.sleep(1)
    status, content, warning = reply
    warning_member = {"warning": warning} if warning else {}
    if "params" in request:
        kind, member = ("succeeded", "message") if status == 200 else ("errored", "error")
        return {
            "custom_id": request["custom_id"],
            "result": {"type": kind, member: content, **warning_member},
        }
    response = {
        "status_code": status,
        "request_id": f"req_{secrets.token_hex(12)}",
        "body": content,
        **warning_member,
    }
    number = f"batch_req_{secrets.token_hex(12)}"
    return {"custom_id": request["custom_id"], "id": number, "response": response, "error": None}

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
from typing import Any, Final, NamedTuple

from structgen.base.errors import OptionError, prefix_place
from structgen.base.json_text.exact_json import JsonObject
from structgen.base.language.shapes import JsonShapes
from structgen.decoding.runs.result_files import Answers, as_done, results_of
from structgen.doors.serving.request_fields import read_object

URLS: Final = ("/v1/chat/completions", "/v1/completions", "/v1/responses")
"""The addresses whose bodies lines of OpenAI's protocol may have."""
_OF_STREAMS: Final = ("stream", "stream_options")


class BatchLine(NamedTuple):
    """A request of a file. Its body is read when its turn comes: read bodies take five times the memory."""

    custom_id: str
    url: str
    member: str
    """The member that has the body: "body", or "params" in Anthropic's protocol."""
    data: bytes
    """The line as it stands."""

    def read_body(self, model: str = "") -> JsonObject:
        """Return the body, of which no part is streamed. `model`: whose name stands in place of that in the
        body; "": none. Raises ApiError as `read_object` does."""
        body = read_object(self.data, self.member)
        body["model"] = model or body.get("model")
        return {name: value for name, value in body.items() if name not in _OF_STREAMS}


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
) -> dict[str, BatchLine]:
    """Return the requests of a file, by their `custom_id`. Their bodies are not looked at.

    Raises OSError, and OptionError for a file without requests. So is the first line refused that has more
    than `max_bytes` bytes, or is no JSON or no request of the protocol. Its `url` must be one of `urls`, and
    its `custom_id` a new one. `name`: that of the file."""
    shapes = JsonShapes(
        f"openai: word custom_id!; 'POST' method; {'|'.join(map(repr, urls))} url!; object body!\n"
        "anthropic: word custom_id!; object params!"
    )
    lines: dict[str, BatchLine] = {}
    member = "params" if protocol == "anthropic" else "body"
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
                    raise OptionError(f"The line is not JSON: {error}.", cure=cure) from None
                shapes.check(request, protocol, "")
                # results are found by this id
                custom_id, url = request["custom_id"], request.get("url", "/v1/messages")
                if lines.setdefault(custom_id, BatchLine(custom_id, url, member, line)).data is not line:
                    fault = f"An earlier line has {custom_id[:80]!r} too."
                    raise OptionError(fault, where="custom_id", cure="Use a different one for each request.")
    if not lines:
        raise OptionError("The file has no request.", where=name, cure="Write one on each line.")
    return lines


def batch_results(
    portal: Any,
    server: Any,
    lines: Mapping[str, BatchLine],
    results: Path,
    at_once: int,
    *,
    model: str = "",
    start_over: bool = False,
) -> Generator[tuple[JsonObject, bool], None, None]:
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
    lines: Sequence[BatchLine],
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


def outcome_of(line: JsonObject) -> str:
    """Return to which file of a batch a line of results belongs."""
    return "completed" if line["response"]["status_code"] == 200 else "failed"


def batch_run(parts: Mapping[str, str], lines: Sequence[BatchLine]) -> dict[str, str]:
    """Return what a run is for `results_of`: the parts of the engine, and a digest of the requests."""
    requests = b"\n".join(line.data.strip() for line in lines)
    return {**parts, "file of requests": blake2b(requests, digest_size=16).hexdigest()}


async def result_line(
    answer: Callable[..., Awaitable[tuple[int, Any, str]]], model: str, line: BatchLine
) -> JsonObject:
    """Return the line of results of a request. A server that has no room for another text is asked again."""
    while (reply := await answer(line.url, partial(line.read_body, model)))[0] == 429:
        # a batch can wait for those who cannot
        await asyncio.sleep(1)
    status, content, warning = reply
    warning_member = {"warning": warning} if warning else {}
    if line.member == "params":
        kind, member = ("succeeded", "message") if status == 200 else ("errored", "error")
        return {
            "custom_id": line.custom_id,
            "result": {"type": kind, member: content, **warning_member},
        }
    response = {
        "status_code": status,
        "request_id": f"req_{secrets.token_hex(12)}",
        "body": content,
        **warning_member,
    }
    number = f"batch_req_{secrets.token_hex(12)}"
    return {"custom_id": line.custom_id, "id": number, "response": response, "error": None}

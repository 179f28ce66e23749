"""Servers that never answer, break off at any byte, or send garbage: each is an error that says it."""

from __future__ import annotations

import asyncio
import copy
import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from asked import ADA, Person
from openai_server import claude_events as events
from openai_server import serving

import structgen as sg
from structgen.doors.typed import remote, servers
from structgen.doors.typed.model_servers.server_answers import Answer
from structgen.doors.typed.target_forms import TargetForm

HEAD = {"id": "1", "object": "chat.completion", "created": 0, "model": "small"}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
MESSAGE = {"role": "assistant", "content": ADA, "tool_calls": [CALL]}
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
WHOLE = {**HEAD, "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}], "usage": USAGE}
CHUNK = {**HEAD, "object": "chat.completion.chunk"}
SAID = {"type": "tool_use", "id": "t", "name": "answer", "input": {"name": "Ada", "age": 3}}
CLAUDE = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "model": "x",
    "stop_reason": "tool_use",
    "content": [{"type": "text", "text": "a"}, SAID],
    "usage": {"input_tokens": 5, "output_tokens": 7},
}


def chunk(delta: Any, reason: str | None = None) -> dict[str, Any]:
    return {**CHUNK, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


PIECES = [*(chunk({"content": ADA[at : at + 5]}) for at in range(0, len(ADA), 5)), chunk({}, "stop")]


def streamed(listed: list[Any]) -> bytes:
    """Return events as bytes; those of Anthropic have their kind."""
    lines = [
        (f"event: {one['type']}\n" if isinstance(one, dict) and "type" in one else "")
        + f"data: {json.dumps(one)}\n\n"
        for one in listed
    ]
    return "".join(lines).encode() + b"data: [DONE]\n\n"


def http(body: bytes, *, stream: bool = False, chunked: bool = False) -> bytes:
    length = f"Content-Length: {len(body)}"
    if chunked:
        parts = [body[at : at + 40] for at in range(0, len(body), 40)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        length = "Transfer-Encoding: chunked"
    kind = "text/event-stream" if stream else "application/json"
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{length}\r\n\r\n".encode() + body


class Raw:
    """Answers each request with given bytes, then waits, and closes, perhaps with a reset."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.answer, self.waits, self.resets = b"", False, False
        self.over = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            data = b""
            while not (data.partition(b"\r\n\r\n")[2].endswith(b"}")):
                if not (more := connection.recv(65536)):
                    return
                data += more
            connection.sendall(self.answer)
            if self.waits:
                self.over.wait(600)
            if self.resets:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch) -> Iterator[Raw]:
    for package in ("openai", "anthropic"):
        base = pytest.importorskip(f"{package}._base_client")
        monkeypatch.setattr(base, "INITIAL_RETRY_DELAY", 0.001)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a key")
    server = Raw()
    yield server
    server.over.set()
    server.socket.close()


def ask(raw: Raw, door: str, protocol: str = "openai", timeout: float = 5.0) -> Any:
    """Return what a door gives, asked once."""
    servers.KNOWN.clear()
    model = sg.Server(f"http://127.0.0.1:{raw.socket.getsockname()[1]}", "small", protocol=protocol)
    options: Any = {"timeout": timeout, "attempts": 1}
    if door == "run":
        return sg.run(model, "?", Person, **options)
    if door == "stream":
        return [*sg.run.stream(model, "?", Person, **options)][-1].result

    async def later() -> Any:
        if door == "arun":
            return await sg.arun(model, "?", Person, **options)
        return [one async for one in sg.arun.stream(model, "?", Person, **options)][-1].result

    return asyncio.run(later())


@pytest.mark.parametrize("door", ["run", "arun", "stream", "astream"])
def test_a_reply_that_breaks_off_at_any_byte_is_told(door: str, raw: Raw) -> None:
    """Law: of random beginnings of whole replies, closed or reset there, each is an error with a cure; of
    a stream it says what had come, and has all of it in `.text`."""
    source, is_stream = random.Random(door), "stream" in door
    body = streamed(PIECES) if is_stream else json.dumps(WHOLE).encode()
    for _ in range(8):
        whole = http(body, stream=is_stream, chunked=source.random() < 0.5)
        end = len(whole) - len(b"data: [DONE]\n\n") - 200 if is_stream else len(whole)
        raw.answer, raw.resets = whole[: source.randrange(end)], source.random() < 0.3
        with pytest.raises(sg.errors.GenerationError) as caught:
            ask(raw, door)
        come = caught.value.text
        assert ADA.startswith(come) and (is_stream or not come), caught.value
        if come:
            assert f"closed the stream after {come[-60:]!r}" in str(caught.value)


def test_a_stream_without_an_end_says_so(raw: Raw) -> None:
    for door in ("stream", "astream"):
        raw.answer = http(streamed(PIECES[:4]), stream=True)
        with pytest.raises(
            sg.errors.GenerationError, match=r"closed the stream after .*Ada.*no finish_reason"
        ) as caught:
            ask(raw, door)
        assert caught.value.text == ADA[:20]


@pytest.mark.parametrize("door", ["run", "arun", "stream", "astream"])
def test_a_server_that_never_answers_is_left_at_the_time_limit(door: str, raw: Raw) -> None:
    raw.waits = True
    raw.answer = b"" if door != "stream" else http(streamed(PIECES), stream=True)[:600]
    begun = time.monotonic()
    with pytest.raises(sg.errors.GenerationError, match=r"tim|closed the stream") as caught:
        ask(raw, door, timeout=0.2)
    assert time.monotonic() - begun < 15 and "timeout" in str(caught.value).lower()


def test_the_default_limit_is_sent_and_said() -> None:
    assert remote.MOST_SECONDS == 600 and "600" in remote._CURES["APITimeoutError"]
    with serving(ADA) as server:
        sg.run(server.model, "?", Person)
    assert float(server.headers[0]["x-stainless-read-timeout"]) == 600


GARBAGE = {
    "nothing": b"",
    "no HTTP": b"\x00\xff\x13garbage\r\n\r\n",
    "another status": b"HTTP/1.1 999 What\r\n\r\n",
    "no JSON": http(b"{garbage"),
    "not UTF-8": http(b'{"choices": "\xff\xfe"}'),
    "a page": http(b"<html>Hello</html>"),
    "too long a length": http(json.dumps(WHOLE).encode()).replace(b"Content-Length: ", b"Content-Length: 9"),
    "too short a length": http(json.dumps(WHOLE).encode()).replace(
        b"Content-Length: ", b"Content-Length: 9\r\nX: "
    ),
    "a negative length": http(b"{}").replace(b"Content-Length: ", b"Content-Length: -"),
    "a length of letters": http(b"{}").replace(b"Content-Length: 2", b"Content-Length: two"),
    "gzip that is none": http(b"{}").replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"),
    "a chunk of no size": http(b"{}", chunked=True).replace(b"\r\n2\r\n", b"\r\nzz\r\n"),
    "an event of garbage": http(b"data: {garbage\n\n", stream=True),
    "an event of a list": http(b"data: [1]\n\n", stream=True),
}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_told(garbage: str, raw: Raw) -> None:
    raw.answer = GARBAGE[garbage]
    for door in ("run", "stream"):
        with pytest.raises(sg.errors.StructgenError, match=r".*\. [A-Z].*\."):
            ask(raw, door)


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*place, key))


def mutated(value: Any, source: random.Random) -> Any:
    """Return a value with another one at a random place."""
    *path, last = source.choice([one for one in places(value) if one])
    value = copy.deepcopy(value)
    held = value
    for key in path:
        held = held[key]
    held[last] = source.choice([None, True, 3, -1.5, "x", "", [], {}, [1], {"a": 1}, [None]])
    return value


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_a_reply_of_another_shape_is_read_or_told(protocol: str, raw: Raw) -> None:
    """Law: replies with a random value at a random place are read, or one StructgenError."""
    source = random.Random(protocol)
    message = WHOLE if protocol == "openai" else CLAUDE
    pieces: list[Any] = PIECES if protocol == "openai" else list(events(CLAUDE))
    for door in ("run", "stream") * 20:
        if door == "run":
            raw.answer = http(json.dumps(mutated(message, source)).encode())
        else:
            raw.answer = http(streamed(mutated(pieces, source)), stream=True)
        try:
            assert isinstance(ask(raw, door, protocol), Person)
        except sg.errors.StructgenError as error:
            assert str(error).endswith((".", ".'"))


def test_counts_of_tokens_that_are_none_change_nothing() -> None:
    answer = Answer(TargetForm(), "small")
    for prompt, tokens in ((3, 4), ([1], None), ("x", -1.5), (True, {}), (0, 5)):
        answer.count_tokens(prompt, tokens)
    assert (answer.usage.prompt_tokens, answer.usage.tokens) == (3, 5)

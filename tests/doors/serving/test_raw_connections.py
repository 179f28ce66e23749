"""Connections that send what is no request, or half of one: they are dropped, and others go on."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from served_apps import app_of

import structgen as sg
from structgen.doors.serving.connections import connection_of
from structgen.doors.serving.server_options import ServerOptions

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"


@pytest.fixture(scope="module")
def port(engine: sg.Engine) -> Iterator[int]:
    app = app_of(engine, ServerOptions(body_seconds=0.3))
    http = connection_of(0.3)
    config = uvicorn.Config(app, log_config=None, lifespan="off", http=http, timeout_keep_alive=1)
    server, listening = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join()


def answered(port: int, *parts: bytes) -> bytes:
    """Return all that comes until the server ends the connection. Each part is sent when something has come
    back for the one before."""
    with socket.create_connection(("127.0.0.1", port), timeout=600) as connection:
        found = b""
        try:
            for at, part in enumerate(parts):
                if at:
                    found += connection.recv(65536)
                connection.sendall(part)
            while piece := connection.recv(65536):
                found += piece
        except OSError:  # it was dropped
            pass
        return found


@pytest.mark.parametrize(
    ("parts", "begins"),
    [
        ([b""], b""),
        ([HEAD], b""),
        ([HEAD[:30]], b""),
        ([HEALTH, HEAD], b"HTTP/1.1 200"),
        ([HEAD + b"content-length: 9\r\n\r\n{"], b"HTTP/1.1 408"),
    ],
    ids=["nothing", "header", "line", "second header", "body"],
)
def test_half_a_request_is_dropped(port: int, parts: list[bytes], begins: bytes) -> None:
    found = answered(port, *parts)
    assert found.startswith(begins) and (begins or not found)
    assert found.count(b"HTTP/1.1 ") == len([begins] if begins else [])


@pytest.mark.parametrize(
    "parts",
    [
        [b"\x16\x03\x01\x02\x00\x01"],
        [b"GARBAGE\r\n\r\n", b"MORE\r\n\r\n"],
        [HEAD.replace(b"application/json", b"text/plain") + CHUNKED, b"zz\r\nqq"],
        [HEAD.replace(b"chat", b"nowhere") + CHUNKED, b"zz\r\nqq"],
        [HEAD + CHUNKED, b"zz\r\nqq"],
        [HEAD + b"x: " + b"a" * 200_000],
    ],
    ids=["tls", "garbage", "behind 415", "behind 404", "in a body", "long header"],
)
def test_what_breaks_one_connection_writes_no_traceback(
    port: int, parts: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        answered(port, *parts)
        assert answered(port, HEALTH[:-2] + b"connection: close\r\n\r\n").startswith(b"HTTP/1.1 200")
    assert not [one for one in caplog.records if one.exc_info], caplog.text
    assert all("\n" not in one.getMessage() for one in caplog.records)


@contextmanager
def served_pieces(*pieces: bytes) -> Iterator[tuple[uvicorn.Server, int]]:
    """Serve an answer of some pieces at a port, with connections that wait for 0.3 s."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    config = uvicorn.Config(app, log_config=None, lifespan="off", http=connection_of(0.3))
    server, listening = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield server, listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def small_connection(port: int) -> socket.socket:
    """Return a connection whose client takes little at once."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    connection.settimeout(60)
    return connection


linux = pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="a setting of Linux")
LARGE = {"whole": (b"x" * (16 << 20),), "in pieces": (b"x" * (1 << 18),) * 64}


@linux
@pytest.mark.parametrize("case", LARGE)
@pytest.mark.parametrize("count", [1, 300])
def test_who_takes_nothing_of_an_answer_is_dropped(case: str, count: int) -> None:
    """The answer to one request, or to many that were sent at once."""
    pieces = LARGE[case] if count == 1 else (b"x" * 100_000,)
    with served_pieces(*pieces) as (server, port), small_connection(port) as connection:
        connection.sendall(HEALTH * count)
        for is_there in (True, False):
            end = time.monotonic() + 20
            while bool(server.server_state.connections) is not is_there:
                assert time.monotonic() < end, "the connection is held"
                time.sleep(0.01)


@linux
@pytest.mark.parametrize("case", LARGE)
def test_who_takes_an_answer_slowly_has_all_of_it(case: str) -> None:
    with served_pieces(*LARGE[case]) as (_, port), small_connection(port) as connection:
        connection.sendall(HEALTH.replace(b"HTTP/1.1", b"HTTP/1.0"))
        found, end = 0, time.monotonic() + 1.5
        while piece := connection.recv(100_000):
            found += piece.count(b"x")
            if time.monotonic() < end:
                time.sleep(0.1)
        assert found == 16 << 20


def test_a_slow_answer_is_not_cut_by_the_time_of_a_header(port: int) -> None:
    body = b'{"model": "extract", "prompt": "x", "max_tokens": 400, "temperature": 1, "ignore_eos": false}'
    length = b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    found: Any = answered(port, HEAD.replace(b"chat/", b"") + length + body)
    assert found.startswith(b"HTTP/1.1 200") and found.endswith(b"}")

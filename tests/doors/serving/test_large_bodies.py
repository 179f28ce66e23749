"""The largest bodies of each kind, at all addresses: threads read them, and the event loop does as much for a
body of twice the size."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from large_bodies import large_bodies, send
from served_apps import app_of, run

import structgen as sg
from structgen.decoding.runs import telemetry
from structgen.doors.serving import answer_shape, api_errors, error_places, request_fields, uploads
from structgen.doors.serving import app as app_module
from structgen.doors.serving.server_options import ServerOptions

SIZE = 40_000
"""Bytes of bodies in the suite; the limit of the server is as low."""
SLACK = 4_000
"""Steps of the event loop that do not depend on a body: threads and texts wake it more or less often."""


class LoopSteps:
    """Counts the instructions of Python that a thread takes; those of `while_` alone."""

    def __init__(self) -> None:
        self.count = 0

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.count += event == "opcode"
        return self._trace

    def __enter__(self) -> LoopSteps:
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)


READERS: list[tuple[Any, str]] = [
    (json, "loads"),
    (json.JSONEncoder, "encode"),
    (answer_shape, "as_json"),
    (answer_shape, "check_members"),
    (answer_shape, "place_in"),
    (api_errors, "make_readable"),
    (error_places, "make_readable"),
    (request_fields, "_first_place_not_finite"),
    (app_module, "answer_to"),
    (telemetry.CallSpan, "record_prompt"),
    (uploads.FormReader, "feed"),
    (uploads.Upload, "feed"),
    (Path, "unlink"),
    (Path, "touch"),
]
"""What reads bodies, writes what it read, or waits for the disk."""


@pytest.fixture
def in_loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the readers that were called in the test's own thread, where the event loop runs."""
    found, own = list[str](), threading.get_ident()

    def noted(name: str, read: Callable[..., Any]) -> Callable[..., Any]:
        def reader(*given: Any, **options: Any) -> Any:
            is_short = len(given) == 1 and isinstance(given[0], str) and len(given[0]) < 2000
            if threading.get_ident() == own and not is_short:
                found.append(name)
            return read(*given, **options)

        return reader

    for holder, name in READERS:
        monkeypatch.setattr(holder, name, noted(name, getattr(holder, name)))
    yield found


def bodies(sizes: tuple[int, ...]) -> Iterator[list[tuple[str, str, str, bytes]]]:
    yield from zip(*(list(large_bodies(size)) for size in sizes), strict=True)  # type: ignore[misc]


def check_threads(engine: sg.Engine, folder: Path, in_loop: list[str], size: int, share: int) -> None:
    app = app_of(engine, ServerOptions(files=folder, max_body=size, key_bytes=10**9))

    async def work() -> None:
        for at, (address, kind, content_type, data) in enumerate(large_bodies(size)):
            if at % share == 0 or kind == "echoed text":
                in_loop.clear()  # of what made the body
                status, body = await send(app, address, content_type, data)
                told = address, kind, status, body[:300]
                assert 200 <= status < 500 and body, told
                assert not in_loop, (told, in_loop)

    run(work)


def test_threads_read_bodies(engine: sg.Engine, tmp_path: Path, in_loop: list[str]) -> None:
    check_threads(engine, tmp_path / "files", in_loop, SIZE, 5)


@pytest.mark.slow
def test_threads_read_the_largest_bodies(engine: sg.Engine, tmp_path: Path, in_loop: list[str]) -> None:
    check_threads(engine, tmp_path / "files", in_loop, 8 << 20, 1)


def check_steps(engine: sg.Engine, folder: Path, size: int, share: int) -> None:
    options = ServerOptions(files=folder, max_body=2 * size, key_bytes=10**9)
    app = app_of(engine, options)

    async def work() -> None:
        for at, pair in enumerate(bodies((size, 2 * size))):
            if at % share:
                continue
            took = []
            for address, _, content_type, data in pair:
                with LoopSteps() as steps:
                    await send(app, address, content_type, data)
                took.append(steps.count)
            assert took[1] <= took[0] + SLACK, (pair[0][:2], took)

    run(work)


def test_the_loop_does_as_much_for_twice_the_bytes(engine: sg.Engine, tmp_path: Path) -> None:
    check_steps(engine, tmp_path / "files", SIZE // 2, 19)


@pytest.mark.slow
def test_the_loop_does_as_much_for_twice_the_bytes_of_all_kinds(engine: sg.Engine, tmp_path: Path) -> None:
    check_steps(engine, tmp_path / "files", 2 * SIZE, 1)


def test_pieces_cost_the_loop_in_proportion(engine: sg.Engine, tmp_path: Path) -> None:
    app = app_of(engine, ServerOptions(files=tmp_path / "files"))

    async def work() -> None:
        for pair in bodies((SIZE, 2 * SIZE)):
            if pair[0][1] not in ("long model", "a file"):
                continue
            took = []
            for address, _, content_type, data in pair:
                with LoopSteps() as steps:
                    await send(app, address, content_type, data, piece=500)
                took.append(steps.count)
            assert took[1] <= 2 * took[0] + SLACK, (pair[0][:2], took)

    run(work)

"""Clients that go away in each phase, readers that are slow, and many at once: nobody waits for others."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import threading
from typing import Any

import pytest
from served_apps import (
    ADA,
    CHAT,
    FORMAT,
    PERSON,
    TEXT,
    TOOL,
    HandClient,
    app_of,
    openai_client,
    post,
    run,
    until,
)
from small_models import Function, tokenizer
from test_what_a_request_passes import files, passed

import structgen as sg
from structgen.decoding.runs.telemetry import TRACING
from structgen.doors.serving.served_model import ServedModel
from structgen.doors.serving.server_options import ServerOptions

TOKENIZER = tokenizer()
FLAT_FORMAT = {"type": "json_schema", "name": "person", "schema": PERSON}
NO_END = {str(token): -1e6 for token in TOKENIZER.eos_token_ids}
ENDLESS = {"model": "extract", "prompt": "endless", "stream": True, "max_tokens": 10**8, "logit_bias": NO_END}


@pytest.fixture
def single() -> sg.Engine:
    """An engine that writes one text at a time, without end."""
    return sg.Engine(Function(TOKENIZER.vocab_size, 10**9), TOKENIZER, max_rows=1)


def endless(app: Any, **more: Any) -> HandClient:
    return HandClient(app, {**ENDLESS, **more}, "/v1/completions")


@pytest.mark.parametrize(
    ("path", "body", "piece"),
    [
        ("/v1/completions", {"prompt": TEXT, "max_tokens": 40}, b'"text": '),
        ("/v1/chat/completions", {**CHAT, "response_format": FORMAT}, b'"content": "{'),
        ("/v1/chat/completions", {**CHAT, "tools": [TOOL], "tool_choice": "required"}, b'"name": "save"'),
        ("/v1/responses", {"input": TEXT, "text": {"format": FLAT_FORMAT}}, b"response.output_text.delta"),
    ],
    ids=["completion", "document", "call", "response"],
)
def test_a_piece_of_a_text_is_sent_before_its_end_is_written(
    engine: sg.Engine, monkeypatch: pytest.MonkeyPatch, path: str, body: Any, piece: bytes
) -> None:
    """The model reads some tokens and waits until the client has a piece. Drawn texts may be shorter. A call
    is told once its arguments begin."""
    go_on, decode, calls = threading.Event(), engine.model.decode, itertools.count()
    most = 32 if "tools" in body else 20

    def waiting(*given: Any) -> Any:
        assert next(calls) < most or go_on.wait(600)
        return decode(*given)

    monkeypatch.setattr(engine.model, "decode", waiting)

    async def work() -> None:
        client = HandClient(
            app_of(engine), {"model": "extract", "stream": True, "temperature": 0, **body}, path
        )
        await until(lambda: client.task.done() or piece in b"".join(client.pieces))
        assert not client.task.done() and piece in b"".join(client.pieces)
        go_on.set()
        await client.task

    run(work)
    assert next(calls) > most


def test_a_client_that_goes_while_its_body_arrives_leaves_nothing(single: sg.Engine) -> None:
    async def work() -> list[bytes]:
        client = HandClient(app_of(single), CHAT, whole=False)
        client.go()
        await client.task
        return client.pieces

    assert run(work) == [] and single.count == 0


def test_a_client_that_goes_while_its_grammar_is_read_leaves_nothing(
    single: sg.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, may_end = threading.Event(), threading.Event()
    read = ServedModel.read_chat

    def slow(*args: Any) -> Any:
        began.set()
        may_end.wait(600)
        return read(*args)

    monkeypatch.setattr(ServedModel, "read_chat", slow)

    async def work() -> None:
        client = HandClient(app_of(single), CHAT)
        await until(began.is_set)
        client.go()
        await client.task  # it does not wait for the thread
        may_end.set()

    run(work)
    assert single.count == 0


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_while_its_text_is_written_ends_it(single: sg.Engine, stream: bool) -> None:
    async def work() -> None:
        client = endless(app_of(single), stream=stream)
        await until(lambda: single.count == 1)
        if stream:
            await until(lambda: len(client.pieces) > 2)
        client.go()
        await client.task
        await until(lambda: single.count == 0)

    run(work)


def test_a_client_that_goes_while_it_waits_for_a_row_ends_its_text(single: sg.Engine) -> None:
    async def work() -> None:
        app = app_of(single)
        asked = [endless(app) for _ in range(2)]  # either of them may get the row
        await until(lambda: single.count == 2)
        await until(lambda: any(len(one.pieces) > 2 for one in asked))
        waits, writes = sorted(asked, key=lambda one: len(one.pieces))
        waits.go()
        await waits.task
        await until(lambda: single.count == 1)
        assert not writes.task.done()
        writes.go()
        await writes.task
        await until(lambda: single.count == 0)

    run(work)


def test_others_go_on_while_a_client_does_not_read(engine: sg.Engine) -> None:
    async def work() -> Any:
        app = app_of(engine)
        slow = HandClient(app, {**ENDLESS, "max_tokens": 200}, "/v1/completions")
        slow.takes.clear()
        await slow.came.wait()
        found = await openai_client(app).chat.completions.create(**CHAT, response_format=FORMAT)
        await until(lambda: engine.count == 0)  # the slow reader's own text is done too
        assert slow.pieces == []
        slow.takes.set()
        await slow.task
        return found, b"".join(slow.pieces)

    found, late = run(work)
    assert json.loads(found.choices[0].message.content) == ADA
    chunks = [json.loads(one[6:]) for one in late.decode().split("\n\n") if one and "[DONE]" not in one]
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert len(chunks) < 100, "what came between two pieces was sent at once"


def test_a_client_that_takes_nothing_is_given_up(single: sg.Engine) -> None:
    async def work() -> None:
        client = endless(app_of(single, ServerOptions(body_seconds=0.05)))
        client.takes.clear()
        await client.task
        await until(lambda: single.count == 0)

    run(work)


def test_an_application_closes_its_engine_and_cancels_what_is_left(single: sg.Engine) -> None:
    async def work() -> None:
        app = app_of(single)
        async with app.router.lifespan_context(app):
            client = endless(app)
            await until(lambda: len(client.pieces) > 2)
        await client.task
        assert single.count == 0

    run(work)


def test_a_text_that_was_begun_before_its_client_listens_is_sent_at_once(
    engine: sg.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a fast machine the model has written tokens before the event loop is told of the text. Nothing then
    waits for the next token: here the model writes it when the client has the first ones."""
    go_on, is_waiting, decode = threading.Event(), threading.Event(), engine.model.decode
    calls, submit = itertools.count(), engine.asubmit

    def waiting(*given: Any) -> Any:
        if next(calls) == 5:
            is_waiting.set()
            assert go_on.wait(600)
        return decode(*given)

    async def submitted_late(request: sg.Request) -> Any:
        handles = await submit(request)
        await until(is_waiting.is_set)
        return handles

    monkeypatch.setattr(engine.model, "decode", waiting)
    monkeypatch.setattr(engine, "asubmit", submitted_late)

    async def work() -> None:
        client = HandClient(
            app_of(engine),
            {"model": "extract", "prompt": TEXT, "max_tokens": 20, "stream": True, "temperature": 0},
            "/v1/completions",
        )
        begun = asyncio.ensure_future(until(lambda: b'"text": ' in b"".join(client.pieces)))
        await asyncio.wait((begun, client.task), return_when=asyncio.FIRST_COMPLETED)
        was_sent = begun.done()
        go_on.set()
        await client.task
        await begun
        assert was_sent

    run(work)


def test_a_streamed_request_with_a_tool_passes_at_most_48_files(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that brings all texts on aside: what that passes is told of the engine. Nobody traces."""
    monkeypatch.delitem(sys.modules, TRACING, raising=False)
    body = {**CHAT, "tools": [TOOL], "tool_choice": "required", "stream": True}
    post(app, "/v1/chat/completions", body)
    found = files(passed(lambda: post(app, "/v1/chat/completions", body)))
    assert len(found) <= 48, sorted(found)

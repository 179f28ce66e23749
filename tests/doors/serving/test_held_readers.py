"""One request cannot hold the server: reading ends when its client is gone, and others have its slot."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest
from served_apps import CHAT, FORMAT, HandClient, app_of, openai_client, run, schema_format, until

import structgen as sg
from structgen.base.system.public_calls import THIS_CALL
from structgen.doors.serving.server_options import ServerOptions

HARD = [
    "^(a?b?){3000}$",
    "^(ab|abab){700}$",
    "^((a?b?){60}c?){40}$",
    "^(a{3}|b{5}|c?){500}$",
    "(?=.{900}b)+c",
    "^(a*b){0,2000}$",
]


def asking(schema: Any) -> dict[str, Any]:
    return {**CHAT, "response_format": schema_format(schema)}


def asked(at: int) -> dict[str, Any]:
    """Return a request whose automata take thousands of steps; each is another one."""
    schema = {"type": "string", "pattern": HARD[at % len(HARD)] + "|" + "x" * (at + 1)}
    return asking(schema)


class Held:
    """The steps of readers, the first of whom wait at their third until `go_on`."""

    def __init__(self, patch: pytest.MonkeyPatch, readers: int) -> None:
        self.go_on, self.taken = threading.Event(), Counter[int]()
        self.waiting = self.late = 0
        """Readers that have waited; steps that were taken although nobody waited any more."""
        own, work, lock = threading.get_ident(), type(THIS_CALL).count_work, threading.Lock()

        def held(call: Any, numbers: int) -> None:
            me = threading.get_ident()
            self.taken[me] += me != own
            with lock:
                waits = self.taken[me] == 3 and self.waiting < readers
                self.waiting += waits
            assert not waits or self.go_on.wait(600)
            is_late = bool(call.stop.flag[0])
            work(call, numbers)
            self.late += is_late

        patch.setattr(type(THIS_CALL), "count_work", held)


async def answered(app: Any) -> bool:
    """Return whether a small request is answered."""
    answer = await openai_client(app).chat.completions.create(**CHAT, response_format=FORMAT)
    return str(answer.choices[0].message.content).startswith("{")


def test_readings_end_with_their_clients_and_others_have_their_slots(
    engine: sg.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, taken = Held(monkeypatch, 4), Counter[int]()

    async def work() -> bool:
        app = app_of(engine, ServerOptions(readers=4))
        clients = [HandClient(app, asked(at)) for at in range(60)]
        await until(lambda: held.waiting == 4)
        for client in clients:
            client.go()
        await asyncio.gather(*(client.task for client in clients))
        assert not any(client.pieces for client in clients)
        taken.update(held.taken)  # the engine's own thread makes the first mask of the small request
        held.go_on.set()
        return await answered(app)

    assert run(work)
    assert held.late == 0
    assert len(taken) == 4 and set(taken.values()) == {3}


def test_a_small_request_is_read_by_the_slot_that_is_free(
    engine: sg.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, 3)

    async def work() -> bool:
        app = app_of(engine, ServerOptions(readers=4))
        clients = [HandClient(app, asked(100 + at)) for at in range(3)]
        await until(lambda: held.waiting == 3)
        found = await answered(app)
        assert not any(client.task.done() for client in clients)
        for client in clients:
            client.go()
        held.go_on.set()
        await asyncio.gather(*(client.task for client in clients))
        return found

    assert run(work)


def test_what_was_stopped_is_read_when_it_is_asked_again(
    engine: sg.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> Any:
        app = app_of(engine)
        with pytest.MonkeyPatch.context() as patch:
            held = Held(patch, 1)
            client = HandClient(app, asked(60))
            await until(lambda: held.waiting == 1)
            client.go()
            await client.task
            held.go_on.set()
        answer = await openai_client(app).chat.completions.create(**asked(60), max_tokens=100)
        return answer.choices[0].finish_reason

    assert run(work) == "stop"


def test_a_request_past_the_steps_is_refused_by_name(engine: sg.Engine) -> None:
    patterns = {f"p{at}": {"type": "string", "pattern": f"^(a?b?){{{500 + at}}}$"} for at in range(100)}
    schema = {"type": "object", "properties": patterns, "required": list(patterns)}
    body = asking(schema)

    async def work() -> list[str]:
        app, found = app_of(engine), []
        for _ in range(2):
            client = HandClient(app, body)
            await client.task
            found.append(b"".join(client.pieces).decode())
        return found

    first, again = run(work)
    assert "within the work of one call, 50,000 steps" in first
    assert first == again

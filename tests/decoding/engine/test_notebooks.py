"""Calls work in a running event loop, as a notebook has one."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from object_schemas import INTEGER, STRING, object_of

import structgen as sg

SCHEMA = object_of(name=STRING, age=INTEGER)


def test_blocking_calls_work_inside_a_running_loop(engine: sg.Engine) -> None:
    grammar = sg.json_schema(SCHEMA)
    text = "Ada Lovelace, 36, lives in London."

    @sg.generate(model=engine)
    def person(text: str) -> dict[str, Any]:
        return sg.filled(text)

    @sg.generate(model=engine)
    async def age(text: str) -> int:
        return sg.filled(text)

    async def cell() -> list[Any]:
        (awaited,) = await engine.agenerate(sg.Request(text, grammar))
        return [
            awaited.value,
            sg.run(engine, text, SCHEMA),
            engine.generate(sg.Request(text, grammar))[0].value,
            json.loads("".join(engine.stream(sg.Request(text, grammar)))),
            type(person(text)),
            type(await age(text)),
            len(sg.sample(engine, text, sg.choice(["a", "b"]), 2, max_tokens=4).texts),
        ]

    found = asyncio.run(cell())
    assert found == [{"name": "Ada Lovelace", "age": 36}] * 4 + [dict, int, 2]

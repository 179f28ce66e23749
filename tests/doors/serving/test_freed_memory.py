"""Freed memory goes back to the system once in so many answers."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import pytest
from served_apps import CHAT, app_of, post, schema_format

import structgen as sg
from structgen.doors.serving import app as served
from structgen.grammars.json_grammars.compiled_schema import CompiledSchema
from structgen.machines.core.compiled import CompiledGrammar


def test_memory_is_returned_once_in_so_many_answers(
    engine: sg.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    returned = threading.Semaphore(0)
    monkeypatch.setattr(served, "glibc_trim", lambda: returned.release)
    monkeypatch.setattr(served, "_ANSWERS", 3)
    app = app_of(engine)
    for _ in range(8):
        assert post(app, "/v1/chat/completions", {}).status_code == 400
    assert returned.acquire(timeout=600)
    assert returned.acquire(timeout=600)
    assert not returned.acquire(blocking=False)


def test_what_was_compiled_for_a_refused_request_is_gone_without_garbage_collection(
    engine: sg.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its document has no room. A frame that holds an error is held by it, and what it compiled too."""
    made: list[weakref.ref[CompiledGrammar]] = []
    compiled = engine.compiled

    def noted(*given: Any, **options: Any) -> CompiledGrammar:
        found = compiled(*given, **options)
        made.append(weakref.ref(found))
        return found

    monkeypatch.setattr(engine, "compiled", noted)
    monkeypatch.setattr(engine, "cache_bytes", 0)
    app = app_of(engine)

    def answered(at: int, most: int) -> int:
        schema = {"type": "object", "properties": {f"freed{at}": {"const": "a"}}, "required": [f"freed{at}"]}
        body = {**CHAT, "max_tokens": most, "response_format": schema_format(schema)}
        return post(app, "/v1/chat/completions", body).status_code

    gc.collect()
    gc.disable()
    try:
        assert [answered(at, 2) for at in range(5)] == [400] * 5
        assert answered(5, 60) == 200
        assert [one() for one in made[:5]] == [None] * 5
    finally:
        gc.enable()


def test_what_the_cache_drops_is_gone_without_garbage_collection() -> None:
    engine, networks = sg.Engine("structgen/extract", cache_bytes=0), []
    gc.collect()
    gc.disable()
    try:
        for at in range(4):
            schema = {"type": "object", "properties": {f"dropped{at}": {"type": "string", "maxLength": 9}}}
            compiled = engine.compiled(sg.json_schema(schema))
            assert isinstance(compiled, CompiledSchema)
            networks.append(weakref.ref(compiled.network))
            del compiled
        assert [one() for one in networks[:2]] == [None] * 2
    finally:
        gc.enable()

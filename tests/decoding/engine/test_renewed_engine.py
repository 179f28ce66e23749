"""What tests that share an engine call between them (renewed_engine.py) leaves nothing of before."""

from __future__ import annotations

from pathlib import Path

import pytest
from renewed_engine import renew
from request_kinds import TOKENIZER, Wide, requests
from small_models import write_chat_llama

import structgen as sg


@pytest.mark.parametrize("kind", ["object", "folder"])
def test_a_renewed_engine_is_as_it_was_made(kind: str, tmp_path: Path) -> None:
    """It has no text, no grammar and no argument but its own, and writes what a new one writes."""
    given = (Wide(), TOKENIZER) if kind == "object" else (write_chat_llama(tmp_path / "llama"), None)
    engine = sg.Engine(*given, max_rows=3, max_waiting=50, cache_bytes=10**8)
    first = [result.tokens for result in engine.generate(requests(7))]
    asked = requests(1)[0]
    engine.submit(asked)
    assert engine.held_grammars and engine.count
    renew(engine)
    assert (engine.held_grammars, engine.count, engine.max_rows, engine.cache_bytes) == (0, 0, 3, 10**8)
    for _ in range(53):
        engine.submit(asked)
    with pytest.raises(sg.StructgenError):
        engine.submit(asked)
    renew(engine)
    assert [result.tokens for result in engine.generate(requests(7))] == first

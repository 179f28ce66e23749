"""What tests that share an engine call between them (renewed_engine.py) leaves nothing of before."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from renewed_engine import renew
from request_kinds import TOKENIZER, Wide, requests
from small_models import write_chat_llama

import structgen as sg


def state(value: Any, seen: set[int] | None = None) -> Any:
    """Return what an object of structgen holds, all the way down: models, tokenizers and compiled grammars by
    their identity, objects of other packages, and what was seen before, by their type. Not where its memory
    lies."""
    seen = set() if seen is None else seen
    if isinstance(value, bool | int | float | str | bytes | Enum | type(None)):
        return value
    if isinstance(value, sg.Tokenizer | sg.CompiledGrammar) or hasattr(value, "prefill"):
        return id(value)
    if isinstance(value, Mapping):
        plain = [key if isinstance(key, str | int) else type(key).__name__ for key in value]
        return [(key, state(one, seen)) for key, one in zip(plain, value.values(), strict=True)]
    if isinstance(value, list | tuple | set | frozenset):
        return [state(one, seen) for one in value]
    if id(value) in seen or not type(value).__module__.startswith("structgen"):
        return type(value).__name__
    seen.add(id(value))
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    names = [*getattr(value, "__dict__", ()), *(name for name in slots if hasattr(value, name))]
    return type(value).__name__, {
        name: state(getattr(value, name), seen) for name in sorted(names) if name != "address"
    }


def _of_an_object(folder: Path) -> sg.Engine:
    return sg.Engine(Wide(), TOKENIZER, max_rows=3, max_waiting=50, cache_bytes=10**8, allow_specials=True)


def _of_a_folder(folder: Path) -> sg.Engine:
    return sg.Engine(write_chat_llama(folder / "llama"), max_rows=3)


@pytest.mark.parametrize("make", [_of_an_object, _of_a_folder])
def test_a_renewed_engine_is_as_it_was_made(make: Any, tmp_path: Path) -> None:
    engine = make(tmp_path)
    made = state(engine)
    engine.generate(requests(7))
    engine.generate(sg.Request("Hello", max_tokens=3, healing=True))
    used = state(engine)
    assert used != made
    renew(engine)
    assert state(engine) == made
    (again,) = engine.generate(requests(1))
    assert again.tokens == make(tmp_path).generate(requests(1))[0].tokens


def test_the_state_of_an_engine_holds_what_it_learns() -> None:
    """Each of these decides how many passes a text takes, or is remembered of a request."""
    engine = _of_an_object(Path())
    before = state(engine)
    for where, name, value in (
        (engine._loop.drafts.speculator, "_goodputs", {"kind": 1}),
        (engine._loop, "_ran", 0.5),
        (engine, "_compiled", {"grammar": 1}),
    ):
        setattr(where, name, value)
        after = state(engine)
        assert after != before, name
        before = after

"""What compiled grammars hold for later requests is bounded by bytes, and what was asked for last stays."""

from __future__ import annotations

from typing import Any

import pytest
from renewed_engine import renew

import structgen as sg

ENGINE_SCHEMAS = 24


def schema(at: int) -> dict[str, Any]:
    return {"type": "object", "properties": {f"key{at}": {"type": "integer"}}, "required": [f"key{at}"]}


@pytest.fixture(scope="module")
def shared() -> sg.Engine:
    return sg.Engine("structgen/extract")


@pytest.fixture
def engine(shared: sg.Engine) -> sg.Engine:
    renew(shared)
    return shared


def asked(engine: sg.Engine, count: int) -> list[sg.CompiledGrammar]:
    return [engine.compiled(sg.json_schema(schema(at))) for at in range(count)]


def test_many_grammars_hold_no_more_than_the_budget(engine: sg.Engine) -> None:
    one = asked(engine, 1)[0]
    one.store.let_go()  # what this process compiled before
    engine.cache_bytes = one.store.nbytes + 6 * one.nbytes
    for at in range(ENGINE_SCHEMAS):
        engine.compiled(sg.json_schema(schema(at)))
        assert engine.held_bytes <= engine.cache_bytes
    assert 2 <= engine.held_grammars <= 6


def test_the_grammar_that_was_asked_for_last_stays_and_the_oldest_goes(engine: sg.Engine) -> None:
    first = asked(engine, 1)[0]
    first.store.let_go()
    engine.cache_bytes = first.store.nbytes + 5 * first.nbytes
    for at in range(1, 12):
        engine.compiled(sg.json_schema(schema(at)))
        assert engine.compiled(sg.json_schema(schema(0))) is first
    assert engine.compiled(sg.json_schema(schema(11))).grammar is not None
    kept = engine.held_grammars
    again = engine.compiled(sg.json_schema(schema(1)))
    assert engine.held_grammars <= kept and again is not first


def test_without_a_budget_one_grammar_is_kept(engine: sg.Engine) -> None:
    engine.cache_bytes = 0
    last = asked(engine, 3)[-1]
    assert engine.held_grammars == 1 and engine.compiled(sg.json_schema(schema(2))) is last


def test_grammars_that_the_mask_store_holds_count_once_and_go_first(engine: sg.Engine) -> None:
    engine.cache_bytes = 1 << 30
    held = asked(engine, 3)
    store = held[0].store
    store.let_go()
    engine.compiled(sg.json_schema(schema(77)))
    before = engine.held_bytes
    other = sg.compile(sg.json_schema(schema(78)), engine.tokenizer)
    assert other in store.recent and engine.held_bytes >= before + other.nbytes
    engine.cache_bytes = before
    engine.compiled(sg.json_schema(schema(79)))
    assert other not in store.recent and engine.held_bytes <= before


@pytest.mark.parametrize("wrong", [-1, 1.5, "x", None])
def test_a_budget_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(sg.errors.OptionError, match="cache_bytes"):
        sg.Engine("structgen/extract", cache_bytes=wrong)

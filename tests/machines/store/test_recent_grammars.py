"""A schema that comes again finds its compiled grammar, while it is held or among the last asked for."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import structgen as sg
from structgen.machines.store import recent_grammars
from structgen.machines.store.recent_grammars import HeldGrammars, RecentGrammars

BYTES = [bytes((byte,)) for byte in range(256)]
TOKENIZER = sg.Tokenizer.from_bytes([*BYTES, None], eos_token_id=256)


def compiled(number: int = 0, store: Any = None, **options: Any) -> sg.CompiledGrammar:
    """Return a compiled schema, made from a new grammar."""
    limits, tokenizer = options.pop("limits", None), options.pop("tokenizer", TOKENIZER)
    grammar = sg.json_schema({"type": "array", "maxItems": number}, **options)
    return sg.compile(grammar, tokenizer, store=store, limits=limits)


def test_a_schema_finds_its_grammar_while_somebody_holds_it() -> None:
    store = sg.MaskStore()
    held = compiled(0, store)
    for number in range(1, 2 * recent_grammars._MAX_GRAMMARS):
        compiled(number, store)
    store.let_go()
    assert compiled(0, store) is held


def test_the_newest_schema_finds_its_grammar_and_others_that_came_once_are_let_go_of() -> None:
    store = sg.MaskStore()
    gone = [weakref.ref(compiled(number, store)) for number in range(4)]
    gc.collect()
    assert [one() is None for one in gone] == [True, True, True, False]
    assert compiled(3, store) is gone[3]()


def test_a_schema_that_came_again_finds_its_grammar_among_the_last_that_did() -> None:
    store = sg.MaskStore(memory=1 << 33)  # in some processes tables begin with more room
    for number in range(recent_grammars._MAX_GRAMMARS + 1):
        compiled(number, store)
    gone = [weakref.ref(compiled(number, store)) for number in range(recent_grammars._MAX_GRAMMARS)]
    assert compiled(0, store) is gone[0]()
    compiled(recent_grammars._MAX_GRAMMARS, store)
    gc.collect()
    assert [number for number, one in enumerate(gone) if one() is None] == [1]
    assert len(store.recent) == recent_grammars._MAX_GRAMMARS


def test_no_more_are_held_because_somebody_held_them_when_they_came_again() -> None:
    store = sg.MaskStore(memory=1 << 33)  # in some processes tables begin with more room
    held = [compiled(number, store) for number in range(2 * recent_grammars._MAX_GRAMMARS)]
    assert all(compiled(number, store) is one for number, one in enumerate(held))
    assert len(store.recent) <= recent_grammars._MAX_GRAMMARS


@pytest.mark.parametrize(
    "other",
    [
        {"number": 7},
        {"limits": sg.Limits(depth=9)},
        {"whitespace": "compact"},
        {"tokenizer": sg.Tokenizer.from_bytes([*BYTES, None, None], eos_token_id=257)},
        {"tokenizer": sg.Tokenizer.from_bytes([*BYTES, None], eos_token_id=256)},
        {"store": sg.MaskStore()},
        {"store": False},
    ],
    ids=["schema", "limits", "policy", "vocabulary", "tokenizer", "store", "none"],
)
def test_another_schema_or_option_finds_another_grammar(other: dict[str, Any]) -> None:
    store = sg.MaskStore()
    one = compiled(0, store)
    assert compiled(**{"number": 0, "store": store, **other}) is not one
    assert compiled(0, store) is one


def test_a_grammar_whose_places_are_flagged_is_its_own() -> None:
    store, limits = sg.MaskStore(), sg.Limits(liveness="flag")
    assert compiled(0, store, limits=limits) is not compiled(0, store, limits=limits)


def test_a_grammar_that_has_used_up_its_memory_is_compiled_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    store = sg.MaskStore()
    one = compiled(0, store)
    monkeypatch.setattr(type(one), "used", 1.5)
    assert compiled(0, store) is not one


def test_a_grammar_that_was_interrupted_is_not_found_but_the_one_after_it() -> None:
    store = sg.MaskStore()
    one = compiled(0, store)
    after = one.generation.replace(one)
    assert after is not one and compiled(0, store) is after


class Weight:
    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes


def test_the_oldest_go_where_all_hold_more_bytes_than_they_may() -> None:
    held: HeldGrammars[Weight] = HeldGrammars()
    recent: RecentGrammars[Weight] = RecentGrammars(100, held)
    for size in (0, 30, 1000):
        for number in range(recent_grammars.WEIGHED_EVERY):
            recent.put(number, Weight(size))
        assert [one.nbytes for one in recent.grammars] == {0: [0], 30: [30] * 3, 1000: [1000]}[size]


def test_threads_that_compile_one_schema_at_once_get_the_same_masks() -> None:
    store = sg.MaskStore()

    def use(number: int) -> list[int]:
        one = compiled(number, store)
        return one.allowed(one.start)

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(use, [3] * 4))
    assert all(one == found[0] for one in found)

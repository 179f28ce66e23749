"""Bugs seeded into the engine turn the laws red: a broken trie skip, a wrong store key, a lost end token."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import bundles
import numpy as np
import pytest
from cases import Case, case_of
from engine import system_of
from laws import System
from policy_oracle import Options
from strategies import Bounded

import structgen as sg
from structgen.json_machine.records import terminal_masks
from structgen.json_machine.tables import json_blocks as layout
from structgen.tokens.vocabulary import Vocabulary

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[ab]{1,2}$"},
        "other": {"type": "string", "pattern": "^[bc]{1,2}$"},
    },
    "required": ["name"],
    "additionalProperties": False,
}
NAMES = ("a", "b", "aa", "ab", "ba", "bb")
OTHERS = ("b", "c", "bb", "bc", "cb", "cc")
UNIVERSE = tuple({"name": n, **o} for n in NAMES for o in ({}, *({"other": o} for o in OTHERS)))


def case() -> Case:
    return case_of(Bounded(SCHEMA, UNIVERSE, False), Options("compact"), 3)


def hold(system: System, of: Case) -> None:
    for _ in range(5):
        bundles.exact(system, of)
        bundles.words(system, of)


def test_the_engine_without_a_seeded_bug_keeps_the_laws() -> None:
    mine = case()
    hold(system_of(mine, sg.MaskStore()), mine)


def test_a_broken_trie_skip_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Vocabulary.of

    def broken(tokenizer: sg.Tokenizer) -> Vocabulary:
        good = whole(tokenizer)
        nodes = np.array(good.nodes)
        skips = nodes >> np.uint64(40)
        # A node with a subtree skips the sibling after it as well.
        for index in np.flatnonzero(skips > np.arange(len(nodes), dtype=np.uint64) + np.uint64(1)):
            target = int(skips[index])
            if target < len(nodes) and (nodes[target] >> np.uint64(8)) & np.uint64(0xFFF) == np.uint64(1):
                skips[index] = skips[target]
        return replace(good, nodes=(nodes & np.uint64(2**40 - 1)) | (skips << np.uint64(40)))

    monkeypatch.setattr(Vocabulary, "of", broken)
    mine = case()
    with pytest.raises(AssertionError):
        hold(system_of(mine), mine)


def test_a_store_key_that_leaves_the_automaton_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    good = terminal_masks.content_key

    def careless(row: Any, automaton: bytes, context: Any) -> bytes:
        return good(row, b"\0" * len(automaton), context)

    monkeypatch.setattr(terminal_masks, "content_key", careless)
    mine = case()
    with pytest.raises(AssertionError):
        hold(system_of(mine, sg.MaskStore()), mine)


def test_a_lost_end_token_is_found() -> None:
    mine = replace(case(), eos=tuple(t for t, data in enumerate(case().tokens) if data is None)[:2])
    system = system_of(mine)
    system.compiled._tables.context[layout.C_END_COUNT] = 1
    with pytest.raises(AssertionError):
        hold(system, mine)

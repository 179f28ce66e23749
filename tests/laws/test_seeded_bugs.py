"""Bugs seeded into the engine, and around it, break the law that is to find them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cases import Case, case_of
from for_each import for_each
from laws import (
    Law,
    System,
    budgets,
    bytes_agree,
    counts,
    cursors,
    exact,
    forced,
    near_counts,
    system_of,
    words,
)
from policy_oracle import Options
from strategies import Bounded

import structgen as sg
from structgen.machines.json_machine.records import recorder
from structgen.machines.json_machine.tables import json_blocks as layout
from structgen.tokens.vocabulary import Vocabulary


class Changed(sg.Matcher):
    """Allows other tokens than the engine does."""

    def fill_mask(self, mask: sg.TokenMask, row: int = 0, *, budget: int | None = None) -> None:
        super().fill_mask(mask, row, budget=budget)
        bits = np.zeros(32 * mask.array.shape[1], dtype=np.uint8)
        bits[sorted(self.changed({int(token) for token in mask.allowed(row)}))] = 1
        mask.array[row] = np.packbits(bits, bitorder="little").view(np.int32)

    def changed(self, ids: set[int]) -> set[int]:
        raise NotImplementedError


class LostEnd(Changed):
    """Forgets the end tokens."""

    def changed(self, ids: set[int]) -> set[int]:
        return ids.difference(self.compiled.end_tokens)


class EndTooSoon(Changed):
    """Lets the end come anywhere."""

    def changed(self, ids: set[int]) -> set[int]:
        return ids.union(self.compiled.end_tokens)


class LooseEnd(Changed):
    """Does not look at the last byte of long tokens."""

    def changed(self, ids: set[int]) -> set[int]:
        long = {
            at: data for at, data in enumerate(self.compiled.tokenizer.token_bytes) if len(data or b"") > 2
        }
        return ids | {at for at, data in long.items() if self.compiled.step_bytes(self.state, data[:-1])}


class HighCount(sg.Matcher):
    """Counts a token too many everywhere but in a word."""

    def tokens_to_finish(self) -> int:
        count = super().tokens_to_finish()
        return count + 1 if count else 0


class FlatCount(sg.Matcher):
    """Counts one token everywhere but in a word."""

    def tokens_to_finish(self) -> int:
        return min(super().tokens_to_finish(), 1)


class SharedFork(sg.Matcher):
    """Is its own fork."""

    def fork(self) -> sg.Matcher:
        return self


class ShortRollback(sg.Matcher):
    """Takes back one token too few."""

    def rollback(self, count: int) -> None:
        super().rollback(max(count - 1, 0))


class GreedyAccepts(sg.Matcher):
    """Moves while it counts."""

    def accepts(self, tokens: Sequence[int]) -> int:
        count = super().accepts(tokens)
        for token in tokens[:count]:
            self.advance(token)
        return count


class LongForced(sg.Matcher):
    """Says that a word's first way on is forced."""

    def forced(self) -> bytes:
        return super().forced() or bytes(list(self.compiled.next_bytes(self.state))[:1])


class DeafBudget(sg.Matcher):
    """Looks at the budget's minimum and not at the tokens."""

    def fill_mask(self, mask: sg.TokenMask, row: int = 0, *, budget: int | None = None) -> None:
        super().fill_mask(mask, row, budget=budget)
        super().fill_mask(mask, row)


class DirtyRow(sg.Matcher):
    """Adds to what the row held."""

    def fill_mask(self, mask: sg.TokenMask, row: int = 0, *, budget: int | None = None) -> None:
        before = mask.array[row].copy()
        super().fill_mask(mask, row, budget=budget)
        mask.array[row] |= before


SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"enum": ["ab", "abc", "b"]},
        "size": {"type": "integer", "minimum": 8, "maximum": 11},
    },
    "required": ["name"],
    "additionalProperties": False,
}
UNIVERSE = tuple(
    {"name": name, **size}
    for name in ("ab", "abc", "b")
    for size in ({}, *({"size": n} for n in range(8, 12)))
)

BUGS: tuple[tuple[type[sg.Matcher], Law], ...] = (
    (LostEnd, exact),
    (LostEnd, words),
    (EndTooSoon, exact),
    (LooseEnd, exact),
    (HighCount, near_counts),
    (FlatCount, counts),
    (FlatCount, budgets),
    (SharedFork, cursors),
    (ShortRollback, cursors),
    (ShortRollback, words),
    (GreedyAccepts, cursors),
    (LongForced, forced),
    (DeafBudget, budgets),
    (DirtyRow, exact),
)


@for_each(("matcher", "law"), BUGS)
def test_a_seeded_bug_breaks_the_law(matcher: type[sg.Matcher], law: Law) -> None:
    case = case_of(Bounded(SCHEMA, UNIVERSE, True), Options(numbers="plain"), 3)
    system = system_of(case)
    with pytest.raises(AssertionError):
        for _ in range(20):
            law(replace(system, matcher_class=matcher), case)


# --- bugs of the engine -------------------------------------------------------------------------------------

OF_PATTERNS = {
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
OF_NAMES = tuple({"name": n, **o} for n in NAMES for o in ({}, *({"other": o} for o in OTHERS)))


def engine_case() -> Case:
    return case_of(Bounded(OF_PATTERNS, OF_NAMES, False), Options("compact"), 3)


def hold(system: System, of: Case) -> None:
    for _ in range(5):
        exact(system, of)
        bytes_agree(system, of)
        words(system, of)


def test_the_engine_without_a_seeded_bug_keeps_the_laws() -> None:
    mine = engine_case()
    hold(system_of(mine, sg.MaskStore()), mine)


def test_a_broken_trie_skip_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Vocabulary.of_tokenizer

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

    monkeypatch.setattr(Vocabulary, "of_tokenizer", broken)
    mine = engine_case()
    with pytest.raises(AssertionError):
        hold(system_of(mine), mine)


def test_a_store_key_that_leaves_the_automaton_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    good = recorder.content_key

    def careless(row: Any, automaton: bytes, context: Any) -> bytes:
        return good(row, b"\0" * len(automaton), context)

    monkeypatch.setattr(recorder, "content_key", careless)
    mine = engine_case()
    with pytest.raises(AssertionError):
        hold(system_of(mine, sg.MaskStore()), mine)


def test_a_lost_end_token_is_found() -> None:
    mine = replace(
        engine_case(), eos=tuple(t for t, data in enumerate(engine_case().tokens) if data is None)[:2]
    )
    system = system_of(mine)
    system.compiled._tables.context[layout.JsonContext.end_count] = 1
    with pytest.raises(AssertionError):
        hold(system, mine)

"""The laws hold of the slow twin; bugs seeded into it or the engine break the law that is to find them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from bundles import (
    ALL_LAWS,
    Law,
    budgets,
    bytes_agree,
    counts,
    cursors,
    exact,
    forced,
    near_counts,
    walks,
    words,
)
from cases import Case, case_of, cases, shared
from effort import BRIEF, tries
from engine import system_of
from for_each import for_each
from hypothesis import given, settings
from language import Automaton
from laws import System
from policy_oracle import COMPACT, Options
from strategies import Bounded
from twin import Twin, TwinMask, TwinMatcher, TwinState

import structgen as sg
from structgen.json_machine.records import terminal_masks
from structgen.json_machine.tables import json_blocks as layout
from structgen.tokens.vocabulary import Vocabulary


@pytest.mark.parametrize("law", ALL_LAWS, ids=lambda law: law.__name__)
@settings(BRIEF, max_examples=tries(3, 8))
@given(case=shared(cases))
def test_the_slow_twin_keeps_the_law(law: Law, case: Case) -> None:
    law(case.twin(), case)


class LostEnd(Twin):
    """Forgets the end tokens."""

    def allowed(self, state: TwinState) -> set[int]:
        return super().allowed(state) - set(self.eos)


class EndTooSoon(Twin):
    """Lets the end come anywhere."""

    def allowed(self, state: TwinState) -> set[int]:
        return super().allowed(state) | set(self.eos)


class BrokenSkip(Twin):
    """Leaves a subtree of the trie out: tokens longer than two bytes that begin with a quote."""

    def _after(self, number: int, data: bytes) -> int | None:
        return None if len(data) > 2 and data[:1] == b'"' else super()._after(number, data)


class LooseEnd(Twin):
    """Does not look at the last byte of long tokens."""

    def _after(self, number: int, data: bytes) -> int | None:
        return super()._after(number, data) if len(data) < 3 else super()._after(number, data[:-1])


class WrongKey(Twin):
    """Keeps masks under a key that two states share."""

    def allowed(self, state: TwinState) -> set[int]:
        return super().allowed(TwinState(state.number - state.number % 2, state.ended))


class HighCount(Twin):
    """Counts a token too many everywhere but in a word."""

    def tokens_to_finish(self, state: TwinState) -> int:
        count = super().tokens_to_finish(state)
        return count + 1 if count else 0


class FlatCount(Twin):
    """Counts one token everywhere but in a word."""

    def tokens_to_finish(self, state: TwinState) -> int:
        return min(super().tokens_to_finish(state), 1)


class SharedFork(TwinMatcher):
    """Lets a fork write into its origin's path."""

    def fork(self) -> SharedFork:
        other = SharedFork(self._compiled)
        other._path = self._path
        return other


class ShortRollback(TwinMatcher):
    """Takes back one token too few."""

    def rollback(self, count: int) -> None:
        super().rollback(max(count - 1, 0))


class GreedyAccepts(TwinMatcher):
    """Moves while it counts."""

    def accepts(self, tokens: Sequence[int]) -> int:
        count = super().accepts(tokens)
        for token in tokens[:count]:
            self.advance(token)
        return count


class LongForced(TwinMatcher):
    """Says that a word's first way on is forced."""

    def forced(self) -> bytes:
        followers = self._compiled.automaton.followers(self.state.number)
        return super().forced() or bytes(followers[:1])


class DeafBudget(TwinMatcher):
    """Looks at the budget's minimum and not at the tokens."""

    def _left(self, token: int) -> int:
        return 0


class DirtyRow(TwinMatcher):
    """Adds to what the row held."""

    def fill_mask(self, mask: TwinMask, row: int = 0, *, budget: int | None = None) -> None:
        before = mask.array[row].copy()
        super().fill_mask(mask, row, budget=budget)
        mask.array[row] = np.bitwise_or(mask.array[row], before)


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

BUGS: tuple[tuple[Any, Any, Law], ...] = (
    (LostEnd, TwinMatcher, exact),
    (LostEnd, TwinMatcher, words),
    (EndTooSoon, TwinMatcher, exact),
    (EndTooSoon, TwinMatcher, bytes_agree),
    (BrokenSkip, TwinMatcher, exact),
    (BrokenSkip, TwinMatcher, bytes_agree),
    (BrokenSkip, TwinMatcher, words),
    (LooseEnd, TwinMatcher, exact),
    (LooseEnd, TwinMatcher, bytes_agree),
    (WrongKey, TwinMatcher, exact),
    (WrongKey, TwinMatcher, words),
    (WrongKey, TwinMatcher, walks),
    (HighCount, TwinMatcher, near_counts),
    (FlatCount, TwinMatcher, counts),
    (FlatCount, TwinMatcher, budgets),
    (Twin, SharedFork, cursors),
    (Twin, ShortRollback, cursors),
    (Twin, ShortRollback, words),
    (Twin, GreedyAccepts, cursors),
    (Twin, LongForced, forced),
    (Twin, DeafBudget, budgets),
    (Twin, DirtyRow, exact),
)


@for_each(
    ("compiled", "matcher", "law"),
    BUGS,
)
def test_a_seeded_bug_breaks_the_law(
    compiled: Callable[[Automaton, Any, Any], Twin], matcher: Any, law: Law
) -> None:
    with pytest.raises(AssertionError):
        for seed in range(20):
            case = case_of(
                Bounded(SCHEMA, UNIVERSE, True),
                random.Random(seed).choice([COMPACT, Options(numbers="plain")]),
                seed,
            )
            law(case.twin(compiled, matcher), case)


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
        words(system, of)


def test_the_engine_without_a_seeded_bug_keeps_the_laws() -> None:
    mine = engine_case()
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
    mine = engine_case()
    with pytest.raises(AssertionError):
        hold(system_of(mine), mine)


def test_a_store_key_that_leaves_the_automaton_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    good = terminal_masks.content_key

    def careless(row: Any, automaton: bytes, context: Any) -> bytes:
        return good(row, b"\0" * len(automaton), context)

    monkeypatch.setattr(terminal_masks, "content_key", careless)
    mine = engine_case()
    with pytest.raises(AssertionError):
        hold(system_of(mine, sg.MaskStore()), mine)


def test_a_lost_end_token_is_found() -> None:
    mine = replace(
        engine_case(), eos=tuple(t for t, data in enumerate(engine_case().tokens) if data is None)[:2]
    )
    system = system_of(mine)
    system.compiled._tables.context[layout.C_END_COUNT] = 1
    with pytest.raises(AssertionError):
        hold(system, mine)

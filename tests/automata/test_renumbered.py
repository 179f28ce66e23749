"""Kept automata answer as the pool they were taken from, under their own numbers, before and after a new pool
is made."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from structgen.automata.numbers import number_pool
from structgen.automata.numbers.number_pool import NumberPool
from structgen.automata.restored.restored_pools import (
    Disagrees,
    KeptNumbers,
    KeptStrings,
    kept_of,
    known_rows,
)
from structgen.automata.strings import string_pool as string_automata
from structgen.automata.strings.string_pool import StringPool, digest_of_spec
from structgen.language.ir import UNKNOWN, Format, Interval, Length, Not, Pattern, Spec
from structgen.limits import Limits

SPECS = (
    Spec((Pattern("^[a-c]{2,4}x?$"),)),
    Spec((Format("date"), Not(Pattern("^19")))),
    Spec((Pattern("é+|zz"), Length(1, 5))),
)
TEXTS = (b"abcx", b"2024-02-29", "aéé".encode(), b"", b"zz", b"19")


def outcome(demands: frozenset[int]) -> int:
    return sum(1 << index for index in demands) - 1


def run(pool: StringPool | KeptStrings, state: int, text: bytes) -> list[int]:
    """Return the outcomes after each byte, -2 from where the text is refused."""
    found = [int(pool.outcome[state])]
    for byte in text:
        if pool.trans[state, byte] == UNKNOWN:
            pool.expand(state)
        state = int(pool.trans[state, byte])
        if state < 0:
            return [*found, -2]
        found.append(int(pool.outcome[state]))
    return found


def kept_strings(first: StringPool, starts: dict[bytes, int], pool: StringPool) -> KeptStrings:
    return KeptStrings(
        known_rows(first, starts.values()),
        8,
        lambda: starts,
        lambda spec, _: digest_of_spec(spec),
        lambda: pool,
        string_automata.WIDTH,
    )


@given(st.lists(st.sampled_from(TEXTS), max_size=3), st.permutations(SPECS))
def test_kept_strings_go_on_whatever_order_the_new_pool_met_them_in(
    before: list[bytes], order: list[Spec]
) -> None:
    first, fresh, pool = StringPool(Limits()), StringPool(Limits()), StringPool(Limits())
    starts = {digest_of_spec(spec): first.start(spec, outcome) for spec in SPECS}
    for text in before:
        for start in starts.values():
            run(first, start, text)
    for spec in order:
        pool.start(spec, outcome)
    kept = kept_strings(first, starts, pool)
    for spec in SPECS:
        assert kept.start(spec, outcome) == starts[digest_of_spec(spec)]
    for spec in order:
        state, same = kept.start(spec, outcome), fresh.start(spec, outcome)
        for text in TEXTS:
            assert run(kept, state, text) == run(fresh, same, text)
        assert kept.finish(state) == fresh.finish(same)
        assert kept.key(state) == fresh.key(same)


def test_rows_that_are_kept_need_no_pool() -> None:
    first = StringPool(Limits())
    start = first.start(SPECS[0], outcome)
    expected = [run(first, start, text) for text in TEXTS]

    def never() -> StringPool:
        raise AssertionError("a pool is made")

    kept = KeptStrings(known_rows(first, [start]), 8, dict, lambda spec, _: b"", never, string_automata.WIDTH)
    assert [run(kept, start, text) for text in TEXTS] == expected


def test_another_automaton_under_a_kept_name_is_seen() -> None:
    first, pool = StringPool(Limits()), StringPool(Limits())
    start = first.start(SPECS[0], outcome)
    run(first, start, b"ab")
    kept = KeptStrings(
        known_rows(first, [start]),
        8,
        lambda: {b"name": start},
        lambda spec, _: b"name",
        lambda: pool,
        string_automata.WIDTH,
    )
    kept.start(SPECS[2], outcome)
    after = int(kept.trans[start, ord("a")])
    assert after >= 0
    with pytest.raises(Disagrees):
        kept.theirs(after)


def test_numerals_of_a_whole_process_are_kept_under_numbers_of_their_own() -> None:
    limits = Limits()
    others = NumberPool("bounded", limits)
    for bound in range(5):
        others.expand(others.start(Spec((Interval(Decimal(bound), None),)), outcome))
    first = NumberPool("bounded", limits)
    spec = Spec((Interval(Decimal(7), Decimal(90)),))
    start = first.start(spec, outcome)
    first.expand(start)
    kept, numbers = kept_of(first, [start])
    assert numbers[start] == 0 and len(kept.outcome) == len(numbers) < first.count
    again = KeptNumbers(
        kept,
        0,
        lambda: {digest_of_spec(spec): 0},
        lambda one, _: digest_of_spec(one),
        lambda: NumberPool("bounded", limits),
        number_pool.WIDTH,
    )
    assert again.start(spec, outcome) == 0
    for text in (b"7", b"89.5", b"91", b"6", b"1e1", b"-"):
        ours, theirs = 0, start
        for byte in text:
            column = number_pool.COLUMNS.index(byte)
            for pool, state in ((again, ours), (first, theirs)):
                if pool.trans[state, column] == UNKNOWN:
                    pool.expand(state)
            ours, theirs = int(again.trans[ours, column]), int(first.trans[theirs, column])
            assert (ours < 0) == (theirs < 0)
            if ours < 0:
                break
            assert again.outcome[ours] == first.outcome[theirs]
            assert again.finish(ours) == first.finish(theirs)


def test_what_was_made_is_forgotten_on_reset_and_the_arrays_stay() -> None:
    first, pool = StringPool(Limits()), StringPool(Limits())
    start = first.start(SPECS[0], outcome)
    kept = kept_strings(first, {digest_of_spec(SPECS[0]): start}, pool)
    arrays, count = (kept.trans, kept.outcome), kept.count
    kept.start(SPECS[1], outcome)
    kept.reset()
    assert kept.count == count and kept.trans is arrays[0] and kept.outcome is arrays[1]
    assert np.array_equal(kept.trans[start], first.trans[start])

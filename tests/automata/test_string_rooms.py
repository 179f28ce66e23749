"""The string automata's arrays: a pool that must grow all the time answers as one that never does."""

from __future__ import annotations

import random

import pytest

from structgen.automata.strings.string_memory import ROOMS
from structgen.automata.strings.string_pool import StringPool
from structgen.errors import StructgenError
from structgen.language.ir import DEAD, UNKNOWN, All, Any_, Format, Formula, Length, Not, Pattern, Spec, Words
from structgen.limits import Limits

TINY = dict.fromkeys(ROOMS, 8) | {"work": 32}
LETTERS = ("a", "b", "x", "1", "_", "-", "é", "日", "\x00", '"')
PATTERNS = (
    "^x-", "^[ab]+$", "a", "^$", r"^\d{1,3}$", "^(?:ab|ba){0,40}$", "b$", "[^a]", r"^\w*$", "é|日", "x.*1",
    r"\bx\b", "^(?!a)", r"^(?=.{2,4}$)[a-z]+", "^.{3}$", r"^[\u0000-\u001f]", "(?:a|b|x)*1{2,}",
    "^(?:[^x]x)+$",
)  # fmt: skip
FORMATS = ("date", "time", "uuid", "ipv4", "hostname", "email")


def draw_formula(pick: random.Random, depth: int = 2) -> Formula:
    """Return a random formula over patterns, formats, lengths and words."""
    kind = pick.randrange(8 if depth else 5)
    if kind <= 1:
        return Pattern(pick.choice(PATTERNS))
    if kind == 2:
        return Format(pick.choice(FORMATS)) if pick.random() < 0.2 else Pattern(pick.choice(PATTERNS))
    if kind == 3:
        least = pick.randrange(4)
        return Length(least, pick.choice((None, least, least + 1, least + pick.randrange(30))))
    if kind == 4:
        words = ("".join(pick.choices(LETTERS, k=pick.randrange(5))) for _ in range(pick.randrange(7)))
        return Words(frozenset(words))
    if kind == 5:
        return Not(draw_formula(pick, depth - 1))
    parts = tuple(draw_formula(pick, depth - 1) for _ in range(pick.randrange(1, 4)))
    return All(parts) if kind == 6 else Any_(parts)


def draw_spec(pick: random.Random) -> Spec:
    """Return a random spec: one formula, a few, or as many as an object with `patternProperties` has."""
    kind = pick.random()
    if kind < 0.5:
        return Spec((draw_formula(pick),))
    if kind < 0.8:
        return Spec(tuple(draw_formula(pick) for _ in range(pick.randrange(1, 5))))
    named = Not(Words(frozenset(pick.choices(LETTERS, k=3))))
    return Spec(
        tuple(All((named, Pattern(pick.choice(PATTERNS)))) for _ in range(pick.randrange(1, 12)))
        + tuple(Pattern(f"^{letter}{{{size},}}") for letter in "abx" for size in range(pick.randrange(10)))
        + (named,)
    )


class Outcomes:
    """Numbers sets of demands as they come, {0} first."""

    def __init__(self) -> None:
        self.sets = [frozenset((0,))]

    def __call__(self, demands: frozenset[int]) -> int:
        if demands not in self.sets:
            self.sets.append(demands)
        return self.sets.index(demands)


def describe(pool: StringPool, outcomes: Outcomes, start: int, pick: random.Random) -> list[object]:
    """Return what a pool says along a few random texts from a state."""
    said: list[object] = [start == DEAD]
    if start == DEAD:
        return said
    for _ in range(4):
        state = start
        for _ in range(8):
            outcome = int(pool.outcome[state])
            met = outcomes.sets[outcome] if outcome >= 0 else None
            said.append((met, pool.key(state), dict(pool.finish(state))))
            if UNKNOWN in pool.trans[state]:
                pool.expand(state)
            row = pool.trans[state].tolist()
            assert max(row) < pool.count and min(row) >= DEAD
            said.append(tuple(column for column, after in enumerate(row) if after == DEAD))
            live = [column for column, after in enumerate(row) if after != DEAD]
            if not live:
                break
            state = row[pick.choice(live)]
    said.append(pool.is_finite(start, 20))
    return said


def compare(seed: int) -> None:
    """Put random specs into two pools, one that must grow all the time, and hold one to the other."""
    pick = random.Random(seed)
    pools = StringPool(Limits()), StringPool(Limits(), rooms=TINY)
    counts = Outcomes(), Outcomes()
    for _ in range(pick.randrange(1, 30)):
        spec, walk = draw_spec(pick), pick.random()
        said = []
        for pool, outcomes in zip(pools, counts, strict=True):
            try:
                said.append(describe(pool, outcomes, pool.start(spec, outcomes), random.Random(walk)))
            except StructgenError as error:
                said.append([str(error)])
        assert said[0] == said[1], spec


@pytest.mark.parametrize("seed", range(20))
def test_a_pool_that_grows_all_the_time_answers_as_a_large_one(seed: int) -> None:
    compare(seed)


def test_specs_of_different_width_do_not_share_what_follows_a_string_that_no_atom_takes() -> None:
    # The empty set of threads is every spec's, and lives on where a length decides.
    def narrow() -> Spec:
        return Spec((All((Not(Words(frozenset("a"))), Length(2, 3))),))

    def wide() -> Spec:
        return Spec((All((Not(Words(frozenset("bcdefghijklmnopqrstuvwxyz"))), Length(2, 3))),))

    for first, second in ((narrow, wide), (wide, narrow)):
        pool = StringPool(Limits(), rooms=TINY)
        outcomes = Outcomes()
        for spec in (first(), second()):
            start = pool.start(spec, outcomes)
            assert pool.finish(start) == {0: b"  "}
            pool.expand(start)
            for column in range(0x20, 0x7F):
                after = int(pool.trans[start, column])
                assert pool.finish(after) == {0: b" "}

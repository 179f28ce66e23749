"""Searches with a reward: planning finds the best text, and a reward that hangs, raises or needs too much
does no harm."""

from __future__ import annotations

import itertools
import math
import multiprocessing
import random
import re
import socket
import time
import zlib
from collections.abc import Callable

import pytest
from strategy_models import END, LETTERS, RULE, Table, scrambled, shares_after

import structgen as sg
from structgen.decoding.engine import Engine, Request, Result, Sampling
from structgen.decoding.engine.searches import plan as plan_module

PARTS = [b"x", b"y", b"1", b"+", b"-", b"*", b"<end>"]
SUMS = sg.Tokenizer.from_bytes(PARTS, eos_token_id=6)
PROGRAM = sg.regex("[xy1]([-+*][xy1]){0,2}")
PLACES = [(2, 5), (7, 3), (1, 4), (6, 6)]
LONG = "(ab?c|c[ab]{1,3}){1,9}"
ATOMS, SIGNS = "xy1", "+-*"
PROGRAMS = [
    "".join(parts) for count in range(3) for parts in itertools.product(ATOMS, *[SIGNS, ATOMS] * count)
]


def _values(program: str) -> list[int]:
    return [eval(program, {}, {"x": x, "y": y}) for x, y in PLACES]


class Examples:
    """The share of the examples of a program that another one passes."""

    def __init__(self, program: str) -> None:
        self.wanted = _values(program)

    def __call__(self, program: str) -> float:
        found = _values(program)
        return sum(map(int.__eq__, found, self.wanted)) / len(self.wanted)


def _tasks(count: int) -> list[str]:
    numbers = random.Random(4)
    return [numbers.choice(PROGRAMS) for _ in range(count)]


def _planned(model: Table, reward: Callable[..., float], **options: int) -> Result:
    strategy = sg.strategies.PlanningSearch(seconds=60, reward=reward, **options)  # type: ignore[arg-type]
    (one,) = Engine(model, SUMS).generate(Request([0], PROGRAM, max_tokens=6, strategy=strategy))
    assert one.error is None
    return one


def _solved(count: int) -> tuple[int, int]:
    """Return how many tasks a plan solves, and how many the best of draws with as many rows."""
    planned = drawn = 0
    for number, program in enumerate(_tasks(count)):
        tests, model = Examples(program), scrambled(500 + number, size=7, spread=1.0)
        one = _planned(model, tests, k=7, rollouts=256)
        planned += tests(one.text) == 1.0
        texts, rows, seed = [], 0, 0
        while rows < one.usage.strategy_rows:
            found = Engine(model, SUMS).generate(
                Request([0], PROGRAM, Sampling(seed=seed), max_tokens=6, n=32, speculation="off")
            )
            for text in found:
                rows += text.usage.calls
                if rows <= one.usage.strategy_rows:
                    texts.append(text.text)
            seed += 1
        drawn += any(tests(text) == 1.0 for text in texts)
    return planned, drawn


@pytest.mark.usefixtures("rewards_here")
@pytest.mark.parametrize("count", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_a_plan_finds_half_of_the_programs_and_more_than_draws_with_as_many_rows(count: int) -> None:
    planned, drawn = _solved(count)
    assert planned >= count // 2
    assert planned > drawn


def test_a_plan_of_a_whole_tree_finds_the_best_reward_of_the_enumeration() -> None:
    strategy = sg.strategies.PlanningSearch(
        seconds=60, reward=lambda text: -abs(text.count("b") - 2) - text.count("a") / 4, k=5, rollouts=80
    )
    texts = ["a" + one + two for one in "abc" for two in ("", "b")]
    texts += ["b" + one + two for one in "ac" for two in ("", "a", "c")] + ["c"]
    best = max(-abs(text.count("b") - 2) - text.count("a") / 4 for text in texts)
    (one,) = Engine(scrambled(50), LETTERS).generate(Request([0], RULE, max_tokens=6, strategy=strategy))
    assert one.steps[0].state[0] == best


def _is_cut(text: str) -> float:
    return float(re.fullmatch(LONG, text) is None)


@pytest.mark.usefixtures("rewards_here")
def test_rollouts_are_whole_texts_within_the_budget() -> None:
    """The reward finds cut texts best: a plan finds none."""
    for seed in range(3):
        strategy = sg.strategies.PlanningSearch(seconds=60, reward=_is_cut, k=5, rollouts=12)
        request = Request([0], sg.regex(LONG), max_tokens=5, strategy=strategy)
        (one,) = Engine(scrambled(90 + seed), LETTERS).generate(request)
        assert one.error is None
        assert one.steps[0].state[0] == 0.0


LETTERS_OF_FOUR = sg.regex("[abc]{1,4}")


def _drawn_worth(text: str) -> float:
    """A reward that has no pattern."""
    return zlib.crc32(text.encode()) % 997 / 1000


def _by_hand(model: Table, k: int, rollouts: int) -> tuple[tuple[int, ...], float]:
    """Return the best text of a plan (tokens) and its reward: the paper's search in plain dictionaries."""
    counts: dict[tuple[int, ...], dict[int, float]] = {}
    values: dict[tuple[int, ...], dict[int, float]] = {}
    best, most = (), -1.0
    for _ in range(rollouts):
        text: tuple[int, ...] = ()
        path, is_new = list[tuple[tuple[int, ...], int]](), False
        while not is_new and text[-1:] != (END,):
            shares = shares_after(model, text, LETTERS_OF_FOUR)
            tokens = sorted(shares, key=lambda one: -shares[one])[:k]
            priors = {one: shares[one] / sum(shares[other] for other in tokens) for one in tokens}
            own, worth = counts.setdefault(text, {}), values.setdefault(text, {})
            total = sum(own.values())
            beta = math.log((total + 11) / 10) + 4
            scores = {
                one: worth.get(one, 0.0)
                + beta * priors[one] * math.sqrt(math.log(max(total, 1))) / (1 + own.get(one, 0))
                for one in tokens
            }
            token = max(tokens, key=lambda one: scores[one])
            path.append((text, token))
            is_new = token not in own
            text = (*text, token)
        while text[-1] != END:
            shares = shares_after(model, text, LETTERS_OF_FOUR)
            text = (*text, max(shares, key=lambda one: shares[one]))
        reward = _drawn_worth(b"".join(LETTERS.token_bytes[one] or b"" for one in text[:-1]).decode())
        if reward > most:
            best, most = text, reward
        for above, token in path:
            counts[above][token] = counts[above].get(token, 0) + 1
            values[above][token] = max(values[above].get(token, 0.0), reward)
    return best[:-1], most


@pytest.mark.usefixtures("rewards_here")
def test_a_plan_is_the_search_by_hand() -> None:
    """The best reward below a child decides where the search goes on, not the last one, nor the mean."""
    for seed in range(5):
        for rollouts in (8, 20):
            strategy = sg.strategies.PlanningSearch(seconds=60, reward=_drawn_worth, k=3, rollouts=rollouts)
            request = Request([0], LETTERS_OF_FOUR, max_tokens=12, strategy=strategy)
            (one,) = Engine(scrambled(100 + seed), LETTERS).generate(request)
            expected = _by_hand(scrambled(100 + seed), 3, rollouts)
            assert (tuple(one.tokens), one.steps[0].state[0]) == expected


@pytest.mark.usefixtures("rewards_here")
def test_a_plan_without_its_caches_has_the_same_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(dict):  # type: ignore[type-arg]
        def __setitem__(self, key: object, value: object) -> None:
            pass

        def update(self, *_: object) -> None:  # type: ignore[override]
            pass

    expected = [_planned(scrambled(seed, size=7), Examples("x*y+1"), rollouts=30) for seed in range(4)]
    plain = plan_module._Tree.__init__

    def forgetful(self: plan_module._Tree, *inputs: object) -> None:
        plain(self, *inputs)  # type: ignore[arg-type]
        self._completions, self._laws = Forgetful(), Forgetful(self._laws)

    monkeypatch.setattr(plan_module._Tree, "__init__", forgetful)
    found = [_planned(scrambled(seed, size=7), Examples("x*y+1"), rollouts=30) for seed in range(4)]
    assert [one.tokens for one in found] == [one.tokens for one in expected]
    assert [one.steps[0].state for one in found] == [one.steps[0].state for one in expected]
    assert sum(one.usage.strategy_rows for one in found) > sum(one.usage.strategy_rows for one in expected)


def test_the_reward_1_ends_a_plan() -> None:
    one = _planned(scrambled(51, size=7), lambda _: 1.0)
    assert one.steps[0].state[:2] == (1.0, 1.0)


def _hangs(_: str) -> float:
    time.sleep(600)
    return 1.0


def _dies(_: str) -> float:
    import os

    os._exit(3)


class _Fails:
    """Raises, takes too much memory, calls home, returns nothing and returns no number, in turn."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, _: str) -> float | None:
        self.calls += 1
        if self.calls == 1:
            raise ValueError("no")
        if self.calls == 2:
            return float(len(bytearray(4 << 30)))
        if self.calls == 3:
            socket.create_connection(("127.0.0.1", 1))
        return None if self.calls == 4 else math.nan if self.calls == 5 else 1.0


@pytest.mark.parametrize(
    ("reward", "seconds", "count"), [(_hangs, 0.05, 2), (_dies, 60.0, 2), (_Fails(), 60.0, 5)]
)
def test_a_reward_that_fails_counts_as_0_and_is_told(
    reward: Callable[[str], float], seconds: float, count: int
) -> None:
    strategy = sg.strategies.PlanningSearch(reward=reward, rollouts=count, seconds=seconds, megabytes=64)
    (one,) = Engine(scrambled(52, size=7), SUMS).generate(
        Request([0], PROGRAM, max_tokens=6, strategy=strategy)
    )
    assert one.error is None
    assert one.text in PROGRAMS
    assert f"{count} of their rewards failed" in one.usage.strategy
    assert one.steps[0].state == (0.0, count, count)


def test_no_process_is_left() -> None:
    before = set(multiprocessing.active_children())  # other tests' objects may hold some
    _planned(scrambled(53, size=7), Examples("x+y"))
    assert set(multiprocessing.active_children()) <= before


def test_a_text_that_is_cancelled_ends_in_the_middle_of_a_plan() -> None:
    engine = Engine(scrambled(54, size=7), SUMS)
    strategy = sg.strategies.PlanningSearch(seconds=60, reward=Examples("x*y*y"), rollouts=100_000)
    (handle,) = engine.submit(Request([0], PROGRAM, max_tokens=6, strategy=strategy))
    for _ in range(30):
        engine.step()
    assert not handle.is_done
    handle.cancel()
    engine.drive([handle])
    assert handle.result is not None
    assert handle.result.finish_reason is sg.FinishReason.CANCELLED


def test_other_texts_go_on_while_a_plan_is_made() -> None:
    engine = Engine(scrambled(55, size=7), SUMS)
    strategy = sg.strategies.PlanningSearch(seconds=60, reward=Examples("x*y*y"), rollouts=1000)
    (slow,) = engine.submit(Request([0], PROGRAM, max_tokens=6, strategy=strategy))
    (quick,) = engine.submit(Request([0], PROGRAM, max_tokens=6))
    engine.drive([quick])
    assert not slow.is_done
    slow.cancel()
    engine.drive([slow])


def test_the_name_of_a_reward_is_the_same_in_each_process() -> None:
    first, second = (sg.strategies.PlanningSearch(reward=_drawn_worth) for _ in range(2))
    assert repr(first) == repr(second) and "_drawn_worth" in repr(first)
    assert "0x" not in repr(sg.strategies.PlanningSearch(reward=Examples("x")))

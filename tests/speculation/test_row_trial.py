"""Whether drafts can pay with a model is found by measuring its passes: laws under clocks of our own."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from for_each import for_each

from structgen.speculation.planning.row_trial import (
    AGAIN,
    APART,
    ENOUGH_ROUNDS,
    ENOUGH_SECONDS,
    GUESSES,
    LEAST_ROUNDS,
    MOST_ROUNDS,
    RowTrial,
)

OVERHEAD = 1.5e-4


class Machine:
    """Two clocks that passes move: `cost` has the seconds of a pass by its rows, which the thread computes;
    `waits` those by its number in which another job has the processor."""

    def __init__(self, cost: Callable[[int], float], waits: Callable[[int], float] = lambda _: 0.0) -> None:
        self.cost, self.waits = cost, waits
        self.now, self.computed, self.ran = 0.0, 0.0, list[int]()

    def run(self, rows: int) -> None:
        self.computed += self.cost(rows)
        self.now += self.cost(rows) + self.waits(len(self.ran))
        self.ran.append(rows)

    def trial(self) -> RowTrial:
        return RowTrial(OVERHEAD, lambda: self.now, lambda: self.computed)


def measured(trial: RowTrial, machine: Machine, passes: int = 10 * APART * MOST_ROUNDS) -> bool | None:
    """Return what a trial says after so many passes of an engine."""
    for _ in range(passes):
        if trial.pays is not None:
            break
        trial.measure(machine.run)
    return trial.pays


def tried(machine: Machine, passes: int = 10 * APART * MOST_ROUNDS) -> RowTrial:
    """Return the trial after so many passes of an engine."""
    trial = machine.trial()
    measured(trial, machine, passes)
    return trial


@for_each("seconds", [1e-3, 1e-2, 1.0])
@for_each(("row", "pays"), [(0.0, True), (0.1, True), (0.35, False), (1.0, False)])
def test_drafts_pay_where_rows_are_cheap_beside_a_pass(seconds: float, row: float, pays: bool) -> None:
    assert tried(Machine(lambda rows: seconds * (1.0 + row * (rows - 1)))).pays is pays


@pytest.mark.parametrize("row", [0.0, 0.34])
def test_drafts_do_not_pay_where_a_pass_is_shorter_than_asking_for_them(row: float) -> None:
    """structgen/extract: a pass takes 0.056 ms, and each further row a third of that."""
    assert tried(Machine(lambda rows: 5.6e-5 * (1.0 + row * (rows - 1)))).pays is False


@for_each(("row", "pays"), [(0.1, True), (0.5, False)])
@for_each("slow", range(2 * ENOUGH_ROUNDS))
def test_a_pass_that_loads_code_or_waits_for_another_process_changes_nothing(
    row: float, pays: bool, slow: int
) -> None:
    def cost(rows: int) -> float:
        return 2e-3 * (1.0 + row * (rows - 1))

    assert tried(Machine(cost, lambda number: 5.0 if number == slow else 0.0)).pays is pays


def test_the_trial_ends_and_takes_the_fewer_passes_the_longer_they_are() -> None:
    cheap, dear = Machine(lambda _: ENOUGH_SECONDS), Machine(lambda rows: ENOUGH_SECONDS * rows)
    assert tried(cheap).pays is True and cheap.ran == [1, 1 + GUESSES] * LEAST_ROUNDS
    assert tried(dear).pays is False and dear.ran == [1, 1 + GUESSES] * ENOUGH_ROUNDS


def test_the_rounds_of_a_trial_are_passes_apart() -> None:
    machine = Machine(lambda rows: 1e-3 * rows)
    assert tried(machine, APART - 1).pays is None and not machine.ran
    assert tried(machine, 2 * APART - 1).pays is None and machine.ran == [1, 1 + GUESSES]


def test_another_job_on_the_machine_decides_nothing() -> None:
    """Whatever share of the time it has, and whichever passes wait for it."""
    draw = random.Random(3)
    for _ in range(300):
        seconds, row, load = 10 ** draw.uniform(-4.5, -1), draw.uniform(0.0, 1.0), draw.uniform(0.5, 7.0)

        def cost(rows: int, seconds: float = seconds, row: float = row) -> float:
            return seconds * (1.0 + row * (rows - 1))

        waits = [draw.uniform(0.0, load * seconds) for _ in range(2 * MOST_ROUNDS)]
        assert tried(Machine(cost, waits.__getitem__)).pays is tried(Machine(cost)).pays


def test_one_round_in_which_no_job_shares_the_memory_decides() -> None:
    """structgen/extract beside four jobs: the pass of one row took 0.13 to 0.70 ms, that of five 0.3."""
    draw = random.Random(4)
    for quiet in range(MOST_ROUNDS):
        machine = Machine(lambda _: 0.0)

        def cost(rows: int, machine: Machine = machine, quiet: int = quiet) -> float:
            is_quiet = len(machine.ran) // 2 == quiet
            return 3e-4 if rows > 1 else 1.3e-4 if is_quiet else draw.uniform(2.8e-4, 7e-4)

        machine.cost = cost
        assert tried(machine).pays is False


@for_each(("row", "pays"), [(0.1, True), (0.5, False)])
def test_a_model_that_computes_elsewhere_is_measured_by_the_clock(row: float, pays: bool) -> None:
    machine = Machine(lambda _: 1e-5)
    machine.waits = lambda number: 2e-3 * (1.0 + row * GUESSES * (number % 2))
    assert tried(machine).pays is pays


def test_what_was_found_is_looked_at_again_by_later_texts() -> None:
    machine = Machine(lambda rows: 3e-4 if rows > 1 else 7e-4)
    trial = tried(machine)
    assert trial.pays is True
    machine.cost = lambda rows: 3e-4 if rows > 1 else 1.3e-4
    for wait in (AGAIN, 2 * AGAIN, 4 * AGAIN):
        assert [trial.is_off() for _ in range(wait)] == [trial.pays is False] * wait
        assert trial.is_off() is False and trial.pays is None
        assert measured(trial, machine) is False

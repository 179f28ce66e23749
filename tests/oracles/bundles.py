"""The laws over the places of one case, in bundles: what a test asks of a system at once."""

from __future__ import annotations

import math
from collections.abc import Callable

import laws
from cases import Case
from laws import System

Law = Callable[[System, Case], None]


def exact(system: System, case: Case) -> None:
    for prefix in case.prefixes(6):
        laws.mask_is_exact(system, case.automaton, prefix, case.chance)


def bytes_agree(system: System, case: Case) -> None:
    for prefix in case.prefixes(3):
        state = system.compiled.step_bytes(system.compiled.start, prefix)
        laws.mask_agrees_with_bytes(system, state, prefix)
        laws.step_agrees_with_mask(system, state, case.chance)


def words(system: System, case: Case) -> None:
    for word in case.words(3):
        laws.word_is_taken(system, word, case.chance)
        laws.end_is_the_end(system, word, case.chance)
        laws.states_are_values(system, word, case.chance)


def foreign_texts(system: System, case: Case) -> None:
    for prefix in case.prefixes(6):
        laws.judged_text(
            system, case.language, prefix + case.chance.choice([b"", b" ", b"}", b"1"]), case.chance
        )


def walks(system: System, case: Case) -> None:
    for _ in range(3):
        laws.walk_ends_in_the_language(system, case.language, case.chance, 20)


def live(system: System, case: Case) -> None:
    for prefix in case.prefixes(2):
        laws.allowed_tokens_are_live(system, case.language, prefix, case.chance)


def cursors(system: System, case: Case) -> None:
    for _ in range(3):
        laws.cursor_agrees_with_replay(system, case.chance)


def forced(system: System, case: Case) -> None:
    for prefix in case.prefixes(5):
        assert laws.forced_is_sound(system, case.automaton, prefix, case.chance) == 0


def counts(system: System, case: Case) -> None:
    for prefix in case.prefixes(4):
        laws.count_falls(system, prefix, case.chance)
    _no_less(system, case, math.inf)


def near_counts(system: System, case: Case) -> None:
    _no_less(system, case, 1.1)


def _no_less(system: System, case: Case, most: float) -> None:
    for prefix in case.prefixes(4):
        least = case.automaton.tokens_to_finish(case.automaton.step(0, prefix), case.tokens)
        laws.count_is_no_less(system, least, prefix, case.chance, most if least else 1)


def budgets(system: System, case: Case) -> None:
    for prefix in case.prefixes(3):
        laws.budget_is_exact(system, prefix, case.chance)
        laws.budget_completes(system, case.language, prefix, case.chance.randint(0, 3), case.chance)

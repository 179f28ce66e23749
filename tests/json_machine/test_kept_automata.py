"""What is kept of automata is what is known of them: strings under their own numbers, numerals, which are
those of a whole process, under new ones."""

from __future__ import annotations

from decimal import Decimal

from structgen.automata.numbers import number_pool
from structgen.automata.numbers.number_pool import NumberPool
from structgen.automata.strings.string_pool import StringPool
from structgen.json_machine.kept.kept_automata import StoredAutomata, known_rows, reached_rows
from structgen.language.ir import UNKNOWN, Interval, Pattern, Spec
from structgen.limits import Limits


def outcome(demands: frozenset[int]) -> int:
    return sum(1 << index for index in demands) - 1


def test_known_rows_of_strings_are_kept_and_no_others_are_made_up() -> None:
    pool = StringPool(Limits())
    state = pool.start(Spec((Pattern("^[a-c]{2,4}x?$"),)), outcome)
    for byte in b"abcx":
        pool.expand(state)
        state = int(pool.trans[state, byte])
    stored = StoredAutomata(known_rows(pool))
    assert stored.count == pool.count
    whole = 0
    for state in range(pool.count):
        assert stored.outcome[state] == pool.outcome[state]
        if (pool.trans[state] != UNKNOWN).all():
            whole += 1
            assert (stored.trans[state] == pool.trans[state]).all()
        else:
            assert (stored.trans[state] == UNKNOWN).all()
    assert 0 < whole


def test_numerals_of_a_whole_process_are_kept_under_numbers_of_their_own() -> None:
    limits = Limits()
    others = NumberPool("bounded", limits)
    for bound in range(5):
        others.expand(others.start(Spec((Interval(Decimal(bound), None),)), outcome))
    pool = NumberPool("bounded", limits)
    start = pool.start(Spec((Interval(Decimal(7), Decimal(90)),)), outcome)
    pool.expand(start)
    kept, numbers = reached_rows(pool, [start])
    assert numbers[start] == 0 and len(kept.outcome) == len(numbers) < pool.count
    stored = StoredAutomata(kept)
    for theirs, ours in numbers.items():
        assert stored.outcome[ours] == pool.outcome[theirs]
    row = pool.trans[start]
    for column in range(number_pool.WIDTH):
        after = int(row[column])
        assert stored.trans[0, column] == (numbers[after] if after >= 0 else after)

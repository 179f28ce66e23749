"""Number automata against their twin, and the facts about numerals that schemas rely on."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal, localcontext
from fractions import Fraction

import numeral_twin as twin
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from structgen.automata.numbers import number_pool
from structgen.automata.numbers.number_pool import COLUMNS, WIDTH, NumberPool
from structgen.automata.numbers.written_forms import Caps
from structgen.errors import LimitError, OptionError
from structgen.language import ir
from structgen.limits import Limits

INTEGER = ir.Multiple(Decimal(1))
OWN = Limits(automaton_states=10_000)
"""Limits under which a pool shares no states with others."""


def interval(
    low: str | None, high: str | None, open_low: bool = False, open_high: bool = False
) -> ir.Interval:
    return ir.Interval(
        None if low is None else Decimal(low), None if high is None else Decimal(high), open_low, open_high
    )


def point(value: str) -> ir.Interval:
    return interval(value, value)


def numbering() -> Callable[[frozenset[int]], int]:
    known = {frozenset({0}): 0}
    return lambda demands: known.setdefault(demands, len(known))


def walk(pool: NumberPool, state: int, text: str) -> int:
    for char in text:
        if state < 0:
            return state
        column = COLUMNS.index(char.encode())
        if pool.trans[state, column] == ir.UNKNOWN:
            pool.expand(state)
        state = int(pool.trans[state, column])
    return state


def accepts(formula: ir.Formula, text: str, numbers: str = "python") -> bool:
    pool = NumberPool(numbers, Limits())
    state = walk(pool, pool.start(ir.Spec((formula,)), numbering()), text)
    return state >= 0 and pool.outcome[state] >= 0


# -- against the twin --

# fmt: off
NUMBERS = [
    "0", "1", "2", "3", "5", "7", "9", "10", "11", "12", "15", "19", "20", "25", "50", "99", "100", "101",
    "0.1", "0.2", "0.5", "0.05", "0.25", "1.5", "2.5", "9.5", "9.9", "9.99", "12.5", "0.125", "0.01", "1e3",
    "12e3", "1e-3", "15e-4", "1e9", "1e-9", "33", "65", "655", "65.5",
]
# fmt: on
# fmt: off
DIVISORS = [
    "1", "2", "3", "4", "5", "6", "7", "8", "10", "11", "12", "16", "20", "25", "100", "0.1", "0.2", "0.3",
    "0.5", "0.25", "0.01", "0.05", "1.5", "2.5", "0.7", "1e-3", "1e3", "1e9", "37",
]
# fmt: on

bounds = st.builds(
    lambda text, minus: Decimal(text) * (-1 if minus else 1), st.sampled_from(NUMBERS), st.booleans()
)
intervals = st.builds(
    ir.Interval, st.none() | bounds, st.none() | bounds, st.booleans(), st.booleans()
) | bounds.map(lambda value: ir.Interval(value, value))
PLAIN_INTEGER = ir.PlainInteger()
finite = st.frozensets(
    bounds | st.sampled_from([0, 1, 7, 10, 12, 120, -3, 10**17]), min_size=1, max_size=9
).map(ir.Points)
atoms = intervals | finite | st.builds(ir.Multiple, st.sampled_from(DIVISORS).map(Decimal))
usual = st.one_of(
    atoms,
    st.builds(lambda a, b: ir.All((a, b)), atoms, atoms),
    st.builds(lambda a: ir.All((INTEGER, a)), intervals),
    st.builds(lambda a: ir.All((PLAIN_INTEGER, a)), atoms),
    st.lists(bounds.map(lambda value: ir.Interval(value, value)), min_size=1, max_size=5).map(
        lambda some: ir.Any_(tuple(some))
    ),
)
excepted = st.builds(
    lambda base, some: ir.All((base, ir.Not(some))),
    atoms,
    finite,
)
formulas = usual | st.recursive(
    atoms | st.just(PLAIN_INTEGER),
    lambda inner: st.one_of(
        inner.map(ir.Not),
        st.lists(inner, max_size=3).map(lambda some: ir.All(tuple(some))),
        st.lists(inner, max_size=3).map(lambda some: ir.Any_(tuple(some))),
    ),
    max_leaves=5,
)
specs = st.lists(formulas, min_size=1, max_size=3).map(lambda some: ir.Spec(tuple(some)))
with_exceptions = st.lists(excepted | usual, min_size=1, max_size=2).map(lambda some: ir.Spec(tuple(some)))

SHAPES = {
    "short-exponent": ("python", Caps(2, 1, 1), 0),
    "long-exponent": ("python", Caps(1, 1, 2), 0),
    "small-exponent": ("python", Caps(1, 1, 2, 17), 0),
    "fractions": ("python", Caps(1, 2, 1), 0),
    "plain": ("plain", Caps(2, 2, 3), 0),
    "plain-long": ("plain", Caps(3, 1, 3), 0),
    "any": ("any", Caps(0, 0, 0), 4),
}


@pytest.mark.parametrize("shape", SHAPES)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking would list the tree again and again
)
@given(data=st.data())
def test_every_prefix_is_live_and_ends_as_the_twin_says(shape: str, data: st.DataObject) -> None:
    compare_with_the_twin(shape, data.draw(specs), data)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(data=st.data())
def test_prefixes_of_numbers_with_exceptions_are_live_as_the_twin_says(
    shape: str, data: st.DataObject
) -> None:
    compare_with_the_twin(shape, data.draw(with_exceptions), data)


def compare_with_the_twin(shape: str, spec: ir.Spec, data: st.DataObject) -> None:
    policy, caps, chars = SHAPES[shape]
    leaves = twin.tree(policy, *caps[:4], chars)
    outcome = numbering()
    truth = twin.judged(leaves, spec, outcome)
    pool = NumberPool(policy, Limits(number_chars=max(chars, 1)), caps=caps)
    start = pool.start(spec, outcome)
    states = np.full(len(leaves.texts), ir.DEAD)
    states[0] = start
    for begin, end in leaves.levels[1:]:
        above = states[leaves.parent[begin:end]]
        for state in np.unique(above[above >= 0]).tolist():
            if (pool.trans[state] == ir.UNKNOWN).any():
                pool.expand(state)
        states[begin:end] = np.where(above >= 0, pool.trans[above, leaves.column[begin:end]], ir.DEAD)
    wrong = np.flatnonzero((states >= 0) != truth.live)
    assert [leaves.texts[at] for at in wrong[:5].tolist()] == []
    ended = np.where(states >= 0, pool.outcome[states], -1)
    wrong = np.flatnonzero(ended != truth.outcome)
    assert [leaves.texts[at] for at in wrong[:5].tolist()] == []
    # Nothing beside the tree goes on.
    alphabet = twin.ALPHABET[:12] + ".e" if policy == "any" else "0123456789-.e"
    inside = np.zeros((len(states), WIDTH), bool)
    inside[leaves.parent[1:], leaves.column[1:]] = True
    live = np.flatnonzero(states >= 0)
    for state in np.unique(states[live]).tolist():
        if (pool.trans[state] == ir.UNKNOWN).any():
            pool.expand(state)
    for char in alphabet:
        column = twin.ALPHABET.index(char)
        beside = live[~inside[live, column]]
        assert (pool.trans[states[beside], column] == ir.DEAD).all()
    # The shortest rests.
    for at in data.draw(st.lists(st.sampled_from(live.tolist()), max_size=12)) if len(live) else []:
        expected = {
            demand: rest.encode()
            for demand, distance in truth.distance.items()
            if (rest := twin.shortest(leaves, distance, at)) is not None
        }
        assert pool.finish(int(states[at])) == expected, leaves.texts[at]


def numerals() -> st.SearchStrategy[str]:
    return st.from_regex(r"-?(0|[1-9][0-9]{0,8})(\.[0-9]{1,8})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


@pytest.mark.parametrize("policy", ["python", "plain", "any"])
@settings(max_examples=150, deadline=None)
@given(spec=specs, texts=st.lists(numerals() | st.sampled_from(NUMBERS), min_size=5, max_size=10))
def test_long_numerals_end_as_the_twin_says(policy: str, spec: ir.Spec, texts: list[str]) -> None:
    pool = NumberPool(policy, Limits())
    outcome = numbering()
    start = pool.start(spec, outcome)
    for text in texts:
        state = walk(pool, start, text)
        demands = twin.met(spec, text)
        spelled = twin.allowed(text, policy, 20, 20, 3, 1 << 40, 4096)
        expected = outcome(demands) if demands and spelled else -1
        assert (pool.outcome[state] if state >= 0 else -1) == expected, text


@pytest.mark.parametrize("policy", ["python", "plain", "any"])
@settings(max_examples=100, deadline=None)
@given(spec=specs, text=numerals(), cut=st.integers(0, 20))
def test_the_shortest_rest_meets_its_demand(policy: str, spec: ir.Spec, text: str, cut: int) -> None:
    pool = NumberPool(policy, Limits())
    outcome = numbering()
    state = walk(pool, pool.start(spec, outcome), text[:cut])
    if state < 0:
        return
    finish = pool.finish(state)
    assert finish
    for demand, rest in finish.items():
        demands = twin.met(spec, text[:cut] + rest.decode())
        assert demand in demands
        end = walk(pool, state, rest.decode())
        assert pool.outcome[end] == outcome(demands)


@pytest.mark.parametrize("numbers", ["python", "plain", "any"])
def test_divisors_too_large_for_64_bits_are_refused_by_name(numbers: str) -> None:
    by_17_digits = ir.Multiple(Decimal("0.30000000000000004"))
    assert NumberPool(numbers, Limits()).start(ir.Spec((by_17_digits,)), numbering()) >= 0
    for many in (by_17_digits, ir.Multiple(Decimal(7**20))):
        with pytest.raises(LimitError, match=r"multipleOf values .* at most 17 digits"):
            NumberPool(numbers, Limits()).start(ir.Spec((many, ir.Multiple(Decimal(11**18)))), numbering())


# -- facts --


@pytest.mark.parametrize(
    ("formula", "good", "bad"),
    [
        (
            ir.TRUE,
            ["0", "-0", "-0.0", "1e999", "12345678901234567890"],
            ["01", "1e1000", "123456789012345678901"],
        ),
        (INTEGER, ["1", "1.0", "10e-1", "1e2", "-0", "0e-5", "1.5e1"], ["15e-1", "1.5", "1e-1"]),
        (interval("5", None), ["5", "50e-1", "0.5e1", "1e1"], ["49e-1", "4", "-5", "4.9999"]),
        (interval(None, "0", False, True), ["-1", "-1e-9", "-0.1"], ["0", "-0", "1"]),
        (ir.Multiple(Decimal("0.01")), ["19.99", "1e-2", "10e-3", "19.990"], ["1e-3", "19.999"]),
        (ir.Multiple(Decimal("0.5")), ["0.5", "1", "25e-1", "5e-1"], ["0.25", "1e-1", "5e-2"]),
        (ir.Not(INTEGER), ["0.5", "15e-1", "1e-1"], ["1", "1.0", "10e-1", "0"]),
        (ir.Any_((point("1"), point("2.5"))), ["1", "1.0", "10e-1", "2.5", "25e-1"], ["2", "2.51", "-1"]),
        (interval("-1.7976931348623157e308", "1.7976931348623157e308"), ["1e308", "-17e307"], ["1.8e308"]),
        (interval(None, str(2**64)), [str(2**64), "1.8e19"], [str(2**64 + 1), "1.9e19"]),
    ],
)
def test_values_compare_as_values(formula: ir.Formula, good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not accepts(formula, text)] == []
    assert [text for text in bad if accepts(formula, text)] == []


def test_plain_writes_each_integer_without_a_fraction() -> None:
    good = ["0", "1", "-1", "1.5", "1.50", "-0.5"]
    bad = ["-0", "1.0", "0.0", "-0.0", "1e0", "1.5e1"]
    assert [text for text in good if not accepts(ir.TRUE, text, "plain")] == []
    assert [text for text in bad if accepts(ir.TRUE, text, "plain")] == []


def test_any_stops_at_the_limit_of_characters() -> None:
    pool = NumberPool("any", Limits(number_chars=50))
    start = pool.start(ir.Spec((INTEGER,)), numbering())
    assert walk(pool, start, "1" * 50) >= 0
    assert walk(pool, start, "1" * 51) == ir.DEAD
    assert walk(pool, start, "0." + "1" * 44 + "e44") >= 0
    assert walk(pool, start, "0." + "1" * 46) == ir.DEAD, "no room for e46"


@pytest.mark.parametrize(
    ("formula", "whole", "places", "exponent"),
    [
        (ir.TRUE, 20, 20, 3),
        (interval("1e30", None), 31, 20, 3),
        (ir.Multiple(Decimal("1e-300")), 20, 300, 4),
        (ir.Not(point("123.4567890123456789012345")), 20, 22, 3),
        (interval("-" + "9" * 300, None), 300, 20, 4),
    ],
)
def test_digit_caps_follow_the_numbers_of_the_spec(
    formula: ir.Formula, whole: int, places: int, exponent: int
) -> None:
    free = ir.Any_((formula, ir.Not(formula)))
    for text, more in (("9" * whole, "9"), ("0." + "1" * places, "1"), ("1e" + "0" * exponent, "0")):
        assert accepts(free, text)
        assert not accepts(free, text + more)


def test_an_empty_language_has_no_start() -> None:
    for policy in ("python", "plain", "any"):
        pool = NumberPool(policy, Limits())
        for formula in (ir.FALSE, ir.All((INTEGER, interval("2.1", "2.9"))), interval("3", "2")):
            assert pool.start(ir.Spec((formula,)), numbering()) == ir.DEAD


def test_capital_e_and_plus_change_nothing() -> None:
    pool = NumberPool("python", Limits())
    start = pool.start(ir.Spec((ir.All((INTEGER, interval("0", "65535"))),)), numbering())
    for text in ("1", "70000", "1.5", "655"):
        state = walk(pool, start, text)
        assert walk(pool, state, "e") == walk(pool, state, "E")
        for digit in "0123456789":
            assert walk(pool, state, "e+" + digit) == walk(pool, state, "e" + digit)


def test_unconstrained_numbers_need_few_states() -> None:
    pool = NumberPool("python", OWN)
    pool.expand(pool.start(ir.Spec((ir.TRUE,)), numbering()))
    assert pool.count < 64


def test_equal_demands_share_states_and_keys() -> None:
    a, b = NumberPool("python", Limits()), NumberPool("python", Limits())
    b.start(ir.Spec((interval("1", "7"),)), numbering())
    free = a.start(ir.Spec((ir.TRUE,)), numbering())
    same = b.start(ir.Spec((ir.Any_((interval(None, "3"), interval("2", None))),)), numbering())
    assert a.key(free) == b.key(same)
    positive = b.start(ir.Spec((interval("0", None),)), numbering())
    assert walk(b, positive, "5") == walk(b, same, "5")
    assert a.key(walk(a, free, "5.2")) == b.key(walk(b, same, "5.2"))


def test_unequal_states_have_unequal_keys() -> None:
    pool = NumberPool("python", OWN)
    for formula in (INTEGER, interval("0", "65535"), ir.Multiple(Decimal("0.01"))):
        pool.expand(pool.start(ir.Spec((formula,)), numbering()))
    keys = [pool.key(state) for state in range(pool.count)]
    assert len(set(keys)) == len(keys)
    assert {len(key) for key in keys} == {16}


def test_keys_are_the_same_in_another_process() -> None:
    code = (
        "from decimal import Decimal;from structgen.language import ir;from structgen.limits import Limits\n"
        "from structgen.automata.numbers.number_pool import NumberPool\n"
        "pool=NumberPool('python',Limits())\n"
        "print(pool.key(pool.start(ir.Spec((ir.Interval(Decimal(1),Decimal('2.5')),)),lambda s:0)).hex())"
    )
    run = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True) for _ in range(2)]
    pool = NumberPool("python", Limits())
    here = pool.key(pool.start(ir.Spec((interval("1", "2.5"),)), numbering())).hex()
    assert [one.stdout.strip() for one in run] == [here, here], run[0].stderr


# -- shared by grammars --


@pytest.mark.parametrize("policy", ["python", "plain"])
@pytest.mark.parametrize("formula", [ir.TRUE, interval("0", None), interval(None, "0", False, True)])
def test_numbers_with_no_bound_but_zero_are_known_whole_at_the_start(
    policy: str, formula: ir.Formula
) -> None:
    pool = NumberPool(policy, OWN)
    reached = [pool.start(ir.Spec((formula,)), numbering())]
    for state in reached:
        row = pool.trans[state]
        assert (row != ir.UNKNOWN).all()
        reached += [after for after in set(row.tolist()) if after >= 0 and after not in reached]


def test_a_grammar_finds_what_another_made() -> None:
    spec = ir.Spec((ir.All((INTEGER, interval("-7", "7654321"))),))
    walk(one := NumberPool("python", Limits()), one.start(spec, numbering()), "12345e2")
    two = NumberPool("python", Limits())
    state = two.start(spec, numbering())
    for char in "12345e2":
        state = int(two.trans[state, COLUMNS.index(char.encode())])
        assert state >= 0


def test_outcome_numbers_of_two_grammars_do_not_mix() -> None:
    spec = ir.Spec((INTEGER, interval("0", "10")))
    one, two = NumberPool("python", Limits()), NumberPool("python", Limits())
    known = {frozenset({0}): 7, frozenset({1}): 5, frozenset({0, 1}): 0}
    first, second = numbering(), known.__getitem__
    start, other = one.start(spec, first), two.start(spec, second)
    for text, met in (("3", {0, 1}), ("3.5", {1}), ("11", {0}), ("-2", {0}), ("0", {0, 1})):
        a, b = walk(one, start, text), walk(two, other, text)
        assert (one.outcome[a], two.outcome[b]) == (first(frozenset(met)), second(frozenset(met)))
        assert one.key(a) == two.key(b)
        assert one.finish(a) == two.finish(b)


def test_equal_numbers_with_another_meaning_have_another_key() -> None:
    one, two = NumberPool("python", Limits()), NumberPool("python", Limits())
    a = one.start(ir.Spec((ir.TRUE,)), lambda demands: 0)
    b = two.start(ir.Spec((ir.FALSE, ir.TRUE)), lambda demands: 0)
    assert a == b
    assert one.key(a) != two.key(b)
    assert (one.finish(a), two.finish(b)) == ({0: b"0"}, {1: b"0"})


def test_threads_that_ask_at_once_get_what_one_gets() -> None:
    spec = ir.Spec((ir.All((ir.Multiple(Decimal("0.03")), interval("-99.5", "1234.5"))), INTEGER))
    rng = random.Random(3)
    texts = ["".join(rng.choices("0123456789-.e", k=rng.randint(1, 7))) for _ in range(300)]
    texts += [str(Decimal(rng.randint(-200, 130000)) / 100) for _ in range(300)]

    def outcomes(limits: Limits, shift: int) -> list[int]:
        pool, found = NumberPool("python", limits), [0] * len(texts)
        start = pool.start(spec, numbering())
        for n in range(len(texts)):
            at = (n + shift) % len(texts)
            state = walk(pool, start, texts[at])
            found[at] = int(pool.outcome[state]) if state >= 0 else -1
        return found

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda shift: outcomes(Limits(), shift), range(0, 600, 75)))
    assert found == [outcomes(OWN, 0)] * 8


def test_states_are_begun_anew_once_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    old = NumberPool("python", Limits())
    start = old.start(ir.Spec((INTEGER,)), numbering())
    monkeypatch.setattr(number_pool, "MOST_STATES", 8)
    new = NumberPool("python", Limits())
    assert new.count == 0
    assert old.outcome[walk(old, start, "123456e-2")] == -1
    assert new.outcome[walk(new, new.start(ir.Spec((INTEGER,)), numbering()), "123456")] == 0


def test_a_limit_counts_what_the_grammar_itself_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_pool, "MOST_STATES", 50)
    spec = ir.Spec((ir.All((INTEGER, interval("3", "87654"))),))
    one, two = NumberPool("python", Limits()), NumberPool("python", Limits(automaton_states=50))
    walk(one, one.start(spec, numbering()), "12345")
    assert walk(two, two.start(spec, numbering()), "12345") >= 0
    with pytest.raises(LimitError):
        for places in range(20):
            walk(two, two.start(spec, numbering()), f"0.{'0' * places}87654e{places + 5}")


def test_hostile_divisors_and_bounds_are_quick() -> None:
    pool = NumberPool("python", Limits())
    for formula in (
        ir.Multiple(Decimal("1e-300")),
        interval("1e400", None),
        ir.Multiple(Decimal("1e1000000000")),
        ir.Not(point("1e-1000000000")),
        ir.Any_(tuple(point(str(n * n)) for n in range(3000))),
    ):
        state = pool.start(ir.Spec((formula,)), numbering())
        assert state >= 0
        pool.expand(state)
        assert pool.finish(state)


@pytest.mark.parametrize("numbers", ["bounded", "plain", "any"])
def test_a_multiple_between_bounds_of_four_thousand_digits_is_found(numbers: str) -> None:
    low = 7 * 10**3999 + 3
    within = interval(str(low), str(low + 976))
    pool = NumberPool(numbers, Limits(number_chars=4_096))
    state = pool.start(ir.Spec((ir.All((within, ir.Multiple(Decimal(977)))),)), numbering())
    with localcontext() as exact:
        exact.prec = 5_000
        assert Decimal(pool.finish(state)[0].decode()) == Decimal(low + -low % 977)


@pytest.mark.parametrize("numbers", ["bounded", "plain", "any"])
@pytest.mark.parametrize(
    ("base", "text"),
    [("0.1", "373.1"), ("0.1", "373." + "0" * 15 + "1"), ("0.007", "373.002"), ("1", "3730")],
)
def test_what_begins_as_an_excepted_number_goes_on(numbers: str, base: str, text: str) -> None:
    but = ir.All((ir.Multiple(Decimal(base)), ir.Not(ir.Any_((point("373"), point("-4"), point("3731"))))))
    pool = NumberPool(numbers, Limits())
    state = walk(pool, pool.start(ir.Spec((but,)), numbering()), text)
    fits = Fraction(text) % Fraction(base) == 0
    assert (state >= 0 and pool.outcome[state] == 0) == fits


def test_a_thousand_digits_of_a_divisor_are_refused_by_name() -> None:
    with pytest.raises(LimitError) as caught:
        NumberPool("any", Limits()).start(ir.Spec((ir.Multiple(Decimal("7" * 1000)),)), numbering())
    assert caught.value.limit == "alternatives"


def test_limits_are_named() -> None:
    with pytest.raises(LimitError) as caught:
        NumberPool("plain", Limits()).start(ir.Spec((point("1e5000"),)), numbering())
    assert caught.value.limit == "number_chars"
    pool = NumberPool("python", Limits(automaton_states=8))
    with pytest.raises(LimitError) as caught:
        pool.expand(pool.start(ir.Spec((ir.TRUE,)), numbering()))
    assert caught.value.limit == "automaton_states"
    many = ir.All(tuple(ir.Multiple(Decimal(n)) for n in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)))
    with pytest.raises(LimitError) as caught:
        pool.start(ir.Spec((many,)), numbering())
    assert caught.value.limit == "alternatives"


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(OptionError):
        NumberPool("loose", Limits())


def test_a_fraction_is_read_exactly() -> None:
    assert twin.value_of("-12.50e-1") == Fraction(-125, 100)


@pytest.mark.parametrize("numbers", ["python", "plain", "any"])
@pytest.mark.parametrize("far", ["1e5000000000000", "-3e-5000000000000", "7e123456789012345678"])
def test_a_number_too_far_to_count_to_is_past_a_limit(numbers: str, far: str) -> None:
    pool = NumberPool(numbers, Limits())
    atoms = (point(far), interval(None, far), ir.Not(point(far)), ir.Multiple(Decimal(far).copy_abs()))
    for atom in atoms:
        with pytest.raises(LimitError) as caught:
            pool.start(ir.Spec((atom,)), numbering())
        assert caught.value.limit == "number_chars"


def test_remainders_of_many_digits_make_a_row_at_a_time_once_they_are_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(number_pool, "CROWD", 100)
    pool = NumberPool("any", Limits(number_chars=300))
    state = pool.start(ir.Spec((ir.Multiple(Decimal(6_469_693_230)),)), numbering())
    walk(pool, state, "12345")
    before = pool.made
    walk(pool, state, "12345" + "67890" * 10)
    assert pool.made - before <= 50 * WIDTH

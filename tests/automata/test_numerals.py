"""Number automata against their twin, and the facts about numerals that schemas rely on."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal, localcontext

import numeral_twin as twin
import pytest
from for_each import for_each
from hypothesis import example, given, settings
from hypothesis import strategies as st

import structgen as sg
from structgen.automata.numbers.number_pool import NumberPool
from structgen.automata.numbers.numeral_automata import COLUMNS, WIDTH
from structgen.base.language import ir
from structgen.base.language import number_ranges as ranges
from structgen.base.limits import Limits
from structgen.errors import LimitError, OptionError

POLICIES = ["bounded", "plain", "decimal", "any"]
EXACT = ["decimal", "any"]
ALL = [*POLICIES, "python"]
INTEGER = ir.Multiple(Decimal(1))


def interval(
    low: str | None, high: str | None, open_low: bool = False, open_high: bool = False
) -> ranges.Ranges:
    return ranges.interval(
        None if low is None else Decimal(low), None if high is None else Decimal(high), open_low, open_high
    )


def point(value: str) -> ranges.Ranges:
    return interval(value, value)


def numbering() -> Callable[[frozenset[int]], int]:
    known = {frozenset({0}): 0}
    return lambda demands: known.setdefault(demands, len(known))


def walk(pool: NumberPool, state: int, text: str) -> int:
    for char in text:
        if state < 0:
            return state
        state = int(pool.trans[state, COLUMNS.index(char.encode())])
    return state


def accepts(formula: ir.Formula, text: str, numbers: str = "bounded") -> bool:
    pool = NumberPool(numbers, Limits())
    state = walk(pool, pool.start(ir.Spec((formula,)), numbering()), text)
    return state >= 0 and int(pool.outcome[state]) >= 0


# -- against the twin --

# fmt: off
NUMBERS = [
    "0", "1", "2", "3", "5", "7", "9", "10", "11", "12", "15", "19", "20", "25", "50", "99", "100", "101",
    "0.1", "0.2", "0.5", "0.05", "0.25", "1.5", "2.5", "9.5", "9.9", "9.99", "12.5", "0.125", "0.01", "1e3",
    "12e3", "1e-3", "15e-4", "1e9", "1e-9", "33", "65", "655", "65.5",
]
DIVISORS = [
    "1", "2", "3", "4", "5", "6", "7", "8", "10", "11", "12", "16", "20", "25", "100", "0.1", "0.2", "0.3",
    "0.5", "0.25", "0.01", "0.05", "1.5", "2.5", "0.7", "1e-3", "1e3", "1e9", "37", "1200", "864",
]
# fmt: on

bounds = st.builds(
    lambda text, minus: Decimal(text) * (-1 if minus else 1), st.sampled_from(NUMBERS), st.booleans()
)
intervals = st.builds(
    ranges.interval, st.none() | bounds, st.none() | bounds, st.booleans(), st.booleans()
) | bounds.map(lambda value: ranges.interval(value, value))
PLAIN_INTEGER = ir.PlainInteger()
finite = st.frozensets(
    bounds | st.sampled_from([0, 1, 7, 10, 12, 120, -3, 10**17]), min_size=1, max_size=9
).map(ranges.points)
atoms = intervals | finite | st.builds(ir.Multiple, st.sampled_from(DIVISORS).map(Decimal))
usual = st.one_of(
    atoms,
    st.builds(lambda a, b: ir.All((a, b)), atoms, atoms),
    st.builds(lambda a: ir.All((INTEGER, a)), intervals),
    st.builds(lambda a: ir.All((PLAIN_INTEGER, a)), atoms),
    st.builds(lambda base, some: ir.All((base, ir.Not(some))), atoms, finite),
    st.lists(bounds.map(lambda value: ranges.interval(value, value)), min_size=1, max_size=5).map(
        lambda some: ir.Any_(tuple(some))
    ),
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
free_specs = st.sampled_from(
    [
        ir.Spec((ir.TRUE,)),
        ir.Spec((interval("0", None),)),
        ir.Spec((interval(None, "0", False, True), ranges.points(frozenset({0})))),
        ir.Spec((ir.Not(interval("0", "0")), PLAIN_INTEGER)),
    ]
)


def numerals() -> st.SearchStrategy[str]:
    """Of at most 15 digits: of more, "python" takes texts that are not the shortest of their floats."""
    return st.from_regex(r"-?(0|[1-9][0-9]{0,6})(\.[0-9]{1,8})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


def short() -> list[str]:
    """All numerals of up to four characters, of some characters."""
    texts = map("".join, itertools.chain(*(itertools.product("01256-.e", repeat=n) for n in range(1, 5))))
    return [text for text in texts if twin.value_of(text) is not None]


SHORT = short()


@pytest.mark.parametrize("policy", ALL)
@settings(max_examples=settings().max_examples // 3, deadline=None)
@given(
    spec=specs | free_specs,
    texts=st.lists(numerals() | st.sampled_from(NUMBERS + SHORT), min_size=20, max_size=40),
)
def test_a_numeral_ends_as_the_twin_says(policy: str, spec: ir.Spec, texts: list[str]) -> None:
    pool, outcome = NumberPool(policy, Limits()), numbering()
    start = pool.start(spec, outcome)
    for text in texts:
        state = walk(pool, start, text)
        demands = twin.allowed(spec, text, policy)
        found = int(pool.outcome[state]) if state >= 0 else -1
        if found >= 0 or policy in EXACT or not rounded(text):
            assert found == (outcome(demands) if demands else -1), text


def rounded(text: str) -> bool:
    """Return whether a numeral is one that doubles may take for another number."""
    value = Decimal(text)
    return len(value.normalize().as_tuple().digits) > 15 or (value != 0 and value.adjusted() < -307)


@pytest.mark.parametrize("policy", ALL)
@settings(max_examples=settings().max_examples // 4, deadline=None)
@given(spec=specs | free_specs, seed=st.integers(0, 1 << 30))
def test_every_character_that_is_allowed_begins_the_shortest_rest_of_a_numeral(
    policy: str, spec: ir.Spec, seed: int
) -> None:
    """A rest is met as the twin says; and no rest with one more character is shorter than the last."""
    pool, outcome, rng = NumberPool(policy, Limits()), numbering(), random.Random(seed)
    state, text = pool.start(spec, outcome), ""
    while state >= 0 and len(text) < 7:
        finish = pool.shortest_rests(state)
        assert finish
        for demand, rest in finish.items():
            assert demand in twin.allowed(spec, text + rest.decode(), policy, 22, 22), (text, rest)
        after = {}
        for column in range(WIDTH - 1):
            target = int(pool.trans[state, column])
            if target >= 0:
                after[chr(COLUMNS[column])] = target
                for demand, rest in pool.shortest_rests(target).items():
                    mine, other = finish[demand], COLUMNS[column : column + 1] + rest
                    assert (len(mine), mine) <= (len(other), other)
        if not after:
            return
        char = rng.choice(sorted(after))
        state, text = after[char], text + char


def drawn_numeral(chance: random.Random) -> str:
    """Return a numeral with an exponent, most often beside the number of places that makes it an integer."""
    whole = str(chance.randrange(10 ** chance.randrange(1, 6))) + "0" * chance.choice(
        (0, 0, 1, 3, 19, 20, 21)
    )
    digits = "".join(chance.choices("0000123456789", k=chance.choice((0, 1, 2, 5, 19, 20, 21))))
    places = f".{digits}" if digits else ""
    zeros = len(whole) - len(whole.rstrip("0"))
    need = len(digits.rstrip("0")) if digits.strip("0") else -zeros
    exponent = chance.choice((need, need - 1, need + 1, 0, -20, -21, 300, 9_999))
    sign = "-" if exponent < 0 else chance.choice(("", "+"))
    mantissa = f"{chance.choice(('', '-'))}{int(whole)}{places}"
    return f"{mantissa}{chance.choice('eE')}{sign}{'0' * chance.randrange(2)}{abs(exponent)}"


@pytest.mark.parametrize("count", [400, pytest.param(20_000, marks=pytest.mark.slow)])
def test_any_takes_the_exponents_of_integers(count: int) -> None:
    pools = {
        formula: NumberPool("any", Limits())
        for formula in (
            INTEGER,
            ir.Not(INTEGER),
            ir.All((INTEGER, interval("0", None))),
            ir.Any_((ir.All((INTEGER, interval(None, "0"))), interval("0", None, True))),
        )
    }
    starts = {formula: pool.start(ir.Spec((formula,)), numbering()) for formula, pool in pools.items()}
    for seed in range(count):
        text = drawn_numeral(random.Random(seed))
        for formula, pool in pools.items():
            state = walk(pool, starts[formula], text)
            is_taken = state >= 0 and int(pool.outcome[state]) >= 0
            assert is_taken == bool(twin.allowed(ir.Spec((formula,)), text, "any")), (formula, text)


@pytest.mark.parametrize("policy", ALL)
@settings(deadline=None)
@given(formula=formulas)
def test_an_automaton_is_empty_where_no_short_numeral_is_met(policy: str, formula: ir.Formula) -> None:
    spec = ir.Spec((formula,))
    if NumberPool(policy, Limits()).start(spec, numbering()) == ir.DEAD:
        for text in SHORT + NUMBERS:
            assert twin.value_of(text) is not None and not twin.allowed(spec, text, policy), text


# -- facts --


def test_any_has_no_last_digit() -> None:
    for text in ("1" * 5_000, "0." + "1" * 5_000, "1e" + "9" * 50):
        assert accepts(ir.TRUE, text, "any")
    assert accepts(ir.All((INTEGER, interval("5", None))), "7" * 5_000 + ".000", "any")


@pytest.mark.parametrize(
    ("formula", "whole", "places"),
    [
        (ir.TRUE, 20, 20),
        (interval("1e30", None), 32, 20),
        (ir.Multiple(Decimal("1e-300")), 20, 301),
        (ir.Not(point("123.4567890123456789012345")), 20, 23),
        (interval("-" + "9" * 300, None), 301, 20),
    ],
)
def test_digit_caps_follow_the_numbers_of_the_spec(formula: ir.Formula, whole: int, places: int) -> None:
    free = ir.Any_((formula, ir.Not(formula)))
    for text, more in (("9" * whole, "9"), ("0." + "1" * places, "1")):
        assert accepts(free, text)
        assert not accepts(free, text + more)


def test_a_list_of_numbers_is_one_set_however_it_is_written() -> None:
    values = [n * n for n in range(3_000)]
    assert ranges.unite_ranges([point(str(value)) for value in values]) == ranges.points(values)


# -- as Python prints them --


def fits(text: str) -> bool:
    return accepts(ir.TRUE, text, "python")


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**20) + 1, 10**20 - 1))
@example(-0.0)
@example(5e-324)
@example(1.7976931348623157e308)
@example(1e16)
@example(9999999999999998.0)
@example(1e-4)
@example(9.999e-5)
def test_what_is_printed_fits(value: float) -> None:
    assert fits(json.dumps(value))


def test_short_texts_fit_if_and_only_if_they_are_printed() -> None:
    for length in range(1, 6):
        for chars in itertools.product("019-+.e", repeat=length):
            text = "".join(chars)
            assert fits(text) is twin.printed(text), text


def test_no_fitting_text_is_infinite() -> None:
    assert fits("1.7976931348623157e+308") and not fits("1.7976931348623158e+308")
    assert not fits("2e+308") and not fits("1e+309")
    assert fits("5e-324") and not fits("4e-324") and not fits("5e-325") and not fits("5.0e-324")


def test_what_no_float_is_has_no_state() -> None:
    between = interval("1.00000000000000000001", "1.00000000000000000002")
    assert NumberPool("python", Limits()).start(ir.Spec((between,)), numbering()) == ir.DEAD


# -- bytes that a vocabulary lacks --


@pytest.mark.parametrize("missing", ["5", "-", ".", "eE", "0", "+", "E", "123456789"])
def test_numerals_without_some_characters_are_those_that_never_have_them(missing: str) -> None:
    for formula in (ir.TRUE, interval("-3", "41"), ir.Multiple(Decimal("0.5")), INTEGER):
        spec = ir.Spec((formula,))
        whole, lacking = (
            NumberPool("bounded", Limits(), frozenset(some)) for some in (b"", missing.encode())
        )
        first, other = whole.start(spec, numbering()), lacking.start(spec, numbering())
        for text in SHORT + NUMBERS:
            state, mine = walk(whole, first, text), walk(lacking, other, text)
            ends = state >= 0 and int(whole.outcome[state]) >= 0 and not set(text) & set(missing)
            assert (mine >= 0 and int(lacking.outcome[mine]) >= 0) == ends, text
            if mine >= 0:
                assert not set(lacking.shortest_rests(mine)[0].decode()) & set(missing)


# -- shared by grammars --


def test_keys_are_the_same_in_another_process() -> None:
    code = (
        "from decimal import Decimal;from structgen.base.language import ir,number_ranges as ranges\n"
        "from structgen.base.limits import Limits\n"
        "from structgen.automata.numbers.number_pool import NumberPool\n"
        "pool=NumberPool('bounded',Limits())\n"
        "start=pool.start(ir.Spec((ranges.interval(Decimal(1),Decimal('2.5')),)),lambda s:0)\n"
        "print(pool.language_key(start).hex())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    pool = NumberPool("bounded", Limits())
    here = pool.language_key(pool.start(ir.Spec((interval("1", "2.5"),)), numbering())).hex()
    assert other.stdout.strip() == here, other.stderr


def test_states_of_unequal_languages_have_unequal_keys() -> None:
    pool, keys = NumberPool("bounded", Limits()), []
    for formula in (INTEGER, interval("0", "65535"), ir.Multiple(Decimal("0.01"))):
        before, start = pool.count, pool.start(ir.Spec((formula,)), numbering())
        keys += [pool.language_key(state) for state in range(start, start + pool.count - before)]
    assert len(set(keys)) == len(keys)
    assert {len(key) for key in keys} == {16}


def test_outcome_numbers_of_two_grammars_do_not_mix() -> None:
    spec = ir.Spec((ir.Any_((INTEGER, point("0.5"))), interval("0", "10")))
    one, two = NumberPool("bounded", Limits()), NumberPool("bounded", Limits())
    known = {frozenset({0}): 7, frozenset({1}): 5, frozenset({0, 1}): 0}
    first, second = numbering(), known.__getitem__
    start, other = one.start(spec, first), two.start(spec, second)
    for text, met in (("3", {0, 1}), ("3.5", {1}), ("11", {0}), ("-2", {0}), ("0", {0, 1})):
        a, b = walk(one, start, text), walk(two, other, text)
        assert (one.outcome[a], two.outcome[b]) == (first(frozenset(met)), second(frozenset(met)))
        assert one.language_key(a) == two.language_key(b)
        assert one.shortest_rests(a) == two.shortest_rests(b)


def test_equal_numbers_with_another_meaning_have_another_key() -> None:
    one, two = NumberPool("bounded", Limits()), NumberPool("bounded", Limits())
    a = one.start(ir.Spec((ir.TRUE,)), lambda demands: 0)
    b = two.start(ir.Spec((ir.FALSE, ir.TRUE)), lambda demands: 0)
    assert one.language_key(a) != two.language_key(b)
    assert (one.shortest_rests(a), two.shortest_rests(b)) == ({0: b"0"}, {1: b"0"})


def test_threads_that_ask_at_once_get_what_one_gets() -> None:
    specs = [
        ir.Spec((ir.All((ir.Multiple(Decimal("0.03")), interval(f"-{n}.5", "1234.5"))), INTEGER))
        for n in range(40)
    ]
    rng = random.Random(3)
    texts = [str(Decimal(rng.randint(-200, 130000)) / 100) for _ in range(100)]

    def outcomes(shift: int) -> list[list[int]]:
        pool, found = NumberPool("bounded", Limits(number_chars=4_095)), [[0]] * len(specs)
        for at in range(len(specs)):
            which = (at + shift) % len(specs)
            start = pool.start(specs[which], numbering())
            ends = [walk(pool, start, text) for text in texts]
            found[which] = [int(pool.outcome[end]) if end >= 0 else -1 for end in ends]
        return found

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(outcomes, range(0, 40, 5)))
    assert found == [outcomes(0)] * 8


# -- limits --


def test_a_limit_counts_what_the_grammar_itself_asked_for() -> None:
    spec = ir.Spec((ir.All((INTEGER, interval("3", "87654"))),))
    assert NumberPool("bounded", Limits()).start(spec, numbering()) >= 0
    pool = NumberPool("bounded", Limits(automaton_states=50))
    with pytest.raises(LimitError) as caught:
        for number in range(20):
            pool.start(ir.Spec((interval("3", str(number)),)), numbering())
    assert caught.value.limit == "automaton_states"


@pytest.mark.parametrize("numbers", POLICIES)
def test_far_bounds_and_long_lists_are_answered(numbers: str) -> None:
    pool = NumberPool(numbers, Limits())
    for formula in (
        ir.Multiple(Decimal("1e-300")),
        ir.Multiple(Decimal("1e300")),
        interval("1e400", None),
        ranges.points(frozenset(range(0, 30_000, 7))),
        ir.Not(ranges.points(frozenset(range(0, 30_000, 7)))),
    ):
        state = pool.start(ir.Spec((formula,)), numbering())
        assert state >= 0
        assert pool.shortest_rests(state)


@pytest.mark.parametrize("numbers", POLICIES)
def test_a_multiple_between_bounds_of_four_thousand_digits_is_found(numbers: str) -> None:
    low = 7 * 10**3999 + 3
    within = interval(str(low), str(low + 976))
    pool = NumberPool(numbers, Limits(number_chars=4_096))
    state = pool.start(ir.Spec((ir.All((within, ir.Multiple(Decimal(977)))),)), numbering())
    with localcontext() as exact:
        exact.prec = 5_000
        assert Decimal(pool.shortest_rests(state)[0].decode()) == Decimal(low + -low % 977)


@pytest.mark.parametrize(
    "formula",
    [
        ir.Not(ir.Multiple(Decimal("0.30000000000000004"))),
        ir.All((ir.Multiple(Decimal("7" * 17)), interval("1e30", None))),
        ir.All(tuple(ir.Multiple(Decimal(n)) for n in (7, 11, 13, 17, 19, 23, 29))),
        ranges.points(frozenset(range(10**17, 9 * 10**17, 72_727_272_727_279))),
    ],
    ids=["denied", "far", "seven-divisors", "long-list"],
)
def test_an_automaton_of_too_many_states_is_refused_by_name(formula: ir.Formula) -> None:
    with pytest.raises(LimitError, match="Use fewer digits in multipleOf") as caught:
        NumberPool("bounded", Limits(automaton_states=10_000)).start(ir.Spec((formula,)), numbering())
    assert caught.value.limit == "automaton_states"


@for_each("numbers", ALL)
@for_each("far", ["1e5000", "1e5000000000000", "-3e-5000000000000", "7e123456789012345678"])
def test_a_number_of_too_many_digits_is_past_a_limit(numbers: str, far: str) -> None:
    pool = NumberPool(numbers, Limits())
    for atom in (point(far), ir.Not(point(far)), ir.Multiple(Decimal(far).copy_abs())):
        with pytest.raises(LimitError) as caught:
            pool.start(ir.Spec((atom,)), numbering())
        assert caught.value.limit == "number_chars"


def test_a_bound_that_no_numeral_passes_asks_nothing() -> None:
    double = interval("-1.7976931348623157e308", "1e5000")
    assert accepts(double, "1.5e-12") and accepts(double, "-1e287")
    assert accepts(ir.All((double, interval("2", None))), "3") and not accepts(double, "1e288")


def test_a_listed_number_of_too_many_digits_is_never_written() -> None:
    some = ranges.points(frozenset((Decimal("1e9999999"), 3, 12)))
    for policy in ALL:
        assert accepts(some, "12", policy) and not accepts(some, "13", policy)


@pytest.mark.parametrize("by", ["0.30000000000000004", "123456.7"])
def test_of_a_divisor_of_many_remainders_the_nearest_multiples_are_written(by: str) -> None:
    with localcontext() as exact:
        exact.prec = 300
        of = Decimal(by)
        for count, wanted in ((0, True), (1, True), (-7, True), (1_000, True), (1_001, False)):
            assert accepts(ir.Multiple(of), format(of * count, "f")) is wanted
        assert not accepts(ir.Multiple(of), format(of + 1, "f"))


def test_a_formula_of_any_depth_is_read() -> None:
    deep: ir.Formula = interval("3", None)
    for _ in range(5_001):
        deep = ir.Not(deep)
    assert accepts(deep, "2") and not accepts(deep, "3")


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(OptionError, match="numbers"):
        sg.json_schema({}, numbers="loose")


def test_large_divisors_leave_fewer_digits_or_digits_that_are_not_counted() -> None:
    assert accepts(ir.Multiple(Decimal(65_521)), str(65_521 * 3**40))
    many = ir.All(tuple(ir.Multiple(Decimal(n)) for n in ("2.4", "0.3", "0.5", "0.7", "0.8", "1.1")))
    for text, wanted in (("924", True), ("92.4", False), ("-924.0", True), ("925", False), ("0", True)):
        assert accepts(many, text) is wanted

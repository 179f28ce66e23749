"""How a policy lets numerals be written: with how many digits, and with which of point and exponent.

What comes in: the formulas of a specification and the name of a policy. What goes out: the formulas that
numerals must meet under it, and a `Writing`. `number_pool` says what each policy allows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import chain, pairwise
from sys import float_info
from typing import NamedTuple, TypeAlias, TypeVar, cast

from structgen.automata.numbers.value_automata import INTEGER, MOST_PLACES, decimal_magnitude
from structgen.base.errors import LimitError
from structgen.base.language import ir
from structgen.base.language.number_ranges import Number, Ranges, points
from structgen.base.limits import Limits

DIGITS = 20
"""Digits before the point, and after it, of which no number of the schema needs more."""
_FEWER = (6, 4)
"""Digits in their place, in turn, where the automaton is too large."""
_FARTHEST = Decimal("9" * DIGITS + "e287")
"""The largest number that a numeral of DIGITS digits with an exponent writes (`numeral_forms`)."""
_FAR_FROM_LARGEST = 300
"""The power of ten of numbers below which no numeral has as many digits."""
_SHORT_DIVISOR, _LISTED = 5, 1_000
"""The most digits of a divisor whose multiples are never listed; and how many are listed, of each sign."""
_NEAR_EXPONENTS = ir.Pattern(
    r"^-?(?:\d+(?:\.\d+)?|0(?:\.0+)?[eE][+-]?\d+"
    rf"|\d+(?:\.\d{{1,{MOST_PLACES}}}0*)?[eE](?:\+?\d+|-0*(?:\d|1\d|{MOST_PLACES})))$"
)
"""Numerals of which an automaton tells whether they are integers (`value_automata`)."""
UNBOUNDED = -1
"""Any number of digits."""

T = TypeVar("T")
_ATOMS = (Ranges, ir.Multiple, ir.PlainInteger)
_Atoms: TypeAlias = list[ir.NumberAtom]
_Joiner: TypeAlias = Callable[[ir.Formula, _Atoms, list[T]], T]


class Writing(NamedTuple):
    """How numerals are written."""

    policy: str
    whole: int
    """The most digits before the point, or UNBOUNDED."""
    fraction: int
    """The most digits behind it, or UNBOUNDED; 0: there is no point."""
    exponent: bool
    """Whether there may be an exponent."""
    beside: ir.Formula = ir.TRUE
    """A formula that numerals meet as texts, too."""


# -- formulas --


def number_atoms(formulas: Iterable[ir.Formula]) -> _Atoms:
    """Return the atoms of some formulas, as they are written, repeats included."""
    atoms: _Atoms = []
    stack = [formulas]
    while stack:
        for part in stack.pop():
            if isinstance(part, _ATOMS):
                atoms.append(part)
            else:
                stack.append(_parts_of(part))
    return atoms


def _parts_of(formula: ir.Formula) -> ir.Formulas:
    """Return the parts of a connective. Errors: ValueError for an atom of strings."""
    if isinstance(formula, (ir.All, ir.Any_)):
        return formula.of
    if isinstance(formula, ir.Not):
        return (formula.of,)
    raise ValueError(f"{type(formula).__name__} does not describe numbers")


def fold_formula(root: ir.Formula, join_parts: _Joiner[T]) -> T:
    """Return the value of a formula: `join_parts` makes it of a connective, its atoms, and the values of its
    other parts."""
    # Without recursion: formulas may be deep. A connective comes a second time, when its parts are done.
    done: list[T] = []
    connective = ir.All((root,)) if isinstance(root, _ATOMS) else root
    stack = [(connective, False)]
    while stack:
        formula, ready = stack.pop()
        parts = _parts_of(formula)
        inner = [part for part in parts if not isinstance(part, _ATOMS)]
        if inner and not ready:
            stack.append((formula, True))
            stack.extend([(part, False) for part in reversed(inner)])
            continue
        start = len(done) - len(inner)
        # mostly all parts are atoms: then no list is made
        own_atoms = [part for part in parts if isinstance(part, _ATOMS)] if inner else parts
        atoms = cast("_Atoms", own_atoms)
        done[start:] = [join_parts(formula, atoms, done[start:])]
    return done[0]


def _with_atoms(root: ir.Formula, change_atom: Callable[[ir.NumberAtom], ir.NumberAtom]) -> ir.Formula:
    """Return a formula with what `change_atom` makes of each atom in its place."""

    def join_parts(formula: ir.Formula, atoms: _Atoms, parts: list[ir.Formula]) -> ir.Formula:
        members: list[ir.Formula] = [*map(change_atom, atoms), *parts]
        if isinstance(formula, ir.Not):
            return ir.Not(members[0])
        if isinstance(formula, ir.All):
            return ir.All(tuple(members))
        return ir.Any_(tuple(members))

    return fold_formula(root, join_parts)


def only_integers(root: ir.Formula) -> bool:
    """Return whether a formula's parts show that only integers meet it: one of a conjunction, all of a
    disjunction."""

    def join_parts(formula: ir.Formula, atoms: _Atoms, parts: list[bool]) -> bool:
        if isinstance(formula, ir.Not):
            return False
        answers = chain(parts, map(_is_integer, atoms))
        if isinstance(formula, ir.All):
            return any(answers)
        return all(answers)

    return fold_formula(root, join_parts)


def _is_integer(atom: ir.NumberAtom) -> bool:
    """Return whether only integers meet an atom."""
    if isinstance(atom, Ranges):
        listed_numbers = atom.finite_numbers()
        if listed_numbers is None:
            return False
        return all(
            type(value) is int or value == Decimal(value).to_integral_value() for value in listed_numbers
        )
    return isinstance(atom, ir.PlainInteger) or atom.of == atom.of.to_integral_value()


def with_listed_multiples(formulas: ir.Formulas) -> ir.Formulas | None:
    """Return formulas in which divisors of many remainders are lists of their multiples next to zero: fewer
    numbers meet them, and none that does not meet the formulas. None where a formula has a negation."""
    if any(map(_has_negation, formulas)):
        return None
    return tuple([_with_atoms(formula, _list_multiples) for formula in formulas])


def _list_multiples(atom: ir.NumberAtom) -> ir.NumberAtom:
    """Return a list of the first multiples in place of a divisor of many digits; other atoms stay."""
    if not isinstance(atom, ir.Multiple):
        return atom
    power, digits = decimal_magnitude(atom.of)
    if len(digits) <= _SHORT_DIVISOR:
        return atom
    places = power + 1 - len(digits)
    core = int(Decimal(digits))
    multiples: list[Number] = []
    for count in range(_LISTED + 1):
        # A Decimal of digits is exact, whatever the precision of the context is.
        multiple_digits = tuple(map(int, str(count * core)))
        multiples += [Decimal((sign, multiple_digits, places)) for sign in (0, 1)]
    return points(multiples)


# -- what a policy asks --


def writings_under_policy(spec: ir.Spec, policy: str, limits: Limits) -> tuple[ir.Formulas, list[Writing]]:
    """Return the formulas of numerals under a policy, and their writings: the first way counts whose
    automaton is not too large.

    There are DIGITS digits before the point and behind it, or one more than the longest number has that the
    specification names: so a number beside it can be written, too. Raises LimitError (number_chars) where
    that number has too many digits.
    """
    formulas_in_reach = [_within_reach(formula, policy, limits) for formula in spec.formulas]
    spec = ir.Spec(tuple(formulas_in_reach))
    atoms = number_atoms(spec.formulas)
    whole, fraction = _count_digits(_numbers_in_atoms(atoms), limits)
    exponent = policy != "plain" and all(_bears_exponent(atom, policy) for atom in atoms)
    counted_writings = [
        Writing(policy, max(min_digits, whole), max(min_digits, fraction), exponent)
        for min_digits in (DIGITS, *_FEWER)
    ]
    if policy == "any":
        beside = _NEAR_EXPONENTS if exponent and INTEGER in atoms else ir.TRUE
        return spec.formulas, [Writing(policy, UNBOUNDED, UNBOUNDED, exponent, beside)]
    if policy not in ("bounded", "decimal"):
        return spec.formulas, counted_writings
    integers = list(map(only_integers, spec.formulas))
    if all(integers):
        # Digits alone: a bounded number of them first, any number where that needs too many states.
        most_digits = counted_writings[0].whole
        return spec.formulas, [Writing(policy, count, 0, False) for count in (most_digits, UNBOUNDED)]
    # Where only integers meet one demand, that demand takes no point, and the others do.
    formulas = tuple(
        ir.All((formula, ir.PlainInteger())) if is_integer else formula
        for formula, is_integer in zip(spec.formulas, integers, strict=True)
    )
    return formulas, counted_writings


def _within_reach(root: ir.Formula, policy: str, limits: Limits) -> ir.Formula:
    """Return a formula that the same numerals meet. An end of a range is left out where no numeral passes it
    (that of a double, beside small numbers). Where nothing is denied, listed numbers of too many digits are
    left out, too, if others remain."""
    atoms = number_atoms((root,))
    denies = _has_negation(root)
    farthest = Decimal(float_info.max) if policy == "python" else _FARTHEST
    near_atoms: _Atoms = [
        _without_far_ends(atom, farthest) if isinstance(atom, Ranges) else atom for atom in atoms
    ]
    named_numbers = _numbers_in_atoms(near_atoms)
    keeps_ends = policy == "any" or any(
        value.adjusted() >= _FAR_FROM_LARGEST for value in named_numbers if value
    )

    def reachable_atom(atom: ir.NumberAtom) -> ir.NumberAtom:
        """Return an atom that the same numerals meet, without ends and numbers that none of them reaches."""
        if not isinstance(atom, Ranges):
            return atom
        # Under a negation fewer listed numbers would let more numerals in.
        listed_numbers = None if denies else atom.finite_numbers()
        if listed_numbers is not None:
            short_numbers = [
                value for value in listed_numbers if max(_digit_counts(Decimal(value))) <= limits.number_chars
            ]
            return points(short_numbers) if short_numbers else atom
        return atom if keeps_ends else _without_far_ends(atom, farthest)

    return _with_atoms(root, reachable_atom)


def _without_far_ends(of: Ranges, farthest: Decimal) -> Ranges:
    """Return ranges without ends that no numeral passes, since it is at most `farthest`; a single number
    stays."""
    cuts = of.cuts
    below = of.from_below
    alone = {value for (value, _), (next_value, _) in pairwise(cuts) if value == next_value}
    # `copy_negate`: unary minus would round to the precision of the context.
    lowest_cut = (farthest.copy_negate(), False)
    if cuts and not below and cuts[0][0] not in alone and cuts[0] <= lowest_cut:
        cuts = cuts[1:]
        below = True
    # An end from below and an odd number of cuts, or neither: the numbers above all cuts are outside.
    is_outside_above = below == bool(len(cuts) & 1)
    if cuts and is_outside_above and cuts[-1][0] not in alone and cuts[-1] >= (farthest, True):
        cuts = cuts[:-1]
    return Ranges(cuts, below)


def _has_negation(root: ir.Formula) -> bool:
    """Return whether a formula has a negation."""

    def join_parts(formula: ir.Formula, atoms: _Atoms, parts: list[bool]) -> bool:
        return isinstance(formula, ir.Not) or any(parts)

    return fold_formula(root, join_parts)


def _digit_counts(value: Decimal) -> tuple[int, int]:
    """Return how many digits a number has before the point and behind it."""
    power, digits = decimal_magnitude(value)
    whole_digits = max(power + 1, 1)
    fraction_digits = max(len(digits) - 1 - power, 0)
    return whole_digits, fraction_digits


def _numbers_in_atoms(atoms: _Atoms) -> list[Decimal]:
    """Return the numbers that atoms name, each once."""
    numbers: dict[Decimal, None] = {}
    for atom in atoms:
        if isinstance(atom, Ranges):
            values = [Decimal(value) for value, _ in atom.cuts]
            numbers.update(dict.fromkeys(values))
        elif isinstance(atom, ir.Multiple):
            numbers[atom.of] = None
    return list(numbers)


def _count_digits(values: list[Decimal], limits: Limits) -> tuple[int, int]:
    """Return how many digits numerals have at least before the point and behind it, so that some beside the
    values can be written."""
    whole = fraction = 1
    for value in values:
        whole_digits, fraction_digits = _digit_counts(value)
        digit_count = max(whole_digits, fraction_digits)
        if value and digit_count > limits.number_chars:
            raise LimitError(
                f"A number of the schema has {digit_count:,} digits when written out.",
                limit="number_chars",
            )
        # one more: so a number beside the value can be written
        whole = max(whole, whole_digits + 1)
        fraction = max(fraction, fraction_digits + 1)
    most_digits = max(DIGITS, limits.number_chars)
    return min(whole, most_digits), min(fraction, most_digits)


def _bears_exponent(atom: ir.NumberAtom, policy: str) -> bool:
    """Return whether it is known of numerals with an exponent if they meet an atom: the mantissa tells, or
    Python prints each number in one way."""
    if isinstance(atom, Ranges):
        values = Counter(value for value, _ in atom.cuts if value)
        # Two cuts at each value: all of them are single numbers, which Python prints in one way.
        has_single_numbers_alone = bool(values) and min(values.values()) > 1
        return not values or (policy == "python" and has_single_numbers_alone)
    return isinstance(atom, ir.PlainInteger) or (policy == "any" and atom == INTEGER)

"""Builds formulas over strings and numbers in simplified form, and answers plain questions about them.

A *formula* describes a set of strings or numbers. An *atom* is the smallest formula: a pattern, a length, a
set of words, ranges of numbers. `All`, `Any_` and `Not` combine formulas. For example `minLength: 2` with
`pattern: "^a"` is `All((Length(2, None), Pattern("^a")))`. *Folded* means simplified while it is built: the
conjunction of two lengths is one length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import Any, TypeAlias

from structgen.base.language.ir import (
    FALSE,
    TRUE,
    All,
    Any_,
    Format,
    Formula,
    Formulas,
    Length,
    Multiple,
    Not,
    Pattern,
    PlainInteger,
    Words,
    atoms,
    conjuncts,
)
from structgen.base.language.number_ranges import Cut, Ranges, intersect_ranges, interval, unite_ranges
from structgen.schema.meaning import simple_patterns

EXACT_EXPONENT = 5_000
"""The greatest exponent for exact arithmetic on decimals; beyond it the number automata are asked."""
LISTED = 1_000
"""The most members of a finite set that are tested one by one. Each costs some 20 us where automata are
asked."""
FEW_DIGITS = 12
"""The most digits of bounds and divisors for quick answers. The multiples next to such bounds can be written
under every policy, and are different doubles."""
_FEW_REMAINDERS = 4
"""The most digits of a divisor that surely has an automaton."""


def has_few_digits(ends: Iterable[Decimal | None], divisor: Decimal | None) -> bool:
    """Return whether bounds (`ends`) and a divisor have few digits. Numbers that meet them can then be
    written under every policy. For other bounds the automata are asked, and they refuse those that are too
    large."""
    if divisor is not None and len(divisor.normalize().as_tuple().digits) > _FEW_REMAINDERS:
        return False
    for value in (*ends, divisor):
        if not value:
            continue
        if abs(value.adjusted()) > FEW_DIGITS or len(value.as_tuple().digits) > FEW_DIGITS:
            return False
    return True


def negation(formula: Formula) -> Formula:
    """Return the complement of a formula. It is simplified for a constant, a complement, or a set of
    numbers."""
    if isinstance(formula, Not):
        return formula.of
    if isinstance(formula, Ranges):
        return formula.complement()
    if formula == TRUE:
        return FALSE
    if formula == FALSE:
        return TRUE
    # "not (not A or B)" becomes "A and not B": lengths are then intersected, and contradictions found
    if isinstance(formula, Any_) and any(isinstance(part, Not) for part in formula.of):
        return conjunction([negation(part) for part in formula.of])
    if isinstance(formula, All) and any(isinstance(part, Not) for part in formula.of):
        return disjunction([negation(part) for part in formula.of])
    return Not(formula)


def disjunction(formulas: Iterable[Formula]) -> Formula:
    """Return the union of formulas, simplified. Sets of words become one, and so do ranges of numbers whose
    other conjuncts are equal. Duplicates and constants are dropped. Linear, but for the cuts of ranges."""
    # Dictionaries keep the order of the parts: equal unions are equal formulas, and share an automaton.
    parts: dict[Formula, None] = {}
    words: list[frozenset[str]] = []
    ranges: dict[Formulas, list[Ranges]] = {}
    for formula in formulas:
        if formula == TRUE:
            return TRUE
        for part in formula.of if isinstance(formula, Any_) else (formula,):
            if isinstance(part, Words):
                words.append(part.of)
                continue
            range_atoms = [atom for atom in conjuncts(part) if isinstance(atom, Ranges)]
            if range_atoms:
                other_atoms = tuple([atom for atom in conjuncts(part) if not isinstance(atom, Ranges)])
                ranges.setdefault(other_atoms, []).append(intersect_ranges(range_atoms))
            else:
                parts[part] = None
    if words:
        # A single set is not copied: it may have a million words.
        all_words = words[0] if len(words) == 1 else frozenset().union(*words)
        parts[Words(all_words)] = None
    for common_parts, sets in ranges.items():
        parts[conjunction((*common_parts, unite_ranges(sets)))] = None
    if TRUE in parts:
        return TRUE
    if len(parts) == 1:
        return next(iter(parts))
    return Any_(tuple(parts))


def numbers_of(values: Sequence[Any]) -> frozenset[int | Decimal]:
    """Return the numbers among JSON values; integers of 60 bits and more become decimals."""
    # By class and not `isinstance`: True is an int, and no number of JSON.
    numbers: list[Any] = []
    for value in values:
        if type(value) is Decimal:
            numbers.append(value)
        elif type(value) is int:
            numbers.append(Decimal(value) if value.bit_length() > 59 else value)
    return frozenset(numbers)


def is_multiple(value: Decimal, of: Decimal) -> bool:
    """Return whether a number is an integer times another; exact at any exponent."""
    if not value:
        return True
    _, value_digits, value_exponent = value.as_tuple()
    _, of_digits, of_exponent = of.as_tuple()
    assert isinstance(value_exponent, int) and isinstance(of_exponent, int)
    # Integers of the digits, without the exponents: value / of is numerator / divisor * 10**shift.
    numerator = int("".join(map(str, value_digits)))
    divisor = int("".join(map(str, of_digits)))
    shift = value_exponent - of_exponent
    if shift >= 0:
        # A power modulo the divisor: 10**shift itself may have a billion digits.
        return bool(numerator * pow(10, shift, divisor) % divisor == 0)
    if -shift > len(value_digits):
        return False
    return bool(numerator % (divisor * 10**-shift) == 0)


def evaluate_formula(formula: Formula, leaf: Callable[[Formula], bool]) -> bool:
    """Return the truth of a formula, where `leaf` gives the truth of an atom.

    It asks only for the atoms that it needs: an `All` ends at its first false part. It keeps its own stack,
    since formulas nest deeper than Python's stack.
    """
    if not isinstance(formula, (Not, All, Any_)):
        return leaf(formula)
    # The formulas around the present one, each with the index of its part that is being evaluated.
    parents: list[tuple[Not | All | Any_, int]] = []
    while True:
        if not isinstance(formula, (Not, All, Any_)):
            value = leaf(formula)
        elif isinstance(formula, Not) or formula.of:
            parents.append((formula, 0))
            formula = formula.of if isinstance(formula, Not) else formula.of[0]
            continue
        else:
            # An empty conjunction is true, an empty disjunction false.
            value = isinstance(formula, All)
        while parents:
            parent, index = parents.pop()
            if isinstance(parent, Not):
                value = not value
            # True goes on in a conjunction, and false in a disjunction; else the parent has its value.
            elif value is isinstance(parent, All) and index + 1 < len(parent.of):
                parents.append((parent, index + 1))
                formula = parent.of[index + 1]
                break
        else:
            return value


def number_meets(formula: Formula, value: Decimal) -> bool:
    """Return whether a number, written as plainly as its value allows, meets a formula; exact."""

    def meets_atom(atom: Formula) -> bool:
        match atom:
            case Ranges():
                return value in atom
            case Multiple(step):
                return is_multiple(value, step)
            case PlainInteger():
                return is_multiple(value, Decimal(1))
        raise AssertionError(atom)

    return evaluate_formula(formula, meets_atom)


def conjunction(formulas: Iterable[Formula]) -> Formula:
    """Return the intersection of formulas, simplified: ranges and lengths are intersected, constants dropped,
    and plain contradictions become FALSE.

    Words are not filtered here (`Scalars.narrow_formulas` does that, for it may have to ask the automata).
    """
    parts: dict[Formula, None] = {}
    ranges: list[Ranges] = []
    words: frozenset[str] | None = None
    length: Length | None = None
    stack = list(formulas)
    stack.reverse()
    while stack:
        formula = stack.pop()
        if isinstance(formula, All):
            stack.extend(reversed(formula.of))
        elif isinstance(formula, Ranges):
            ranges.append(formula)
        elif isinstance(formula, Words):
            words = formula.of if words is None else words & formula.of
            if not words:
                return FALSE
        elif isinstance(formula, Length):
            if length is not None:
                max_length = formula.maximum if length.maximum is None else length.maximum
                if formula.maximum is not None and max_length is not None:
                    max_length = min(max_length, formula.maximum)
                formula = Length(max(length.minimum, formula.minimum), max_length)
            if formula.maximum is not None and formula.minimum > formula.maximum:
                return FALSE
            length = formula
        elif formula == FALSE:
            return FALSE
        else:
            parts[formula] = None
    if any(map(_denies_ranges, parts)):
        ranges += _take_denied_ranges(parts)
    if ranges:
        intersection = intersect_ranges(ranges)
        # Without cuts the set is empty, or all numbers where it begins from below.
        if not intersection.cuts and not intersection.from_below:
            return FALSE
        if intersection.cuts:
            parts[intersection] = None
    if length is not None:
        parts[length] = None
    if words is not None:
        parts[Words(words)] = None
    for formula in parts:
        if isinstance(formula, Not) and formula.of in parts:
            return FALSE
    if len(parts) == 1:
        return next(iter(parts))
    if parts:
        return All(tuple(parts))
    return TRUE


def _denies_ranges(formula: Formula) -> bool:
    if not isinstance(formula, Not):
        return False
    return any(isinstance(atom, Ranges) for atom in conjuncts(formula.of))


def _take_denied_ranges(conjunct_parts: dict[Formula, None]) -> list[Ranges]:
    """Take negated ranges out of the parts of a conjunction, and return the ranges of numbers that they
    leave.

    A negation of ranges alone leaves its complement, which is returned. A negation of ranges and other parts
    stays a part; negations with equal other parts are joined first.
    """
    negations = list(filter(_denies_ranges, conjunct_parts))
    for part in negations:
        del conjunct_parts[part]
    denied_conjunctions: list[Formula] = []
    for part in negations:
        if isinstance(part, Not):
            # Conjuncts that hold in any case need not be denied.
            open_parts = [atom for atom in conjuncts(part.of) if atom not in conjunct_parts]
            denied_conjunctions.append(All(tuple(open_parts)))
    union = disjunction(denied_conjunctions)
    remaining: list[Ranges] = []
    for part in union.of if isinstance(union, Any_) else (union,):
        if isinstance(part, Ranges):
            remaining.append(part.complement())
        else:
            conjunct_parts[Not(part)] = None
    return remaining


def are_disjoint(a: Formula, b: Formula) -> bool:
    """Return whether two formulas are disjoint for a cheap reason. False: unknown."""
    return is_empty(conjunction((a, b)))


def is_empty(formula: Formula) -> bool:
    """Return whether nothing meets a formula, for a reason that needs no automaton. False: unknown.

    Cost: the parts of a conjunction, for each part that is a complement.
    """
    if isinstance(formula, Any_):
        return all(map(is_empty, formula.of))
    if formula == FALSE or not isinstance(formula, All):
        return formula == FALSE
    parts = formula.of
    has_numbers = any(isinstance(part, (Ranges, Multiple)) for part in parts)
    if has_numbers and quick_number(formula) is False:
        return True
    # A conjunction has at most one part each of ranges, lengths and words: it was simplified when built.
    prefixes = [simple_patterns.literal_prefix(part.source) for part in parts if isinstance(part, Pattern)]
    known_prefixes = sorted((prefix for prefix in prefixes if prefix), key=len)
    # All must be prefixes of one string: each is one of the next longer.
    if any(not longer.startswith(shorter) for shorter, longer in pairwise(known_prefixes)):
        return True
    positive = [part for part in parts if not isinstance(part, Not)]
    return any(isinstance(part, Not) and _surely_implies(positive, part.of) for part in parts)


def _surely_implies(parts: Sequence[Formula], target: Formula) -> bool:
    """Return whether a conjunction implies a formula for a cheap reason."""
    if target in parts:
        return True
    match target:
        case All(of):
            return all(_surely_implies(parts, part) for part in of)
        case Any_(of):
            return any(_surely_implies(parts, part) for part in of)
        case Ranges() | Length():
            # A part implies the target if the target takes nothing from it.
            same_kind = (part for part in parts if type(part) is type(target))
            return any(conjunction((part, target)) == part for part in same_kind)
        case Words(of):
            return any(isinstance(part, Words) and part.of <= of for part in parts)
        case Not(of):
            return any(are_disjoint(part, of) for part in parts)
    return False


Span: TypeAlias = tuple[tuple[Any, ...], tuple[Any, ...]]
"""The first and the last value of a set, as sort keys. All values are ordered by kind, then by value."""
ALL: Span = (0,), (64,)  # the kinds are bits from 1 to 32


def spans_of(formula: Formula, kind: int) -> list[Span]:
    """Return spans outside of which no value meets a formula of strings or numbers."""
    first: tuple[Any, ...] = (kind,)
    last: tuple[Any, ...] = (kind + 1,)
    for part in conjuncts(formula):
        match part:
            case Words(of):
                return [((kind, word), (kind, word)) for word in of]
            case Ranges():
                spans: list[Span] = []
                for low, high in part.ends():
                    begin = (kind, low[0]) if low else first
                    end = (kind, high[0]) if high else last
                    spans.append((begin, end))
                return spans
            case Pattern(source) if prefix := simple_patterns.literal_prefix(source):
                # Texts with a prefix come before the prefix whose last character is the next one.
                next_character = chr(ord(prefix[-1]) + 1)
                first = (kind, prefix)
                last = (kind, prefix[:-1] + next_character)
    return [(first, last)]


BranchPair: TypeAlias = tuple[int, int]
"""The numbers of two branches, the smaller one first."""


def neighbour_pairs(spans: Sequence[Iterable[Span]]) -> Iterator[BranchPair]:
    """Yield the pairs i < j of which some spans overlap, each once, in no order.

    Cost: n log n, and the pairs of spans that overlap.
    """
    found_pairs: set[BranchPair] = set()
    # A sweep over the spans in the order of their first values; spans that have not ended are active.
    active: list[tuple[tuple[Any, ...], int]] = []
    in_order = sorted((*span, index) for index, row in enumerate(spans) for span in row)
    for low, high, index in in_order:
        active = [(end, neighbour) for end, neighbour in active if end >= low]
        for _, neighbour in active:
            pair = (neighbour, index) if neighbour < index else (index, neighbour)
            if neighbour != index and pair not in found_pairs:
                found_pairs.add(pair)
                yield pair
        active.append((high, index))


def overlapping_pairs(
    pairs: Iterable[BranchPair],
    are_apart: Callable[[int, int], bool],
    max_compared: int,
    max_pairs: int,
) -> list[BranchPair] | None:
    """Return the pairs of branches that may hold at once; the others exclude each other.

    `pairs` are the candidates, for example `[(0, 1), (0, 2)]`, and `are_apart` says whether two branches
    exclude each other. None: more than `max_compared` pairs would have to be compared, or more than
    `max_pairs` may hold at once.
    """
    kept_pairs: list[BranchPair] = []
    for count, pair in enumerate(pairs):
        if count >= max_compared or len(kept_pairs) > max_pairs:
            return None
        if not are_apart(*pair):
            kept_pairs.append(pair)
    return kept_pairs


def branch_exclusions(
    branches: Iterable[int], pairs: Iterable[BranchPair]
) -> Iterator[tuple[int, list[int]]]:
    """Yield each branch of a `oneOf` with the branches that must fail where it alone holds.

    `pairs` are the branches that may hold at once: of `[0, 1, 2]` and `[(0, 2)]` come `(0, [2])`, `(1, [])`
    and `(2, [0])`.
    """
    rows: dict[int, list[int]] = {}
    for a, b in pairs:
        rows.setdefault(a, []).append(b)
        rows.setdefault(b, []).append(a)
    for branch in branches:
        yield branch, sorted(rows.get(branch, ()))


def is_local(formula: Formula) -> bool:
    """Return whether a formula can be decided for a word without patterns and formats."""
    return not any(isinstance(atom, (Pattern, Format)) for atom in atoms(formula))


def quick_string(formula: Formula) -> bool | None:
    """Return whether some string meets a formula, where that is clear at once; else None."""
    part = formula.of if isinstance(formula, Not) else formula
    # Finite sets are never empty, and leave strings out that are not in them.
    if isinstance(part, Words) or isinstance(formula, (Length, Format)):
        return True
    return None


def is_of_values(formula: Formula) -> bool:
    """Return whether a formula depends only on the value of a number, and not on how it is written."""
    return not any(isinstance(atom, PlainInteger) for atom in atoms(formula))


def steps_and_ranges(formula: Formula) -> tuple[list[Decimal], Ranges, bool]:
    """Return the steps of a formula's `Multiple`s, the numbers its `Ranges` hold, and whether it has no other
    parts but `PlainInteger`."""
    parts = conjuncts(formula)
    steps = [part.of for part in parts if isinstance(part, Multiple)]
    ranges = next((part for part in parts if isinstance(part, Ranges)), interval(None, None))
    return steps, ranges, all(isinstance(part, (Multiple, Ranges, PlainInteger)) for part in parts)


def quick_number(formula: Formula) -> bool | None:
    """Return whether some number meets a formula; None where plain arithmetic does not decide it."""
    if isinstance(formula, Any_):
        if any(map(quick_number, formula.of)):
            return True
        return None
    steps, ranges, is_known = steps_and_ranges(formula)
    step = steps[0] if steps else None
    plain = PlainInteger() in conjuncts(formula)  # few digits of an integer stand alone under every policy
    if len(steps) > 1 or (plain and not steps) or not is_known:
        return True if _is_near_an_end(formula) else None
    # False only if all runs of numbers are decided; one without a bound has a multiple in any case.
    answer: bool | None = False
    for low, high in ranges.ends():
        ends = [Decimal(end[0]) for end in (low, high) if end]
        if not has_few_digits(ends, step):
            answer = None
        elif low is None or high is None or step is None or _multiples_between(low, high, step):
            return True
    return answer


def _is_near_an_end(formula: Formula) -> bool:
    """Return whether one of the integers next to the ends of ranges in a formula meets it. False: unknown."""
    range_atoms = (atom for atom in atoms(formula) if isinstance(atom, Ranges))
    ends = (Decimal(end) for atom in range_atoms for end, _ in atom.cuts)
    short_ends = [end.to_integral_value() for end in ends if end.adjusted() < FEW_DIGITS - 1]
    return any(number_meets(formula, end + step) for end in short_ends for step in (-1, 0, 1))


def _multiples_between(low: Cut, high: Cut, step: Decimal) -> bool:
    """Return whether a multiple of `step` lies between two cuts."""
    # Fractions: decimals would round the quotient.
    size = Fraction(step)
    first = ceil(Fraction(low[0]) / size) * size
    last = floor(Fraction(high[0]) / size) * size
    # A cut is a pair: a number, and whether the cut lies after that number.
    if low[1] and first == low[0]:
        first += size
    if not high[1] and last == high[0]:
        last -= size
    return first <= last

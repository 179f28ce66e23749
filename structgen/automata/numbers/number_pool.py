"""Numeral automata: exactly the RFC 8259 numbers whose value meets a formula, written as a policy allows.

Values are exact decimals and compare as values: 1, 1.0 and 1.00 are one number. The policies:

bounded
    Where only integers may stand, digits alone. Elsewhere finite floats: with at most N digits before the
    point and F behind it; and with an exponent of at most 3 digits, up to 287, where no bound but 0, no
    `multipleOf` and no listed number judges the value. N and F are 20, or one more than the longest number
    has that the specification names. Where that needs too many states beside large divisors, digits alone
    may be as many as you like; elsewhere 6 or 4 take the place of 20. Of a divisor of more remainders than
    an automaton has states, only the nearest multiples are written, where nothing is denied.
plain
    No exponent; no minus sign before zero; a value that is an integer has no fraction (so not 1.0); N and F
    as above. A fraction may end in zeros (1.50).
python
    As Python prints numbers (`numeral_forms`), with N digits of an int; an exponent where "bounded" has one.
any
    Any number of digits; and of an exponent, where "bounded" has one.

The automaton of a specification is made whole, at its first use: the form of its numerals, in product with
one automaton for each bound, set and divisor that it names (`value_automata`). After each product the states
go from which no formula can become true. Specifications that were met before are found (`_Numerals`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property, partial
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from structgen.automata.numbers.numeral_automata import (
    COLUMNS,
    FAR,
    MOST_STATES,
    WIDTH,
    NumeralAutomaton,
    product,
    relabelled,
    rest_lengths,
    too_many_states,
    trimmed,
    without_columns,
)
from structgen.automata.numbers.numeral_forms import numeral_form
from structgen.automata.numbers.value_automata import cells, digits_alone, divisibility, membership
from structgen.automata.numbers.written_forms import (
    POLICIES,
    Writing,
    as_written,
    atoms_of,
    folded,
    with_listed_multiples,
    with_sets_joined,
)
from structgen.automata.strings.kernels import Longs
from structgen.errors import LimitError, OptionError
from structgen.language import ir
from structgen.limits import Limits
from structgen.system.fork_locks import STORES, new_lock
from structgen.system.public_calls import THIS_CALL

MOST_KEPT, MOST_SPECS = 1 << 18, 1 << 12
"""Past so many states or specifications, new grammars begin with a new table; old ones keep theirs."""
_IN_BYTE_ORDER = sorted(range(len(COLUMNS)), key=COLUMNS.__getitem__)

Outcome = Callable[[frozenset[int]], int]


class NumberPool:
    """The numeral automata of one compiled grammar. One thread at a time may use it.

    `trans` (int32 [capacity, 16]) holds for each state the next one, or `ir.DEAD`; `outcome` (int32
    [capacity]) the outcome of a numeral that ends in the state, or -1. Both belong to all pools of the
    process that write numbers alike. A call of `start` may replace both by larger arrays; what was read from
    the smaller ones stays true.
    """

    __slots__ = ("_limits", "_numerals", "_started", "made", "outcome", "trans")

    def __init__(self, numbers: str, limits: Limits, missing: frozenset[int] = frozenset()) -> None:
        """`numbers`: the policy; `missing`: bytes of which no numeral consists. Raises OptionError."""
        if numbers not in POLICIES:
            raise OptionError(
                f"numbers={numbers!r} is not a policy.",
                where="numbers",
                cure=f"Use one of {', '.join(POLICIES)}.",
            )
        self._limits = limits
        self._numerals = _shared(numbers, missing & frozenset(COLUMNS), limits)
        self._started: set[int] = set()
        self.trans: npt.NDArray[np.int32] = self._numerals.trans
        self.outcome: npt.NDArray[np.int32] = self._numerals.outcome
        self.made = 0
        """States of the automata that this pool has asked for."""

    @property
    def nbytes(self) -> int:
        """Bytes of these states in the table."""
        return self.made * (WIDTH + 1) * self.trans.itemsize

    def start(self, spec: ir.Spec, outcome: Outcome) -> int:
        """Return the state before the first character, or ir.DEAD where no numeral meets any demand.

        `outcome` numbers a non-empty set of demand indices. Cost: 3 us where some grammar asked the same
        before; else some 200 us, and more for many bounds, digits or remainders. Raises LimitError
        (automaton_states, number_chars).
        """
        state = self._numerals.start(spec, outcome)
        self.trans, self.outcome = self._numerals.trans, self._numerals.outcome
        if state >= 0 and state not in self._started:
            self._started.add(state)
            self.made += len(self._numerals.whole_of(state)[0].automaton.trans)
            if self.made > self._limits.automaton_states:
                raise LimitError(
                    f"The numbers of the grammar need more than {self._limits.automaton_states} states.",
                    limit="automaton_states",
                )
        return state

    def finish(self, state: int) -> ir.Demands:
        """Return for each demand that can still be met the shortest rest of the numeral that meets it.

        Of the shortest it is the smallest in byte order (so "E" rather than "e"). Cost: some microseconds a
        character; remembered.
        """
        whole, at = self._numerals.whole_of(state)
        return whole.finish(at)

    def farthest(self, start: int) -> int:
        """Return how many characters the shortest rest of a numeral has at most, in whichever state that
        follows the start of a specification."""
        return self._numerals.whole_of(start)[0].farthest

    def key(self, state: int) -> bytes:
        """Return 16 bytes that say what may follow and which demands it meets, in any process and grammar."""
        whole, at = self._numerals.whole_of(state)
        return blake2b(b"%b%d" % (whole.digest, at), digest_size=16, person=b"sg-numeral-7").digest()


@dataclass
class _Whole:
    """The automaton of a specification; its labels are sets of demands, of which the empty one says that no
    numeral ends there."""

    automaton: NumeralAutomaton[frozenset[int]]
    starts: dict[tuple[int, ...], int] = field(default_factory=dict)
    """The outcomes of the labels in a grammar -> the start in the table."""
    finishes: dict[int, ir.Demands] = field(default_factory=dict)

    @cached_property
    def digest(self) -> bytes:
        """16 bytes that name the automaton."""
        trans, label, sets = self.automaton
        said = repr([sorted(met) for met in sets]).encode()
        return blake2b(trans.tobytes() + label.tobytes() + said, digest_size=16).digest()

    @cached_property
    def rests(self) -> dict[int, Longs]:
        """By demand: of each state the characters of the shortest rest that meets it, or FAR."""
        demands = sorted(frozenset().union(*self.automaton.labels))
        return {one: rest_lengths(self.automaton, partial(_contains, one)) for one in demands}

    @cached_property
    def farthest(self) -> int:
        """The characters of the longest of the shortest rests."""
        return max(int(least[least < FAR].max()) for least in self.rests.values())

    def finish(self, state: int) -> ir.Demands:
        """As `NumberPool.finish`."""
        found = self.finishes.get(state)
        if found is None:
            found = self.finishes[state] = {
                demand: self._shortest(state, least)
                for demand, least in self.rests.items()
                if least[state] < FAR
            }
        return found

    def _shortest(self, state: int, least: Longs) -> bytes:
        rest = bytearray()
        while least[state]:
            row = self.automaton.trans[state]
            column = next(one for one in _IN_BYTE_ORDER if row[one] >= 0 and least[row[one]] < least[state])
            rest.append(COLUMNS[column])
            state = int(row[column])
        return bytes(rest)


def _contains(demand: int, met: frozenset[int]) -> bool:
    return demand in met


class _Numerals:
    """The table of states of all grammars that write numbers alike. Its rows never change; `trans` and
    `outcome` are replaced by larger arrays, which compiled code of other threads need not notice."""

    def __init__(self, policy: str, missing: frozenset[int], limits: Limits) -> None:
        self.lock = new_lock(STORES)  # taken while a grammar's is held, never while a store's is
        self.trans: npt.NDArray[np.int32] = np.full((1024, WIDTH), ir.DEAD, np.int32)
        self.outcome: npt.NDArray[np.int32] = np.full(1024, -1, np.int32)
        self._policy, self._missing, self._limits = policy, missing, limits
        self._count = 0
        self._wholes: dict[ir.Spec, tuple[_Whole | None, Mapping[Hashable, int]]] = {}
        """With the steps that they took (`public_calls`)."""
        self._firsts: list[int] = []
        self._placed: list[_Whole] = []

    @property
    def full(self) -> bool:
        """Return whether new grammars should begin with a new table."""
        return self._count > MOST_KEPT or len(self._wholes) > MOST_SPECS

    def whole_of(self, state: int) -> tuple[_Whole, int]:
        """Return the automaton to which a state belongs, and its number in it."""
        at = bisect_right(self._firsts, state) - 1
        return self._placed[at], state - self._firsts[at]

    def start(self, spec: ir.Spec, outcome: Outcome) -> int:
        """As `NumberPool.start`."""
        with self.lock:
            whole = self._whole(spec)
            if whole is None:
                return ir.DEAD
            numbers = tuple([outcome(met) if met else -1 for met in whole.automaton.labels])
            found = whole.starts.get(numbers)
            if found is None:
                found = whole.starts[numbers] = self._place(whole, numbers)
            return found

    def _whole(self, spec: ir.Spec) -> _Whole | None:
        try:
            known = self._wholes.get(spec)
        except RecursionError:  # too deep to be compared
            return self._made(spec)
        if known is None:
            known = self._wholes[spec] = THIS_CALL.billed((id(self), spec), lambda: self._made(spec))
        else:
            THIS_CALL.charged(known[1])
        return known[0]

    def _made(self, spec: ir.Spec) -> _Whole | None:
        automaton = _automaton(spec, self._policy, self._missing, self._limits)
        return None if automaton is None else _Whole(automaton)

    def _place(self, whole: _Whole, numbers: tuple[int, ...]) -> int:
        trans, label, _ = whole.automaton
        first, end = self._count, self._count + len(trans)
        if end > len(self.trans):
            size = max(2 * len(self.trans), end)
            self.trans, self.outcome = _longer(self.trans, size), _longer(self.outcome, size)
        self.trans[first:end] = np.where(trans >= 0, trans + first, ir.DEAD)
        self.outcome[first:end] = np.array(numbers, np.int32)[label]
        self._firsts.append(first)
        self._placed.append(whole)
        self._count = end
        return first


_tables: dict[tuple[str, frozenset[int], int], _Numerals] = {}
_lock = new_lock(STORES)


def _shared(policy: str, missing: frozenset[int], limits: Limits) -> _Numerals:
    """Return the table that grammars with this policy and these limits share."""
    asked = policy, missing, limits.number_chars
    with _lock:
        now = _tables.get(asked)
        if now is None or now.full:
            now = _tables[asked] = _Numerals(policy, missing, limits)
    return now


def _longer(array: npt.NDArray[np.int32], size: int) -> npt.NDArray[np.int32]:
    larger = np.full((size, *array.shape[1:]), -1, np.int32)
    larger[: len(array)] = array
    return larger


# -- the automaton of a specification --


def _automaton(
    spec: ir.Spec, policy: str, missing: frozenset[int], limits: Limits
) -> NumeralAutomaton[frozenset[int]] | None:
    """Return the automaton of a specification, whose labels are the demands that a numeral meets; None where
    none meets any."""
    listed_numbers = [len(atom.of) for atom in atoms_of(spec.formulas) if isinstance(atom, ir.Points)]
    if max(listed_numbers, default=0) > MOST_STATES:
        raise too_many_states()  # each listed number ends in a state of its own
    asked, writings = as_written(spec, policy, limits)
    formulas = tuple(map(with_sets_joined, asked))
    for writing in writings:
        with suppress(LimitError):
            return _written(formulas, writing, missing)
    if (listed := with_listed_multiples(formulas)) is not None:
        with suppress(LimitError):
            found = _written(listed, writings[0], missing)
            if found is not None:
                return found
    raise too_many_states()


def _written(
    formulas: tuple[ir.Formula, ...], writing: Writing, missing: frozenset[int]
) -> NumeralAutomaton[frozenset[int]] | None:
    """As `_automaton`, of numerals that are written so."""
    known = () if writing.fraction else (ir.PlainInteger(), ir.Multiple(Decimal(1)))
    form = numeral_form(writing)
    found: NumeralAutomaton[tuple[object, ...] | None] = relabelled(
        without_columns(form, missing) if missing else form, lambda ends: () if ends else None
    )
    names: list[object] = []
    table = _Table(formulas, known, names, found.labels)
    for name, part in _parts(formulas, known, writing.policy == "python"):
        names.append(name)
        both = relabelled(product(found, part), lambda pair: None if pair[0] is None else (*pair[0], pair[1]))
        table = _Table(formulas, known, names, both.labels)
        kept = trimmed(both, table.may_meet)
        if kept is None:
            return None
        found = kept
    return trimmed(relabelled(found, table.met), bool)


def _parts(
    formulas: tuple[ir.Formula, ...], known: Collection[object], printed: bool
) -> Iterator[tuple[object, NumeralAutomaton[Any]]]:
    """Yield the automata that tell whether atoms are met, each with its name: the atom, all lists of numbers,
    or the bounds of all intervals; those first that rule out the most. `printed`: numerals are as Python
    prints them."""
    atoms = [atom for atom in dict.fromkeys(atoms_of(formulas)) if atom not in known]
    bounds: set[Decimal] = set()
    for atom in atoms:
        if isinstance(atom, ir.Interval):
            bounds.update([end for end in (atom.low, atom.high) if end is not None])
        elif _is_of_zero(atom):
            bounds.add(Decimal(0))
    if bounds:
        ascending = tuple(sorted(bounds))
        yield ascending, cells(ascending)
    if ir.PlainInteger() in atoms:
        yield ir.PlainInteger(), digits_alone()
    listed = tuple(atom for atom in atoms if isinstance(atom, ir.Points) and not _is_of_zero(atom))
    if listed:
        trans, label, sets = membership([atom.of for atom in listed], printed)
        yield _Listed(listed, sets), NumeralAutomaton(trans, label, tuple(range(len(sets))))
    for atom in atoms:
        if isinstance(atom, ir.Multiple):
            yield atom, divisibility(atom.of)


def _is_of_zero(atom: ir.NumberAtom) -> bool:
    """Return whether an atom is the set of zero, which is a bound: an exponent leaves it zero."""
    return isinstance(atom, ir.Points) and bool(atom.of) and not any(atom.of)


class _Listed:
    """The lists of numbers of some formulas, as one name of a label's column. A value of the column is the
    number of a set of lists."""

    def __init__(self, atoms: Sequence[ir.Points], sets: Sequence[frozenset[int]]) -> None:
        """`sets`: for each value of the column the places of the lists that hold the number."""
        self._count = len(sets)
        self._holding: dict[ir.Points, list[int]] = {atom: [] for atom in atoms}
        for value, held in enumerate(sets):
            for place in held:
                self._holding[atoms[place]].append(value)

    def hold(self, atom: ir.Points, column: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return for each label whether its number is in a list."""
        among = np.zeros(self._count, np.bool_)
        among[self._holding[atom]] = True
        found: npt.NDArray[np.bool_] = among[column]
        return found


_FALSE, _UNKNOWN, _TRUE = range(3)
_Truths = npt.NDArray[np.int8]
"""Kleene's truth values, of each label one."""


class _Table:
    """The truth of formulas by label: a label says what is known of a value, in the order of some names."""

    def __init__(
        self,
        formulas: tuple[ir.Formula, ...],
        known: Collection[object],
        names: list[object],
        labels: Sequence[tuple[object, ...] | None],
    ) -> None:
        """`known`: the atoms that are true of every value."""
        ends = [label for label in labels if label is not None]
        self._size, self._known = len(ends), known
        # of a vocabulary that writes no numeral there are no labels, and the columns are empty
        self._columns = {
            name: np.array([label[at] for label in ends], np.int64) for at, name in enumerate(names)
        }
        self._bounds = next((name for name in names if isinstance(name, tuple)), ())
        self._places = {bound: at for at, bound in enumerate(self._bounds)}
        self._listed = next((name for name in names if isinstance(name, _Listed)), None)
        truths = [folded(formula, self._joined) for formula in formulas]
        self._row_of = {label: at for at, label in enumerate(ends)}
        self._truths = np.stack(truths, axis=1)
        """[labels, formulas]"""
        self._most: list[int] = self._truths.max(axis=1).tolist()

    def may_meet(self, label: tuple[object, ...] | None) -> bool:
        """Return whether some formula may be true."""
        return label is not None and self._most[self._row_of[label]] > _FALSE

    def met(self, label: tuple[object, ...] | None) -> frozenset[int]:
        """Return the formulas that are true."""
        if label is None:
            return frozenset()
        return frozenset(np.flatnonzero(self._truths[self._row_of[label]] == _TRUE).tolist())

    def _joined(self, formula: ir.Formula, atoms: list[ir.NumberAtom], parts: list[_Truths]) -> _Truths:
        values = [*map(self._of_atom, atoms), *parts]
        if isinstance(formula, ir.Not):
            return _TRUE - values[0]
        if isinstance(formula, ir.Any_):
            return np.max(values, axis=0) if values else self._all(_FALSE)
        return np.min(values, axis=0) if values else self._all(_TRUE)

    def _all(self, truth: int) -> _Truths:
        return np.full(self._size, truth, np.int8)

    def _of_atom(self, atom: ir.NumberAtom) -> _Truths:
        if atom in self._known:
            return self._all(_TRUE)
        if isinstance(atom, ir.Interval) or _is_of_zero(atom):
            cell = self._columns.get(self._bounds)
            if cell is None:
                return self._all(_UNKNOWN if self._asks(atom) else _TRUE)
            return (_TRUE * self._inside(atom, cell)).astype(np.int8)
        if isinstance(atom, ir.Points) and self._listed is not None:
            return (_TRUE * self._listed.hold(atom, self._columns[self._listed])).astype(np.int8)
        if atom not in self._columns:
            return self._all(_UNKNOWN)
        return (_TRUE * self._columns[atom]).astype(np.int8)

    @staticmethod
    def _asks(atom: ir.NumberAtom) -> bool:
        return not isinstance(atom, ir.Interval) or atom.low is not None or atom.high is not None

    def _inside(self, atom: ir.NumberAtom, cell: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return in which cells a value is in an interval, or in the set of zero."""
        if not isinstance(atom, ir.Interval):
            first = last = 2 * self._places[Decimal(0)] + 1
        else:
            first = 0 if atom.low is None else 2 * self._places[atom.low] + 1 + atom.open_low
            last = 2 * len(self._bounds)
            if atom.high is not None:
                last = 2 * self._places[atom.high] + 1 - atom.open_high
        found: npt.NDArray[np.bool_] = (cell >= first) & (cell <= last)
        return found

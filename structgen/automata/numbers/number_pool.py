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

The automaton of a specification is made whole, at its first use: what it says of values and the form of its
numerals are one formula of texts, whose automaton is made as that of any string (`formula_automata`).
Specifications that were met before are found (`_Numerals`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from functools import cached_property, partial
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from structgen.automata.numbers.numeral_automata import (
    COLUMNS,
    MOST_STATES,
    WIDTH,
    rows_of,
    too_many_states,
)
from structgen.automata.numbers.numeral_forms import numeral_form
from structgen.automata.numbers.value_automata import of_atom
from structgen.automata.numbers.written_forms import (
    POLICIES,
    as_written,
    atoms_of,
    with_listed_multiples,
)
from structgen.automata.strings.completions import StringCompletions
from structgen.automata.strings.formula_automata import FormulaReader, SpecAutomaton
from structgen.automata.unicode.partition import PLAIN
from structgen.errors import LimitError, OptionError
from structgen.language import ir
from structgen.language.number_ranges import Ranges
from structgen.limits import Limits
from structgen.system.fork_locks import STORES, new_lock
from structgen.system.public_calls import THIS_CALL

MOST_KEPT, MOST_SPECS = 1 << 18, 1 << 12
"""Past so many states or specifications, new grammars begin with a new table; old ones keep theirs."""
_FEW_DIVISORS = 2
"""So many divisors have few remainders together: their automata are made by themselves, and found again."""
_READER, _OF_PYTHON = (
    FormulaReader(most=MOST_STATES, numbers=partial(of_atom, printed=printed)) for printed in (False, True)
)

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
            self.made += len(self._numerals.whole_of(state)[0].rows)
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


class _Whole:
    """The automaton of a specification; what a numeral of outcome `n` meets is `outcomes[n - 1]`."""

    def __init__(self, made: SpecAutomaton) -> None:
        self.rows, self.accept, self.outcomes = rows_of(made.automaton), made.automaton.accept, made.outcomes
        self.starts: dict[tuple[int, ...], int] = {}
        """The outcomes in a grammar -> the start in the table."""
        self._completions = StringCompletions(made.automaton, made.outcomes, PLAIN)
        self._finishes: dict[int, ir.Demands] = {}

    @cached_property
    def digest(self) -> bytes:
        """16 bytes that name the automaton."""
        said = repr([sorted(met) for met in self.outcomes]).encode()
        return blake2b(self.rows.tobytes() + self.accept.tobytes() + said, digest_size=16).digest()

    @cached_property
    def farthest(self) -> int:
        """The characters of the longest of the shortest rests."""
        return self._completions.farthest()

    def finish(self, state: int) -> ir.Demands:
        """As `NumberPool.finish`."""
        found = self._finishes.get(state)
        if found is None:
            texts = self._completions.of(state)
            found = self._finishes[state] = {demand: text.encode() for demand, text in texts.items()}
        return found


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
            numbers = tuple(map(outcome, whole.outcomes))
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
        made = _automaton(spec, self._policy, self._missing, self._limits)
        return None if made.automaton.is_empty else _Whole(made)

    def _place(self, whole: _Whole, numbers: tuple[int, ...]) -> int:
        rows = whole.rows
        first, end = self._count, self._count + len(rows)
        if end > len(self.trans):
            size = max(2 * len(self.trans), end)
            self.trans, self.outcome = _longer(self.trans, size), _longer(self.outcome, size)
        self.trans[first:end] = np.where(rows >= 0, rows + first, ir.DEAD)
        self.outcome[first:end] = np.array((-1, *numbers), np.int32)[whole.accept]
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


def _automaton(spec: ir.Spec, policy: str, missing: frozenset[int], limits: Limits) -> SpecAutomaton:
    """Return the automaton of a specification with the demands that its numerals meet."""
    cuts = [len(atom.cuts) for atom in atoms_of(spec.formulas) if isinstance(atom, Ranges)]
    if max(cuts, default=0) > 2 * MOST_STATES:
        raise too_many_states()  # each listed number ends in a state of its own
    formulas, writings = as_written(spec, policy, limits)
    ways = [(formulas, writing) for writing in writings]
    if (listed := with_listed_multiples(formulas)) is not None:
        ways.append((listed, writings[0]))
    reader = _OF_PYTHON if policy == "python" else _READER
    kept = "".join(rf"\x{byte:02x}" for byte in COLUMNS if byte not in missing)
    spelled = [ir.Pattern(f"^[{kept}]*$")] if missing else []
    divisors = {atom for atom in atoms_of(formulas) if isinstance(atom, ir.Multiple)}
    narrows = len(divisors) > _FEW_DIVISORS and all(map(_has_near_bounds, formulas))
    for asked, writing in ways:
        form = numeral_form(writing), *spelled
        said = ir.Spec(tuple([ir.All((*_conjuncts(formula), *form)) for formula in asked]))
        with suppress(LimitError, RecursionError):
            made = reader.spec(said, inside=reader.automaton(ir.All(form)) if narrows else None)
            if asked is formulas or not made.automaton.is_empty:
                return made
    raise too_many_states()


def _conjuncts(formula: ir.Formula) -> tuple[ir.Formula, ...]:
    """Return the parts of a conjunction, ranges first: fewer numbers are left for the others."""
    parts = formula.of if isinstance(formula, ir.All) else (formula,)
    return tuple(sorted(parts, key=lambda part: not isinstance(part, Ranges)))


def _has_near_bounds(formula: ir.Formula) -> bool:
    """Return whether no number below or above all bounds meets a formula."""
    return any(
        isinstance(one, Ranges) and not one.from_below and not len(one.cuts) & 1
        for one in _conjuncts(formula)
    )

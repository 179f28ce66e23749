"""`NumberPool`: the numeral automata of one compiled grammar.

A *numeral* is the text of a number (RFC 8259). Its *value* is an exact decimal: 1, 1.0 and 1.00 are one
number. A *policy* decides which of the numerals of a value may be written. The *specification* is the `Spec`
of a number: its formulas. The policies:

bounded
    If only integers are allowed: digits alone. Otherwise finite floats, with at most N digits before the
    point and F digits after it. N and F are 20, or one more than the longest number in the specification has.
    - An exponent of at most 3 digits, up to 287, is allowed where the specification has no bound but 0, no
      `multipleOf` and no listed numbers.
    - With large divisors, 20 digits may need too many states. Then integers may have any number of digits,
      and other numbers at most 6 or 4.
    - If a divisor has more remainders than an automaton has states, only its multiples nearest to zero are
      written, unless the specification has a negation.
    - A numeral is left out if a reader of doubles would take it for a number that does not meet the
      specification (`double_readers`).
decimal
    As "bounded", but for readers of exact decimals: no numeral is left out because of doubles.
plain
    No exponent; no minus sign before zero; an integer has no fraction (so not 1.0). N and F are as above. A
    fraction may end in zeros (1.50). Doubles as above.
python
    As Python prints numbers (`numeral_forms`), with N digits of an int; an exponent where "bounded" has one.
    Doubles as above, except for numerals with an exponent.
any
    Exact decimals with any number of digits. An exponent of any length is allowed where "bounded" has one. It
    is also allowed where the specification asks for integers (`1e2`). There the point is followed by at most
    20 digits, further zeros not counted, and the exponent is at least -20.

The automaton of a specification is made as a whole, at its first use. The conditions on values and the form
of numerals become one formula of texts, whose automaton is made as that of a string (`formula_automata`). A
process keeps the automata that it used last.
"""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from functools import cached_property, partial
from hashlib import blake2b
from typing import Final

import numpy as np

from structgen.automata.numbers.double_readers import narrow_writing
from structgen.automata.numbers.numeral_automata import (
    COLUMNS,
    MOST_STATES,
    WIDTH,
    rows_of,
    too_many_states,
)
from structgen.automata.numbers.numeral_forms import numeral_form
from structgen.automata.numbers.value_automata import automaton_of_atom
from structgen.automata.numbers.written_forms import (
    number_atoms,
    with_listed_multiples,
    writings_under_policy,
)
from structgen.automata.strings.automaton_pool import AutomatonPool, Outcome
from structgen.automata.strings.completions import StringCompletions
from structgen.automata.strings.formula_automata import FormulaReader, SpecAutomaton
from structgen.automata.strings.held_automata import HeldByContent
from structgen.automata.strings.kernels import Row
from structgen.automata.strings.shipped_automata import shipped_automaton
from structgen.automata.unicode.partition import PLAIN
from structgen.base.errors import LimitError
from structgen.base.language import ir
from structgen.base.language.number_ranges import Ranges
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import DEFAULT, Limits

_WHOLE = ir.Multiple(Decimal(1))
_LEAST: Final[list[ir.Formula]] = [
    Ranges(((Decimal(number), False),))  # from the number on
    for number in (0, 1)
]
_INTEGERS = [ir.All((_WHOLE, part)) for part in (ir.PlainInteger(), *_LEAST)]
COMMON: Final[ir.Formulas] = (ir.TRUE, _WHOLE, *_LEAST, *_INTEGERS)
"""The formulas on numbers that schemas have most often: their automata come with the package."""
_FEW_DIVISORS = 2
"""The most divisors whose automata are made separately, so that other specifications find them again. They
have few remainders together."""
_READERS: Final = {
    policy: FormulaReader(MOST_STATES, partial(automaton_of_atom, policy=policy))
    for policy in ("python", "any", "")
}
"""The maker of automata for each policy; "" stands for all other policies, whose exponents make no difference
to the atoms."""


class _Numerals:
    """The automaton of a specification. The outcome number `n` is the set of demands `outcomes[n - 1]`."""

    def __init__(self, spec_automaton: SpecAutomaton) -> None:
        self.is_empty = spec_automaton.automaton.is_empty
        self.rows = rows_of(spec_automaton.automaton)
        self.accept = spec_automaton.automaton.accept
        self.outcomes = spec_automaton.outcomes
        self._completions = StringCompletions(spec_automaton.automaton, spec_automaton.outcomes, PLAIN)

    @property
    def nbytes(self) -> int:
        """The size in bytes: that of the rows, and as much again for what is computed later."""
        return 2 * self.rows.nbytes

    @cached_property
    def digest(self) -> bytes:
        """16 bytes that name the automaton and its outcomes."""
        outcome_text = repr([sorted(met) for met in self.outcomes]).encode()
        content = self.rows.tobytes() + self.accept.tobytes() + outcome_text
        return blake2b(content, digest_size=16).digest()

    @remember_answers
    def outcomes_of_states(self, numbers: tuple[int, ...]) -> Row:
        """Return the outcome of each state, -1 for none. `numbers`: the number that the grammar gives to each
        outcome. Nobody may change the array."""
        return np.array((-1, *numbers), np.int32)[self.accept]

    @cached_property
    def longest_rest(self) -> int:
        """The length of the longest of the shortest rests of all states, in characters."""
        return self._completions.max_completion_cost()

    @remember_answers
    def find_rests(self, state: int) -> ir.Demands:
        """Return for each demand that can still be met the shortest text that completes the numeral so that
        it meets the demand."""
        texts = self._completions.complete_state(state)
        return {demand: text.encode() for demand, text in texts.items()}


HELD: Final[HeldByContent[_Numerals]] = HeldByContent()
"""The automata of the specifications that this process used last."""


class NumberPool(AutomatonPool[_Numerals]):
    """The numeral automata of one compiled grammar. Not thread-safe.

    A row has 16 columns: one for each character of COLUMNS, and an unused one.
    """

    over = "The numbers of the grammar need"

    def __init__(self, numbers: str, limits: Limits, missing: frozenset[int] = frozenset()) -> None:
        """Make a pool without automata. `numbers`: the policy. `limits`: the bounds on states and digits.
        `missing`: bytes that no token can write, so that no numeral has them."""
        super().__init__(limits, WIDTH)
        self._policy = numbers
        self._missing = missing & frozenset(COLUMNS)

    def _start_of_spec(self, spec: ir.Spec, outcome: Outcome) -> int:
        key = spec, self._policy, self._missing, self._limits.number_chars
        arguments = spec, self._policy, self._missing, self._limits
        numerals = HELD.get(key, lambda: _Numerals(numeral_automaton(*arguments)))
        if numerals.is_empty:
            return ir.DEAD
        # Of the limits only the number of digits changes an automaton: the key has no other one.
        outcome_numbers = tuple(map(outcome, numerals.outcomes))
        ends = numerals.outcomes_of_states(outcome_numbers)
        return self._add_states(numerals, numerals.rows, ends)

    def shortest_rests(self, state: int) -> ir.Demands:
        """Return for each demand that can still be met the shortest text that completes the numeral.

        Of several shortest texts it is the smallest in byte order (so "E" and not "e"). Cost: some
        microseconds for each character; the answer is remembered.
        """
        numerals, at = self._locate_state(state)
        return numerals.find_rests(at)

    def longest_rest(self, start: int) -> int:
        """Return an upper bound on the shortest rest, in characters, for all states of the specification
        whose start state is `start`."""
        return self._locate_state(start)[0].longest_rest

    def language_key(self, state: int) -> bytes:
        """Return 16 bytes that name the completions of a state and their outcomes, in any process and
        grammar. Equal bytes mean equal completions."""
        numerals, at = self._locate_state(state)
        name = b"%b%d" % (numerals.digest, at)
        return blake2b(name, digest_size=16, person=b"sg-numeral-7").digest()


# -- the automaton of a specification --


def numeral_automaton(spec: ir.Spec, policy: str, missing: frozenset[int], limits: Limits) -> SpecAutomaton:
    """Return the automaton of a specification with the demands that its numerals meet. Raises LimitError.

    `policy` and `missing`: as of a `NumberPool`."""
    is_common = len(spec.formulas) == 1 and spec.formulas[0] in COMMON
    # The file of the package has the automata of default limits, for tokenizers that write all bytes.
    if is_common and not missing and limits.number_chars == DEFAULT.number_chars:
        ready_automaton = shipped_automaton((spec, policy))
        if ready_automaton is not None:
            return SpecAutomaton(ready_automaton, (frozenset((0,)),))
    cuts = [len(atom.cuts) for atom in number_atoms(spec.formulas) if isinstance(atom, Ranges)]
    if max(cuts, default=0) > 2 * MOST_STATES:
        raise too_many_states()  # each listed number ends in a state of its own
    formulas, writings = writings_under_policy(spec, policy, limits)
    ways = [(formulas, writing) for writing in writings]
    listed_formulas = with_listed_multiples(formulas)
    if listed_formulas is not None:
        # The last way allows fewer numbers than the formulas do. It is used if all others are too large.
        ways.append((listed_formulas, writings[0]))
    allowed_bytes = "".join(rf"\x{byte:02x}" for byte in COLUMNS if byte not in missing)
    byte_patterns = [ir.Pattern(f"^[{allowed_bytes}]*$")] if missing else []
    divisors = {atom for atom in number_atoms(formulas) if isinstance(atom, ir.Multiple)}
    narrows = len(divisors) > _FEW_DIVISORS and all(map(_has_near_bounds, formulas))
    for way_formulas, way in ways:
        writing = way if policy in ("decimal", "any") else narrow_writing(way_formulas, way)
        form = numeral_form(writing), *byte_patterns
        reader = _READERS.get(policy if writing.exponent else "", _READERS[""])
        # If the automaton of a way is too large, the next way is tried.
        with suppress(LimitError, RecursionError):
            conjunctions: list[ir.Formula] = []
            for formula in way_formulas:
                parts = _parts_in_ranges(formula, form) if narrows else ir.conjuncts(formula)
                conjunctions.append(ir.All((*parts, *form)))
            way_spec = ir.Spec(tuple(conjunctions))
            spec_automaton = reader.automaton_of_spec(way_spec)
            if way_formulas is formulas or not spec_automaton.automaton.is_empty:
                return spec_automaton
    raise too_many_states()


def _parts_in_ranges(formula: ir.Formula, form: ir.Formulas) -> ir.Formulas:
    """Return the parts of a conjunction, each intersected with its ranges and the form of numerals.

    `form`: the formulas of the form of numerals. A union of divisors has as many states as their least common
    multiple; between near bounds it has few.
    """
    ranges = [part for part in ir.conjuncts(formula) if isinstance(part, Ranges)]
    near = *ranges, *form

    def add_ranges(part: ir.Formula) -> ir.Formula:
        if isinstance(part, ir.Not):
            # The denied part becomes a small automaton, too; the ranges outside `Not` bound the complement.
            return ir.All((*near, ir.Not(add_ranges(part.of))))
        if isinstance(part, (ir.All, ir.Any_)):
            return type(part)(tuple(map(add_ranges, part.of)))
        return ir.All((*near, part))

    others = [part for part in ir.conjuncts(formula) if part not in near]
    return tuple(map(add_ranges, others))


def _has_near_bounds(formula: ir.Formula) -> bool:
    """Return whether only numbers between two bounds meet a formula."""
    # Each cut changes from outside to inside or back: after an even number of cuts it is outside again.
    return any(
        isinstance(part, Ranges) and not part.from_below and len(part.cuts) % 2 == 0
        for part in ir.conjuncts(formula)
    )

"""Numeral automata: exactly the RFC 8259 numbers whose value meets a formula, spelled as a policy allows.

Values are exact decimals and compare as values: 1, 1.0, 10e-1 and 0.1e1 are one number. The policies:

bounded
    At most N digits before the point, F after it and X in the exponent (leading zeros of the exponent count).
    N is 20, or the digits before the point of the longest number that the specification names (an interval's
    end, a divisor) when that is written without an exponent; F is 20, or the most digits after the point
    likewise; X is 3, or as many digits as 4 * (N + F) has. So whatever number is asked for can be written
    plainly, and an exponent can move any digits to any place where a bound or a divisor tells numbers apart.
    Once X is known, N and F are cut to `Limits.number_chars`. Where only integers may stand, numerals are
    digits alone; elsewhere no numeral is read as an infinite float (`written_forms`): exponents are
    at most 287, or the value is bounded where the specification names numbers of more than 20 digits.
plain
    No exponent; no minus sign before zero; a value that is an integer has no fraction (so not 1.0); N and F
    as above, and a digit more where the specification names a number of 20 digits. A fraction may end in
    zeros (1.50).
python
    As "bounded", in every spelling: the numerals among which `printed_numerals` chooses.
any
    Every RFC 8259 number of at most `Limits.number_chars` characters.

A state of the automaton holds what the rest of the numeral depends on: how many digits may follow, where the
digits so far lie among the bounds, what they leave modulo the divisors. It is live: every entry of `trans`
that is not DEAD or UNKNOWN leads on to some numeral that meets a demand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.automata.numbers.number_states import COLUMNS, WIDTH, shared
from structgen.automata.numbers.written_forms import POLICY, Caps
from structgen.errors import LimitError, OptionError
from structgen.language import ir
from structgen.limits import Limits

__all__ = ["COLUMNS", "WIDTH", "NumberPool"]

Outcome = Callable[[frozenset[int]], int]
_FOLLOWED: Final = 1 << 7
"""States whose rests are looked at, each, for the farthest: an integer of any value has 23, a number 52."""


class NumberPool:
    """The numeral automata of one compiled grammar, expanded on demand. One thread at a time may use it.

    `trans` (int32 [capacity, 16]) and `outcome` (int32 [capacity], -1 where the numeral may not end) belong
    to all pools of the process that spell numbers alike: rows are filled in place by whoever asks first, and
    a row that is filled never changes. A call of this pool may replace both by larger arrays; what was read
    from the smaller ones stays true.
    """

    __slots__ = ("_demands", "_limits", "_made", "_numerals", "outcome", "trans")

    def __init__(self, numbers: str, limits: Limits, *, caps: Caps | None = None) -> None:
        if numbers not in POLICY:
            raise OptionError(
                f"numbers={numbers!r} is not a policy.",
                where="numbers",
                cure=f"Use one of {', '.join(POLICY)}.",
            )
        self._limits = limits
        self._numerals = shared(POLICY[numbers], caps, limits)
        self.trans: npt.NDArray[np.int32] = self._numerals.trans
        self.outcome: npt.NDArray[np.int32] = self._numerals.outcome
        self._demands: dict[int, frozenset[int]] = {}
        self._made = 0

    @property
    def count(self) -> int:
        """Return how many states there are, those of other grammars included."""
        return self._numerals.count

    @property
    def made(self) -> int:
        """Return how many states were made for this pool."""
        return self._made

    def start(self, spec: ir.Spec, outcome: Outcome) -> int:
        """Return the state before the first character, or ir.DEAD where no numeral meets any demand.

        `outcome` numbers a non-empty set of demand indices; it must be the same function for the whole pool.
        Specs that ask the same of numerals share their states. Cost: 2 us where some grammar asked the same
        before, else some 100 us, and what four characters can reach is known then. Raises LimitError
        (automaton_states, number_chars, alternatives).
        """
        plan = self._numerals.plan(spec)
        numbers = []
        for demands in plan.sets:
            number = outcome(demands)
            self._demands[number] = demands
            numbers.append(number)
        state = plan.starts.get(tuple(numbers))
        if state is None or state >= len(self.trans):
            with self._numerals.lock:
                before = self._numerals.count
                state = self._numerals.start(plan, tuple(numbers))
                self._take(before)
        return state

    def expand(self, state: int) -> None:
        """Fill the row of a state, and with it the rows of states a few characters on.

        Raises LimitError (automaton_states).
        """
        with self._numerals.lock:
            before = self._numerals.count
            self._numerals.expand(state)
            self._take(before)

    def _take(self, before: int) -> None:
        """Look at the arrays as they are now; count the states that this pool has made."""
        numerals = self._numerals
        self.trans, self.outcome = numerals.trans, numerals.outcome
        self._made += numerals.count - before
        if self._made > self._limits.automaton_states:
            raise LimitError(
                f"The numbers of the grammar need more than {self._limits.automaton_states} states.",
                limit="automaton_states",
            )

    def finish(self, state: int) -> ir.Demands:
        """Return for each demand that can still be met the shortest rest of the numeral that meets it.

        Of the shortest the smallest in byte order (so "E" rather than "e"). Cost: 3 us where it is known,
        else some microseconds a character.
        """
        return self._numerals.finish(state, self._numerals.meaning(state, self._demands))

    def farthest(self, start: int) -> int | None:
        """Return how many characters the shortest rest of a numeral has at most, in whichever state that
        follows the start of a specification; None where these are many. Cost: 10 us for each of them; from
        the second time on 3 us, in whichever grammar.
        """
        known, mark = self._numerals.farthest, (start, self._numerals.meaning(start, self._demands))
        if mark not in known:
            known[mark] = self._farthest(start)
        return known[mark]

    def _farthest(self, start: int) -> int | None:
        found, pending, most = {start}, [start], 0
        while pending:
            state = pending.pop()
            if ir.UNKNOWN in self.trans[state].tolist():
                self.expand(state)
            most = max(most, *map(len, self.finish(state).values()))
            new = {target for target in self.trans[state].tolist() if target >= 0} - found
            found |= new
            pending += new
            if len(found) > _FOLLOWED:
                return None
        return most

    def key(self, state: int) -> bytes:
        """Return 16 bytes that say what may follow and which demands it meets, in any process and grammar."""
        return self._numerals.key(state, self._numerals.meaning(state, self._demands))

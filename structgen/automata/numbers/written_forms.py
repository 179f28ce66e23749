"""Numerals judged by how they are written: drafts 3 and 4 call 12 an integer, and 12.0 and 12e0 none.

A formula with `ir.PlainInteger` says one thing of numerals that are digits alone and another of those with a
fraction or an exponent, and either is a formula of the value. So there are two automata: one that writes
digits alone, and the usual one. Where the second has nothing to say (the frequent case: "type": "integer"),
the first is all. Else a state is a pair, a state of each; it follows digits in both, has the outcome of the
first, and goes over to the second for good at the first ".", "e" or "E".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from structgen.automata.numbers.number_plan import ANY, PLAIN, Caps, Side, atoms_of, caps_of, sides_of
from structgen.language import ir
from structgen.limits import Limits

if TYPE_CHECKING:
    from structgen.automata.numbers.number_states import Meaning, Numerals

_DIGITS = range(10)
_MINUS = 10
_MARKS = (12, 13, 14)
"""The columns of ".", "e" and "E"."""


def has_forms(spec: ir.Spec) -> bool:
    """Return whether some formula asks how a numeral is written."""
    stack: list[ir.Formula] = list(spec.formulas)
    while stack:
        formula = stack.pop()
        if isinstance(formula, ir.PlainInteger):
            return True
        if isinstance(formula, ir.Not):
            stack.append(formula.of)
        elif isinstance(formula, (ir.All, ir.Any_)):
            stack.extend(formula.of)
    return False


def _assumed(spec: ir.Spec, change: Callable[[ir.Formula], ir.Formula]) -> ir.Spec:
    """Return the formulas with their atoms changed."""

    def changed(root: ir.Formula) -> ir.Formula:
        done: list[ir.Formula] = []
        stack: list[tuple[ir.Formula, bool]] = [(root, False)]
        while stack:
            formula, ready = stack.pop()
            if isinstance(formula, ir.Not):
                if ready:
                    done[-1] = ir.Not(done[-1])
                else:
                    stack += [(formula, True), (formula.of, False)]
            elif isinstance(formula, (ir.All, ir.Any_)):
                if ready:
                    start = len(done) - len(formula.of)
                    parts = tuple(done[start:])
                    del done[start:]
                    done.append(type(formula)(parts))
                else:
                    stack.append((formula, True))
                    stack.extend((part, False) for part in reversed(formula.of))
            else:
                done.append(change(formula))
        return done[0]

    return ir.Spec(tuple([changed(formula) for formula in spec.formulas]))


def by_value(spec: ir.Spec) -> ir.Spec:
    """Return the specification under a policy that writes every integer as digits alone."""
    whole = ir.Multiple(Decimal(1))
    return _assumed(spec, lambda atom: whole if isinstance(atom, ir.PlainInteger) else atom)


def digits_alone(
    spec: ir.Spec, policy: int, limits: Limits, outcome: Callable[[frozenset[int]], int], caps: Caps | None
) -> tuple[Side, Side]:
    """Return what a specification asks of numerals without fraction and exponent, by sign; -0 is one.

    They have as many digits as the policy allows before the point. Errors as for `sides_of`.
    """
    if policy == ANY:
        caps = Caps(limits.number_chars, 0, 0)
    elif caps is None:
        caps = caps_of(atoms_of(spec.formulas), policy, limits)
    told = _assumed(spec, _told_of_digits)
    positive, negative = sides_of(told, PLAIN, limits, outcome, Caps(caps.integer, 0, 0))
    negative = negative._replace(zero=positive.zero)
    if policy == ANY:
        negative = negative._replace(caps=Caps(limits.number_chars - 1, 0, 0))
    return positive, negative


def _told_of_digits(atom: ir.Formula) -> ir.Formula:
    integer = isinstance(atom, ir.PlainInteger) or (isinstance(atom, ir.Multiple) and atom.of == 1)
    return ir.TRUE if integer else atom


def otherwise(spec: ir.Spec) -> ir.Spec:
    """Return what a specification asks of numerals with a fraction or an exponent."""
    return _assumed(spec, lambda atom: ir.FALSE if isinstance(atom, ir.PlainInteger) else atom)


class Pair(NamedTuple):
    """A numeral that is digits alone so far."""

    digits: int
    """The state of the automaton that writes digits alone, or ir.DEAD."""
    other: int
    """The state of the usual automaton, or ir.DEAD."""
    zero: int
    """After a minus sign: the state after 0, which is the one after -0; else ir.DEAD."""


class FormPairs:
    """The pairs among the states of one table of numerals."""

    def __init__(self, numerals: Numerals) -> None:
        self._numerals = numerals
        self._of: dict[int, Pair] = {}
        self._numbers: dict[Pair, int] = {}
        self._marked: dict[int, bool] = {}

    def __contains__(self, state: int) -> bool:
        return state in self._of

    def number(self, pair: Pair) -> int:
        """Return the state of a pair, ir.DEAD where it is not live."""
        known = self._numbers.get(pair)
        if known is not None:
            return known
        numerals = self._numerals
        other = pair.other if pair.other >= 0 and self._may_have_mark(pair.other) else ir.DEAD
        if pair.digits < 0 and other < 0 and pair.zero < 0:
            found = ir.DEAD
        else:
            found = numerals.new_state(int(numerals.outcome[pair.digits]) if pair.digits >= 0 else -1)
            self._of[found] = Pair(pair.digits, other, pair.zero)
        self._numbers[pair] = found
        return found

    def expand(self, state: int) -> None:
        """Fill the row of a pair."""
        digits, other, zero = self._of[state]
        numerals = self._numerals
        mine = numerals.row(digits) if digits >= 0 else None
        its = numerals.row(other) if other >= 0 else None
        row = [ir.DEAD] * numerals.trans.shape[1]
        start = digits >= 0 and numerals.at_start(digits)
        for column in (*_DIGITS, _MINUS):
            after = Pair(
                mine[column] if mine is not None else ir.DEAD,
                its[column] if its is not None else ir.DEAD,
                mine[0] if mine is not None and start and column == _MINUS else ir.DEAD,
            )
            if column == 0 and zero >= 0:
                after = after._replace(digits=zero)
            if after != (ir.DEAD, ir.DEAD, ir.DEAD):
                row[column] = self.number(after)
        if its is not None:
            for column in _MARKS:
                row[column] = its[column]
        numerals.trans[state] = row

    def meaning(self, state: int, demands: Mapping[int, frozenset[int]]) -> Meaning:
        """Return what `Numerals.meaning` does."""
        parts = {part for at in self._of[state] if at >= 0 for part in self._numerals.meaning(at, demands)}
        return tuple(sorted(parts, key=lambda part: part[0]))

    def finish(self, state: int, demands: Mapping[int, frozenset[int]]) -> ir.Demands:
        """Return for each demand that can still be met the shortest rest that meets it."""
        digits, other, zero = self._of[state]
        numerals = self._numerals
        found: dict[int, bytes] = {}
        options = [(b"", digits, False), (b"0", zero, False), (b"", other, True)]
        for head, at, marked in options:
            if at < 0:
                continue
            for demand, rest in numerals.rests(at, demands, marked=marked).items():
                text = head + rest
                best = found.get(demand)
                if best is None or (len(text), text) < (len(best), best):
                    found[demand] = text
        return found

    def key(self, state: int, meaning: Meaning) -> bytes:
        """Return 16 bytes that say what may follow, in any process and grammar."""
        demands = dict(meaning)
        numerals = self._numerals
        parts = [
            numerals.key(at, numerals.meaning(at, demands)).hex() if at >= 0 else "" for at in self._of[state]
        ]
        return blake2b("|".join(parts).encode(), digest_size=16, person=b"sg-numeral-pair").digest()

    def _may_have_mark(self, start: int) -> bool:
        """Return whether a state of the usual automaton can still write ".", "e" or "E".

        Nearly always at once; digits that only go on as digits end at the longest numeral.
        """
        seen = {start}
        todo = [start]
        while todo:
            state = todo.pop()
            known = self._marked.get(state)
            row = self._numerals.row(state) if known is None else []
            if known or any(row[column] >= 0 for column in _MARKS if row):
                self._marked[start] = self._marked[state] = True
                return True
            for column in (*_DIGITS, _MINUS) if row else ():
                after = row[column]
                if after >= 0 and after not in seen:
                    seen.add(after)
                    todo.append(after)
        for state in seen:
            self._marked[state] = False
        return False

"""How far each state of a string automaton is from an end, so that a bounded length can be counted beside it.

`maxLength` as part of the automaton would make a state for each length (`maxLength: 500` with a pattern of 50
words: 253,000 states). Counted beside it, a string is live if the characters written and those that the state
still needs stay within the bound: exact, as long as `minLength` asks nothing
that the automaton does not ask by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from structgen.automata.formats import format_meaning
from structgen.automata.strings import StringPool
from structgen.ir import UNKNOWN, All, Format, Formula, Length, Spec

MOST_STATES = 6_000
"""Automata with more states keep the length inside."""


def split(spec: Spec) -> tuple[Spec, int, int] | None:
    """Return (the spec without its length bounds, least, most) where it has one demand,
    an upper bound and more."""
    if len(spec.formulas) != 1:
        return None
    formula = spec.formulas[0]
    rest: list[Formula] = []
    least, most = 0, None
    for part in _opened(formula.of if isinstance(formula, All) else (formula,)):
        if isinstance(part, Length):
            least = max(least, part.least)
            if part.most is not None:
                most = part.most if most is None else min(most, part.most)
        else:
            rest.append(part)
    if most is None or not rest:
        return None
    return Spec((rest[0] if len(rest) == 1 else All(tuple(rest)),)), least, most


def at_least(spec: Spec, least: int) -> Spec:
    """Return the spec of one demand that asks for `least` characters besides."""
    return Spec((All((*_opened(spec.formulas), Length(least, None))),))


def _opened(parts: Iterable[Formula]) -> Iterator[Formula]:
    """Yield the parts, a format that is a conjunction with a length (a host name) as its own parts."""
    for part in parts:
        meaning = format_meaning(part.name) if isinstance(part, Format) else None
        if isinstance(meaning, All):
            yield from meaning.of
        else:
            yield part


def distances(pool: StringPool, start: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None:
    """Return (states, characters that each still needs) for all states reachable from `start`,
    or None past MOST_STATES.

    A character counts where it begins: in its middle it has been counted. Cost: some 2 us a state.
    """
    order: list[int] = [start]
    index = {start: 0}
    edges: list[tuple[int, int, int]] = []
    at = 0
    while at < len(order):
        state = order[at]
        at += 1
        row = pool.trans[state]
        if (row == UNKNOWN).any():
            pool.expand(state)
            row = pool.trans[state]
        for begins, part in ((1, row[:0x80]), (0, row[0x80:0xC0]), (1, row[0xC0:])):
            for target in set(part[part >= 0].tolist()):
                found = index.get(target)
                if found is None:
                    if len(order) >= MOST_STATES:
                        return None
                    found = index[target] = len(order)
                    order.append(target)
                edges.append((index[state], found, begins))
    states = np.array(order, np.int64)
    far = np.where(pool.outcome[states] >= 0, 0, 1 << 20).astype(np.int64)
    if not edges:
        return states, far
    source, target_of, weight = (np.array(column, np.int64) for column in zip(*edges, strict=True))
    while True:
        # Bellman-Ford; a pass settles every path of one more edge, and paths to an end are short
        nearer = far.copy()
        np.minimum.at(nearer, source, far[target_of] + weight)
        if (nearer == far).all():
            return states, far
        far = nearer


def endless(pool: StringPool, start: int) -> bool:
    """Return whether endlessly many strings go on from each state reachable from `start`, as far as
    MOST_STATES tell.

    Every state lives, so from one with finitely many strings some way leads to one that nothing follows.
    """
    order, known = [start], {start}
    for state in order:
        row = pool.trans[state]
        if (row == UNKNOWN).any():
            pool.expand(state)
            row = pool.trans[state]
        targets = set(row[row >= 0].tolist())
        if not targets or len(order) > MOST_STATES:
            return False
        order.extend(targets - known)
        known |= targets
    return True

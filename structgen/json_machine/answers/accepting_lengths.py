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

from structgen.automata.formats.named_formats import format_meaning
from structgen.automata.regex.counted_class import without_count
from structgen.automata.strings.string_pool import StringPool
from structgen.json_machine.answers.automaton_reach import nearest, spread
from structgen.language.ir import All, Format, Formula, Length, Pattern, Spec

MOST_STATES = 6_000
"""Automata with more states keep the length inside."""
_MOST_WORK = 25_000
"""So do those whose states take more of a call's work (`StringPool.work`) than this, half a second."""


def split(spec: Spec) -> tuple[Spec, int, int] | None:
    """Return (the spec without its length bounds, least, most) where it has one demand,
    an upper bound and more."""
    if len(spec.formulas) != 1:
        return None
    formula = spec.formulas[0]
    parts = list(_opened(formula.of if isinstance(formula, All) else (formula,)))
    rest = [part for part in parts if not isinstance(part, Length)]
    bounds = [part for part in parts if isinstance(part, Length)]
    least = max((bound.least for bound in bounds), default=0)
    most = min((bound.most for bound in bounds if bound.most is not None), default=None)
    if most is None or not rest or rest == [Format("regex")]:
        return None  # a pattern that is a regular expression says itself how it may be made longer
    return Spec((rest[0] if len(rest) == 1 else All(tuple(rest)),)), least, most


def at_least(spec: Spec, least: int) -> Spec:
    """Return the spec of one demand that asks for `least` characters besides."""
    return Spec((All((*_opened(spec.formulas), Length(least, None))),))


def _opened(parts: Iterable[Formula]) -> Iterator[Formula]:
    """Yield the parts, those that are a conjunction with a length as their own parts: some formats (a host
    name), and patterns that count one class of characters."""
    for part in parts:
        whole = format_meaning(part.name) if isinstance(part, Format) else part
        whole = without_count(part) if isinstance(part, Pattern) else whole
        yield from whole.of if isinstance(whole, All) else (part,)


def distances(pool: StringPool, start: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None:
    """Return (states, characters that each still needs) for all states reachable from `start`,
    or None past MOST_STATES.

    A character counts where it begins: in its middle it has been counted. States in a stepper's text say it
    themselves; no other state's shortest way to an end leads through one. Cost: some 0.3 us a state, beside
    what it takes to make those that are new.
    """
    states, index = reachable(pool, start)
    if states is None:
        return None
    far = nearest(pool.trans, pool.outcome, states, index)
    for place in pool.texts.among(states):
        far[place] = pool.texts.distance(int(states[place]))
    return states, far


def endless(pool: StringPool, start: int) -> bool:
    """Return whether endlessly many strings go on from each state reachable from `start`, as far as
    MOST_STATES tell.

    Every state lives, so from one with finitely many strings some way leads to one that nothing follows.
    """
    states, _ = reachable(pool, start)
    return states is not None and bool((pool.trans[states] >= 0).any(axis=1).all())


def reachable(
    pool: StringPool, start: int, most: int = MOST_STATES
) -> tuple[npt.NDArray[np.int64] | None, npt.NDArray[np.int32]]:
    """Return the states reachable from `start` (None past `most`), all expanded, and where each state of
    the pool stands among them."""
    index: npt.NDArray[np.int32] = np.full(len(pool.trans), -1, np.int32)
    room = len(pool.trans) if pool.bans(start) else most
    states: npt.NDArray[np.int64] = np.empty(room, np.int64)
    states[0], index[start] = start, 0
    count, frontier = 1, states[:1].copy()
    before = pool.work
    while len(frontier):
        count, frontier = spread(pool.trans, index, states, count, frontier)
        if count < 0:
            return None, index
        for state in frontier.tolist():
            pool.expand(state, 0)
            if pool.work > before + _MOST_WORK * most // MOST_STATES:
                return None, index
        more = len(pool.trans) - len(index)
        if more:
            index = np.concatenate((index, np.full(more, -1, np.int32)))
    return states[:count].copy(), index

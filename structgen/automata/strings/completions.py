"""The shortest completions of the states of an automaton, by one sweep backwards with costs.

Of the completions of a demand the one comes first that is the shortest as it is spelled, of these the
smallest. Spellings of characters are prefix-free (no one begins another), so of two rests of the same cost
the one whose first character has the smaller spelling is smaller, and the way is found character by
character.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Final

import numpy as np

from structgen.automata.strings.automata import Automaton
from structgen.automata.strings.kernels import FAR, Flags, Longs, nearest_ends
from structgen.automata.strings.length_phases import Phase
from structgen.automata.unicode.charsets import LAST
from structgen.automata.unicode.partition import cheapest_point
from structgen.base.errors import LimitError
from structgen.base.language.remembering import remember_answers
from structgen.base.system.public_calls import THIS_CALL

_MOST_COSTS: Final = 20_000_000
"""The most costs that a search within a number of characters keeps."""
_LEAST_STATES: Final = 128
"""An automaton of fewer states takes as much time for a character as one of so many."""


class StringCompletions:
    """The completions of one spec's states.

    `spelling`, `missing`: as in `unicode.partition`. `lone`: lone surrogates can be written.
    """

    def __init__(
        self,
        of: Automaton,
        outcomes: tuple[frozenset[int], ...],
        spelling: int,
        lone: bool = False,
        missing: frozenset[int] = frozenset(),
    ) -> None:
        self._trans = of.trans
        self._accept = of.accept
        self._outcomes = outcomes
        alphabet = of.alphabet
        cheapest: list[tuple[int, bytes, int] | None] = [None] * alphabet.width
        lives = np.asarray((self._trans >= 0).any(axis=0))
        ends = [*alphabet.starts[1:].tolist(), LAST + 1]
        for low, end, kind in zip(alphabet.starts.tolist(), ends, alphabet.kinds.tolist(), strict=True):
            for first, last_ in ((low, min(end, 0xD800)), (max(low, 0xE000), end)):
                best_so_far = cheapest[kind]
                # beyond ASCII UTF-8 ascends with the characters, and is shorter than an escape
                is_settled = best_so_far is not None and best_so_far[0] < 6 and first >= 0x80
                if first >= last_ or is_settled or not lives[kind]:
                    continue
                point_of = cheapest_point(first, last_ - 1, spelling, missing)
                if point_of is not None and (best_so_far is None or point_of < best_so_far):
                    cheapest[kind] = point_of
            point = max(low, 0xD800)
            if lone and cheapest[kind] is None and point < min(end, 0xE000):
                cheapest[kind] = 6, b"\\u%04x" % point, point
        self._points = [-1 if spelled_as is None else spelled_as[2] for spelled_as in cheapest]
        self._costs: Longs = np.array(
            [-1 if spelled_as is None else spelled_as[0] for spelled_as in cheapest], np.int64
        )
        spelled_kinds = [
            (spelled_as[1], kind) for kind, spelled_as in enumerate(cheapest) if spelled_as is not None
        ]
        self._order = [kind for _, kind in sorted(spelled_kinds)]

    def demands_of(self, state: int) -> list[int]:
        """Return the demands that some completion of a state meets, ascending."""
        return [demand for demand in self._all_demands() if self._completion_costs(demand)[state] < FAR]

    def max_completion_cost(self) -> int:
        """Return the cost of the completion that costs the most, of all states and demands."""
        costs = map(self._completion_costs, self._all_demands())
        return max(int(far[far < FAR].max()) for far in costs)

    def max_character_cost(self) -> int:
        """Return the most that a character costs, of the cheapest ones of all classes."""
        return int(self._costs.max())

    def _all_demands(self) -> list[int]:
        return sorted(frozenset().union(*self._outcomes))

    def complete_state(self, state: int) -> dict[int, str]:
        """Return for each demand that can still be met the completion that comes first. Cost: states times
        classes for each demand, once."""
        return {demand: self._shortest_text(state, demand) for demand in self.demands_of(state)}

    def _end_flags(self, demand: int) -> Flags:
        met = [False, *(demand in outcome for outcome in self._outcomes)]
        return np.array(met, np.uint8)[self._accept]

    @remember_answers
    def _completion_costs(self, demand: int) -> Longs:
        """Return what each state's completion costs, FAR where there is none."""
        return nearest_ends(self._trans, self._costs, self._end_flags(demand))

    def _shortest_text(self, state: int, demand: int) -> str:
        return self._read_completion(state, repeat(self._completion_costs(demand)))

    def _read_completion(self, state: int, layers: Iterator[Longs]) -> str:
        """Return a completion. `layers`: what each state's completion costs, before each character."""
        far = next(layers)
        points = []
        while far[state]:
            cost = int(far[state])
            far = next(layers)
            state, kind = self._take_step(state, cost, far)
            points.append(self._points[kind])
        return "".join(map(chr, points))

    def _take_step(self, state: int, cost: int, far: Longs) -> tuple[int, int]:
        """Return the state after the first character of a completion of some cost, and its class."""
        for kind in self._order:
            after = int(self._trans[state, kind])
            if after >= 0 and self._costs[kind] + far[after] == cost:
                return after, kind
        raise AssertionError("a state of an automaton leads to no end")

    def in_phases(self, state: int, phases: Sequence[Phase], written_count: int) -> dict[int, str]:
        """Return for each demand that can still be met the completion that comes first, of a spec in phases;
        demands are here the formulas of its automaton. `written_count`: how many characters stand before
        `state`.

        Cost: for a demand that the present phase does not meet, states times classes for each character that
        is left of it. Raises `LimitError` where each demand takes more characters than are looked at.
        """
        texts: dict[int, str] = {}
        last_error: LimitError | None = None
        begins = [written_count, *(max(written_count, phase.end) for phase in phases)]
        for demand in range(len(phases[0].asks)):
            plan = [
                (phase.end - begin, phase.asks[demand]) for phase, begin in zip(phases, begins, strict=False)
            ]
            try:
                text = self._complete_plan(
                    state, [(remaining, ask) for remaining, ask in plan if remaining > 0]
                )
            except LimitError as error:
                last_error = error
            else:
                if text is not None:
                    texts[demand] = text
        if last_error is not None and not texts:
            raise last_error
        return texts

    def _complete_plan(self, state: int, plan: list[tuple[int, int]]) -> str | None:
        """Return the completion that comes first where the demand changes with the length, or None. `plan`:
        of each phase its characters, and its demand, -1 for none. Raises `LimitError`."""
        room = _MOST_COSTS // max(len(self._trans), _LEAST_STATES)
        steps: list[Flags] = []
        for remaining, demand in plan:
            far = self._completion_costs(demand)
            if far[state] < min(remaining, FAR) and not steps:
                return self._shortest_text(state, demand)
            # fewer characters than a completion costs
            far = np.where(far < remaining, far, FAR)
            if len(steps) + remaining > room:
                break
            steps += [self._end_flags(demand)] * remaining
        THIS_CALL.count_work(len(steps) * self._trans.size)
        layers = [far]
        usable = np.flatnonzero(self._costs >= 0)
        for ends in reversed(steps):
            ways = np.append(layers[-1], FAR)[self._trans[:, usable]] + self._costs[usable]
            layers.append(np.where(ends, 0, ways.min(axis=1, initial=FAR)))
        if layers[-1][state] < FAR:
            return self._read_completion(state, chain(reversed(layers), repeat(far)))
        if remaining == plan[-1][0]:
            return None
        raise LimitError(
            f"A completion takes more than {len(steps):,} characters.",
            limit="oracle_steps",
            cure="Make the lengths and the counts in its patterns smaller.",
        )

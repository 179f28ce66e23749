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
        # of each class the cheapest character: its cost, how it is spelled, its code point
        cheapest: list[tuple[int, bytes, int] | None] = [None] * alphabet.width
        lives = np.asarray((self._trans >= 0).any(axis=0))
        starts = alphabet.starts.tolist()
        ends = [*starts[1:], LAST + 1]
        for low, end, kind in zip(starts, ends, alphabet.kinds.tolist(), strict=True):
            # the parts of the run below and above the surrogates, which have no UTF-8
            for first, past in ((low, min(end, 0xD800)), (max(low, 0xE000), end)):
                best_so_far = cheapest[kind]
                # beyond ASCII UTF-8 ascends with the characters, and is shorter than an escape
                is_settled = best_so_far is not None and best_so_far[0] < 6 and first >= 0x80
                if first >= past or is_settled or not lives[kind]:
                    continue
                candidate = cheapest_point(first, past - 1, spelling, missing)
                if candidate is not None and (best_so_far is None or candidate < best_so_far):
                    cheapest[kind] = candidate
            # A lone surrogate costs an escape: it serves a class that has nothing else.
            point = max(low, 0xD800)
            if lone and cheapest[kind] is None and point < min(end, 0xE000):
                cheapest[kind] = 6, b"\\u%04x" % point, point
        self._points = [-1] * alphabet.width
        self._costs: Longs = np.full(alphabet.width, -1, np.int64)
        spelled_kinds: list[tuple[bytes, int]] = []
        for kind, character in enumerate(cheapest):
            if character is not None:
                cost, spelled_as, point = character
                self._points[kind] = point
                self._costs[kind] = cost
                spelled_kinds.append((spelled_as, kind))
        self._order = [kind for _, kind in sorted(spelled_kinds)]
        """The classes by the spelling of their character: so the first way that fits is the smallest."""

    def demands_of(self, state: int) -> list[int]:
        """Return the demands that some completion of a state meets, ascending."""
        demands = self._all_demands()
        return [demand for demand in demands if self._completion_costs(demand)[state] < FAR]

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
        """Return the cost of each state's completion, FAR where there is none."""
        return nearest_ends(self._trans, self._costs, self._end_flags(demand))

    def _shortest_text(self, state: int, demand: int) -> str:
        return self._read_completion(state, repeat(self._completion_costs(demand)))

    def _read_completion(self, state: int, layers: Iterator[Longs]) -> str:
        """Return a completion. `layers`: what each state's completion costs, before each character."""
        far = next(layers)
        points = []
        while far[state]:  # 0: the state accepts, and nothing more is written
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

    def complete_in_phases(self, state: int, phases: Sequence[Phase], written_count: int) -> dict[int, str]:
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
            plan: list[tuple[int, int]] = []
            for phase, begin in zip(phases, begins, strict=False):
                remaining = phase.end - begin
                if remaining > 0:  # not behind the text already
                    plan.append((remaining, phase.asks[demand]))
            try:
                text = self._complete_plan(state, plan)
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
            # FAR at the end answers the index -1, where nothing follows.
            costs_after = np.append(layers[-1], FAR)[self._trans[:, usable]]
            ways = costs_after + self._costs[usable]
            cheapest_ways = ways.min(axis=1, initial=FAR)
            layers.append(np.where(ends, 0, cheapest_ways))
        if layers[-1][state] < FAR:
            return self._read_completion(state, chain(reversed(layers), repeat(far)))
        if remaining == plan[-1][0]:
            return None
        raise LimitError(
            f"A completion takes more than {len(steps):,} characters.",
            limit="oracle_steps",
            cure="Make the lengths and the counts in its patterns smaller.",
        )

"""`StringCompletions`: the shortest completion of each state of an automaton, for each demand.

A *demand* is a formula on a string; a *completion* (or *rest*) of a state is a text after which the string
meets a demand. The *spelling* of a character is how it is written in JSON: a line feed is spelled `\\n`. The
*cost* of a completion is the length of its spelling in bytes.

A *class* is a set of characters that the automaton does not tell apart; `kind` is the number of a class. The
*outcome* of a state is the set of demands that a text meets if it ends there.

For each demand the completion of the least cost is taken. If several have this cost, the one whose spelling
is smallest is taken. For example, with the demand `^ab*c$` the start has the completion "ac" of cost 2.
The costs of all states are computed backwards from the accepting states. Then the text is read forwards: each
character is the smallest one that leads to a state of the right cost. This is right because no spelling of a
character is a prefix of another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Final

import numpy as np

from structgen.automata.strings.automata import Automaton
from structgen.automata.strings.formula_automata import OutcomeSets
from structgen.automata.strings.kernels import FAR, Flags, Longs, nearest_ends
from structgen.automata.strings.length_phases import Phase
from structgen.automata.unicode.charsets import LAST
from structgen.automata.unicode.partition import cheapest_point
from structgen.base.errors import LimitError
from structgen.base.language.remembering import remember_answers
from structgen.base.system.public_calls import THIS_CALL

_MOST_COSTS: Final = 20_000_000
"""The most numbers that the search of `complete_in_phases` keeps: one cost for each state and character."""
_LEAST_STATES: Final = 128
"""An automaton of fewer states takes as much time for each character as one with this number."""


class StringCompletions:
    """The shortest completions of the states of one spec.

    A *spec* is the condition on one string that was compiled to the automaton `of`.

    `of`: the automaton. `outcomes`: a state with the number `n` in `of.accept` has the outcome
    `outcomes[n - 1]`; the number 0 means that no text may end there. `spelling`: how characters are written
    in JSON (`unicode.partition`). `lone`: whether lone surrogates can be written. `missing`: the bytes that
    cannot be written.
    """

    def __init__(
        self,
        of: Automaton,
        outcomes: OutcomeSets,
        spelling: int,
        lone: bool = False,
        missing: frozenset[int] = frozenset(),
    ) -> None:
        self._trans = of.trans
        self._accept = of.accept
        self._outcomes = outcomes
        alphabet = of.alphabet
        # the cheapest character of each class: (its cost, its spelling, its code point); None: none is known
        cheapest: list[tuple[int, bytes, int] | None] = [None] * alphabet.width
        lives = np.asarray((self._trans >= 0).any(axis=0))
        starts = alphabet.starts.tolist()
        ends = [*starts[1:], LAST + 1]
        for low, end, kind in zip(starts, ends, alphabet.kinds.tolist(), strict=True):
            # the parts of the range below and above the surrogates 0xD800 to 0xDFFF, which have no UTF-8
            for first, past in ((low, min(end, 0xD800)), (max(low, 0xE000), end)):
                best_so_far = cheapest[kind]
                # Beyond ASCII, larger characters have larger UTF-8 and never cost less. A cost below 6 (that
                # of an escape such as \u00e9) can therefore not be improved any more.
                is_settled = best_so_far is not None and best_so_far[0] < 6 and first >= 0x80
                if first >= past or is_settled or not lives[kind]:
                    continue
                candidate = cheapest_point(first, past - 1, spelling, missing)
                if candidate is not None and (best_so_far is None or candidate < best_so_far):
                    cheapest[kind] = candidate
            # A lone surrogate costs an escape (6 bytes). It is used for a class without other characters.
            point = max(low, 0xD800)
            if lone and cheapest[kind] is None and point < min(end, 0xE000):
                cheapest[kind] = 6, b"\\u%04x" % point, point
        # the code point and the cost of each class's cheapest character; -1 where no character can be written
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
        """The classes, sorted by the spelling of their character; the first one that fits is the smallest."""

    def demands_of(self, state: int) -> list[int]:
        """Return the demands that some completion of a state meets, ascending."""
        demands = self._all_demands()
        return [demand for demand in demands if self._completion_costs(demand)[state] < FAR]

    def max_completion_cost(self) -> int:
        """Return the largest cost, in bytes as spelled, of the shortest completions of all states and
        demands."""
        costs = map(self._completion_costs, self._all_demands())
        return max(int(far[far < FAR].max()) for far in costs)

    def max_character_cost(self) -> int:
        """Return the largest cost, in bytes as spelled, of the cheapest character of any class."""
        return int(self._costs.max())

    def _all_demands(self) -> list[int]:
        """Return the demands that any state of the automaton meets, ascending."""
        return sorted(frozenset().union(*self._outcomes))

    def complete_state(self, state: int) -> dict[int, str]:
        """Return the shortest completion of a state for each demand that can still be met.

        Cost: the number of states times the number of classes, for the first call with each demand.
        """
        return {demand: self._shortest_text(state, demand) for demand in self.demands_of(state)}

    def _end_flags(self, demand: int) -> Flags:
        """Return for each state whether a text that ends there meets the demand."""
        met = [False, *(demand in outcome for outcome in self._outcomes)]
        return np.array(met, np.uint8)[self._accept]

    @remember_answers
    def _completion_costs(self, demand: int) -> Longs:
        """Return the cost of the shortest completion of each state; FAR where there is none."""
        return nearest_ends(self._trans, self._costs, self._end_flags(demand))

    def _shortest_text(self, state: int, demand: int) -> str:
        """Return the shortest completion of a state for a demand that it can meet."""
        return self._read_completion(state, repeat(self._completion_costs(demand)))

    def _read_completion(self, state: int, layers: Iterator[Longs]) -> str:
        """Return the completion of a state, read from costs.

        `layers` yields the costs of the completions of all states: first those before the first character,
        then those after it, and so on.
        """
        far = next(layers)
        points = []
        while far[state]:  # at cost 0 the state accepts, and the completion ends
            cost = int(far[state])
            far = next(layers)
            state, kind = self._take_step(state, cost, far)
            points.append(self._points[kind])
        return "".join(map(chr, points))

    def _take_step(self, state: int, cost: int, far: Longs) -> tuple[int, int]:
        """Return (state after, class) of the first character of a completion.

        `cost`: the cost of the completion of `state`. `far`: the costs of the states after the character.
        """
        for kind in self._order:
            after = int(self._trans[state, kind])
            if after >= 0 and self._costs[kind] + far[after] == cost:
                return after, kind
        raise AssertionError("a state of an automaton leads to no end")

    def complete_in_phases(self, state: int, phases: Sequence[Phase], written_count: int) -> dict[int, str]:
        """Return the shortest completion of a state for each demand that can still be met, in phases.

        A *phase* is a range of lengths of the string in which each demand stands for one formula of the
        automaton (`length_phases`). Demand `d` stands for the formula `phase.asks[d]`. The outcomes of the
        automaton are here sets of formulas. `phases`: the phases in order, from the present one on.
        `written_count`: the number of characters before `state`.

        Raises `LimitError` if every demand needs more characters than the search keeps. Cost: for a demand
        that cannot be met in the present phase, the number of states times the number of classes, for each
        character up to the end of the phase.
        """
        texts: dict[int, str] = {}
        last_error: LimitError | None = None
        begins = [written_count, *(max(written_count, phase.end) for phase in phases)]
        for demand in range(len(phases[0].asks)):
            plan: list[tuple[int, int]] = []
            for phase, begin in zip(phases, begins, strict=False):
                remaining = phase.end - begin
                if remaining > 0:  # the phase has not ended yet
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
        """Return the shortest completion for a demand that changes with the length; None where none exists.

        `plan`: (number of characters, formula of the automaton or -1 for none) for each phase from here on.
        Raises `LimitError` where the search would keep too many costs.
        """
        room = _MOST_COSTS // max(len(self._trans), _LEAST_STATES)
        steps: list[Flags] = []
        for phase, (remaining, demand) in enumerate(plan):
            is_last_phase = phase == len(plan) - 1
            far = self._completion_costs(demand)
            if far[state] < min(remaining, FAR) and not steps:
                return self._shortest_text(state, demand)
            # A completion of cost n has at most n characters: where n < remaining, it ends in this phase.
            far = np.where(far < remaining, far, FAR)
            if len(steps) + remaining > room:
                break
            steps += [self._end_flags(demand)] * remaining
        THIS_CALL.count_work(len(steps) * self._trans.size)
        # The costs of all states, backwards: the first array is after the last step.
        layers = [far]
        usable = np.flatnonzero(self._costs >= 0)
        for ends in reversed(steps):
            # A transition of -1 leads to no state; as an index it reads the FAR that is appended.
            costs_after = np.append(layers[-1], FAR)[self._trans[:, usable]]
            ways = costs_after + self._costs[usable]
            cheapest_ways = ways.min(axis=1, initial=FAR)
            layers.append(np.where(ends, 0, cheapest_ways))
        if layers[-1][state] < FAR:
            return self._read_completion(state, chain(reversed(layers), repeat(far)))
        if is_last_phase:
            return None
        raise LimitError(
            f"A completion takes more than {len(steps):,} characters.",
            limit="oracle_steps",
            cure="Reduce the lengths and the counts in its patterns.",
        )

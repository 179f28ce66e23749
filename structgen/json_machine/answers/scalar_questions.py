"""What a network asks about scalars, answered by the automata that the machine will run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence

from structgen.automata.numbers.number_pool import NumberPool
from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.decoded_text import columns, decode, encode
from structgen.language.ir import DEAD, Demands, Formula, Spec
from structgen.schema.reading.json_values import json_string

Intern = Callable[[frozenset[int]], int]
_FIRST = 1 << 24
"""Sets of formulas are numbered from here: automata are shared with outcomes and classes of keys, and what a
number means must not depend on who asks."""
_GLANCE = 100
"""Texts that are looked at before words are completed by the shortest rest."""


class Strings:
    """The string oracle over a pool."""

    __slots__ = ("_intern", "_literal", "_numbers", "_pool", "_sets")

    def __init__(
        self, pool: StringPool, intern: Intern, literal: Callable[[str], bytes] = json_string
    ) -> None:
        """`literal`: how strings are written."""
        self._pool, self._intern, self._literal = pool, intern, literal
        self._numbers: dict[frozenset[int], int] = {}
        self._sets: list[frozenset[int]] = []

    def shortest(self, spec: Spec) -> Demands:
        """Return, for each formula that some string meets, the JSON literal of the shortest such string."""
        pool = self._pool
        counted = pool.counted(spec, self._intern)
        state, most = (pool.start(spec, self._intern), -1) if counted is None else counted[:2]
        if state < 0:
            return {}
        return {j: self._literal(decode(text)) for j, text in pool.finish(state, most).items()}

    def matches(self, formula: Formula, text: str) -> bool:
        """Return whether a decoded string meets a formula."""
        pool = self._pool
        counted = pool.counted(Spec((formula,)), self._intern)
        if counted is not None and len(text) > counted.most:
            return False
        state = pool.start(Spec((formula,)), self._intern) if counted is None else counted.start
        for column in columns(encode(text)):
            if state < 0:
                return False
            state = int(pool.trans[state, column])
        return state != DEAD and int(pool.outcome[state]) >= 0

    def words(self, formula: Formula, most: int) -> Sequence[str] | None:
        """Return all strings that meet a formula if they are at most `most`, else None."""
        pool, spec = self._pool, Spec((formula,))
        counted = pool.counted(spec, self._intern)
        # each round of a loop is one more word, and a round goes through each state at most once
        if counted is not None and counted.most > (most + 1) * len(counted.states):
            if pool.is_infinite(counted.start):
                return None
        state = pool.start(spec, self._intern)
        if state < 0:
            return ()
        found = pool.is_finite(state, most)
        return None if found is None else [decode(word) for word in found]

    def is_infinite(self, formula: Formula) -> bool:
        """Return whether infinitely many strings meet a formula."""
        spec = Spec((formula,))
        if self._pool.counted(spec, self._intern) is not None:
            return False
        state = self._pool.start(spec, self._intern)
        return state >= 0 and self._pool.is_infinite(state)

    def some(
        self,
        spec: Spec,
        count: int,
        avoid: Collection[str],
        accept: Callable[[frozenset[int]], bool],
        most: int,
    ) -> list[tuple[str, frozenset[int]]] | None:
        """Return up to `count` strings that are not in `avoid`, each with the set of formulas that are true
        of it, which the judge of the spec and `accept` take: as many as there are, short ones first as far as
        a glance tells. None where looking at `most` texts does not tell how many there are.

        Cost: some 20 us a text that is looked at. Raises `LimitError` where a completion is out of reach.
        """
        pool = self._pool
        start = pool.start(spec, self._number)
        gone = set(map(encode, avoid))
        found: dict[bytes, frozenset[int]] = {}
        visits: dict[int, int] = {}
        # No state need be gone through more often than there are words to be told apart.
        often = count + len(gone)
        queue = deque([(start, b"")] if start >= 0 else [])
        steps = 0
        while queue and len(found) < count:
            state, text = queue.popleft()
            visits[state] = visits.get(state, 0) + 1
            if visits[state] > often:
                continue
            steps += 1
            if steps > most:
                return None
            end, rest = state, b""
            if pool.outcome[state] < 0 and steps > _GLANCE:
                rest = min(pool.finish(state).values())
                for column in columns(rest):
                    end = int(pool.trans[end, column])
            if pool.outcome[end] >= 0 and text + rest not in gone:
                true = self._sets[int(pool.outcome[end]) - _FIRST]
                if accept(true):
                    found[text + rest] = true
            queue.extend((after, text + bytes((byte,))) for byte, after in pool.going_on(state))
        return [(decode(word), true) for word, true in found.items()]

    def _number(self, true: frozenset[int]) -> int:
        """Return the number of a set of formulas; those of this oracle alone."""
        found = self._numbers.get(true)
        if found is None:
            found = self._numbers[true] = _FIRST + len(self._sets)
            self._sets.append(true)
        return found


class Numbers:
    """The number oracle over a pool."""

    __slots__ = ("_intern", "_pool")

    def __init__(self, pool: NumberPool, intern: Intern) -> None:
        self._pool, self._intern = pool, intern

    def shortest(self, spec: Spec) -> Demands:
        """Return, for each formula that some numeral within the policy meets, the shortest such numeral."""
        state = self._pool.start(spec, self._intern)
        return {} if state < 0 else self._pool.finish(state)

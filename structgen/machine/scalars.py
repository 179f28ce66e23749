"""What a network asks about scalars, answered by the automata that the machine will run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from structgen.automata.numeral_product import AnyPool
from structgen.automata.strings import StringPool
from structgen.ir import DEAD, UNKNOWN, Demands, Formula, Spec
from structgen.schema.values import ascii_string, json_string

Intern = Callable[[frozenset[int]], int]


class Strings:
    """The string oracle over a pool."""

    __slots__ = ("_intern", "_literal", "_pool")

    def __init__(self, pool: StringPool, intern: Intern, *, ascii: bool = False) -> None:
        """`ascii`: literals are written in ASCII alone."""
        self._pool, self._intern = pool, intern
        self._literal = ascii_string if ascii else json_string

    def shortest(self, spec: Spec) -> Demands:
        """Return, for each formula that some string meets, the JSON literal of the shortest such string."""
        state = self._pool.start(spec, self._intern)
        if state < 0:
            return {}
        return {j: self._literal(text.decode()) for j, text in self._pool.finish(state).items()}

    def matches(self, formula: Formula, text: str) -> bool:
        """Return whether a decoded string meets a formula."""
        pool = self._pool
        state = pool.start(Spec((formula,)), self._intern)
        for column in _columns(text):
            if state < 0:
                return False
            after = int(pool.trans[state, column])
            if after == UNKNOWN:
                pool.expand(state)
                after = int(pool.trans[state, column])
            state = after
        return state != DEAD and int(pool.outcome[state]) >= 0

    def words(self, formula: Formula, most: int) -> Sequence[str] | None:
        """Return all strings that meet a formula if they are at most `most`, else None."""
        state = self._pool.start(Spec((formula,)), self._intern)
        if state < 0:
            return ()
        found = self._pool.is_finite(state, most)
        return None if found is None else [word.decode() for word in found]


def _columns(text: str) -> list[int]:
    """Return the columns of a string automaton that a decoded string takes,
    one a UTF-8 byte or lone surrogate."""
    columns: list[int] = []
    for char in text:
        if "\ud800" <= char <= "\udfff":
            columns.append(256 if char < "\udc00" else 257)
        else:
            columns.extend(char.encode())
    return columns


class Numbers:
    """The number oracle over a pool."""

    __slots__ = ("_intern", "_pool")

    def __init__(self, pool: AnyPool, intern: Intern) -> None:
        self._pool, self._intern = pool, intern

    def shortest(self, spec: Spec) -> Demands:
        """Return, for each formula that some numeral within the policy meets, the shortest such numeral."""
        state = self._pool.start(spec, self._intern)
        return {} if state < 0 else self._pool.finish(state)

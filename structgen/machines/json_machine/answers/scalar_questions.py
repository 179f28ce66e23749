"""`Strings` and `Numbers` answer the network's questions about values, by the machine's automata.

- An *oracle* is an object that the network asks, e.g. whether some string meets a formula.
- A *formula* is a condition on one value, e.g. a pattern and a length. A *spec* is one formula for each
  demand of a place (`Spec`).
- A *pool* makes the automata of specs, and keeps them for the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from structgen.automata.numbers.number_pool import NumberPool
from structgen.automata.strings.length_phases import at_length
from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.decoded_text import columns_of, decode_text, encode_text
from structgen.base.language.ir import DEAD, TRUE, Demands, Formula, Outcomes, Spec


class Strings:
    """The oracle of strings over a pool."""

    def __init__(self, pool: StringPool, literal: Callable[[str], bytes]) -> None:
        """`literal`: a function that writes a string as JSON, by the policy of escapes."""
        self._pool, self._literal = pool, literal
        self.outcomes = Outcomes()

    def shortest(self, spec: Spec) -> Demands:
        """Return, by the index of each formula that can be met, the JSON literal of the shortest string."""
        state = self._start_state(spec)
        if state < 0:
            return {}
        shortest_texts = self._pool.shortest_rests(state)
        return {demand: self._literal(decode_text(text)) for demand, text in shortest_texts.items()}

    def _start_state(self, spec: Spec) -> int:
        """Return the first state of the automaton of a spec; DEAD: no string meets it."""
        # Phases are cheaper than a whole automaton, where bounds of the length are large.
        phases = self._pool.start_in_phases(spec, self.outcomes)
        return self._pool.start(spec, self.outcomes) if phases is None else phases

    def exists(self, formula: Formula) -> bool:
        """Return whether some string meets a formula."""
        return self._start_state(Spec((formula,))) != DEAD

    def matches(self, formula: Formula, text: str) -> bool:
        """Return whether a decoded string meets a formula."""
        pool = self._pool
        # The length is known, so no automaton has to count it.
        state = pool.start(Spec((at_length(formula, len(text)),)), self.outcomes)
        for column in columns_of(encode_text(text)):
            if state < 0:
                return False
            state = pool.step(state, column)
        return state != DEAD and int(pool.outcome[state]) >= 0

    def words(self, formula: Formula, max_words: int) -> Sequence[str] | None:
        """Return all strings that meet a formula; None: there are more than `max_words`."""
        state = self._start_state(Spec((formula,)))
        if state < 0:
            return ()
        words = self._pool.is_finite(state, max_words)
        return None if words is None else [decode_text(word) for word in words]

    def classes(self, formulas: Sequence[Formula]) -> dict[frozenset[int], bool]:
        """Return the sets of formulas (by index) of which some string meets all, and none of the others.

        Each set has whether infinitely many strings are in it. For example, the formulas "length 1" and
        "digits" have the sets {}, {0}, {1} and {0, 1}; {0, 1} is finite.
        """
        # Every string meets TRUE, the last formula. So strings that meet no other formula are a class, too.
        true_index = len(formulas)
        classes = self._pool.text_classes((*formulas, TRUE))
        return {indices - {true_index}: infinite for indices, infinite in classes.items()}


class Numbers:
    """The oracle of numbers over a pool."""

    def __init__(self, pool: NumberPool, outcomes: Outcomes) -> None:
        self._pool, self._outcomes = pool, outcomes

    def shortest(self, spec: Spec) -> Demands:
        """Return, by the index of each formula that some numeral meets, the shortest such numeral."""
        state = self._pool.start(spec, self._outcomes)
        return {} if state < 0 else self._pool.shortest_rests(state)

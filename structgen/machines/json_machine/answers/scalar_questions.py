"""Questions of a network about strings and numbers, answered by the automata that the machine will run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from structgen.automata.numbers.number_pool import NumberPool
from structgen.automata.strings.length_phases import at_length
from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.decoded_text import columns_of, decode_text, encode_text
from structgen.base.language.ir import DEAD, TRUE, Demands, Formula, Outcomes, Spec
from structgen.schema.reading.json_values import json_string


class Strings:
    """The string oracle over a pool."""

    def __init__(self, pool: StringPool, literal: Callable[[str], bytes] = json_string) -> None:
        """`literal`: how strings are written."""
        self._pool, self._literal = pool, literal
        self.outcomes = Outcomes()

    def shortest(self, spec: Spec) -> Demands:
        """Return, for each formula that some string meets, the JSON literal of the shortest such string."""
        state = self._start_state(spec)
        if state < 0:
            return {}
        shortest_texts = self._pool.shortest_rests(state)
        return {demand: self._literal(decode_text(text)) for demand, text in shortest_texts.items()}

    def _start_state(self, spec: Spec) -> int:
        """Return the state before the first byte of a text of a spec, DEAD where there is none."""
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
        """Return all strings that meet a formula if they are at most `max_words`, else None."""
        state = self._start_state(Spec((formula,)))
        if state < 0:
            return ()
        words = self._pool.is_finite(state, max_words)
        return None if words is None else [decode_text(word) for word in words]

    def classes(self, formulas: Sequence[Formula]) -> dict[frozenset[int], bool]:
        """Return the sets of formulas that are true together, and no others, of some string; each with
        whether infinitely many strings are such."""
        # TRUE, the last formula, is true of every string: so strings that meet no other are a class, too.
        true_index = len(formulas)
        classes = self._pool.text_classes((*formulas, TRUE))
        return {indices - {true_index}: infinite for indices, infinite in classes.items()}


class Numbers:
    """The number oracle over a pool."""

    def __init__(self, pool: NumberPool, outcomes: Outcomes) -> None:
        self._pool, self._outcomes = pool, outcomes

    def shortest(self, spec: Spec) -> Demands:
        """Return, for each formula that some numeral within the policy meets, the shortest such numeral."""
        state = self._pool.start(spec, self._outcomes)
        return {} if state < 0 else self._pool.shortest_rests(state)

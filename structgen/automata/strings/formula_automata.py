"""Make the automaton of a formula on a string, and that of a spec.

A *formula* is built from atoms with the connectives `All` (and), `Any_` (or) and `Not`. The *atoms* of
strings are `Pattern`, `Format`, `Length` and `Words`. A *spec* is several formulas on one string, the
*demands*. The *outcome* of a string is the set of the demands that it meets. For example, the spec with the
demands `^a` and `b$` has one automaton with the outcomes {0}, {1} and {0, 1}.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from structgen.automata.formats.named_formats import meaning_of
from structgen.automata.regex.counted_class import without_count
from structgen.automata.regex.ecma_syntax import parse_ecma
from structgen.automata.regex.syntax_tree import Node, make_alternation
from structgen.automata.strings.alphabets import (
    NUMBERS_OF_A_CHARACTER,
    NUMBERS_OF_A_RANGE,
    allowed_characters,
    alphabet_of_names,
)
from structgen.automata.strings.automata import (
    MOST_STATES,
    NONE,
    Automaton,
    automaton_of_lengths,
    automaton_of_words,
    complement,
    intersect_automata,
    minimal_automaton,
    multiply_automata,
    unite_automata,
)
from structgen.automata.strings.found_texts import automaton_of_found_texts
from structgen.automata.strings.held_automata import HeldByContent
from structgen.automata.strings.lengths import length_bounds, limit_lengths
from structgen.automata.strings.live_strings import name_texts, unsupported_error
from structgen.automata.strings.patterns import automaton_of
from structgen.automata.strings.shipped_automata import shipped_automaton
from structgen.base.errors import GrammarError
from structgen.base.language.ir import (
    All,
    Any_,
    Format,
    Formula,
    Length,
    Multiple,
    Not,
    NumberAtom,
    Pattern,
    PlainInteger,
    Spec,
    Texts,
    Words,
)
from structgen.base.language.number_ranges import Ranges
from structgen.base.system.public_calls import THIS_CALL

OutcomeSets: TypeAlias = tuple[frozenset[int], ...]
"""The formulas that are true at each outcome of an automaton, from outcome 1 on."""
HELD: Final[HeldByContent[Automaton]] = HeldByContent()
"""The automata of the formulas that this process used last."""
_PAIR: Final = Pattern(r"[\uD800-\uDBFF][\uDC00-\uDFFF]")
"""Two surrogates that are not lone: together their escapes are one character (RFC 8259, section 7)."""
_LOW, _HIGH = 0xD800, 0xE000
"""The first surrogate, and the first code point after the surrogates."""


@dataclass(frozen=True, eq=False, slots=True)
class SpecAutomaton:
    """The automaton of a spec, with the meaning of its outcome numbers."""

    automaton: Automaton
    """The automaton; its outcomes are numbers."""
    outcomes: OutcomeSets

    @property
    def nbytes(self) -> int:
        """The size of the tables, in bytes."""
        return self.automaton.nbytes


@dataclass(eq=False)
class FormulaReader:
    """Makes the automata of formulas.

    `max_states`: the most states of an automaton. `numbers`: a function that makes the automaton of an atom
    on numbers; without it, such atoms are refused.
    """

    _max_states: int = MOST_STATES
    _numbers: Callable[[NumberAtom], Automaton] | None = None

    def automaton_of_formula(self, formula: Formula, alone: bool = True) -> Automaton:
        """Return the automaton of the texts that meet a formula; it has one outcome.

        `alone`: the string has to meet no other condition than lengths and excluded words. The meaning of
        some formats depends on it (`named_formats.meaning_of`). Raises `RegexError`, `UnsupportedError` or
        `LimitError`.
        """
        key = formula, alone, self._max_states, self._numbers
        return HELD.get(key, lambda: self._build_automaton(formula, alone))

    def _build_automaton(self, formula: Formula, alone: bool) -> Automaton:
        """Make the automaton of a formula that is not in the cache. Parameters: as `automaton_of_formula`."""
        # Without recursion, because formulas may be deep. An entry of `stack` is (formula, is it denied, is
        # it alone, are its parts done). A connective is taken a second time (`ready`) when the automata of
        # its parts are the last ones of `done`.
        done: list[Automaton] = []
        stack = [(formula, False, alone, False)]
        while stack:
            formula, is_denied, alone, ready = stack.pop()
            if isinstance(formula, Not):
                if ready:
                    done[-1] = complement(done[-1])
                else:
                    stack.append((formula, is_denied, alone, True))
                    stack.append((formula.of, not is_denied, False, False))
            elif isinstance(formula, (All, Any_)):
                below = [part for part in formula.of if not self._is_joined(formula, part)]
                if not ready and below:
                    stack.append((formula, is_denied, alone, True))
                    asks_one_thing = isinstance(formula, All) and sum(map(_asks_more, formula.of)) <= 1
                    part_is_alone = alone and asks_one_thing
                    # in reverse, so that the first part is made first, and stands first in `done`
                    stack.extend((part, is_denied, part_is_alone, False) for part in below[::-1])
                    continue
                start = len(done) - len(below)
                parts = done[start:]
                del done[start:]
                done.append(self._join_parts(formula, parts))
            elif isinstance(formula, Format):
                done.append(self._format_automaton(formula, is_denied, alone))
            else:
                done.append(self._atom_automaton(formula))
        return done[0]

    def _is_joined(self, connective: All | Any_, part: Formula) -> bool:
        """Return whether a part of a connective is handled by `_join_parts`, together with its neighbours.

        These are the lengths and excluded words of a conjunction, and the patterns and words of a
        disjunction.
        """
        if isinstance(connective, All):
            return not _asks_more(part)
        return isinstance(part, (Pattern, Words))

    def _join_parts(self, formula: All | Any_, parts: list[Automaton]) -> Automaton:
        """Return the automaton of a conjunction or a disjunction. `parts`: the automata of those of its parts
        for which `_is_joined` is false."""
        if isinstance(formula, All):
            min_length, max_length = length_bounds(formula.of)
            exclusions = [words for part in formula.of if (words := _excluded_words(part)) is not None]
            if exclusions:
                parts.append(complement(self._atom_automaton(_unite_words(exclusions))))
            if not parts:
                return automaton_of_lengths(min_length, max_length, self._max_states)
            # Lengths come last, because they multiply the number of states.
            intersection = intersect_automata(parts, self._max_states)
            return limit_lengths(intersection, min_length, max_length, self._max_states)
        word_sets = [part for part in formula.of if isinstance(part, Words)]
        sources = dict.fromkeys(part.source for part in formula.of if isinstance(part, Pattern))
        if word_sets:
            parts.append(self._atom_automaton(_unite_words(word_sets)))
        if sources:
            # one search for several patterns has fewer states than their product
            tree = make_alternation([parse_ecma(source) for source in sources])
            key = ("patterns", tuple(sources), self._max_states)
            parts.append(HELD.get(key, lambda: self._search_automaton(tree)))
        return unite_automata(parts, self._max_states)

    def _read_pattern(self, pattern: Pattern) -> Automaton:
        """Return the automaton of a pattern. The present call counts the steps of reading it once."""
        source = pattern.source
        if (characters := allowed_characters(source)) is not None:
            # A character takes 70 ns here, a third of the time of a range.
            THIS_CALL.count_work(NUMBERS_OF_A_RANGE // 3 * len(source))
            alphabet, allowed_kind = characters
            # One state, which accepts; the allowed characters lead back to it.
            row = np.full(alphabet.width, -1, np.int32)
            row[allowed_kind] = 0
            return Automaton(alphabet, row[None], np.ones(1, np.int32))
        THIS_CALL.count_work(NUMBERS_OF_A_CHARACTER * len(source))
        without = without_count(pattern)
        if without != pattern:
            return self._build_automaton(without, False)  # a product is faster than a thread for each count
        return self._search_automaton(parse_ecma(source))

    def _search_automaton(self, tree: Node) -> Automaton:
        """Return the automaton of the texts in which a search finds a pattern."""
        return automaton_of_found_texts(tree, self._max_states) or automaton_of(tree, self._max_states)

    def _atom_automaton(self, formula: Formula) -> Automaton:
        """Return the automaton of an atom. Errors: those of `automaton_of_formula`; GrammarError for an atom
        of numbers where only strings are read."""
        if isinstance(formula, Pattern):
            return HELD.get(
                (formula, self._max_states),
                lambda: self._find_shipped(formula) or self._read_pattern(formula),
            )
        if isinstance(formula, Words):
            return HELD.get(
                (formula, self._max_states), lambda: automaton_of_words(formula.of, self._max_states)
            )
        if isinstance(formula, Length):
            return automaton_of_lengths(formula.minimum, formula.maximum, self._max_states)
        if self._numbers is not None and isinstance(formula, (Ranges, Multiple, PlainInteger)):
            # Locals for the lambda: a type checker does not keep the narrow types of the others inside it.
            atom = formula
            make = self._numbers
            return HELD.get((atom, make), lambda: make(atom))
        if isinstance(formula, Texts):
            fault = (
                f"A key, or a string that must differ from others, must be {name_texts(formula)}, "
                "which is not regular or is too large."
            )
            raise unsupported_error(fault, "Use a regular grammar instead, or a pattern.")
        raise GrammarError(
            f"{type(formula).__name__} does not describe strings.",
            cure="Use string atoms in a string's formula.",
        )

    def _format_automaton(self, formula: Format, is_denied: bool, alone: bool) -> Automaton:
        """Return the automaton of a format. `is_denied`: whether the format stands under a negation, where
        its meaning differs. `alone`: as in `automaton_of_formula`."""
        meaning = meaning_of(formula.name, is_denied=is_denied, alone=alone)
        key = "meaning", meaning, self._max_states
        return HELD.get(key, lambda: self._find_shipped(meaning) or self._build_automaton(meaning, False))

    def _find_shipped(self, formula: Formula) -> Automaton | None:
        """Return the automaton of a formula that comes with the package; None where there is none, or where
        fewer states than usual are allowed."""
        return shipped_automaton(formula) if self._max_states == MOST_STATES else None

    # Specs.

    def automaton_of_spec(self, spec: Spec, *, lone: bool = False) -> SpecAutomaton:
        """Return the automaton of a spec with its outcomes.

        `lone`: whether lone surrogates can be written; if not, no text contains one. Raises what
        `automaton_of_formula` raises.
        """
        alone = len(spec.formulas) == 1
        parts = [self.automaton_of_formula(formula, alone) for formula in spec.formulas]
        if lone:
            parts = self._without_pairs(parts)
        if len(parts) == 1:
            automaton = parts[0]
            outcomes = [frozenset((0,))]
        else:
            automaton, outcomes = self._of_demands(parts)
        if not lone:
            automaton = _without_surrogates(automaton)
        return SpecAutomaton(automaton, tuple(outcomes))

    def _of_demands(self, parts: list[Automaton]) -> tuple[Automaton, list[frozenset[int]]]:
        """Return the product of the automata of demands, and its outcomes as sets of demands."""
        possible = [at for at, part in enumerate(parts) if not part.is_empty]
        if not possible:
            return NONE, []
        # A part without texts is never met: it would only make the product larger.
        alphabet, trans, met = multiply_automata([parts[at] for at in possible], False, self._max_states)
        THIS_CALL.count_work(NUMBERS_OF_A_CHARACTER * len(trans))
        numbers: dict[bytes, int] = {}
        outcomes: list[frozenset[int]] = []
        accept = np.zeros(len(trans), np.int32)
        for state, row in enumerate(np.packbits(met > 0, axis=1)):
            name = row.tobytes()
            number = numbers.get(name)
            if number is None:
                # columns of `met` are numbers in `possible`, and demands are numbers in `parts`
                columns = np.flatnonzero(met[state]).tolist()
                true = frozenset(possible[column] for column in columns)
                if not true:
                    number = numbers[name] = 0
                else:
                    outcomes.append(true)
                    number = numbers[name] = len(outcomes)
            accept[state] = number
        return minimal_automaton(alphabet, trans, accept), outcomes

    def _without_pairs(self, parts: list[Automaton]) -> list[Automaton]:
        """Remove the texts in which two surrogates would be one character; return the automata.

        If one part tells surrogates apart, these texts are removed from all parts, so that equal demands keep
        equal texts. If none does, nothing changes.
        """
        starts = np.concatenate([part.alphabet.starts for part in parts])
        if not ((starts > _LOW) & (starts < _HIGH)).any():
            return parts
        pairs = complement(self._atom_automaton(_PAIR))
        return [intersect_automata([part, pairs], self._max_states) for part in parts]


def group_outcomes(of: SpecAutomaton, groups: Sequence[frozenset[frozenset[int]]]) -> SpecAutomaton:
    """Return the automaton of a spec with new outcomes: {j} in place of each outcome that is in group j."""
    group_numbers = {true: number for number, group in enumerate(groups, 1) for true in group}
    # Outcomes that are in no group become 0: their texts are not accepted any more.
    new_numbers = np.array([0, *(group_numbers.get(true, 0) for true in of.outcomes)], np.int32)
    accept = new_numbers[of.automaton.accept]
    automaton = minimal_automaton(of.automaton.alphabet, of.automaton.trans, accept)
    outcomes = tuple(frozenset((at,)) for at in range(len(groups)))
    return SpecAutomaton(automaton, outcomes)


def _unite_words(parts: list[Words]) -> Words:
    """Return one set of all words of `parts`. One trie of all words is smaller than a product of tries."""
    return Words(frozenset().union(*(part.of for part in parts)))


def _asks_more(formula: Formula) -> bool:
    """Return whether a part of a conjunction is neither a length nor excluded words."""
    return not isinstance(formula, Length) and _excluded_words(formula) is None


def _excluded_words(formula: Formula) -> Words | None:
    """Return the words of a formula that only excludes words; None for other formulas."""
    if isinstance(formula, Not) and isinstance(formula.of, Words):
        return formula.of
    return None


def _without_surrogates(of: Automaton) -> Automaton:
    """Return an automaton whose alphabet does not tell surrogates from the characters below them."""
    starts = of.alphabet.starts
    inside = (starts >= _LOW) & (starts < _HIGH)
    if not inside.any():
        return of
    # Surrogates join the range below them. A range begins after the surrogates, with its old class.
    points = np.union1d(starts[~inside], [_HIGH])
    kinds = of.alphabet.classes_of(points)
    alphabet, first = alphabet_of_names(points, kinds)
    trans = np.ascontiguousarray(of.trans[:, kinds[first]])
    return minimal_automaton(alphabet, trans, of.accept)

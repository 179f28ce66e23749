"""Strings that must be texts of a grammar: their states are made when a text reaches them.

A grammar may describe texts that no finite automaton can recognise, such as balanced brackets. So its states
cannot all be made in advance.

A *way* is one alternative of a demand: a text of a grammar, or a string of a regular formula. For example,
`anyOf: [grammar, pattern]` has two ways. A *reader* reads the texts of one grammar byte by byte. A *live
state* holds the state of each reader, and one state of the automaton of all regular ways. In the row of a
live state, a column that has not been computed yet is UNASKED.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from structgen.base.errors import LimitError, UnsupportedError
from structgen.base.language.expectation import Expected
from structgen.base.language.ir import FALSE, TRUE, All, Any_, Formula, Not, Texts, atoms
from structgen.base.native.array_types import Int32Array, Int64Array

UNASKED: Final = -2
"""An entry in the row of a live state: the state after this byte has not been computed yet."""
_MOST_WAYS: Final = 1_000
"""The most ways that one formula may have."""

Way: TypeAlias = tuple[Texts | None, Formula]
"""A grammar and a regular formula, and a string has to meet both. None: no grammar is asked for."""


class TextMachine(Protocol):
    """The methods of a compiled grammar (`machines.core.compiled.CompiledGrammar`) that strings need.

    `index`: a state of the grammar.
    """

    def after_ascii(self, index: int, /) -> Int64Array:
        """Return the state after each byte below 128; below 0 where no text goes on with that byte."""

    def depth_of(self, index: int, /) -> int:
        """Return how many brackets or blocks of the text are open, where the grammar counts them; else 0."""

    def may_end(self, index: int, /) -> bool:
        """Return whether a text may end in a state."""

    def bits(self, index: int, /) -> Int32Array:
        """Return the tokens after which the text goes on or may end, as a mask: one bit for each token. End
        tokens may be among them."""

    def ends_below(self, index: int, wanted: Any, /) -> list[int]:
        """Return the nodes of the trie `wanted` (`machine_core.wanted_nodes`) at which a text may end."""


class TextReader(Protocol):
    """A reader of the texts of one grammar, byte by byte. Its states are those of its machine: numbers."""

    start: int
    """The state before the first byte."""

    @property
    def machine(self) -> TextMachine:
        """The compiled grammar."""

    def step(self, state: int, byte: int) -> int:
        """Return the state after a byte; below 0 where no text goes on with it."""

    def after_tokens(self, state: int, tokens: Int64Array) -> Int64Array:
        """Return the state after each token; below 0 where no text goes on with it."""

    def alike(self, state: int) -> int:
        """Return one state for all states that are known to have the same rest as `state`."""

    def expected(self, state: int) -> list[Expected]:
        """Return the continuations that may follow, described for people."""

    def rest(self, state: int) -> bytes:
        """Return a shortest completion of the text. After each of its bytes, the answer is the part of this
        completion that is not written yet."""


Make = Callable[[Any], "TextReader | None"]
"""A function that returns the reader of a grammar; None where the grammar has no text."""


class TextDemand(NamedTuple):
    """One way to meet a demand by a text of a grammar."""

    demand: int
    """The number of the demand."""
    reader: TextReader
    """The reader of the grammar's texts."""


class LiveState(NamedTuple):
    """The parts of a live state: the ways in which its string may go on."""

    ways: tuple[TextDemand, ...]
    """All ways of the specification that read a grammar. They are the same in each of its live states."""
    states: tuple[int, ...]
    """The state of the reader of each way; below 0: the string is not a beginning of such a text."""
    regular: int
    """The state of the pool for all regular ways together; below 0: no regular way goes on."""

    def alive_ways(self) -> Iterator[tuple[TextDemand, int]]:
        """Yield each way in which the string may still go on, with the state of its reader."""
        return ((way, state) for way, state in zip(self.ways, self.states, strict=True) if state >= 0)


def speaks_of_texts(formula: Formula) -> bool:
    """Return whether a formula contains a grammar (an atom `Texts`)."""
    return any(isinstance(atom, Texts) for atom in atoms(formula))


def ways_of(formula: Formula, is_denied: bool = False) -> list[Way]:
    """Return the ways of a formula: a string meets the formula if it meets one of them.

    `is_denied`: return the ways of the negation. Example: (g or p) and q -> [(g, q), (None, p and q)].

    Raises `UnsupportedError` where a grammar is denied, or where two grammars must hold at once; `LimitError`
    where the ways are too many.
    """
    if not speaks_of_texts(formula):
        return [(None, Not(formula) if is_denied else formula)]
    if isinstance(formula, Not):
        return ways_of(formula.of, not is_denied)
    if isinstance(formula, Texts):
        if is_denied:
            raise unsupported_error(
                f"A string must not be {name_texts(formula)}, which is not regular, or too large.",
                "Move the grammar out of not, oneOf and if; anyOf is supported.",
            )
        return [(formula, TRUE)]
    assert isinstance(formula, (All, Any_))
    parts = [ways_of(part, is_denied) for part in formula.of]
    # De Morgan: a denied conjunction is the disjunction of its denied parts, and the other way round.
    if isinstance(formula, Any_) is not is_denied:
        return [way for part in parts for way in part]
    # Each way of a part is combined with each way of the others. Their number is a product: it is limited.
    ways: list[Way] = [(None, TRUE)]
    for part in parts:
        ways = [_combine_ways(way, part_way) for way in ways for part_way in part]
        if len(ways) > _MOST_WAYS:
            raise LimitError(
                f"A string has more than {_MOST_WAYS:,} ways to match its schemas.", limit="alternatives"
            )
    return ways


def _combine_ways(way: Way, second_way: Way) -> Way:
    """Return the way that asks for both ways at once. Raises `UnsupportedError` for two grammars."""
    texts, formula = way
    second_texts, second_formula = second_way
    if texts is not None and second_texts is not None and texts != second_texts:
        # Whether two context-free grammars have a text in common cannot be decided.
        raise unsupported_error(
            f"One string must be both {name_texts(texts)} and {name_texts(second_texts)}; neither "
            "is regular and small.",
            "Write one grammar of the texts of both. Other grammars combined with one of these "
            "must be small and regular.",
        )
    regular = [part for part in (formula, second_formula) if part != TRUE]
    joint_formula = FALSE if FALSE in regular else _join_formulas(regular)
    return texts if second_texts is None else second_texts, joint_formula


def _join_formulas(parts: list[Formula]) -> Formula:
    if len(parts) == 1:
        return parts[0]
    return All(tuple(parts))


def name_texts(texts: Texts) -> str:
    """Return words for the texts of a grammar, as messages of errors use them."""
    return str(texts.of.texts_named)


def unsupported_error(fault: str, cure: str) -> UnsupportedError:
    """Return the error for a grammar at a place where grammars are not supported. `fault`, `cure`: what is
    wrong, and how to mend it."""
    return UnsupportedError(fault, keyword="x-grammar", where="", cure=cure)

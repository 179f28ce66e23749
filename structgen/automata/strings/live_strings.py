"""Strings that are texts of grammars: automata whose states are made as texts reach them.

A grammar need not be regular, so there is no whole automaton. A state of a pool's table is then a *live*
state: a configuration of readers, one for each way in which a string may meet a demand, and of the automaton
of all regular ways. A column of its row that nobody has asked for is UNASKED.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from structgen.base.errors import LimitError, UnsupportedError
from structgen.base.language.expectation import Expected
from structgen.base.language.ir import FALSE, TRUE, All, Any_, Formula, Not, Texts, atoms

UNASKED: Final = -2
"""In a row of a live state: nobody has asked for the state after this byte."""
_MOST_WAYS: Final = 1_000
"""Ways to meet a demand that are told apart."""


class TextMachine(Protocol):
    """A compiled grammar (`machines.core.compiled.CompiledGrammar`), as the strings that it holds ask it."""

    def after_ascii(self, index: int, /) -> npt.NDArray[np.int64]:
        """Return the state after each byte below 128; a number below 0 where no text goes on so."""
        ...

    def depth_of(self, index: int, /) -> int:
        """Return how many brackets or blocks of the text are open, where the grammar counts them; else 0."""
        ...

    def may_end(self, index: int, /) -> bool:
        """Return whether a text may end in a state."""
        ...

    def bits(self, index: int, /) -> npt.NDArray[np.int32]:
        """Return the tokens that stay inside the text, as a row of bits; end tokens may be among them."""
        ...

    def ends_below(self, index: int, wanted: Any, /) -> list[int]:
        """Return the nodes of a trie (`machine_core.wanted_nodes`) at which a text may end."""
        ...


class TextReader(Protocol):
    """Reads texts of a grammar byte by byte. Its states are those of its machine, numbers."""

    start: int

    @property
    def machine(self) -> TextMachine:
        """The compiled grammar."""
        ...

    def step(self, state: int, byte: int) -> int:
        """Return the state after a byte; below 0 where no text goes on so."""
        ...

    def after_tokens(self, state: int, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the states after each of some tokens."""
        ...

    def alike(self, state: int) -> int:
        """Return a state with the same rest, as far as is known: one for many."""
        ...

    def expected(self, state: int) -> list[Expected]:
        """Return the continuations that may follow, in words."""
        ...

    def rest(self, state: int) -> bytes:
        """Return a shortest rest of the text. The rest of each state on the way is what is left of it."""
        ...


Make = Callable[[Any], "TextReader | None"]
"""Returns the reader of a grammar; None where that has no text."""


class TextDemand(NamedTuple):
    """One way to meet a demand: a text of a grammar."""

    demand: int
    reader: TextReader


class LiveState(NamedTuple):
    """The parts of a live state: the ways in which its string may go on."""

    ways: tuple[TextDemand, ...]
    """The ways of the specification to which the state belongs."""
    states: tuple[int, ...]
    """The state of each way's reader; below 0: the string is no such text."""
    regular: int
    """The state in the pool of the ways that are regular; below 0: it is none of them."""

    def alive_ways(self) -> Iterator[tuple[TextDemand, int]]:
        """Yield each way in which the string may still go on, with the state of its reader."""
        return ((way, state) for way, state in zip(self.ways, self.states, strict=True) if state >= 0)


def speaks_of_texts(formula: Formula) -> bool:
    """Return whether a grammar that need not be regular stands in a formula."""
    return any(isinstance(atom, Texts) for atom in atoms(formula))


def ways_of(formula: Formula, is_denied: bool = False) -> list[tuple[Texts | None, Formula]]:
    """Return a formula as alternatives: each a grammar (None: none is asked) and a regular formula beside it.

    Raises `UnsupportedError` where a grammar is denied, or two must hold at once; `LimitError`.
    """
    if not speaks_of_texts(formula):
        return [(None, Not(formula) if is_denied else formula)]
    if isinstance(formula, Not):
        return ways_of(formula.of, not is_denied)
    if isinstance(formula, Texts):
        if is_denied:
            raise unsupported_error(
                f"A string is asked for that is not {name_texts(formula)}, which is not regular, "
                "or too large.",
                "Leave the grammar out of not, oneOf and if; anyOf takes it.",
            )
        return [(formula, TRUE)]
    assert isinstance(formula, (All, Any_))
    parts = [ways_of(part, is_denied) for part in formula.of]
    # A denied conjunction is a disjunction of what denies its parts (A. De Morgan).
    if isinstance(formula, Any_) is not is_denied:
        return [way for part in parts for way in part]
    # Each way of a part with each way of the others: their number is a product, so it is bounded.
    ways: list[tuple[Texts | None, Formula]] = [(None, TRUE)]
    for part in parts:
        ways = [_combine_ways(way, part_way) for way in ways for part_way in part]
        if len(ways) > _MOST_WAYS:
            raise LimitError(
                f"A string may meet its schemas in more than {_MOST_WAYS:,} ways.", limit="alternatives"
            )
    return ways


def _combine_ways(
    way: tuple[Texts | None, Formula], second_way: tuple[Texts | None, Formula]
) -> tuple[Texts | None, Formula]:
    """Return the way of a string that goes both ways at once. Errors: `UnsupportedError` for two grammars."""
    texts, formula = way
    second_texts, second_formula = second_way
    if texts is not None and second_texts is not None and texts != second_texts:
        # Whether two context-free grammars have a text in common cannot be decided.
        raise unsupported_error(
            f"One string is asked to be {name_texts(texts)} and {name_texts(second_texts)}, neither of "
            "which is regular and small.",
            "Write one grammar of the texts of both. Beside one of these, others must be small and regular.",
        )
    regular = [part for part in (formula, second_formula) if part != TRUE]
    joined = FALSE if FALSE in regular else _join_formulas(regular)
    return texts if second_texts is None else second_texts, joined


def _join_formulas(parts: list[Formula]) -> Formula:
    if len(parts) == 1:
        return parts[0]
    return All(tuple(parts))


def name_texts(texts: Texts) -> str:
    """Return the words for the texts of a grammar."""
    return str(texts.of.texts_named)


def unsupported_error(fault: str, cure: str) -> UnsupportedError:
    """Return the error for a place of a grammar that is not offered."""
    return UnsupportedError(fault, keyword="x-grammar", where="", cure=cure)

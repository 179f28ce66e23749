"""A compiled grammar around another one that narrows its masks: `forced_text`, and some of bench/methods.

A state is a *place*: a state of the grammar, and further knowledge of the narrowing. Places are interned, so
matchers, batches, drafts and budgets use the result as they use any other compiled grammar.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

import numpy as np

from structgen.automata.strings.held_automata import ENTRY_BYTES
from structgen.base.language.expectation import Expected
from structgen.base.system.fork_locks import GRAMMARS, new_lock
from structgen.machines.core.compiled import Bits, CompiledGrammar, Completions
from structgen.machines.machine_core.growing_tables import NODES, TablePlan, TableSizes
from structgen.machines.machine_core.layout import ENDED, LARGE
from structgen.machines.machine_core.lexeme_layout import LexemeContext
from structgen.machines.machine_core.masks import fill_mask
from structgen.tokens.token_mask import tokens_of

TABLES: Final = TablePlan(LexemeContext, {"nodes": TableSizes(256), "lists": TableSizes(4096)})
READING: Final = 0
"""The mode of every state before an end token."""


class NarrowedPlace(Protocol):
    """A state of a narrowed text: hashable."""

    @property
    def state(self) -> int:
        """The state of the grammar."""


P = TypeVar("P", bound=NarrowedPlace)


class NarrowedText(CompiledGrammar, Completions, Generic[P]):
    """The frame: subclasses say how a place moves, and what its mask is. All else is as the grammar has it,
    the completions too."""

    table_plan = TABLES

    def __init__(self, inner: CompiledGrammar, besides: int = 0) -> None:
        """`besides`: more than the height of each other grammar that it asks under its lock; 0: it asks
        none."""
        super().__init__(inner.grammar, inner.tokenizer, inner.limits, inner.store)
        self.inner = inner
        self.height = inner.height + besides
        # With the inner grammar's lock, one lock covers both. A grammar that asks others needs a lock of its
        # own above all of theirs (`fork_locks`).
        self.lock = new_lock(GRAMMARS, self.height) if besides else inner.lock
        self._places: list[P | None] = []
        self._numbers: dict[P, int] = {}
        self._bits: Bits = np.empty(0, np.int32)
        """The mask that was worked out last, as a row of bits."""

    def _number_of(self, place: P) -> int:
        """Return the number of a place."""
        with self.lock:
            # Equal places have one number, as states of every machine.
            number = self._numbers.get(place, -1)
            if number < 0:
                # An exception may have cut off an earlier call between the two lines: the slice drops what
                # that call left behind, so that numbers of places and of rows agree.
                self._places[self._tables.count(NODES) :] = (place,)
                number = self._numbers[place] = self._put_state(READING)
            return number

    def _put_finished(self) -> int:
        self._places[self._tables.count(NODES) :] = (None,)  # the finished state has no place
        return super()._put_finished()

    def place(self, index: int) -> P:
        """Return the place of a state, by its number, before an end token."""
        place = self._places[index]
        assert place is not None, "a state that no end token has finished"
        return place

    def rest_at(self, place: P) -> bytes:
        """Return the bytes that must be written at a place before the grammar's own text goes on."""
        return b""

    def may_end(self, index: int) -> bool:
        """Return whether the text may end in a state, by its number."""
        place = self._places[index]
        return place is not None and not self.rest_at(place) and self.inner.may_end(place.state)

    def forced(self, index: int) -> bytes:
        """Return the bytes that must come next; empty where the document may end here."""
        place = self.place(index)
        return self.rest_at(place) + self.inner.forced(place.state)

    def special_tokens(self, index: int) -> list[int]:
        """Return the tokens without bytes, end tokens apart, that may come in a state, by its number."""
        place = self._places[index]
        return [] if place is None or self.rest_at(place) else self.inner.special_tokens(place.state)

    def planned_tokens(self, index: int) -> Sequence[int]:
        """Return the tokens in which forced text is to be written from a state on, by its number."""
        place = self._places[index]
        return () if place is None else self.inner.planned_tokens(place.state)

    def _next_bytes(self, index: int) -> bytes:
        place = self._places[index]
        if place is None:
            return b""
        # While bytes must be written, the next of them is the only one.
        return self.rest_at(place)[:1] or self.inner._next_bytes(place.state)

    def _list_expected(self, index: int) -> list[Expected]:
        place = self._places[index]
        return [] if place is None else self.inner._list_expected(place.state)

    def _is_narrower(self, index: int) -> bool:
        """Return whether the mask of a state may be narrower than the grammar's."""
        return True

    @abstractmethod
    def _narrow_mask(self, index: int, bits: Bits) -> Bits:
        """Return the mask of a state, of which the grammar has the row of bits `bits`."""

    def _compute_mask(self, index: int, target: int) -> int:
        # Another thread may have worked it out while this one waited for the lock.
        if fill_mask(self.address, index, target) == 0:
            return 0
        if index == self._finished_state:
            return ENDED
        state = self.place(index).state
        if not self._is_narrower(index) and (parts := self.inner.mask_parts(state)) is not None:
            # The two masks are one: the row of the store and the list are shared.
            dense_row, token_list = parts
        else:
            self._bits = self._narrow_mask(index, self.inner.bits(state))
            dense_row = -1
            token_list = tokens_of(self._bits).astype(np.int32)
            # A list of so many tokens takes more room than a row of bits.
            if len(token_list) >= self._words:
                return LARGE
        self._memoise_mask(index, dense_row, token_list, target)
        return 0

    @property
    def completions(self) -> Completions:
        """The shortest completions of its states."""
        return self

    def text(self, index: int) -> bytes:
        """Return the shortest text that completes the document."""
        place = self.place(index)
        return self.rest_at(place) + self.inner.completions.text(place.state)

    def sufficient(self, index: int) -> int | None:
        """Return how many tokens are known to suffice for a state, and one less after whichever token comes
        next; None where no such number is known."""
        place = self.place(index)
        if self.rest_at(place):
            return None
        # The walk that works out a mask also finds the bound of its tokens.
        self.inner.compute(place.state)
        return self.inner.completions.sufficient(place.state)

    def _large_row(self) -> Bits:
        return self._bits

    def value(self, text: bytes) -> Any:
        """Return what a whole text stands for."""
        return self.inner.value(text)

    @property
    def used(self) -> float:
        """The share of its limits that all documents so far have used."""
        # twice: a grammar is compiled anew before its documents meet the limit
        share_of_states = 2 * len(self._places) / self.limits.parser_states
        return max(self.inner.used, super().used, share_of_states)

    @property
    def nbytes(self) -> int:
        """Bytes of its own tables, and some for each place."""
        return super().nbytes + ENTRY_BYTES * len(self._places)

    @property
    def sizes(self) -> dict[str, int]:
        """How far the grammar is expanded."""
        return {**self.inner.sizes, "places": len(self._places)}

"""`NarrowedText` is the base class of a grammar that wraps another grammar and narrows its masks.

- The *inner* grammar is the one that is wrapped. The texts are its texts; fewer tokens may write them.
- A *place* is a state of the inner grammar, with what else the narrowing must know. Equal places have one
  number, so the result is used as any other compiled grammar.
- The *rest* at a place is bytes that must be written before the text of the inner grammar goes on.

For example, a place of `forced_text` has the number of border bytes that are written, a state, and a plan.
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
    """A place of a narrowed text; it must be hashable."""

    @property
    def state(self) -> int:
        """The number of the state of the inner grammar."""


P = TypeVar("P", bound=NarrowedPlace)


class NarrowedText(CompiledGrammar, Completions, Generic[P]):
    """A grammar around an inner grammar. Subclasses define how tokens and bytes move a place, and its mask.

    Everything else is the inner grammar's, the completions too.
    """

    table_plan = TABLES

    def __init__(self, inner: CompiledGrammar, besides: int = 0) -> None:
        """Wrap the grammar `inner`.

        `besides`: 0 where the subclass asks no other grammar than `inner` under its lock. Else a number that
        is larger than the height of each of these grammars; heights give the order in which locks are taken.
        """
        super().__init__(inner.grammar, inner.tokenizer, inner.limits, inner.store)
        self.inner = inner
        self.height = inner.height + besides
        # With the inner grammar's lock, one lock covers both. A grammar that asks others needs a lock of its
        # own above all of theirs (`fork_locks`).
        self.lock = new_lock(GRAMMARS, self.height) if besides else inner.lock
        self._places: list[P | None] = []
        self._numbers: dict[P, int] = {}
        self._bits: Bits = np.empty(0, np.int32)
        """The mask that was worked out last, as a row of bits, one bit for each token."""

    def _number_of(self, place: P) -> int:
        """Return the number of a place; a new place gets the next number."""
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
        """Append the state after an end token; return its number."""
        # as in `_number_of`; the state after an end token has no place
        self._places[self._tables.count(NODES) :] = (None,)
        return super()._put_finished()

    def place(self, index: int) -> P:
        """Return the place of a state, by its number. The state must not be that after an end token."""
        place = self._places[index]
        assert place is not None, "a state that no end token has finished"
        return place

    def rest_at(self, place: P) -> bytes:
        """Return the rest at a place; empty unless a subclass says otherwise."""
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
        """Return the tokens without bytes that may come in a state, by its number; no end tokens."""
        place = self._places[index]
        return [] if place is None or self.rest_at(place) else self.inner.special_tokens(place.state)

    def planned_tokens(self, index: int) -> Sequence[int]:
        """Return the tokens in which forced text is to be written from a state on, by its number."""
        place = self._places[index]
        return () if place is None else self.inner.planned_tokens(place.state)

    def _next_bytes(self, index: int) -> bytes:
        """Return the bytes that may come next in a state, ascending."""
        place = self._places[index]
        if place is None:
            return b""
        # While bytes must be written, the next of them is the only one.
        return self.rest_at(place)[:1] or self.inner._next_bytes(place.state)

    def _list_expected(self, index: int) -> list[Expected]:
        """Return what may come next in words, as the inner grammar has it."""
        place = self._places[index]
        return [] if place is None else self.inner._list_expected(place.state)

    def _is_narrower(self, index: int) -> bool:
        """Return whether the mask of a state may be narrower than the inner grammar's mask."""
        return True

    @abstractmethod
    def _narrow_mask(self, index: int, bits: Bits) -> Bits:
        """Return the mask of a state. `bits`: the inner grammar's mask as a row of bits."""

    def _compute_mask(self, index: int, target: int) -> int:
        """Work out the mask of a state. Returns 0, ENDED, or LARGE: the caller takes `_large_row`."""
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
        """Return a number of tokens that suffices from a state; None where no such number is known.

        After whichever token comes next, one token less suffices.
        """
        place = self.place(index)
        if self.rest_at(place):
            return None
        # The walk that works out a mask also finds the bound of its tokens.
        self.inner.compute(place.state)
        return self.inner.completions.sufficient(place.state)

    def _large_row(self) -> Bits:
        """Return the mask that was worked out last, as a row of bits."""
        return self._bits

    def value(self, text: bytes) -> Any:
        """Return the value that a whole text stands for."""
        return self.inner.value(text)

    @property
    def used(self) -> float:
        """The largest share of its limits that all documents so far have used; 1.0 is a whole limit."""
        # counted twice, so that the grammar is compiled anew before its documents meet the limit
        share_of_states = 2 * len(self._places) / self.limits.parser_states
        return max(self.inner.used, super().used, share_of_states)

    @property
    def nbytes(self) -> int:
        """The bytes of its own tables, and an estimate for its places; not those of the inner grammar."""
        return super().nbytes + ENTRY_BYTES * len(self._places)

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes of the inner grammar's tables, and the number of places."""
        return {**self.inner.sizes, "places": len(self._places)}

"""Masks on the device of the logits: rows are uploaded once, and a step sends a few numbers for each text.

    in main memory                          on the device
    mask of a text = rows 17 and 4    -->   numbers [8, lines]       indices, noise, options: every step
    a row that the device lacks       -->   rows [capacity, words]   once; the capacity grows by doubling
    a mask that is no union of rows   -->   overlays [m, words]      every step

`Matcher.mask_rows` names at most two rows of the mask store for a mask. The device's table holds those rows
that texts have needed. A mask without rows (the store has no room, a node of a draft, a table without room)
is an overlay: a whole row that is sent for this step alone.

On CUDA the copies run in a stream of their own, from pinned memory, while the model's forward pass runs; the
stream that chooses waits for them. A choice ends with its tokens in main memory, so nothing on the device
still reads the numbers, overlays or rows of an earlier step when the next ones are written.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from structgen.core.batch import allow_all
from structgen.core.compiled import CompiledGrammar
from structgen.engine.requests import fault_of
from structgen.engine.sequences import TextSequence
from structgen.errors import LimitError, OptionError, StructgenError
from structgen.store.mask_store import MaskStore
from structgen.tokens.token_mask import TokenMask, allocate_mask
from structgen.tokens.tokenizer import Tokenizer

MOST_BYTES = 256 * 1024 * 1024
"""Memory of the device that the table of rows may take: 16,384 rows for a vocabulary of 128,000 tokens. A
table that is full begins anew with the rows of the texts that are being written."""
_MOST_GRAMMARS, _MOST_STATES = 256, 1 << 16
"""Grammars, and states of each one, whose rows are remembered."""
_FREE: tuple[int, ...] = ()
"""The key of the mask that allows all tokens; thoughts have the tokens that they leave out as a key."""
NO_ROW = -1
"""An index that names no row."""
_FIRST = 64
"""Rows, overlays and lines that there is room for at first; the room grows by doubling."""

Words: TypeAlias = npt.NDArray[np.int32]
Pair: TypeAlias = tuple[int, int]
"""The rows of a mask; NO_ROW for what is missing."""


class Choices(NamedTuple):
    """What the device knows of each line, one entry (indices: two) a line."""

    indices: Tensor
    """int64 [lines, 2]: rows of the table, numbers from its capacity on name overlays; -1: none."""
    stream: Tensor
    """int64: the key of the sample's noise."""
    position: Tensor
    """int64: the place of the next token in its text."""
    top_k: Tensor
    """int64."""
    temperature: Tensor
    """float64, like the next two."""
    top_p: Tensor
    min_p: Tensor

    @classmethod
    def of(cls, numbers: Tensor) -> Choices:
        """Return the parts of int64 numbers [8, lines], without a copy."""
        floats = numbers.view(torch.float64)
        return cls(
            numbers[:2].view(-1, 2), numbers[2], numbers[3], numbers[4], floats[5], floats[6], floats[7]
        )


class RowTable:
    """Rows of masks that lie on a device, found by keys. A row never changes until the table is cleared."""

    def __init__(self, words: int, device: torch.device, most_bytes: int) -> None:
        self._words, self._device = words, device
        self._most = most_bytes // (4 * words)
        """Rows that the table may have; it becomes less where the device has no memory for them."""
        self.rows = torch.zeros((0, words), dtype=torch.int32, device=device)
        """int32 [capacity, words] on the device."""
        self.sent = 0
        """Rows that were sent since the table was made."""
        self._slots: dict[Hashable, int] = {}
        self._new: list[Words] = []
        """The last rows, which are still to be sent."""

    def clear(self) -> None:
        """Forget all rows; the memory stays."""
        self._slots, self._new = {}, []

    def find(self, key: Hashable) -> int | None:
        """Return the number of the row of a key, None where there is none."""
        return self._slots.get(key)

    def add(self, key: Hashable, row: Words) -> int:
        """Add a row, which `send` sends; returns its number. Raises `Full` where there is no room for it.
        Cost: where the capacity doubles, a copy of the table on the device."""
        number = len(self._slots)
        if number >= len(self.rows):
            self._grow()
        self._slots[key] = number
        self._new.append(row)
        return number

    def _grow(self) -> None:
        capacity = len(self.rows)
        wider = min(max(_FIRST, 2 * capacity), self._most)
        if wider <= capacity:
            raise Full
        try:
            rows = self._allocated(wider)
        except (torch.OutOfMemoryError, MemoryError) as error:
            self._most = capacity
            warnings.warn(
                f"The device {self._device} has no memory for a table of {wider:,} masks "
                f"({str(error).partition(chr(10))[0]}). It keeps {capacity:,}; other masks are copied from "
                "main memory in each step. Write fewer texts at a time (max_rows), or free memory there.",
                RuntimeWarning,
                stacklevel=2,
            )
            raise Full from error
        rows[:capacity].copy_(self.rows)
        self.rows = rows

    def _allocated(self, rows: int) -> Tensor:
        return torch.zeros((rows, self._words), dtype=torch.int32, device=self._device)

    @property
    def new(self) -> int:
        """How many rows are still to be sent."""
        return len(self._new)

    def send(self, staged: Tensor) -> None:
        """Send the new rows by way of `staged`, int32 [new, words] in main memory."""
        np.stack(self._new, out=staged.numpy())
        used = len(self._slots)
        self.rows[used - len(self._new) : used].copy_(staged, non_blocking=True)
        self.sent += len(self._new)
        self._new = []


class Full(Exception):
    """A table has no room for a row."""


class DeviceMasks:
    """The masks of the texts that are being written, on the device where tokens are chosen for them.

    `tokenizer` is the engine's; `most_bytes` is the memory that the table of rows may take. The device has
    besides the overlays of a step and 64 bytes a line, and main memory has as much for the copies.
    """

    def __init__(self, tokenizer: Tokenizer, device: torch.device, most_bytes: int = MOST_BYTES) -> None:
        words = (tokenizer.vocab_size + 31) // 32
        self._tokenizer, self.device = tokenizer, device
        self.table = RowTable(words, device, most_bytes)
        self._stores: WeakKeyDictionary[CompiledGrammar, int] = WeakKeyDictionary()
        """The number of the mask store of each grammar; a row is known by it and its own number."""
        self._numbers: WeakKeyDictionary[MaskStore, int] = WeakKeyDictionary()
        self._unused = count()
        self._pairs: dict[CompiledGrammar, dict[int, Pair]] = {}
        """The rows of the masks of states, by grammar and state; all of them are in the table."""
        is_cuda = device.type == "cuda"
        self._side = torch.cuda.Stream(device) if is_cuda else None
        self._copied = torch.cuda.Event() if is_cuda else None
        self._new_staged, self._overlays_staged = _Staged(words, is_cuda), _Staged(words, is_cuda)
        self._staged = torch.zeros((8, 0), dtype=torch.int64)
        self._sent = torch.zeros((8, 0), dtype=torch.int64, device=device)
        with self._apart():  # what fills memory has to come before the copies to it, in their stream
            self.overlays = torch.zeros((1, words), dtype=torch.int32, device=device)
        """int32 [m, words]: overlay j has the number `capacity + j`."""
        self.choices = Choices.of(self._sent)
        """What the device knows of each line."""
        self.is_masked = self.is_filtered = False
        """Whether any line has a mask; whether any has a filter (top-k, top-p, min-p)."""
        self._has_fault = False
        every = allocate_mask(1, tokenizer.vocab_size)
        allow_all(every, 0)
        self._every: Words = every.array[0]

    def knows(self, text: TextSequence) -> bool:
        """Return whether a text's mask need not be filled in main memory: it is in the table, or allows all.
        Cost: 0.3 us."""
        matcher = text.matcher
        if matcher is None:
            return text.phase is None
        pairs = self._pairs.get(matcher.compiled)
        return pairs is not None and matcher.state_index in pairs

    def stage(self, texts: Sequence[TextSequence], mask: TokenMask, *, wider: bool) -> bool:
        """Send what the next choice needs: for each line of the texts its mask, its options and its noise.

        `mask` holds the masks by lines, filled but for those that the table `knows`. `wider`: the logits have
        columns that are no tokens, so that free texts have masks, too. What fails for one text is that text's
        error; returns False where a machine failed in a way that it does not foresee. Cost: in main memory
        some 3 us a text, and 50 us for a mask that is met for the first time; on the device copies, for which
        `wait` has its next work wait.
        """
        if self._copied is not None:
            self._copied.synchronize()  # the memory that is written now may still be read by the last copy
        self.is_masked = wider or any(text.matcher is not None or text.phase is not None for text in texts)
        self.is_filtered = any(text.row.is_filtered for text in texts)
        lines = max((last_line(text) for text in texts), default=-1) + 1
        self._has_fault = False
        with self._apart():
            pairs = np.full((lines, 2), NO_ROW, np.int64)
            if self.is_masked:
                self._send_overlays(self._name_all(texts, mask, pairs), pairs, mask)
                if self.table.new:
                    self.table.send(self._new_staged.rows(self.table.new))
            self._send_numbers(texts, pairs)
            if self._copied is not None:
                self._copied.record()
        return not self._has_fault

    def wait(self) -> None:
        """Have the device's next work wait for what was staged."""
        if self._copied is not None:
            torch.cuda.current_stream(self.device).wait_event(self._copied)

    @contextmanager
    def _apart(self) -> Iterator[None]:
        """Have copies run beside the model's pass, where the device can."""
        if self._side is None:
            yield
            return
        with torch.cuda.stream(self._side):
            yield

    # --- the rows of masks ----------------------------------------------------------------------------------

    def _name_all(
        self, texts: Sequence[TextSequence], mask: TokenMask, pairs: npt.NDArray[np.int64]
    ) -> list[int]:
        """Write the rows of the masks of lines to `pairs`, and return the lines whose masks have none."""
        try:
            return self._name(texts, mask, pairs, has_room=True)
        except Full:
            # the table begins anew with the rows that are needed now, as far as it has room for these
            for text in texts:
                if text.matcher is not None and self.knows(text):
                    text.matcher.fill_mask(mask, text.line)
                elif text.matcher is None and text.phase is None:
                    allow_all(mask, text.line)
            self.table.clear()
            self._pairs = {}
            return self._name(texts, mask, pairs, has_room=False)

    def _name(
        self, texts: Sequence[TextSequence], mask: TokenMask, pairs: npt.NDArray[np.int64], *, has_room: bool
    ) -> list[int]:
        overlaid: list[int] = []
        for text in texts:
            line = text.line
            words = self._every if text.matcher is None and text.phase is None else mask.array[line]
            try:
                pair = self._pair(text, words)
            except Full:
                if has_room:
                    raise
                pair = None
            except LimitError:  # the mask itself is there
                pair = None
            except StructgenError as error:
                text.error = text.error or error
                continue
            except Exception as error:  # whatever a machine raises: the other texts go on
                text.error = text.error or fault_of(error, "The rows of the mask could not be named")
                self._has_fault = True
                continue
            if pair is None:
                overlaid.append(line)
            else:
                pairs[line] = pair
            overlaid += range(line + 1, last_line(text) + 1)
        return overlaid

    def _pair(self, text: TextSequence, words: Words) -> Pair | None:
        """Return the rows of a text's mask, whose `words` are filled; None where the store has no room for
        them. Raises `Full`, and what a machine raises."""
        matcher = text.matcher
        if matcher is None:
            # free texts have one mask, and the thoughts of one kind have one
            key = _FREE if text.phase is None else text.phase.ends
            found = self.table.find(key)
            return (self.table.add(key, words.copy()) if found is None else found), NO_ROW
        compiled, state = matcher.compiled, matcher.state_index
        pairs = self._pairs.get(compiled)
        if pairs is not None and (known := pairs.get(state)) is not None:
            return known
        named = matcher.mask_rows()
        if named is None:
            return None
        store = self._stores.get(compiled)
        if store is None:
            store = self._store_of(compiled)
        first = self._row(compiled, store, named[0])
        pair = first, NO_ROW if len(named) == 1 else self._row(compiled, store, named[1])
        if pairs is None or len(pairs) >= _MOST_STATES:
            if len(self._pairs) >= _MOST_GRAMMARS:
                self._pairs = {}
            pairs = self._pairs[compiled] = {}
        pairs[state] = pair
        return pair

    def _row(self, compiled: CompiledGrammar, store: int, number: int) -> int:
        found = self.table.find((store, number))
        if found is None:
            row = compiled.store.rows(compiled.vocabulary).array[number]
            found = self.table.add((store, number), row)
        return found

    def _store_of(self, compiled: CompiledGrammar) -> int:
        """Return a number for the mask store of a grammar. Raises OptionError for another tokenizer's."""
        if compiled.tokenizer != self._tokenizer:
            raise OptionError(
                f"Its mask store is of {compiled.tokenizer!r}, and the masks on {self.device} are of "
                f"{self._tokenizer!r}.",
                where="grammar",
                cure="Compile the grammar for the engine's tokenizer.",
            )
        number = self._numbers.get(compiled.store)
        if number is None:
            number = self._numbers[compiled.store] = next(self._unused)
        self._stores[compiled] = number
        return number

    # --- copies ---------------------------------------------------------------------------------------------

    def _send_overlays(self, overlaid: Sequence[int], pairs: npt.NDArray[np.int64], mask: TokenMask) -> None:
        """Send whole masks, and write their numbers to `pairs`."""
        if not overlaid:
            return
        staged = self._overlays_staged.rows(len(overlaid))
        np.take(mask.array, overlaid, axis=0, out=staged.numpy())
        if len(self.overlays) < len(overlaid):
            self.overlays = self.overlays.new_zeros(self._overlays_staged.room, self.overlays.shape[1])
        self.overlays[: len(overlaid)].copy_(staged, non_blocking=True)
        pairs[overlaid, 0] = len(self.table.rows) + np.arange(len(overlaid))

    def _send_numbers(self, texts: Sequence[TextSequence], pairs: npt.NDArray[np.int64]) -> None:
        """Send the rows of the masks, the options and the noise of all lines."""
        lines = len(pairs)
        if self._staged.shape[1] < lines:
            room = _doubled(self._staged.shape[1], lines)
            self._staged = torch.zeros((8, room), dtype=torch.int64, pin_memory=self._side is not None)
            self._sent = torch.zeros((8, room), dtype=torch.int64, device=self.device)
            self.choices = Choices.of(self._sent)
        parts = Choices(*(part.numpy() for part in Choices.of(self._staged)))
        parts.indices[:lines], parts.indices[lines:] = pairs, NO_ROW
        at, rows = [text.line for text in texts], [text.row for text in texts]
        parts.stream[at] = [row.stream for row in rows]
        parts.position[at] = [row.position for row in rows]
        options = np.array([row.options for row in rows], np.float64).reshape(-1, 4)
        parts.temperature[at], parts.top_p[at], parts.min_p[at] = options[:, 0], options[:, 1], options[:, 2]
        parts.top_k[at] = options[:, 3]
        for text in texts:
            if text.guesses is not None and len(text.guesses.draft):
                nodes = slice(text.line + 1, last_line(text) + 1)
                for part in parts[1:]:
                    part[nodes] = part[text.line]
                parts.position[nodes] += _depths(text.guesses.draft.parents)
        self._sent.copy_(self._staged, non_blocking=True)


class _Staged:
    """Rows of words in main memory, from which they are copied to the device."""

    def __init__(self, words: int, pinned: bool) -> None:
        self._held = torch.zeros((0, words), dtype=torch.int32)
        self._pinned = pinned

    @property
    def room(self) -> int:
        """Rows that there is room for."""
        return len(self._held)

    def rows(self, count: int) -> Tensor:
        """Return so many rows, to be written."""
        if count > len(self._held):
            shape = _doubled(len(self._held), count), self._held.shape[1]
            self._held = torch.zeros(shape, dtype=torch.int32, pin_memory=self._pinned)
        return self._held[:count]


def _doubled(room: int, needed: int) -> int:
    room = max(room, _FIRST)
    while room < needed:
        room *= 2
    return room


def last_line(text: TextSequence) -> int:
    """Return the last line of a text: that of the last node of its draft."""
    return text.line if text.guesses is None else text.line + len(text.guesses.draft)


def _depths(parents: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return how many tokens after the root each node of a draft is."""
    found = np.ones(len(parents), np.int64)
    for node, parent in enumerate(parents.tolist()):
        if parent >= 0:
            found[node] += found[parent]
    return found

"""Masks on the device of the logits: each mask row is uploaded once; a step sends a few numbers for each
text.

    in main memory                          on the device
    mask of a text = rows 17 and 4    -->   numbers [8, lines]       indices, noise, options: every step
    a row that the device lacks       -->   rows [capacity, words]   once; the capacity grows by doubling
    a mask that is no union of rows   -->   overlays [m, words]      every step

`Matcher.mask_rows` names the one or two rows of the mask store whose union is the mask. The device's table
holds the rows that texts have needed. A mask without rows is an overlay, a whole row that is sent for this
step only. That happens if the store has no room, if the table has no room, and for a node of a draft.

On CUDA the copies run in a stream of their own, from pinned memory, while the model's forward pass runs; the
stream of the choice waits for them. A choice ends with its tokens in main memory. So the device has finished
reading the numbers, overlays and rows of a step when the next ones are written.
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

from structgen.core.compiled import CompiledGrammar
from structgen.engine.requests import fault_of
from structgen.engine.sequences import TextSequence
from structgen.errors import LimitError, OptionError, StructgenError
from structgen.store.mask_store import MaskStore
from structgen.tokens.token_mask import TokenMask
from structgen.tokens.tokenizer import Tokenizer

MOST_BYTES = 256 * 1024 * 1024
"""The most bytes of device memory for the table of rows: 16,384 rows for a vocabulary of 128,000 tokens. A
full table is cleared, and filled again with the rows of the current batch."""
_FREE: tuple[int, ...] = ()
"""The key of the mask that allows all tokens. The key of a mask of thoughts is the tokens that it bans."""
NO_ROW = -1
"""The index that means: no row."""
_FIRST = 64
"""The initial capacity in rows, overlays and lines; it grows by doubling."""

Words: TypeAlias = npt.NDArray[np.int32]
Pair: TypeAlias = tuple[int, int]
"""The two rows of a mask; NO_ROW if there are fewer."""


class Choices(NamedTuple):
    """The inputs of the choice on the device: one entry (indices: two) for each line, which is a row of
    masks."""

    indices: Tensor
    """int64 [lines, 2]: rows of the table; numbers from its capacity on are overlays; -1: none."""
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
        """Return views of the parts of int64 numbers [8, lines]."""
        floats = numbers.view(torch.float64)
        return cls(
            numbers[:2].view(-1, 2), numbers[2], numbers[3], numbers[4], floats[5], floats[6], floats[7]
        )


class RowTable:
    """Mask rows on a device, by key. A row never changes until the table is cleared."""

    def __init__(self, words: int, device: torch.device, most_bytes: int) -> None:
        self._words, self._device = words, device
        self._most = most_bytes // (4 * words)
        """The most rows of the table. It is lowered if the device has no memory for them."""
        self.rows = torch.zeros((0, words), dtype=torch.int32, device=device)
        """int32 [capacity, words] on the device."""
        self.sent = 0
        """How many rows were sent so far."""
        self._slots: dict[Hashable, int] = {}
        self._new: list[Words] = []
        """The last rows, not sent yet."""

    def clear(self) -> None:
        """Forget all rows; keep the memory."""
        self._slots, self._new = {}, []

    def find(self, key: Hashable) -> int | None:
        """Return the number of a key's row; None if it is not in the table."""
        return self._slots.get(key)

    def add(self, key: Hashable, row: Words) -> int:
        """Add a row, to be sent by `send`; return its number. Raises `Full` if there is no room. Cost: if the
        capacity doubles, a copy of the table on the device."""
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
        """How many rows are not sent yet."""
        return len(self._new)

    def send(self, staged: Tensor) -> None:
        """Send the new rows through `staged`, int32 [new, words] in main memory."""
        np.stack(self._new, out=staged.numpy())
        used = len(self._slots)
        self.rows[used - len(self._new) : used].copy_(staged, non_blocking=True)
        self.sent += len(self._new)
        self._new = []


class Full(Exception):
    """The table has no room for another row."""


class DeviceMasks:
    """The masks of a batch, on the device where its tokens are chosen.

    `tokenizer` is the engine's. `most_bytes` bounds the device memory of the table. Besides it the device
    holds the overlays of a step and 64 bytes a line. Main memory has the same amount for the copies.
    """

    def __init__(self, tokenizer: Tokenizer, device: torch.device, most_bytes: int = MOST_BYTES) -> None:
        words = (tokenizer.vocab_size + 31) // 32
        self._tokenizer, self.device = tokenizer, device
        self.table = RowTable(words, device, most_bytes)
        self._numbers: WeakKeyDictionary[MaskStore, int] = WeakKeyDictionary()
        """The number of each mask store. The key of a row is this number and that of the row in the store."""
        self._unused = count()
        is_cuda = device.type == "cuda"
        self._side = torch.cuda.Stream(device) if is_cuda else None
        self._copied = torch.cuda.Event() if is_cuda else None
        self._new_staged, self._overlays_staged = _Staged(words, is_cuda), _Staged(words, is_cuda)
        self._staged = torch.zeros((8, 0), dtype=torch.int64)
        self._sent = torch.zeros((8, 0), dtype=torch.int64, device=device)
        with self._apart():  # the initialisation must precede the copies, in the same stream
            self.overlays = torch.zeros((1, words), dtype=torch.int32, device=device)
        """int32 [m, words]: overlay j has the number `capacity + j`."""
        self.choices = Choices.of(self._sent)
        """The inputs of the choice for each line."""
        self.is_masked = self.is_filtered = False
        """Whether any line has a mask; whether any has a filter (top-k, top-p, min-p)."""
        self._has_fault = False

    def stage(self, texts: Sequence[TextSequence], mask: TokenMask, *, wider: bool) -> bool:
        """Send the inputs of the next choice: for each line of the texts its mask, options and noise.

        `mask` holds the masks by lines. `wider`: the logits have more columns than there are tokens, so that
        free texts have masks too. A failure of one text is that text's error. Returns False if a machine
        failed in an unforeseen way. Cost: in main memory about 3 us a text, and 50 us for a new mask; on the
        device copies, which `wait` makes its next work wait for.
        """
        if self._copied is not None:
            self._copied.synchronize()  # the last copy may still be reading this memory
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
        """Make the device's next work wait for the staged copies."""
        if self._copied is not None:
            torch.cuda.current_stream(self.device).wait_event(self._copied)

    @contextmanager
    def _apart(self) -> Iterator[None]:
        """Return a context in which copies overlap with the model's pass, if the device can do so."""
        if self._side is None:
            yield
            return
        with torch.cuda.stream(self._side):
            yield

    # --- the rows of masks ----------------------------------------------------------------------------------

    def _name_all(
        self, texts: Sequence[TextSequence], mask: TokenMask, pairs: npt.NDArray[np.int64]
    ) -> list[int]:
        """Write the rows of each line's mask to `pairs`; return the lines whose masks have no rows."""
        try:
            return self._name(texts, mask, pairs, has_room=True)
        except Full:
            # the table is cleared, and refilled with the rows needed now, as far as they fit
            self.table.clear()
            return self._name(texts, mask, pairs, has_room=False)

    def _name(
        self, texts: Sequence[TextSequence], mask: TokenMask, pairs: npt.NDArray[np.int64], *, has_room: bool
    ) -> list[int]:
        overlaid: list[int] = []
        for text in texts:
            line = text.line
            try:
                pair = self._pair(text, mask.array[line])
            except Full:
                if has_room:
                    raise
                pair = None
            except LimitError:  # the mask itself is filled
                pair = None
            except StructgenError as error:
                text.error = text.error or error
                continue
            except Exception as error:  # any error of a machine: the other sequences continue
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
        """Return the rows of a text's mask, whose `words` are filled; None if the store has no room for them.
        Raises `Full`, and any error of the machine."""
        matcher = text.matcher
        if matcher is None:
            # all free texts share one mask; all thoughts with the same end tokens share one
            key = _FREE if text.phase is None else text.phase.ends
            found = self.table.find(key)
            return (self.table.add(key, words.copy()) if found is None else found), NO_ROW
        named = matcher.mask_rows()
        if named is None:
            return None
        rows = [self._row(matcher.compiled, number) for number in named]
        return rows[0], rows[1] if len(rows) > 1 else NO_ROW

    def _row(self, compiled: CompiledGrammar, number: int) -> int:
        key = self._store_of(compiled), number
        found = self.table.find(key)
        if found is None:
            found = self.table.add(key, compiled.store.rows(compiled.vocabulary).array[number])
        return found

    def _store_of(self, compiled: CompiledGrammar) -> int:
        """Return the number of a grammar's mask store. Raises OptionError if it is of another tokenizer."""
        if compiled.vocab_size != self._tokenizer.vocab_size:
            raise OptionError(
                f"Its mask store is of {compiled.tokenizer!r}, and the masks on {self.device} are of "
                f"{self._tokenizer!r}.",
                where="grammar",
                cure="Compile the grammar for the engine's tokenizer.",
            )
        return self._numbers.setdefault(compiled.store, next(self._unused))

    # --- copies ---------------------------------------------------------------------------------------------

    def _send_overlays(self, overlaid: Sequence[int], pairs: npt.NDArray[np.int64], mask: TokenMask) -> None:
        """Send whole masks as overlays, and write their numbers to `pairs`."""
        if not overlaid:
            return
        staged = self._overlays_staged.rows(len(overlaid))
        np.take(mask.array, overlaid, axis=0, out=staged.numpy())
        if len(self.overlays) < len(overlaid):
            self.overlays = self.overlays.new_zeros(self._overlays_staged.room, self.overlays.shape[1])
        self.overlays[: len(overlaid)].copy_(staged, non_blocking=True)
        pairs[overlaid, 0] = len(self.table.rows) + np.arange(len(overlaid))

    def _send_numbers(self, texts: Sequence[TextSequence], pairs: npt.NDArray[np.int64]) -> None:
        """Send mask rows, options and noise of all lines."""
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
    """Rows of words in main memory, staged for copies to the device."""

    def __init__(self, words: int, pinned: bool) -> None:
        self._held = torch.zeros((0, words), dtype=torch.int32)
        self._pinned = pinned

    @property
    def room(self) -> int:
        """The capacity in rows."""
        return len(self._held)

    def rows(self, count: int) -> Tensor:
        """Return so many rows to write to."""
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
    """Return a text's last line: that of the last node of its draft."""
    return text.line if text.guesses is None else text.line + len(text.guesses.draft)


def _depths(parents: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return the depth of each node of a draft below the root."""
    found = np.ones(len(parents), np.int64)
    for node, parent in enumerate(parents.tolist()):
        if parent >= 0:
            found[node] += found[parent]
    return found

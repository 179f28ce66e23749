"""`TokenMask`: an array with one bit for each token, in the layout of vLLM, SGLang, XGrammar and llguidance.

A *mask* says which tokens may come next: a bit is 1 if its token is allowed. A *row* is the mask of one text
of a batch. A row consists of 32-bit *words*: token 37 is bit 5 of word 1. V is the number of tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from structgen.base.errors import MaskError
from structgen.base.native.addresses import address_of
from structgen.base.native.array_types import Int32Array, Int64Array
from structgen.base.system.installation import require_extras

if TYPE_CHECKING:
    import torch


class TokenMask:
    """Rows of token bits: int32 [rows, ceil(V / 32)]. Bit `t % 32` of word `t // 32` is 1 if token t is
    allowed.

    The memory does not move during the life of the object, so its address is computed once: asking numpy
    costs 0.7 us, three times as much as filling a mask.
    """

    __slots__ = ("address", "array", "rows", "stride", "vocab_size", "words")

    def __init__(self, array: Int32Array, vocab_size: int | None = None) -> None:
        if not isinstance(array, np.ndarray) or array.dtype != np.int32 or array.ndim != 2:
            kind = getattr(array, "dtype", type(array).__name__)
            shape = getattr(array, "shape", "")
            array_description = f"{kind} {shape}".strip()
            raise MaskError(
                f"A mask must be an int32 array [rows, words], got {array_description}.",
                cure="Make one with sg.allocate_mask(rows, vocab_size).",
            )
        if not array.flags.c_contiguous or not array.flags.writeable:
            raise MaskError(
                "A mask must be C-contiguous and writeable.", cure="Pass a copy, or sg.allocate_mask(...)."
            )
        self.array = array
        self.rows, self.words = array.shape
        self.vocab_size = self.words * 32 if vocab_size is None else vocab_size
        self.stride = 4 * self.words
        self.address = address_of(array)

    @classmethod
    def wrap(cls, source: Int32Array | torch.Tensor) -> TokenMask:
        """Return a mask over the caller's memory: an int32 numpy array or a CPU tensor [rows, words]."""
        if isinstance(source, np.ndarray):
            return cls(source)
        device = getattr(source, "device", None)
        if device is not None:
            if getattr(device, "type", "") != "cpu":
                raise MaskError(
                    f"A mask is filled in main memory, and this tensor is on {device}.",
                    cure="Fill a CPU mask (pinned for a fast copy), then copy it over.",
                )
            return cls(source.numpy())
        return cls(source)

    def torch(self) -> torch.Tensor:
        """Return an int32 tensor [rows, words] over the same memory."""
        with require_extras("A tensor over a mask", "torch", kind=MaskError):
            import torch
        return torch.from_numpy(self.array)

    def row(self, row: int) -> int:
        """Return the address of a row. Raises MaskError if there is no such row."""
        if not 0 <= row < self.rows:
            raise MaskError(
                f"Row {row} is not in a mask of {self.rows} rows.",
                where="row",
                cure="Allocate more rows.",
            )
        address: int = self.address + row * self.stride
        return address

    def allowed(self, row: int = 0) -> Int64Array:
        """Return the allowed token ids of a row, ascending."""
        self.row(row)
        return tokens_of(self.array[row])

    def __repr__(self) -> str:
        return f"<TokenMask of {self.rows} rows for {self.vocab_size} tokens>"


def tokens_of(words: Int32Array) -> Int64Array:
    """Return the token ids of a row of bits, ascending.

    Cost for 128,256 tokens: 20 us if few are allowed, 70 us if most are. Without the view as bool it takes
    ten times as long. Skipping the words that are 0 would save 7 us for few tokens, but a full row would take
    20 times as long.
    """
    # Bit t % 32 of word t // 32 is bit t % 8 of byte t // 8: little-endian words are bytes in order.
    word_bytes = np.ascontiguousarray(words).view(np.uint8)
    bits = np.unpackbits(word_bytes, bitorder="little")
    return np.flatnonzero(bits.view(np.bool_))


def allocate_mask(rows: int, vocab_size: int) -> TokenMask:
    """Return a mask of `rows` rows for token ids 0 to vocab_size - 1, nothing allowed yet.
    Costs 4 * ceil(V / 32) bytes a row."""
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
        raise MaskError(f"must be at least 1, got {rows!r}.", where="rows")
    if isinstance(vocab_size, bool) or not isinstance(vocab_size, int) or vocab_size < 1:
        raise MaskError(f"must be at least 1, got {vocab_size!r}.", where="vocab_size")
    words = -(-vocab_size // 32)  # rounded up
    return TokenMask(np.zeros((rows, words), np.int32), vocab_size)

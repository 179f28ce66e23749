"""The arguments of the kernels for logits and masks: tensors with their sizes and strides, in one tuple each.

Triton takes a named tuple as one argument and compiles it field by field. A field that is None is known to be
None at compile time. This module needs no Triton.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Logits(NamedTuple):
    """Rows of logits, and the row for each line of a launch. Strides are in elements."""

    base: Tensor
    rows: Tensor | None
    """[lines]: the row of each line; None: line i has row i."""
    row_count: int
    """0 without `rows`, which alone need it: a kernel is then the same for all sizes of a batch."""
    width: int
    row_stride: int
    column_stride: int


class Masks(NamedTuple):
    """Rows of a mask store and its overlays as bytes, and the rows whose union is each line's mask. Strides
    are in bytes."""

    store: Tensor | None
    """None: there are no masks."""
    overlays: Tensor | None
    indices: Tensor | None
    """[lines, K]: the rows of each line; None: the mask of line i is row i of the store."""
    store_rows: int
    """0 without indices, as above."""
    overlay_rows: int
    store_stride: int
    overlay_stride: int
    row_bytes: int

    @property
    def united(self) -> int:
        """K, the number of rows of a line's union; 0 if the mask of line i is row i of the store, -1 without
        masks. Known to kernels at compile time."""
        if self.store is None:
            return -1
        return 0 if self.indices is None else self.indices.shape[1]


def logits_argument(logits: Tensor, rows: Tensor | None) -> Logits:
    """Return checked logits [B, V] as an argument of the kernels, for the given rows."""
    (count, width), (row, column) = logits.shape, logits.stride()
    return Logits(logits, rows, 0 if rows is None else count, width, row, column)


def masks_argument(store: Tensor | None, overlays: Tensor | None, indices: Tensor | None) -> Masks:
    """Return checked masks as an argument of the kernels: a store with indices into it, or masks as the store
    alone."""
    if store is None:
        return Masks(None, None, None, 0, 0, 0, 0, 0)
    return Masks(
        as_bytes(store),
        None if overlays is None else as_bytes(overlays),
        indices,
        0 if indices is None else store.shape[0],
        0 if overlays is None else overlays.shape[0],
        4 * store.stride(0),
        0 if overlays is None else 4 * overlays.stride(0),
        4 * store.shape[1],
    )


def as_bytes(mask: Tensor) -> Tensor:
    """Return the bytes of a checked mask, uint8 [rows, 4 * words], over the same memory."""
    if mask.stride(1) != 1:  # a row of one word has an arbitrary stride, but `view` requires 1
        mask = mask.as_strided(mask.shape, (mask.stride(0), 1))
    return mask.view(torch.uint8)

"""The Triton kernel that masks logits in place; `masking` launches it, `reference` says what it does."""

from __future__ import annotations

import triton
import triton.language as tl

TILE = 4096
"""Tokens of a row that one program masks."""


@triton.jit
def allowed_bytes(
    line,
    byte,
    store,
    overlays,
    indices,
    store_rows,
    overlay_rows,
    store_stride,
    overlay_stride,
    row_bytes,
    ROWS: tl.constexpr,
):
    """Return the bytes of a mask, int32 of the shape of `byte`: eight tokens each, bit t of byte b is token
    8 b + t. Bytes past the end of a row are 0.

    With ROWS = 0 the mask is row `line` of `store`. Otherwise it is the union of the rows that `indices`
    [.., ROWS] names in that line: a number below `store_rows` is a row of the store, the ones above are rows
    of the overlays, and a number that is neither names no row. Strides are in bytes.
    """
    line = line.to(tl.int64)
    if ROWS == 0:
        bits = tl.load(store + line * store_stride + byte, mask=byte < row_bytes, other=0).to(tl.int32)
    else:
        bits = tl.zeros(byte.shape, tl.int32)
        for k in tl.static_range(ROWS):
            row = tl.load(indices + line * ROWS + k).to(tl.int64)
            in_store = (row >= 0) & (row < store_rows)
            extra = row - store_rows
            in_overlays = (extra >= 0) & (extra < overlay_rows)
            # the address is chosen first, so that one load serves store and overlays
            of_store = store + tl.where(in_store, row, 0) * store_stride
            of_overlays = overlays + tl.where(in_overlays, extra, 0) * overlay_stride
            start = tl.where(in_store, of_store, of_overlays)
            end = tl.where(in_store | in_overlays, row_bytes, 0)
            bits |= tl.load(start + byte, mask=byte < end, other=0).to(tl.int32)
    return bits


@triton.jit
def mask_kernel(
    logits,
    rows,
    store,
    overlays,
    indices,
    logit_rows,
    width,
    tiles,
    row_stride,
    column_stride,
    store_rows,
    overlay_rows,
    store_stride,
    overlay_stride,
    row_bytes,
    HAS_ROWS: tl.constexpr,
    ROWS: tl.constexpr,
    NEVER: tl.constexpr,
    TILE: tl.constexpr,
):
    """Write minus infinity where a mask does not allow a token. `logits` are integers with the bits of the
    floats, and NEVER has the bits of minus infinity, so every float type is masked without arithmetic.

    One program masks one tile of one row, as TILE / 8 bytes of the mask beside eight logits each:

                 mask        logits [TILE / 8, 8]
        byte 0   11111111    . . . . . . . .     all allowed:  nothing is read or written
        byte 1   00000000    x x x x x x x x     none allowed: written, not read
        byte 2   10100000    . x . x x x x x     mixed:        read, and written whole
        ...

    The condition of a load or store is the same for the eight logits of a byte, so each stays one access of
    16 bytes (two, for float32) a byte: single stores of 2 bytes are several times slower.
    """
    program = tl.program_id(0)
    line = program // tiles
    byte = (program % tiles) * (TILE // 8) + tl.arange(0, TILE // 8)
    bits = allowed_bytes(
        line,
        byte,
        store,
        overlays,
        indices,
        store_rows,
        overlay_rows,
        store_stride,
        overlay_stride,
        row_bytes,
        ROWS,
    )
    row = line.to(tl.int64)
    if HAS_ROWS:
        row = tl.load(rows + line).to(tl.int64)
        is_row = (row >= 0) & (row < logit_rows)
        row = tl.where(is_row, row, 0)
        width = tl.where(is_row, width, 0)
    bit = tl.arange(0, 8)
    column = byte[:, None] * 8 + bit[None, :]
    # a column stride may be large: its product must not overflow 32 bits
    place = logits + row * row_stride + column.to(tl.int64) * column_stride
    inside = column < width
    is_written = (bits != 255)[:, None] & inside
    is_read = (bits != 0)[:, None] & is_written
    old = tl.load(place, mask=is_read, other=NEVER)
    is_allowed = ((bits[:, None] >> bit[None, :]) & 1) != 0
    tl.store(place, tl.where(is_allowed, old, NEVER), mask=is_written)

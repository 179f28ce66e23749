"""The Triton kernel that masks logits in place; `masking` launches it, `reference` says what it does."""

from __future__ import annotations

import triton
import triton.language as tl

TILE = 4096
"""Tokens of a row that one program masks."""


@triton.jit
def first_of_row(logits, line):
    """Return the address of the row that a line is for, and whether there is such a row; where there is not,
    the address is that of row 0. `logits` is an `arguments.Logits`."""
    row = line.to(tl.int64)
    is_row = row >= 0
    if logits.rows is not None:
        row = tl.load(logits.rows + row).to(tl.int64)
        is_row = (row >= 0) & (row < logits.row_count)
        row = tl.where(is_row, row, 0)
    return logits.base + row * logits.row_stride, is_row


@triton.jit
def allowed_bytes(masks, line, byte, ROWS: tl.constexpr):
    """Return bytes of the mask of a line, int32 of the shape of `byte`: bit t of byte b is token 8 b + t.
    Bytes past the end of a mask row are 0. `masks` is an `arguments.Masks`.

    With ROWS = 0 the mask is row `line` of the store. Otherwise it is the union of the ROWS rows that the
    line's indices name: a number below `store_rows` is a row of the store, the numbers that follow are rows
    of the overlays, and any other number names no row.
    """
    line = line.to(tl.int64)
    if ROWS == 0:
        row = masks.store + line * masks.store_stride
        bits = tl.load(row + byte, mask=byte < masks.row_bytes, other=0).to(tl.int32)
    else:
        bits = tl.zeros(byte.shape, tl.int32)
        for k in tl.static_range(ROWS):
            row = tl.load(masks.indices + line * ROWS + k).to(tl.int64)
            is_row = (row >= 0) & (row < masks.store_rows)
            start = masks.store + tl.where(is_row, row, 0) * masks.store_stride
            if masks.overlays is not None:
                # the address is chosen first, so that one load serves store and overlays
                extra = row - masks.store_rows
                is_overlay = (extra >= 0) & (extra < masks.overlay_rows)
                of_overlays = masks.overlays + tl.where(is_overlay, extra, 0) * masks.overlay_stride
                start = tl.where(is_overlay, of_overlays, start)
                is_row = is_row | is_overlay
            end = tl.where(is_row, masks.row_bytes, 0)
            bits |= tl.load(start + byte, mask=byte < end, other=0).to(tl.int32)
    return bits


@triton.jit
def is_set(bits, bit):
    """Return whether a bit of a mask's bytes is set."""
    return ((bits >> bit) & 1) != 0


@triton.jit
def mask_kernel(logits, masks, tiles, ROWS: tl.constexpr, NEVER: tl.constexpr, TILE: tl.constexpr):
    """Write minus infinity where a mask does not allow a token. `logits.base` has integers with the bits of
    the floats, and NEVER is the integer with the bits of minus infinity: every float type is masked without
    arithmetic.

    There is one program for each tile of TILE = 4096 tokens of a line. A program holds TILE / 8 bytes of the
    mask, and beside each byte the eight logits that it is for:

                     mask        logits [TILE / 8, 8]
        byte   0     11111111    . . . . . . . .     all allowed:  neither read nor written
        byte   1     00000000    x x x x x x x x     none allowed: written, not read
        byte   2     00000101    . x . x x x x x     mixed:        read, and all eight written
         ...
        byte 511     11111111    . . . . . . . .

    The condition of a load or store is the same for the eight logits of a byte. So they stay one access of 16
    bytes (float32: two, float64: four); a store for each token that is forbidden would be several times
    slower. The lowest bit of a byte is its first token.
    """
    program = tl.program_id(0)
    line = program // tiles
    byte = (program % tiles) * (TILE // 8) + tl.arange(0, TILE // 8)
    bits = allowed_bytes(masks, line, byte, ROWS)
    start, is_row = first_of_row(logits, line)
    bit = tl.arange(0, 8)
    token = byte[:, None] * 8 + bit[None, :]
    # a column stride may be large: the product must not overflow 32 bits
    place = start + token.to(tl.int64) * logits.column_stride
    inside = token < tl.where(is_row, logits.width, 0)
    is_written = (bits != 255)[:, None] & inside
    is_read = (bits != 0)[:, None] & is_written
    old = tl.load(place, mask=is_read, other=NEVER)
    tl.store(place, tl.where(is_set(bits[:, None], bit[None, :]), old, NEVER), mask=is_written)

"""Token masks applied to logits in place: the launchers, which check their arguments and run a kernel.

A mask row is int32 [ceil(V / 32)]: bit `t % 32` of word `t // 32` is 1 where token t is allowed. That is the
layout of vLLM, SGLang, XGrammar and llguidance. A row of logits lies beside it like this (drawing of a tile:
`triton_masking.mask_kernel`):

    words    |      word 0       |      word 1       | ...
    bytes    | 0  | 1  | 2  | 3  | 4  | 5  | 6  | 7  | ...
    logits   |0..7|8..15|        |32..39| ...
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from structgen_kernels import reference
from structgen_kernels.arguments import logits_argument, masks_argument
from structgen_kernels.checks import (
    INTEGERS,
    MOST_ROWS,
    Integers,
    check_logits,
    check_mask,
    check_written,
    integers,
    runs_triton,
    said,
)
from structgen_kernels.errors import KernelError
from structgen_kernels.launching import Outline, Plan, Plans, outline_of

_AS_INTEGERS = {
    torch.float16: (torch.int16, -0x0400),
    torch.bfloat16: (torch.int16, -0x0080),
    torch.float32: (torch.int32, -0x0080_0000),
    torch.float64: (torch.int64, -0x0010_0000_0000_0000),
}
"""For each float type the integer type of its size, and the integer with the bits of minus infinity."""

_PLANS = Plans()


def apply_mask_(logits: Tensor, mask: Tensor, rows: Integers | None = None) -> Tensor:
    """Write minus infinity to the logits of tokens that a mask does not allow; returns `logits`.

    `logits`: float16, bfloat16, float32 or float64 [B, V], of any strides. `mask`: int32 [n, words] on the
    same device; row i is for row i of the logits (then n is B), or for row `rows[i]` if `rows` are given
    (each at most once). Tokens past the end of a mask row are not allowed; bits past V are ignored.

    Cost on a GPU: one kernel. It reads the mask, writes the logits of each mask byte that forbids a token,
    and reads those of them whose byte also allows one. Nothing waits for the GPU. `rows` in main memory are
    checked. For `rows` on the GPU, invalid numbers are skipped; a row that is named twice may keep a token
    that only one of its masks allows. Raises KernelError for a wrong type, device, shape or stride, and for
    logits whose elements share memory or require gradients.
    """
    given = logits, rows, mask, None, None
    outline = _outline_of(given)
    plan = _PLANS.known(outline)
    if plan is not None:
        return _launch(plan, *given)
    check_logits(logits)
    check_written(logits)
    check_mask(mask, logits.device, "mask")
    chosen = chosen_rows(logits, rows, mask.shape[0], "mask")
    if runs_triton(logits.device):
        checked = logits, chosen, mask, None, None
        return _launch(_PLANS.made(outline, given, checked), *checked)
    return reference.apply_mask_(logits, mask, chosen)


def apply_store_mask_(
    logits: Tensor,
    store: Tensor,
    indices: Tensor,
    overlays: Tensor | None = None,
    rows: Integers | None = None,
) -> Tensor:
    """Write minus infinity to the logits of tokens that no row named by `indices` allows; returns `logits`.

    `store`: int32 [S, words], the mask rows that stay on the GPU, uploaded once. `indices`: int32 or int64
    [n, K] with K from 1 to 8 (or [n], one each): the mask of line i is the union of the rows `indices[i]`;
    numbers below S name rows of the store, S + j names row j of `overlays` (int32 [m, words], masks made for
    this step), and -1 names none. A line of -1 alone allows nothing. `rows` and `logits` are as for
    `apply_mask_`.

    Cost on a GPU: as `apply_mask_`, with K rows of the store read instead of one mask; only `indices` and
    `overlays` change from step to step, so a CUDA graph that was captured once serves all steps. Indices in
    main memory are checked; of those on the GPU, numbers that are no row name none. Raises KernelError.
    """
    given = logits, rows, store, overlays, indices
    outline = _outline_of(given)
    plan = _PLANS.known(outline)
    if plan is not None:
        return _launch(plan, *given)
    check_logits(logits)
    check_written(logits)
    check_mask(store, logits.device, "store")
    indices = checked_indices(indices, store, overlays, logits.device)
    chosen = chosen_rows(logits, rows, indices.shape[0], "indices")
    if runs_triton(logits.device):
        checked = logits, chosen, store, overlays, indices
        return _launch(_PLANS.made(outline, given, checked), *checked)
    return reference.apply_store_mask_(logits, store, indices, overlays, chosen)


def chosen_rows(
    logits: Tensor, rows: Integers | None, count: int, name: str, is_written: bool = True
) -> Tensor | None:
    """Return the rows of `logits` that `count` lines of the argument `name` are for; None: all, in order.
    A row that is written may be named once."""
    if rows is None:
        if count != logits.shape[0]:
            raise KernelError(
                f"It has {count} rows, and the logits have {logits.shape[0]}.",
                where=name,
                cure="Give one for each row of the logits, or say with rows=... which rows they are for.",
            )
        return None
    cure = f"Give a row of the logits for each of the {count} rows of {name}."
    chosen = integers(rows, (count,), logits.device, "rows", 0, logits.shape[0], cure)
    if is_written and chosen.device.type == "cpu" and len(chosen.unique()) != len(chosen):
        raise KernelError(
            "A row is named twice.", where="rows", cure="Name each row of the logits at most once."
        )
    return chosen


def checked_indices(indices: Tensor, store: Tensor, overlays: Tensor | None, device: torch.device) -> Tensor:
    """Return indices [n, K] into a mask store and its overlays, on `device`; raises KernelError."""
    if overlays is not None:
        check_mask(overlays, device, "overlays")
        if overlays.shape[1] != store.shape[1]:
            raise KernelError(
                f"Its rows have {overlays.shape[1]} words, and those of the store have {store.shape[1]}.",
                where="overlays",
                cure="Make both for the same vocabulary.",
            )
    if not isinstance(indices, Tensor) or indices.dtype not in INTEGERS or indices.ndim not in (1, 2):
        raise KernelError(
            f"Indices are int32 or int64 [n, K], not {said(indices)}.",
            where="indices",
            cure="Pass torch.tensor([[row, ...], ...]); fill up with -1.",
        )
    if indices.ndim == 1:
        indices = indices[:, None]
    if not 1 <= indices.shape[1] <= MOST_ROWS:
        raise KernelError(
            f"A line has {indices.shape[1]} rows; 1 to {MOST_ROWS} are united.",
            where="indices",
            cure="Unite some of them beforehand, in a row of the overlays.",
        )
    size = store.shape[0] + (0 if overlays is None else overlays.shape[0])
    return integers(
        indices,
        (indices.shape[0], indices.shape[1]),
        device,
        "indices",
        -1,
        size,
        f"The store and its overlays have {size} rows; -1 names none.",
    )


def _outline_of(given: tuple[Any, ...]) -> Outline | None:
    """Return the outline of arguments; None for logits that require gradients, which are refused."""
    outline = outline_of(*given)
    return None if outline is None or given[0].requires_grad else outline


def _launch(
    plan: Plan,
    logits: Tensor,
    rows: Tensor | None,
    store: Tensor,
    overlays: Tensor | None,
    indices: Tensor | None,
) -> Tensor:
    # start-up: Triton
    from structgen_kernels import triton_masking as kernels

    lines = (store if indices is None else indices).shape[0]
    if lines == 0:
        return logits
    as_integer, never = _AS_INTEGERS[logits.dtype]
    masks = masks_argument(store, overlays, indices)
    tiles = -(-logits.shape[1] // kernels.TILE)
    plan.launch(
        kernels.mask_kernel,
        lines * tiles,
        logits_argument(logits.view(as_integer), rows),
        masks,
        tiles,
        ROWS=masks.united,
        NEVER=never,
        TILE=kernels.TILE,
    )
    return logits

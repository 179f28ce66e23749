"""Sampling under token masks in one read of the logits: the launcher of the kernels in `triton_sampling`.

Mask, temperature, softmax and draw are usually four passes or more over [B, V] floats. Here every tile of a
row is read once and leaves five numbers; tile and token are drawn as `reference` defines it:

    logits [B, V] --read once--> sums [5, B, V / 1024] --> tile --> token, log Z, log Z of the allowed
"""

from __future__ import annotations

import torch
from torch import Tensor

from structgen_kernels import reference
from structgen_kernels.checks import (
    Integers,
    Numbers,
    as_bytes,
    check_logits,
    check_mask,
    numbers,
    runs_triton,
)
from structgen_kernels.errors import KernelError
from structgen_kernels.masking import checked_indices, chosen_rows
from structgen_kernels.reference import HOTTEST, TILE, Sampled

_TOGETHER = 128
"""Rows whose thresholds are found at once: each needs 4 bytes of scratch for each token."""
_WORD = 2**63


def masked_sample(
    logits: Tensor,
    mask: Tensor | None = None,
    *,
    store: Tensor | None = None,
    indices: Tensor | None = None,
    overlays: Tensor | None = None,
    rows: Integers | None = None,
    temperature: Numbers = 1.0,
    top_k: Numbers = 0,
    top_p: Numbers = 1.0,
    min_p: Numbers = 0.0,
    seed: Numbers = 0,
    position: Numbers = 0,
) -> Sampled:
    """Return a token for each row of logits, and the logarithms of the sums of exponentials before and under
    the mask, both at temperature 1 and before filters.

    `logits`: float [B, V], not changed. The mask is `mask`, as for `apply_mask_`, or rows of a `store` by
    `indices`, with `overlays`, as for `apply_store_mask_`; with neither all tokens are allowed. `rows`: the
    rows of the logits that the n lines are for. The options are one number for all lines or a tensor [n]:
    `temperature` (0 takes the likeliest token, of equals the smallest), `top_k` (0: off), `top_p` (1: off),
    `min_p` (0: off), `seed` (the key of a sample's noise, `reference.sample_key(seed, sample)`) and
    `position` (of the token in the text). Equal key, position and logits give the same token in any batch.

    A line whose allowed tokens are all minus infinity, or that has none, gets token -1 and log Z of the
    allowed minus infinity. A line with a logit that is NaN or plus infinity gets token -1 and NaN for both.

    Cost on a GPU: one read of the logits and 1 % without filters; three with them, of which the second and
    third skip tiles that hold nothing likely. Scratch: 20 bytes for each 1,024 logits, and with filters 4
    bytes a token for at most 128 rows. Nothing waits for the GPU; options on the GPU are not checked, and a
    temperature below 1e-30 counts as 0, one above 1e30 as that. Numbers are computed in float32,
    noise and scores in float64. Raises KernelError for a wrong type, device, shape, stride or value.
    """
    check_logits(logits)
    device, count = logits.device, logits.shape[0]
    name = "rows"
    if store is not None or indices is not None or overlays is not None:
        if store is None or indices is None or mask is not None:
            raise KernelError(
                "A mask comes from `mask`, or from `store` and `indices` together.",
                where="mask" if mask is not None else "store",
                cure="Give one of the two.",
            )
        check_mask(store, device, "store")
        indices = checked_indices(indices, store, overlays, device)
        count, name = indices.shape[0], "indices"
    elif mask is not None:
        check_mask(mask, device, "mask")
        count, name = mask.shape[0], "mask"
    elif rows is not None:
        count = len(rows)
    chosen = chosen_rows(logits, rows, count, name)
    is_filtered = not (_is(top_k, 0) and _is(top_p, 1) and _is(min_p, 0))
    heat = numbers(
        temperature, count, device, "temperature", torch.float64, 0.0, HOTTEST, "0 takes the likeliest token."
    )
    most = numbers(top_k, count, device, "top_k", torch.int64, 0, 2**62, "0 switches it off.")
    nucleus = numbers(top_p, count, device, "top_p", torch.float64, 0.0, 1.0, "1 switches it off.")
    least = numbers(min_p, count, device, "min_p", torch.float64, 0.0, 1.0, "0 switches it off.")
    key = numbers(
        seed, count, device, "seed", torch.int64, -_WORD, _WORD - 1, "Use reference.sample_key(...)."
    )
    place = numbers(
        position, count, device, "position", torch.int64, 0, _WORD - 1, "Count the tokens of the text from 0."
    )
    if runs_triton(device):
        return _launch(
            logits,
            chosen,
            mask,
            store,
            indices,
            overlays,
            (heat, most, nucleus, least, key, place),
            is_filtered,
        )
    if store is not None and indices is not None:
        mask = reference.united(store, indices, overlays)
    return reference.masked_sample(logits, mask, chosen, heat, most, nucleus, least, key, place)


def _is(values: Numbers, neutral: float) -> bool:
    return isinstance(values, (int, float)) and values == neutral


def _launch(
    logits: Tensor,
    rows: Tensor | None,
    mask: Tensor | None,
    store: Tensor | None,
    indices: Tensor | None,
    overlays: Tensor | None,
    options: tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor],
    is_filtered: bool,
) -> Sampled:
    import triton

    from structgen_kernels.triton_sampling import (
        COLUMNS,
        GROUP,
        THRESHOLD_WARPS,
        draw_token,
        find_threshold,
        tile_sums,
    )

    temperature, top_k, top_p, min_p, seed, position = options
    count, width, device = len(temperature), logits.shape[1], logits.device
    tokens = torch.empty(count, dtype=torch.int64, device=device)
    log_z = torch.empty(count, dtype=torch.float64, device=device)
    log_z_allowed = torch.empty_like(log_z)
    if count == 0:
        return Sampled(tokens, log_z, log_z_allowed)
    tiles = -(-width // TILE)
    groups = -(-tiles // GROUP)
    sums = torch.empty((COLUMNS, count, tiles), dtype=torch.float32, device=device)
    table = store if mask is None else mask
    table = torch.empty((0, 1), dtype=torch.int32, device=device) if table is None else table
    extra = table if overlays is None else overlays
    which = logits if rows is None else rows
    masks = (as_bytes(table), as_bytes(extra), table if indices is None else indices)
    layout = (
        logits.stride(0),
        logits.stride(1),
        table.shape[0],
        0 if overlays is None else extra.shape[0],
        4 * table.stride(0),
        4 * extra.stride(0),
        4 * table.shape[1],
    )
    kind = {
        "HAS_ROWS": rows is not None,
        "HAS_MASK": mask is not None or store is not None,
        "ROWS": 0 if indices is None else indices.shape[1],
        "TILE": TILE,
    }
    tile_sums[(count * groups,)](
        logits,
        which,
        *masks,
        temperature,
        sums,
        count,
        logits.shape[0],
        width,
        tiles,
        groups,
        *layout,
        GROUP=GROUP,
        **kind,
    )
    padded = triton.next_power_of_2(tiles)
    thresholds = ties = sums
    if is_filtered:
        thresholds = torch.empty(count, dtype=torch.float32, device=device)
        ties = torch.empty(count, dtype=torch.int32, device=device)
        together = min(count, _TOGETHER)
        candidates = torch.empty((together, tiles * TILE), dtype=torch.float32, device=device)
        for first in range(0, count, together):
            find_threshold[(min(together, count - first),)](
                logits,
                which,
                *masks,
                temperature,
                top_k,
                top_p,
                min_p,
                sums,
                candidates,
                thresholds,
                ties,
                first,
                count,
                logits.shape[0],
                width,
                tiles,
                *layout,
                TILES=padded,
                num_warps=THRESHOLD_WARPS,
                **kind,
            )
    draw_token[(count,)](
        logits,
        which,
        *masks,
        temperature,
        min_p,
        seed,
        position,
        sums,
        thresholds,
        ties,
        tokens,
        log_z,
        log_z_allowed,
        count,
        logits.shape[0],
        width,
        tiles,
        *layout,
        IS_FILTERED=is_filtered,
        TILES=padded,
        **kind,
    )
    return Sampled(tokens, log_z, log_z_allowed)

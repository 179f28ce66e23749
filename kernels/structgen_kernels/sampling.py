"""Sampling under token masks in one read of the logits: the launcher of the kernels in `triton_sampling`.

Mask, temperature, softmax and draw are usually four passes or more over [B, V] floats. Here every tile of a
row is read once and leaves six numbers; tile and token are drawn as `reference` defines it:

    logits [B, V] --read once--> sums [6, B, V / 1024] --> tile --> token, log Z, log Z of the allowed
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from structgen_kernels import reference
from structgen_kernels.arguments import logits_argument, masks_argument
from structgen_kernels.checks import Integers, Numbers, check_logits, check_mask, numbers, runs_triton
from structgen_kernels.errors import KernelError
from structgen_kernels.masking import checked_indices, chosen_rows
from structgen_kernels.reference import HOTTEST, TILE, Sampled

_TOGETHER = 128
"""Rows whose thresholds are found together: each needs 4 bytes of scratch for each token."""
_WORD = 2**63


class _Options(NamedTuple):
    """The options of each line, [lines] each; a filter that is off for all lines is None."""

    temperature: Tensor
    top_k: Tensor | None
    top_p: Tensor | None
    min_p: Tensor | None
    seed: Tensor
    position: Tensor


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
    """Return a token for each row of logits; the logarithms of the sums of exponentials before and under the
    mask and the log-probability of the token, all at temperature 1 and before filters; how many tokens are
    allowed, and which of all is the likeliest.

    `logits`: float [B, V], not changed. The mask is `mask`, as for `apply_mask_`, or rows of a `store` by
    `indices`, with `overlays`, as for `apply_store_mask_`; with neither all tokens are allowed. `rows`: the
    rows of the logits that the n lines are for; a row may be named often. The options are one number for all
    lines or a tensor [n]: `temperature` (0 takes the likeliest allowed token, of equals the smallest),
    `top_k` (0: off), `top_p` (1: off), `min_p` (0: off), `seed` (the key of a sample's noise,
    `reference.sample_key(seed, sample)`) and `position` (of the token in the text). Equal key, position and
    logits give the same token in any batch.

    A line whose allowed tokens are all minus infinity, or that has none, gets token -1 and log Z of the
    allowed minus infinity. A line with a logit that is NaN or plus infinity gets token -1 and NaN for the
    logarithms, and so does a line for a row that is not there (which only `rows` on the GPU can name).

    Cost on a GPU, in reads of all logits:

        no filters           1, and two tiles a row (2 / 125 for V = 128,256)
        min_p                at most 2
        top_k or top_p       at most 3

    The second and third read skip tiles that hold no token above the threshold, which are most of them where
    the model is sure of something. Scratch: 24 bytes for each 1,024 logits, and with top_k or top_p 4 bytes a
    token for at most 128 rows. Nothing waits for the GPU, and options that lie there are not checked: a
    temperature below 1e-30 counts as 0, one above 1e30 as that. An option that is a number, not a tensor,
    costs a launch of its own; so does a tensor that is not float64 (temperature, top_p, min_p) or int64.
    Sums of tiles are in float32, all else in float64; no gradients flow. Raises KernelError for a wrong
    type, device, shape, stride or value.
    """
    check_logits(logits)
    logits, device, count, name = logits.detach(), logits.device, logits.shape[0], "rows"
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
        count = count_of(rows)
    chosen = chosen_rows(logits, rows, count, name, is_written=False)

    def each(value: Numbers, name: str, dtype: torch.dtype, low: float, high: float, cure: str) -> Tensor:
        return numbers(value, count, device, name, dtype, low, high, cure)

    share, whole = torch.float64, torch.int64
    options = _Options(
        each(temperature, "temperature", share, 0.0, HOTTEST, "0 takes the likeliest token."),
        None if _is(top_k, 0) else each(top_k, "top_k", whole, 0, 2**62, "0 switches it off."),
        None if _is(top_p, 1) else each(top_p, "top_p", share, 0.0, 1.0, "1 switches it off."),
        None if _is(min_p, 0) else each(min_p, "min_p", share, 0.0, 1.0, "0 switches it off."),
        each(seed, "seed", whole, -_WORD, _WORD - 1, "Use reference.sample_key(...)."),
        each(position, "position", whole, 0, _WORD - 1, "Count the tokens of the text from 0."),
    )
    if runs_triton(device):
        return _launch(logits, chosen, mask, store, indices, overlays, options)
    if store is not None and indices is not None:
        mask = reference.united(store, indices, overlays)
    return reference.masked_sample(logits, mask, chosen, *_with_neutral(options))


def count_of(rows: Integers) -> int:
    """Return the number of rows."""
    try:
        return len(rows)
    except TypeError as error:
        raise KernelError(
            f"It is a {type(rows).__name__} without a length.",
            where="rows",
            cure="Give a list of rows, or an integer tensor [n].",
        ) from error


def _is(values: Numbers, neutral: float) -> bool:
    return isinstance(values, (int, float)) and values == neutral


def _with_neutral(options: _Options) -> _Options:
    """Return options in which None is replaced by the neutral value."""
    like = options.temperature
    return options._replace(
        top_k=torch.zeros_like(options.seed) if options.top_k is None else options.top_k,
        top_p=torch.ones_like(like) if options.top_p is None else options.top_p,
        min_p=torch.zeros_like(like) if options.min_p is None else options.min_p,
    )


def _launch(
    logits: Tensor,
    rows: Tensor | None,
    mask: Tensor | None,
    store: Tensor | None,
    indices: Tensor | None,
    overlays: Tensor | None,
    options: _Options,
) -> Sampled:
    import triton

    from structgen_kernels.triton_sampling import (
        COLUMNS,
        GROUP,
        SUMS_WARPS,
        THRESHOLD_WARPS,
        draw_token,
        find_threshold,
        tile_sums,
    )

    lines, device = len(options.temperature), logits.device
    log_z, log_z_allowed, log_probs = (
        torch.empty(lines, dtype=torch.float64, device=device) for _ in range(3)
    )
    tokens, allowed, likeliest = (torch.empty(lines, dtype=torch.int64, device=device) for _ in range(3))
    found = Sampled(tokens, log_z, log_z_allowed, log_probs, allowed, likeliest)
    if lines == 0:
        return found
    table = store if mask is None else mask
    masks = masks_argument(table, overlays, indices)
    of = logits_argument(logits, rows)
    tiles = -(-of.width // TILE)
    groups = -(-tiles // GROUP)
    padded = triton.next_power_of_2(tiles)
    sums = torch.empty((COLUMNS, lines, tiles), dtype=torch.float32, device=device)
    tile_sums[(lines * groups,)](
        of,
        masks,
        options.temperature,
        sums,
        lines,
        tiles,
        groups,
        ROWS=masks.united,
        GROUP=GROUP,
        TILE=TILE,
        num_warps=SUMS_WARPS,
    )
    has_threshold = options.top_k is not None or options.top_p is not None
    is_filtered = has_threshold or options.min_p is not None
    thresholds = ties = None
    if is_filtered:
        options = _with_neutral(options)
    if has_threshold:
        thresholds = torch.empty(lines, dtype=torch.float32, device=device)
        ties = torch.empty(lines, dtype=torch.int32, device=device)
        together = min(lines, _TOGETHER)
        candidates = torch.empty((together, tiles * TILE), dtype=torch.float32, device=device)
        for first in range(0, lines, together):
            find_threshold[(min(together, lines - first),)](
                of,
                masks,
                options.temperature,
                options.top_k,
                options.top_p,
                options.min_p,
                sums,
                candidates,
                thresholds,
                ties,
                first,
                lines,
                tiles,
                ROWS=masks.united,
                TILES=padded,
                TILE=TILE,
                num_warps=THRESHOLD_WARPS,
            )
    draw_token[(lines,)](
        of,
        masks,
        options.temperature,
        options.min_p,
        options.seed,
        options.position,
        sums,
        thresholds,
        ties,
        tokens,
        log_z,
        log_z_allowed,
        log_probs,
        allowed,
        likeliest,
        lines,
        tiles,
        ROWS=masks.united,
        IS_FILTERED=is_filtered,
        TILES=padded,
        TILE=TILE,
    )
    return found

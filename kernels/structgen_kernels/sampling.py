"""Sampling under token masks in one read of the logits: the launcher of the kernels in `triton_sampling`.

Mask, temperature, softmax and draw are usually four passes or more over [B, V] floats. Here every tile of a
row is read once and leaves six numbers; tile and token are drawn as `reference` defines it:

    logits [B, V] --read once--> sums [6, B, V / 1024] --> tile --> token, log Z, log Z of the allowed
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from structgen_kernels import reference
from structgen_kernels.arguments import logits_argument, masks_argument
from structgen_kernels.checks import Integers, Numbers, check_logits, check_mask, numbers, runs_triton
from structgen_kernels.errors import KernelError
from structgen_kernels.launching import Plan, Plans, outline_of
from structgen_kernels.masking import checked_indices, chosen_rows
from structgen_kernels.reference import FIGURES, HOTTEST, TILE, Sampled

_TOGETHER = 128
"""Rows whose thresholds are found together: each needs 4 bytes of scratch for each token."""
_WORD = 2**63
_PLANS = Plans()


class _Options(NamedTuple):
    """The options of each line, once checked tensors [lines]; a filter that is off for all lines is None."""

    temperature: Any
    top_k: Any
    top_p: Any
    min_p: Any
    seed: Any
    position: Any


def masked_sample(
    logits: Tensor,
    mask: Tensor | None = None,
    *,
    store: Tensor | None = None,
    indices: Tensor | None = None,
    overlays: Tensor | None = None,
    rows: Integers | None = None,
    temperature: Numbers = 1.0,
    top_k: Numbers | None = None,
    top_p: Numbers | None = None,
    min_p: Numbers | None = None,
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
    `top_k` (0 or None: off), `top_p` (1 or None: off), `min_p` (0 or None: off), `seed` (the key of a
    sample's noise, `reference.sample_key(seed, sample)`) and `position` (of the token in the text). Equal
    key, position and logits give the same token in any batch.

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
    wanted = _Options(
        temperature,
        None if _is(top_k, 0) else top_k,
        None if _is(top_p, 1) else top_p,
        None if _is(min_p, 0) else min_p,
        seed,
        position,
    )
    given = logits, rows, mask, store, indices, overlays, *wanted
    outline = outline_of(*given)
    plan = _PLANS.known(outline)
    if plan is not None:
        return _launch(plan, *given)
    check_logits(logits)
    device, count, name = logits.device, logits.shape[0], "rows"
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

    def each(value: Any, name: str, dtype: torch.dtype, low: float, high: float, cure: str) -> Any:
        return numbers(value, count, device, name, dtype, low, high, cure)

    share, whole = torch.float64, torch.int64
    options = _Options(
        each(temperature, "temperature", share, 0.0, HOTTEST, "0 takes the likeliest token."),
        None if wanted.top_k is None else each(top_k, "top_k", whole, 0, 2**62, "0 switches it off."),
        None if wanted.top_p is None else each(top_p, "top_p", share, 0.0, 1.0, "1 switches it off."),
        None if wanted.min_p is None else each(min_p, "min_p", share, 0.0, 1.0, "0 switches it off."),
        each(seed, "seed", whole, -_WORD, _WORD - 1, "Use reference.sample_key(...)."),
        each(position, "position", whole, 0, _WORD - 1, "Count the tokens of the text from 0."),
    )
    if runs_triton(device):
        checked = logits, chosen, mask, store, indices, overlays, *options
        return _launch(_PLANS.made(outline, given, checked), *checked)
    if store is not None and indices is not None:
        mask = reference.united(store, indices, overlays)
    return reference.masked_sample(logits.detach(), mask, chosen, *_with_neutral(options))


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


def _is(values: Numbers | None, neutral: float) -> bool:
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
    plan: Plan,
    logits: Tensor,
    rows: Tensor | None,
    mask: Tensor | None,
    store: Tensor | None,
    indices: Tensor | None,
    overlays: Tensor | None,
    temperature: Tensor,
    top_k: Tensor | None,
    top_p: Tensor | None,
    min_p: Tensor | None,
    seed: Tensor,
    position: Tensor,
) -> Sampled:
    # start-up: Triton
    from structgen_kernels import triton_sampling as kernels

    lines, device = temperature.shape[0], logits.device
    figures = torch.empty((FIGURES, lines), dtype=torch.int64, device=device)
    if lines == 0:
        return Sampled(figures)
    masks = masks_argument(store if mask is None else mask, overlays, indices)
    of = logits_argument(logits, rows)
    tiles = -(-of.width // TILE)
    groups = -(-tiles // kernels.GROUP)
    padded = 1 << (tiles - 1).bit_length()
    sums = torch.empty((kernels.COLUMNS, lines, tiles), dtype=torch.float32, device=device)
    plan.launch(
        kernels.tile_sums,
        lines * groups,
        of,
        masks,
        temperature,
        sums,
        lines,
        tiles,
        groups,
        warps=kernels.SUMS_WARPS,
        ROWS=masks.united,
        GROUP=kernels.GROUP,
        TILE=TILE,
    )
    thresholds = ties = None
    if top_k is not None or top_p is not None:
        thresholds = torch.empty(lines, dtype=torch.float32, device=device)
        ties = torch.empty(lines, dtype=torch.int32, device=device)
        together = min(lines, _TOGETHER)
        candidates = torch.empty((together, tiles * TILE), dtype=torch.float32, device=device)
        for first in range(0, lines, together):
            plan.launch(
                kernels.find_threshold,
                min(together, lines - first),
                of,
                masks,
                temperature,
                top_k,
                top_p,
                min_p,
                sums,
                candidates,
                thresholds,
                ties,
                first,
                lines,
                tiles,
                warps=kernels.THRESHOLD_WARPS,
                ROWS=masks.united,
                TILES=padded,
                TILE=TILE,
            )
    plan.launch(
        kernels.draw_token,
        lines,
        of,
        masks,
        temperature,
        min_p,
        seed,
        position,
        sums,
        thresholds,
        ties,
        figures,
        lines,
        tiles,
        ROWS=masks.united,
        TILES=padded,
        TILE=TILE,
    )
    return Sampled(figures)

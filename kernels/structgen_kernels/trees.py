"""Verification of draft trees on the device: which guessed tokens plain decoding would have written.

The model reads all nodes of a tree in one pass. A token is drawn at each node, under the node's mask and with
the noise of the node's position, and the draws are followed from the first node: while the token drawn at a
node is a child's, that child is accepted. Without a draft the same draws would have been made one by one.

    logits, masks of the nodes --masked_sample--> a token at each node --verify--> path, token after it

`sample_tree` does both; `verify` the second alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from structgen_kernels import reference
from structgen_kernels.checks import INTEGERS, Numbers, check_logits, integers, numbers, runs_triton, said
from structgen_kernels.errors import KernelError
from structgen_kernels.launching import Plan, Plans, outline_of
from structgen_kernels.reference import HOTTEST, Sampled, Verified
from structgen_kernels.sampling import masked_sample

_MOST_NODES = 4096
_HERE = torch.device("cpu")
_PLANS = Plans()
_COUNTS_CURE = "Say how many of the nodes each tree has."


def verify(
    sampled: Tensor,
    tokens: Tensor,
    parents: Tensor,
    counts: Sequence[int] | Tensor,
    most_nodes: int | None = None,
) -> Verified:
    """Return the accepted path of each of R draft trees, and the token that was sampled after it.

    The trees lie one after the other, as `decode_tree` reads them; tree r has the next `counts[r]`
    nodes. `sampled`, `tokens` and `parents` are int32 or int64 [N] on one device: the token sampled at
    each node (-1: none was possible), the token that each node holds, and the number of its parent within
    the tree. A parent's number is smaller than its children's. The first node is decided already and has
    parent -1; a node that must not be accepted, as there is no mask for it, may have parent -2. `most_nodes`
    bounds the nodes of a tree; it must be given where `counts` lie on a GPU, and nodes past it are left
    out. At most 4,096.

    Of children with equal tokens the first counts. A tree of no nodes has length 0 and token -1. Numbers
    that are no node's are never read, whatever `parents` and `counts` hold on a GPU. Cost: one program a
    tree, a step a node accepted. Raises KernelError for wrong types, shapes, devices, or counts.
    """
    _check_nodes({"sampled": sampled, "tokens": tokens, "parents": parents})
    starts, most = _bounds(counts, most_nodes, len(sampled), sampled.device)
    return _followed(sampled, tokens, parents, starts, most)


def _followed(sampled: Tensor, tokens: Tensor, parents: Tensor, starts: Tensor, most: int) -> Verified:
    """Return what `verify` does, for checked arguments and the places where trees begin."""
    if not runs_triton(sampled.device):
        return reference.verify(sampled, tokens, parents, starts, most)
    # start-up: Triton
    from structgen_kernels.triton_trees import verify_kernel

    given = sampled.contiguous(), tokens.contiguous(), parents.contiguous(), starts
    trees, device = len(starts) - 1, sampled.device
    paths = torch.empty((trees, most), dtype=torch.int32, device=device)
    lengths = torch.empty(trees, dtype=torch.int32, device=device)
    last = torch.empty(trees, dtype=torch.int64, device=device)
    if trees:
        plan = _plan_for("verify", most, *given)
        plan.launch(
            verify_kernel, trees, *given, paths, lengths, last, len(sampled), most, NODES=_power_of(most)
        )
    return Verified(paths, lengths, last)


def sample_tree(
    logits: Tensor,
    tokens: Tensor,
    parents: Tensor,
    counts: Sequence[int] | Tensor,
    mask: Tensor | None = None,
    *,
    most_nodes: int | None = None,
    temperature: Numbers = 1.0,
    top_k: Numbers | None = None,
    top_p: Numbers | None = None,
    min_p: Numbers | None = None,
    seed: Numbers = 0,
    position: Numbers = 0,
    **masks: Any,
) -> tuple[Verified, Sampled]:
    """Draw a token at each node of R draft trees and follow the draws; return the accepted paths, and what
    was drawn at each node.

    `logits`: float [N, V], a row for each node, after which the model read the node's token. `tokens`,
    `parents`, `counts` and `most_nodes` are as for `verify`. `mask` [N, words], or `store`, `indices` [N, K]
    and `overlays`, are as for `masked_sample`: a row for each node. The options are one number or one for
    each tree, [R]; `position` is that of the token after the first node, and a node that lies d parents
    below draws for position + d. So each token of a path is the one that `masked_sample` would draw without
    the draft.

    Cost: that of `masked_sample` for N rows, and two small kernels. Nothing waits for the GPU. Raises
    KernelError as `masked_sample` and `verify` do.
    """
    check_logits(logits)
    device, nodes = logits.device, logits.shape[0]
    _check_nodes({"tokens": tokens, "parents": parents})
    if len(tokens) != nodes or tokens.device != device:
        raise KernelError(
            f"They are {said(tokens)}, and the logits are {said(logits)}.",
            where="tokens",
            cure="Give the token of each row of the logits, on the same device.",
        )
    if "rows" in masks:
        raise KernelError(
            "A tree has a row of logits for each node.", where="rows", cure="Pass logits[rows] instead."
        )
    starts, most = _bounds(counts, most_nodes, nodes, device)
    owners, depths = _placed(parents, starts, most)

    def each(value: Numbers, name: str, dtype: torch.dtype, low: float, high: float) -> Tensor:
        cure, is_one = "Give one number for each tree.", isinstance(value, (int, float))
        given = numbers(value, nodes if is_one else len(starts) - 1, device, name, dtype, low, high, cure)
        return given if is_one else given[owners]

    def filtering(value: Numbers | None, *of: Any) -> Tensor | float | None:
        return value if value is None or isinstance(value, (int, float)) else each(value, *of)

    share, whole = torch.float64, torch.int64
    first = each(position, "position", whole, 0, 2**62)
    drawn = masked_sample(
        logits,
        mask,
        temperature=each(temperature, "temperature", share, 0.0, HOTTEST),
        top_k=filtering(top_k, "top_k", whole, 0, 2**62),
        top_p=filtering(top_p, "top_p", share, 0.0, 1.0),
        min_p=filtering(min_p, "min_p", share, 0.0, 1.0),
        seed=each(seed, "seed", whole, -(2**63), 2**63 - 1),
        position=depths + first,
        **masks,
    )
    return _followed(drawn.tokens, tokens, parents, starts, most), drawn


def _check_nodes(given: dict[str, Tensor]) -> None:
    """Raise KernelError unless all are int32 or int64 [N] on one device."""
    first = next(iter(given))
    like = given[first]
    for name, value in given.items():
        if not isinstance(value, Tensor) or value.dtype not in INTEGERS or value.ndim != 1:
            raise KernelError(
                f"It is {said(value)}, and int32 or int64 [N] is needed.",
                where=name,
                cure="Give one number for each node.",
            )
        if value.shape != like.shape or value.device != like.device:
            raise KernelError(
                f"It is {said(value)}, and `{first}` is {said(like)}.",
                where=name,
                cure="Give one number for each node, on one device.",
            )


def _bounds(
    counts: Sequence[int] | Tensor, most_nodes: int | None, nodes: int, device: torch.device
) -> tuple[Tensor, int]:
    """Return where each tree's nodes begin, int64 [R + 1] on the device, and the most that a tree has."""
    on_device = isinstance(counts, Tensor) and counts.device.type != "cpu"
    if on_device and most_nodes is None:
        raise KernelError(
            "It is needed where the counts lie on the device: reading them would wait for it.",
            where="most_nodes",
            cure="Give the greatest number of nodes that a tree may have.",
        )
    if isinstance(counts, Tensor) and counts.ndim != 1:
        raise KernelError(f"It is {said(counts)}, not [R].", where="counts", cure=_COUNTS_CURE)
    if on_device:
        sizes = integers(counts, (len(counts),), device, "counts", 0, nodes + 1, _COUNTS_CURE)
        starts = torch.zeros(len(counts) + 1, dtype=torch.int64, device=device)
        torch.cumsum(sizes, 0, out=starts[1:])
    else:
        # the sums are made here: one copy then takes them to the device
        sizes = integers(counts, (len(counts),), _HERE, "counts", 0, nodes + 1, _COUNTS_CURE)
        listed = sizes.tolist()
        if sum(listed) != nodes:
            raise KernelError(
                f"They add up to {sum(listed)}, and there are {nodes} nodes.",
                where="counts",
                cure=_COUNTS_CURE,
            )
        starts = torch.tensor([0, *accumulate(listed)]).to(device, non_blocking=True)
        most_nodes = max(listed, default=0) if most_nodes is None else most_nodes
    assert most_nodes is not None
    if not 0 <= most_nodes <= _MOST_NODES:
        raise KernelError(
            f"A tree of {most_nodes} nodes; at most {_MOST_NODES} are verified.",
            where="most_nodes",
            cure="Draft smaller trees.",
        )
    return starts, most_nodes


def _placed(parents: Tensor, starts: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Return the number of the tree of each node and how deep it lies, int64 [N]; 0 for nodes left out."""
    if not runs_triton(parents.device):
        return reference.placed(parents, starts, most)
    # start-up: Triton
    from structgen_kernels.triton_trees import place_kernel

    parents = parents.contiguous()
    owners, depths = torch.zeros((2, len(parents)), dtype=torch.int64, device=parents.device)
    if len(starts) > 1:
        plan = _plan_for("place", most, parents, starts)
        plan.launch(
            place_kernel,
            len(starts) - 1,
            parents,
            starts,
            owners,
            depths,
            len(parents),
            most,
            NODES=_power_of(most),
        )
    return owners, depths


def _plan_for(kernel: str, most: int, *given: Tensor) -> Plan:
    """Return the plan for a kernel whose arguments are checked."""
    outline = outline_of(*given)
    key = None if outline is None else (kernel, most, *outline)
    return _PLANS.known(key) or _PLANS.made(key, given, given)


def _power_of(most: int) -> int:
    """Return the least power of two that is no smaller."""
    return 1 << max(most - 1, 0).bit_length()

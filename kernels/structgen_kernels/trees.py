"""Verification of draft trees on the device: which guessed tokens are those that were sampled.

The model reads all nodes of a tree in one pass, `masked_sample` chooses a token at each node (with the noise
of the node's position), and `verify` follows the choices from the first node: while the token chosen at a
node is a child's, that child is accepted. What is accepted is what plain decoding would have written.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from structgen_kernels import reference
from structgen_kernels.checks import INTEGERS, integers, runs_triton, said
from structgen_kernels.errors import KernelError
from structgen_kernels.reference import Verified

_MOST_NODES = 4096


def verify(
    sampled: Tensor,
    tokens: Tensor,
    parents: Tensor,
    counts: Sequence[int] | Tensor,
    most_nodes: int | None = None,
) -> Verified:
    """Return the accepted path of each of R draft trees, and the token that was sampled behind it.

    The trees lie one behind the other, as `decode_tree` reads them; tree r has the next `counts[r]`
    nodes. `sampled`, `tokens` and `parents` are int32 or int64 [N] on one device: the token sampled at
    each node (-1: none was possible), the token that each node holds, and the number of its parent within
    the tree (-1 for the first node, which is decided already; a parent's number is smaller). `most_nodes`
    bounds the nodes of a tree; it must be given where `counts` lie on a GPU, and nodes past it are left
    out. At most 4,096.

    Of children with equal tokens the first counts. A tree of no nodes has length 0 and token -1. Numbers
    that are no node's are never read, whatever `parents` holds. Cost: one program a tree, a step a node
    accepted. Raises KernelError for wrong types, shapes, devices, or counts.
    """
    for name, value in (("sampled", sampled), ("tokens", tokens), ("parents", parents)):
        if not isinstance(value, Tensor) or value.dtype not in INTEGERS or value.ndim != 1:
            raise KernelError(
                f"It is {said(value)}, and int32 or int64 [N] is needed.",
                where=name,
                cure="Give one number for each node.",
            )
        if value.shape != sampled.shape or value.device != sampled.device:
            raise KernelError(
                f"It is {said(value)}, and `sampled` is {said(sampled)}.",
                where=name,
                cure="Give one number for each node, on one device.",
            )
    device, nodes = sampled.device, len(sampled)
    on_device = isinstance(counts, Tensor) and counts.device.type != "cpu"
    if on_device and most_nodes is None:
        raise KernelError(
            "It is needed where the counts lie on the device: reading them would wait for it.",
            where="most_nodes",
            cure="Give the greatest number of nodes that a tree may have.",
        )
    cure = "Say how many of the nodes each tree has."
    bounds = integers(counts, (len(counts),), device, "counts", 0, nodes + 1, cure)
    starts = torch.zeros(len(counts) + 1, dtype=torch.int64, device=device)
    torch.cumsum(bounds, 0, out=starts[1:])
    if not on_device:
        listed = counts.tolist() if isinstance(counts, Tensor) else list(counts)
        if sum(listed) != nodes:
            raise KernelError(
                f"They add up to {sum(listed)}, and there are {nodes} nodes.", where="counts", cure=cure
            )
        most_nodes = max(listed, default=0) if most_nodes is None else most_nodes
    assert most_nodes is not None
    if not 0 <= most_nodes <= _MOST_NODES:
        raise KernelError(
            f"A tree of {most_nodes} nodes; at most {_MOST_NODES} are verified.",
            where="most_nodes",
            cure="Draft smaller trees.",
        )
    if not runs_triton(device):
        return reference.verify(sampled, tokens, parents, starts, most_nodes)
    import triton

    from structgen_kernels.triton_trees import verify_kernel

    trees = len(counts)
    paths = torch.empty((trees, most_nodes), dtype=torch.int32, device=device)
    lengths = torch.empty(trees, dtype=torch.int32, device=device)
    last = torch.empty(trees, dtype=torch.int64, device=device)
    if trees:
        verify_kernel[(trees,)](
            sampled.contiguous(),
            tokens.contiguous(),
            parents.contiguous(),
            starts,
            paths,
            lengths,
            last,
            most_nodes,
            NODES=triton.next_power_of_2(max(most_nodes, 1)),
        )
    return Verified(paths, lengths, last)

"""Checks draft trees before a model verifies them, and the paths of the nodes to keep. All models use it.

A *draft tree* is guessed tokens after a text. Each guess is a *node*; its *parent* is the number of the node
before it, and the first node has the parent -1. The *depth* of a node is the number of its ancestors. A
*path* leads from the first node down. For example, with the parents [-1, 0, 0, 1] the nodes 1 and 2 are
alternatives after node 0, and [0, 1, 3] is a path.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from structgen.base.errors import OptionError

MOST_NODES: Final = 1024
"""The most nodes of a draft tree."""


class GrownCache(Protocol):
    """The cache of a text, with the last draft tree that was read after the text."""

    @property
    def length(self) -> int:
        """The number of tokens of the text."""

    @property
    def parents(self) -> list[int]:
        """The parents of the last tree's nodes; empty once nodes were kept or tokens were read."""


def depths_of(
    tokens: Sequence[int],
    parents: Sequence[int],
    counts: Sequence[int],
    caches: Sequence[GrownCache],
    context: int,
) -> list[int]:
    """Return the depth of each node of some trees.

    `tokens`, `parents` and `counts` are as in `VerifiesDrafts.decode_tree`: `counts` has the number of nodes
    of each tree. `caches` have the lengths of the texts, and `context` is the most tokens that the model can
    read. For example, a tree with the parents `[-1, 0, 0, 1]` has the depths `[0, 1, 1, 2]`.

    Raises OptionError for a list that is not a tree, for a tree of more than MOST_NODES nodes, and for a tree
    that does not fit into the context. Cost: linear.
    """
    has_all_nodes = len(tokens) == len(parents) == sum(counts)
    if len(counts) != len(caches) or not has_all_nodes:
        raise OptionError(
            f"The draft has {len(tokens)} tokens and {len(parents)} parents of {sum(counts)} nodes, "
            f"for {len(counts)} trees of {len(caches)} texts.",
            where="counts",
            cure="Pass a token and a parent for every node, and a tree for every text.",
        )
    depths: list[int] = []
    for count, cache in zip(counts, caches, strict=True):
        start = len(depths)
        if not 1 <= count <= MOST_NODES:
            raise OptionError(
                f"A tree has {count} nodes.", where="counts", cure=f"Use 1 to {MOST_NODES} nodes."
            )
        for node in range(count):
            parent = parents[start + node]
            is_right = 0 <= parent < node if node else parent == -1
            if not is_right:
                raise OptionError(
                    f"The parent of node {node} is {parent}.",
                    where="parents",
                    cure="The first node's parent is -1; each other parent precedes its node.",
                )
            # a parent comes before its children, so its depth is known
            depths.append(depths[start + parent] + 1 if node else 0)
        deepest = cache.length + max(depths[start:])
        if deepest >= context:
            raise OptionError(
                f"A path of a tree ends at position {deepest}, and the context has {context} positions.",
                where="parents",
                cure="Cut the tree to the positions that are left after its text.",
            )
    return depths


def check_paths(paths: Sequence[Sequence[int]], caches: Sequence[GrownCache]) -> None:
    """Raise OptionError unless each path is in its cache's last tree, from the first node down."""
    for path, cache in zip(paths, caches, strict=True):
        parents = cache.parents
        parents_of_path = [parents[node] if 0 <= node < len(parents) else None for node in path]
        # on a path each node is the parent of the next one
        if not path or parents_of_path != [-1, *path[:-1]]:
            raise OptionError(
                f"The nodes {list(path)} are not a path of a tree whose parents are {parents}.",
                where="paths",
                cure="Pass the first node, a child of it, a child of that one, and so on, once for "
                "each tree.",
            )

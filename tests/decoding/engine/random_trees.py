"""Random draft trees for the tests of models that verify them."""

from __future__ import annotations

import random
from collections.abc import Sequence


def random_tree(draw: random.Random, nodes: int, vocabulary: int = 500) -> tuple[list[int], list[int]]:
    """Return the tokens and parents of a tree: bushy or deep, siblings with different tokens."""
    deep = draw.random()
    tokens, parents = [draw.randrange(vocabulary)], [-1]
    for node in range(1, nodes):
        parent = node - 1 if draw.random() < deep else draw.randrange(node)
        siblings = {tokens[other] for other in range(node) if parents[other] == parent}
        token = draw.randrange(vocabulary)
        while token in siblings:
            token = draw.randrange(vocabulary)
        tokens.append(token)
        parents.append(parent)
    return tokens, parents


def path_down(parents: Sequence[int], node: int) -> list[int]:
    """Return the nodes from the root of a tree to a node."""
    path = [node]
    while parents[path[0]] >= 0:
        path.insert(0, parents[path[0]])
    return path

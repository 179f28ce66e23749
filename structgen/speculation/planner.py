"""Which guesses are worth a row of the model: trees of many drafters as one, and the best part of it.

Trees are fused by prefix (RASD, Quan et al. 2025) and cut best-first (DySpec, Xiong et al. 2024). How many
nodes a step has, over all requests, is what gives the most tokens for its time (SmartSpec's goodput, Liu et
al. 2024).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from typing import Final

from structgen.errors import OptionError
from structgen.speculation.draft import NO_DRAFT, Draft, DraftTree

_SUREST: Final = 0.999
"""No guess is held to be surer."""


def fuse(drafts: Sequence[Draft], trusts: Sequence[float]) -> Draft:
    """Return the union of trees: each path of one of them, once. A node's chance is its share times how far
    its drafter is trusted, the largest of all drafters that propose it; siblings' chances add up to at most
    1. Cost: 2 us a node."""
    tree = DraftTree()
    for draft, trust in zip(drafts, trusts, strict=True):
        places = [-1]
        for token, parent, chance in zip(
            draft.tokens.tolist(), draft.parents.tolist(), draft.chances.tolist(), strict=True
        ):
            places.append(tree.add(places[parent + 1], token, chance * trust))
    return tree.shared(_SUREST) if len(tree) else NO_DRAFT


def plan(trees: Sequence[Draft], costs: Sequence[float], most: int) -> list[Draft]:
    """Return for each request the part of its tree that is worth verifying; together at most `most` nodes.

    `costs[i]` is what a pass of i + 1 rows takes, in any unit; each request has one row without a guess, each
    node one more. Of all parts of the trees, the chosen ones give the most expected tokens for their cost; of
    equally good ones the smaller. So there is no draft where rows are dear: with many requests at once, and
    where `costs` does not reach. Cost: 3 us a node.
    """
    for i, cost in enumerate(costs):
        if not (cost > 0.0 and math.isfinite(cost)):
            raise OptionError(
                f"A pass of {i + 1} rows costs {cost}.", where="costs", cure="Give finite numbers above 0."
            )
    count = len(trees)
    if not 1 <= count <= len(costs):
        return [NO_DRAFT] * count
    below = [_nodes_below(tree) for tree in trees]
    waiting: list[tuple[float, int, int]] = []

    def open_(request: int, node: int, chance: float) -> None:
        for child in below[request][node + 1]:
            heapq.heappush(waiting, (-chance * float(trees[request].chances[child]), request, child))

    for request in range(count):
        open_(request, -1, 1.0)
    order: list[tuple[int, int]] = []
    expected = float(count)
    best, best_at = expected / costs[count - 1], 0
    while waiting and len(order) < min(most, len(costs) - count):
        chance, request, node = heapq.heappop(waiting)
        order.append((request, node))
        open_(request, node, -chance)
        expected -= chance
        rate = expected / costs[count + len(order) - 1]
        if rate > best:
            best, best_at = rate, len(order)
    chosen: list[list[int]] = [[] for _ in range(count)]
    for request, node in order[:best_at]:
        chosen[request].append(node)
    return [tree.part(nodes) if nodes else NO_DRAFT for tree, nodes in zip(trees, chosen, strict=True)]


def _nodes_below(tree: Draft) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in range(len(tree) + 1)]
    for node, parent in enumerate(tree.parents.tolist()):
        found[parent + 1].append(node)
    return found

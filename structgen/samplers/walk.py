"""One attempt to write a text, from the empty prefix to its end; five methods are this walk with other
settings.

At a prefix u the walk draws an edge by P(a | u) upper(ua). `upper` is the tree's bound on h, or 1 without a
tree; it is the *assumed* bound. The bound found at the node after the edge may be smaller, because the mask
of ua forbids some of its mass, or because other walks have met dead ends. Let r be the found bound divided by
the assumed one. The methods differ in their use of r only:

    use of r        without a tree    with a tree
    ignored         masked            asap          biased: no weights, no rejections
    a coin flip     rejection         cars          exact: the walk continues with probability r
    a weight        importance        importance    unbiased: the weight is upper(root) times all r

The factors telescope. A walk that is accepted at x was proposed and survived with probability P(x) /
upper(root), whatever the tree has learnt meanwhile. So several walks may share a tree and a forward pass, and
each accepted text is an independent draw from the target.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from structgen.samplers.prefix_node import REST, Node, Path
from structgen.samplers.target import END, Prefix, Target, TargetStep
from structgen.samplers.tree import PrefixTree


class Finish(Enum):
    """How a walk uses the ratio of bounds."""

    IGNORE = "ignore"
    COIN = "coin"
    WEIGHT = "weight"


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of a walk. A walk that was rejected, or met a dead end, has `weight` 0."""

    tokens: tuple[int, ...]
    weight: float
    """An unbiased estimate of Z: E[weight f(x)] = sum of P(x) f(x) over the valid texts x."""
    logprob: float
    """log P(tokens, end) under the model; minus infinity if the walk did not reach an end."""
    bound: float
    """The bound on Z with which the walk began: coin flips accept it with probability Z / bound."""


class _Walk:
    """A walk under way."""

    __slots__ = (
        "believed",
        "draws",
        "kept",
        "logprob",
        "node",
        "path",
        "prefix",
        "start",
        "weight",
    )

    def __init__(self, target: Target, draws: np.random.Generator, start: float) -> None:
        self.prefix: Prefix = target.start()
        self.node: Node | None = None
        """The node of the walk's prefix; None before its row was read."""
        self.path: Path = []
        self.believed = self.start = start
        self.draws = draws
        self.weight, self.logprob = 1.0, 0.0
        self.kept = 0
        """How many tokens the node kept when the edge to its rest was drawn."""

    def ended(self, weight: float) -> Attempt:
        return Attempt(self.prefix.tokens, weight, self.logprob if weight else -math.inf, self.start)


class Walker:
    """Writes texts by walks."""

    def __init__(self, target: Target, finish: Finish, tree: PrefixTree | None, *, seed: int) -> None:
        self._target, self._finish, self._tree = target, finish, tree
        self._seed, self._number = seed & ((1 << 64) - 1), 0
        self.tree_rows = 0
        """Nodes that walks found in the tree: each saved a model row."""

    def attempts(self, width: int, afford: Callable[[int], bool] = lambda rows: True) -> list[Attempt]:
        """Return `width` attempts, in order; walks that wait for rows share forward passes.

        `afford(rows)` is asked before each pass. If it returns False, all unfinished walks of this call are
        dropped: dropping long walks only would bias the others.
        """
        upper = self._upper()
        walks = [_Walk(self._target, self._draws(), upper) for _ in range(width)]
        if self._tree is not None and self._tree.root is not None:
            self.tree_rows += width
            for walk in walks:
                walk.node = self._tree.root
        done: dict[int, Attempt] = {}
        active = list(range(width))
        while active:
            reading = [i for i in active if walks[i].node is None]
            if reading:
                if not afford(len({walks[i].prefix for i in reading})):
                    return []
                for i, step in zip(reading, self._steps([walks[i].prefix for i in reading]), strict=True):
                    self._arrive(walks[i], step)
            waiting: list[int] = []
            for i in active:
                found = self._go_on(walks[i])
                if isinstance(found, Attempt):
                    done[i] = found
                elif found == REST:
                    waiting.append(i)
            if waiting:
                if not afford(len({walks[i].prefix for i in waiting})):
                    return []
                steps = self._steps([walks[i].prefix for i in waiting])
                for i, step in zip(waiting, steps, strict=True):
                    ended = self._unfold(walks[i], step)
                    if ended is not None:
                        done[i] = ended
            active = [i for i in active if i not in done]
        if self._tree is not None:
            for i in range(width):
                if done[i].weight:
                    self._tree.learn(walks[i].path, 1.0, 1.0)
        return [done[i] for i in range(width)]

    @property
    def is_spent(self) -> bool:
        """Whether the tree proves that there is nothing left to draw."""
        return self._upper() <= 0.0

    def _upper(self) -> float:
        """Return the bound on Z with which walks begin."""
        return 1.0 if self._tree is None or self._tree.root is None else self._tree.root.upper

    def _draws(self) -> np.random.Generator:
        """Return the random numbers of the next walk. They depend on the seed and the walk's number only."""
        self._number += 1
        return np.random.Generator(np.random.Philox(key=[self._seed, self._number]))

    def _steps(self, prefixes: Sequence[Prefix]) -> list[TargetStep]:
        distinct = list(dict.fromkeys(prefixes))
        found = dict(zip(distinct, self._target.steps(distinct), strict=True))
        return [found[prefix] for prefix in prefixes]

    def _arrive(self, walk: _Walk, step: TargetStep) -> None:
        """Move a walk to the node of a prefix that was just read."""
        if self._tree is None:
            walk.node = Node(step, len(step.tokens))
            return
        # Another walk of the same pass may have made the node already.
        known = self._tree.root if not walk.path else walk.path[-1][0].children.get(walk.path[-1][1])
        walk.node = known or Node(step, self._tree.kept)
        if known is None:
            self._tree.attach(walk.path, walk.node)

    def _go_on(self, walk: _Walk) -> Attempt | int | None:
        """Take edges until the walk ends or waits for a row: REST for the row of its current node, None for
        that of a new prefix."""
        while walk.node is not None:
            node = walk.node
            if not self._believes(walk, node.upper):
                return walk.ended(0.0)
            edge = node.choose(walk.draws.random())
            if edge == REST:
                walk.kept = len(node.tokens)
                return REST
            ended = self._take(walk, node, edge, node.bound(edge))
            if ended is not None:
                return ended
        return None

    def _unfold(self, walk: _Walk, step: TargetStep) -> Attempt | None:
        """Take an edge to a token that the node did not keep when the edge was drawn."""
        node, tree = walk.node, self._tree
        assert node is not None
        is_held = tree is not None and tree.holds(walk.path, node)
        if tree is not None and is_held and not tree.has_room(Node.UNFOLDED):
            # The tree learns nothing below a copy, as below a node that it had no room for.
            node = node.copy()
        before = node.nbytes
        slot = node.unfold(step, walk.draws.random(), walk.kept)
        if node.nbytes == before and walk.node is not None:
            node = walk.node
        elif tree is not None and is_held and node is walk.node:
            tree.nbytes += node.nbytes - before
        walk.node = node
        return self._take(walk, node, slot, believed=1.0)

    def _believes(self, walk: _Walk, found: float) -> bool:
        """Apply the ratio of the found to the assumed bound; return whether the walk continues."""
        ratio = min(found / walk.believed, 1.0)
        if ratio <= 0.0:
            return False
        if self._finish is Finish.COIN:
            return walk.draws.random() < ratio
        walk.weight *= ratio
        return True

    def _take(self, walk: _Walk, node: Node, edge: int, believed: float) -> Attempt | None:
        """Follow an edge that was drawn with an assumed bound; return the result if the walk ends."""
        walk.believed = believed
        walk.logprob += math.log(node.probability(edge))
        walk.path.append((node, edge))
        if edge == END:
            return self._end(walk)
        child = node.children.get(edge)
        after = self._target.extend(walk.prefix, int(node.tokens[edge]))
        if after is None:
            self._learn_invalid(walk)
            return walk.ended(0.0)
        walk.prefix, walk.node = after, child
        self.tree_rows += child is not None
        return None

    def _end(self, walk: _Walk) -> Attempt:
        if not self._target.passes(walk.prefix):
            self._learn_invalid(walk)
            return walk.ended(0.0)
        return walk.ended(walk.start * walk.weight * math.exp(self._target.log_weight(walk.prefix)))

    def _learn_invalid(self, walk: _Walk) -> None:
        if self._tree is not None:
            self._tree.learn(walk.path, 0.0, 0.0)

"""A walk: one attempt to write a text, token by token, from the empty prefix to its end.

Six methods are this walk with other settings. A *prefix* u is the beginning of a text; h(u) is the
probability that it ends up valid, and Z = h(empty prefix) (`target`). A *node* of the prefix tree keeps what
is known after a prefix (`tree`). An *edge* goes from a node to the next prefix, or ends the text. P is the
model's probability.

At a prefix u the walk draws an edge by P(a | u) upper(ua). `upper` is the tree's bound on h, or 1 without a
tree; it is the *assumed* bound. The bound found at the node after the edge may be smaller, because the mask
of ua forbids some of its mass, or because other walks have met dead ends. Let r be the found bound divided by
the assumed one. The methods differ in their use of r only:

    use of r        without a tree    with a tree
    ignored         masked            asap          biased: no weights, no rejections
    a coin flip     rejection         cars          exact: the walk continues with probability r
    a weight        importance        importance    unbiased: the weight is upper(root) times all r
    a weight                          raj           the same, with upper - lower in place of upper

The last one draws from the remainder: what is known to be valid is summed, and no walk goes there again.

The factors telescope. A walk that is accepted at x was proposed and survived with probability P(x) /
upper(root), whatever the tree has learnt meanwhile. So several walks may share a tree and a forward pass, and
each accepted text is an independent draw from the target.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np

from structgen.decoding.samplers.estimates import is_spent
from structgen.decoding.samplers.frontier import Afford, Frontier, Particle
from structgen.decoding.samplers.target import END, Target, TargetStep, Tokens, random_stream
from structgen.decoding.samplers.tree import REST, Node, PrefixTree


class Finish(Enum):
    """How a walk uses the ratio of bounds."""

    IGNORE = "ignore"
    COIN = "coin"
    WEIGHT = "weight"
    REMAINDER = "remainder"
    """The ratio is a weight, of the mass that is neither known to be valid nor proved invalid."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of a walk. A walk that was rejected, or met a dead end, has `weight` 0."""

    tokens: Tokens
    weight: float
    """An unbiased estimate of Z: E[weight f(x)] = sum of P(x) f(x) over the valid texts x."""
    logprob: float
    """log P(tokens, end) under the model; minus infinity if the walk did not reach an end."""
    bound: float
    """The proven bound on Z with which the walk began: coin flips accept it with probability Z / bound."""
    known: float
    """The mass of the known texts when the walk began, for a walk through the remainder: 0 <= weight <= bound
    - known."""
    is_kept: bool
    """Whether the tree stores the text, so that later walks know it."""
    batch: int
    """The number of the call of `Walker.make_attempts` that made it."""
    left: float
    """The number of texts that the run still planned when that call began."""


@dataclass(slots=True, eq=False)
class _Walk:
    """A walk that has not ended."""

    particle: Particle
    draws: np.random.Generator
    start: float
    """The bound with which the walk began, on Z or on the mass of the texts that are not known."""
    assumed_bound: float
    """The bound on h that was assumed at the walk's last edge."""
    weight: float = 1.0
    kept_count: int = 0
    """The number of tokens that the node kept when the edge to its rest was drawn."""
    logprob: float = -math.inf
    is_over: bool = False

    def end_walk(self, weight: float, logprob: float = -math.inf) -> None:
        """Note the result of the walk."""
        self.weight = weight
        self.logprob = logprob
        self.is_over = True


_WEIGHTED: Final = (Finish.WEIGHT, Finish.REMAINDER)


class Walker:
    """Writes texts by walks."""

    def __init__(
        self, target: Target, finish: Finish, tree: PrefixTree | None, *, seed: int, flips: bool = False
    ) -> None:
        """Make a walker. Without a `tree` each walk has nodes of its own, which keep all tokens. `flips` says
        whether walks through the remainder flip coins instead of having weights."""
        self._target = target
        self._finish = finish
        self._flips = flips or finish is Finish.COIN
        self._leaves_known = finish is Finish.REMAINDER
        self._tree = PrefixTree(most=-1, kept=1 << 62) if tree is None else tree
        self._frontier = Frontier(target, self._tree)
        self.seed = seed & ((1 << 64) - 1)
        self._number = 0
        self._batch = -1
        self.tree_rows = 0
        """The number of nodes that walks found in the tree; each saved a model row."""

    def make_attempts(
        self, width: int, afford: Afford = lambda rows: True, left: float = 0.0
    ) -> list[Attempt]:
        """Return `width` attempts, in order. Walks that wait for rows share forward passes. `left` is the
        number of texts that the run still plans; each attempt keeps it.

        `afford(rows)` is asked before each pass. If it returns False, all unfinished walks of this call are
        dropped: dropping long walks only would bias the others.
        """
        frontier = self._frontier
        lower, bound = self._tree.bracket
        known_mass = lower if self._leaves_known else 0.0
        start = bound - known_mass
        walks = [
            _Walk(frontier.start(Particle), self._next_draws(), start, assumed_bound=start)
            for _ in range(width)
        ]
        is_new = self._tree.root is None
        self._batch += 1
        self.tree_rows += sum(walk.particle.node is not None for walk in walks)
        active = walks
        while active:
            unread = [walk.particle for walk in active if walk.particle.node is None]
            steps = frontier.read_rows(unread, afford)
            if steps is None:
                return []
            for particle, step in zip(unread, steps, strict=True):
                frontier.give_node(particle, step)
                if particle.is_kept:
                    node = particle.known_node
                    frontier.learn_bounds(particle.parent, particle.edge, node.upper, node.lower)
            if is_new and self._finish in _WEIGHTED and self._tree.root is not None:
                # The first row comes before the first random number: its bound is known before the walks.
                bound = self._tree.root.upper
                is_new = False
            waiting = [walk for walk in active if self._needs_row(walk)]
            steps = frontier.read_rows([walk.particle for walk in waiting], afford)
            if steps is None:
                return []
            for walk, step in zip(waiting, steps, strict=True):
                self._unfold_rest(walk, step)
            active = [walk for walk in active if not walk.is_over]
        for walk in walks:
            # Only now: a text that becomes known within a batch would be neither in its known mass nor
            # open to its other walks.
            if walk.weight:
                frontier.learn_bounds(walk.particle, END, 1.0, 1.0)
        return [
            Attempt(
                walk.particle.prefix.tokens,
                walk.weight,
                walk.logprob,
                bound,
                known_mass,
                walk.particle.is_kept,
                self._batch,
                left,
            )
            for walk in walks
        ]

    @property
    def is_spent(self) -> bool:
        """Whether the tree proves that there is nothing left to draw."""
        bracket = self._tree.bracket
        return is_spent(bracket) if self._leaves_known else bracket[1] <= 0.0

    def _next_draws(self) -> np.random.Generator:
        """Return the random numbers of the next walk. They depend on the seed and the walk's number only."""
        self._number += 1
        return random_stream(self.seed, self._number)

    def _needs_row(self, walk: _Walk) -> bool:
        """Take edges until the walk ends or needs a model row. Return whether it needs the row of its current
        node: either the node is new, or a token of its rest is to be drawn."""
        while not walk.is_over and walk.particle.node is not None:
            node = walk.particle.node
            found_bound = node.remainder if self._leaves_known else node.upper
            # Rounding may lift the found bound above the assumed one, which a probability must not be.
            ratio = min(found_bound / walk.assumed_bound, 1.0) if walk.assumed_bound > 0.0 else 0.0
            goes_on = ratio > 0.0
            if not self._flips:
                # With coin flips the ratio is the probability to continue instead, and the weight stays 1.
                walk.weight *= ratio
            elif goes_on:
                goes_on = walk.draws.random() < ratio
            if not goes_on:
                walk.end_walk(0.0)
                return False
            edge = node.choose_edge(walk.draws.random(), self._leaves_known)
            if edge == REST:
                # Other walks may give the node more tokens before the row comes. The draw is from the
                # present rest.
                walk.kept_count = len(node.tokens)
                return True
            self._take_edge(walk, edge, node.bound_of(edge, self._leaves_known))
        return False

    def _unfold_rest(self, walk: _Walk, step: TargetStep) -> None:
        """Take an edge to a token that the node did not keep when the edge was drawn."""
        particle = walk.particle
        is_full = particle.is_kept and not self._tree.has_room(Node.UNFOLDED)
        # The tree learns nothing below a copy, as below a node that it had no room for.
        node = particle.known_node.copy() if is_full else particle.known_node
        bytes_before = node.nbytes
        slot = node.unfold_token(step, walk.draws.random(), walk.kept_count)
        if node.nbytes > bytes_before and is_full:
            particle.node = node
            particle.is_kept = False
        elif particle.is_kept:
            self._tree.nbytes += node.nbytes - bytes_before
        self._take_edge(walk, slot, assumed_bound=1.0)

    def _take_edge(self, walk: _Walk, edge: int, assumed_bound: float) -> None:
        """Follow an edge that was drawn with an assumed bound."""
        particle = walk.particle
        walk.assumed_bound = assumed_bound
        if edge != END:
            after = self._frontier.extend_particle(particle, edge)
            walk.particle = particle if after is None else after
            is_valid = after is not None
            self.tree_rows += is_valid and walk.particle.node is not None
        elif is_valid := self._target.accepts_text(particle.prefix):
            # A checker's weight may be 0: such a text is a dead end.
            checker_weight = math.exp(self._target.log_weight(particle.prefix))
            weight = walk.start * walk.weight * checker_weight
            logprob = particle.log_probability + math.log(particle.known_node.end) if weight else -math.inf
            walk.end_walk(weight, logprob)
        if not is_valid:
            # A refused edge has the mass 0 from now on, so that no walk takes it again.
            self._frontier.learn_bounds(particle, edge, 0.0, 0.0)
            walk.end_walk(0.0)

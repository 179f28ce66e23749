"""The frontier: the prefixes that are extended side by side through a prefix tree.

A *node* of the tree keeps what is known after a prefix; a *slot* is the index of a token that the node keeps.
An *edge* goes from a node to the next prefix, or ends the text. A *row* is the model's distribution after a
prefix.

A particle is a prefix with log P(prefix) and a multiplier, by which it counts for prefixes that were dropped.
Walks (`walk`) and beams (`beam`) choose which edges their particles take. What both do at an edge is here: to
read the rows after new prefixes in one pass, to take the edge, and to tell the tree what was learnt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias, TypeVar

from structgen.decoding.samplers.target import END, Prefix, Target, TargetStep
from structgen.decoding.samplers.tree import Node, PrefixTree


@dataclass(slots=True, eq=False)
class Particle:
    """A prefix of the frontier."""

    prefix: Prefix
    node: Node | None
    """The node after the prefix; None before its row was read."""
    log_probability: float = 0.0
    """log P(prefix)."""
    log_multiplier: float = 0.0
    """Minus the log of the probability with which the particle was kept."""
    parent: Self | None = None
    """The particle of the prefix without its last token."""
    edge: int = 0
    """The slot of the parent's node for the last token."""
    is_kept: bool = False
    """Whether the particle's node is in the tree; the tree may have been full."""

    @property
    def known_node(self) -> Node:
        """The particle's node, which must be known: its row was read."""
        assert self.node is not None
        return self.node

    @property
    def log_weight(self) -> float:
        """The log of multiplier times P(prefix)."""
        return self.log_multiplier + self.log_probability


P = TypeVar("P", bound=Particle)
Afford: TypeAlias = Callable[[int], bool]
"""A function that returns whether the given number of further rows may be read."""


@dataclass(frozen=True, slots=True)
class Frontier:
    """Moves particles through a tree, and lets the tree learn from them."""

    target: Target
    tree: PrefixTree

    def start(self, kind: type[P]) -> P:
        """Return a particle at the empty prefix."""
        root = self.tree.root
        return kind(self.target.start(), root, is_kept=root is not None)

    def read_rows(self, particles: Sequence[Particle], afford: Afford) -> list[TargetStep] | None:
        """Return the tokens that may follow each particle, read in one pass; None if `afford(rows)` returns
        False. Without particles nothing is asked."""
        prefixes = [particle.prefix for particle in particles]
        if prefixes and not afford(len(set(prefixes))):
            return None
        return self.target.read_steps(prefixes)

    def give_node(self, particle: Particle, step: TargetStep, min_kept: int = 0) -> None:
        """Set a particle's node: a node that the tree has got meanwhile, or a new one. A new node keeps at
        least `min_kept` tokens, and the tree stores it if there is room. The bounds above are not updated."""
        parent = particle.parent
        # Another particle may have added the node since the row was asked for.
        if parent is None:
            particle.node = self.tree.root
        else:
            particle.node = parent.known_node.children.get(particle.edge)
        particle.is_kept = particle.node is not None
        if particle.node is None:
            particle.node = Node(step, max(self.tree.kept, min_kept))
            if parent is None or parent.is_kept:
                # Below a node outside the tree nothing is attached.
                parent_node = None if parent is None else parent.node
                particle.is_kept = self.tree.attach(parent_node, particle.edge, particle.node)

    def extend_particle(self, particle: P, slot: int) -> P | None:
        """Return the particle after a slot of a particle's node; None if a checker refuses it. The node then
        stores the refusal."""
        node = particle.known_node
        after = self.target.extend_prefix(particle.prefix, int(node.tokens[slot]))
        if after is None:
            # The caller updates the node's own bounds, once for all slots that it tries.
            node.uppers[slot] = node.lowers[slot] = 0.0
            return None
        child = node.children.get(slot)
        log_probability = particle.log_probability + math.log(node.probabilities[slot])
        return type(particle)(
            after, child, log_probability, particle.log_multiplier, particle, slot, is_kept=child is not None
        )

    def learn_bounds(self, particle: Particle | None, edge: int, upper: float, lower: float) -> None:
        """Store bounds on h after an edge of a particle's node, and update those of the nodes above it.

        For example `learn_bounds(particle, END, 0.0, 0.0)` stores that a text was refused. `particle` is None
        for the root's parent, where nothing is stored. `edge` is a slot or END. `upper` and `lower` are the
        new bounds, which only tighten the old ones. Cost: O(depth) times the tokens of a node.

        Nothing is stored below a node that is not in the tree: for the next walk that node is new, with the
        bound 1.
        """
        while particle is not None:
            node = particle.known_node
            if edge == END:
                node.end_upper = min(node.end_upper, upper)
                node.end_lower = max(node.end_lower, lower)
            else:
                node.uppers[edge] = min(node.uppers[edge], upper)
                node.lowers[edge] = max(node.lowers[edge], lower)
            node.recompute_bounds()
            if not particle.is_kept:
                return
            edge = particle.edge
            upper = node.upper
            lower = node.lower
            particle = particle.parent

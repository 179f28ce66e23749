"""The prefix tree: it keeps the model's probabilities after each prefix, and proven bounds on valid texts.

A *prefix* u is the beginning of a text, as tokens. Z = P(valid) is the probability that the model writes a
valid text; h(u) = P(valid | prefix u) is the same after the prefix (`target`). A *row* is the model's
distribution after one prefix. An *edge* is a step from a prefix: a token, the end of the text, or the rest.
The bounds on h only tighten.

A node stands for a prefix u that was read. It keeps the likeliest allowed tokens with their probabilities,
the mass of the others as one number (`rest`), and for each kept token a an upper and a lower bound on h(ua).
Its own bounds are sums over what may come next:

    upper(u) = P(end | u) end_upper + sum over kept a of P(a | u) upper(ua) + rest
    lower(u) = P(end | u) end_lower + sum over kept a of P(a | u) lower(ua)

A prefix that was not read has the bounds 1 and 0. A text that is known to be valid has 1 for both, a text
that a checker refused 0 for both. So lower(root) <= Z <= upper(root) is a certificate, not an estimate. When
the two are equal, the language is exhausted.

Sources: the upper bound is the expected future grammaticality of ASAp (Park et al., Grammar-Aligned
Decoding, 2024); the coin flips that make its draws exact are those of adaptive rejection sampling (see
`cars`).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Final

import numpy as np

from structgen.base.errors import OptionError, fields_named
from structgen.decoding.samplers.target import END, Bounds, Floats, Ids, TargetStep, Tokens, drawn_edge

KEPT: Final = 64
"""The number of tokens that a new node keeps: nearly all of the mass, without O(V) memory for a node."""
CHILD: Final = 100
"""The bytes that an entry of `children` takes, about."""
REST: Final = -2
"""The edge to any token that the node does not keep. The model's row is needed to choose the token."""


class Node:
    """A prefix whose row was read. `children` has the nodes after kept tokens, by *slot*: the index of the
    token in `tokens`."""

    __slots__ = (
        "children",
        "end",
        "end_lower",
        "end_upper",
        "estimate",
        "lower",
        "lowers",
        "probabilities",
        "rest",
        "rest_count",
        "tokens",
        "upper",
        "uppers",
    )

    UNFOLDED: ClassVar[int] = 32
    """The bytes that one more kept token takes."""

    tokens: Ids
    probabilities: Floats
    uppers: Floats
    lowers: Floats

    def __init__(self, step: TargetStep, kept_count: int) -> None:
        """Keep the `kept_count` likeliest tokens of a step."""
        order: Ids = np.argsort(-step.probabilities, kind="stable")  # the likeliest first
        likeliest, others = order[:kept_count], order[kept_count:]
        self.tokens = step.tokens[likeliest]
        self.probabilities = step.probabilities[likeliest]
        self.rest = float(step.probabilities[others].sum())
        self.rest_count = len(others)
        self.uppers = np.ones(len(likeliest))
        self.lowers = np.zeros(len(likeliest))
        self.children: dict[int, Node] = {}
        self.end = step.end
        self.end_upper = float(step.end > 0)
        self.end_lower = 0.0
        self.upper = 1.0
        self.lower = 0.0
        self.estimate = 1.0
        """An estimate of h between the bounds (see `LookAhead`)."""
        self.recompute_bounds()

    def recompute_bounds(self) -> None:
        """Recompute the node's bounds after those of a child have changed."""
        kept_upper = float(self.probabilities @ self.uppers)
        kept_lower = float(self.probabilities @ self.lowers)
        upper = kept_upper + self.end * self.end_upper + self.rest
        lower = kept_lower + self.end * self.end_lower
        if upper == 0.0:
            has_end = self.end > 0 and self.end_upper > 0
            has_mass = (self.probabilities > 0) & (self.uppers > 0)
            if has_end or self.rest > 0 or has_mass.any():
                upper = math.ulp(0.0)  # the product is positive, but rounds to 0
        # Rounding must not loosen a proven bound.
        self.upper = min(self.upper, upper)
        self.lower = max(self.lower, lower)
        self.estimate = min(max(self.estimate, self.lower), self.upper)

    def choose_edge(self, uniform: float, leaves_known: bool = False) -> int:
        """Return an edge drawn by P(a | u) upper(ua): a slot, END or REST. `uniform` is a random number from
        [0, 1). With `leaves_known`, it is drawn by upper - lower instead, so that no known text is drawn."""
        if leaves_known:
            masses = self._edge_remainders()
        else:
            end_mass = self.end * self.end_upper
            masses = np.append(self.probabilities * self.uppers, [end_mass, self.rest])
        edge = drawn_edge(masses, uniform)
        # After the slots come the end, and then the rest.
        if edge < len(self.tokens):
            return edge
        return END if edge == len(self.tokens) else REST

    def _edge_remainders(self) -> Floats:
        """Return the unknown mass of each edge, float64 [k + 2]: the slots, the end, the rest."""
        ends = [self.end * (self.end_upper - self.end_lower), self.rest]
        # Rounding may put a lower bound above the upper one.
        room = np.maximum(self.uppers - self.lowers, 0.0)
        return np.append(self.probabilities * room, ends)

    @property
    def remainder(self) -> float:
        """The mass that is neither known to be valid nor proved invalid. It is upper - lower, computed
        without cancellation."""
        return float(self._edge_remainders().sum())

    def bound_of(self, edge: int, leaves_known: bool = False) -> float:
        """Return the bound on h by which `choose_edge` drew an edge that is not REST."""
        if edge == END:
            return self.end_upper - self.end_lower * leaves_known
        return float(self.uppers[edge] - self.lowers[edge] * leaves_known)

    def unfold_token(self, step: TargetStep, uniform: float, kept_count: int) -> int:
        """Return the slot of a token drawn from the rest. A token without a slot gets one. The rest is the
        one of the time when only `kept_count` tokens had slots.

        `step` is the model's row, read again. A new token takes its share of the `rest` that was seen first:
        a model whose rows differ by rounding cannot change the tree.
        """
        tokens, shares, at = self.draw_beyond(step, uniform, kept_count)
        (matching_slots,) = np.nonzero(self.tokens == tokens[at])
        if len(matching_slots):
            return int(matching_slots[0])  # another walk has given the token a slot meanwhile
        are_unkept = ~np.isin(tokens, self.tokens)
        unkept_mass = float(shares[are_unkept].sum())
        # If the row gives no mass to any of these tokens, each has an equal share.
        share = float(shares[at]) / unkept_mass if unkept_mass > 0 else 1 / int(are_unkept.sum())
        return self.keep_token(int(tokens[at]), self.rest * share)

    def draw_beyond(self, step: TargetStep, uniform: float, kept_count: int) -> tuple[Ids, Floats, int]:
        """Return three values: the tokens of the rest, their masses, and the index of a token drawn from
        them. The rest has all tokens except the first `kept_count` of this node. The masses are equal if the
        row gives them none."""
        outside = ~np.isin(step.tokens, self.tokens[:kept_count])
        tokens = step.tokens[outside]
        shares = step.probabilities[outside]
        if not shares.sum() > 0:
            shares = np.ones(len(tokens))
        return tokens, shares, drawn_edge(shares, uniform)

    def keep_token(self, token: int, probability: float) -> int:
        """Move a token out of the rest into a slot of its own; return the slot."""
        self.tokens = np.append(self.tokens, token)
        self.probabilities = np.append(self.probabilities, probability)
        self.uppers = np.append(self.uppers, 1.0)
        self.lowers = np.append(self.lowers, 0.0)
        self.rest_count -= 1
        # If the rest has no tokens, its mass is 0, whatever rounding has left: no edge leads to nothing.
        self.rest = max(self.rest - probability, 0.0) if self.rest_count else 0.0
        return len(self.tokens) - 1

    @property
    def nbytes(self) -> int:
        """The bytes that the node takes, about: Python's objects and the arrays."""
        return 700 + self.UNFOLDED * len(self.tokens) + CHILD * len(self.children)

    def copy(self) -> Node:
        """Return another node with the same numbers and the same children."""
        twin = Node.__new__(Node)
        for name in Node.__slots__:
            setattr(twin, name, getattr(self, name))
        # These arrays change in place. Other arrays are replaced as a whole when they change.
        twin.uppers = self.uppers.copy()
        twin.lowers = self.lowers.copy()
        twin.children = dict(self.children)
        return twin


@fields_named("sg.samplers.PrefixTree()")
class PrefixTree:
    """The prefix tree of one target. It keeps what runs of `sg.sample` have learnt, for later runs.

    The tree holds at most `most` bytes, and stores nothing beyond that. It always has the root, unless `most`
    is below 0. The first run binds the tree to its model, prompt, grammar, temperature, length and checkers;
    a run of another target is refused. Only one run at a time may use it. It lives as long as its process.
    """

    def __init__(self, most: int = 1 << 28, kept: int = KEPT) -> None:
        """Make an empty tree. `kept` is the number of tokens that a new node keeps."""
        self.root: Node | None = None
        self.kept = kept
        self.nbytes = 0
        self.most = most
        self.fingerprint = ""
        """The digest of the tree's target; "" before the first run."""
        self.runs = 0
        """The number of runs that have used the tree."""
        self._in_use = threading.Lock()

    @contextmanager
    def used(self, fingerprint: str) -> Iterator[None]:
        """Lend the tree to one run of a target. Raises OptionError for another target, and if another run is
        using it."""
        # This does not wait for the lock: a run in the same thread would wait for itself.
        if not self._in_use.acquire(blocking=False):
            raise OptionError(
                "Another run is using this tree.",
                where="tree",
                cure="Wait for it, or pass each run its own tree.",
            )
        try:
            if self.fingerprint not in ("", fingerprint):
                raise OptionError(
                    "The tree belongs to another model, prompt, grammar, temperature, max_tokens "
                    "or checkers.",
                    where="tree",
                    cure="Pass each of them a tree of its own: sg.samplers.PrefixTree().",
                )
            self.fingerprint = fingerprint
            yield
        finally:
            self.runs += 1  # a run that failed counts too: the tree has learnt from it
            self._in_use.release()

    @property
    def bracket(self) -> Bounds:
        """The certified bounds (lower, upper) on Z."""
        if self.root is None:
            return 0.0, 1.0
        return self.root.lower, self.root.upper

    @property
    def is_exhausted(self) -> bool:
        """Whether every valid text is known, so that no draw would be new."""
        lower, upper = self.bracket
        return lower == upper

    def known(self) -> Iterator[tuple[Tokens, float]]:
        """Yield the texts that are known to be valid, as tokens, each with log P(tokens, end)."""
        waiting: list[tuple[Node, Tokens, float]]
        waiting = [] if self.root is None else [(self.root, (), 0.0)]
        while waiting:
            node, tokens, logprob = waiting.pop()
            if node.end_lower:
                yield tokens, logprob + math.log(node.end)
            for slot, child in node.children.items():
                if node.probabilities[slot] > 0:
                    after = logprob + math.log(node.probabilities[slot])
                    # An explicit stack, because the tree may be deeper than Python's recursion limit.
                    waiting.append((child, (*tokens, int(node.tokens[slot])), after))

    def has_room(self, more: int) -> bool:
        """Return whether the tree may grow by `more` bytes."""
        return self.nbytes + more <= self.most

    def attach(self, parent: Node | None, slot: int, node: Node) -> bool:
        """Attach a node after a slot of its parent, or as the root if `parent` is None. Return whether there
        was room. The bounds of the nodes above are not updated."""
        # The root always fits, unless the tree is to store nothing at all.
        is_full = parent is not None and not self.has_room(node.nbytes + CHILD)
        if self.most < 0 or is_full:
            return False
        if parent is None:
            self.root = node
            self.nbytes = node.nbytes
        else:
            parent.children[slot] = node
            self.nbytes += node.nbytes + CHILD
        return True

"""The prefix tree: the model's probabilities as first seen, and bounds on h that never rise.

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

from structgen.errors import OptionError, fields_named
from structgen.samplers.prefix_node import CHILD, KEPT, Node


@fields_named("sg.samplers.PrefixTree()")
class PrefixTree:
    """The prefix tree of one target: what runs of `sg.sample` have learnt, for later runs.

    It holds at most `most` bytes, but at least the root; more is not stored. The first run binds it to its
    model, prompt, grammar, temperature, length and checkers; a run of another target is refused. Only one run
    at a time may use it. It lives as long as its process.
    """

    def __init__(self, most: int = 1 << 28, kept: int = KEPT) -> None:
        """`kept`: how many tokens a new node keeps."""
        self.root: Node | None = None
        self.kept, self.nbytes, self.most = kept, 0, most
        self.fingerprint = ""
        """The digest of its target; "" before its first run."""
        self._in_use = threading.Lock()

    @contextmanager
    def used(self, fingerprint: str) -> Iterator[None]:
        """Lend the tree to one run of a target. Raises OptionError for another target, and if another run is
        using it."""
        if not self._in_use.acquire(blocking=False):
            raise OptionError(
                "Another run is using this tree.", where="tree", cure="Wait for it, or give each run its own."
            )
        try:
            if self.fingerprint not in ("", fingerprint):
                raise OptionError(
                    "The tree is of another model, prompt, grammar, temperature, max_tokens or checkers.",
                    where="tree",
                    cure="Give each of them a tree of its own: sg.samplers.PrefixTree().",
                )
            self.fingerprint = fingerprint
            yield
        finally:
            self._in_use.release()

    @property
    def bracket(self) -> tuple[float, float]:
        """The certified bounds (lower, upper) on Z."""
        return (0.0, 1.0) if self.root is None else (self.root.lower, self.root.upper)

    @property
    def is_exhausted(self) -> bool:
        """Whether every valid text is known, so that no draw would be new."""
        lower, upper = self.bracket
        return lower == upper

    def known(self) -> Iterator[tuple[tuple[int, ...], float]]:
        """Yield the texts that are known to be valid, as tokens, each with log P(tokens, end)."""
        waiting: list[tuple[Node, tuple[int, ...], float]] = []
        if self.root is not None:
            waiting.append((self.root, (), 0.0))
        while waiting:
            node, tokens, logprob = waiting.pop()
            if node.end_lower:
                yield tokens, logprob + math.log(node.end)
            for slot, child in node.children.items():
                if node.probabilities[slot] > 0:
                    after = logprob + math.log(node.probabilities[slot])
                    waiting.append((child, (*tokens, int(node.tokens[slot])), after))

    def has_room(self, more: int) -> bool:
        """Return whether the tree may grow by so many bytes."""
        return self.nbytes + more <= self.most

    def attach(self, parent: Node | None, slot: int, node: Node) -> bool:
        """Attach a node after a slot of a parent in the tree, or as the root; return whether there was room.
        Does not update the bounds above it."""
        if parent is None:
            self.root, self.nbytes = node, node.nbytes
            return True
        if not self.has_room(node.nbytes + CHILD):
            return False
        parent.children[slot] = node
        self.nbytes += node.nbytes + CHILD
        return True

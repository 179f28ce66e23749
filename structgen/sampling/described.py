"""What `Samples` says beside the draws: the mass that was allowed at each token, and of what run they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from structgen.sampling.prefix_node import Node
from structgen.sampling.run_limits import SamplingRun
from structgen.sampling.target import Masses


def described(run: SamplingRun, drawn: Sequence[tuple[int, ...]]) -> dict[str, Any]:
    """Return the fields of `Samples` that no method works out; `drawn` has the tokens of each draw."""
    target = run.target
    return {
        "masses": [_masses(target.masses, tokens, run.tree.root) for tokens in drawn],
        "is_json": target.compiled.has_events,
        "about": {
            "model": target.rows.name,
            "temperature": float(target.temperature),
            "max_tokens": target.max_tokens,
            "checkers": len(target.checkers),
            "n": run.n,
            "seed": run.seed,
        },
        "pieces": {
            token: target.text((token,)).decode("utf-8", "replace") for token in set[int]().union(*drawn)
        },
    }


def _masses(known: Masses, tokens: tuple[int, ...], root: Node | None) -> tuple[float, ...] | None:
    """Return z at each prefix of a text, the empty one first and the whole text last; None where one of
    them is not known. `root` is the tree's: it answers for texts that earlier runs have found.

    Cost: O(L^2) for a text of L tokens, some 0.1 ms for 256.
    """
    node, found = root, []
    for depth in range(len(tokens) + 1):
        mass = known.of(tokens[:depth])
        if mass is None:
            if node is None:
                return None
            mass = float(node.probabilities.sum()) + node.end + node.rest
        found.append(mass)
        if node is not None and depth < len(tokens):
            slots = np.flatnonzero(node.tokens == tokens[depth])
            node = node.children.get(int(slots[0])) if len(slots) else None
    return tuple(found)

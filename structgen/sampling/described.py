"""The fields of `Samples` besides the draws: the allowed mass at each token, and the parameters of the
run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from structgen.sampling.prefix_node import Node
from structgen.sampling.run_limits import SamplingRun


def described(run: SamplingRun, drawn: Sequence[tuple[int, ...]]) -> dict[str, Any]:
    """Return the fields of `Samples` that do not depend on the method; `drawn`: the tokens of each draw."""
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


def _masses(
    known: Mapping[int, float], tokens: tuple[int, ...], root: Node | None
) -> tuple[float, ...] | None:
    """Return z at each prefix of a text, from the empty one to the whole text; None if one of them is
    unknown. `root` is the tree's root: it knows texts that earlier runs found.

    Cost: O(L^2) for a text of L tokens, about 0.1 ms for 256.
    """
    node, found = root, []
    for depth in range(len(tokens) + 1):
        mass = known.get(hash(tokens[:depth]))
        if mass is None:
            if node is None:
                return None
            mass = float(node.probabilities.sum()) + node.end + node.rest
        found.append(mass)
        if node is not None and depth < len(tokens):
            slots = np.flatnonzero(node.tokens == tokens[depth])
            node = node.children.get(int(slots[0])) if len(slots) else None
    return tuple(found)

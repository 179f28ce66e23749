"""How a particle takes its next token: under the mask, or by a law of the caller's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from structgen.errors import StructgenError
from structgen.samplers.checkers import GeneratedText
from structgen.samplers.target import Floats, Ids, Prefix, Target, TargetStep


class TakenEdge(NamedTuple):
    """The edge that a particle takes from a prefix, and the factor of its weight."""

    edge: int
    """The index of the token in `TargetStep.tokens`; one past the last: the end of the text."""
    after: Prefix
    """The prefix after the token; the same prefix at the end of the text."""
    mass: float
    """An unbiased estimate of the probability of all valid edges."""


Propose: TypeAlias = Callable[[Target, Prefix, TargetStep, np.random.Generator], "TakenEdge | None"]
"""Draws an edge from a prefix for one particle; None at a dead end."""


def masked(target: Target, prefix: Prefix, step: TargetStep, draws: np.random.Generator) -> TakenEdge | None:
    """Draw an edge under the mask, then ask the checkers about it."""
    mass = step.mass
    if not mass > 0:
        return None
    sums = np.cumsum(np.append(step.probabilities, step.end))
    edge = int(np.searchsorted(sums, draws.random() * sums[-1], side="right"))
    edge = min(edge, len(sums) - 1)
    after = checked(target, prefix, step, edge)
    return None if after is None else TakenEdge(edge, after, mass)


def checked(target: Target, prefix: Prefix, step: TargetStep, edge: int) -> Prefix | None:
    """Return the prefix after an edge, or None if a checker refuses it."""
    if edge == len(step.tokens):
        return prefix if target.passes(prefix) else None
    return target.extend(prefix, int(step.tokens[edge]))


Proposal: TypeAlias = Callable[[GeneratedText, Ids, Floats], Any]
"""A law of the caller's: from the text so far, the allowed tokens (int64 [k], read-only) and the model's
probabilities of them and, last, of the end (float64 [k + 1], a copy) to relative weights (float64 [k + 1]).
It is a function, or an object with `__call__`, which may learn from what it is asked: a weight belongs to the
answer that was given, so the law of weighted draws stays."""


def proposed_by(proposal: Proposal) -> Propose:
    """Return what draws edges by a law of the caller's. The weight is the model's probability over that of
    the proposal, so the law of weighted draws is the same for each proposal that is positive where the model
    is."""

    def propose(
        target: Target, prefix: Prefix, step: TargetStep, draws: np.random.Generator
    ) -> TakenEdge | None:
        masses = np.append(step.probabilities, step.end)
        if not masses.sum() > 0:
            return None
        shares = _checked(_asked(proposal, prefix, step.tokens, masses), masses)
        sums = np.cumsum(shares)
        edge = int(np.searchsorted(sums, draws.random() * sums[-1], side="right"))
        edge = min(edge, int(np.flatnonzero(shares)[-1]))
        after = checked(target, prefix, step, edge)
        return None if after is None else TakenEdge(edge, after, float(masses[edge] / shares[edge]))

    return propose


def _asked(proposal: Proposal, prefix: Prefix, tokens: Ids, masses: Floats) -> Any:
    """Return the proposal's answer after a prefix. Raises StructgenError, which names it, if it raises."""
    shown = tokens.view()
    shown.flags.writeable = False  # particles at one prefix share them
    try:
        return proposal(prefix.written, shown, masses.copy())
    except StructgenError:
        raise
    except Exception as error:
        name = getattr(proposal, "__name__", None) or type(proposal).__name__
        raise StructgenError(
            f"The proposal {name} raised {type(error).__name__}: {error}: asked behind "
            f"{prefix.text[-60:]!r}.",
            where="proposal",
            cure="Return the given probabilities where it has nothing better to say.",
        ) from error


def _checked(found: Any, masses: Floats) -> Floats:
    """Return a proposal as probabilities, 0 where the model's are. Raises StructgenError for none, and for
    one that is 0 where the model is not: texts would be lost, and no weight could tell."""
    try:
        weights = np.asarray(found, np.float64)
    except (TypeError, ValueError):
        weights = np.empty(0)
    if weights.shape != masses.shape or not np.isfinite(weights).all() or (weights < 0).any():
        raise StructgenError(
            f"The proposal returned {str(found)[:60]}.",
            where="proposal",
            cure=f"Return {len(masses):,} numbers, none of them negative: one for each allowed token and, "
            "last, one for the end.",
        )
    weights = np.where(masses > 0, weights, 0.0)
    if (weights[masses > 0] == 0).any():
        raise StructgenError(
            "The proposal gives no probability to a token that the model and the grammar allow.",
            where="proposal",
            cure="Add a part of the given probabilities: 0.9 * yours + 0.1 * probabilities.",
        )
    shares: Floats = weights / weights.sum()
    return shares

"""What to take when nothing is known of the task: weighted walks over the tree, beside an exactly known
stratum.

It joins two ideas. A walk is that of `importance`: the tree's bound proposes, the weight corrects. A text
that was written once is moved to a *stratum* whose mass is known exactly (the tree has its probability), and
is not drawn again: the next walks explore what is left. Attempt t gives, for any function f, the unbiased
estimate

    sum over texts x known before t of P(x) f(x)  +  weight_t f(x_t)

of the sum of P(x) f(x) over all valid x. Later attempts know more and guess less, so attempt t has a share
in proportion to t. A language that is exhausted is given by its probabilities, with no error; before that the
bracket [lower, upper] of the tree is a certificate for Z.

Sources: the tree and its bound as in ASAp and CARS; the running sum over what is known is the estimator of
sampling without replacement by Kool, van Hoof, Welling (2020) and, for adaptive proposals, of Raj (1956).
"""

from __future__ import annotations

import numpy as np

from structgen.sampling.run import Drawn, Run, attempts_of
from structgen.sampling.target import Floats
from structgen.sampling.walk import Finish, Walker


def draw(run: Run) -> Drawn:
    """Return the distinct valid texts that were met, with weights; texts that the tree knew before are among
    them."""
    before = dict(run.tree.known())
    walker = Walker(run.target, Finish.WEIGHT, run.tree, seed=run.seed, fresh=True)
    attempts = attempts_of(run, walker)
    known = dict(run.tree.known())
    masses = {**known, **{one.tokens: one.probability for one in attempts if one.weight > 0}}
    place = {tokens: i for i, tokens in enumerate(masses)}
    probabilities = np.array([*masses.values()])
    if run.tree.is_exhausted:
        return _exact(list(masses), probabilities, len(attempts))
    if not attempts:
        none = np.empty(0)
        logs = np.log(probabilities)
        return Drawn(list(masses), logs, logs, 0, none, none, lambda found: none)

    count = len(attempts)
    shares: Floats = np.arange(1, count + 1) / (count * (count + 1) / 2)
    # A text is known to all attempts of later rounds than the one that drew it, if the tree had room for it.
    since = np.array([0 if tokens in before else count for tokens in masses], np.int64)
    rounds = np.array([one.round for one in attempts], np.int64)
    for one in attempts:
        if one.weight > 0 and one.tokens in known:
            at = place[one.tokens]
            since[at] = min(since[at], int(np.searchsorted(rounds, one.round, side="right")))

    drawn = [(i, place[one.tokens], one.weight) for i, one in enumerate(attempts) if one.weight > 0]
    later = np.append(np.cumsum(shares[::-1])[::-1], 0.0)
    weights = probabilities * later[since]
    for i, at, weight in drawn:
        weights[at] += shares[i] * weight
    total = float(weights.sum())

    def contributions(found: Floats) -> Floats:
        """Return, for each attempt, its share times its estimate of the weighted sum."""
        order = np.argsort(since, kind="stable")
        sums = np.append(0.0, np.cumsum((probabilities * found)[order]))
        parts: Floats = sums[np.searchsorted(since[order], np.arange(count), side="right")]
        for i, at, weight in drawn:
            parts[i] += weight * found[at]
        return shares * parts / total

    return Drawn(
        list(masses),
        np.log(probabilities),
        np.log(weights),
        count,
        np.array([one.known + one.weight for one in attempts]),
        shares,
        contributions,
    )


def _exact(tokens: list[tuple[int, ...]], probabilities: Floats, attempts: int) -> Drawn:
    """Return a language whose every valid text is known: its probabilities, without an error."""
    total = float(probabilities.sum())
    return Drawn(
        tokens,
        np.log(probabilities),
        np.log(probabilities),
        attempts,
        np.full(2, total),
        np.full(2, 0.5),
        lambda found: np.zeros(2),
    )

"""The five methods that draw by walks: masked, asap, rejection, cars and importance, with their papers.

- A *walk* writes one text token by token, from the empty prefix (`structgen.decoding.samplers.walk`).
- h(u) is the chance that a text of the model which begins with the prefix u ends as a valid text. Z is h of
  the empty prefix.
- The *prefix tree* stores what earlier walks have read. upper(u) is the bound on h(u) that it proves.
- The *ratio of bounds* at a prefix is upper(u) after the row of u was read, divided by upper(u) before. For
  example, at a new prefix with the allowed mass 0.8 it is 0.8 / 1. A method ignores this ratio, flips a coin
  with it, or makes it a weight (`Finish`).

**masked**: tokens are drawn from the model's distribution renormalised over the allowed ones. This is what
engines for structured output do (grammar-constrained decoding, for example Geng et al. 2023). It uses h = 1
for every viable prefix. So it samples a text x with probability P(x) / product of z(u) over its prefixes u,
where z is the allowed mass: texts through prefixes of little allowed mass are too frequent. It is the
baseline.

**asap**: adaptive sampling with approximate expected futures (Park, Wang, Berg-Kirkpatrick, Polikarpova,
D'Antoni: Grammar-Aligned Decoding, NeurIPS 2024). Tokens are drawn by P(a | u) upper(ua), with the bound of
the prefix tree in place of h; each text improves the tree. The law converges to the target as the tree grows,
but not monotonically: its divergence may rise first. After any finite number of steps the draws are biased.

**rejection**: texts are drawn from the model alone, and dropped at the first token that is not allowed.
Accepted texts are independent draws from the target. A text costs 1 / Z attempts on average; most attempts
are short, because a forbidden token ends them. The implementation reverses the order: it first flips a coin
with the allowed mass z, and only then draws an allowed token. The law is the same.

**cars**: constrained adaptive rejection sampling (Parys, Vaidya, Berg-Kirkpatrick, D'Antoni 2025). A walk
through the prefix tree, as in ASAp, with coin flips: at each prefix it continues with the probability (found
bound) / (assumed bound). Accepted texts are independent draws from the target. Texts that are known to be
forbidden are never proposed again, so the acceptance rate, Z / upper(root), only rises.

**importance**: walks through the prefix tree, weighted by the product of the ratios of bounds. The proposal
is ASAp's law. With the weight upper(root) times all ratios, each draw is an unbiased estimate of the sum of
P(x) f(x) over valid x, whatever the tree has learnt. (Weighted grammar-constrained decoding is in Lipkin et
al. 2025; the telescoping weight is that of adaptive importance sampling.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from structgen.decoding.samplers.run_limits import Drawn, SamplingRun, attempts_of, draws_of_attempts
from structgen.decoding.samplers.walk import Finish, Walker

WALKS: Final[Mapping[str, tuple[Finish, bool]]] = {
    "masked": (Finish.IGNORE, False),
    "asap": (Finish.IGNORE, True),
    "rejection": (Finish.COIN, False),
    "cars": (Finish.COIN, True),
    "importance": (Finish.WEIGHT, True),
}
"""For each method a pair: how its walks use the ratio of bounds, and whether they learn from a prefix
tree."""


def draw(run: SamplingRun, method: str) -> Drawn:
    """Return the draws of a method, one of the keys of `WALKS`. They are weighted if its walks make the ratio
    of bounds a weight, exact if they flip coins, and biased if they ignore the ratio."""
    finish, learns = WALKS[method]
    if learns and finish is Finish.IGNORE:
        run.width = 1  # one walk at a time: each learns from those before it
    walker = Walker(run.target, finish, run.tree if learns else None, seed=run.seed)
    has_weights = finish is Finish.WEIGHT
    is_biased = finish is Finish.IGNORE
    make_draws = partial(
        draws_of_attempts, wanted_count=run.n, has_weights=has_weights, estimates_z=not is_biased
    )
    draws = make_draws(attempts_of(run, walker, as_drawn=make_draws))
    draws.is_exact = finish is Finish.COIN
    draws.is_biased = is_biased
    draws.method = method
    if is_biased and learns:
        draws.attempt_record = None  # the draws depend on each other
    elif draws.attempt_record is not None and len(draws.tokens) == run.n and not run.has_limits:
        # The number of draws was planned, so shares of exact draws are binomial.
        draws.attempt_record = replace(draws.attempt_record, is_planned=True)
    return draws

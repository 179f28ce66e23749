"""Top-k, top-p and min-p as a part of the model's law.

Each step's law, over the whole vocabulary and before the grammar's mask, keeps its likeliest tokens and is
normalised again. So the truncated model is a model like any other: it has a probability for each text, and
the target is that law, conditioned on the text being valid. (An engine truncates behind the mask, and so
draws from another law for each grammar.)

Sources: top-k Fan et al. 2018; top-p Holtzman et al. 2020; min-p Nguyen et al. 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt

from structgen.language.checks import Number, Whole, check_fields

Floats = npt.NDArray[np.float64]
_ROUNDING = 1e-12
"""A sum of probabilities reaches `top_p` if it is this near: sums in another order differ by so much."""


@dataclass(frozen=True, slots=True)
class Truncation:
    """Which tokens of a law stay. The options act one after another, in the order of the fields."""

    top_k: Annotated[int, Whole(0)] = 0
    """So many of the likeliest tokens; 0: all. Of equally likely tokens those with the smaller ids."""
    top_p: Annotated[float, Number(5e-324, 1.0, "a number above 0, at most 1")] = 1.0
    """The fewest likeliest tokens whose probabilities reach this."""
    min_p: Annotated[float, Number(0.0, 1.0, "a number from 0 to 1")] = 0.0
    """Those with at least this share of the greatest probability."""

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def is_none(self) -> bool:
        """Whether all tokens stay."""
        return not self.top_k and self.top_p == 1.0 and not self.min_p

    def applied(self, law: Floats) -> Floats:
        """Return the truncated law, float64 [V], its sum 1. Cost: O(V log V)."""
        if self.is_none:
            return law
        order = np.argsort(-law, kind="stable")
        kept = len(law)
        if self.top_k:
            kept = min(kept, self.top_k)
        if self.top_p < 1.0:
            sums = np.cumsum(law[order[:kept]])
            kept = int(np.searchsorted(sums / sums[-1], self.top_p - _ROUNDING)) + 1
        if self.min_p:
            kept = min(kept, int((law >= self.min_p * law[order[0]]).sum()))
        found = np.zeros_like(law)
        found[order[:kept]] = law[order[:kept]]
        found /= found.sum()
        return found


NO_TRUNCATION = Truncation()

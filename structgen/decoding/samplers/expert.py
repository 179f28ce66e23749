"""Adds a second model to a target, as a checker that weighs texts.

The sampled model gives a text x the probability P(x), and the second model, the *expert*, gives it Q(x). The
target is then proportional to P(x) Q(x)^power on the valid texts: a product of experts (Hinton 2002; as
potentials of particles Lew et al. 2023). With power 1, a text that Q finds twice as likely gets twice the
weight. A *row* is a model's distribution after one prefix, the unit of cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from structgen.base.language import checks
from structgen.decoding.samplers.checkers import GeneratedText
from structgen.decoding.samplers.constraints import REMEMBERED
from structgen.decoding.samplers.problem import Problem
from structgen.decoding.samplers.target import log_law
from structgen.decoding.speculation.drafts.model_rows import Tokens
from structgen.grammars.text_grammars.free_text import text
from structgen.tokens.tokenizer import Tokenizer


class Expert:
    """A model Q as a checker: `sg.sample(checkers=[sg.samplers.Expert(model, prompt, power=1.0)])`.

    Q reads the same tokens after a prompt of its own, so it needs the tokenizer of the sampled model.
    Particles are weighted by the probability that Q gives their prefix, and whole texts by that of the text
    with its end. Cost: a row of Q for each prefix that a particle reaches and that is not known yet.
    """

    def __init__(
        self,
        model: Any,
        prompt: str | Sequence[int],
        power: float = 1.0,
        *,
        tokenizer: Tokenizer | Any | None = None,
        name: str = "",
    ) -> None:
        """`model`, `prompt`, `tokenizer` and `name` mean the same as in `sg.sample`. With a negative `power`,
        texts that Q finds likely get less weight. Raises the same OptionErrors as `sg.sample`."""
        self.power = checks.check_number("power", power, -1e3, 1e3, "a number from -1,000 to 1,000")
        # Q reads any text: the grammar holds the sampled model alone.
        problem = Problem(model, text(), tokenizer, name)
        (rows,) = problem.row_sources([problem.prompt_ids(prompt, "prompt", 1)])
        self._rows = rows
        self.tokenizer = problem.tokenizer
        self._ends = np.array(sorted(self.tokenizer.eos_token_ids), np.int64)
        self._laws: dict[Tokens, tuple[float, float]] = {}
        """For each known prefix a pair: log Q(prefix), and log Q(end | prefix)."""
        # Prefixes that differ only in the last token need the same row, so the last 64 rows are kept.

        def read_law(tokens: Tokens) -> Any:
            """Return the log-probabilities of the next token after a prefix."""
            (row,) = rows.read([tokens])
            return log_law(row, 1.0, len(tokens))

        self._row = lru_cache(64)(read_law)

    @property
    def __name__(self) -> str:
        """The name in messages."""
        return f"Expert({self._rows.name})"

    @property
    def model_rows(self) -> int:
        """The number of rows that the expert has read so far."""
        return self._rows.count

    def weigh(self, written: GeneratedText) -> float:
        """Return the log-weight of a whole text."""
        return self.power * sum(self._find_law(written.tokens)) if self.power else 0.0

    def guess(self, written: GeneratedText) -> float:
        """Return the log-weight of a prefix."""
        return self.power * self._find_law(written.tokens)[0] if self.power else 0.0

    def copy(self) -> Expert:
        """Return the expert itself: it keeps no state of a prefix."""
        return self

    def _find_law(self, tokens: Tokens) -> tuple[float, float]:
        """Return log Q(prefix), and log Q(end | prefix). Cost: a row for each token that is not known yet."""
        # Particles grow token by token, so the prefix without its last token is usually known. Below, the
        # loop looks for the longest known prefix; -1 means that not even the empty prefix is known.
        known_count = len(tokens)
        while known_count >= 0 and tokens[:known_count] not in self._laws:
            known_count -= 1
        for at in range(known_count + 1, len(tokens) + 1):
            prefix = tokens[:at]
            prefix_logprob = 0.0
            if prefix:
                parent = prefix[:-1]
                parent_logprob, _ = self._laws[parent]
                prefix_logprob = parent_logprob + self._row(parent)[prefix[-1]]
            if len(self._laws) >= REMEMBERED:
                # A dict keeps the order of insertion: the first key is the oldest.
                del self._laws[next(iter(self._laws))]
            end_logprob = float(np.logaddexp.reduce(self._row(prefix)[self._ends]))
            self._laws[prefix] = prefix_logprob, end_logprob
        return self._laws[tokens]

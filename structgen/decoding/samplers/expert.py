"""A further model of a product: the target is P(x) times Q(x) to a power, on the valid texts (a product of
experts, Hinton 2002; as potentials of particles Lew et al. 2023)."""

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

    Q reads the same tokens behind a prompt of its own, so it needs the tokenizer of the sampled model.
    Particles are weighted by its probability of the prefix, whole texts by that of the text with its end.
    Cost: a row of Q for each prefix that a particle reaches and that is not known yet.
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
        """`model`, `tokenizer` and `name` are those of `sg.sample`. `power` may be negative: less of what Q
        likes. Raises OptionError as `sg.sample`."""
        self.power = checks.check_number("power", power, -1e3, 1e3, "a number from -1,000 to 1,000")
        # Q reads any text: the grammar holds the sampled model alone.
        problem = Problem(model, text(), tokenizer, name)
        (rows,) = problem.row_sources([problem.prompt_ids(prompt, "prompt", 1)])
        self._rows = rows
        self.tokenizer = problem.tokenizer
        self._ends = np.array(sorted(self.tokenizer.eos_token_ids), np.int64)
        self._laws: dict[Tokens, tuple[float, float]] = {}
        """Of a prefix log Q(prefix), and log Q(end | prefix)."""
        # Siblings in a row share the row of their parent.

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
        """Rows of this model so far."""
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
        # Particles grow token by token, so all but the last one is usually known.
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

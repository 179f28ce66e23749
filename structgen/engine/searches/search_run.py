"""One decision of a search under way: it asks for branches, and a step of the loop reads them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Final

from structgen.engine.model_protocol import Model
from structgen.engine.searches.branches import Branch, TextPlace
from structgen.engine.strategies.strategy import Decision, Scores, SearchStrategy
from structgen.errors import LimitError
from structgen.speculation.drafts.model_rows import ModelRows

_CACHED: Final = 1 << 26
"""The most bytes of caches that a decision keeps beside the text's own; at least 64 branches'."""


class SearchRun:
    """A decision under way. The branches begin as copies of the text's cache, which stays as it is."""

    def __init__(
        self, search: SearchStrategy, held: Any, place: TextPlace, model: Model, logits: Any
    ) -> None:
        """`held`: what the search holds for its request."""
        self._place, self._search, self._held = place, search, held
        begun = [*place.prompt, *place.tokens]
        self._rows = ModelRows(model, begun, "", most=_CACHED, begun=(logits, place.cache))
        self._steps: Generator[Sequence[Branch], list[Scores], Decision] | None = None
        self._answer: Any = None

    def advance(self) -> Decision | None:
        """Read the branches that the search asks for next; return its decision once it asks for none. Raises
        whatever the model, the grammar or the search raises."""
        if self._steps is None:
            if len(self._place.root().allowed) < 2 and not self._search.looks_over_forced:
                return Decision()  # nothing is left to decide
            self._steps = self._search.plan(self._place, self._held)
        try:
            branches = self._steps.send(self._answer)
        except StopIteration as over:
            decision: Decision = over.value
            return decision
        except LimitError:
            # other documents may have used the limit up: the decision begins again in a grammar made anew
            if self._place.matcher is None or not self._place.matcher.renew():
                raise
            self._steps = self._answer = None
            return None
        self._answer = self._rows.read([branch.tokens for branch in branches])
        return None

    @property
    def passes(self) -> int:
        """Forward passes so far."""
        return self._rows.passes + self._place.passes

    @property
    def rows(self) -> int:
        """Rows of these passes."""
        return self._rows.count + self._rows.reread + self._place.rows

    def close(self) -> None:
        """Let go of what the search holds, such as processes."""
        if self._steps is not None:
            self._steps.close()

"""One decision of a search under way: it asks for branches, and a step of the loop reads them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor

from structgen.engine.model_protocol import Model
from structgen.engine.requests import fault_of
from structgen.engine.searches.branches import Branch, TextPlace
from structgen.engine.strategies.strategy import Decision, Scores, SearchStrategy
from structgen.engine.strategies.text_strategies import RowLaw
from structgen.engine.text import LogitsOf, Text
from structgen.errors import LimitError
from structgen.speculation.drafts.model_rows import ModelRows, numbers

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


@dataclass(frozen=True, slots=True, eq=False)
class SearchEdit:
    """The edit of searches: each that has to decide reads one pass, and its text waits until it has."""

    model: Model

    def __call__(self, texts: Sequence[Text], logits: LogitsOf) -> Sequence[Text]:
        """Return the texts that wait for no search."""
        for text in texts:
            law = text.row.law
            if text.phase is None and law is not None and law.is_due:
                try:
                    self._search_on(text, law, logits)
                except Exception as error:  # any error of the model, the grammar or the search
                    text.fail(fault_of(error, "The search failed", "strategy", "Look at it."))
        return [text for text in texts if text.search is None and text.decided.error is None]

    def _search_on(self, text: Text, law: RowLaw, logits: LogitsOf) -> None:
        """Have the search of a text read one pass, or take its decision."""
        search: SearchRun = text.search or self._begun(text, law, logits(text))
        passes, rows = search.passes, search.rows
        decision = search.advance()
        text.usage.strategy_calls += search.passes - passes
        text.usage.strategy_rows += search.rows - rows
        if decision is not None:
            text.decided.decision = law.decision = len(text.tokens), decision
            text.search = None
        elif text.search is None:
            # the tensor of the last step, and the mask, are gone when the text goes on
            text.logits, text.place, text.line, text.search = logits(text).clone(), -1, -1, search

    def _begun(self, text: Text, law: RowLaw, logits: Tensor) -> SearchRun:
        """Return a new decision of the search, from the logits after the last token."""
        assert law.search is not None
        place = TextPlace(
            text.start.request,
            text.handle.sample,
            [*text.start.prompt, *text.thought],
            list(text.tokens),
            text.text.encode("utf-8", "surrogatepass") + text.decoder.getstate()[0],
            text.matcher,
            numbers(logits),
            text.start.tokenizer,
            text.cache,
        )
        return SearchRun(law.search, law.held, place, self.model, logits)

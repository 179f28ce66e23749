"""Runs one decision of a search: the search asks for branches, and each step of the loop reads some.

A *branch* is a continuation of the text that a search lets the model read. A *plan* is the generator of a
search (`SearchStrategy.plan`): it yields branches, gets their logits, and returns its decision.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from structgen.base.errors import LimitError
from structgen.decoding.engine.model_protocol import Model
from structgen.decoding.engine.requests import fault_of
from structgen.decoding.engine.searches.branches import Branch, TextPlace
from structgen.decoding.engine.strategies.strategy import Decision, Scores
from structgen.decoding.engine.strategies.text_strategies import RequestStrategies
from structgen.decoding.engine.text import LogitsOf, Text
from structgen.decoding.speculation.drafts.model_rows import ModelRows, as_float64
from structgen.decoding.speculation.planning.drafting import MOST_BYTES


@dataclass(frozen=True, slots=True, eq=False)
class SearchEdit:
    """The edit of searches. In each step, a search that has to decide reads one pass; its text waits until
    the search has decided."""

    model: Model

    def __call__(self, texts: Sequence[Text], logits: LogitsOf) -> Sequence[Text]:
        """Return the texts that do not wait for a search."""
        for text in texts:
            law = text.row.law
            if text.phase is None and law is not None and law.is_due:
                try:
                    decision = self._read_pass(text, law.strategies, logits)
                except Exception as error:  # any error of the model, the grammar or the search
                    text.decide_error(fault_of(error, "The search failed", "strategy", "Check it."))
                    continue
                if decision is not None:
                    text.decided_text.decision = law.decision = len(text.tokens), decision
                    text.search = None
        return [text for text in texts if text.search is None and text.decided_text.error is None]

    def _read_pass(self, text: Text, strategies: RequestStrategies, logits: LogitsOf) -> Decision | None:
        """Have the search of a text read one pass. Returns the search's decision; None: not decided yet."""
        run: SearchRun = text.search or SearchRun(strategies, _place_of_text(text, logits), self.model)
        passes, rows = run.cost
        decision = run.advance_search()
        text.usage.strategy_calls += run.cost[0] - passes
        text.usage.strategy_rows += run.cost[1] - rows
        if decision is None and text.search is None:
            # the last step's tensor will be gone when the text continues, so its logits are copied
            text.logits = logits(text).clone()
            text.logit_row = text.mask_row = -1
            text.search = run
        return decision


def _place_of_text(text: Text, logits: LogitsOf) -> TextPlace:
    """Return the place at the end of a text."""
    # the bytes of a character that the tokens so far have only begun
    unfinished_bytes, _ = text.decoder.getstate()
    text_bytes = text.text.encode("utf-8", "surrogatepass") + unfinished_bytes
    return TextPlace(
        request=text.start.request,
        sample=text.handle.sample,
        prompt=[*text.start.prompt, *text.thought],
        tokens=list(text.tokens),
        text=text_bytes,
        matcher=text.matcher,
        logits=as_float64(logits(text)),
        tokenizer=text.start.tokenizer,
        token_limit=text.max_tokens,
        cache=text.cache,
    )


class SearchRun:
    """A decision that is being made. The caches of the branches begin as copies of the text's cache, which is
    not changed. Up to `MOST_BYTES` of such caches are kept, but at least those of 64 branches."""

    def __init__(self, strategies: RequestStrategies, place: TextPlace, model: Model) -> None:
        self._strategies = strategies
        self._place = place
        prefix = [*place.prompt, *place.tokens]
        self._rows = ModelRows(model, prefix, "", most=MOST_BYTES, begun=(place.logits, place.cache))
        self._steps: Generator[Sequence[Branch], list[Scores], Decision] | None = None
        """The plan of the search; None: it has not begun."""
        self._answer: Any = None
        """The logits that the plan gets next; None at its beginning, as generators require."""

    def advance_search(self) -> Decision | None:
        """Read the branches that the search asks for next; return its decision once it asks for none. Raises
        whatever the model, the grammar or the search raises."""
        if self._steps is None:
            search = self._strategies.search
            assert search is not None
            if len(self._place.root().allowed) < 2 and not search.is_once:
                return Decision()  # there is nothing to decide
            self._steps = search.plan(self._place, self._strategies.search_resources)
        try:
            branches = self._steps.send(self._answer)
        except StopIteration as over:
            decision: Decision = over.value
            return decision
        except LimitError:
            # Other documents may have used up the grammar's limit. Compile it again, and begin again.
            if self._place.matcher is None or not self._place.matcher.renew():
                raise
            self._steps = self._answer = None
            return None
        self._answer = self._rows.read([branch.tokens for branch in branches])
        return None

    @property
    def cost(self) -> tuple[int, int]:
        """Forward passes so far, and their rows."""
        own_rows = self._rows
        # `place` counts the passes and rows that the search itself reads, for example of other models
        passes = own_rows.passes + self._place.passes
        rows = own_rows.count + own_rows.reread + self._place.rows
        return passes, rows

    def close(self) -> None:
        """Free the resources of the search, such as processes."""
        if self._steps is not None:
            self._steps.close()

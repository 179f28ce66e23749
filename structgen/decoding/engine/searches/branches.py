"""A place of a text, and the branches that a search reads ahead from that place.

A *place* is a text so far, with the model's logits and cache at its end. A *branch* is a continuation of that
text. Each branch can end as a text of the request: its mask takes max_tokens into account.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from structgen_kernels.reference import sample_key

from structgen.base.native.array_types import Int32Array
from structgen.decoding.engine.choice import ChoiceRow, choose_tokens, penalised_scores
from structgen.decoding.engine.requests import Request
from structgen.decoding.engine.searches.cursor import Cursor
from structgen.decoding.engine.strategies.strategy import Ids, Scores, log_softmax
from structgen.decoding.engine.strategies.text_strategies import allowed_ids
from structgen.decoding.speculation.drafts.model_rows import Floats
from structgen.machines.core.batch import allow_all
from structgen.machines.core.matcher import Matcher
from structgen.tokens.token_mask import allocate_mask
from structgen.tokens.tokenizer import Tokenizer


@dataclass(slots=True)
class TextPlace:
    """A text so far, with all that a search may know. It is the same in any batch, and after a restart."""

    request: Request
    sample: int
    prompt: Sequence[int]
    """The tokens that the model has read before the text, thoughts included."""
    tokens: Sequence[int]
    """The tokens of the text."""
    text: bytes
    """The bytes of the text."""
    matcher: Matcher | None
    """The matcher after the tokens; None: free text."""
    logits: Floats
    """The model's logits [V] after the tokens."""
    tokenizer: Tokenizer
    cache: Any = None
    """The model's cache of the text. A search that reads rows by itself copies it first."""
    passes: int = 0
    """The number of forward passes that the search itself has made, for example of other models."""
    rows: int = 0
    """The number of rows in these passes."""
    token_limit: int | None = None
    """The bound on the tokens of the text; None: that of the request."""

    def root(self) -> Branch:
        """Return the branch without tokens of its own, at the end of the text."""
        matcher = self.matcher
        token_limit = self.request.most_tokens if self.token_limit is None else self.token_limit
        remaining = token_limit - len(self.tokens)
        return Branch(
            tokenizer=self.tokenizer,
            compiled=None if matcher is None else matcher.compiled,
            state=0 if matcher is None else matcher.state_index,
            text=self.text,
            left=remaining,
            place=self,
        )

    def value(self, branch: Branch) -> Any:
        """Return the value of a branch that is a complete text: the value of a JSON document, else the
        text."""
        if branch.compiled is not None:
            try:
                return branch.compiled.value(branch.text)
            except (ValueError, RecursionError):
                # Python cannot read an integer of so many digits, or a document so deep: return the text.
                pass
        return branch.text.decode("utf-8", "replace")

    def drawn(self, branches: Sequence[Branch], logits: Sequence[Floats]) -> list[int]:
        """Return a token after each branch, chosen as the engine chooses, with noise of its own. `logits` has
        the logits [V] after each branch."""
        words = np.stack([branch.words for branch in branches])
        raw = torch.from_numpy(np.stack(logits)).float()
        rows = [branch.row() for branch in branches]
        return [choice.token for choice in choose_tokens(raw, words, rows)]


@dataclass(frozen=True, kw_only=True)
class Branch(Cursor):
    """A continuation of a text from a place."""

    place: TextPlace = field(compare=False, repr=False)
    stream: int = 0
    """The number that makes the noise of this branch differ from that of other branches."""

    @property
    def is_over(self) -> bool:
        """Whether the branch is a whole text."""
        is_ended = bool(self.tokens) and self.tokens[-1] in self.tokenizer.eos_token_ids
        if is_ended or self.left <= 0:
            return True
        stops = self.place.request.stops
        return bool(stops) and any(stop.encode() in self.text for stop in stops)

    @cached_property
    def words(self) -> Int32Array:
        """The mask of the tokens after which the text can still be completed in time."""
        mask = allocate_mask(1, self.tokenizer.vocab_size)
        compiled_grammar = self.compiled
        if compiled_grammar is None:
            allow_all(mask, 0)
        else:
            budget = self.left
            end_margin = self.place.request.end_margin
            # as `Text.room` does: near the end only the shortest completion is allowed
            if end_margin:
                shortest_length = compiled_grammar.cost(self.state)
                if budget - shortest_length <= end_margin:
                    budget = shortest_length
            compiled_grammar.fill_within(self.state, mask, 0, budget)
        words: Int32Array = mask.array[0]
        return words

    @cached_property
    def allowed(self) -> Ids:
        """The tokens that may follow, in ascending order."""
        return allowed_ids(self.words, self.tokenizer.vocab_size)

    def row(self) -> ChoiceRow:
        """Return the inputs of the choice of the branch's next token, other than the logits."""
        place = self.place
        text = [*place.tokens, *self.tokens]
        position = len(place.prompt) + len(text)
        ends = self.tokenizer.eos_token_ids
        row = ChoiceRow(place.request.chosen_by, place.sample, position, place.prompt, text, ends)
        # The noise of a branch differs from that of the text, and from that of branches at other places. So
        # the number has the branch in its upper 32 bits, and the place in its lower ones.
        row.stream = sample_key(row.stream, (self.stream << 32) + len(place.tokens) + 1)
        return row

    def scores(self, logits: Floats) -> Scores:
        """Return the logits [V] with the penalties of the request."""
        row = self.row()
        return penalised_scores(logits, row) if row.is_penalised else logits

    def law(self, logits: Floats) -> Scores:
        """Return the log-probabilities of the allowed tokens, at the request's temperature (1 if that is
        0). `logits` are the model's logits [V] after the branch."""
        scores: Scores = self.scores(logits)[self.allowed]
        return log_softmax(scores / (self.place.request.chosen_by.temperature or 1.0))

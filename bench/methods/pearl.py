"""PEARL (Liu et al. 2024, "PEARL: Parallel Speculative Decoding with Adaptive Draft Length",
arXiv:2408.11850).

Definition: drafting and verification overlap. While the target verifies a draft, the draft model goes on
behind it, as if all of it were accepted (post-verify), and its first token is checked early (pre-verify).

What differs here: drafting runs in a thread; the next draft is ready if the text went where the last one
pointed, else it is made when it is asked for. There is no pre-verification: the engine's pass reads the whole
draft. The draft model reads in the thread while the engine's pass runs on another core; where there is one
core, nothing is won. `hidden` counts the drafted tokens that were ready when they were asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import numpy as np

from methods.text_drafter import TextDrafter
from structgen.decoding.speculation.drafts.drafter import REFUSED
from structgen.speculation import Draft, DraftContext, RequestFacts
from structgen.tokens.token_mask import allocate_mask

DEPTH: Final = 6
"""Tokens of a draft."""


class Pearl(TextDrafter):
    """Drafts a chain of a small model, the next one while the target verifies this one."""

    name = "pearl"

    def __init__(self, model: Any) -> None:
        """`model` has the request's tokenizer; the thread alone uses it."""
        self.model, self.hidden = model, 0

    def begin(self, facts: RequestFacts) -> None:
        """Note the prompt."""
        super().begin(facts)
        self.thread = ThreadPoolExecutor(1, "pearl")
        self.mask = allocate_mask(1, facts.tokenizer.vocab_size)
        self.ahead: Future[list[int]] | None = None
        self.start: list[int] = []
        """The text behind which the thread drafts."""
        self.read: list[int] = []
        """What the cache holds: the text that was read last."""
        self.cache: Any = None

    def end(self) -> None:
        """End the thread."""
        self.thread.shutdown(wait=True)
        self.cache = None

    def propose(self, view: DraftContext, most: int) -> Draft:
        """Return the chain, and have the thread draft behind it. Cost: none where the text went as guessed,
        else DEPTH passes of the small model."""
        depth = min(DEPTH, most, view.room, self.model.context - len(self.text) - 2 * DEPTH - 1)
        if depth < 1:
            return Draft.chain([])
        ready = [] if self.ahead is None else self.ahead.result()
        guessed = [*self.start, *ready]
        if len(guessed) > len(self.text) and guessed[: len(self.text)] == self.text:
            chain = guessed[len(self.text) :][:depth]
            self.hidden += len(chain)
        else:
            chain = self.thread.submit(self._drafted, list(self.text), view.start, view, depth).result()
        state = view.start
        for token in chain:
            state = view.after(state, token)
        self.start = [*self.text, *chain]
        self.ahead = self.thread.submit(self._drafted, list(self.start), state, view, DEPTH + 1)
        return Draft.chain(chain, chance=0.8)

    def _drafted(self, text: Sequence[int], state: int, view: DraftContext, depth: int) -> list[int]:
        """Return the small model's likeliest allowed tokens behind a text."""
        found: list[int] = []
        if state == REFUSED:
            return found
        logits = self._logits(list(text))
        while len(found) < depth:
            scores = np.asarray(logits, np.float32)[: self.mask.vocab_size].copy()
            if view.matcher is not None:
                view.matcher.compiled.fill_index(state, self.mask, 0)
                allowed = self.mask.allowed()
                if not len(allowed):
                    break
                refused = np.ones(len(scores), np.bool_)
                refused[allowed] = False
                scores[refused] = -np.inf
            token = int(scores.argmax())
            state = view.after(state, token)
            if state == REFUSED:
                break
            found.append(token)
            if token in view.ends:
                break
            logits = self._logits([*text, *found])
        return found

    def _logits(self, text: list[int]) -> Any:
        """Return the logits behind a text. What the cache holds beyond the common part is read anew."""
        if self.cache is None or text[: len(self.read)] != self.read or len(text) == len(self.read):
            logits, self.cache = self.model.prefill(text)
        else:
            for token in text[len(self.read) :]:
                logits = self.model.decode([token], [self.cache])[0]
        self.read = text
        return logits.numpy()

"""Fills the masks of a batch that are not known yet, in a thread while the model runs.

A *mask* has one bit for each token of the vocabulary: may it come next? Many masks are *known* from a cache;
the others must be computed. A text has one mask after its last token, and one after each guess of its *draft*
(a tree of guessed tokens).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from structgen.base.errors import LimitError
from structgen.decoding.engine.requests import fault_of
from structgen.decoding.engine.text import Text
from structgen.decoding.engine.text_drafts import Guesses
from structgen.decoding.engine.thinking import forbid_tokens
from structgen.decoding.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.machines.core.batch import RowStatus
from structgen.machines.core.draft_masks import DraftMasks
from structgen.tokens.token_mask import TokenMask


class MaskFiller:
    """Fills the masks of one pass at a time. Its thread starts when it is first needed."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self.under_way: tuple[DraftMasks, Sequence[Text], Sequence[int], Future[float] | None] | None = None
        """The masks that are being filled, their texts, the number of rows of each text, and the future of
        the thread (None: `wait_for_masks` fills them). None: no masks are being filled."""
        self.has_fault = False
        """Whether a machine failed in an unforeseen way."""

    def begin_masks(
        self, texts: Sequence[Text], drafts: Sequence[Draft], mask: TokenMask, *, apart: bool
    ) -> None:
        """Begin to fill the masks of texts and of their guesses.

        The mask after a text's last token goes into the row `Text.mask_row` of `mask`, and those after its
        guesses into the rows that follow. `drafts` has a draft for each text; () if no text has one. Each
        text is then at the root of its draft. Known masks are written before this returns. The others are
        written in a thread if `apart`, else by `wait_for_masks`.
        """
        rows: list[int] = []
        all_drafts = drafts or [NO_DRAFT] * len(texts)
        # a row after the last token of the text, and one after each guess
        counts = [1 + len(draft) for draft in all_drafts]
        for text, draft, count in zip(texts, all_drafts, counts, strict=True):
            rows += range(text.mask_row, text.mask_row + count)
            if drafts:
                text.guesses = Guesses(draft, text.mask_row, text.matcher, text.phase)
        tokens = np.concatenate([draft.tokens for draft in all_drafts])
        parents = np.concatenate([draft.parents for draft in all_drafts])
        # The present matchers are kept: a text that restarts while the thread works gets another matcher.
        matchers = [text.matcher for text in texts]
        sizes = [len(draft) for draft in all_drafts]
        masks = DraftMasks(matchers, tokens, parents, sizes, mask, np.array(rows))
        # Thoughts are free text that may not end: `DraftMasks` does not know this.
        for text, count in zip(texts, counts, strict=True):
            if text.phase is not None:
                for row in range(text.mask_row, text.mask_row + count):
                    forbid_tokens(mask, row, text.phase.ends)
        future = None
        if apart and masks.left:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, "structgen-engine-masks")
            future = self._thread.submit(self.work_out, masks)
        self.under_way = masks, texts, counts, future

    def work_out(self, masks: DraftMasks) -> float:
        """Compute and write the masks that are not written yet. Returns the seconds that this took."""
        began = time.perf_counter()
        masks.fill_left()
        if masks.faults:
            self.has_fault = True
        return time.perf_counter() - began

    def wait_for_masks(self) -> tuple[float, float]:
        """Wait until all masks are written. Returns the seconds of filling them, and of waiting. A text whose
        own mask could not be computed fails; guesses without a mask are not followed."""
        assert self.under_way is not None
        masks, texts, counts, future = self.under_way
        self.under_way = None
        began = time.perf_counter()
        seconds = self.work_out(masks) if future is None else future.result()
        wait_seconds = seconds if future is None else time.perf_counter() - began
        statuses = masks.statuses
        first = 0
        for number, (text, count) in enumerate(zip(texts, counts, strict=True)):
            fault = masks.faults.get(number)
            if fault is not None:
                text.decide_error(fault_of(fault, "The mask could not be filled"))
            elif statuses[first] == RowStatus.LIMIT:
                message = "A limit was reached while the mask was filled."
                text.decide_error(LimitError(message, limit="parser_states", where="grammar"))
            elif text.guesses is not None:
                # the mask of the text itself is there; a guess without a mask only ends the draft early
                text.guesses.ready[1:] = statuses[first + 1 : first + count] <= RowStatus.FREE
            first += count
        return seconds, wait_seconds

    def close(self, *, wait: bool = True) -> None:
        """Stop the thread; unless `wait`, do not wait for its work. A new one is started when needed."""
        if self._thread is not None:
            self._thread.shutdown(wait=wait)
            self._thread = None

    def after_fork(self) -> None:
        """In a forked child process: forget the parent's thread."""
        self._thread = None

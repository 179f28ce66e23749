"""The masks of a batch that are not known yet: a thread fills them while the model runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from structgen.core.batch import RowStatus, fill_masks
from structgen.core.draft_masks import DraftMasks
from structgen.core.matcher import Matcher
from structgen.engine.requests import fault_of
from structgen.engine.text import Text
from structgen.engine.text_drafts import Guesses
from structgen.engine.thinking import forbid
from structgen.errors import LimitError
from structgen.speculation.drafts.draft import Draft
from structgen.tokens.token_mask import TokenMask


class MaskFiller:
    """The thread that fills masks. It starts when it is first needed."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self.has_fault = False
        """Whether a machine failed in an unforeseen way."""

    def begin(self, texts: Sequence[Text], mask: TokenMask, *, apart: bool) -> Filling:
        """Fill the masks after the last tokens of texts, each in the row of its `line`."""
        # the matchers of now: a text restarted while the thread works gets another matcher
        matchers = [text.matcher for text in texts]
        masks = _RootMasks(matchers, mask, [text.line for text in texts])
        return Filling(self, masks, texts, [0] * len(texts), apart=apart)

    def begin_trees(
        self, texts: Sequence[Text], drafts: Sequence[Draft], mask: TokenMask, *, apart: bool
    ) -> Filling:
        """Fill the masks after the last token of each text and after its guesses, in adjacent rows from 0 on.
        Each text then stands at the root of its draft."""
        line, counts = 0, list(map(len, drafts))
        for text, draft in zip(texts, drafts, strict=True):
            text.line, text.guesses = line, Guesses(draft, line, text.matcher, text.phase)
            line += 1 + len(draft)
        tokens = np.concatenate([draft.tokens for draft in drafts])
        parents = np.concatenate([draft.parents for draft in drafts])
        masks = DraftMasks([text.matcher for text in texts], tokens, parents, counts, mask)
        for text, count in zip(texts, counts, strict=True):
            if text.phase is not None:
                for row in range(text.line, text.line + 1 + count):
                    forbid(mask, row, text.phase.ends)
        return Filling(self, masks, texts, counts, apart=apart)

    def start(self, filling: Filling) -> Future[float]:
        """Have the thread fill masks. Returns the seconds that it takes."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "structgen-engine-masks")
        return self._thread.submit(filling.work_out)

    def close(self, *, wait: bool = True) -> None:
        """Stop the thread: after its work, or at once (`wait=False`). Another is started when needed."""
        if self._thread is not None:
            self._thread.shutdown(wait=wait)
            self._thread = None

    def after_fork(self) -> None:
        """In a child: forget the parent's thread."""
        self._thread = None


class Filling:
    """Masks that are being filled. `counts`: how many guesses each text has."""

    def __init__(
        self,
        filler: MaskFiller,
        masks: DraftMasks | _RootMasks,
        texts: Sequence[Text],
        counts: Sequence[int],
        *,
        apart: bool,
    ) -> None:
        self._filler, self._masks, self._texts, self._counts = filler, masks, texts, counts
        self._future = filler.start(self) if apart and masks.left else None

    def work_out(self) -> float:
        """Compute and write the masks that are left. Returns the seconds that it took."""
        began = time.perf_counter()
        self._masks.fill_left()
        if self._masks.faults:
            self._filler.has_fault = True
        return time.perf_counter() - began

    def wait(self) -> tuple[float, float]:
        """Wait until all masks are written. Returns the seconds of filling them, and of waiting. A text whose
        own mask could not be computed fails; guesses without a mask are not followed."""
        began, seconds = time.perf_counter(), 0.0
        if self._future is not None:
            seconds = self._future.result()
        elif self._masks.left:
            seconds = self.work_out()
        waited = seconds if self._future is None else time.perf_counter() - began
        at, statuses = 0, self._masks.statuses
        for number, (text, count) in enumerate(zip(self._texts, self._counts, strict=True)):
            fault = self._masks.faults.get(number)
            if fault is not None:
                text.fail(fault_of(fault, "The mask could not be filled"))
            elif statuses[at] == RowStatus.LIMIT:
                told = "A limit was met while the mask was filled."
                text.fail(LimitError(told, limit="parser_states", where="grammar"))
            elif count and text.guesses is not None:
                text.guesses.ready[1:] = statuses[at + 1 : at + 1 + count] <= RowStatus.FREE
            at += 1 + count
        return seconds, waited


class _RootMasks:
    """The masks of texts without drafts, none of which is known, with the interface of `DraftMasks`."""

    def __init__(self, matchers: Sequence[Matcher | None], mask: TokenMask, rows: Sequence[int]) -> None:
        self._matchers, self._mask, self._rows = matchers, mask, rows
        self.statuses: npt.NDArray[np.int8] = np.zeros(len(matchers), np.int8)
        self.left = [*range(len(matchers))]
        self.faults: dict[int, Exception] = {}

    def fill_left(self) -> None:
        """Compute and write the masks, on all cores. If one machine fails in an unforeseen way, each mask is
        computed alone, so that only its own text fails."""
        try:
            self.statuses[:] = fill_masks(self._matchers, self._mask, self._rows)
        except Exception:  # any error of a machine
            for i, (matcher, row) in enumerate(zip(self._matchers, self._rows, strict=True)):
                try:
                    self.statuses[i] = fill_masks([matcher], self._mask, [row])[0]
                except Exception as error:
                    self.faults[i] = error

"""The masks of a batch. Masks in the mask cache are copied at once; a thread computes the others."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from structgen.core.batch import RowStatus, allow_all, fill_masks
from structgen.core.draft_masks import DraftMasks
from structgen.core.matcher import Matcher
from structgen.engine.requests import fault_of
from structgen.engine.sequences import TextSequence
from structgen.engine.verified_draft import Guesses
from structgen.errors import LimitError, StructgenError
from structgen.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.tokens.token_mask import TokenMask, allocate_mask

_Done = tuple[npt.NDArray[np.int8], float]
"""The status of each mask (a `RowStatus`), and seconds."""


class BatchMasks:
    """The mask rows of a batch. The rows of one sequence are adjacent, from `TextSequence.line` on."""

    def __init__(self, rows: int, vocab_size: int) -> None:
        self.mask: TokenMask = allocate_mask(rows, vocab_size)
        self._used = 0
        """Rows in use."""
        self._filler: ThreadPoolExecutor | None = None
        self.has_fault = False
        """Whether a machine failed in an unforeseen way."""

    def fill(self, rows: Sequence[TextSequence]) -> None:
        """Fill the masks after the last tokens of new sequences now, in rows after those in use."""
        self.begin(rows, [NO_DRAFT] * len(rows), apart=False, behind=True).wait()

    def begin(
        self,
        rows: Sequence[TextSequence],
        drafts: Sequence[Draft],
        *,
        apart: bool,
        behind: bool = False,
    ) -> Filling:
        """Write the cached masks: after the last token of each sequence, and after each guess. Compute the
        others in a thread if `apart`, else in `Filling.wait`. Each sequence then stands at the root of its
        draft; if no sequence has a draft, there are no `Guesses`. `behind`: in rows after those in use."""
        self._used = self._used if behind else 0
        first, self._used = self._used, self._used + len(rows) + sum(map(len, drafts))
        if self._used > len(self.mask.array):
            wider = allocate_mask(2 * self._used, self.mask.vocab_size)
            wider.array[:first] = self.mask.array[:first]
            self.mask = wider
        filling = Filling(self, rows, drafts, first)
        if apart and filling.are_left:
            if self._filler is None:
                self._filler = ThreadPoolExecutor(1, "structgen-engine-masks")
            filling.future = self._filler.submit(filling.work_out)
        return filling

    def close(self, *, wait: bool = True) -> None:
        """Stop the thread: after its work, or at once (`wait=False`). Another is started when needed."""
        if self._filler is not None:
            self._filler.shutdown(wait=wait)
            self._filler = None

    def after_fork(self) -> None:
        """In a child: forget the parent's thread."""
        self._filler = None


class Filling:
    """Masks that are being filled. Those from the cache are already written."""

    def __init__(
        self,
        mask_rows: BatchMasks,
        rows: Sequence[TextSequence],
        drafts: Sequence[Draft],
        first: int,
    ) -> None:
        began = time.perf_counter()
        self._rows, self._mask_rows = rows, mask_rows
        self._counts = list(map(len, drafts))
        self.future: Future[_Done] | None = None
        has_guesses, line = any(self._counts), first
        for text, draft in zip(rows, drafts, strict=True):
            text.line = line
            text.guesses = Guesses(draft, line, text.matcher, text.phase) if has_guesses else None
            line += 1 + len(draft)
        # the matchers of now: a sequence restarted while a thread works gets another matcher
        matchers = [text.matcher for text in rows]
        self._masks: DraftMasks | _RootMasks
        if has_guesses:
            self._masks = DraftMasks(
                matchers,
                np.concatenate([draft.tokens for draft in drafts]),
                np.concatenate([draft.parents for draft in drafts]),
                self._counts,
                mask_rows.mask,
                None if first == 0 else np.arange(first, line),
            )
        else:
            self._masks = _RootMasks(matchers, mask_rows.mask, first)
        self.are_left = bool(self._masks.left)
        """Whether masks are to be computed."""
        self._known = time.perf_counter() - began

    def work_out(self) -> _Done:
        """Compute and write the remaining masks."""
        began = time.perf_counter()
        statuses = self._masks.fill_left()
        if self._masks.faults:
            self._mask_rows.has_fault = True
        return statuses, time.perf_counter() - began

    def wait(self) -> None:
        """Wait until all masks are written."""
        began = time.perf_counter()
        statuses, seconds, waited = self._masks.statuses, 0.0, 0.0
        if self.are_left:
            statuses, seconds = self.work_out() if self.future is None else self.future.result()
            waited = seconds if self.future is None else time.perf_counter() - began
        self._note(statuses)
        for text in self._rows:
            if text.phase is not None:
                last = text.line if text.guesses is None else text.line + len(text.guesses.draft)
                for line in range(text.line, last + 1):
                    forbid(self._mask_rows.mask, line, text.phase.ends)
            text.filled = self._known + seconds
            text.usage.mask_seconds += self._known + seconds
            text.usage.waited_seconds += self._known + waited

    def _note(self, statuses: npt.NDArray[np.int8]) -> None:
        """Note which guesses have masks. A sequence whose own mask could not be computed fails."""
        at, told = 0, statuses.tolist()
        for number, (text, count) in enumerate(zip(self._rows, self._counts, strict=True)):
            fault = self._masks.faults.get(number)
            error = _error_of(told[at]) if fault is None else fault_of(fault, _NOT_FILLED)
            if error is not None:
                text.error = text.error or error
            elif count and text.guesses is not None:
                text.guesses.ready[1:] = statuses[at + 1 : at + 1 + count] <= RowStatus.FREE
            at += 1 + count


class _RootMasks:
    """The masks of sequences without drafts, with the interface of `DraftMasks`; cached masks are written.
    Construction takes 2 us and 0.5 us a sequence; that of `DraftMasks` takes 25 us."""

    def __init__(self, matchers: Sequence[Matcher | None], mask: TokenMask, first: int) -> None:
        self._matchers, self._mask, self._first = matchers, mask, first
        self.statuses: npt.NDArray[np.int8] = np.zeros(len(matchers), np.int8)
        self.left: list[int] = []
        self.faults: dict[int, Exception] = {}
        for i, matcher in enumerate(matchers):
            if matcher is None:
                allow_all(mask, first + i)
            elif not matcher.fill_known(mask, first + i):
                self.left.append(i)

    def fill_left(self) -> npt.NDArray[np.int8]:
        """Compute and write the remaining masks, on all cores. If one machine fails in an unforeseen way,
        each mask is computed alone, so that only its own sequence fails."""
        matchers, rows = [self._matchers[i] for i in self.left], [self._first + i for i in self.left]
        try:
            self.statuses[self.left] = fill_masks(matchers, self._mask, rows)
        except Exception:  # any error of a machine
            for i, matcher, row in zip(self.left, matchers, rows, strict=True):
                try:
                    self.statuses[i] = fill_masks([matcher], self._mask, [row])[0]
                except Exception as error:
                    self.faults[i] = error
        return self.statuses


_NOT_FILLED = "The mask could not be filled"


def _error_of(status: int) -> StructgenError | None:
    if status != RowStatus.LIMIT:
        return None
    return LimitError("A limit was met while the mask was filled.", limit="parser_states", where="grammar")


def forbid(mask: TokenMask, row: int, tokens: Sequence[int]) -> None:
    """Clear the bits of tokens in a row."""
    for token in tokens:
        mask.array[row, token // 32] &= ~(1 << token % 32) if token % 32 < 31 else 0x7FFFFFFF

"""The masks of the texts that are being written, a line each: known ones at once, the others by a thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from structgen.core.batch import RowStatus, allow_all, fill_masks
from structgen.core.draft_masks import DraftMasks
from structgen.core.matcher import Matcher
from structgen.engine.guesses import Guesses
from structgen.engine.requests import fault_of
from structgen.engine.sequences import TextSequence
from structgen.errors import LimitError, StructgenError
from structgen.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.tokens.token_mask import TokenMask, allocate_mask

_Done = tuple[npt.NDArray[np.int8], float]
"""What became of each mask (a `RowStatus`), and seconds."""


class Lines:
    """The masks of a batch: those of a text stand one after the other, from `TextSequence.line` on."""

    def __init__(self, rows: int, vocab_size: int) -> None:
        self.mask: TokenMask = allocate_mask(rows, vocab_size)
        self._used = 0
        """The lines that texts have."""
        self._filler: ThreadPoolExecutor | None = None
        self.has_fault = False
        """Whether a machine failed in a way that it does not foresee."""

    def fill(self, rows: Sequence[TextSequence]) -> None:
        """Write the masks after the last tokens of texts that came, now, after those that are there."""
        self._filling(rows, [NO_DRAFT] * len(rows), apart=False).wait()

    def begin(
        self,
        rows: Sequence[TextSequence],
        drafts: Sequence[Draft],
        *,
        apart: bool,
        leave: Callable[[TextSequence], bool] | None = None,
    ) -> Filling:
        """Write the masks that are known, after the last token of each text and after each guess, and have
        the others worked out `apart`, meanwhile by a thread, or now. A text stands at the root of its draft
        then; where no text has one, there are no `Guesses`. The masks of texts without a draft that `leave`
        is true of are not written: they are elsewhere."""
        self._used = 0
        return self._filling(rows, drafts, apart=apart, leave=leave)

    def _filling(
        self,
        rows: Sequence[TextSequence],
        drafts: Sequence[Draft],
        *,
        apart: bool,
        leave: Callable[[TextSequence], bool] | None = None,
    ) -> Filling:
        first, self._used = self._used, self._used + len(rows) + sum(map(len, drafts))
        if self._used > len(self.mask.array):
            wider = allocate_mask(2 * self._used, self.mask.vocab_size)
            wider.array[:first] = self.mask.array[:first]
            self.mask = wider
        filling = Filling(self, rows, drafts, first, leave)
        if not filling.is_done:
            if not apart:
                filling.end(*filling.work_out())
            else:
                if self._filler is None:
                    self._filler = ThreadPoolExecutor(1, "structgen-engine-masks")
                filling.future = self._filler.submit(filling.work_out)
        return filling

    def close(self, *, wait: bool = True) -> None:
        """Let go of the thread, once it is done or (without `wait`) at once; another is started when it is
        needed."""
        if self._filler is not None:
            self._filler.shutdown(wait=wait)
            self._filler = None


class Filling:
    """Masks that are being written; those that are known are there."""

    def __init__(
        self,
        lines: Lines,
        rows: Sequence[TextSequence],
        drafts: Sequence[Draft],
        first: int,
        leave: Callable[[TextSequence], bool] | None = None,
    ) -> None:
        began = time.perf_counter()
        self._rows, self._lines = rows, lines
        self.future: Future[_Done] | None = None
        self._seconds = self._waited = 0.0
        has_guesses, line = any(map(len, drafts)), first
        for text, draft in zip(rows, drafts, strict=True):
            text.line = line
            text.guesses = Guesses(draft, line, text.matcher, text.phase) if has_guesses else None
            line += 1 + len(draft)
        # the matchers of now: a text that is restarted while a thread works has another
        matchers = [text.matcher for text in rows]
        self._masks: DraftMasks | _RootMasks
        if has_guesses:
            self._masks = DraftMasks(
                matchers,
                np.concatenate([draft.tokens for draft in drafts]),
                np.concatenate([draft.parents for draft in drafts]),
                [len(draft) for draft in drafts],
                lines.mask,
                None if first == 0 else np.arange(first, line),
            )
        else:
            left_out = None if leave is None else [leave(text) for text in rows]
            self._masks = _RootMasks(matchers, lines.mask, first, left_out)
        self.is_done = not self._masks.left
        """Whether all masks are there."""
        if self.is_done:
            self._note(self._masks.statuses)
        self._known = time.perf_counter() - began

    def work_out(self) -> _Done:
        """Write the masks that are left."""
        began = time.perf_counter()
        statuses = self._masks.fill_left()
        if self._masks.faults:
            self._lines.has_fault = True
        return statuses, time.perf_counter() - began

    def end(self, statuses: npt.NDArray[np.int8], seconds: float) -> None:
        """Note what was worked out while everything waited."""
        self._note(statuses)
        self._seconds = self._waited = seconds

    def wait(self) -> None:
        """Wait until all are there."""
        if self.future is not None:
            began = time.perf_counter()
            statuses, self._seconds = self.future.result()
            self._note(statuses)
            self._waited = time.perf_counter() - began
        for text in self._rows:
            if text.phase is not None:
                last = text.line if text.guesses is None else text.line + len(text.guesses.draft)
                for line in range(text.line, last + 1):
                    forbid(self._lines.mask, line, text.phase.ends)
            text.filled = self._known + self._seconds
            text.usage.mask_seconds += self._known + self._seconds
            text.usage.waited_seconds += self._known + self._waited

    def _note(self, statuses: npt.NDArray[np.int8]) -> None:
        """Say which guesses have masks; have the texts fail whose own mask could not be worked out."""
        at = 0
        for number, text in enumerate(self._rows):
            after = at + 1 + (0 if text.guesses is None else len(text.guesses.draft))
            fault = self._masks.faults.get(number)
            error = _error_of(statuses[at]) if fault is None else fault_of(fault, _NOT_FILLED)
            if error is not None:
                text.error = text.error or error
            elif after > at + 1 and text.guesses is not None:
                text.guesses.set_ready(statuses[at + 1 : after] <= RowStatus.FREE)
            at = after


class _RootMasks:
    """The masks of texts without drafts, as `DraftMasks` has them: those that are known have been written. It
    is made in 2 us and 0.5 us a text, where `DraftMasks` takes 25 us."""

    def __init__(
        self,
        matchers: Sequence[Matcher | None],
        mask: TokenMask,
        first: int,
        left_out: Sequence[bool] | None = None,
    ) -> None:
        self._matchers, self._mask, self._first = matchers, mask, first
        self.statuses: npt.NDArray[np.int8] = np.zeros(len(matchers), np.int8)
        self.left: list[int] = []
        self.faults: dict[int, Exception] = {}
        for i, matcher in enumerate(matchers):
            if left_out is not None and left_out[i]:
                continue
            if matcher is None:
                allow_all(mask, first + i)
            elif not matcher.fill_known(mask, first + i):
                self.left.append(i)

    def fill_left(self) -> npt.NDArray[np.int8]:
        """Work out and write what is left, on all cores. Where one machine fails in a way that has no status,
        each mask is worked out by itself, so that the failure is of its own text."""
        matchers, rows = [self._matchers[i] for i in self.left], [self._first + i for i in self.left]
        try:
            self.statuses[self.left] = fill_masks(matchers, self._mask, rows)
        except Exception:  # whatever a machine raises
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
    """Take tokens out of a row."""
    for token in tokens:
        mask.array[row, token // 32] &= ~(1 << token % 32) if token % 32 < 31 else 0x7FFFFFFF

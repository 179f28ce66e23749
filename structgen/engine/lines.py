"""The masks of the texts that are being written, a line each: known ones at once, the others by a thread."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from structgen.batch import RowStatus, fill_known, fill_masks
from structgen.engine.choice import Words
from structgen.engine.requests import fault_of
from structgen.engine.texts import Text
from structgen.errors import LimitError, StructgenError
from structgen.masks.mask import TokenMask, allocate_mask
from structgen.matcher import Matcher

_WorkedOut = tuple[list[StructgenError | None], float]
"""What went wrong with each line, and seconds."""


class Lines:
    """The masks of a batch. `Text.line` says which is a text's."""

    def __init__(self, rows: int, vocab_size: int) -> None:
        self.mask: TokenMask = allocate_mask(rows, vocab_size)
        self._filler: ThreadPoolExecutor | None = None
        self.has_fault = False
        """Whether a machine failed in a way that it does not foresee."""

    def of(self, rows: Sequence[Text]) -> Words:
        """Return the masks of texts [rows, words]; the same memory where none has gone."""
        # a text that went while the model ran has left its line behind
        lines = [text.line for text in rows]
        whole = lines == list(range(len(rows)))
        return self.mask.array[: len(rows)] if whole else self.mask.array[lines]

    def fill(self, rows: Sequence[Text]) -> None:
        """Write the masks of texts, now."""
        self.begin(rows, apart=False).wait()

    def begin(self, rows: Sequence[Text], *, apart: bool) -> Filling:
        """Write the masks that are known, and have the others worked out `apart`, meanwhile by a thread, or
        now."""
        filling = Filling(self, rows)
        if filling.unknown:
            # the thread gets the matchers of now: a text that is restarted meanwhile has another
            matchers = [rows[row].matcher for row in filling.unknown]
            if not apart:
                filling.end(*self._work_out(matchers, filling.unknown))
            else:
                if self._filler is None:
                    self._filler = ThreadPoolExecutor(1, "structgen-engine-masks")
                filling.future = self._filler.submit(self._work_out, matchers, filling.unknown)
        return filling

    def close(self, *, wait: bool = True) -> None:
        """Let go of the thread, once it is done or (without `wait`) at once; another is started when it is
        needed."""
        if self._filler is not None:
            self._filler.shutdown(wait=wait)
            self._filler = None

    def _work_out(self, matchers: Sequence[Matcher | None], unknown: list[int]) -> _WorkedOut:
        """Write masks to the lines `unknown`. Where one fails in a way that has no status, each is worked out
        by itself, so that the failure is of its own text."""
        began = time.perf_counter()
        failed: list[StructgenError | None]
        try:
            failed = [_error_of(what) for what in fill_masks(matchers, self.mask, unknown).tolist()]
        except Exception:  # whatever a machine raises
            self.has_fault = True
            failed = []
            for matcher, row in zip(matchers, unknown, strict=True):
                try:
                    failed += map(_error_of, fill_masks([matcher], self.mask, [row]).tolist())
                except Exception as error:
                    failed.append(fault_of(error, "The mask could not be filled"))
        return failed, time.perf_counter() - began


class Filling:
    """Masks that are being written; those that are known are there."""

    def __init__(self, lines: Lines, rows: Sequence[Text]) -> None:
        began = time.perf_counter()
        self._rows = rows
        self.future: Future[_WorkedOut] | None = None
        self.unknown = fill_known([text.matcher for text in rows], lines.mask)
        """The lines that are not there yet."""
        self._seconds = self._waited = 0.0
        for row, text in enumerate(rows):
            text.line = row
            if text.phase is not None:
                forbid(lines.mask, row, text.phase.ends)
        self._known = time.perf_counter() - began

    def end(self, failed: Sequence[StructgenError | None], seconds: float) -> None:
        """Note what was worked out while everything waited."""
        self._fail(failed)
        self._seconds = self._waited = seconds

    def wait(self) -> None:
        """Wait until all are there."""
        if self.future is not None:
            began = time.perf_counter()
            failed, self._seconds = self.future.result()
            self._fail(failed)
            self._waited = time.perf_counter() - began
        for text in self._rows:
            text.filled = self._known + self._seconds
            text.usage.mask_seconds += self._known + self._seconds
            text.usage.waited_seconds += self._known + self._waited

    def _fail(self, failed: Sequence[StructgenError | None]) -> None:
        """Have the texts fail whose masks could not be worked out."""
        for row, error in zip(self.unknown, failed, strict=True):
            if error is not None and self._rows[row].error is None:
                self._rows[row].error = error


def _error_of(status: int) -> StructgenError | None:
    if status != RowStatus.LIMIT:
        return None
    return LimitError("A limit was met while the mask was filled.", limit="parser_states", where="grammar")


def forbid(mask: TokenMask, row: int, tokens: Sequence[int]) -> None:
    """Take tokens out of a row."""
    for token in tokens:
        mask.array[row, token // 32] &= ~(1 << token % 32) if token % 32 < 31 else 0x7FFFFFFF

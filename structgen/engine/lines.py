"""The masks of the texts that are being written, a line each: known ones at once, the others by a thread."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from structgen.batch import RowStatus, allow_all, fill_draft, fill_masks
from structgen.engine.choice import Words
from structgen.engine.guesses import Guesses
from structgen.engine.requests import fault_of
from structgen.engine.texts import Text
from structgen.errors import LimitError, StructgenError
from structgen.masks.mask import TokenMask, allocate_mask
from structgen.matcher import Matcher
from structgen.speculation.draft import NO_DRAFT, Draft

_WorkedOut = tuple[list[Sequence[int] | StructgenError], float]
"""For each job what became of its masks (a `RowStatus` each), or its error; and seconds."""


@dataclass(frozen=True, slots=True)
class _Job:
    """Masks of one text that are not there yet: behind its last token, and behind each guess."""

    text: Text
    matcher: Matcher | None
    """That of when the job was made: a text that is restarted meanwhile has another."""
    draft: Draft
    line: int


class Lines:
    """The masks of a batch: those of a text stand one after the other, from `Text.line` on."""

    def __init__(self, rows: int, vocab_size: int) -> None:
        self.mask: TokenMask = allocate_mask(rows, vocab_size)
        self._used = 0
        """The lines that texts have."""
        self._filler: ThreadPoolExecutor | None = None
        self.has_fault = False
        """Whether a machine failed in a way that it does not foresee."""

    def of(self, rows: Sequence[Text]) -> Words:
        """Return the masks of texts [rows, words]; the same memory where they stand one after the other."""
        # a text that went while the model ran has left its line behind
        lines = [text.line for text in rows]
        if lines == list(range(lines[0], lines[0] + len(lines))):
            return self.mask.array[lines[0] : lines[0] + len(lines)]
        return self.mask.array[lines]

    def fill(self, rows: Sequence[Text]) -> None:
        """Write the masks behind the last tokens of texts that came, now, behind those that are there."""
        self._filling(rows, [NO_DRAFT] * len(rows), apart=False).wait()

    def begin(self, rows: Sequence[Text], drafts: Sequence[Draft], *, apart: bool) -> Filling:
        """Write the masks that are known, and have the others worked out `apart`, meanwhile by a thread, or
        now. A text stands at the root of its draft then; where no text has one, there are no `Guesses`."""
        self._used = 0
        return self._filling(rows, drafts, apart=apart)

    def _filling(self, rows: Sequence[Text], drafts: Sequence[Draft], *, apart: bool) -> Filling:
        first, self._used = self._used, self._used + len(rows) + sum(map(len, drafts))
        if self._used > len(self.mask.array):
            wider = allocate_mask(2 * self._used, self.mask.vocab_size)
            wider.array[:first] = self.mask.array[:first]
            self.mask = wider
        filling = Filling(self, rows, drafts, first)
        if filling.jobs:
            if not apart:
                filling.end(*self._work_out(filling.jobs))
            else:
                if self._filler is None:
                    self._filler = ThreadPoolExecutor(1, "structgen-engine-masks")
                filling.future = self._filler.submit(self._work_out, filling.jobs)
        return filling

    def close(self, *, wait: bool = True) -> None:
        """Let go of the thread, once it is done or (without `wait`) at once; another is started when it is
        needed."""
        if self._filler is not None:
            self._filler.shutdown(wait=wait)
            self._filler = None

    def _work_out(self, jobs: Sequence[_Job]) -> _WorkedOut:
        """Write masks. Where one fails in a way that has no status, the failure is of its own text."""
        began = time.perf_counter()
        found: list[Sequence[int] | StructgenError] = []
        for job in jobs:
            try:
                found.append(self._worked_out(job))
            except Exception as error:  # whatever a machine raises
                self.has_fault = True
                found.append(fault_of(error, "The mask could not be filled"))
        return found, time.perf_counter() - began

    def _worked_out(self, job: _Job) -> Sequence[int]:
        lines = range(job.line, job.line + 1 + len(job.draft))
        if job.matcher is None:
            for line in lines:
                allow_all(self.mask, line)
            return [RowStatus.FREE] * len(lines)
        if not len(job.draft):
            return [int(fill_masks([job.matcher], self.mask, [job.line])[0])]
        tokens, parents = job.draft.tokens.tolist(), job.draft.parents.tolist()
        found: list[int] = fill_draft(job.matcher, tokens, parents, self.mask, lines).tolist()
        return found


class Filling:
    """Masks that are being written; those that are known are there."""

    def __init__(self, lines: Lines, rows: Sequence[Text], drafts: Sequence[Draft], first: int) -> None:
        began = time.perf_counter()
        self._rows, self._lines = rows, lines
        self.future: Future[_WorkedOut] | None = None
        self.jobs: list[_Job] = []
        """What is not there yet."""
        self._seconds = self._waited = 0.0
        has_guesses, line = any(map(len, drafts)), first
        for text, draft in zip(rows, drafts, strict=True):
            text.line = line
            text.guesses = Guesses(draft, line, text.matcher, text.phase) if has_guesses else None
            if len(draft):
                self.jobs.append(_Job(text, text.matcher, draft, line))
            elif text.matcher is None:
                allow_all(lines.mask, line)
            elif not text.matcher.fill_known(lines.mask, line):
                self.jobs.append(_Job(text, text.matcher, draft, line))
            line += 1 + len(draft)
        self._known = time.perf_counter() - began

    def end(self, found: Sequence[Sequence[int] | StructgenError], seconds: float) -> None:
        """Note what was worked out while everything waited."""
        self._note(found)
        self._seconds = self._waited = seconds

    def wait(self) -> None:
        """Wait until all are there."""
        if self.future is not None:
            began = time.perf_counter()
            found, self._seconds = self.future.result()
            self._note(found)
            self._waited = time.perf_counter() - began
        for text in self._rows:
            if text.phase is not None:
                last = text.line if text.guesses is None else text.line + len(text.guesses.draft)
                for line in range(text.line, last + 1):
                    forbid(self._lines.mask, line, text.phase.ends)
            text.filled = self._known + self._seconds
            text.usage.mask_seconds += self._known + self._seconds
            text.usage.waited_seconds += self._known + self._waited

    def _note(self, found: Sequence[Sequence[int] | StructgenError]) -> None:
        """Say which guesses have masks; have the texts fail whose own mask could not be worked out."""
        for job, status in zip(self.jobs, found, strict=True):
            error = status if isinstance(status, StructgenError) else _error_of(status[0])
            if error is not None:
                job.text.error = job.text.error or error
            elif job.text.guesses is not None and not isinstance(status, StructgenError):
                job.text.guesses.set_ready([one <= RowStatus.FREE for one in status[1:]])


def _error_of(status: int) -> StructgenError | None:
    if status != RowStatus.LIMIT:
        return None
    return LimitError("A limit was met while the mask was filled.", limit="parser_states", where="grammar")


def forbid(mask: TokenMask, row: int, tokens: Sequence[int]) -> None:
    """Take tokens out of a row."""
    for token in tokens:
        mask.array[row, token // 32] &= ~(1 << token % 32) if token % 32 < 31 else 0x7FFFFFFF

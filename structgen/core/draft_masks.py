"""The masks of draft trees: of all nodes of all requests in one call. The failure of one row never stops the
others.

One compiled call walks the drafts of all requests and copies the known masks.
The other masks are left to `DraftMasks.fill_left`, which an engine calls in a thread while the model runs.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from structgen.core.batch import RowStatus, _spread, check_rows, written
from structgen.errors import OptionError
from structgen.machine_core import draft_nodes as D
from structgen.machine_core.draft_batch import DraftBatch, Ints, Job, narrow

if TYPE_CHECKING:
    from structgen.core.matcher import Matcher
    from structgen.tokens.token_mask import TokenMask


class DraftMasks:
    """The masks of draft trees. The known ones are written when this is made.

    A place is the root of a draft or one of its nodes; they are counted in this order, one draft after the
    other. An engine makes this before the model runs, and calls `fill_left` meanwhile.
    """

    __slots__ = ("_batch", "_left", "_mask", "_matchers", "_rows", "faults")

    def __init__(
        self,
        matchers: Sequence[Matcher | None],
        tokens: Ints,
        parents: Ints,
        counts: Sequence[int],
        mask: TokenMask,
        rows: Ints | None = None,
    ) -> None:
        """As `fill_drafts`, but unknown masks are left. No lock is waited for: the drafts of a grammar in
        which another thread works are left too."""
        if len(counts) != len(matchers):
            raise OptionError(
                f"{len(counts)} drafts for {len(matchers)} matchers.",
                where="counts",
                cure="Give the number of nodes of each matcher's draft, which may be 0.",
            )
        self._matchers, self._mask = matchers, mask
        self.faults: dict[int, Exception] = {}
        """Draft -> an error that has no status. The rows of the draft that were left are then all 0."""
        for matcher in matchers:
            if matcher is not None:
                matcher.compiled.check_mask(mask)
        self._rows = held = _rows_of(mask, len(tokens) + len(counts), rows)
        where = 0 if held is None else held.buffer_info()[0]
        self._batch = DraftBatch(tokens, parents, counts, (where, mask.address, mask.words, mask.vocab_size))
        self._left = self._fill_known()

    @property
    def statuses(self) -> npt.NDArray[np.int8]:
        """[places]: a `RowStatus`, or -1 where the mask is left to `fill_left`."""
        return np.frombuffer(self._batch.statuses, np.int8)

    @property
    def states(self) -> npt.NDArray[np.int32]:
        """[places]: the number of the state in its matcher's grammar; below 0 where there is none, or it is
        left."""
        return np.frombuffer(self._batch.states, np.int32)

    @property
    def left(self) -> list[int]:
        """The drafts (by number) that have masks which are left."""
        if not self._left:
            return []
        return [draft for draft in range(len(self._matchers)) if self._batch.is_left(draft)]

    def fill_left(self) -> npt.NDArray[np.int8]:
        """Work out and write the masks that are left, on all cores, without the interpreter lock; return the
        statuses.

        The matchers must not be used meanwhile. Errors without a status are in `faults` afterwards.
        """
        if not self._left:
            return self.statuses
        # drafts of one grammar share a lock, so one thread takes them all
        groups: dict[int, list[int]] = {}
        for draft in self.left:
            matcher = self._matchers[draft]
            assert matcher is not None, "masks of free texts are always known"
            groups.setdefault(id(matcher.compiled.lock), []).append(draft)

        def work(group: int) -> None:
            for draft in groups[group]:
                self._fill_draft(draft)

        _spread(work, list(groups))
        self._left = 0
        return self.statuses

    def _fill_known(self) -> int:
        """Write the masks that are known; return how many places are left, at least."""
        batch, left = self._batch, 0
        jobs: list[Job] = []
        locks: dict[int, bool] = {}
        held = []
        try:
            for i, matcher in enumerate(self._matchers):
                if matcher is None:
                    jobs.append(self._job(i, 0, 0))
                    continue
                lock = matcher.compiled.lock
                is_ours = locks.get(id(lock))
                if is_ours is None:
                    # a thread that holds one lock must not wait for another of the same rank (`fork_locks`)
                    locks[id(lock)] = is_ours = lock.acquire(blocking=False)
                    if is_ours:
                        held.append(lock)
                if is_ours:
                    jobs.append(self._job(i, matcher.compiled.address, matcher.state_index))
                else:
                    left += 1
            left += batch.run(jobs)
        finally:
            for lock in held:
                lock.release()
        return left

    def _job(self, draft: int, address: int, state: int) -> Job:
        """Return what compiled code is told of a draft. `address`: of its grammar's block, 0: the text is
        free."""
        batch = self._batch
        return address, state, batch.nodes[draft], batch.places[draft], batch.counts[draft]

    def _fill_draft(self, draft: int) -> None:
        """Work out the masks of one draft that are left; where a limit is met, once more in a grammar
        compiled anew."""
        matcher, batch = self._matchers[draft], self._batch
        assert matcher is not None, "masks of free texts are always known"
        first, last = batch.places[draft], batch.places[draft + 1]
        try:
            self._work_out(draft, matcher)
            if RowStatus.LIMIT in batch.statuses[first:last] and matcher.renew():
                for place in range(first, last):
                    batch.states[place], batch.statuses[place] = D.NOT_YET, D.ROW_LEFT
                self._work_out(draft, matcher)
        except Exception as error:  # whatever a machine raises: the other drafts go on
            self.faults[draft] = error
            for place in range(first, last):
                if batch.statuses[place] == D.ROW_LEFT:
                    self._close(place, RowStatus.LIMIT)

    def _work_out(self, draft: int, matcher: Matcher) -> None:
        batch, compiled = self._batch, matcher.compiled
        first, last = batch.places[draft], batch.places[draft + 1]
        if batch.states[first] == D.NOT_YET:
            # another thread was in the grammar, or it was compiled anew
            with compiled.lock:
                batch.run((self._job(draft, compiled.address, matcher.state_index),))
        compiled.read_left(batch, draft)
        for place in range(first, last):
            if batch.statuses[place] != D.ROW_LEFT:
                continue
            state = batch.states[place]
            if state < 0:
                self._close(place, RowStatus.REFUSED if state == -1 else RowStatus.LIMIT)
                continue
            row = self._row(place)
            fill = partial(compiled.fill_index, state, self._mask, row)
            batch.statuses[place] = written(fill, self._mask, row)

    def _row(self, place: int) -> int:
        return place if self._rows is None else self._rows[place]

    def _close(self, place: int, status: RowStatus) -> None:
        """Allow nothing in the row of a place."""
        self._mask.array[self._row(place)] = 0
        self._batch.statuses[place] = status


def fill_drafts(
    matchers: Sequence[Matcher | None],
    tokens: Ints,
    parents: Ints,
    counts: Sequence[int],
    mask: TokenMask,
    rows: Ints | None = None,
) -> npt.NDArray[np.int8]:
    """Return a `RowStatus` for each place of many draft trees, after the masks of all were written.

    Draft i stands behind the state of matchers[i] (None: every token is allowed everywhere) and has counts[i]
    nodes. `tokens` and `parents` (int32 arrays are not copied twice) have the nodes of all drafts one after
    another; a parent is a node of the same draft, -1 its root, and comes before its children. The places of a
    draft are its root and its nodes, in this order; place p of all is written to row rows[p] (default p).

    A node whose token is not allowed after its parent, or whose parent is dead, is dead: REFUSED, its row all
    0. After an end token: FINISHED, all 0. The matchers are unchanged, but one that met a limit may have gone
    on in a grammar compiled anew (`Matcher.renew`). Raises OptionError and MaskError before anything is
    written; errors without a status are raised at the end.

    Cost: 10 us, and 0.5 us a node with a known mask; unknown masks are worked out on all cores.
    """
    masks = DraftMasks(matchers, tokens, parents, counts, mask, rows)
    statuses = masks.fill_left()
    for error in masks.faults.values():
        raise error
    return statuses


def fill_draft(
    matcher: Matcher,
    token_ids: Sequence[int],
    parents: Sequence[int],
    mask: TokenMask,
    rows: Sequence[int] | None = None,
) -> npt.NDArray[np.int8]:
    """Return a `RowStatus` for each of the n + 1 nodes of a draft tree, after their masks were written.

    Row 0 is the root, the matcher's own state; node i (row i + 1) is token_ids[i] after node parents[i] (-1:
    the root; parents come first). The rest is as `fill_drafts` says, for one draft.
    """
    return fill_drafts((matcher,), token_ids, parents, (len(token_ids),), mask, rows)


def _rows_of(mask: TokenMask, count: int, rows: Ints | None) -> array[int] | None:
    """Return the rows of places, None where they are 0, 1, ...; raises OptionError, MaskError."""
    if rows is None:
        if count:
            mask.row(count - 1)
        return None
    given = narrow(rows, "rows")
    check_rows(mask, count, given, "places")
    return given

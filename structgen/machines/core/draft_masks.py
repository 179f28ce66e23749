"""The masks of draft trees: of all nodes of all requests in one call. The failure of one row never stops the
others.

One compiled call walks the drafts of all requests and copies the known masks.
The other masks are left to `DraftMasks.fill_left`, which an engine calls in a thread while the model runs.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from structgen.base.errors import LimitError, OptionError, StructgenError
from structgen.base.native.addresses import address_of_items
from structgen.machines.core.batch import RowStatus, _spread_work, check_rows, under_locks, write_row
from structgen.machines.machine_core import draft_nodes as D
from structgen.machines.machine_core.layout import REFUSED

if TYPE_CHECKING:
    from structgen.machines.core.compiled import CompiledGrammar
    from structgen.machines.core.matcher import Matcher
    from structgen.tokens.token_mask import TokenMask

_MAX_INT32: Final = int(np.iinfo(np.int32).max)
_UNREAD = array("i", (D.NOT_YET,))
"""The state of a place that was not looked at."""
_UNWRITTEN = array("b", (D.ROW_LEFT,))
"""The status of a place whose mask was not written."""

Ints = Sequence[int] | npt.NDArray[np.integer]
Job = tuple[int, int, int, int, int]
"""A draft as compiled code reads it: the words of `machine_core.draft_nodes.Job`."""


class DraftMasks:
    """The masks of draft trees. The known ones are written when this is made.

    A place is the root of a draft or one of its nodes; they are counted in this order, one draft after the
    other. Draft i begins at `_nodes[i]` among the nodes, at `_places[i]` among the places. An engine makes
    this before the model runs, and calls `fill_left` meanwhile.

    The arrays are Python's own: nothing of them is in the processor's caches then, and numpy's many ways to
    do one thing cost ten times as much as what they do.
    """

    def __init__(
        self,
        matchers: Sequence[Matcher | None],
        tokens: Ints,
        parents: Ints,
        counts: Sequence[int],
        mask: TokenMask,
        rows: Ints | None = None,
    ) -> None:
        """Write the known masks of draft trees (`fill_drafts` says what the arguments are). No lock is
        waited for: the drafts of a grammar in which another thread works are left."""
        if len(counts) != len(matchers):
            raise OptionError(
                f"{len(counts)} drafts for {len(matchers)} matchers.",
                where="counts",
                cure="Give the number of nodes of each matcher's draft, which may be 0.",
            )
        self._matchers = matchers
        self._mask = mask
        self.faults: dict[int, Exception] = {}
        """Draft -> an error that has no status. The rows of the draft that were left are then all 0."""
        for matcher in matchers:
            if matcher is not None:
                matcher.compiled.check_mask(mask)
        self._rows = row_numbers = _rows_of(mask, len(tokens) + len(counts), rows)
        self._lay_out(tokens, parents, counts)
        # the fields of `machine_core.draft_nodes.Batch`, in their order
        rows_address = 0 if row_numbers is None else address_of_items(row_numbers)
        arrays = map(address_of_items, (self._tokens, self._parents, self._states, self._statuses))
        self._words = (*arrays, rows_address, mask.address, mask.words, mask.vocab_size)
        self._left_drafts = self._fill_known()

    def _lay_out(self, tokens: Ints, parents: Ints, counts: Sequence[int]) -> None:
        """Make the arrays. Raises OptionError where these are no trees. Cost: some 3 us."""
        self._counts = counts
        self._nodes = nodes = [0]
        self._places = places = [0]
        node_count = place_count = 0
        for count in counts:
            node_count += count
            place_count += count + 1  # the root is a place, and no node
            nodes.append(node_count)
            places.append(place_count)
        if len(tokens) != node_count or len(parents) != node_count or min(counts, default=0) < 0:
            raise OptionError(
                f"{len(tokens)} tokens and {len(parents)} parents for {node_count} nodes, "
                f"{list(counts)} by draft.",
                where="parents",
                cure="Give one token and one parent for each node, and for each draft how many it has.",
            )
        self._tokens = _as_int32(tokens, "tokens")
        self._parents = _as_int32(parents, "parents")
        self._states = _UNREAD * place_count
        self._statuses = _UNWRITTEN * place_count
        sizes = array("i", counts)
        wrong_node = D.find_misplaced(address_of_items(self._parents), address_of_items(sizes), len(counts))
        if wrong_node >= 0:
            draft = next(i for i in range(len(counts)) if wrong_node < nodes[i + 1])
            raise OptionError(
                f"The parent of node {wrong_node - nodes[draft]} is {self._parents[wrong_node]}.",
                where="parents" if len(counts) == 1 else f"parents of draft {draft}",
                cure="Parents come before their children; -1 is the root.",
            )

    @property
    def statuses(self) -> npt.NDArray[np.int8]:
        """[places]: a `RowStatus`, or -1 where the mask is left to `fill_left`."""
        return np.frombuffer(self._statuses, np.int8)

    @property
    def states(self) -> npt.NDArray[np.int32]:
        """[places]: the number of the state in its matcher's grammar; below 0 where there is none, or it is
        left."""
        return np.frombuffer(self._states, np.int32)

    @property
    def left(self) -> list[int]:
        """The drafts (by number) that have masks which are left."""
        if not self._left_drafts:
            return []
        bounds = zip(self._places, self._places[1:], strict=False)
        return [
            draft for draft, (first, last) in enumerate(bounds) if D.ROW_LEFT in self._statuses[first:last]
        ]

    def fill_left(self) -> npt.NDArray[np.int8]:
        """Work out and write the masks that are left, on all cores, without the interpreter lock; return the
        statuses.

        The matchers must not be used meanwhile. Errors without a status are in `faults` afterwards.
        """
        if not self._left_drafts:
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

        _spread_work(work, list(groups))
        self._left_drafts = 0
        return self.statuses

    def _fill_known(self) -> int:
        """Write the masks that are known; return how many places are left, at least."""

        def fill_places(locks: set[Any]) -> int:
            left_count = 0
            jobs = list[Job]()
            for i, matcher in enumerate(self._matchers):
                if matcher is None:
                    jobs.append(self._make_job(i, 0, 0))
                elif matcher.compiled.lock in locks:
                    jobs.append(self._make_job(i, matcher.compiled.address, matcher.state_index))
                else:
                    left_count += 1
            return left_count + self._run_jobs(jobs)

        return under_locks(
            (matcher.compiled for matcher in self._matchers if matcher is not None), fill_places
        )

    def _make_job(self, draft: int, address: int, state: int) -> Job:
        """Return the words of a draft for compiled code. `address`: of its grammar's block, 0: the text is
        free."""
        return address, state, self._nodes[draft], self._places[draft], self._counts[draft]

    def _run_jobs(self, jobs: Sequence[Job]) -> int:
        """Find the known states and masks of some drafts in compiled code; return how many of their places
        are left. Under the locks of their grammars."""
        # one array: the words of the batch, then the words of each draft
        words = array("q", self._words)
        for job in jobs:
            words.extend(job)
        address = address_of_items(words)
        return D.walk_drafts(address, address + 8 * D.BATCH_WORDS, len(jobs))

    def _fill_draft(self, draft: int) -> None:
        """Work out the masks of one draft that are left; where a limit is met, once more in a grammar
        compiled anew."""
        matcher = self._matchers[draft]
        statuses = self._statuses
        assert matcher is not None, "masks of free texts are always known"
        first, last = self._places[draft], self._places[draft + 1]
        try:
            self._work_out(draft, matcher)
            if RowStatus.LIMIT in statuses[first:last] and matcher.renew():
                # The numbers of states are those of the old grammar: all places are worked out again.
                for place in range(first, last):
                    self._states[place] = D.NOT_YET
                    statuses[place] = D.ROW_LEFT
                self._work_out(draft, matcher)
        except Exception as error:  # whatever a machine raises: the other drafts go on
            self.faults[draft] = error
            for place in range(first, last):
                if statuses[place] == D.ROW_LEFT:
                    self._close_row(place, RowStatus.LIMIT)

    def _work_out(self, draft: int, matcher: Matcher) -> None:
        """Find the states of one draft that are left, and write its masks that are left."""
        compiled = matcher.compiled
        states = self._states
        statuses = self._statuses
        first, last = self._places[draft], self._places[draft + 1]
        if states[first] == D.NOT_YET:
            # another thread was in the grammar, or it was compiled anew
            with compiled.lock:
                self._run_jobs((self._make_job(draft, compiled.address, matcher.state_index),))
        # A parent comes before its children, so its state is there. Parent -1 is the root, at `first`.
        for node, place in enumerate(range(first + 1, last), self._nodes[draft]):
            if states[place] == D.NOT_YET:
                parent_place = first + 1 + self._parents[node]
                states[place] = _state_after(compiled, states[parent_place], self._tokens[node])
        for place in range(first, last):
            if statuses[place] != D.ROW_LEFT:
                continue
            state = states[place]
            if state < 0:
                self._close_row(place, RowStatus.REFUSED if state == -1 else RowStatus.LIMIT)
                continue
            row = self._row_of(place)
            fill = partial(compiled.fill_index, state, self._mask, row)
            statuses[place] = write_row(fill, self._mask, row)

    def _row_of(self, place: int) -> int:
        return place if self._rows is None else self._rows[place]

    def _close_row(self, place: int, status: RowStatus) -> None:
        """Allow nothing in the row of a place."""
        self._mask.array[self._row_of(place)] = 0
        self._statuses[place] = status


def _state_after(compiled: CompiledGrammar, state: int, token: int) -> int:
    """Return the state after a token that follows a state, by their numbers, or a code: REFUSED, LIMITED."""
    try:
        return compiled.next_index(state, token) if state >= 0 else REFUSED
    except LimitError:
        return D.LIMITED
    except StructgenError:
        return REFUSED


def fill_drafts(
    matchers: Sequence[Matcher | None],
    tokens: Ints,
    parents: Ints,
    counts: Sequence[int],
    mask: TokenMask,
    rows: Ints | None = None,
) -> npt.NDArray[np.int8]:
    """Return a `RowStatus` for each place of many draft trees, after the masks of all were written.

    Draft i stands after the state of matchers[i] (None: every token is allowed everywhere) and has counts[i]
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
    row_numbers = _as_int32(rows, "rows")
    check_rows(mask, count, row_numbers, "places")
    return row_numbers


def _as_int32(values: Ints, where: str) -> array[int]:
    """Return integers as an array of int32; those that are too large, or far below 0, are replaced by others
    that are no token and no parent either. Raises OptionError where there is anything else; `where`: what
    they are."""
    items = values.tolist() if isinstance(values, np.ndarray) else values
    try:
        return array("i", items)
    except OverflowError:
        # -2 and the largest int32 are refused later, of their nodes alone.
        return array("i", [min(max(value, -2), _MAX_INT32) for value in items])
    except TypeError as error:
        raise OptionError(f"{error}.", where=where, cure="Give a list or a row of integers.") from None

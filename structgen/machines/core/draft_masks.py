"""`fill_drafts` writes the masks of the draft trees of many requests in one call.

- A *draft* is a tree of guessed tokens after the state of a matcher. A *node* is one guessed token.
- A *place* is the root of a draft (the matcher's state) or one of its nodes; each place gets a mask.
- A place is *left* while its mask is not written; a draft is left while one of its places is.
- A *fault* is an error that has no `RowStatus`. The failure of one row never stops the others.

For example, two drafts of 2 and 0 nodes have four places: root, node, node; root.

`DraftMasks` makes one compiled call that walks all drafts and copies the known masks. `fill_left` works out
the other masks; an engine calls it in a thread while the model runs.
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
from structgen.base.native.array_types import Int8Array, Int32Array
from structgen.machines.core.batch import RowStatus, _spread_work, check_rows, under_locks, write_row
from structgen.machines.machine_core import draft_nodes as D
from structgen.machines.machine_core.layout import REFUSED

if TYPE_CHECKING:
    from structgen.machines.core.compiled import CompiledGrammar
    from structgen.machines.core.matcher import Matcher
    from structgen.tokens.token_mask import TokenMask

_MAX_INT32: Final = int(np.iinfo(np.int32).max)
_UNREAD = array("i", (D.NOT_YET,))
"""The state of a place before it is looked at, as an array of one item that is repeated."""
_UNWRITTEN = array("b", (D.ROW_LEFT,))
"""The status of a place before its mask is written, as an array of one item that is repeated."""

Ints = Sequence[int] | npt.NDArray[np.integer]
Job = tuple[int, int, int, int, int]
"""A draft as compiled code reads it: the words of `draft_nodes.Job` (context, state, node, place, count)."""


class DraftMasks:
    """The masks of the draft trees of one step. The constructor writes the known masks.

    Places are counted draft by draft, the root before the nodes. Draft i begins at `_nodes[i]` among all
    nodes, and at `_places[i]` among all places. An engine makes this object before the model runs, and calls
    `fill_left` while it runs.

    The arrays are `array.array`, not numpy's: at this size numpy's calls cost ten times as much as the work.
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
        """Write the known masks of draft trees. The parameters are those of `fill_drafts`.

        No lock is waited for: the drafts of a grammar in which another thread works are left.
        """
        if len(counts) != len(matchers):
            raise OptionError(
                f"{len(counts)} drafts do not fit {len(matchers)} matchers.",
                where="counts",
                cure="Pass the number of nodes of each matcher's draft, which may be 0.",
            )
        self._matchers = matchers
        self._mask = mask
        self.faults: dict[int, Exception] = {}
        """The number of a draft -> its fault. The rows of the draft that were left are then all 0."""
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
        """Make the arrays. Raises OptionError where the arguments do not describe trees. Cost: about 3 us."""
        self._counts = counts
        self._nodes = nodes = [0]
        self._places = places = [0]
        node_count = place_count = 0
        for count in counts:
            node_count += count
            place_count += count + 1  # the root is a place, but not a node
            nodes.append(node_count)
            places.append(place_count)
        if len(tokens) != node_count or len(parents) != node_count or min(counts, default=0) < 0:
            raise OptionError(
                f"{len(tokens)} tokens and {len(parents)} parents do not fit {node_count} nodes, "
                f"{list(counts)} by draft.",
                where="parents",
                cure="Pass one token and one parent for each node, and for each draft the number "
                "of its nodes.",
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
                cure="Parents precede their children; -1 is the root.",
            )

    @property
    def statuses(self) -> Int8Array:
        """[places]: a `RowStatus`, or -1 where the mask is left to `fill_left`."""
        return np.frombuffer(self._statuses, np.int8)

    @property
    def states(self) -> Int32Array:
        """For each place the number of its state in its matcher's grammar; below 0: it has none, or it is not
        known yet."""
        return np.frombuffer(self._states, np.int32)

    @property
    def left(self) -> list[int]:
        """The numbers of the drafts that have a mask still to be written."""
        if not self._left_drafts:
            return []
        bounds = zip(self._places, self._places[1:], strict=False)
        return [
            draft for draft, (first, last) in enumerate(bounds) if D.ROW_LEFT in self._statuses[first:last]
        ]

    def fill_left(self) -> Int8Array:
        """Work out and write the masks that are left; return the statuses of all places.

        The work runs on all cores, without the interpreter lock. The matchers must not be used meanwhile.
        Errors without a status are in `faults` afterwards.
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
            """Work out the masks of the drafts of one group."""
            for draft in groups[group]:
                self._fill_draft(draft)

        _spread_work(work, list(groups))
        self._left_drafts = 0
        return self.statuses

    def _fill_known(self) -> int:
        """Write the known masks. Returns 0 where nothing is left, else at most the number of places left."""

        def fill_places(locks: set[Any]) -> int:
            """Write the known masks of the drafts whose grammar's lock is in `locks`."""
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
        """Return the words of a draft for compiled code. `address`: that of its grammar's block; 0: any text
        is allowed. `state`: the state of the root."""
        return address, state, self._nodes[draft], self._places[draft], self._counts[draft]

    def _run_jobs(self, jobs: Sequence[Job]) -> int:
        """Find the known states and masks of some drafts in compiled code; return how many places are left.

        The caller holds the locks of their grammars.
        """
        # one array: the words of the batch, then the words of each draft
        words = array("q", self._words)
        for job in jobs:
            words.extend(job)
        address = address_of_items(words)
        # eight bytes a word: the jobs begin after the batch
        return D.walk_drafts(address, address + 8 * D.BATCH_WORDS, len(jobs))

    def _fill_draft(self, draft: int) -> None:
        """Work out the masks of one draft that are left.

        Where a limit is met, the grammar is compiled anew, and all masks of the draft are worked out again.
        """
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
        """Find the states of one draft that are not known, and write its masks that are left."""
        compiled = matcher.compiled
        states = self._states
        statuses = self._statuses
        first, last = self._places[draft], self._places[draft + 1]
        if states[first] == D.NOT_YET:
            # another thread was in the grammar, or it was compiled anew
            with compiled.lock:
                self._run_jobs((self._make_job(draft, compiled.address, matcher.state_index),))
        # A parent comes before its children, so its state is known. Parent -1 is the root, at `first`.
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
        """Return the row of the mask for a place."""
        return place if self._rows is None else self._rows[place]

    def _close_row(self, place: int, status: RowStatus) -> None:
        """Write the row of a place as all 0, and its status."""
        self._mask.array[self._row_of(place)] = 0
        self._statuses[place] = status


def _state_after(compiled: CompiledGrammar, state: int, token: int) -> int:
    """Return the state after a token, or a code below 0: REFUSED, LIMITED. `state` may be a code."""
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
) -> Int8Array:
    """Write the masks of many draft trees; return a `RowStatus` for each place.

    Draft i begins in the state of matchers[i] (None: every token is allowed everywhere) and has counts[i]
    nodes. `tokens` and `parents` have one number for each node, one draft after another. A parent is the
    number of a node within the same draft, before its children; -1: the root. `mask` is written: place p,
    counted over all drafts, to row rows[p]; by default to row p.

    For example, the tree root -> a -> b, root -> c has the tokens a, b, c and the parents -1, 0, -1.

    A node is REFUSED, and its row all 0, if its token is not allowed or its parent is refused. After an end
    token the status is FINISHED, and the row all 0. The matchers keep their states, but one that met a limit
    may go on in a grammar compiled anew (`Matcher.renew`). Raises OptionError and MaskError before anything
    is written. Errors without a status are raised at the end, the first of them.

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
) -> Int8Array:
    """Write the masks of one draft tree of n nodes; return a `RowStatus` for each of its n + 1 places.

    Row 0 is the root, the matcher's own state. Row i + 1 is node i: token_ids[i] after node parents[i]; -1:
    after the root. Parents come before their children. All else is as in `fill_drafts`, for one draft.
    """
    return fill_drafts((matcher,), token_ids, parents, (len(token_ids),), mask, rows)


def _rows_of(mask: TokenMask, count: int, rows: Ints | None) -> array[int] | None:
    """Return the rows of `count` places; None: they are 0, 1, ... Raises OptionError and MaskError."""
    if rows is None:
        if count:
            mask.row(count - 1)
        return None
    row_numbers = _as_int32(rows, "rows")
    check_rows(mask, count, row_numbers, "places")
    return row_numbers


def _as_int32(values: Ints, where: str) -> array[int]:
    """Return integers as an array of int32. `where`: the name of the argument, for an error.

    Integers outside of int32 become -2 or the largest int32, which are neither tokens nor parents. Raises
    OptionError where an item is not an integer.
    """
    items = values.tolist() if isinstance(values, np.ndarray) else values
    try:
        return array("i", items)
    except OverflowError:
        # Only the nodes with these numbers are refused later.
        return array("i", [min(max(value, -2), _MAX_INT32) for value in items])
    except TypeError as error:
        raise OptionError(f"{error}.", where=where, cure="Pass a list or a row of integers.") from None

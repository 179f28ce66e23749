"""The masks of a stored Lark grammar, read from its file on demand.

A mask is a dense row of the mask store and a list of tokens. The file stores the lists of states with the
same row together, in *groups* of bounded size. A group's checksum is looked at when the first of its masks is
needed, and then all of them are known. Opening a large grammar reads none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.compiled.lark_masks import put_masks
from structgen.lark_grammars.kept.state_snapshot import StateSnapshot
from structgen.machine_core.growing_tables import ADDRESS, LISTS, GrowingTables
from structgen.native.array_file import Later
from structgen.native.checksums import checksum, checksum_at
from structgen.native.raw_memory import address_of
from structgen.store.mask_store import VocabularyStore

_ROW, _LIST = K.LarkNode.dense_row, K.LarkNode.token_list
_GROUP = 1 << 14
"""Words (int32) of lists at which a group is full."""


class Groups(NamedTuple):
    """Which states have masks in a file, and where the masks are."""

    group_of: npt.NDArray[np.int32]
    """The group of each state; -1: its mask is not in the file."""
    states: npt.NDArray[np.int64]
    """The states with masks, group by group."""
    offsets: npt.NDArray[np.int64]
    """The position of each state's list."""
    bounds: npt.NDArray[np.int64]
    """[groups, 5]: the number of the dense row in the file, or -1; the first state and the one after the
    last; the first word of the lists and the one after the last."""
    sums: npt.NDArray[np.int64]
    """Checksums of the lists."""


def grouped(snapshot: StateSnapshot, rows: Mapping[int, int]) -> tuple[StateSnapshot, Groups]:
    """Return a snapshot without masks but with the lists of its groups, and the groups. `rows`: the number in
    the file of each dense row. Cost: 1 us a state."""
    masked = np.flatnonzero(snapshot.nodes[:, _LIST] >= 0)
    # sorted so that states with equal lists are adjacent, and share one copy in their group
    masked = masked[np.lexsort((snapshot.nodes[masked, _LIST], snapshot.nodes[masked, _ROW]))]
    parts: list[bytes] = []
    offsets: list[int] = []
    bounds: list[list[int]] = []
    places: dict[bytes, int] = {}
    before, used = -2, 0
    for at, (row, start) in enumerate(snapshot.nodes[masked][:, [_ROW, _LIST]].tolist()):
        if row != before or used - bounds[-1][3] >= _GROUP:
            if used % 2:  # groups are multiples of eight bytes
                parts.append(bytes(4))
                used += 1
            bounds.append([rows.get(row, -1), at, at, used, used])
            places.clear()
            before = row
        content = snapshot.lists[start : start + 2 + int(snapshot.lists[start])].tobytes()
        place = places.get(content)
        if place is None:
            place = places[content] = used
            parts.append(content)
            used += len(content) // 4
        offsets.append(place)
        bounds[-1][2], bounds[-1][4] = at + 1, used + used % 2
    if used % 2:
        parts.append(bytes(4))
    lists = np.frombuffer(bytearray(b"".join(parts)), np.int32)
    nodes, group_of = snapshot.nodes.copy(), np.full(len(snapshot.nodes), -1, np.int32)
    nodes[masked, _ROW], nodes[masked, _LIST] = K.KEPT, -1
    for group, (_row, first, last, _low, _high) in enumerate(bounds):
        group_of[masked[first:last]] = group
    sums = [checksum(lists[low:high]) for _row, _first, _last, low, high in bounds]
    groups = Groups(
        group_of,
        masked.astype(np.int64),
        np.array(offsets, np.int64),
        np.array(bounds, np.int64).reshape(-1, 5),
        np.array(sums, np.int64),
    )
    return snapshot._replace(nodes=nodes, lists=lists), groups


def padded(rows: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return dense rows padded to multiples of eight bytes."""
    return np.pad(rows, ((0, 0), (0, rows.shape[1] % 2)))


class DenseRows:
    """The dense rows of a file, each checked at its first use."""

    __slots__ = (
        "_address",
        "_checked",
        "_crcs",
        "_masks",
        "_numbers",
        "_rows",
        "_sums",
        "is_damaged",
    )

    def __init__(
        self,
        rows: Later,
        sums: npt.NDArray[np.int64],
        crcs: npt.NDArray[np.uint32],
        masks: VocabularyStore,
    ) -> None:
        self._rows, self._sums, self._crcs, self._masks = rows, sums, crcs, masks
        self._address = address_of(rows.array)
        self._checked: dict[int, npt.NDArray[np.int32] | None] = {}
        self._numbers: dict[int, int | None] = {}
        self.is_damaged = False
        """Whether a damaged row was met."""

    def row(self, at: int) -> npt.NDArray[np.int32] | None:
        """Return a row of the file; None, with a StoreWarning, if it is damaged. Cost: 5 us the first
        time."""
        if at not in self._checked:
            words = self._rows.array.shape[1] // 2
            found = None
            if int(checksum_at(self._address + 8 * words * at, words)) == int(self._sums[at]):
                found = self._rows.array[at, : self._masks.words]
            else:
                self.is_damaged = True
                self._rows.tell()
            self._checked[at] = found
        return self._checked[at]

    def number(self, at: int) -> int | None:
        """Return the number of a row in the store; None if it is damaged, or the store has no room. Cost: 20
        us the first time."""
        if at not in self._numbers:
            row = self.row(at)
            self._numbers[at] = None if row is None else self._masks.intern_row(row, int(self._crcs[at]))
        return self._numbers[at]


class KeptMasks:
    """The masks of a grammar's states that were not read yet. The caller holds the grammar's lock."""

    __slots__ = ("_addresses", "_dense", "_groups", "_lists", "_tables", "_waiting")

    def __init__(self, groups: Groups, lists: Later, dense: DenseRows, tables: GrowingTables) -> None:
        """`tables` already contain the lists."""
        self._groups, self._lists, self._dense, self._tables = groups, lists, dense, tables
        self._addresses = address_of(groups.states), address_of(groups.offsets)
        self._waiting: dict[int, list[int]] | None = None
        """The bounds and the checksum of each unread group; None: of all groups."""

    def _groups_left(self) -> dict[int, list[int]]:
        if self._waiting is None:
            rows = np.column_stack((self._groups.bounds, self._groups.sums)).tolist()
            self._waiting = dict(enumerate(rows))
        return self._waiting

    def recall(self, state: int) -> bool:
        """Return whether the mask of a state is known now, read from the file. Cost: 1 us if it was not
        there, else about 20 us and the cost of a dense row."""
        group_of = self._groups.group_of
        group = int(group_of[state]) if state < len(group_of) else -1
        found = None if group < 0 else self._groups_left().pop(group, None)
        return found is not None and self._read(*found)

    def recall_all(self) -> None:
        """Read all masks. Cost: about 20 us a group."""
        left = self._groups_left()
        while left:
            self._read(*left.popitem()[1])

    def _read(self, row: int, first: int, last: int, low: int, high: int, total: int) -> bool:
        """Return whether the masks of a group are known now; if not, they are computed later."""
        lists = int(self._tables.context[LISTS + ADDRESS])
        if checksum_at(lists + 4 * low, (high - low) // 2) != total:
            self._lists.tell()
            return False
        number = -1 if row < 0 else self._dense.number(row)
        if number is None:
            return False
        states, offsets = (address + 8 * first for address in self._addresses)
        put_masks(self._tables.address, states, offsets, last - first, number)
        return True

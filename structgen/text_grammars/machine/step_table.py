"""`Steps`: the table of steps that `stepping` reads, grown as configurations are met."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from structgen.json_machine.tables import layout as L
from structgen.native.lazy_memory import room
from structgen.native.raw_memory import address_of
from structgen.text_grammars.machine import stepping
from structgen.text_grammars.machine.language import Language


class Steps:
    """The tables that `stepping` reads: rows for configurations, and the questions."""

    __slots__ = (
        "_alike",
        "_context",
        "_extra",
        "_final",
        "_inside",
        "_kept",
        "_needs",
        "_open",
        "_outer",
        "_table",
        "_ticks",
        "_used",
        "representative",
    )

    def __init__(self, context: npt.NDArray[np.int64], language: Language) -> None:
        kinds = sorted(set(language.classes))
        if kinds != list(range(len(kinds))):
            raise AssertionError("classes of bytes are numbered from 0 on")
        self.representative = [language.classes.index(kind) for kind in kinds]
        outer = language.outer or language.classes
        of_kinds = np.array([outer[byte] for byte in self.representative], np.uint8)
        groups: dict[int, list[int]] = {}
        for number, kind in enumerate(of_kinds.tolist()):
            groups.setdefault(kind, []).append(number)
        self._alike = [groups[kind] for kind in of_kinds.tolist()]
        """For each class of bytes those that are like it outside of parts."""
        self._outer: list[bool] = []
        self._context = context
        self._used = 0
        classes = np.frombuffer(language.classes, np.uint8).copy()
        self._needs = np.zeros(1 + 2 * stepping.MOST, np.int64)
        self._extra = np.zeros(max(1, len(language.specials)), np.int32)
        self._kept: list[npt.NDArray[Any]] = [classes]
        self._table: npt.NDArray[np.int32] = np.empty((0, len(kinds)), np.int32)
        self._final: npt.NDArray[np.uint8] = np.empty(0, np.uint8)
        self._inside: npt.NDArray[np.uint8] = np.empty(0, np.uint8)
        self._ticks: npt.NDArray[np.int32] | None = np.empty(0, np.int32) if language.counts else None
        context[stepping.C_CLASSES], context[stepping.C_WIDTH] = address_of(classes), len(kinds)
        context[L.C_NEEDS] = address_of(self._needs)
        context[stepping.C_EXTRA] = address_of(self._extra)
        self._open = room(8 * (1 + 2 * stepping.MOST_OPEN)).view(np.int64)
        context[stepping.C_OPEN] = address_of(self._open)
        context[stepping.C_TICKS] = 0
        self._grow(64)

    def _grow(self, rows: int) -> None:
        kept, used, context = self._kept, self._used, self._context
        table = np.full((rows, self._table.shape[1]), stepping.UNKNOWN, np.int32)
        final, inside = np.zeros(rows, np.uint8), np.zeros(rows, np.uint8)
        table[:used], final[:used], inside[:used] = (
            self._table[:used],
            self._final[:used],
            self._inside[:used],
        )
        kept += [self._table, self._final, self._inside]  # a reader may still hold their addresses
        words = [stepping.C_TABLE, stepping.C_FINAL, stepping.C_INSIDE]
        addresses = [address_of(table), address_of(final), address_of(inside)]
        ticks = None
        if self._ticks is not None:
            ticks = np.full(rows, stepping.UNKNOWN, np.int32)
            ticks[:used] = self._ticks[:used]
            kept.append(self._ticks)
            words.append(stepping.C_TICKS)
            addresses.append(address_of(ticks))
        # in one statement: Python and compiled code must never read different arrays
        self._table, self._final, self._inside, self._ticks, context[words] = (
            table,
            final,
            inside,
            ticks,
            addresses,
        )

    def put(self, number: int, accepting: bool, is_inside: bool, is_outer: bool) -> None:
        """Enter the row of a configuration, the next one or one that a call that was cut off has entered;
        `is_inside`: whether it stands inside a part, and nowhere else; `is_outer`: whether it stands inside
        none."""
        if number >= len(self._final):
            self._grow(2 * number)
        self._outer[number:] = (is_outer,)
        self._table[number] = stepping.UNKNOWN
        if self._ticks is not None:
            self._ticks[number] = stepping.UNKNOWN
        self._final[number], self._inside[number] = accepting, is_inside
        self._used = number + 1

    def refuse(self, number: int) -> None:
        """Have nothing follow."""
        self._table[number] = L.REFUSED

    def questions(self) -> list[tuple[int, int]]:
        """Return the questions that were noted, and forget them. Where there are none, a call that was cut
        off had them: they are noted again."""
        count = int(self._needs[0])
        noted = self._needs[1 : 1 + 2 * count].reshape(-1, 2).tolist()
        self._needs[0] = 0
        if not noted:
            self._ask_again()
        return [(number, kind) for number, kind in noted]

    def _ask_again(self) -> None:
        """Have all asked again that was asked and not answered."""
        for cells in (self._table, self._ticks):
            if cells is not None:
                cells[cells == stepping.QUESTIONED] = stepping.UNKNOWN

    def answer(self, number: int, kind: int, after: int) -> None:
        """Enter what follows a class of bytes, and those that are like it there."""
        if kind == stepping.BOUNDARY:
            assert self._ticks is not None
            self._ticks[number] = after
        elif self._outer[number]:
            self._table[number, self._alike[kind]] = after
        else:
            self._table[number, kind] = after

    def is_known(self, number: int, kind: int) -> bool:
        """Return whether it was entered what follows a class of bytes."""
        return kind != stepping.BOUNDARY and self._table[number, kind] > stepping.UNKNOWN

    def row(self, number: int) -> npt.NDArray[np.int32]:
        """Return what follows each class of bytes in a configuration: the number after it, REFUSED, or what
        is below it where that is not known."""
        found: npt.NDArray[np.int32] = self._table[number]
        return found

    @property
    def is_overfull(self) -> bool:
        """Whether there was no room for all nodes of the trie that wait for answers."""
        return int(self._open[0]) > stepping.MOST_OPEN

    def may_end(self, number: int) -> bool:
        """Return whether a text may end in a configuration."""
        return bool(self._final[number])

    def allow(self, tokens: list[int]) -> None:
        """Say which special tokens may come in the state whose mask is worked out next."""
        self._extra[: len(tokens)] = tokens
        self._context[stepping.C_EXTRAS] = len(tokens)

    @property
    def nbytes(self) -> int:
        """Bytes of all tables, outgrown ones included."""
        arrays: list[npt.NDArray[Any]] = [self._table, self._final, self._inside, self._needs, *self._kept]
        return sum(int(array.nbytes) for array in arrays)

"""Items and guards: the one concept behind look-aheads and behind "the longest match wins".

An *item* is a thread under conditions: an instruction, and guards on the text that follows. A *guard* is
(must or must not, a set of items): some item of the set must reach its end in the text behind, or none may.
Lark's lexer takes the match of its best thread, however late that one ends; so where a lexeme ends while
better threads are alive, these must never match, which is a guard. A look-ahead that is open at an end is a
guard too.

A set of guards is a conjunction. Items, guards and lists of items are interned: they are numbers. What
follows an item is a *row*: for each class of bytes the number of the list of items behind it, best first.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.automata.unicode.utf8 import DONE
from structgen.lark_grammars.lexer.effort import Effort
from structgen.lark_grammars.lexer.instructions import (
    AHEAD,
    BEHIND,
    CHAR,
    EOF,
    FOUND,
    MATCH,
    SPLIT,
    START,
    Instructions,
    rests_of_characters,
)

Guards: TypeAlias = frozenset[int]
Numbers: TypeAlias = npt.NDArray[np.int64]
FREE: Final[Guards] = frozenset()
"""No guard."""
FREE_SET: Final = 1
"""Its number (`Items.guard_sets`)."""
_MIXERS: Final = np.random.default_rng(1).integers(1 << 62, size=1 << 10) | 1
"""Columns are told apart by a sum of their numbers times these; where two have the same sum, one by one."""
_OF_LIST: Final = 4
"""Numbers that a list of items behind a guard costs (`effort`)."""
_CONTINUED: Final = ((192, 0), (224, 1), (240, 2), (256, 3))
"""How many bytes follow the first byte of a character."""


def columns_of(rows: Sequence[Numbers]) -> tuple[list[list[int]], Numbers]:
    """Return the distinct columns of some rows, and for each place the number of its column. Cost: 20 us."""
    if len(rows) == 1:
        values = rows[0].tolist()
        first, kinds = _numbered(values)
        return [[values[place]] for place in first], kinds
    table = np.array(rows)
    if len(rows) <= len(_MIXERS):
        first, kinds = _numbered((_MIXERS[: len(rows)] @ table).tolist())
        if (table[:, first][:, kinds] == table).all():
            return table[:, first].T.tolist(), kinds
    first, kinds = _numbered([tuple(column) for column in table.T.tolist()])
    return table[:, first].T.tolist(), kinds


def _numbered(values: Sequence[Hashable]) -> tuple[list[int], Numbers]:
    """Return where each value comes first, and for each place the number of its value."""
    numbers: dict[Hashable, int] = {}
    first: list[int] = []
    for place, value in enumerate(values):
        if value not in numbers:
            numbers[value] = len(first)
            first.append(place)
    return first, np.array([numbers[value] for value in values], np.int64)


class Behind(NamedTuple):
    """What look-behinds know of the text before."""

    start: bool
    """Whether no text is before."""
    threads: frozenset[int]
    holding: frozenset[int]
    """The look-behinds that hold here."""
    left: int
    """Bytes of the present character that are still to come."""


class Item(NamedTuple):
    """A thread under conditions."""

    at: int
    """An instruction."""
    guards: Guards


class Guard(NamedTuple):
    """A condition on the text that follows."""

    holds: bool
    items: frozenset[int]


class Items:
    """The items and guards of one lexer."""

    def __init__(self, instructions: Instructions, effort: Effort) -> None:
        self.instructions, self.effort = instructions, effort
        self._code = instructions.code
        self.width = len(instructions.bytes_of)
        self.items: list[Item] = []
        self._item_of: dict[Item, int] = {}
        self.guards: list[Guard] = []
        self._guard_of: dict[Guard, int] = {}
        self.lists: list[tuple[int, ...]] = [()]
        self._list_of: dict[tuple[int, ...], int] = {(): 0}
        self._rows: dict[tuple[int, Behind | None], Numbers] = {}
        self.guard_sets: list[Guards | None] = [None, FREE]
        """Conjunctions by number; number 0: one has failed."""
        self._guard_set_of: dict[Guards | None, int] = {None: 0, FREE: 1}
        self._guard_rows: dict[tuple[Guards, Behind | None], Numbers] = {}
        self._closures: dict[tuple[int, Guards, Behind | None], tuple[int, ...]] = {}
        self._free_row = np.ones(self.width, np.int64)
        self._anywhere: dict[frozenset[int], Behind | None] = {}
        self.behind_of: list[Behind | None] = []
        self._behind_number: dict[Behind | None, int] = {}
        self._behind_rows: dict[Behind | None, Numbers] = {}
        self._rests = rests_of_characters()
        self._surely: dict[int, bool] = {}
        self._looking: dict[int, bool] = {}

    def item(self, at: int, guards: Guards) -> int:
        """Return the number of an item."""
        key = Item(at, guards)
        number = self._item_of.get(key)
        if number is None:
            number = self._item_of[key] = len(self.items)
            self.items.append(key)
        return number

    def looks_behind(self, item: int) -> bool:
        """Return whether an item, or a guard of it, may look at the text before."""
        known = self._looking.get(item)
        if known is None:
            at, guards = self.items[item]
            known = self.instructions.looks_behind(at) or self.guards_look_behind(guards)
            self._looking[item] = known
        return known

    def guards_look_behind(self, guards: Guards) -> bool:
        """Return whether guards may look at the text before."""
        return any(self.looks_behind(one) for guard in guards for one in self.guards[guard].items)

    # --- guards ---------------------------------------------------------------------------------------------

    def guard(self, holds: bool, items: Iterable[int]) -> int | bool:
        """Return the number of a guard, or its outcome where that is certain."""
        members = frozenset(items)
        for one in members:
            at, guards = self.items[one]
            has_ended = self._code[at].kind in (MATCH, FOUND)
            if not guards and (has_ended or self._has_surely_ended(at)):
                return holds
            if has_ended and len(guards) == 1:
                (only,) = guards
                other = self.guards[only]
                if not other.holds and other.items <= members:  # it has ended, or another one ends
                    return holds
        if not members:
            return not holds
        key = Guard(holds, members)
        number = self._guard_of.get(key)
        if number is None:
            number = self._guard_of[key] = len(self.guards)
            self.guards.append(key)
        return number

    def _has_surely_ended(self, at: int) -> bool:
        """Return whether an instruction stands inside a character of which every rest leads to an end."""
        known = self._surely.get(at)
        if known is None:
            one = self._code[at]
            inside = one.kind == CHAR and one.node in self._rests
            known = self._surely[at] = inside and self._ends_plainly(one.to[0])
        return known

    def _ends_plainly(self, at: int) -> bool:
        seen, pending = {at}, [at]
        while pending:
            one = self._code[pending.pop()]
            if one.kind in (MATCH, FOUND):
                return True
            if one.kind == SPLIT:
                pending += [to for to in one.to if to not in seen]
                seen.update(one.to)
        return False

    def both(self, *several: int | bool) -> Guards | None:
        """Return the conjunction of guards and outcomes, None where one has failed. Those that must not
        hold are one guard over all their items."""
        never, found = set[int](), set[int]()
        for one in several:
            if one is True:
                continue
            if one is False:
                return None
            holds, items = self.guards[one]
            if holds:
                found.add(one)
            else:
                never |= items
        if never:
            joined = self.guard(False, never)
            if joined is False:
                return None
            found.add(joined)
        return frozenset(found)

    # --- items without reading ------------------------------------------------------------------------------

    def closure(self, at: int, guards: Guards, behind: Behind | None) -> tuple[int, ...]:
        """Return the items that an instruction leads to without reading, best first."""
        key = at, guards, behind
        known = self._closures.get(key)
        if known is not None:
            return known
        found: dict[int, None] = {}
        seen, pending = set[tuple[int, Guards]](), [(at, guards)]
        while pending:
            here = pending.pop()
            if here in seen:
                continue
            seen.add(here)
            one, held = self._code[here[0]], here[1]
            if one.kind == SPLIT:
                pending += [(to, held) for to in reversed(one.to)]
            elif one.kind == AHEAD:
                ahead = self.guard(one.holds, self.closure(one.number, FREE, behind))
                both = self.both(*held, ahead)
                if both is not None:
                    pending.append((one.to[0], both))
            elif one.kind == BEHIND:
                assert behind is not None
                if (one.number in behind.holding) == one.holds:
                    pending.append((one.to[0], held))
            elif one.kind == START:
                if behind is not None and behind.start:
                    pending.append((one.to[0], held))
            else:
                found[self.item(here[0], held)] = None
        self.effort.spend(len(seen))
        self._closures[key] = made = tuple(found)
        return made

    # --- look-behinds: one set of threads for all of them, begun anew at each character
    # -----------------------

    def behind_start(self) -> Behind | None:
        """Return what look-behinds know before a text."""
        return self._behind((), True)

    def behind_anywhere(self) -> Behind | None:
        """Return what they know where nothing is known of the text before."""
        return self._behind((), False)

    def _behind(self, threads: Iterable[int], start: bool) -> Behind | None:
        looks = self.instructions.looks
        if not looks and not start:
            return None
        seen, found, holding = set[int](), set[int](), set[int]()
        pending = [*threads, *(first for first, _found in looks)]
        while pending:
            at = pending.pop()
            if at in seen:
                continue
            seen.add(at)
            one = self._code[at]
            if one.kind == SPLIT:
                pending += one.to
            elif one.kind == START:
                pending += one.to if start else []
            elif one.kind == FOUND:
                holding |= {number for number, (_first, end) in enumerate(looks) if end == at}
            else:
                found.add(at)
        return Behind(start, frozenset(found), frozenset(holding), 0)

    def _behind_step(self, behind: Behind | None, byte: int) -> Behind | None:
        if behind is None or not self.instructions.looks:
            return None
        found = set[int]()
        for at in behind.threads:
            one = self._code[at]
            after = None if one.node is None else one.node.after[byte]
            if after is DONE:
                found.add(one.to[0])
            elif after is not None:
                found.add(self.instructions.inside(after, one.to[0]))
        left = behind.left - 1 if behind.left else next(size for end, size in _CONTINUED if byte < end)
        threads = frozenset(found)
        if left:
            return Behind(False, threads, frozenset(), left)
        if threads not in self._anywhere:
            self._anywhere[threads] = self._behind(threads, False)
        return self._anywhere[threads]

    def behinds(self, behind: Behind | None) -> Numbers:
        """Return what look-behinds know after each class of bytes, as numbers (`behind_of`)."""
        known = self._behind_rows.get(behind)
        if known is None:
            row = []
            for byte in self.instructions.bytes_of:
                after = self._behind_step(behind, byte)
                number = self._behind_number.get(after)
                if number is None:
                    number = self._behind_number[after] = len(self.behind_of)
                    self.behind_of.append(after)
                row.append(number)
            known = self._behind_rows[behind] = np.array(row, np.int64)
        return known

    # --- rows -----------------------------------------------------------------------------------------------

    def _list(self, items: tuple[int, ...]) -> int:
        number = self._list_of.get(items)
        if number is None:
            number = self._list_of[items] = len(self.lists)
            self.lists.append(items)
        return number

    def row(self, item: int, behind: Behind | None) -> Numbers:
        """Return for each class of bytes the number of the list of items behind it (`lists`)."""
        key = item, behind
        known = self._rows.get(key)
        if known is None:
            known = self._rows[key] = self._row(item, behind)
        return known

    def _row(self, item: int, behind: Behind | None) -> Numbers:
        at, guards = self.items[item]
        one = self._code[at]
        if one.kind == EOF:
            return np.zeros(self.width, np.int64)
        held = self.guard_row(guards, behind)
        if one.node is None:  # it has ended, and its guards are still open
            ended = (self.guard_sets[number] for number in held.tolist())
            lists = [0 if left is None else self._list((self.item(at, left),)) for left in ended]
            return np.array(lists, np.int64)
        # most rows have neither guards nor look-behinds
        beside = [held, self.behinds(behind)] if guards or behind is not None else []
        distinct, kinds = columns_of([self.instructions.row_of(one.node), *beside])
        made = []
        for column in distinct:
            node, guard_set, behind_number = column if beside else (*column, FREE_SET, -1)
            then, left, items = self.instructions.nodes[node], self.guard_sets[guard_set], tuple[int, ...]()
            if then is DONE and left is not None:
                then_behind = self.behind_of[behind_number] if beside else None
                items = self.closure(one.to[0], left, then_behind)
            elif then is not None and left is not None:
                items = (self.item(self.instructions.inside(then, one.to[0]), left),)
            made.append(self._list(items))
        self.effort.spend((self.width // 8 if beside else 0) + len(made))
        return np.array(made, np.int64)[kinds]

    def guard_row(self, guards: Guards, behind: Behind | None) -> Numbers:
        """Return for each class of bytes the number of the guards behind it (`guard_sets`)."""
        if not guards:
            return self._free_row
        key = guards, behind
        known = self._guard_rows.get(key)
        if known is None:
            said = [self.guards[one] for one in sorted(guards)]
            sizes = [len(one.items) for one in said]
            rows = [self.row(item, behind) for one in said for item in sorted(one.items)]
            distinct, kinds = columns_of(rows)
            made = [self._guards_behind(said, sizes, column) for column in distinct]
            known = self._guard_rows[key] = np.array(made, np.int64)[kinds]
        return known

    def guards_after(self, guards: Guards, behind: Behind | None, kind: int) -> Guards | None:
        """Return the guards behind one class of bytes, None where one has failed."""
        known = self._guard_rows.get((guards, behind))
        if known is not None:
            return self.guard_sets[int(known[kind])]
        said = [self.guards[one] for one in sorted(guards)]
        column = [int(self.row(item, behind)[kind]) for one in said for item in sorted(one.items)]
        return self.guard_sets[self._guards_behind(said, [len(one.items) for one in said], column)]

    def _guards_behind(self, said: list[Guard], sizes: list[int], column: list[int]) -> int:
        """Return the number of some guards behind a byte, from the lists behind their items."""
        lists = iter(column)
        of = [[next(lists) for _ in range(size)] for size in sizes]
        left = self.both(
            *(self.guard(one.holds, self.members(some)) for one, some in zip(said, of, strict=True))
        )
        self.effort.spend(_OF_LIST * len(column) + sum(len(self.lists[number]) for number in column))
        number = self._guard_set_of.get(left)
        if number is None:
            number = self._guard_set_of[left] = len(self.guard_sets)
            self.guard_sets.append(left)
        return number

    def members(self, numbers: Sequence[int]) -> list[int]:
        """Return the items of some lists, one after another."""
        return [item for number in numbers for item in self.lists[number]]

    # --- the text's end -------------------------------------------------------------------------------------

    def hold_at_end(self, guards: Guards, behind: Behind | None) -> bool:
        """Return whether guards are met where the text ends."""
        return all(
            any(True for _end in self.ends_at_end(one.items, behind)) == one.holds
            for one in map(self.guards.__getitem__, guards)
        )

    def ends_at_end(self, items: Iterable[int], behind: Behind | None) -> Iterator[int]:
        """Yield the instructions (MATCH, FOUND) that items reach where the text ends, best first."""
        for one in items:
            at, guards = self.items[one]
            instruction = self._code[at]
            if instruction.kind == CHAR or not self.hold_at_end(guards, behind):
                continue
            if instruction.kind == EOF:
                yield from self.ends_at_end(self.closure(instruction.to[0], FREE, behind), behind)
            else:
                yield at

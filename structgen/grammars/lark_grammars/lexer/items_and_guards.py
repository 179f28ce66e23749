"""Items and guards: the one concept behind look-aheads and behind "the longest match wins".

A *thread* is one way to match a pattern; it stands at an *instruction*, a point of the pattern. An *item* is
a thread under conditions: an instruction, and guards on the text that follows. A *guard* is a pair (must or
must not, a set of items): some item of the set must reach its end in the text that follows, or none may.

Guards express two things. A look-ahead that is not yet decided at the end of a lexeme is a guard. And lark's
lexer takes the match of its best thread, however late that thread ends: so if a lexeme ends while better
threads are alive, a guard says that these must never match. With A: /a(bc)?/, a lexeme may end after `a` only
if the text does not go on with `bc`.

A set of guards is a conjunction. Items, guards and lists of items are interned: equal ones have the same
number. A *class* of bytes is a set of bytes that no pattern distinguishes. A *row* has one number for each
class: for an item, the number of the list of items after such a byte, best first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from itertools import starmap
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

from structgen.base.language.numbered import Numbered
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import Limits
from structgen.grammars.lark_grammars.lexer.effort import spend_steps
from structgen.grammars.lark_grammars.lexer.instructions import (
    AHEAD,
    BEHIND,
    CHAR,
    EOF,
    FOUND,
    MATCH,
    NO_NODE,
    SPLIT,
    START,
    WHOLE,
    Instructions,
)

Guards: TypeAlias = frozenset[int]
FREE: Final[Guards] = frozenset()
"""The empty set of guards: no condition."""
FREE_SET: Final = 1
"""The number of FREE among the sets of guards (`LexerItems.guard_sets`)."""
_OF_LIST: Final = 4
"""The cost of a list of items in a guard's row, in numbers (`effort.spend_steps`)."""
_CONTINUED: Final = ((192, 0), (224, 1), (240, 2), (256, 3))
"""Pairs (bound, count): after a first byte below the bound, so many bytes complete the UTF-8 character."""


class Partitions:
    """Partitions of the classes of bytes into parts whose members have the same effect, by number. Many rows
    share few partitions, so a row is computed for one class of each part only. Cost: 20 us for a new
    partition."""

    def __init__(self, width: int) -> None:
        self._width = width
        self.parts: list[bytes] = []
        """For each partition the part of each class, as bytes."""
        self.first: list[list[int]] = []
        """For each partition one class of each part."""
        self.of_parts: list[Callable[[list[int]], Sequence[int]]] = []
        """For each partition a function: from the numbers of a row, one for each class, to one for each
        part."""
        self._numbers: dict[bytes, int] = {}
        self._joined_numbers: dict[frozenset[int], int] = {}
        self.whole = self.partition_of([None] * width)
        """The number of the partition with a single part."""

    def partition_of(self, values: Iterable[Hashable]) -> int:
        """Return the partition in which classes are together if their values are equal."""
        numbers: dict[Hashable, int] = {}
        # Parts are numbered in the order of their first classes, so equal partitions have equal bytes.
        return self._partition_number(bytes([numbers.setdefault(value, len(numbers)) for value in values]))

    def _partition_number(self, parts: bytes) -> int:
        """Return the number of a partition. `parts`: the part of each class, numbered as they appear."""
        number = self._numbers.get(parts)
        if number is None:
            number = len(self._numbers)
            first = [parts.index(part) for part in range(max(parts) + 1)]
            # With one index, `itemgetter` would return a number and no tuple; a slice returns a list.
            of_parts = itemgetter(*first) if len(first) > 1 else itemgetter(slice(1))
            # The dictionary is written last, so that remains of an interrupted call are overwritten: each
            # list is cut off at this number first.
            self.parts[number:] = (parts,)
            self.first[number:] = (first,)
            self.of_parts[number:] = (of_parts,)
            self._numbers[parts] = number
        return number

    def join_partitions(self, partitions: Iterable[int]) -> int:
        """Return the coarsest partition that refines each of some partitions."""
        key = frozenset(partitions)
        joined_number = self._joined_numbers.get(key)
        if joined_number is None:
            joined_number = self.whole
            if key:
                # Two classes are together where they are together in each partition.
                parts = zip(*(self.parts[partition] for partition in key), strict=True)
                joined_number = self.partition_of(parts)
            self._joined_numbers[key] = joined_number
        return joined_number

    def make_row(self, partition: int, part_numbers: Sequence[int]) -> ClassRow:
        """Return a row, given its number for each part of a partition. Parts with equal numbers join."""
        parts = self.parts[partition]
        numbers: dict[int, int] = {}
        coarser = bytes([numbers.setdefault(number, len(numbers)) for number in part_numbers])
        # `translate` maps each class to its part in the coarser partition, and wants a table of 256 bytes.
        row_partition = self._partition_number(parts.translate(coarser.ljust(256)))
        return ClassRow(row_partition, [part_numbers[part] for part in parts])


class ClassRow(NamedTuple):
    """A row: one number for each class of bytes."""

    partition: int
    """Classes of one part have the same number."""
    numbers: list[int]


class LookBehind(NamedTuple):
    """What look-behinds know of the text before a point."""

    start: bool
    """Whether this is the beginning of the text."""
    threads: frozenset[int]
    holding: frozenset[int]
    """The numbers of the look-behinds that hold here."""
    bytes_left: int
    """The number of bytes that complete the present character."""


class Item(NamedTuple):
    """A thread under conditions."""

    at: int
    """The number of the instruction where the thread is."""
    guards: Guards


class Guard(NamedTuple):
    """A condition on the text that follows."""

    holds: bool
    items: frozenset[int]


class LexerItems:
    """The items and guards of one lexer."""

    def __init__(self, instructions: Instructions, limits: Limits) -> None:
        self.instructions = instructions
        self.limits = limits
        self._code = instructions.code
        self.width = len(instructions.bytes_of)
        # Items and guards are numbered by dictionaries, not `Numbered`: these are what a file keeps.
        self.items: list[Item] = []
        self._item_of: dict[tuple[int, Guards], int] = {}
        self.guards: list[Guard] = []
        self._guard_of: dict[tuple[bool, frozenset[int]], int] = {}
        self._lists = Numbered[tuple[int, ...]]()
        self.lists = self._lists.values
        """Lists of items, by number. Number 0 is the empty list."""
        self._lists.number_of(())
        self._guard_sets = Numbered[Guards | None]()
        self.guard_sets = self._guard_sets.values
        """Sets of guards, by number. Number 0 is None: a guard has failed. FREE_SET is the empty set."""
        self._guard_sets.number_of(None)
        self._guard_sets.number_of(FREE)
        self.partitions = Partitions(self.width)
        self._rows: dict[tuple[int, LookBehind | None], ClassRow] = {}
        self._guard_rows: dict[tuple[Guards, LookBehind | None], ClassRow] = {}
        self._closures: dict[tuple[int, Guards, LookBehind | None], tuple[int, ...]] = {}
        self._guards_made: dict[tuple[tuple[bool, frozenset[int]], ...], int] = {}
        whole = self.partitions.whole
        self._free_row = ClassRow(whole, [FREE_SET] * self.width)
        self._no_row = ClassRow(whole, [0] * self.width)
        self._look_behinds = Numbered[LookBehind | None]()
        self.look_behind_of = self._look_behinds.values
        self._ended_items: set[int] = set()
        """The items that have reached their end, under no condition."""
        self._ended_when: dict[int, Guards] = {}
        """The items that have reached their end if some guards are met, each with these guards."""

    @property
    def kept_values(self) -> tuple[Any, ...]:
        """The items, guards and lists whose numbers occur in states and carries, as plain values for a
        file."""
        return self._guard_of, self._item_of, self._ended_items, self._ended_when

    def load_values(self, *kept_values: Any) -> None:
        """Load the `kept_values` of another process. Cost: 0.3 us for each item and guard."""
        self._guard_of, self._item_of, self._ended_items, self._ended_when = kept_values
        self.guards = list(starmap(Guard, self._guard_of))
        self.items = list(starmap(Item, self._item_of))

    def item_number(self, at: int, guards: Guards) -> int:
        """Return the number of an item."""
        number = self._item_of.get((at, guards))
        if number is None:
            number = len(self._item_of)
            has_ended = self._code[at].kind in (MATCH, FOUND)
            is_sure = not guards and (has_ended or self._has_surely_ended(at))
            # An interrupted call may have left the number of another item in these tables.
            self._ended_items.discard(number)
            self._ended_when.pop(number, None)
            if is_sure:
                self._ended_items.add(number)
            elif has_ended:
                self._ended_when[number] = guards
            self.items[number:] = (Item(at, guards),)
            self._item_of[at, guards] = number  # last: the number counts from here on
        return number

    @remember_answers
    def looks_behind(self, item: int) -> bool:
        """Return whether an item, or one of its guards, may look at the text before."""
        at, guards = self.items[item]
        return self.instructions.looks_behind[at] or self.guards_look_behind(guards)

    def guards_look_behind(self, guards: Guards) -> bool:
        """Return whether guards may look at the text before."""
        return any(map(self._guard_looks_behind, guards))

    @remember_answers
    def _guard_looks_behind(self, guard: int) -> bool:
        return any(map(self.looks_behind, self.guards[guard].items))

    # --- guards ---------------------------------------------------------------------------------------------

    def guard_number(self, holds: bool, items: Iterable[int]) -> int | bool:
        """Return the number of a guard, or True or False where its outcome is certain. `holds`: whether some
        item must reach its end, or none may."""
        members = frozenset(items)
        if not members:
            return not holds
        if not members.isdisjoint(self._ended_items):
            return holds
        for item in members & self._ended_when.keys():
            if len(self._ended_when[item]) == 1:
                (only,) = self._ended_when[item]
                condition = self.guards[only]
                # Either the item ends, or an item of its condition does, which is a member of the set too.
                if not condition.holds and condition.items <= members:
                    return holds
        number = self._guard_of.get((holds, members))
        if number is None:
            number = len(self._guard_of)
            self.guards[number:] = (Guard(holds, members),)
            self._guard_of[holds, members] = number
        return number

    def _has_surely_ended(self, at: int) -> bool:
        """Return whether an instruction is inside a character, and every rest of it leads to an end."""
        instruction = self._code[at]
        return (
            instruction.kind == CHAR
            and instruction.node in self.instructions.rests
            and self._ends_plainly(instruction.to[0])
        )

    def _ends_plainly(self, at: int) -> bool:
        """Return whether an instruction leads to an end without reading, under no condition."""
        visited = {at}
        pending = [at]
        while pending:
            instruction = self._code[pending.pop()]
            if instruction.kind in (MATCH, FOUND):
                return True
            if instruction.kind == SPLIT:
                pending += [target for target in instruction.to if target not in visited]
                visited.update(instruction.to)
        return False

    def join_guards(self, *terms: int | bool) -> Guards | None:
        """Return the conjunction of guards (numbers) and outcomes (True, False); None where one has failed.
        Guards that must not hold become one guard over all their items."""
        never_items: set[int] = set()
        must_hold: set[int] = set()
        for term in terms:
            if term is True:
                continue
            if term is False:
                return None
            holds, items = self.guards[term]
            if holds:
                must_hold.add(term)
            else:
                never_items |= items
        if never_items:
            never_guard = self.guard_number(False, never_items)
            if never_guard is False:
                return None
            must_hold.add(never_guard)
            # If the guards of an ended item follow from the others, the item ends, though it must not.
            for item in never_items & self._ended_when.keys():
                conditions = self._ended_when[item]
                if all(self._is_implied(guard, must_hold, never_items) for guard in conditions):
                    return None
        return frozenset(must_hold)

    def _is_implied(
        self,
        guard: int,
        met: set[int],
        never_items: set[int],
    ) -> bool:
        """Return whether a guard follows from others: the guards `met` hold, and `never_items` never reach
        their end."""
        holds, items = self.guards[guard]
        return guard in met or (not holds and items <= never_items)

    def barred_instructions(self, guards: Guards) -> set[int]:
        """Return the instructions from which no end may be reached, if `guards` are to hold."""
        barred: set[int] = set()
        for guard in guards:
            condition = self.guards[guard]
            if not condition.holds:
                items = (self.items[number] for number in condition.items)
                # An item with guards of its own is barred only if these hold, so it is not listed.
                barred.update(item.at for item in items if not item.guards)
        return barred

    # --- items without reading ------------------------------------------------------------------------------

    def closure(
        self,
        at: int,
        guards: Guards,
        look_behind: LookBehind | None,
    ) -> tuple[int, ...]:
        """Return the items that an instruction leads to before a byte is read, best first."""
        key = at, guards, look_behind
        known_items = self._closures.get(key)
        if known_items is not None:
            return known_items
        items: dict[int, None] = {}  # a set in order
        visited: set[tuple[int, Guards]] = set()
        pending = [(at, guards)]
        while pending:
            here = pending.pop()
            if here in visited:
                continue
            visited.add(here)
            number, guards_here = here
            instruction = self._code[number]
            if instruction.kind == SPLIT:
                # The first branch is the best one, and the last entry of a stack is taken first.
                pending += [(target, guards_here) for target in reversed(instruction.to)]
            elif instruction.kind == AHEAD:
                inner_items = self.closure(instruction.number, FREE, look_behind)
                ahead = self.guard_number(instruction.holds, inner_items)
                both = self.join_guards(*guards_here, ahead)
                if both is not None:
                    pending.append((instruction.to[0], both))
            elif instruction.kind == BEHIND:
                assert look_behind is not None
                if (instruction.number in look_behind.holding) == instruction.holds:
                    pending.append((instruction.to[0], guards_here))
            elif instruction.kind == START:
                if look_behind is not None and look_behind.start:
                    pending.append((instruction.to[0], guards_here))
            else:
                items[self.item_number(number, guards_here)] = None
        spend_steps(self.limits, len(visited))
        closure_items = tuple(items)
        self._closures[key] = closure_items
        return closure_items

    # --- look-behinds: one set of threads for all of them, which begin anew at each character ---------------

    @remember_answers
    def look_behind_before(self, threads: Collection[int], start: bool) -> LookBehind | None:
        """Return what look-behinds know before a character. `threads`: the threads of look-behinds that are
        under way; `start`: whether this is the beginning of the text. Without either, nothing is known of the
        text before."""
        looks = self.instructions.looks
        if not looks and not start:
            return None
        visited: set[int] = set()
        threads_left: set[int] = set()
        holding: set[int] = set()
        # Each look-behind begins here again, since what it matches may begin at any character.
        pending = [*threads, *(first for first, _end in looks)]
        while pending:
            at = pending.pop()
            if at in visited:
                continue
            visited.add(at)
            instruction = self._code[at]
            if instruction.kind == SPLIT:
                pending += instruction.to
            elif instruction.kind == START:
                pending += instruction.to if start else []
            elif instruction.kind == FOUND:
                holding |= {number for number, (_first, end) in enumerate(looks) if end == at}
            else:
                threads_left.add(at)
        return LookBehind(start, frozenset(threads_left), frozenset(holding), 0)

    def _step_look_behind(self, look_behind: LookBehind | None, byte_class: int) -> LookBehind | None:
        """Return what look-behinds know after one more byte of a class."""
        if look_behind is None or not self.instructions.looks:
            return None
        next_threads: set[int] = set()
        for at in look_behind.threads:
            instruction = self._code[at]
            next_node = self.instructions.rows[instruction.node][byte_class]
            if next_node == WHOLE:
                next_threads.add(instruction.to[0])
            elif next_node != NO_NODE:
                next_threads.add(self.instructions.inside_character(at, next_node))
        threads = frozenset(next_threads)
        bytes_left = look_behind.bytes_left - 1
        if not look_behind.bytes_left:  # this is the first byte of a character
            byte = self.instructions.bytes_of[byte_class]
            bytes_left = next(size for end, size in _CONTINUED if byte < end)
        # Look-behinds hold between characters, never within one.
        if bytes_left:
            return LookBehind(False, threads, frozenset(), bytes_left)
        return self.look_behind_before(threads, False)

    @remember_answers
    def look_behind_row(self, look_behind: LookBehind | None) -> ClassRow:
        """Return what look-behinds know after each class of bytes, as numbers (`look_behind_of`)."""
        row = [
            self._look_behinds.number_of(self._step_look_behind(look_behind, byte_class))
            for byte_class in range(self.width)
        ]
        return ClassRow(self.partitions.partition_of(row), row)

    # --- rows -----------------------------------------------------------------------------------------------

    def item_row(self, item: int, look_behind: LookBehind | None) -> ClassRow:
        """Return for each class of bytes the number of the list of items after it (`lists`)."""
        key = item, look_behind
        class_row = self._rows.get(key)
        if class_row is None:
            # Items that do not look behind have one row, whatever is before: most lexemes do not.
            if look_behind is not None and not self.looks_behind(item):
                class_row = self.item_row(item, None)
            else:
                class_row = self._make_item_row(item, look_behind)
            self._rows[key] = class_row
        return class_row

    def _make_item_row(self, item: int, look_behind: LookBehind | None) -> ClassRow:
        """Compute the row of an item (`item_row`), for one class of each part."""
        at, guards = self.items[item]
        instruction = self._code[at]
        partitions = self.partitions
        items: tuple[int, ...]
        if instruction.kind == EOF:
            return self._no_row
        guards_row = self.guard_row(guards, look_behind)
        if instruction.node == NO_NODE:  # it has ended, and its guards are still open
            ended_lists = []
            for byte_class in partitions.first[guards_row.partition]:
                guards_left = self.guard_sets[guards_row.numbers[byte_class]]
                items = () if guards_left is None else (self.item_number(at, guards_left),)
                ended_lists.append(self._lists.number_of(items))
            return partitions.make_row(guards_row.partition, ended_lists)
        nodes = self._node_row(instruction.node)
        behinds = self._no_row if look_behind is None else self.look_behind_row(look_behind)
        partition = partitions.join_partitions((nodes.partition, guards_row.partition, behinds.partition))
        list_numbers = []
        for byte_class in partitions.first[partition]:
            next_node = nodes.numbers[byte_class]
            guards_left = self.guard_sets[guards_row.numbers[byte_class]]
            items = ()
            if next_node == WHOLE and guards_left is not None:
                behind_number = behinds.numbers[byte_class]
                next_behind = None if look_behind is None else self.look_behind_of[behind_number]
                items = self.closure(instruction.to[0], guards_left, next_behind)
            elif next_node != NO_NODE and guards_left is not None:
                inside = self.instructions.inside_character(at, next_node)
                items = (self.item_number(inside, guards_left),)
            list_numbers.append(self._lists.number_of(items))
        spend_steps(self.limits, len(list_numbers))
        return partitions.make_row(partition, list_numbers)

    @remember_answers
    def _node_row(self, node: int) -> ClassRow:
        """Return the row of a node: where each class of bytes leads inside a character."""
        numbers = self.instructions.rows[node]
        return ClassRow(self.partitions.partition_of(numbers), numbers)

    def guard_row(self, guards: Guards, look_behind: LookBehind | None) -> ClassRow:
        """Return for each class of bytes the number of the guards after it (`guard_sets`)."""
        if not guards:
            return self._free_row
        key = guards, look_behind
        class_row = self._guard_rows.get(key)
        if class_row is not None:
            return class_row
        if look_behind is not None and not self.guards_look_behind(guards):
            class_row = self.guard_row(guards, None)
        else:
            guard_list = [self.guards[guard] for guard in sorted(guards)]
            rows = [self.item_row(item, look_behind) for guard in guard_list for item in guard.items]
            partition, columns = self.columns_of(rows)
            set_numbers = [self._guards_behind(guard_list, column) for column in columns]
            class_row = self.partitions.make_row(partition, set_numbers)
        self._guard_rows[key] = class_row
        return class_row

    def columns_of(self, rows: Sequence[ClassRow]) -> tuple[int, Iterable[tuple[int, ...]]]:
        """Return the partition that refines those of some rows, and for each of its parts the numbers of all
        rows."""
        partition = self.partitions.join_partitions(row.partition for row in rows)
        of_parts = self.partitions.of_parts[partition]
        return partition, zip(*(of_parts(row.numbers) for row in rows), strict=True)

    def guards_after(
        self,
        guards: Guards,
        look_behind: LookBehind | None,
        byte_class: int,
    ) -> Guards | None:
        """Return the guards that remain after a byte of a class; None where one has failed."""
        set_number = self.guard_row(guards, look_behind).numbers[byte_class]
        return self.guard_sets[set_number]

    def _guards_behind(self, guard_list: list[Guard], column: Sequence[int]) -> int:
        """Return the number of the set of guards after a byte. `column`: the lists after this byte, one for
        each item of each guard."""
        # The column has a list for each item, in the order of the guards.
        lists = iter(column)
        key = tuple([(guard.holds, frozenset([next(lists) for _ in guard.items])) for guard in guard_list])
        set_number = self._guards_made.get(key)
        if set_number is None:
            next_guards = [self.guard_number(holds, self.members_of(numbers)) for holds, numbers in key]
            guards_left = self.join_guards(*next_guards)
            list_numbers = [number for _holds, numbers in key for number in numbers]
            cost = sum(_OF_LIST + len(self.lists[number]) for number in list_numbers)
            spend_steps(self.limits, cost)
            set_number = self._guard_sets.number_of(guards_left)
            self._guards_made[key] = set_number
        return set_number

    def members_of(self, numbers: Iterable[int]) -> list[int]:
        """Return the items of some lists, one after another."""
        return [item for number in numbers for item in self.lists[number]]

    # --- the text's end -------------------------------------------------------------------------------------

    def hold_at_end(self, guards: Guards, look_behind: LookBehind | None) -> bool:
        """Return whether guards are met if the text ends here."""
        return all(self._holds_at_end(guard, look_behind) for guard in guards)

    @remember_answers
    def _holds_at_end(self, guard: int, look_behind: LookBehind | None) -> bool:
        condition = self.guards[guard]
        # `ends_at_end` yields numbers, of which 0 is one: so its items are counted, not tested.
        some_end = any(True for _end in self.ends_at_end(condition.items, look_behind))
        return some_end == condition.holds

    def ends_at_end(self, items: Iterable[int], look_behind: LookBehind | None) -> Iterator[int]:
        """Yield the instructions (MATCH, FOUND) that items reach where the text ends, best first."""
        for item in items:
            at, guards = self.items[item]
            instruction = self._code[at]
            if instruction.kind == CHAR or not self.hold_at_end(guards, look_behind):
                continue
            if instruction.kind == EOF:
                items_behind = self.closure(instruction.to[0], FREE, look_behind)
                yield from self.ends_at_end(items_behind, look_behind)
            else:
                yield at

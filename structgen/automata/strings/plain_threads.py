"""Patterns without look-arounds: a thread is the number of an instruction.

`patterns.Search` makes the same automaton of them; here each instruction is looked at a few times, and few
objects are made. Three patterns in four are such.
"""

from __future__ import annotations

import numpy as np

from structgen.automata.regex.syntax_tree import LookAround, Node, WordBoundary, descendants
from structgen.automata.strings.alphabets import Alphabet, divided
from structgen.automata.strings.automata import MOST_STATES, MOST_WORK, refuse
from structgen.automata.strings.kernels import Row, Table, subsets
from structgen.automata.strings.threads import (
    END,
    MATCH,
    SET,
    SPLIT,
    START,
    Instruction,
    Instructions,
    sets_of,
)
from structgen.automata.unicode.charsets import ANY


def is_plain(tree: Node) -> bool:
    """Return whether a pattern has no look-arounds and no word boundaries."""
    return not any(isinstance(node, (LookAround, WordBoundary)) for node in descendants(tree))


def plain_subsets(tree: Node, most: int = MOST_STATES) -> tuple[Alphabet, Table, Row]:
    """Return the automaton of the texts in which a search finds a pattern that is plain: its alphabet, its
    table, and which states accept. Raises `LimitError` past `most` states.

    Cost: some 2 us an instruction, and what `kernels.subsets` takes.
    """
    instructions = Instructions()
    start = instructions.any_text_before(instructions.emit(tree, 0))
    code = instructions.code
    sets = sets_of(tree)
    alphabet, member = divided(sets)
    number_of_set = {ranges: at for at, ranges in enumerate(sets)}
    first = _waiting(code, start, first=True, at_end=False)
    numbers: dict[int, int] = {}
    threads: list[int] = []
    known: dict[int, list[int]] = {}

    def numbered(waiting: list[int]) -> list[int]:
        for pc in waiting:
            if pc not in numbers:
                numbers[pc] = len(threads)
                threads.append(pc)
        return [numbers[pc] for pc in waiting]

    begin = numbered(first)
    edge_at, edge_set, edge_to = [0], [], []
    for pc in threads:  # it grows meanwhile
        if code[pc].op == SET:
            after = code[pc].after[0]
            targets = known.get(after)
            if targets is None:
                targets = known[after] = numbered(_waiting(code, after, first=False, at_end=False))
            edge_to += targets
            edge_set += [number_of_set[code[pc].set]] * len(targets)
        elif code[pc].op == MATCH:
            edge_to.append(numbers[pc])
            edge_set.append(number_of_set[ANY])
        edge_at.append(len(edge_to))
    ends = [code[pc].op == MATCH or (code[pc].op == END and _ends(code, pc, False)) for pc in threads]
    if _ends(code, start, True) and not any(ends[thread] for thread in begin):
        # `$^`: only the empty text is both at its start and at its end
        begin.append(len(ends))
        ends.append(True)
        edge_at.append(len(edge_to))
    count, trans, accept = subsets(
        np.array(edge_at, np.int64),
        np.array(edge_set, np.int32),
        np.array(edge_to, np.int32),
        member,
        np.array(begin, np.int32),
        np.array(ends, np.uint8),
        numbers.get(0, -1),
        most,
        MOST_WORK,
    )
    if count < 0:
        refuse(count, most)
    return alphabet, trans, accept.astype(np.int32)


def _waiting(code: list[Instruction], pc: int, *, first: bool, at_end: bool) -> list[int]:
    """Return the instructions that wait for a character, for the end, or have matched, to which one leads
    without a character. `first`: at the start of the text; `at_end`: at its end."""
    seen = {pc}
    todo = [pc]
    found: list[int] = []
    while todo:
        pc = todo.pop()
        one = code[pc]
        if one.op == SPLIT or (one.op == START and first) or (one.op == END and at_end):
            for after in one.after:
                if after not in seen:
                    seen.add(after)
                    todo.append(after)
        elif one.op != START:
            found.append(pc)
    return [0] if 0 in seen and not at_end else found


def _ends(code: list[Instruction], pc: int, first: bool) -> bool:
    """Return whether a text may end at an instruction."""
    return any(code[end].op == MATCH for end in _waiting(code, pc, first=first, at_end=True))

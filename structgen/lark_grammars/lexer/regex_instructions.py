"""The instructions of a lexer's patterns (`ordered_matching`): as objects, and as arrays for files.

An instruction in arrays becomes an object when it is first used: the first masks need few.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, groupby
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.automata.unicode.utf8 import DONE, ByteNode, interned
from structgen.lark_grammars.reading.loaded_grammar import Patterns

CHAR, SPLIT, MATCH, AHEAD, BEHIND, START, END, LEAVE = range(8)
"""Kinds of instructions."""
_NO_NODE: Final = -1
_DONE: Final = -1
"""Stands for DONE among the successors of a node."""


class Instruction(NamedTuple):
    """One instruction."""

    kind: int
    node: ByteNode | None = None
    to: tuple[int, ...] = ()
    """The next instructions, best first."""
    number: int = -1
    """The terminal that has matched; the number of the look-behind; whether the look-ahead must hold."""
    other: int = -1
    """The first instruction of a look-ahead."""


class Instructions(dict[int, Instruction]):
    """Instructions by number. Cost: 1 us for one from a file, 3 us for a new node of its bytes."""

    def __init__(self, kept: Patterns | None = None) -> None:
        super().__init__()
        self._kept = kept
        self.count = 0
        self._nodes: dict[int, ByteNode] = {_DONE: DONE}
        if kept is not None:
            self.count = len(kept.code)
            # lists, because reading one number of an array takes as long as making an instruction
            self._words: list[int] = kept.code.reshape(-1).tolist()
            self._to_begins: list[int] = kept.to_begins.tolist()
            self._to: list[int] = kept.to.tolist()

    def put(self, instruction: Instruction) -> int:
        """Add an instruction; return its number."""
        number = self.count
        self[number] = instruction
        self.count += 1
        return number

    def __missing__(self, at: int) -> Instruction:
        kept = self._kept
        if kept is None or not 0 <= at < len(kept.code):
            raise KeyError(at)
        kind, node, number, other = self._words[4 * at : 4 * at + 4]
        to = tuple(self._to[self._to_begins[at] : self._to_begins[at + 1]])
        waits = None if node == _NO_NODE else self._nodes.get(node) or self._node(node)
        made = self[at] = Instruction(kind, waits, to, number, other)
        return made

    def _node(self, number: int) -> ByteNode:
        known = self._nodes.get(number)
        if known is None:
            assert self._kept is not None
            begin, end = self._kept.node_begins[number : number + 2].tolist()
            runs = self._kept.nodes[begin:end].tolist()
            known = interned(tuple((low, high, self._node(after)) for low, high, after in runs))
            self._nodes[number] = known
        return known


def runs_of(node: ByteNode) -> list[tuple[int, int, ByteNode]]:
    """Return the successors of a node as runs of bytes with the same successor."""
    runs = []
    for after, some in groupby(enumerate(node.after), key=lambda one: one[1]):
        numbers = [byte for byte, _after in some]
        if after is not None:
            runs.append((numbers[0], numbers[-1], after))
    return runs


class _Nodes:
    """The nodes of some instructions, each after its successors."""

    def __init__(self) -> None:
        self._numbers: dict[ByteNode, int] = {DONE: _DONE}
        self.runs: list[list[tuple[int, int, int]]] = []

    def number(self, node: ByteNode) -> int:
        """Return the number of a node."""
        known = self._numbers.get(node)
        if known is None:
            runs = [(low, high, self.number(after)) for low, high, after in runs_of(node)]
            known = len(self.runs)
            self.runs.append(runs)
            self._numbers[node] = known
        return known


def patterns_of(
    code: Sequence[Instruction],
    reach: Sequence[int],
    looks: Sequence[tuple[int, int]],
    first: Mapping[int, int],
    exact: Mapping[int, tuple[int, int]],
    classes: bytes,
    least: Sequence[int],
    is_local: bool,
) -> Patterns:
    """Return the arrays of some instructions, with their attributes. Cost: about 10 us for each."""
    nodes = _Nodes()
    rows = [
        (one.kind, _NO_NODE if one.node is None else nodes.number(one.node), one.number, one.other)
        for one in code
    ]
    kinds = {bits: at for at, bits in enumerate(dict.fromkeys(reach))}
    width = max([1, *(-(-bits.bit_length() // 8) for bits in kinds)])
    written = [[*bits.to_bytes(width, "little")] for bits in kinds]
    return Patterns(
        code=_numbers(rows, 4),
        to_begins=_begins(one.to for one in code),
        to=_numbers(to for one in code for to in one.to),
        node_begins=_begins(nodes.runs),
        nodes=_numbers((run for runs in nodes.runs for run in runs), 3),
        looks=_numbers(looks, 2),
        first=_numbers(first.items(), 2),
        exact=_numbers(((string, *of) for string, of in exact.items()), 3),
        reach=_numbers(map(kinds.__getitem__, reach)),
        reaches=np.array(written, np.uint8).reshape(-1, width),
        least=np.array(least, np.int64),
        classes=np.frombuffer(classes, np.uint8),
        is_local=is_local,
    )


def _numbers(of: Iterable[object], width: int = 0) -> npt.NDArray[np.int32]:
    array = np.array([*of], np.int32)
    return array.reshape(-1, width) if width else array


def _begins(lists: Iterable[Sequence[object]]) -> npt.NDArray[np.int32]:
    return np.array([*accumulate(map(len, lists), initial=0)], np.int32)

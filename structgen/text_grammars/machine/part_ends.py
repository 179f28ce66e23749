"""`PartEnds`: the trie nodes at which the text of a part may end inside a token."""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from structgen.core.compiled import WantedNodes
from structgen.native.raw_memory import address_of
from structgen.text_grammars.machine import part_reading
from structgen.text_grammars.machine.language import InsidePart
from structgen.text_grammars.machine.masked_part import MaskedPart
from structgen.tokens.trie_nodes import fields_of
from structgen.tokens.vocabulary import Vocabulary

_MAPS = 8
"""Maps of a trie that are remembered, one for each set of bytes that may follow a part."""


class Map(NamedTuple):
    """The nodes of a trie at which a part may end inside a token."""

    wanted: WantedNodes
    slots: npt.NDArray[np.uint8]
    """Of each slot, whether such a node is a proper prefix of its tokens."""


class PartEnds:
    """The nodes of a trie at which parts may end, remembered by the parts' states.

    Only nodes are examined whose byte may end the part's text and which have a child with a byte that may
    follow the part: a few hundred where a JSON object stands in a tag.
    """

    _known: ClassVar[WeakKeyDictionary[Vocabulary, OrderedDict[tuple[bytes, ...], Map]]] = WeakKeyDictionary()

    def __init__(self, address: int, vocabulary: Vocabulary) -> None:
        """`address`: of a context with the vocabulary's trie."""
        self._address, self._vocabulary = address, vocabulary
        self._maps = self._known.setdefault(vocabulary, OrderedDict())
        self._found: dict[tuple[MaskedPart, int, bytes], npt.NDArray[np.int64]] = {}

    def nodes(self, place: InsidePart, following: bytes) -> npt.NDArray[np.int64]:
        """Return the nodes, in the trie's order, whose bytes lead from a place to the end of its part, and
        which have a child among some bytes that may follow."""
        key = place.part, place.state, following
        found = self._found.get(key)
        if found is None:
            known = self.map(place.part.last, place.part.space, following)
            found = np.array(place.part.ends_below(place.state, known.wanted), np.int64)
            self._found[key] = found
        return found

    def may_leave(self, place: InsidePart, following: bytes, token: int) -> bool:
        """Return whether a token has a prefix with which a part may end, and one of some bytes behind it."""
        slot = int(self._vocabulary.token_slot[token])
        return slot >= 0 and bool(self.map(place.part.last, place.part.space, following).slots[slot])

    def map(self, last: bytes, space: bytes, following: bytes) -> Map:
        """Return the nodes that end with one of the bytes `last` and any of `space`, or have these alone, and
        have a child with one of `following`."""
        key = last, space, following
        known = self._maps.pop(key, None)
        if known is None:
            marks = np.empty(len(self._vocabulary.nodes), np.uint8)
            flags = _flags(last) | 2 * _flags(space), _flags(following)
            part_reading.mark_wanted(
                self._address, address_of(flags[0]), address_of(flags[1]), address_of(marks)
            )
            below = self._slots_below(np.flatnonzero(marks == 2), following)
            known = Map(WantedNodes.of(self._vocabulary.nodes, marks), below)
        self._maps[key] = known  # the most recently used is the last
        if len(self._maps) > _MAPS:
            self._maps.popitem(last=False)
        return known

    def _slots_below(self, nodes: npt.NDArray[np.int64], following: bytes) -> npt.NDArray[np.uint8]:
        """Return for each slot whether its tokens stand below a child of the nodes with one of some bytes."""
        words, before = self._vocabulary.nodes, self._vocabulary.slots_before
        found = np.zeros(len(self._vocabulary.slot_start), np.uint8)
        for node in nodes.tolist():
            child, end = node + 1, fields_of(int(words[node])).end
            while child < end:
                fields = fields_of(int(words[child]))
                if fields.byte in following:
                    found[before[child] : before[fields.end]] = 1
                child = fields.end
        return found

    @property
    def nbytes(self) -> int:
        """Bytes of all that is remembered, about."""
        return sum(250 + known.nbytes for known in self._found.values())


def _flags(data: bytes) -> npt.NDArray[np.uint8]:
    """Return uint8[256] with a 1 for each of some bytes."""
    found = np.zeros(256, np.uint8)
    found[list(data)] = 1
    return found

"""Where tokens leave a part's text: the nodes of the vocabulary's trie behind which it may have ended."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from structgen.native.raw_memory import address_of
from structgen.text_grammars.machine import stepping
from structgen.text_grammars.machine.language import InsidePart
from structgen.text_grammars.machine.part import MaskedPart
from structgen.tokens.vocabulary import Vocabulary

_KEPT = 8
"""Maps of the trie that are kept: one for each set of bytes that may follow a part."""


class Leaving:
    """The nodes of a trie behind which parts may have ended, remembered by the parts' states.

    Looked at are the nodes alone whose last byte may end the part's text, and which have a child with a byte
    that may follow it: a few hundred where a JSON object stands in a tag.
    """

    def __init__(self, address: int, vocabulary: Vocabulary) -> None:
        """`address`: of a context with the vocabulary's trie."""
        self._address, self._vocabulary = address, vocabulary
        self._at: npt.NDArray[np.int64] | None = None
        self._maps: dict[tuple[bytes, bytes], tuple[npt.NDArray[np.uint8], int]] = {}
        self._found: dict[tuple[MaskedPart, int, bytes], npt.NDArray[np.int64]] = {}

    def nodes(self, one: InsidePart, first: bytes) -> npt.NDArray[np.int64]:
        """Return the nodes whose bytes lead from a place inside a part to one where it may end, as far as
        they have a child among some bytes: those that may follow. In the order of the trie."""
        key = one.part, one.state, first
        found = self._found.get(key)
        if found is None:
            wanted, most = self._map(one.part.last, first)
            found = np.array(one.part.leaves(one.state, wanted, most), np.int64)
            self._found[key] = found
        return found

    def passes(self, one: InsidePart, first: bytes, token: int) -> bool:
        """Return whether a token comes past one of these nodes."""
        nodes = self.nodes(one, first)
        slot = int(self._vocabulary.token_slot[token])
        if slot < 0 or not len(nodes):
            return False
        at = self._slot_nodes()[slot]
        skips = (self._vocabulary.nodes[nodes] >> np.uint64(40)).astype(np.int64)
        return bool(((nodes < at) & (at < skips)).any())

    def _slot_nodes(self) -> npt.NDArray[np.int64]:
        """Return the node of each slot."""
        if self._at is None:
            self._at = np.flatnonzero((self._vocabulary.nodes >> np.uint64(20)) & np.uint64(0xFFFFF))
        return self._at

    def _map(self, last: bytes, first: bytes) -> tuple[npt.NDArray[np.uint8], int]:
        """Return the map of the nodes that are looked at, and how many there are."""
        key = last, first
        known = self._maps.pop(key, None)
        if known is None:
            wanted = np.empty(len(self._vocabulary.nodes), np.uint8)
            flags = _flags(last), _flags(first)
            stepping.mark_wanted(
                self._address, address_of(flags[0]), address_of(flags[1]), address_of(wanted)
            )
            known = wanted, int(np.count_nonzero(wanted == 2))
        self._maps[key] = known  # the last one asked for is the last to go
        if len(self._maps) > _KEPT:
            del self._maps[next(iter(self._maps))]
        return known

    @property
    def nbytes(self) -> int:
        """Bytes of what is remembered, about."""
        held = sum(wanted.nbytes for wanted, _most in self._maps.values())
        return held + sum(250 + known.nbytes for known in self._found.values())


def _flags(data: bytes) -> npt.NDArray[np.uint8]:
    found = np.zeros(256, np.uint8)
    found[list(data)] = 1
    return found

"""Finds the nodes of the vocabulary's trie at which the text of a part may end inside a token.

A *part* is a grammar inside a grammar with masks of its own. Before `</a>` the token `}</` ends a JSON object
inside: the part's text ends at the trie node of `}`. A *slot* is a set of tokens with the same bytes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from structgen.base.native.array_types import ByteArray
from structgen.base.native.raw_memory import address_of
from structgen.grammars.text_grammars.machine import part_reading
from structgen.machines.machine_core.wanted_nodes import TargetNodes
from structgen.tokens.vocabulary import Vocabulary

_MAPS = 8
"""The number of maps of one trie that are remembered: one for each set of bytes that may follow a part."""


class EndsMap(NamedTuple):
    """The nodes of a trie at which a part may end inside a token."""

    targets: TargetNodes
    slots: ByteArray
    """For each slot 1 if such a node is a proper prefix of the slot's tokens, else 0."""


_KNOWN: Final[WeakKeyDictionary[Vocabulary, OrderedDict[tuple[bytes, ...], EndsMap]]] = WeakKeyDictionary()
"""For each vocabulary the last maps, by (last, space, following) of `ends_map`."""


def ends_map(address: int, vocabulary: Vocabulary, last: bytes, space: bytes, following: bytes) -> EndsMap:
    """Return the nodes of the trie at which a part may end inside a token.

    `last`: the bytes that may end the part's text. `space`: bytes that may follow them in any number.
    `following`: the bytes that may follow the part. A node is returned if its bytes end with one of `last`
    and any number of `space`, or are all of `space`, and if it has a child with one of `following`. For
    example, a JSON object before `</a>` has `last` b"}", `space` b" " and `following` b"<". This gives a few
    hundred nodes. `address`: the address of a context with the vocabulary's trie. Cost: some ms for new
    bytes.
    """
    maps = _KNOWN.setdefault(vocabulary, OrderedDict())
    key = last, space, following
    ends = maps.pop(key, None)
    if ends is None:
        marks = np.zeros(len(vocabulary.nodes), np.uint8)
        slots = np.zeros(len(vocabulary.slot_start), np.uint8)
        end_flags = _byte_flags(last) | 2 * _byte_flags(space)
        following_flags = _byte_flags(following)
        part_reading.mark_wanted(
            address, address_of(end_flags), address_of(following_flags), address_of(marks), address_of(slots)
        )
        ends = EndsMap(TargetNodes.from_flags(vocabulary.nodes, marks), slots)
    maps[key] = ends  # the most recently used is the last
    if len(maps) > _MAPS:
        maps.popitem(last=False)
    return ends


def unite_bytes(parts: Iterable[bytes]) -> bytes:
    """Return the union of some sets of bytes, in ascending order. A single set is returned as it is."""
    different = set(parts)
    if len(different) == 1:  # mostly so, and then nothing is sorted
        return different.pop()
    return bytes(sorted(set(b"".join(different))))


def _byte_flags(data: bytes) -> ByteArray:
    """Return an array uint8[256] that has 1 at each byte of `data`, and 0 elsewhere."""
    flags = np.zeros(256, np.uint8)
    flags[list(data)] = 1
    return flags

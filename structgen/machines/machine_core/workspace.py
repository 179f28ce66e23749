"""`Workspace` is the scratch memory in which compiled code builds masks: one for each thread and vocabulary.

- A *walk* goes over the trie of a vocabulary and collects the tokens that may come.
- A *record* holds what a walk found for one state inside a lexeme (e.g. a string), to be used again.
- A *crossing* is a place in a token at which the lexeme ends and the rest of the token goes on.
- A *context* is the block of a compiled grammar. `attach` writes the addresses of the arrays into it.
"""

from __future__ import annotations

import threading
from typing import Final

import numpy as np

from structgen.base.native.array_types import Array, Int32Array, Int64Array
from structgen.base.native.lazy_memory import room
from structgen.base.native.raw_memory import address_of
from structgen.base.native.typed_blocks import word_of, words_of
from structgen.machines.machine_core.growing_tables import DEEPEST
from structgen.machines.machine_core.layout import ROOM_WORDS
from structgen.machines.machine_core.lexeme_layout import (
    FOUND_WORDS,
    MOST_PENDING,
    MOST_WAITING,
    SEEN_SLOTS,
    Depth,
    LexemeContext,
    LexemeCrossing,
    Pending,
    Scan,
    Waiting,
)
from structgen.machines.machine_core.lexeme_records import MERGING_WORDS, MOST_DENSE
from structgen.tokens.vocabulary import Vocabulary

_CROSSINGS_PER_NODE: Final = 4
"""The most crossings of one record, for each node of the vocabulary."""


class Workspace:
    """The scratch arrays for one vocabulary. They take memory only as they are used."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        size = 2 * vocabulary.vocab_size + 64
        words = vocabulary.words
        crossings = _CROSSINGS_PER_NODE * len(vocabulary.nodes) + DEEPEST
        self.buffer: Int32Array = room(4 * size).view(np.int32)
        self.alike: Int32Array = np.zeros(words, np.int32)
        """A row of bits: the tokens that the last scan did not list: another state's record has them."""
        # `room` has memory in units of eight bytes
        mask_room: Int32Array = room(4 * (words + 1)).view(np.int32)
        self.mask = mask_room[:words]
        dense_room: Int32Array = room(4 * words * MOST_DENSE).view(np.int32)
        self.dense = dense_room.reshape(-1, words)
        self.tokens: Int32Array = room(4 * FOUND_WORDS * crossings).view(np.int32)
        self.arrays: dict[str, Array] = {
            "buffer": self.buffer,
            "room": room(8 * ROOM_WORDS),
            "marks": room(4 * words),
            "deferred_tokens": room(4 * size),
            "scan": np.zeros(words_of(Scan), np.int64),
            "depths": np.zeros(words_of(Depth) * (DEEPEST + 2), np.int64),
            "tokens_found": self.tokens,
            "crossings": room(8 * words_of(LexemeCrossing) * crossings),
            "waiting": room(8 * words_of(Waiting) * 2 * MOST_WAITING),
            "merging": room(64 * MERGING_WORDS),
            "pending": room(8 * words_of(Pending) * (MOST_PENDING + 1)),
            "work_hashes": room(8 * SEEN_SLOTS),
            "mask": self.mask,
            "alike": self.alike,
            "dense": self.dense,
        }
        # the words of a context that `attach` writes, and their values
        array_words = [word_of(LexemeContext, name) for name in self.arrays]
        self.context_words = [*array_words, LexemeContext.most_crossings]
        self.pointers = [*map(address_of, self.arrays.values()), crossings]


def attach(holder: threading.local, vocabulary: Vocabulary, context: Int64Array) -> Workspace:
    """Return this thread's workspace, after its addresses were written into a context.

    `holder`: keeps the workspace of each thread; `context`: the words of the block of a grammar.
    """
    space: Workspace | None = getattr(holder, "space", None)
    if space is None:
        space = holder.space = Workspace(vocabulary)
    context[space.context_words] = space.pointers
    return space

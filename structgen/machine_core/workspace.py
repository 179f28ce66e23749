"""The large scratch arrays of a walk over the vocabulary, one set for each thread and vocabulary."""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

from structgen.machine_core.layout import ROOM_WORDS, Core
from structgen.native.lazy_memory import room
from structgen.native.raw_memory import address_of
from structgen.native.typed_blocks import word_of
from structgen.tokens.vocabulary import Vocabulary

_WHERE = [word_of(Core, name) for name in ("buffer", "room", "marks", "deferred")]


class Workspace:
    """Scratch arrays; pages are touched as they are used."""

    __slots__ = ("arrays", "buffer", "pointers")

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.buffer: npt.NDArray[np.int32] = room(4 * (2 * vocabulary.vocab_size + 64)).view(np.int32)
        words: npt.NDArray[np.int64] = room(8 * ROOM_WORDS).view(np.int64)
        marks: npt.NDArray[np.int32] = room(4 * (vocabulary.words + vocabulary.vocab_size)).view(np.int32)
        deferred: npt.NDArray[np.int32] = room(4 * (2 * vocabulary.vocab_size + 64)).view(np.int32)
        self.arrays = (self.buffer, words, marks, deferred)
        self.pointers = tuple(address_of(array) for array in self.arrays)


def attach(holder: threading.local, vocabulary: Vocabulary, context: npt.NDArray[np.int64]) -> Workspace:
    """Return this thread's workspace, the context pointing at it."""
    space: Workspace | None = getattr(holder, "space", None)
    if space is None:
        space = holder.space = Workspace(vocabulary)
    context[_WHERE] = space.pointers
    return space

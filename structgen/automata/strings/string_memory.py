"""The tables of a string pool as arrays: made small, grown when compiled code finds one full."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from structgen.automata.programs import determinizer_tables as ar
from structgen.automata.programs.determinizer_tables import WIDTH, Key, StringState, StringTables, ThreadSet
from structgen.automata.strings import determinizer as k
from structgen.automata.unicode.decoded_text import LONE_COLUMN
from structgen.automata.unicode.utf8 import LONE_PLACE, PLACES
from structgen.errors import LimitError
from structgen.language.ir import DEAD
from structgen.limits import Limits
from structgen.native.raw_memory import address_of
from structgen.native.typed_blocks import fields_of, word_of, words_of

ROOMS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "keys": 512,
        "sets": 256,
        "nodes": 256,
        "states": 128,
        "heap": 8192,
        "work": 2048,
        "queue": 1024,
        "code": 256,
        "specs": 16,
        "listed": 256,
    }
)
"""Rows of each table at first: powers of 2, at least 8, at least 32 of `work`, whose halves are a list and a
stack. `listed` does not grow."""
WORK_OF_A_STEP: Final = 6
"""Units of a call's work, some 4 us each, in one of `Limits.oracle_steps`."""
_MOST_BYTES: Final = 1 << 31
"""Bytes that one array of a pool may take."""
_WORDS: Final[Mapping[str, int]] = {
    name: 1 if field.type.element is None else words_of(field.type.element)
    for name, field in fields_of(StringTables).items()
    if field.inside and name in ROOMS
}
"""The words of a row of each table."""
_INTERNING: Final = ("keys", "sets")
_FULL: Final[Mapping[int, tuple[str, ...]]] = {
    ar.KEYS: ("keys",),
    ar.SETS: ("sets",),
    ar.NODES: ("nodes",),
    ar.STATES: ("states", "trans", "outcome"),
    ar.HEAP: ("heap",),
    ar.WORK: ("work",),
    ar.QUEUE: ("queue",),
}
_ADDRESS, _COUNT, _CAPACITY, _STRIDE, _SLOTS, _MASK = range(6)
"""The words of a table's header (`typed_blocks.TableHeader`)."""


class StringMemory:
    """The arrays of one string pool. `arrays`: by the names of `StringTables`; they are replaced when they
    grow, the mapping is not.

    A pool of which only the free states are asked has no arrays of its own.
    """

    def __init__(self, limits: Limits, rooms: Mapping[str, int], answer: Callable[[int, int], None]) -> None:
        """`answer` is called with the cause and the argument of an interrupt that is no full table."""
        self._limits, self._rooms, self._answer = limits, {**ROOMS, **rooms}, answer
        self.words: Any = np.zeros(words_of(StringTables), np.int64)
        self._address = address_of(self.words)
        self.arrays: dict[str, Any] = dict(_free_states())
        self.is_bare = True
        self.words[StringTables.most_steps] = limits.oracle_steps
        self.words[StringTables.most_characters] = ar.NONE
        self.words[StringTables.most_states] = limits.automaton_states
        self.words[StringTables.most_work] = WORK_OF_A_STEP * limits.oracle_steps
        self.words[StringTables.expansion] = 1  # no state was seen yet
        self.set_count("states", 8)
        self._slots: dict[str, Any] = {}

    def count(self, name: str) -> int:
        """Return how many rows of a table are used."""
        return int(self.words[word_of(StringTables, name) + _COUNT])

    def set_count(self, name: str, count: int) -> None:
        self.words[word_of(StringTables, name) + _COUNT] = count

    def make(self) -> None:
        """Give the pool arrays of its own, cut from one block. They replace the shared ones at the end, so
        that an exception in between leaves a pool that can begin again."""
        if not self.is_bare:
            return
        arrays: dict[str, Any] = {}
        rooms, at = self._rooms, 0
        block = np.empty(sum(rooms[name] * words for name, words in _WORDS.items()), np.int64)
        for name, words in _WORDS.items():
            part = block[at : at + rooms[name] * words]
            arrays[name] = part.reshape(-1, words) if words > 1 else part
            at += len(part)
        arrays["trans"] = np.empty((rooms["states"], WIDTH), np.int32)
        arrays["outcome"] = np.empty(rooms["states"], np.int32)
        arrays["specs"].fill(0)
        for name in _INTERNING:
            self._slots[name] = np.full(4 * rooms[name], -1, np.int32)
        for name, rows in _free_states().items():
            arrays[name][:8] = rows
        self._bind(arrays, *arrays)
        # Context 0, outside every counted repeat, and the free states of outcome 0.
        k.ask(self._address, k.ASK_THREAD, ar.CONTEXT, -1)
        arrays["keys"][k.ask(self._address, k.ASK_THREAD, ar.FREE, 0), Key.value] = 0
        self.arrays.update(arrays)
        self.is_bare = False

    def _bind(self, arrays: Mapping[str, Any], *names: str) -> None:
        """Write where these arrays are to the words."""
        for name in names:
            header = self.words[word_of(StringTables, name) :]
            header[_ADDRESS], header[_CAPACITY] = address_of(arrays[name]), len(arrays[name])
            if name in _INTERNING:
                header[_SLOTS], header[_MASK] = address_of(self._slots[name]), len(self._slots[name]) - 1

    def ask(self, what: int, a: int, b: int = 0) -> int:
        """Have a question answered by compiled code (`determinizer.ask`). Raises `LimitError`."""
        if self.is_bare:
            self.make()
        while True:
            try:
                return int(k.ask(self._address, what, a, b))
            except ar.Interrupt:
                self.resolve()

    def once(self, what: int, a: int, b: int) -> int:
        """The same up to the first `Interrupt`."""
        return int(k.ask(self._address, what, a, b))

    def resolve(self) -> None:
        """Do away with the cause of an interrupt. Raises `LimitError`."""
        cause, what = int(self.words[StringTables.cause]), int(self.words[StringTables.what])
        if cause in _FULL:
            self.grow(cause, what)
        elif cause == ar.OVER_STEPS:
            raise LimitError(
                "The search for a string that completes a place took more than "
                f"{int(self.words[StringTables.most_steps])} steps.",
                limit="oracle_steps",
            )
        elif cause == ar.OVER_WORK:
            raise LimitError(
                "What strings may go on with was not found out within the work of one call, "
                f"{self._limits.oracle_steps:,} steps: conditions on one string multiply.",
                limit="oracle_steps",
            )
        elif cause == ar.OVER_STATES:
            raise LimitError(
                f"The string automata have more than {self._limits.automaton_states} states.",
                limit="automaton_states",
            )
        else:
            self._answer(cause, what)

    @contextmanager
    def at_most(self, steps: int) -> Iterator[None]:
        """Bound the searches of a block; never above `Limits.oracle_steps`."""
        self.words[StringTables.most_steps] = min(steps, self._limits.oracle_steps)
        try:
            yield
        finally:
            self.words[StringTables.most_steps] = self._limits.oracle_steps

    def grow(self, cause: int, least: int) -> None:
        """Make room for `least` rows more, at least twice as many as before."""
        for name in _FULL[cause]:
            old = self.arrays[name]
            size = 2 * len(old)
            while size < len(old) + least + 1:
                size *= 2
            if size * old[:1].nbytes > _MOST_BYTES:
                raise LimitError(
                    f"The automata of the strings need more than {_MOST_BYTES >> 20:,} MiB: "
                    "counted repetitions within one another multiply.",
                    limit="automaton_states",
                )
            self.arrays[name] = _longer(old, size)
            if name in _INTERNING:
                self._slots[name] = np.full(4 * size, -1, np.int32)
        self._bind(self.arrays, *_FULL[cause])
        if cause in (ar.KEYS, ar.SETS):
            self.once(k.ASK_REHASH, cause, 0)

    def append(self, values: Iterable[int]) -> int:
        """Append to the heap; return the offset."""
        data = values if isinstance(values, np.ndarray) else np.array(list(values), np.int64)
        top = self.count("heap")
        if top + len(data) > len(self.arrays["heap"]):
            self.grow(ar.HEAP, len(data))
        self.arrays["heap"][top : top + len(data)] = data
        self.set_count("heap", top + len(data))
        return top

    def members(self, set_: int) -> list[int]:
        """Return the members of a set."""
        at, size = self.arrays["sets"][set_, [ThreadSet.at, ThreadSet.size]].tolist()
        members: list[int] = self.arrays["heap"][at : at + size].tolist()
        return members

    def put_rows(self, name: str, rows: Any) -> int:
        """Append rows to `code` or `specs`, whose last fields are 0; return the number of the first."""
        at, old = self.count(name), self.arrays[name]
        if at + len(rows) > len(old):
            self.arrays[name] = old = _longer(old, max(2 * len(old), at + len(rows)))
            self._bind(self.arrays, name)
        old[at : at + len(rows)] = 0
        old[at : at + len(rows), : rows.shape[1]] = rows
        self.set_count(name, at + len(rows))
        return at


def _longer(old: Any, size: int) -> Any:
    new = np.empty((size, *old.shape[1:]), old.dtype)
    new[: len(old)] = old
    return new


@functools.lru_cache(maxsize=1)
def _free_states() -> Mapping[str, Any]:
    """Return the rows of the free states, by the names of their arrays. Never write to them: numpy would
    allow it, because compiled code takes no read-only arrays."""
    trans = np.full((8, WIDTH), DEAD, np.int32)
    for state, edges in enumerate(PLACES):
        for low, high, after in edges:
            trans[state, low : high + 1] = after
    trans[0, LONE_COLUMN] = LONE_PLACE
    outcome = np.full(8, -1, np.int32)
    outcome[0] = 0
    states = np.zeros((8, words_of(StringState)), np.int64)
    states[:, StringState.c] = range(8)
    states[:, StringState.done] = 1
    states[:, StringState.parent] = -1
    return MappingProxyType({"trans": trans, "outcome": outcome, "states": states})

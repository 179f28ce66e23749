"""`HeldByContent`: a cache of values by key, shared by the whole process and bounded in bytes.

It holds the automata and alphabets that were made last; the value that was not used for longest is dropped
first. A *bill* is the count of the steps that making a value has cost. A call that finds a value in the cache
is charged the same steps (`public_calls`), so its limits do not depend on what earlier calls made.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Final, Generic, Protocol, TypeVar

from structgen.base.system.fork_locks import QUEUES, new_lock
from structgen.base.system.garbage import pause_collection
from structgen.base.system.public_calls import THIS_CALL


class HasSize(Protocol):
    """A value that knows its size in bytes."""

    @property
    def nbytes(self) -> int: ...


T = TypeVar("T", bound=HasSize)
BUDGET: Final = 64 << 20
"""The default of the most bytes that one cache holds."""
ENTRY_BYTES: Final = 1024
"""About the bytes of one entry without its arrays: the key and the objects."""


class HeldByContent(Generic[T]):
    """A cache: values by key, each made when it is first needed.

    Safe for threads. Two threads may make one value at the same time; the first one is kept.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._bytes = 0
        self._entries: OrderedDict[Hashable, tuple[T, Mapping[int, int]]] = OrderedDict()
        self._lock = new_lock(QUEUES)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key. If it is not held, `make()` makes it.

        Raises what `make` raises, and LimitError where the present call has fewer steps left than making the
        value costs, even if it is held.
        """
        try:
            with self._lock:
                entry = self._entries.get(key)
                if entry is not None:
                    self._entries.move_to_end(key)
        except RecursionError:  # too deep to be compared
            return make()
        if entry is not None:
            THIS_CALL.charge_bill(entry[1])
            return entry[0]
        with pause_collection():  # a pattern has many small parts, and most are freed at the end
            # Not under the lock: making takes long, and may call `get` of this object for other keys.
            value, bill = THIS_CALL.bill_work(hash((id(self), key)), make)
        size = value.nbytes + ENTRY_BYTES
        with self._lock:
            if key not in self._entries and size <= self._budget:
                # The bill is kept with the value: later calls are charged by it (`charge_bill`). Both are
                # assigned in one statement, so that an interrupt leaves no entry that is not counted.
                self._entries[key], self._bytes = (value, bill), self._bytes + size
                while self._bytes > self._budget:
                    _, (gone, _bill) = self._entries.popitem(last=False)
                    self._bytes -= gone.nbytes + ENTRY_BYTES
        return value

    @property
    def nbytes(self) -> int:
        """The number of bytes that are held."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def clear(self) -> None:
        """Drop all values."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

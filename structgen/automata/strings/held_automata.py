"""The things that a process has made of formulas, by content, within a budget of bytes: the oldest goes
first.

A call is charged for the steps of what is held too (`public_calls`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Final, Generic, Protocol, TypeVar

from structgen.base.system.fork_locks import QUEUES, new_lock
from structgen.base.system.garbage import pause_collection
from structgen.base.system.public_calls import THIS_CALL


class HasSize(Protocol):
    """Something that tells how many bytes it takes."""

    @property
    def nbytes(self) -> int: ...


T = TypeVar("T", bound=HasSize)
BUDGET: Final = 64 << 20
"""The bytes that are held, unless another budget is given."""
ENTRY_BYTES: Final = 1024
"""The bytes of one entry beside its arrays: the key, the objects; about."""


class HeldByContent(Generic[T]):
    """Values by key, made when they are asked for first. Safe for threads: two may make one value at once,
    and the first is kept."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._bytes = 0
        self._entries: OrderedDict[Hashable, tuple[T, Mapping[int, int]]] = OrderedDict()
        self._lock = new_lock(QUEUES)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key; `make()` makes it where it is not held. What `make` raises is raised,
        and LimitError where the present call has no steps left for it."""
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
        with pause_collection():  # the parts of a pattern are many, and most are gone at the end
            # Without the lock: making takes long, and asks for other values of this object.
            value, bill = THIS_CALL.bill_work(hash((id(self), key)), make)
        size = value.nbytes + ENTRY_BYTES
        with self._lock:
            if key not in self._entries and size <= self._budget:
                # The bill goes with the value: later calls pay as if they had made it (`charge_bill`). One
                # statement: no exception finds an entry whose bytes are not counted.
                self._entries[key], self._bytes = (value, bill), self._bytes + size
                while self._bytes > self._budget:
                    _, (gone, _bill) = self._entries.popitem(last=False)
                    self._bytes -= gone.nbytes + ENTRY_BYTES
        return value

    @property
    def nbytes(self) -> int:
        """The bytes that are held."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def clear(self) -> None:
        """Hold nothing any longer."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

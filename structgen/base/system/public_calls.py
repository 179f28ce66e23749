"""Bounds the work of each public call as a whole.

A *call* is one use of a public function, such as filling a mask, in one thread. It may need thousands of
searches and automata. A *step* is a unit of this work, some 20 us. All steps of a call are counted together,
and may be `Limits.oracle_steps` at most (`spend_steps` for searches, `count_work` for automata).

A *bill* is the number of steps that each part of a thing took to make, by the part's number. If a thing is in
a cache already, its bill is charged (`charge_bill`) as if the call had made it. So the same input is refused
or accepted in every process, whatever its caches hold. A part is *paid* once in a call. Work outside of any
call has no limit.

A `Stop` is a flag for work whose result is no longer wanted: once it is set, the next step ends the work.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache, wraps
from typing import Any, Final, TypeVar, cast
from weakref import ref

from structgen.base.errors import LimitError, OutOfMemoryError
from structgen.base.limits import DEFAULT, Limits

NUMBERS: Final = 1_000
"""How many numbers compiled code reads in the time of one step."""
F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class WorkStopped(BaseException):
    """The exception that ends work whose result is no longer wanted."""


class Stop:
    """A flag with which another thread ends some work."""

    __slots__ = ("flag",)

    def __init__(self) -> None:
        self.flag = bytearray(1)
        """One byte, 1 once the flag is set. It is a byte array because compiled code reads it too."""

    def set(self) -> None:
        """Have the work end at its next step."""
        self.flag[0] = 1


_NEVER: Final = Stop()


class Part:
    """The context of a call. The call lasts as long as a frame refers to this object. So the call is over
    however its frame ends, even by an interrupt between two instructions."""

    __slots__ = ("__weakref__",)

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, MemoryError) and not isinstance(error, OutOfMemoryError):
            raise OutOfMemoryError(f"The memory of the process is exhausted: {error}.") from error


class _Call(threading.local):
    """The present call of each thread, and its counts."""

    def __init__(self) -> None:
        self._part: Callable[[], Part | None] = _no_call
        self.spent = 0
        """The steps of this call so far, or of the last one."""
        self.stop = _NEVER
        self._limits = DEFAULT
        """The limits of this call, or of the last one, for the making of automata (`count_work`)."""
        self._paid: set[int] = set()
        """The things that this call has made, or was charged for."""
        self._bill: dict[int, int] = {}
        """The bill of the thing that is being made."""
        self._item: int | None = None
        """The number of the thing that is being made; None: nothing with a bill is being made."""

    def begin_call(self, limits: Limits) -> Part:
        """Return the context of a call with some limits. A call inside another one belongs to the outer call,
        and has its limits."""
        part = self._part()
        if part is None:
            part = Part()
            # What earlier calls paid counts no more: each call pays for what it uses.
            self._paid.clear()
            if self._item is not None:  # of a call that was cut off
                self._bill, self._item = {}, None
            # One statement: an interrupt between two of them would charge this call for the last one.
            self._part, self.spent, self._limits = ref(part), 0, limits
        return part

    def run_until(self, stop: Stop, do: Callable[[], T]) -> T:
        """Return the result of `do`. Raises WorkStopped once `stop` is set, and the errors of `do`."""
        outer_stop = self.stop
        try:
            self.stop = stop
            return do()
        finally:
            self.stop = outer_stop

    def check_stop(self) -> None:
        """Raise WorkStopped if the stop of the present work is set."""
        if self.stop.flag[0]:
            raise WorkStopped

    def spend_steps(
        self,
        steps: int,
        limits: Limits,
        subject: str,
        where: Callable[[], str] = lambda: "grammar",
        cure: str = "",
    ) -> None:
        """Add steps to those of this call. Outside of calls there is no limit.

        `subject`: what is searched, for messages. `where`: a function that returns the place of the subject.
        `cure`: the advice of the error. Raises LimitError (oracle_steps) past the limit, and WorkStopped.
        Cost: 0.1 us.
        """
        self.check_stop()
        self.spent += steps
        if self.spent > limits.oracle_steps and self._part() is not None:
            self.spent = limits.oracle_steps  # the refused steps are not done, so they do not count
            raise LimitError(
                f"{subject} could not be determined within the work of one call, "
                f"{limits.oracle_steps:,} steps.",
                limit="oracle_steps",
                where=where(),
                cure=cure,
            )

    def count_work(self, numbers: int) -> None:
        """Count the work of making an automaton that reads so many numbers: one step, and one more for each
        NUMBERS of them. Errors: those of `spend_steps`."""
        steps = 1 + numbers // NUMBERS
        if self._item is not None:
            self._bill[self._item] += steps
        self.spend_steps(steps, self._limits, _AUTOMATA, str)

    def numbers_left(self) -> int:
        """Return how many numbers the making of automata may read before `count_work` raises an error."""
        if self._part() is None:
            return sys.maxsize
        return max(self._limits.oracle_steps - self.spent, 0) * NUMBERS

    def bill_work(self, item: int, make: Callable[[], T]) -> tuple[T, Mapping[int, int]]:
        """Return the result of `make`, and its bill. Raises the errors of `make`.

        `item`: the number of the result, a hash of what it is made from. Numbers are cheaper to look up in a
        bill than formulas.
        """
        # The bill of what is made around this one goes on afterwards.
        outer = self._bill, self._item
        bill = {item: 0}
        try:
            self._bill, self._item = bill, item
            result = make()
        finally:
            self._bill, self._item = outer
        self._note_paid(bill)
        return result, bill

    def charge_bill(self, bill: Mapping[int, int]) -> None:
        """Count the steps of a thing from a cache, without its parts that this call has paid.

        Errors: those of `spend_steps`.
        """
        steps = sum(steps for item, steps in bill.items() if item not in self._paid)
        self._note_paid(bill)
        if steps:
            self.spend_steps(steps, self._limits, _AUTOMATA, str)

    def _note_paid(self, bill: Mapping[int, int]) -> None:
        """Add a bill to the bill of the thing that is being made, and mark its parts as paid by this call."""
        if self._item is not None:
            self._bill.update(bill)
        if self._part() is not None:
            self._paid.update(bill)


_AUTOMATA: Final = "The set of strings that the patterns and lengths allow"


def _no_call() -> None:
    return None


THIS_CALL: Final = _Call()


def billed_cache(maxsize: int) -> Callable[[F], F]:
    """Return a decorator like `functools.lru_cache` for a function that counts steps (`count_work`).

    A result from the cache costs a call as many steps as a new one. Arguments are given by position.
    `maxsize`: the most results that the cache keeps.
    """

    def decorate(make: F) -> F:
        @lru_cache(maxsize)
        def cached_make(*arguments: Hashable) -> tuple[Any, Mapping[int, int]]:
            return THIS_CALL.bill_work(hash((make, arguments)), lambda: make(*arguments))

        @wraps(make)
        def charged_make(*arguments: Hashable) -> Any:
            result, bill = cached_make(*arguments)
            THIS_CALL.charge_bill(bill)
            return result

        charged_make.__dict__["cache_clear"] = cached_make.cache_clear
        return cast(F, charged_make)

    return decorate

"""The public call that is under way in this thread, so that its cost is bounded as a whole.

A mask or a token may ask thousands of questions, each of them bounded. The searches that answer them spend
steps, some 20 us each, and all searches of a call together may spend `Limits.oracle_steps` (`spend_steps`).
So does the making of automata (`count_work`). What a process holds already costs a call as much as what it
must make (`charge_bill`): the same input has the same answer everywhere. A question outside of any call
counts by itself.

Who works for somebody that may go away says so by a `Stop`: once it is set, the next step ends the work.
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
"""The numbers that compiled code reads in a step."""
F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class WorkStopped(BaseException):
    """Nobody waits for the result any more."""


class Stop:
    """Says from another thread that nobody waits for some work any more."""

    __slots__ = ("flag",)

    def __init__(self) -> None:
        self.flag = bytearray(1)
        """1 once it is set: compiled code reads it too."""

    def set(self) -> None:
        """Have the work end at its next step."""
        self.flag[0] = 1


_NEVER: Final = Stop()


class Part:
    """A call that is under way, as a context: it is under way while a frame holds this. So a call is over
    however its frame ended, by an interrupt between two instructions too."""

    __slots__ = ("__weakref__",)

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, MemoryError) and not isinstance(error, OutOfMemoryError):
            raise OutOfMemoryError(f"The memory of the process is used up: {error}.") from error


class _Call(threading.local):
    """The call of a thread."""

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
        """The steps of what is being made, and of what it is made of."""
        self._item: int | None = None
        """The thing that is being made; None: nothing that is billed."""

    def begin_call(self, limits: Limits) -> Part:
        """Return the context of a call under some limits. A call inside another is a part of it, under that
        one's."""
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
        """Call `do` and return its result. Raises WorkStopped once the stop is set; the errors of `do`."""
        outer_stop = self.stop
        try:
            self.stop = stop
            return do()
        finally:
            self.stop = outer_stop

    def check_stop(self) -> None:
        """Raise WorkStopped where nobody waits any more."""
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
        """Count steps of this call, some 20 us each. Outside of calls there is no limit.

        `subject` is looked for, at the place that `where` returns. Raises LimitError (oracle_steps) past the
        limit of one call; WorkStopped. Cost: 0.1 us."""
        self.check_stop()
        self.spent += steps
        if self.spent > limits.oracle_steps and self._part() is not None:
            self.spent = limits.oracle_steps  # what is refused is not done
            raise LimitError(
                f"{subject} was not found out within the work of one call, {limits.oracle_steps:,} steps.",
                limit="oracle_steps",
                where=where(),
                cure=cure,
            )

    def count_work(self, numbers: int) -> None:
        """Count a step, and one for so many numbers that the making of automata reads. Errors:
        `spend_steps`."""
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
        """Return the result of `make`, and the steps of each thing that it is made of. Raises its errors.

        `item`: names what is made, by the hash of what it is made from: a bill of formulas would hash and
        compare each of them whenever it is paid."""
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
        """Count the steps of what is held already, if this call did not count them. Errors: `spend_steps`."""
        steps = sum(steps for item, steps in bill.items() if item not in self._paid)
        self._note_paid(bill)
        if steps:
            self.spend_steps(steps, self._limits, _AUTOMATA, str)

    def _note_paid(self, bill: Mapping[int, int]) -> None:
        """Add a bill to that of what is being made, and note its items as paid by this call."""
        if self._item is not None:
            self._bill.update(bill)
        if self._part() is not None:
            self._paid.update(bill)


_AUTOMATA: Final = "What the patterns and the lengths of strings allow"


def _no_call() -> None:
    return None


THIS_CALL: Final = _Call()


def billed_cache(maxsize: int) -> Callable[[F], F]:
    """Return a decorator as `functools.lru_cache` for a function that counts steps (`count_work`), and takes
    its arguments by position: a result that is held costs a call as many steps as a new one."""

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

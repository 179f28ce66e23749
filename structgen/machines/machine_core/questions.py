"""Questions of compiled code, answered in Python: the one loop of all machines.

Compiled code that misses a row notes a question (`interning.note_question`), goes on with its other work, and
returns ASKED. Python answers every question that was noted, and makes the call again. A repeated call is
cheap: what the first call found is interned.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

import numpy as np

from structgen.base.native.raw_memory import address_of
from structgen.machines.machine_core.layout import ASKED
from structgen.machines.machine_core.token_steps import take_bytes

_PIECE: Final = 1 << 9
"""Bytes taken by one call: a call with questions is made again, and a long text may have one at each byte."""


def call_answered(
    lock: AbstractContextManager[Any],
    budget: Callable[[], AbstractContextManager[Any]],
    answer: Callable[[], None],
    address: int,
    function: Callable[..., int],
    *arguments: int,
) -> int:
    """Return what a compiled function returns once it asks nothing, under the grammar's lock. `address`: of
    the grammar's block, its first argument.

    `answer` answers the questions that were noted, within `budget()`, which bounds the work of all answers of
    this call. Errors: those of `answer`; the call can then be made again.
    """
    with lock:
        # Most calls ask nothing, and need no budget of work.
        code = function(address, *arguments)
        if code != ASKED:
            return code
        with budget():
            while code == ASKED:
                answer()
                code = function(address, *arguments)
        return code


def follow_bytes(retry: Callable[..., int], index: int, data: bytes) -> int:
    """Return the state after bytes, or -1. `retry` makes a compiled call of a grammar until it asks
    nothing."""
    array = np.frombuffer(data, np.uint8)
    address = address_of(array)
    for start in range(0, len(data), _PIECE):
        if index < 0:
            break
        index = retry(take_bytes, index, address + start, min(_PIECE, len(data) - start))
    return index

"""The loop, shared by all machines, in which Python answers the questions of compiled code.

A *question* is something that compiled code does not know yet, e.g. the row of a place. It notes the question
(`interning.note_question`), goes on with its other work, and returns ASKED. Python answers every question
that was noted, and makes the call again. A repeated call is cheap: what the first call found is interned.
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
"""The bytes that one call reads. A call with questions is made again from its first byte, and a long text may
have a question at each byte."""


def call_answered(
    lock: AbstractContextManager[Any],
    budget: Callable[[], AbstractContextManager[Any]],
    answer: Callable[[], None],
    address: int,
    function: Callable[..., int],
    *arguments: int,
) -> int:
    """Return the answer of a compiled function, after all its questions are answered; under a lock.

    `address`: the address of the grammar's block, the function's first argument; `arguments` come after it.
    `answer` answers the questions that were noted. `budget()` bounds the work of all answers of this call.
    Raises the errors of `answer`; the call can then be made again.
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
    """Return the state after bytes, from the state `index` on; -1: they are refused.

    `retry` makes a compiled call of the grammar until all its questions are answered.
    """
    array = np.frombuffer(data, np.uint8)
    address = address_of(array)
    for start in range(0, len(data), _PIECE):
        if index < 0:
            break
        index = retry(take_bytes, index, address + start, min(_PIECE, len(data) - start))
    return index

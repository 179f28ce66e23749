"""Calls the reward of texts, a function of the user, in a separate process with limits.

A call counts as the reward 0 if it raises, takes too long, needs too much memory, or does not return a
number. These calls are counted. Python's sockets have no network in the process. It is not a sandbox against
malicious code.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Any, TypeAlias

from structgen.asking.processes.process_limits import make_confinement
from structgen.asking.processes.worker_process import NotStartedError, WorkerProcess
from structgen.decoding.speculation.guarded import GuardedCall

Reward: TypeAlias = Callable[[Any], float]
"""A function from the value of a JSON document, or from a text, to a number."""


def named_reward(reward: Reward | None) -> str:
    """Return the name of a reward, the same in each process."""
    # a callable object has no name of its own, but its class has one
    named_object = reward if hasattr(reward, "__qualname__") else type(reward)
    module = getattr(named_object, "__module__", "")
    qualified_name = getattr(named_object, "__qualname__", "")
    return f"{module}.{qualified_name}"


class Rewards:
    """The rewards of one request's texts. The reward is called once for each text. The process ends with this
    object."""

    def __init__(self, reward: Reward, seconds: float, megabytes: int) -> None:
        begin = make_confinement(megabytes << 20)  # in bytes
        worker = WorkerProcess(reward, f"reward {named_reward(reward)}", "reward", begin=begin)
        # the limit here is infinite, because the worker itself ends a late call
        self._ask = GuardedCall(partial(_ask_reward, worker, seconds), math.inf, _unless_not_started)
        self._reward_by_text: dict[bytes, float | None] = {}

    def of(self, text: bytes, value: Any) -> float | None:
        """Return the reward of a text, called with the text's value. Return None if the call raised, took too
        long or did not return a number. Raises StructgenError if no process can be started."""
        if text not in self._reward_by_text:
            self._reward_by_text[text] = self._ask(value)
        return self._reward_by_text[text]


def _ask_reward(worker: WorkerProcess, seconds: float, value: Any) -> float:
    """Return the reward of a value. Raises the reward's errors, ValueError for no finite number."""
    reward = worker.call_function((value,), seconds, "about a text", "Increase seconds=.")
    if not (isinstance(reward, Real) and math.isfinite(reward)):
        raise ValueError(f"{reward!r:.60} is not a number")
    return float(reward)


def _unless_not_started(error: Exception) -> None:
    """Ignore an error of the reward: the call then has no result. But raise the error of a process that
    cannot be started, because every other call would fail in the same way."""
    if isinstance(error, NotStartedError):
        raise error

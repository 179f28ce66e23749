"""Rewards of texts: a function of the user, run in a process of its own with limits.

A call that raises, is late, needs too much memory, or returns no number counts as the reward 0. These calls
are counted. The process has no network as far as Python's sockets are concerned; it is no sandbox for code
that means harm.
"""

from __future__ import annotations

import math
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from numbers import Real
from typing import Annotated, Any, TypeAlias

from structgen.engine.model_protocol import Model
from structgen.engine.strategies.strategy import SearchStrategy
from structgen.errors import OptionError
from structgen.language.checks import Number, Whole, check_fields
from structgen.system.guarded import Guarded
from structgen.system.worker_process import NotStartedError, WorkerProcess
from structgen.tokens.tokenizer import Tokenizer

Reward: TypeAlias = Callable[[Any], float]
"""From the value of a JSON document, or a text, to a number."""


@dataclass(frozen=True, slots=True)
class RewardedSearch(SearchStrategy):
    """A search with a reward, and the limits of its process."""

    reward: Reward | None = field(default=None, repr=False)
    """From the value of a JSON document, or from a text, to a number; must be given. 1 is the best."""
    seconds: Annotated[float, Number(1e-3, 1e6, "seconds, from 0.001")] = 1.0
    """The limit of one call of the reward."""
    megabytes: Annotated[int, Whole(16)] = 512
    """Memory that the reward may take."""
    named: str = field(default="", init=False)
    """The name of the reward."""

    def __post_init__(self) -> None:
        if not callable(self.reward):
            kind = type(self.reward).__name__
            raise OptionError(
                "There is no reward." if self.reward is None else f"A {kind} cannot be called.",
                where="reward",
                cure="Give a function from a value, or a text, to a number; in a command module:function.",
            )
        check_fields(self)
        object.__setattr__(self, "named", named_reward(self.reward))

    def begin(self, model: Model, tokenizer: Tokenizer) -> Any:
        """Return the rewards of a request; they have a process."""
        assert self.reward is not None
        return Rewards(self.reward, self.seconds, self.megabytes)


def named_reward(reward: Reward | None) -> str:
    """Return the name of a reward, the same in each process."""
    kind = reward if hasattr(reward, "__qualname__") else type(reward)
    return f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', '')}"


class Rewards:
    """Rewards of the texts of one request; each text is asked once. The process ends with this object."""

    def __init__(self, reward: Reward, seconds: float, megabytes: int) -> None:
        begin = partial(_confine, megabytes << 20)
        worker = WorkerProcess(reward, f"reward {named_reward(reward)}", "reward", begin=begin)
        self._ask = Guarded(partial(_number, worker, seconds), math.inf, _unless_not_started)
        self._known: dict[bytes, float | None] = {}

    def of(self, text: bytes, value: Any) -> float | None:
        """Return the reward of a text with a value; None if the call raised, was late or returned no number.
        Raises StructgenError if no process can be started."""
        if text not in self._known:
            self._known[text] = self._ask(value)
        return self._known[text]


def _number(worker: WorkerProcess, seconds: float, value: Any) -> float:
    """Return the reward of a value. Raises the reward's errors, ValueError for no finite number."""
    found = worker.ask((value,), seconds, "about a text", "Give seconds= a larger number.")
    if not (isinstance(found, Real) and math.isfinite(found)):
        raise ValueError(f"{found!r:.60} is no number")
    return float(found)


def _unless_not_started(error: Exception) -> None:
    if isinstance(error, NotStartedError):
        raise error


def _confine(memory: int) -> None:
    """Bound the memory of this process to so many bytes more than it has, and take its sockets away."""
    try:
        import resource  # optional: not on Windows
    except ImportError:
        pass  # Windows bounds no memory
    else:
        if sys.platform == "linux":
            with open("/proc/self/statm", encoding="ascii") as file:
                memory += int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    socket.socket = _NoSocket  # type: ignore[assignment,misc]


class _NoSocket:
    def __init__(self, *_: object, **__: object) -> None:
        raise OSError("A reward has no network.")

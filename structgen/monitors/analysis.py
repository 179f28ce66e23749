"""Calls of `Monitor.suggest` in a process of their own, each with a time limit.

A thread that hangs cannot be ended, a process can. A late call has some seconds more to fill the caches of
its analyser; then its process is ended, and the next call starts another (`system.worker_process`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal

from structgen.core.grammar import Grammar
from structgen.errors import OptionError
from structgen.monitors.monitor import ANALYST, Monitor, name_of
from structgen.system.guarded import Guarded
from structgen.system.worker_process import LateError, WorkerProcess

_PREPARING: Final = 60.0
"""Seconds for `Monitor.prepare`, which a new process calls before its first answer."""
_PATIENCE: Final = 10.0
"""Seconds that a late call may go on. jedi reads a large library in its first call, and then knows it."""
_MOST_TEXTS: Final = 100_000
"""Suggestions of one call, at most."""
_LONGEST: Final = 1_000
"""Characters of one suggestion, at most."""


@dataclass(frozen=True, slots=True)
class Advice:
    """The answer of one call."""

    suggested: tuple[str, ...] | Grammar = ()
    """Texts, or a grammar; (): anything may follow."""
    fault: Literal["", "late", "failed"] = ""
    error: str = ""


class Analyst:
    """The process in which one monitor answers."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._worker = WorkerProcess(_Answers(monitor), f"monitor {name_of(monitor)}", "monitors", _PATIENCE)
        self._is_prepared = False
        self.advice = Guarded(self._advice, math.inf, _no_advice)
        """From a text to the suggestions for it. No error of the monitor is raised: it becomes a fault."""

    def _advice(self, text: str) -> Advice:
        """Raises LateError, and the errors of the monitor and of its process."""
        cure = "Give the monitor a larger limit: seconds=..."
        if not (self._is_prepared and self._worker.is_running):
            self._worker.ask(("prepare",), _PREPARING, "prepare", cure)
            self._is_prepared = True
        return Advice(self._worker.ask(("suggest", text), self._monitor.seconds, "suggest", cure))

    def end(self) -> None:
        """End the process; the next call starts another."""
        self._worker.end()


def _no_advice(error: Exception) -> Advice:
    if isinstance(error, LateError):
        return Advice(fault="late", error=str(error))
    return Advice(fault="failed", error=f"{type(error).__name__}: {error}")


def analyst_of(monitor: Monitor) -> Analyst:
    """Return the analyst of a monitor: the same one as long as the monitor lives."""
    found = vars(monitor).get(ANALYST)
    if found is None:
        found = vars(monitor).setdefault(ANALYST, Analyst(monitor))
    return found  # type: ignore[no-any-return]


class _Answers:
    """A monitor as the function of a worker process."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def __call__(self, method: str, *arguments: Any) -> Any:
        if method == "prepare":
            self._monitor.prepare()
            return None
        found = self._monitor.suggest(*arguments)
        if found is None or isinstance(found, Grammar):
            return () if found is None else found
        return _checked(found)


def _checked(found: Any) -> tuple[str, ...]:
    """Return suggestions as a tuple. Raises OptionError for anything but texts, and for too many."""
    if isinstance(found, str | bytes) or not isinstance(found, Iterable):
        raise OptionError(
            f"Suggestions are a {type(found).__name__}.", where="suggest", cure="Return a list of texts."
        )
    texts = tuple(islice(found, _MOST_TEXTS + 1))
    if len(texts) > _MOST_TEXTS:
        raise OptionError(
            f"There are more than {_MOST_TEXTS:,} suggestions.", where="suggest", cure="Return a grammar."
        )
    for text in texts:
        if not isinstance(text, str) or not 0 < len(text) <= _LONGEST:
            raise OptionError(
                f"{text!r:.60} is no suggestion.",
                where="suggest",
                cure=f"Return texts of 1 to {_LONGEST:,} characters.",
            )
    return texts

"""`Monitor`: advice on the next identifiers of a text, such as the attributes that an object has (Agrawal et
al., "Monitor-Guided Decoding of Code LMs with Static Analysis of Repository Context", 2023).

`suggest` runs in a process of its own, with a time limit: a thread that hangs cannot be ended, a process can.
A late call has some seconds more to fill the caches of its analyser; then its process is ended, and the next
call starts another (`system.worker_process`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, ClassVar, Final, Literal, NamedTuple

from structgen.core.grammar import Grammar
from structgen.errors import OptionError
from structgen.system.worker_process import LateError, WorkerProcess

_PATIENCE: Final = 10.0
"""Seconds that a late call may go on. jedi reads a large library in its first call, and then knows it."""
_MOST_TEXTS: Final = 5_000
"""Suggestions of one call, at most: they take about a second to compile."""
_LONGEST: Final = 1_000
"""Characters of one suggestion, at most."""


class Monitor(ABC):
    """Advice for the texts of a grammar. Derive from it, and give a list of monitors to `sg.Request`.

    After each token the monitor is asked whether the text has reached a *trigger*, such as a dot behind an
    expression. If so, `suggest` names the texts that may follow. Until one of them is spelled, a token is
    masked unless it is a beginning of a suggestion, or spells a suggestion whole and goes on with a
    *boundary*, a character that ends an identifier.

    Both methods are functions of the text alone, so that a text that is forked, taken back or begun anew has
    the same advice. `trigger` runs in this process, often; `suggest` runs in a process of its own, so it may
    hang or crash.
    """

    name: ClassVar[str] = ""
    """The monitor's name in results; "": the name of its class."""
    boundary: ClassVar[str] = r"\W"
    """A regular expression of the characters that end a suggestion."""
    trigger_characters: ClassVar[str] = ""
    """The last characters that a text at a trigger can have. A token that has one of them and goes on is
    masked where the text up to that character is a trigger: else the token would pass the trigger. With ""
    triggers inside of tokens are not seen."""

    seconds: float = 0.5
    """The limit of one call of `suggest`. If it is exceeded, the text goes on without advice."""

    @abstractmethod
    def trigger(self, text: str) -> bool:
        """Return whether suggestions apply behind a text. Cost: it is called once a token, and once for each
        distinct beginning of allowed tokens that ends in a trigger character: some microseconds at most."""

    @abstractmethod
    def suggest(self, text: str) -> Iterable[str] | Grammar | None:
        """Return the texts that may follow: a collection of texts, or a grammar, which itself says where it
        ends and needs no boundary. None, or no text: anything may follow."""

    def prepare(self) -> None:  # noqa: B027
        """Do what makes the first call of `suggest` fast, in its process: for a minute at most."""

    def close(self) -> None:
        """End the process of `suggest`; a later call starts another. It also ends with this object, and with
        this Python process."""
        self._process.end()

    @cached_property
    def _process(self) -> WorkerProcess:
        told = f"monitor {name_of(self)}"
        return WorkerProcess(self._answer, told, "monitors", _PATIENCE, begin=self.prepare)

    def _answer(self, text: str) -> tuple[str, ...] | Grammar:
        """Return the suggestions for a text. Runs in the process of `suggest`."""
        found = self.suggest(text)
        return found if isinstance(found, Grammar) else _checked(() if found is None else found)

    def __repr__(self) -> str:
        return f"<monitor {name_of(self)}>"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_process"}


class Advice(NamedTuple):
    """The answer of one call of `suggest`."""

    suggested: tuple[str, ...] | Grammar = ()
    """Texts, or a grammar; (): anything may follow."""
    fault: Literal["", "late", "failed"] = ""
    error: str = ""


def advice_of(monitor: Monitor, text: str) -> Advice:
    """Return a monitor's advice for a text. It raises no error of the monitor: that becomes a fault."""
    cure = "Give the monitor a larger limit: seconds=..."
    try:
        return Advice(monitor._process.ask((text,), monitor.seconds, "suggest", cure))
    except LateError as error:
        return Advice(fault="late", error=str(error))
    except Exception as error:  # any error of code that is not ours
        return Advice(fault="failed", error=f"{type(error).__name__}: {error}")


def _checked(found: Any) -> tuple[str, ...]:
    """Return suggestions as a tuple. Raises OptionError for anything but texts, and for too many."""
    is_listed = isinstance(found, Iterable) and not isinstance(found, str | bytes)
    texts = tuple(islice(found, _MOST_TEXTS + 1)) if is_listed else ()
    wrong = [text for text in texts if not isinstance(text, str) or not 0 < len(text) <= _LONGEST]
    if is_listed and not wrong and len(texts) <= _MOST_TEXTS:
        return texts
    what = f"{wrong[0]!r:.60} is one" if wrong else f"they are a {type(found).__name__} of {len(texts):,}"
    raise OptionError(
        f"Suggestions are up to {_MOST_TEXTS:,} texts of 1 to {_LONGEST:,} characters; {what}.",
        where="suggest",
        cure="Return texts, or a grammar, such as sg.choice(texts).",
    )


@dataclass(frozen=True, slots=True)
class MonitorUse:
    """What one monitor did for a text."""

    name: str
    triggers: int = 0
    """How often the text reached a trigger."""
    suggested: int = 0
    """At how many triggers there were suggestions that the grammar takes."""
    yielded: int = 0
    """How many suggestions the text left: no token was both of the grammar, or of its budget, and of the
    monitor."""
    late: int = 0
    """How many calls exceeded the time limit; the text went on without advice."""
    failed: int = 0
    """How many calls raised an error or crashed; the text went on without advice."""
    error: str = ""
    """The last error."""

    def __str__(self) -> str:
        told = f"{self.name}: {self.suggested} of {self.triggers} triggers had suggestions"
        for count, what in ((self.yielded, "left"), (self.late, "late"), (self.failed, "failed")):
            told += f", {count} {what}" if count else ""
        return told


def checked_monitors(given: Any) -> tuple[Monitor, ...]:
    """Return monitors as a tuple; one monitor counts as a list of it. Raises OptionError."""
    found = (given,) if isinstance(given, Monitor) else given
    if not isinstance(found, Sequence) or not all(isinstance(one, Monitor) for one in found):
        raise OptionError(
            f"monitors={given!r:.60} is no list of monitors.",
            where="monitors",
            cure="Give a list, as in monitors=[sg.monitors.python_attributes()]; a class of yours derives "
            "from sg.monitors.Monitor.",
        )
    return tuple(found)


def name_of(monitor: Monitor) -> str:
    """Return the name of a monitor in messages and results."""
    return monitor.name or type(monitor).__name__

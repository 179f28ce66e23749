"""The replies of a script: which request gets which one, and what is left of them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from structgen.base.errors import OptionError, StructgenError
from structgen.base.language.checks import shown
from structgen.base.printable import short_repr

_MOST_TOLD: Final = 300
"""Characters of a prompt, or of a reply, in an error."""


class ScriptError(StructgenError, AssertionError):
    """A script and the requests do not fit: a form forbids a reply, a reply is too long, there are too few
    replies or too many. A test that meets it fails, as with any AssertionError."""


class TakenReply(NamedTuple):
    """A reply, and which one it is."""

    reply: Any
    place: str
    """For errors: `replies[1]`."""

    @property
    def is_raised(self) -> bool:
        """Whether the reply is an exception, or a class of these."""
        kind = self.reply if isinstance(self.reply, type) else type(self.reply)
        return issubclass(kind, BaseException)

    def made(self, prompt: str) -> TakenReply:
        """Return the reply to a prompt, made by a function where it is one. Errors: those of the function;
        ScriptError in place of StopIteration, at which coroutines would wait for ever."""
        try:
            is_function = callable(self.reply) and not isinstance(self.reply, type)
            made = self._replace(reply=self.reply(prompt)) if is_function else self
            if made.reply is StopIteration or isinstance(made.reply, StopIteration):
                raise made.reply
            return made
        except StopIteration as error:
            raise ScriptError(
                f"The replies have come to StopIteration, and nothing answers this request: {_tail(prompt)}.",
                where=self.place,
                cure="Have a reply for each request. A list of replies counts them.",
            ) from error


class Replies:
    """The replies of a script, handed out one at a time. Threads may share it by its lock.

    `given`: a list has one for each request, in the order in which they come. A dict has one for each request
    whose prompt has the key as a part, as often as it comes. A function makes one of each prompt. A text,
    and any other object, is the only reply.
    """

    def __init__(self, given: Any) -> None:
        """Errors: OptionError for replies without an order."""
        self.lock = threading.Lock()
        """Held while a reply is taken: by those who note what it is taken for, too."""
        self._taken = 0
        self._function: Any = None
        self._by_part: dict[str, Any] = {}
        self._used = set[str]()
        self._listed: list[Any] = []
        if isinstance(given, Mapping):
            if not all(isinstance(part, str) and part for part in given):
                raise OptionError(
                    "The keys of a dict of replies are parts of prompts, as texts.",
                    where="replies",
                    cure="Write a reply that is an object into a list: Scripted([{...}]).",
                )
            self._by_part = dict(given)
        elif callable(given) and not isinstance(given, type):
            self._function = given
        elif isinstance(given, set | frozenset):
            raise OptionError(f"{shown(given)} has no order.", where="replies", cure="Pass a list.")
        elif isinstance(given, Iterable) and not isinstance(given, str | bytes) and not _is_object(given):
            self._listed = list(given)
        else:
            self._listed = [given]

    @property
    def left(self) -> int:
        """How many replies no request has had yet. A function has none left."""
        return len(self.unused)

    @property
    def unused(self) -> list[str]:
        """The replies that no request has had, in words, each with its place."""
        if self._by_part:
            return [f"replies[{part!r}]" for part in self._by_part if part not in self._used]
        rest = self._listed[self._taken :]
        return [f"replies[{at}] {_told(reply)}" for at, reply in enumerate(rest, self._taken)]

    def take(self, prompt: str) -> TakenReply:
        """Return the reply to a prompt, perhaps a function that makes it. Each listed reply is taken once.
        The caller holds `lock`. Errors: ScriptError where there is none."""
        number = self._taken
        self._taken += 1
        if self._function is not None:
            return TakenReply(self._function, f"the reply to request {number + 1}")
        if self._by_part:
            found = [part for part in self._by_part if part in prompt]
            if len(found) == 1:
                self._used.add(found[0])
                return TakenReply(self._by_part[found[0]], f"replies[{found[0]!r}]")
            parts = " and ".join(map(repr, found)) if found else "none of the parts"
            raise ScriptError(
                f"The prompt of request {number + 1} has {parts} of the script: {_tail(prompt)}.",
                where="replies",
                cure="Write a part that this prompt alone has; a list has replies in their order.",
            )
        if number >= len(self._listed):
            count = len(self._listed)
            raise ScriptError(
                f"The script has {count} {'reply' if count == 1 else 'replies'}, and this is request "
                f"{number + 1}, which nothing answers: {_tail(prompt)}.",
                where="replies",
                cure="Add a reply. A refused answer is asked for again: attempts=1 asks once.",
            )
        return TakenReply(self._listed[number], f"replies[{number}]")


def _is_object(given: Any) -> bool:
    """Tell whether an iterable is one reply, such as an object of pydantic."""
    return hasattr(given, "model_dump") or hasattr(given, "__dataclass_fields__")


def _told(reply: Any) -> str:
    return short_repr(reply, _MOST_TOLD) if isinstance(reply, str) else shown(reply)


def _tail(prompt: str) -> str:
    """Return the end of a prompt, quoted: the question stands there."""
    return repr(prompt if len(prompt) <= _MOST_TOLD else f"...{prompt[-_MOST_TOLD:]}")

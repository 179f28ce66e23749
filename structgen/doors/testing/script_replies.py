"""The replies of a script: which request gets which one, and which are left."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from structgen.base.errors import OptionError, StructgenError
from structgen.base.language.checks import show_value
from structgen.base.printable import short_repr

_MAX_SHOWN: Final = 300
"""Characters of a prompt, or of a reply, in an error."""


class ScriptError(StructgenError, AssertionError):
    """A script and the requests do not fit: a form forbids a reply, a reply is too long, there are too few
    replies or too many. A test that meets it fails, as with any AssertionError."""


class TakenReply(NamedTuple):
    """A reply, with its location in the script."""

    reply: Any
    location: str
    """For errors: `replies[1]`."""

    @property
    def is_raised(self) -> bool:
        """Whether the reply is an exception, or a class of these."""
        kind = self.reply if isinstance(self.reply, type) else type(self.reply)
        return issubclass(kind, BaseException)

    def make_reply(self, prompt: str) -> TakenReply:
        """Return the reply to a prompt, made by a function where it is one. Errors: those of the function;
        ScriptError in place of StopIteration, at which coroutines would wait for ever."""
        try:
            reply = self.reply
            if callable(reply) and not isinstance(reply, type):  # a class of exceptions is a reply itself
                reply = reply(prompt)
            if reply is StopIteration or isinstance(reply, StopIteration):
                raise reply
            return self._replace(reply=reply)
        except StopIteration as error:
            raise ScriptError(
                "The replies ended with StopIteration, and this request has no reply: "
                f"{_show_prompt_end(prompt)}.",
                where=self.location,
                cure="Add a reply for each request. A list of replies counts them.",
            ) from error


class Replies:
    """The replies of a script, handed out one at a time. Threads may share it by its lock.

    `replies`: a list has one for each request, in the order in which they come. A dict has one for each
    request whose prompt has the key as a part, as often as it comes. A function makes one of each prompt. A
    text, and any other object, is the only reply.
    """

    def __init__(self, replies: Any) -> None:
        """Errors: OptionError for replies without an order."""
        self.lock = threading.Lock()
        """Held while a reply is taken, and while its request is noted: both have one order."""
        self._request_count = 0
        self._function: Any = None
        self._by_part: dict[str, Any] = {}
        self._used_parts = set[str]()
        self._reply_list: list[Any] = []
        if isinstance(replies, Mapping):
            if not all(isinstance(part, str) and part for part in replies):
                raise OptionError(
                    "The keys of a dict of replies must be parts of prompts, as texts.",
                    where="replies",
                    cure="Put a reply that is an object into a list: Scripted([{...}]).",
                )
            self._by_part = dict(replies)
        elif callable(replies) and not isinstance(replies, type):  # a class may be an exception to raise
            self._function = replies
        elif isinstance(replies, set | frozenset):
            raise OptionError(f"{show_value(replies)} has no order.", where="replies", cure="Pass a list.")
        elif (
            isinstance(replies, Iterable) and not isinstance(replies, str | bytes) and not _is_object(replies)
        ):
            self._reply_list = list(replies)
        else:
            self._reply_list = [replies]

    @property
    def count_left(self) -> int:
        """How many replies no request has had yet. A function has none left."""
        return len(self.unused_replies)

    @property
    def unused_replies(self) -> list[str]:
        """The replies that no request has had, in words, each with its place."""
        if self._by_part:
            return [f"replies[{part!r}]" for part in self._by_part if part not in self._used_parts]
        rest = self._reply_list[self._request_count :]
        return [f"replies[{at}] {_show_reply(reply)}" for at, reply in enumerate(rest, self._request_count)]

    def take_reply(self, prompt: str) -> TakenReply:
        """Return the reply to a prompt, perhaps a function that makes it. Each listed reply is taken once.
        The caller holds `lock`. Errors: ScriptError where there is none."""
        number = self._request_count
        self._request_count += 1  # of a script that has none left, too: the error has its number
        if self._function is not None:
            return TakenReply(self._function, f"the reply to request {number + 1}")
        if self._by_part:
            parts_in_prompt = [part for part in self._by_part if part in prompt]
            if len(parts_in_prompt) == 1:
                self._used_parts.add(parts_in_prompt[0])
                return TakenReply(self._by_part[parts_in_prompt[0]], f"replies[{parts_in_prompt[0]!r}]")
            parts = " and ".join(map(repr, parts_in_prompt)) if parts_in_prompt else "none of the parts"
            raise ScriptError(
                f"The prompt of request {number + 1} has {parts} of the script: {_show_prompt_end(prompt)}.",
                where="replies",
                cure="Use a part that only this prompt has; a list has replies in their order.",
            )
        if number >= len(self._reply_list):
            count = len(self._reply_list)
            raise ScriptError(
                f"The script has {count} {('reply' if count == 1 else 'replies')}, and this is "
                f"request {number + 1}, which has none: {_show_prompt_end(prompt)}.",
                where="replies",
                cure="Add a reply. A refused answer is requested again: attempts=1 requests once.",
            )
        return TakenReply(self._reply_list[number], f"replies[{number}]")


def _is_object(replies: Any) -> bool:
    """Tell whether an iterable is one reply, such as an object of pydantic."""
    return hasattr(replies, "model_dump") or hasattr(replies, "__dataclass_fields__")


def _show_reply(reply: Any) -> str:
    """Return a reply in words, shortened."""
    return short_repr(reply, _MAX_SHOWN) if isinstance(reply, str) else show_value(reply)


def _show_prompt_end(prompt: str) -> str:
    """Return the end of a prompt, quoted: the question stands there."""
    return repr(prompt if len(prompt) <= _MAX_SHOWN else f"...{prompt[-_MAX_SHOWN:]}")

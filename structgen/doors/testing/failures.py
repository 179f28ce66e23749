"""`sg.testing.Failure`: the failure of one request to a server for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from structgen.base.errors import OptionError, fields_named
from structgen.base.language.checks import Count, NonemptyText, NumberCheck, Switch, WholeCheck, check_fields


@fields_named("sg.testing.Failure(status=429)")
@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failure of one request to `sg.testing.server`, as an entry of its replies. For example
    `Failure(status=429, retry_after=1)`. Raises OptionError for options that exclude each other."""

    status: Annotated[int, WholeCheck(400, 599)] | None = None
    """The status of an answer that is an HTTP error."""
    retry_after: Annotated[float, NumberCheck(0.0, 86400.0, "a number of seconds up to a day")] | None = None
    """The header `Retry-After` in seconds, sent with a status."""
    message: NonemptyText = "A failure of the script."
    """The message of the error, sent with a status."""
    delay: Annotated[float, NumberCheck(0.0, 86400.0, "a number of seconds up to a day")] = 0.0
    """The seconds before anything is sent. A client that waits less runs into its timeout."""
    reply: Any = None
    """A reply that is sent in spite of the failure. `cut` and `unchecked` need one."""
    cut: Count | None = None
    """The number of bytes of the answer after which the connection is closed, as of a stream that breaks
    off."""
    unchecked: Switch = False
    """Whether the reply may be a text that the form forbids: servers may ignore forms."""

    def __post_init__(self) -> None:
        check_fields(self)
        # a failure is an HTTP error, or a reply with something wrong, or a delay
        if self.status is None:
            needs = "reply" if self.reply is None and (self.cut is not None or self.unchecked) else ""
            needs = "status" if self.retry_after is not None else needs
            if self.reply is None and not self.delay and not needs:
                needs = "status, reply or delay"
        else:
            others = {
                "reply": self.reply is not None,
                "cut": self.cut is not None,
                "unchecked": self.unchecked,
            }
            needs = next((f"no {name}" for name, is_given in others.items() if is_given), "")
        if needs:
            raise OptionError(
                f"The failure needs {needs}.",
                where="Failure",
                cure='Write Failure(status=429), Failure(reply="...", cut=200), Failure(reply="...", '
                "unchecked=True) or Failure(delay=60).",
            )

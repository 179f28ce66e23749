"""`sg.testing.Failure`: the failure of one request to a server for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from structgen.base.errors import OptionError, fields_named
from structgen.base.language import checks
from structgen.base.language.checks import NumberCheck, WholeCheck, check_fields


@fields_named("sg.testing.Failure(status=429)")
@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What goes wrong with one request to `sg.testing.server`: an entry of its replies. Errors: OptionError
    for options that do not go together."""

    status: Annotated[int, WholeCheck(400, 599)] | None = None
    """The status of an answer that is an error of HTTP."""
    retry_after: Annotated[float, NumberCheck(0.0, 86400.0, "seconds, at most a day")] | None = None
    """The header of that name, beside a status."""
    message: Annotated[str, checks.check_text] = "A failure of the script."
    """What the server says, beside a status."""
    delay: Annotated[float, NumberCheck(0.0, 86400.0, "seconds, at most a day")] = 0.0
    """Seconds before anything is sent; a client that waits less has a timeout."""
    reply: Any = None
    """A reply that is sent in spite of the failure; needed by `cut` and `unchecked`."""
    cut: Annotated[int, WholeCheck(0)] | None = None
    """The connection closes after so many bytes of the answer: a stream that breaks off."""
    unchecked: Annotated[bool, checks.check_switch] = False
    """Whether the reply may be a text that the form forbids: servers may ignore forms."""

    def __post_init__(self) -> None:
        check_fields(self)
        # a failure is an error of HTTP, or a reply with something wrong, or a delay
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
                f"It needs {needs}.",
                where="Failure",
                cure='Write Failure(status=429), Failure(reply="...", cut=200), Failure(reply="...", '
                "unchecked=True) or Failure(delay=60).",
            )

"""Where a JSON document stands while it is written."""

from __future__ import annotations

from structgen.core.events import Event, EventKind, TerminalKind
from structgen.core.matcher import Matcher
from structgen.errors import StructgenError


def events_since(matcher: Matcher, since: int) -> list[Event]:
    """Return what began and closed in the tokens after the first `since`; nothing for a document that began
    in the middle of a token of the thoughts, whose matcher does not know its first bytes."""
    try:
        return matcher.events(since)
    except StructgenError:
        return []


def is_in_string(matcher: Matcher, before: bool, since: int) -> bool:
    """Return whether a JSON document stands inside the string of a value, from whether it did before its
    tokens from `since` on."""
    for event in events_since(matcher, since):
        if event.kind in (EventKind.TERMINAL_BEGIN, EventKind.TERMINAL_END):
            before = event.kind is EventKind.TERMINAL_BEGIN and event.terminal is TerminalKind.STRING
    return before

"""Where a JSON document stands while it is written."""

from __future__ import annotations

from structgen.core.events import Event
from structgen.core.matcher import Matcher
from structgen.errors import StructgenError


def events_since(matcher: Matcher, since: int) -> list[Event]:
    """Return what began and closed in the tokens after the first `since`; nothing for a document that began
    in the middle of a token of the thoughts, whose matcher does not know its first bytes."""
    try:
        return matcher.events(since)
    except StructgenError:
        return []

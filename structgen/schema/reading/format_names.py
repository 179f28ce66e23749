"""The formats of JSON Schema: names with a meaning, and those among them that cannot be asserted."""

from __future__ import annotations

from structgen.automata.formats.named_formats import KNOWN, format_meaning
from structgen.errors import UnsupportedError


def is_known(name: str) -> bool:
    """Return whether a format has a meaning here; an unknown one is an annotation (2020-12 section 7.2.3)."""
    return name in KNOWN


def refusal(name: str) -> UnsupportedError | None:
    """Return why a known format cannot be asserted, or None where it can."""
    try:
        format_meaning(name)
    except UnsupportedError as error:
        return error
    return None

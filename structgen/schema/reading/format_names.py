"""The formats of JSON Schema: names with a meaning."""

from __future__ import annotations

from structgen.automata.formats.named_formats import KNOWN


def is_known(name: str) -> bool:
    """Return whether a format has a meaning here; an unknown one is an annotation (2020-12 section 7.2.3)."""
    return name in KNOWN

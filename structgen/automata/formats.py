"""Formats as formulas over patterns and lengths."""

from __future__ import annotations

from structgen.errors import UnsupportedError
from structgen.ir import Formula


def format_formula(name: str) -> Formula:
    """Return the formula of a named format, or raise `UnsupportedError`."""
    raise UnsupportedError(f"The format {name!r} is not known.", keyword="format")

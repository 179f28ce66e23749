"""Drops the lines that say of a long wait: which waits are long depends on how busy the machine is."""

from __future__ import annotations

import re


def without_waits(stderr: str) -> str:
    """Return what was written to stderr, without the lines of `structgen.base.system.waits` on long waits."""
    return re.sub(r"^structgen: .* \.\.\.\n", "", stderr, flags=re.MULTILINE)

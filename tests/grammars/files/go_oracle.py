"""gofmt's verdict on a text, where there is a gofmt."""

from __future__ import annotations

import re
import shutil
import subprocess

GOFMT = shutil.which("gofmt")

_PACKAGE = re.compile(r"(\s|//[^\n]*\n|/\*.*?\*/)*package\b", re.DOTALL)


def complaint(text: str) -> str | None:
    """Return what gofmt says of a file, or None; it takes pieces of files, too, which are refused here."""
    assert GOFMT is not None
    if not _PACKAGE.match(text):
        return "no package clause"
    done = subprocess.run([GOFMT, "-e"], input=text.encode(), capture_output=True, check=False)
    said = done.stderr.decode("utf-8", "replace")
    # what it cannot print it has read: it panics over comments between imports that it sorts
    return said if done.returncode and not said.startswith("panic: ") else None


def is_go(text: str) -> bool:
    """Return whether gofmt takes a text as a file."""
    return complaint(text) is None

"""The command line in this process. Its commands are made once, which takes longer than most of them."""

from __future__ import annotations

from functools import cache
from typing import Any

from typer import testing
from typer.main import get_command
from typer.testing import CliRunner, Result

from structgen.doors.cli import app

testing._get_command = made = cache(get_command)  # type: ignore[attr-defined]
APP = app()
GROUP: Any = made(APP)


def commanded(*words: object, **more: Any) -> Result:
    """Return how a command ends. `more`: `input`, `env`, `terminal_width`."""
    return CliRunner().invoke(APP, [str(word) for word in words], **more)

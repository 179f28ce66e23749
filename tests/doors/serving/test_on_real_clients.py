"""Other people's clients against a server in a process of its own, each in an environment that is kept.

Selected by `-m serving`: the first time it installs the clients."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.serving
@pytest.mark.parametrize("name", ["openai", "pydantic-ai", "instructor"])
def test_a_client_gets_what_it_asks_for(name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "clients"), name, "--models", "extract", "--kept"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

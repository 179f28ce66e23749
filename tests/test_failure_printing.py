"""A failure is printed when it happens, not when the run ends (tests/failure_printing.py)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CONFTEST = """
from failure_printing import FailurePrinter

def pytest_configure(config):
    config.pluginmanager.register(FailurePrinter(config))
"""
CASES = """
import os, time
from pathlib import Path
import pytest

@pytest.fixture
def broken(): raise OSError("no such lamp")

def test_first(): assert 1 + 1 == 3, "sums are wrong"
def test_setup(broken): pass
def test_last():
    Path("reached").touch()
    while not Path("printed").exists(): time.sleep(0.02)
"""


def start(folder: Path, workers: int) -> Any:
    """Start pytest in a folder, without the plugins that are installed but xdist."""
    paths = {"PYTHONPATH": str(Path(__file__).parent), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "xdist.plugin", "-p", "no:cacheprovider"]
    return subprocess.Popen(
        [*command, "-n", str(workers), "test_cases.py"],
        cwd=folder,
        env={**os.environ, **paths},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_a_failure_is_printed_with_its_words_while_later_tests_still_run(
    tmp_path: Path, workers: int
) -> None:
    """The last test ends only when the failures of those before it have been read from the output."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_cases.py").write_text(CASES)
    lines: list[str] = []
    with start(tmp_path, workers) as run:
        for line in run.stdout:
            lines.append(line.rstrip())
            if "no such lamp" in line:
                break
        printed = len(lines)
        (tmp_path / "printed").touch()
        lines += map(str.rstrip, run.stdout)
    assert not [line for line in lines[:printed] if line.startswith("===")]  # the summary had not begun
    first = lines.index("FAILED test_cases.py::test_first")
    assert lines[first + 1] == "    AssertionError: sums are wrong"
    assert "    assert (1 + 1) == 3" in lines[first:printed]
    assert "FAILED test_cases.py::test_setup (setup)" in lines[:printed]
    assert lines[printed - 1].strip() == "OSError: no such lamp"
    assert "1 passed" in lines[-1]


def test_a_file_that_cannot_be_collected_is_named(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_cases.py").write_text("import lamps_of_nobody")
    with start(tmp_path, 0) as run:
        before, _, _ = run.stdout.read().partition("=== ERRORS")
    assert "FAILED test_cases.py (collection)" in before and "lamps_of_nobody" in before

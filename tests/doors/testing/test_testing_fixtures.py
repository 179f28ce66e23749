"""The fixtures of pytest: they work, fail for unused replies, and load nothing before they are used."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
IS_INSTALLED = bool(entry_points(group="pytest11", name="structgen"))
PLUGIN = () if IS_INSTALLED else ("-p", "structgen.doors.testing.pytest_fixtures")
"""What has pytest load the fixtures: an installation before they were there has no entry point."""
TESTS = """
import structgen as sg

def test_passes(scripted):
    model = scripted(["yes"])
    assert sg.run(model, "?", sg.choice(["yes", "no"])) == "yes"

def test_has_unused_replies(scripted):
    scripted(["yes"])

def test_fails_by_itself(scripted):
    scripted(["yes"])
    assert 0

def test_serves(scripted_server):
    assert scripted_server([]).startswith("http://127.0.0.1:")
"""


def test_unused_replies_fail_a_test_that_has_not_failed(pytester: pytest.Pytester) -> None:
    pytest.importorskip("uvicorn")
    pytester.makepyfile(TESTS)
    done = pytester.runpytest_inprocess(*PLUGIN, "-p", "no:cacheprovider", "-p", "no:xdist")
    done.assert_outcomes(passed=3, failed=1, errors=1)
    done.stdout.fnmatch_lines(["*ERROR at teardown of test_has_unused_replies*", "*replies[[]0] 'yes'*"])


def test_pytest_loads_nothing_heavy_for_the_fixtures_and_imports_structgen_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "marked.py").write_text(
        "def pytest_addoption(pluginmanager):\n    pluginmanager.rewrite_hook.mark_rewrite('structgen')\n"
    )
    (tmp_path / "test_one.py").write_text(
        "import sys\n\ndef test_one():\n"
        "    heavy = {'numba', 'numpy', 'torch', 'structgen.decoding'} & {*sys.modules}\n"
        "    assert not heavy and 'structgen.doors.testing.pytest_fixtures' in sys.modules\n"
        "    import structgen.errors\n"
        "    assert type(structgen.errors.__spec__.loader).__name__ == 'SourceFileLoader'\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "marked", *PLUGIN, "-p", "no:hypothesispytest"]
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [*command, "test_one.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_entry_point_names_the_module() -> None:
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8")
    (line,) = text.partition("[project.entry-points.pytest11]\n")[2].splitlines()[:1]
    name, _, value = line.partition(" = ")
    assert EntryPoint(name, value.strip('"'), "pytest11").load().scripted is not None

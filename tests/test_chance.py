"""scripts/chance.py runs tests in random orders under several settings, and names those that were red."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from nonempty import nonempty

ROOT = Path(__file__).parents[1]
CASES = """
import importlib.metadata, importlib.util, random, subprocess, sys
import pytest

HIDDEN = 'import importlib.util as found; assert found.find_spec("lark") is None'

def test_green(): pass
def test_lark_is_found(): import lark
def test_lark_is_hidden_here_and_in_other_processes():
    exec(HIDDEN)
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("lark")
    subprocess.run([sys.executable, "-c", HIDDEN], check=True)
def test_by_seed(request): assert request.config.getoption("randomly_seed") == 7
"""


@pytest.fixture
def chance(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import chance

    return chance


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with tests, and with what stands for pytest-randomly: the option that it has."""
    (tmp_path / "test_cases.py").write_text(CASES)
    (tmp_path / "pytest_randomly").mkdir()
    option = "def pytest_addoption(parser): parser.addoption('--randomly-seed', type=int)"
    (tmp_path / "pytest_randomly/__init__.py").write_text(option)
    about = tmp_path / "pytest_randomly-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: pytest-randomly\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[pytest11]\nrandomly = pytest_randomly\n")
    return tmp_path


def test_red_tests_are_named_with_the_command_that_shows_them_again(
    chance: Any, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"one": chance.Setting(0), "bare": chance.Setting(0, "lark")}
    monkeypatch.setattr(chance, "SETTINGS", settings)
    tests = str(folder / "test_cases.py")
    words = ["--times", "2", "--seed", "7", "--randomly", str(folder), "--settings", *settings, "--", tests]
    assert chance.main(words) == 1
    table, *red = re.split(r"\n\S*test_cases::", capsys.readouterr().out)  # before it: where the folder lies
    assert [line.split()[:4] for line in table.splitlines()[1:]] == [
        ["one", "7", "3", "1"],
        ["bare", "8", "2", "2"],
    ]
    assert [one.partition(":")[0] for one in red] == [
        "test_by_seed",
        "test_lark_is_found",
        "test_lark_is_hidden_here_and_in_other_processes",
    ]
    assert red[1].endswith(
        f"red in 1: bare 8\n  make test-chance TESTS='{tests}' TIMES=1 SEED=8 SETTINGS=bare"
    )


def test_where_pytest_cannot_run_the_tests_are_red_and_what_is_not_there_is_told(
    chance: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(command: list[str], **_: Any) -> Any:
        status = pytest.ExitCode.USAGE_ERROR if "missing.py" in command else pytest.ExitCode.INTERRUPTED
        return chance.subprocess.CompletedProcess(command, status, f"said of {command[-1]}", "")

    monkeypatch.setattr(chance.subprocess, "run", ended)
    with pytest.raises(SystemExit, match=r"exit status 4: said of missing\.py"):
        chance.run(["missing.py"], chance.Setting(0), 7, tmp_path)
    passed, red, _ = chance.run(["broken.py"], chance.Setting(0), 7, tmp_path)
    assert passed == 0 and red == ["pytest, exit status 2: said of broken.py"]


def test_the_busy_job_ends_with_the_run(chance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    class Noted(chance.subprocess.Popen):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            started.append(self)

    monkeypatch.setattr(chance.subprocess, "Popen", Noted)
    with chance.busy_cores():
        assert started and all(job.poll() is None for job in started)
    assert all(job.poll() is not None for job in started)


WAITS = {"wait", "join", "acquire", "communicate"}


def short_waits(code: str) -> list[int]:
    """Return the lines that wait for a thread, a lock or a process for less than five minutes."""
    found = []
    for call in ast.walk(ast.parse(code)):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        on, name = ast.unparse(call.func.value), call.func.attr
        limits = [one.value for one in call.keywords if one.arg == "timeout"]
        if name in WAITS:
            limits += call.args
        elif on != "subprocess":
            continue
        seconds = [one.value for one in limits if isinstance(one, ast.Constant)]
        found += [call.lineno for one in seconds if isinstance(one, int | float) and 0 < one < 300]
    return found


LIMIT = re.compile(r"(\b(wait|join|acquire|communicate)\(|\btimeout ?= ?)[0-9.]")
"""What stands in a file with such a line: no other is parsed."""


def test_no_test_waits_for_less_than_a_busy_machine_may_need() -> None:
    """A limit is there to end a test that hangs. Nothing that is sound may reach it."""
    assert short_waits("import subprocess\ndone.wait(10)\nlock.acquire(timeout=5)\ndone.wait(600)") == [2, 3]
    assert short_waits("subprocess.run(command, timeout=120)\nsg.run(model, timeout=0.05)") == [1]
    found = {
        f"{file.relative_to(ROOT)}:{line}"
        for file in nonempty((ROOT / "tests").rglob("*.py"))
        if LIMIT.search(code := file.read_text(encoding="utf-8"))
        for line in short_waits(code)
    }
    assert not found

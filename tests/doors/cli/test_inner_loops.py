"""The inner loops are compiled ahead, all of them."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path

import forked
import pytest
from long_waits import without_waits
from nonempty import nonempty
from small_package import small_package

import structgen
from structgen.doors.cli.inner_loops import modules_with_entries

PACKAGE = Path(structgen.__file__).parent

LOOP = """
from structgen.base.native.jit import entry

@entry("int64(int64)")
def loop(x):
    return x + 1
"""

COMPILING = """
from structgen.doors.cli.inner_loops import compile_all
compile_all({jobs})
from structgen.machine import one, three, two
print(*(module.loop(1) for module in (one, two, three)))
"""


def compiled(package: Path, jobs: int) -> subprocess.CompletedProcess[str]:
    """Return how a new process ends that has all inner loops compiled, and calls them."""
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "STRUCTGEN_MACHINE_CODE": ""}
    environment["STRUCTGEN_CACHE"] = str(package.parent / "cache")
    return forked.run(COMPILING.format(jobs=jobs), cwd=package, env=environment)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of three modules with an inner loop each."""
    pytest.importorskip("numba")
    root = small_package(tmp_path, "doors/cli/inner_loops.py")
    (root / "doors" / "cli" / "__init__.py").touch()
    for name in ("one", "two", "three"):
        (root / "machine" / f"{name}.py").write_text(LOOP)
    return root


def test_every_module_that_compiles_an_entry_point_is_known() -> None:
    found = set()
    for file in nonempty(PACKAGE.rglob("*.py")):
        text = file.read_text()
        calls = (
            node
            for node in ast.walk(ast.parse(text if "entry(" in text else ""))
            if isinstance(node, ast.Call)
        )
        if any(isinstance(call.func, ast.Name) and call.func.id == "entry" for call in calls):
            found.add(".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts))
    assert set(modules_with_entries()) == found


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_all_are_compiled_once(package: Path, jobs: int) -> None:
    first, again = compiled(package, jobs), compiled(package, jobs)
    assert first.stdout == again.stdout == "2 2 2\n"
    assert first.stderr and without_waits(again.stderr) == ""
    assert len(list((package.parent / "cache" / "machine_code").glob("*.o"))) == 3


def test_a_module_that_cannot_be_compiled_is_told(package: Path) -> None:
    (package / "machine" / "two.py").write_text(LOOP.replace("x + 1", "no_such_name"))
    done = compiled(package, 2)
    assert done.returncode == 1
    assert "no_such_name" in done.stderr

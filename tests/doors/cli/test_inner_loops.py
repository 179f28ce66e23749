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
done = []
compile_all({jobs}, done.append)
from structgen.machine import {modules}
print(*(sum(module.loop.stats.cache_hits.values()) for module in ({modules})), len(done))
"""


def compiled(package: Path, modules: str, jobs: int) -> subprocess.CompletedProcess[str]:
    """Return how a new process ends that has all inner loops compiled, and says which it found so, and how
    many were compiled."""
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    return forked.run(COMPILING.format(jobs=jobs, modules=modules), cwd=package, env=environment)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of three modules with an inner loop each."""
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
    first = compiled(package, "one, two, three", jobs)
    assert without_waits(first.stderr) == ""
    assert first.stdout.split()[3:] == ["3"]
    assert compiled(package, "one, two, three", jobs).stdout == "1 1 1 0\n"


def test_a_module_that_cannot_be_compiled_is_told(package: Path) -> None:
    (package / "machine" / "two.py").write_text(LOOP.replace("x + 1", "no_such_name"))
    done = compiled(package, "one", 2)
    assert done.returncode == 1
    assert "no_such_name" in done.stderr

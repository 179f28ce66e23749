"""Compiled code is kept between processes, and never outlives the sources that it was made from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import forked
import pytest
from small_package import small_package

import structgen
from structgen.base.system.source_digests import digest_of, with_imports
from structgen.doors.cli.inner_loops import modules_with_entries

PACKAGE = Path(structgen.__file__).parent

USER = """
from structgen.base.native.jit import entry
from structgen.machine.other import CONSTANT, helper

@entry("int64(int64)")
def answer(x):
    return x + CONSTANT + helper(x)
"""

OTHER = """
from structgen.base.native.jit import jit

CONSTANT = {constant}

@jit
def helper(x):
    return {result}
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package that has our decorators, and two modules of its own."""
    pytest.importorskip("numba")
    root = small_package(tmp_path)
    (root / "machine" / "user.py").write_text(USER)
    (root / "machine" / "other.py").write_text(OTHER.format(constant=1, result=10))
    return root


def answer(package: Path) -> tuple[int, bool]:
    """Return what the compiled function says in a new process, and whether it was compiled there."""
    code = (
        "import sys; sys.dont_write_bytecode = True\n"  # it holds for a second, and modules change
        "from structgen.machine.user import answer; print(answer(100))"
    )
    done = forked.run(code, env={**os.environ, "PYTHONPATH": str(package.parent)}, cwd=package)
    return int(done.stdout), "compiling the inner loops" in done.stderr


def test_another_module_that_changes_changes_the_code(package: Path) -> None:
    assert [answer(package) for _ in range(2)] == [(111, True), (111, False)]
    for constant, result, value in ((2, 10, 112), (2, 20, 122)):
        (package / "machine" / "other.py").write_text(OTHER.format(constant=constant, result=result))
        assert answer(package) == (value, True)


def test_the_digest_is_of_contents_alone(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    one, two = tmp_path / "a.py", tmp_path / "x" / "a.py"
    one.write_text("a = 1")
    two.write_text("a = 1")
    os.utime(two, (0, 0))
    assert digest_of([one]) == digest_of([two])


def test_the_digest_tells_contents_and_names_apart(tmp_path: Path) -> None:
    found = set()
    for first, second in [("1", "2"), ("2", "1"), ("12", ""), ("", "12")]:
        (tmp_path / "a.py").write_text(first)
        (tmp_path / "b.py").write_text(second)
        found.add(digest_of([tmp_path / "b.py", tmp_path / "a.py"]))
    assert len(found) == 4


def test_a_source_of_the_package_is_read_once_in_a_process() -> None:
    code = (
        "import collections, io, sys\n"
        "from pathlib import Path\n"
        "import structgen.base.system.source_digests as s\n"
        "read = collections.Counter()\n"
        "sys.addaudithook(lambda event, said: event == 'open' and read.update([str(said[0])]))\n"
        "files = s.with_imports(Path(s.__file__).parents[1] / 'json_machine' / 'masks' / 'state_walk.py')\n"
        "found = {(s.digest_of(files), s.package_digest()) for _ in range(3)}\n"
        "print(len(found), len(files) < len(read), max(read.values()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "True", "1"]


def test_the_decorators_stand_on_no_module_with_compiled_code() -> None:
    """Else an edit of that module would have everything compiled again."""
    compiled = {
        PACKAGE.parent.joinpath(*name.split(".")).with_suffix(".py") for name in modules_with_entries()
    }
    assert not compiled & set(with_imports(PACKAGE / "base" / "native" / "jit.py"))

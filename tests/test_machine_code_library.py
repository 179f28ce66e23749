"""The library of machine code is used without numba where it fits, and told and left alone elsewhere."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_package import small_package
from test_machine_code import BLOCKED, CHAIN, LOOPS, TOLD, USE, environment

from structgen.base.native import machine_code
from structgen.base.native.compiling import object_of
from structgen.doors.cli.inner_loops import modules_with_entries

pytestmark = pytest.mark.skipif(
    not machine_code.has_level(machine_code.LEVEL) or not shutil.which("cc"),
    reason="a processor of the library's level, and a compiler for C",
)
WRITE = """
from pathlib import Path
from structgen.doors.cli.inner_loops import write_library
print(write_library(Path({folder!r})))
"""
NAME = """
from structgen.base.native.machine_code import library_name
print(library_name(open({file!r}, "rb").read()))
"""
INSTEAD = "numba compiles the inner loops instead"


def process(package: Path, code: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    around = environment(package, **more)
    return subprocess.run(command, env=around, cwd=package, capture_output=True, text=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with a library of its machine code inside."""
    root = small_package(tmp_path_factory.mktemp("library"), "doors/cli/inner_loops.py")
    (root / "doors" / "cli" / "__init__.py").touch()
    (root / "machine" / "chain.py").write_text(CHAIN)
    (root / "machine" / "loops.py").write_text(LOOPS)
    done = process(root, WRITE.format(folder=str(root / "machine_code")))
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def package(whole: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(whole, tmp_path / "structgen"))


def library(package: Path) -> Path:
    (path,) = (package / "machine_code").glob("loops-*.so")
    return path


def put(file: Path, package: Path) -> None:
    """Have a file stand for the library of a package, under the name that its bytes should have."""
    path = library(package)
    path.unlink()
    shutil.copy(file, path.with_name(process(package, NAME.format(file=str(file))).stdout.strip()))


def test_a_library_answers_without_numba(package: Path) -> None:
    code = (
        f"{BLOCKED}{USE}import numpy as np\nprint(arrays(2, np.arange(2, dtype=np.int32), 2.0)[1].tolist())"
    )
    done = process(package, code)
    assert (done.stdout, done.stderr) == ("72 71\n[[0.0, 0.0], [1.0, 2.0]]\n", "")


def test_a_library_in_a_folder_that_is_named_is_found(package: Path, tmp_path: Path) -> None:
    folder = Path(shutil.move(package / "machine_code", tmp_path / "elsewhere"))
    done = process(package, f"{BLOCKED}{USE}", STRUCTGEN_MACHINE_CODE=str(folder))
    assert (done.stdout, done.stderr) == ("72 71\n", "")


def test_two_calls_write_the_same_bytes_wherever_the_sources_lie(package: Path, tmp_path: Path) -> None:
    again = process(package, WRITE.format(folder=str(tmp_path / "again"))).stdout.strip()
    assert Path(again).name == library(package).name
    assert Path(again).read_bytes() == library(package).read_bytes()


def test_a_library_asks_for_no_newer_system_than_its_wheel_says(package: Path) -> None:
    versions = re.findall(rb"GLIBC_2\.(\d+)", library(package).read_bytes())
    assert versions and max(map(int, versions)) <= 27


def test_a_library_of_other_sources_is_told_and_not_used(package: Path) -> None:
    (package / "machine" / "chain.py").write_text(CHAIN.replace("last(x, 4)", "last(x, 5)"))
    done = process(package, USE)
    assert done.stdout == "82 81\n"
    why = f"the library {library(package)} is for other sources of structgen than the running ones; {INSTEAD}"
    assert done.stderr == f"structgen: {why}\n{TOLD}"


@pytest.mark.parametrize("kept", [0.5, *(pytest.param(kept, marks=pytest.mark.slow) for kept in (0.0, 0.99))])
def test_a_library_that_is_cut_off_is_told_and_not_used(package: Path, kept: float) -> None:
    path = library(package)
    held = path.read_bytes()
    path.write_bytes(held[: int(len(held) * kept)])
    done = process(package, USE)
    assert done.stdout == "72 71\n"
    assert (
        done.stderr == f"structgen: the library {path} is damaged: install structgen again; {INSTEAD}\n{TOLD}"
    )


def test_a_library_without_a_symbol_has_that_module_compiled(package: Path, tmp_path: Path) -> None:
    source, made = tmp_path / "empty.c", tmp_path / "empty.so"
    source.write_text("int nothing;")
    subprocess.run(["cc", "-shared", "-o", str(made), str(source)], check=True)
    put(made, package)
    done = process(package, USE)
    assert (done.stdout, done.stderr) == ("72 71\n", TOLD)


def test_a_file_that_is_no_library_is_told_and_not_used(package: Path, tmp_path: Path) -> None:
    made = tmp_path / "text"
    made.write_bytes(b"no library")
    put(made, package)
    done = process(package, USE)
    assert done.stdout == "72 71\n" and "cannot be loaded" in done.stderr and done.stderr.endswith(TOLD)


UNFIT = """
import builtins, io
opened = builtins.open
def unfit(path, *arguments, **named):
    told = path == "/proc/cpuinfo"
    return io.StringIO("flags : fpu sse2\\n") if told else opened(path, *arguments, **named)
builtins.open = unfit
"""


def test_a_processor_below_the_level_is_told_and_gets_its_own_code(package: Path) -> None:
    done = process(package, UNFIT + USE)
    assert done.stdout == "72 71\n"
    assert f"is for processors of the level x86-64-v3, and this one is older; {INSTEAD}" in done.stderr


@pytest.mark.slow  # a processor below the level is told in the same place
def test_a_python_without_the_lock_is_told_and_gets_its_own_code(package: Path) -> None:
    done = process(package, f"import sys; sys.abiflags = 't'\n{USE}")
    assert done.stdout == "72 71\n" and "is for a Python with the interpreter lock" in done.stderr


def test_without_numba_a_library_that_does_not_fit_ends_in_an_error_that_names_the_extra(
    package: Path,
) -> None:
    done = process(package, f"{UNFIT}{BLOCKED}{USE}")
    assert (
        "StructgenError: A process without the library of machine code needs llvmlite and numba"
        in done.stderr
    )


def test_without_a_linker_the_writer_says_so(package: Path, tmp_path: Path) -> None:
    done = process(package, WRITE.format(folder=str(tmp_path)), PATH=str(tmp_path))
    assert "StructgenError: A compiler for C (cc, gcc, clang) is needed" in done.stderr


@pytest.mark.parametrize(
    "module",
    [
        "structgen.base.native.bit_rows",
        *(pytest.param(name, marks=pytest.mark.slow) for name in modules_with_entries()),
    ],
)
def test_machine_code_has_no_path_of_the_machine_that_built_it(module: str) -> None:
    importlib.import_module(module)
    code = object_of(module, is_for_library=True)
    assert b".py" not in code

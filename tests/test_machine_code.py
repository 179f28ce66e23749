"""Machine code is compiled once, kept, linked in memory; and each call of it is answered or refused."""

from __future__ import annotations

import ast
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import forked
import numpy as np
import pytest
from nonempty import nonempty
from small_package import small_package

import structgen
from structgen.base.native import bit_rows, machine_code
from structgen.base.native.jit import entry, jit
from structgen.doors.cli.inner_loops import modules_with_entries

pytest.importorskip("numba")
PACKAGE = Path(structgen.__file__).parent
TOLD = (
    "structgen: compiling the inner loops to machine code: 10 to 60 s, once after an installation"
    " (`structgen warmup` does it ahead)\n"
)
CHAIN = """
from structgen.base.native.jit import jit

@jit
def last(x, y):
    return x * y

@jit
def middle(x):
    return last(x, 3) + last(x, 4)
"""
LOOPS = """
import numpy as np
from structgen.base.native.jit import code_of, entry
from structgen.machine.chain import middle

@entry("int64(int64)")
def one(x):
    return middle(x) + 1

@entry("int64(int64)")
def two(x):
    return middle(x) + 2

@entry("Tuple((int64, float64[:, ::1], int32[::1]))(int64, int32[::1], float32)")
def arrays(size, given, factor):
    made, copied = np.empty((size, 2)), np.empty(len(given), np.int32)
    for i in range(size):
        made[i, 0], made[i, 1] = i, i * factor
    for i in range(len(given)):
        copied[i] = given[i] + 1
    return size, made, copied
"""
USE = "from structgen.machine.loops import arrays, one, two\nprint(two(10), one(10))\n"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package that has our decorators, a chain of calls, and a module with entry points."""
    root = small_package(tmp_path)
    (root / "machine" / "chain.py").write_text(CHAIN)
    (root / "machine" / "loops.py").write_text(LOOPS)
    return root


def environment(package: Path, **more: str) -> dict[str, str]:
    """Return the environment of a process that finds the package, and has a cache of its own."""
    return {
        **os.environ,
        "PYTHONPATH": str(package.parent),
        "STRUCTGEN_CACHE": str(package.parent / "cache"),
        "STRUCTGEN_MACHINE_CODE": "",
        **more,
    }


def run(package: Path, code: str, **more: str) -> tuple[str, str]:
    """Return what a new process that has numba writes to its two streams."""
    done = forked.run(code, env=environment(package, **more), cwd=package)
    return done.stdout, done.stderr


def objects(package: Path) -> list[Path]:
    return sorted((package.parent / "cache" / "machine_code").glob("*.o"))


def test_a_module_is_compiled_when_it_is_called_and_never_again(package: Path) -> None:
    assert run(package, "import structgen.machine.loops") == ("", "")
    assert [run(package, USE) for _ in range(2)] == [("72 71\n", TOLD), ("72 71\n", "")]
    assert [path.name.rpartition("-")[0] for path in objects(package)] == ["structgen.machine.loops"]


def test_arrays_are_taken_and_answered(package: Path) -> None:
    code = (
        f"{USE}import numpy as np\n"
        "for size in (3, 0):\n"
        "    count, made, copied = arrays(size, np.arange(size, dtype=np.int32), 0.5)\n"
        "    print(count, made.tolist(), made.shape, made.dtype, copied.tolist(), copied.dtype)\n"
    )
    assert run(package, code)[0].splitlines()[1:] == [
        "3 [[0.0, 0.0], [1.0, 0.5], [2.0, 1.0]] (3, 2) float64 [1, 2, 3] int32",
        "0 [] (0, 2) float64 [] int32",
    ]


def test_what_finds_no_memory_is_a_memory_error_and_the_next_call_is_answered(package: Path) -> None:
    code = (
        f"{USE}import numpy as np\ngiven = np.zeros(2, np.int32)\n"
        "try: arrays(1 << 45, given, 1.0)\n"
        "except MemoryError as error: print(type(error).__name__)\n"
        "print(arrays(1, given, 1.0)[0])\n"
    )
    assert run(package, code)[0] == "72 71\nMemoryError\n1\n"


def test_a_file_that_is_damaged_is_told_and_made_again(package: Path) -> None:
    run(package, USE)
    (path,) = objects(package)
    whole = path.read_bytes()
    for held in (b"", whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1])):
        path.write_bytes(held)
        said, told = run(package, USE)
        assert said == "72 71\n" and f"{path} is damaged" in told
        assert path.read_bytes() == whole


def test_where_no_file_can_be_kept_a_warning_says_so_and_all_is_answered(package: Path) -> None:
    (package.parent / "cache").write_text("a file where the folder should be")
    said, told = run(package, USE)
    assert said == "72 71\n" and "StoreWarning" in told


def test_an_edit_has_that_module_alone_compiled_again(package: Path) -> None:
    (package / "machine" / "beside.py").write_text(LOOPS.replace("middle(x) + 1", "middle(x) + 5"))
    both = f"{USE}from structgen.machine.beside import one\nprint(one(10))\n"
    quiet = "import sys; sys.dont_write_bytecode = True\n"
    assert run(package, quiet + both)[0] == "72 71\n75\n"
    (package / "machine" / "beside.py").write_text(LOOPS.replace("middle(x) + 1", "middle(x) + 6"))
    assert run(package, quiet + both)[0] == "72 71\n76\n"
    names = [path.name.rpartition("-")[0] for path in objects(package)]
    assert names == ["structgen.machine.beside"] * 2 + ["structgen.machine.loops"]


BLOCKED = "import sys\nsys.modules['numba'] = sys.modules['llvmlite'] = None\n"


def test_without_numba_the_error_names_the_extra(package: Path) -> None:
    code = (
        f"{BLOCKED}from structgen.machine.loops import one\n"
        "try: one(1)\nexcept Exception as error: print(type(error).__name__, error)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment(package), cwd=package, capture_output=True, text=True)
    said = done.stdout
    assert said.startswith("StructgenError A process without the library of machine code needs llvmlite")
    assert "compile" in said


HELD = """
import sys, time
from structgen.base.native import compiling
made = compiling.object_of
def held(unit, prefix="", **options):
    print("compiles", flush=True)
    sys.stdin.readline()
    return made(unit, prefix, **options)
compiling.object_of = held
"""


def test_a_second_process_waits_for_the_first_and_compiles_nothing(package: Path) -> None:
    pipes: dict[str, Any] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "text": True,
        "cwd": package,
    }
    command = [sys.executable, "-c", f"{HELD}{USE}"]
    with (
        subprocess.Popen(command, env=environment(package), **pipes) as first,
        subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.stdin.readline()\n{USE}"],
            env=environment(package),
            **pipes,
        ) as second,
    ):
        assert first.stdout and first.stdin and second.stdin and second.stdout
        assert first.stdout.readline() == "compiles\n"
        second.stdin.write("\n")
        second.stdin.flush()
        first.stdin.write("\n")
        first.stdin.flush()
        assert [one.stdout.read() for one in (first, second)] == ["72 71\n", "72 71\n"]  # type: ignore[union-attr]
    assert len(objects(package)) == 1
    locks = (package.parent / "cache").rglob("*.lock")
    assert [path.name for path in locks if "machine" in path.name] == ["structgen.machine.loops.lock"]


def test_two_processes_make_the_same_bytes_whatever_they_compiled_before(package: Path) -> None:
    code = (
        "import sys, hashlib\nfrom importlib import import_module\n"
        "from structgen.base.native.compiling import object_of\n"
        "names = ['structgen.machine.loops', 'structgen.machine.beside']\n"
        "for name in names: import_module(name)\n"
        "found = {name: hashlib.sha256(object_of(name)).hexdigest() for name in names[::int(sys.argv[1])]}\n"
        "print(sorted(found.items()))\n"
    )
    (package / "machine" / "beside.py").write_text(LOOPS)
    said = {forked.run(code, step, env=environment(package), cwd=package).stdout for step in ("1", "-1", "1")}
    assert len(said) == 1 and "machine.loops" in said.pop()


# --- in this process ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ((1, 2), TypeError),
        ((1, 2, 3, 4), TypeError),
        (("x", 0, 0), TypeError),
        ((1.5, 0, 0), TypeError),
        ((1 << 70, 0, 0), OverflowError),
    ],
)
def test_other_arguments_than_integers_are_refused(arguments: tuple[Any, ...], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        bit_rows._set_bits(*arguments)


@pytest.mark.parametrize(
    "other",
    [
        np.zeros((3, 2), np.int64),
        np.zeros(3, np.int32),
        np.zeros((3, 4), np.int32)[:, ::2],
        np.zeros((3, 2), np.int32).T,
        3,
        None,
    ],
)
def test_an_array_of_another_kind_is_refused(other: Any) -> None:
    from structgen.automata.strings.kernels import longest_rests

    assert longest_rests(np.full((2, 2), -1, np.int32)).tolist() == [0, 0]
    with pytest.raises((TypeError, ValueError)):
        longest_rests(other)


def chain_of(value: int) -> Callable[[int], int]:
    """Return a new entry point, around a value of its own."""

    @jit
    def below(x: int) -> int:
        return x * value

    @entry("int64(int64)")
    def above(x: int) -> int:
        return below(x) + 1

    return above


def test_entry_points_with_other_values_around_them_are_others() -> None:
    assert [chain_of(value)(5) for value in (1, 2, 1)] == [6, 11, 6]


def test_threads_that_call_first_at_once_are_answered() -> None:
    above = chain_of(7)
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(above, range(8))) == [7 * x + 1 for x in range(8)]


def test_compiled_code_cannot_call_an_entry_point() -> None:
    first = chain_of(1)

    @entry("int64(int64)")
    def outer(x: int) -> int:
        return first(x)

    with pytest.raises(Exception, match="first"):
        outer(1)


def decorated(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """Yield the functions of a source that are compiled."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            names = {ast.unparse(one).partition("(")[0] for one in node.decorator_list}
            if names & {"jit", "entry", "loose"}:
                yield node


def test_no_compiled_function_raises() -> None:
    compiled = 0
    for file in nonempty(PACKAGE.rglob("*.py")):
        for function in decorated(ast.parse(file.read_text(encoding="utf-8"))):
            compiled += 1
            raising = [one.lineno for one in ast.walk(function) if isinstance(one, ast.Raise | ast.Assert)]
            assert not raising, f"{file}: {function.name} raises"
    assert compiled > 300


NEEDED = {
    *("PyBuffer_Release", "PyByteArray_FromStringAndSize", "PyErr_BadArgument", "PyErr_NoMemory"),
    *("PyErr_Occurred", "PyEval_RestoreThread", "PyEval_SaveThread", "PyFloat_AsDouble", "PyLong_AsLongLong"),
    *("PyLong_FromLongLong", "PyObject_GetBuffer", "Py_BuildValue"),
    *("exp", "expm1", "free", "log", "malloc", "memcpy", "memmove", "memset"),
}
"""What machine code may call: the stable ABI of Python, memory, and three functions of C's `math.h`."""


def undefined(code: bytes) -> set[str]:
    """Return the names that an object file of ELF does not define."""
    (sections,), (size, count) = struct.unpack_from("<Q", code, 40), struct.unpack_from("<HH", code, 58)
    found: set[str] = set()
    for number in range(count):
        _, kind, _, _, at, length, link = struct.unpack_from("<IIQQQQI", code, sections + number * size)
        if kind == 2:  # the table of symbols
            (names,) = struct.unpack_from("<Q", code, sections + link * size + 24)
            for symbol in range(at + 24, at + length, 24):
                name, _, _, section = struct.unpack_from("<IBBH", code, symbol)
                if section == 0:
                    start = names + name
                    found.add(code[start : code.index(b"\0", start)].decode())
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="object files of ELF")
@pytest.mark.skipif(machine_code.CHECKED, reason="the checks raise")
@pytest.mark.parametrize("name", modules_with_entries())
def test_machine_code_needs_no_symbol_outside_a_list(name: str) -> None:
    """Else a list, a slice that is assigned or a message of numba's would bring its runtime."""
    pytest.importorskip(name)
    needed = undefined(machine_code._object_file(name))
    assert "PyEval_SaveThread" in needed
    assert needed <= NEEDED


SCATTERED = """
import mmap
held = []
for size in (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512) * 3:  # kilobytes
    hole = mmap.mmap(-1, size << 10, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ)
    wall = mmap.mmap(-1, 4 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ)
    held.append((hole, wall))
from structgen.base.native import machine_code
from structgen.doors.cli.inner_loops import load_all, modules_to_compile
import llvmlite.binding
machine_code.library_path = lambda: None  # object files are linked, kept ones and new ones
for hole, _ in held:
    hole.close()
load_all(*modules_to_compile())
print("linked")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the test makes holes in the address space of Linux")
def test_object_files_are_linked_where_free_memory_lies_in_holes_that_are_4_gb_apart() -> None:
    pytest.importorskip("numba")
    done = subprocess.run([sys.executable, "-c", SCATTERED], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "linked\n", done.stderr[-2000:]

"""Machine code that is written for a level of processors is used where the level fits, and nowhere else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import forked
import numba
import pytest

from structgen.base.native import shipped_code

LOOP = """
from structgen.base.native.jit import entry

@entry("int64(int64)")
def loop(x):
    if x < 0:
        raise ValueError("negative")
    return x * 3
"""
WRITE = """
import sys
from pathlib import Path
from loops import loop
from structgen.base.native.jit import compile_module, ship
from structgen.base.native.shipped_code import leave_places_out
leave_places_out()
compile_module("loops")
print(ship("loops", Path(sys.argv[1]), sys.argv[2]) > 100)
"""
USE = """
from loops import loop
print(loop(5), sum(loop.stats.cache_hits.values()))
"""
CONFIGURED = "import numba.core.config as config\nconfig.reload_config()\n"
"""The process that is forked has read the environment already."""
LEVEL = shipped_code.GENERIC.get(shipped_code.architecture(), "")

pytestmark = pytest.mark.skipif(not LEVEL, reason="no level of processors is named for this architecture")


def run(folder: Path, code: str, *arguments: str, source: str = LOOP, **environment: str) -> list[str]:
    """Return the words that a new process prints, which has a cache of its own."""
    (folder / "loops.py").write_text(source)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache"), **environment}
    done = forked.run(f"{CONFIGURED}{code}", *arguments, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    return (done.stdout + done.stderr).split()


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the code of the module above, for the generic level."""
    folder = tmp_path_factory.mktemp("code")
    written = run(
        tmp_path_factory.mktemp("writer"), WRITE, str(folder), LEVEL, **shipped_code.compiling(LEVEL)
    )
    assert written == ["True"]
    return folder


def test_code_of_a_level_that_fits_is_used(tmp_path: Path, shipped: Path) -> None:
    assert run(tmp_path, USE, STRUCTGEN_MACHINE_CODE=str(shipped)) == ["15", "1"]
    assert not list((tmp_path / "cache").rglob("*.nbc"))


def test_code_of_other_sources_is_not_used(tmp_path: Path, shipped: Path) -> None:
    other = LOOP.replace("x * 3", "x * 4")
    said = run(tmp_path, USE, source=other, STRUCTGEN_MACHINE_CODE=str(shipped))
    assert said[:2] == ["20", "0"]
    assert "is for other sources of structgen than those that run: the inner loops" in " ".join(said)


def test_code_of_a_level_that_does_not_fit_is_not_used(tmp_path: Path, shipped: Path) -> None:
    unfit = "from structgen.base.native import shipped_code\nshipped_code.fitting = lambda: ()\n"
    said = run(tmp_path, unfit + USE, STRUCTGEN_MACHINE_CODE=str(shipped))
    assert said[:2] == ["15", "0"]
    assert f"is for processors of the level {LEVEL}, which this one has not: the inner" in " ".join(said)


def test_a_processor_without_a_feature_has_not_the_level(monkeypatch: pytest.MonkeyPatch) -> None:
    has = dict.fromkeys(shipped_code.LEVELS["x86-64-v3"][2].split(), True)
    monkeypatch.setattr(shipped_code, "architecture", lambda: "x86_64")
    for lost, levels in (("", ("x86-64-v3", "x86-64-v2")), ("avx2", ("x86-64-v2",)), ("ssse3", ())):
        here = {**has, **({lost: False} if lost else {})}
        monkeypatch.setattr("llvmlite.binding.get_host_cpu_features", lambda here=here: here)
        shipped_code.fitting.cache_clear()
        assert shipped_code.fitting() == levels
    shipped_code.fitting.cache_clear()


def test_a_processor_that_is_named_gets_its_own_code(tmp_path: Path, shipped: Path) -> None:
    named = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "STRUCTGEN_MACHINE_CODE": str(shipped)}
    assert run(tmp_path, USE, **named) == ["15", "0"]


@pytest.mark.parametrize("kept", [0, 0.5, 0.99])
def test_a_file_that_is_cut_off_is_told_and_not_used(tmp_path: Path, shipped: Path, kept: float) -> None:
    """As a process reads it that runs while pip writes the package."""
    folder = shutil.copytree(shipped, tmp_path / "cut")
    (file,) = folder.rglob("*.code")
    held = file.read_bytes()
    file.write_bytes(held[: int(len(held) * kept)])
    said = run(tmp_path, USE, STRUCTGEN_MACHINE_CODE=str(folder))
    assert said[:2] == ["15", "0"]
    assert f"{file} is damaged: the inner loops are compiled instead." in " ".join(said)


INSTALLED_BESIDE = """
import sys, threading, warnings
from pathlib import Path
from loops import loop
from structgen.base.native import jit, shipped_code
warnings.simplefilter("ignore")
(file,) = Path(sys.argv[1]).rglob("*.code")
whole = file.read_bytes()
def install():
    for cut in range(0, len(whole), len(whole) // 200):
        file.unlink()
        with file.open("wb", buffering=0) as written:  # as pip: under its name from the first byte on
            written.write(whole[:cut])
            written.write(whole[cut:])
thread = threading.Thread(target=install)
thread.start()
entries, stamp, found = jit._entries["loops"].all, jit.stamp(loop.py_func.__code__.co_filename), set()
while thread.is_alive():
    results = shipped_code.load(entries, stamp)
    found.add(15 if results is None else results[0].entry_point(5))
print(found, loop(5), sum(loop.stats.cache_hits.values()))
"""


def test_a_process_that_loads_while_the_package_is_installed_again_finds_whole_code_or_none(
    tmp_path: Path, shipped: Path
) -> None:
    folder = str(shutil.copytree(shipped, tmp_path / "again"))
    assert run(tmp_path, INSTALLED_BESIDE, folder, STRUCTGEN_MACHINE_CODE=folder)[:3] == ["{15}", "15", "1"]


def test_a_file_with_another_byte_is_told_and_not_used(tmp_path: Path, shipped: Path) -> None:
    folder = shutil.copytree(shipped, tmp_path / "damaged")
    (file,) = folder.rglob("*.code")
    held = bytearray(file.read_bytes())
    held[len(held) // 2] ^= 1
    file.write_bytes(held)
    said = run(tmp_path, USE, STRUCTGEN_MACHINE_CODE=str(folder))
    assert said[:2] == ["15", "0"]
    assert "is damaged: the inner loops are compiled instead. Install structgen again" in " ".join(said)


def test_a_file_that_is_no_file_is_told_and_not_used(tmp_path: Path, shipped: Path) -> None:
    folder = shutil.copytree(shipped, tmp_path / "other")
    (file,) = folder.rglob("*.code")
    file.unlink()
    file.mkdir()
    said = run(tmp_path, USE, STRUCTGEN_MACHINE_CODE=str(folder))
    assert said[:2] == ["15", "0"] and f"cannot read {file}" in " ".join(said)


@pytest.mark.parametrize("newer", ["0.68.99", "0.69.0"])
def test_code_for_another_numba_is_told_by_name_and_not_used(
    tmp_path: Path, shipped: Path, newer: str
) -> None:
    """Also one that is later than all that were tried, with which numba compiles its own way."""
    major, minor, _ = newer.split(".")
    code = f"""
import numba
numba.__version__ = {newer!r}
numba.version_info = numba.version_info._replace(short=({major}, {minor}))
{USE}print(loop(6))
"""
    said = " ".join(run(tmp_path, code, STRUCTGEN_MACHINE_CODE=str(shipped)))
    assert said.startswith("15 0 18 structgen: the machine code in")
    real = shipped_code.made_for().replace("_", ", ")
    other = real.replace(f"numba-{numba.__version__}", f"numba-{newer}")
    assert said.count("structgen:") == 1 and f"is for {real}, and here is {other}: the inner" in said


def test_two_processes_write_the_same_bytes_wherever_the_sources_lie(tmp_path: Path, shipped: Path) -> None:
    run(tmp_path, WRITE, str(tmp_path / "code"), LEVEL, **shipped_code.compiling(LEVEL))
    (one,), (two,) = (folder.rglob("*.code") for folder in (shipped, tmp_path / "code"))
    assert one.name == two.name and one.read_bytes() == two.read_bytes()


ARRAYS = """
import numpy as np
from structgen.base.native.jit import entry, jit

@jit
def filled(count):
    return np.ones(count)

@entry("int64(int64)")
def loop(x):
    return 3 * int(filled(x).sum())
"""


def test_kept_code_that_allocates_arrays_is_loaded_by_the_next_process(tmp_path: Path) -> None:
    assert [run(tmp_path, USE, source=ARRAYS) for _ in range(2)] == [["15", "0"], ["15", "1"]]


@pytest.mark.slow
def test_warmup_writes_all_modules_and_a_new_installation_compiles_none(tmp_path: Path) -> None:
    from structgen.doors.cli.inner_loops import modules_with_entries

    folder, cache = tmp_path / "code", tmp_path / "cache"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "STRUCTGEN_CACHE": str(tmp_path / "store")}
    main = "from structgen.doors.cli import main; main()"
    command = [sys.executable, "-c", main, "warmup", "--target", "generic", "--output", str(folder)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert len(list(folder.rglob("*.code"))) == len(modules_with_entries())
    code = "import structgen.doors.cli.inner_loops as i; i.compile_all(done=print)"
    environment["STRUCTGEN_MACHINE_CODE"] = str(folder)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")

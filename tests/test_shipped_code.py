"""Machine code that is written for a level of processors is used where the level fits, and nowhere else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import forked
import pytest

from structgen.base.native import shipped_code

LOOP = """
from structgen.base.native.jit import entry

@entry("int64(int64)")
def loop(x):
    return x * 3
"""
WRITE = """
import sys
from pathlib import Path
from loops import loop
from structgen.base.native.jit import compile_module, ship
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
    assert run(tmp_path, USE, source=other, STRUCTGEN_MACHINE_CODE=str(shipped)) == ["20", "0"]


def test_code_of_a_level_that_does_not_fit_is_not_used(tmp_path: Path, shipped: Path) -> None:
    unfit = "from structgen.base.native import shipped_code\nshipped_code.fitting = lambda: ()\n"
    assert run(tmp_path, unfit + USE, STRUCTGEN_MACHINE_CODE=str(shipped)) == ["15", "0"]


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


def test_a_damaged_file_is_told_and_not_used(tmp_path: Path, shipped: Path) -> None:
    folder = shutil.copytree(shipped, tmp_path / "damaged")
    (file,) = (path for path in folder.rglob("*.code"))
    held = bytearray(file.read_bytes())
    held[len(held) // 2] ^= 1
    file.write_bytes(held)
    said = run(tmp_path, USE, STRUCTGEN_MACHINE_CODE=str(folder))
    assert said[:2] == ["15", "0"]
    assert "is damaged; it is not used. Write it again: structgen warmup --target." in " ".join(said)


@pytest.mark.slow
def test_warmup_writes_all_modules_and_a_new_installation_compiles_none(tmp_path: Path) -> None:
    from structgen.doors.cli.inner_loops import modules_to_compile

    folder, cache = tmp_path / "code", tmp_path / "cache"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "STRUCTGEN_CACHE": str(tmp_path / "store")}
    main = "from structgen.doors.cli import main; main()"
    command = [sys.executable, "-c", main, "warmup", "--target", "generic", "--output", str(folder)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert len(list((folder / LEVEL).iterdir())) == len(modules_to_compile())
    code = "import structgen.doors.cli.inner_loops as i; i.compile_all(done=print)"
    environment["STRUCTGEN_MACHINE_CODE"] = str(folder)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")

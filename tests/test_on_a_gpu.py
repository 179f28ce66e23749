"""scripts/on_a_gpu.sh, which measures on a machine that is seldom at hand: here on the CPU, small."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts/on_a_gpu.sh"


@pytest.fixture
def wheels(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return pytest.importorskip("gpu_wheels")


def run(out: Path, *words: str, **settings: str) -> tuple[int, str]:
    """Run the script on the CPU; return its exit status and what it printed."""
    given = {"PYTHON": sys.executable, "DEVICE": "cpu", "OUT": str(out), **settings}
    done = subprocess.run(
        ["bash", str(SCRIPT), *words],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.stdout == (out / "summary.txt").read_text()
    return done.returncode, done.stdout


def interpreter(folder: Path, **cases: str) -> str:
    """Write a command that stands for Python; for words that contain a name it runs that shell code."""
    lines = [f"*{name}*) {code};;" for name, code in cases.items()]
    file = folder / "python"
    file.write_text('#!/bin/bash\ncase "$*" in\n' + "\n".join(lines) + '\n*) echo "ran $*";;\nesac\n')
    file.chmod(0o755)
    return str(file)


def write_wheel(folder: Path, name: str, needs: Sequence[str] = (), code: str = "") -> Path:
    """Write a wheel of one module, with what it needs."""
    file = folder / f"{name}-1.0-py3-none-any.whl"
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}.py", code)
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        archive.writestr(f"{about}/METADATA", head + "".join(f"Requires-Dist: {need}\n" for need in needs))
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return file


def test_a_part_that_fails_and_one_that_takes_too_long_do_not_stop_the_next(tmp_path: Path) -> None:
    python = interpreter(tmp_path, bench_kernels="echo wrong; exit 3", compile_all="sleep 600")
    # the part that sleeps has a tenth of a second: the others have theirs on a machine that is busy
    timeout = tmp_path / "timeout"
    short = (
        f'[[ "$*" == *compile_all* ]] && set -- -k 5 0.1 "${{@:4}}"\nexec {shutil.which("timeout")} "$@"\n'
    )
    timeout.write_text(f"#!/bin/bash\n{short}")
    timeout.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    status, said = run(tmp_path / "out", PYTHON=python, LIMIT="200", PATH=path)
    assert status == 1 and said.endswith("a part failed\n")
    assert "compile: FAILED, over 200 s" in said and "kernels: FAILED, exit status 3" in said
    assert "kernel-tests: ok" in said and "engine: ok" in said
    assert "engine,alone" not in said
    log = (tmp_path / "out/log.txt").read_text()
    assert "== kernels\nwrong\n== engine\nran bench/bench_engine.py --device cpu" in log


def test_an_engine_that_fails_beside_its_peers_is_measured_without_them(tmp_path: Path) -> None:
    python = interpreter(tmp_path, bench_engine="[[ $* == *--alone* ]]")
    status, said = run(tmp_path / "out", PYTHON=python, PARTS="engine")
    assert status == 1 and "engine: FAILED, exit status 1" in said and "engine,alone: ok" in said


def test_wheels_in_pieces_are_joined_and_installed(tmp_path: Path, wheels: Any) -> None:
    file = write_wheel(tmp_path, "tiny", code="print('installed')")
    wheels.divide([file, write_wheel(tmp_path, "other")], tmp_path / "parts", "", 300)
    assert len(list((tmp_path / "parts").iterdir())) > 2
    python = interpreter(
        tmp_path, pip=f'{sys.executable} "$@"', bench_engine=f"{sys.executable} -c 'import tiny, other'"
    )
    status, said = run(tmp_path / "out", str(tmp_path / "parts"), PYTHON=python, PARTS="install engine")
    assert status == 0 and "installed" in said, said


@pytest.mark.parametrize("most", [1000, 300, 30])
def test_no_part_is_larger_than_it_may_be_and_nothing_is_lost(tmp_path: Path, wheels: Any, most: int) -> None:
    files = []
    for size in (900, 350, 20, 5):
        files.append(tmp_path / f"of_{size}.whl")
        files[-1].write_bytes(os.urandom(size))
    wheels.divide(files, tmp_path / "parts", "a-", most)
    parts = sorted((tmp_path / "parts").iterdir())
    assert all(sum(file.stat().st_size for file in part.iterdir()) <= most for part in parts)
    for file in files:
        pieces = sorted((tmp_path / "parts").glob(f"*/{file.name}*"))
        assert b"".join(piece.read_bytes() for piece in pieces) == file.read_bytes()


def test_what_a_wheel_needs_is_packed_and_what_the_machine_has_is_not(
    tmp_path: Path, wheels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, packed = tmp_path / "index", tmp_path / "packed"
    index.mkdir()
    write_wheel(
        index, "first", ["second>=1", "torch", "never; python_version < '3.12'", "third; extra == 'x'"]
    )
    write_wheel(index, "second", ["First", "fourth; extra == 'y'"])
    write_wheel(index, "third")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    from packaging.requirements import Requirement

    wheels.download_all([Requirement("first[x]")], {"torch"}, packed)
    assert {file.name.partition("-")[0] for file in packed.iterdir()} == {"first", "second", "third"}


def test_the_needs_of_the_package_are_known_without_itself(wheels: Any) -> None:
    names = {need.name for need in wheels.first_needs()}
    assert {"numba", "lark", "tokenizers", "transformers", "gguf", "pytest"} <= names
    assert "structgen-toolkit" not in names


@pytest.mark.slow
def test_all_parts_pass_on_the_cpu_and_leave_their_tables(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    status, said = run(tmp_path)
    assert status == 0 and said.endswith("all parts passed\n"), (tmp_path / "log.txt").read_text()[-5000:]
    assert {file.name.partition("-2")[0] for file in tmp_path.iterdir()} == {
        "engine-cpu-tiny",
        "kernels-smoke",
        "log.txt",
        "summary.txt",
    }

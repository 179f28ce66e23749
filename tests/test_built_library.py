"""The library of a wheel in dist/ is unpacked for `make demo` where it is of the sources that run."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from structgen.base.native import machine_code

ROOT = Path(__file__).parents[1]
CODE = b"what a linker writes"


@pytest.fixture
def unpack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return the script as a function: a name of a library -> what is printed, and the files written."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.setenv(machine_code.ENVIRONMENT_VARIABLE, "")  # the script sets it
    monkeypatch.setattr(machine_code, "BESIDE_THE_PACKAGE", tmp_path / "none")
    monkeypatch.setattr(machine_code, "CHECKED", False)
    import built_library

    def run(name: str) -> tuple[str, list[str]]:
        dist, folder = tmp_path / "dist", tmp_path / "venv/machine code"
        dist.mkdir()
        with zipfile.ZipFile(dist / "structgen_toolkit-1.0-py3-none-manylinux_2_27_x86_64.whl", "w") as wheel:
            wheel.writestr("structgen/__init__.py", "")
            wheel.writestr(f"structgen/machine_code/{name}", CODE)
        monkeypatch.setattr(sys, "argv", ["built_library.py", str(folder), "--dist", str(dist)])
        try:
            built_library.main()
        except SystemExit as end:
            assert end.code == 1
        printed = capsys.readouterr().out.strip()
        assert printed in ("", str(folder))
        return printed, [file.name for file in folder.glob("*")]

    return run


@pytest.mark.skipif(
    not machine_code.has_level(machine_code.LEVEL), reason="a processor of the library's level"
)
def test_a_library_of_these_sources_is_unpacked_and_found(unpack: Any) -> None:
    name = machine_code.library_name(CODE)
    printed, files = unpack(name)
    assert printed and files == [name]
    path = machine_code.library_path()  # by the environment that the script has set
    assert path is not None and path.read_bytes() == CODE


def test_a_library_of_other_sources_is_left_in_the_wheel(unpack: Any) -> None:
    assert unpack("loops-0123456789abcdef-0123456789abcdef.so") == ("", [])


def test_without_a_wheel_nothing_is_printed(unpack: Any) -> None:
    assert unpack("loops.txt") == ("", [])

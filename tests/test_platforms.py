"""What structgen does where the modules, the calls and the files of Linux are missing (docs/platforms.md)."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path, PureWindowsPath

import forked
import pytest
from nonempty import nonempty

from structgen.asking.processes import process_limits
from structgen.base.errors import StructgenError
from structgen.base.native import addresses
from structgen.base.system.platforms import missing_here
from structgen.decoding.runs.resources import model_name

ROOT = Path(__file__).parents[1]
ELSEWHERE = ROOT / "tests" / "elsewhere.py"
AHEAD = f"{forked.COMPILER}import torch, tokenizers, safetensors.torch, pydantic, typer.testing"


def check(platform: str, folder: Path, *uses: str) -> None:
    """Do some things in a process as on another platform."""
    for package in ("torch", "tokenizers", "pydantic", "starlette", "prometheus_client", "httpx2", "bs4"):
        pytest.importorskip(package)
    if platform != sys.platform:
        pytest.importorskip("numba", reason="the library of machine code is for this platform")
    environment = {**os.environ, "STRUCTGEN_CACHE": str(folder / "cache")}
    code = ELSEWHERE.read_text(encoding="utf-8")
    found = forked.run(code, platform, *uses, ahead=AHEAD, cwd=folder, env=environment)
    assert found.stdout.splitlines() == [f"done: {use}" for use in uses], found.stderr


def test_without_what_windows_lacks_all_doors_open(tmp_path: Path) -> None:
    check("win32", tmp_path, "masks", "typed", "bulk", "server")


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_without_what_a_platform_lacks_all_doors_open(tmp_path: Path, platform: str) -> None:
    check(platform, tmp_path, "masks", "typed", "bulk", "commands", "server", "documents")


def test_nothing_is_missing_on_linux_and_the_page_names_what_others_lack() -> None:
    """The page has a row for each sentence, with the platforms that lack it."""
    assert missing_here() == []
    page = (ROOT / "docs" / "platforms.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|", page, re.M))
    for platform, name in (("win32", "Windows"), ("darwin", "macOS")):
        command = [sys.executable, str(ELSEWHERE), platform, "told"]
        found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        told = {line for line in found.stdout.splitlines() if line != "done: told"}
        assert told == {sentence for sentence, where in rows.items() if name in where and ": " in sentence}


def test_a_limit_of_memory_that_a_platform_does_not_keep_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(process_limits, "BOUNDS_MEMORY", False)
    process_limits._tell_unbounded.cache_clear()
    with caplog.at_level("INFO", "structgen"):
        for _ in range(2):
            process_limits.make_confinement(1 << 30)
    assert len(caplog.messages) == 1 and "memory" in caplog.messages[0]


def test_the_checks_of_memory_are_refused_where_they_would_take_other_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its numbers of flags and addresses are those of Linux."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(StructgenError, match="need Linux"):
        addresses._shadow()


def test_a_name_of_a_model_in_a_path_of_windows_is_that_name() -> None:
    assert model_name(PureWindowsPath("structgen/extract")) == "structgen/extract"


def test_no_file_is_read_or_written_in_the_encoding_of_the_system() -> None:
    """On Windows that is another one than UTF-8."""
    for path in nonempty((ROOT / "structgen").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for call in ast.walk(ast.parse(text if re.search(r"open\(|_text\(", text) else "")):
            if not isinstance(call, ast.Call):
                continue
            name = ast.unparse(call.func)
            if name.rpartition(".")[2] in ("open", "fdopen", "write_text") and name != "os.open":
                said = [*call.args, *(one.value for one in call.keywords)]
                texts = [one.value for one in said if isinstance(one, ast.Constant)]
                is_binary = any(re.fullmatch(r"[rwax]\+?b|b", str(text)) for text in texts)
                assert is_binary or {"utf-8", "ascii"} & {*texts}, f"{path}:{call.lineno}"
            elif name.endswith(".read_text"):
                assert call.args or call.keywords, f"{path}:{call.lineno}"

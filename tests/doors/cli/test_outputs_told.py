"""Output that cannot be written: a closed pipe, a full disk, a folder that is missing. One line tells it."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TextIO

import pytest
from command_line import commanded
from long_waits import without_waits

import structgen as sg
from structgen.base.system.cache import open_output, open_replacement
from structgen.decoding.runs import progress
from structgen.doors.cli import app, main

SCHEMA = '{"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}'
COMMANDS = [
    ["check", "--schema", "s.json", "d.json"],
    ["explain", "--schema", "s.json"],
    ["explain", "--schema", "s.json", "--json"],
    ["store"],
    ["sample-report", "--help"],
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "s.json").write_text(SCHEMA)
    (tmp_path / "d.json").write_text('{"a": true}')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def status(monkeypatch: pytest.MonkeyPatch) -> Callable[[TextIO, list[str]], int]:
    """Return what runs a command whose standard output is a stream, and returns its exit status."""

    def of(stream: TextIO, command: list[str]) -> int:
        monkeypatch.setattr(sys, "stdout", stream)
        try:
            with pytest.raises(SystemExit) as ended:
                app()(command)
            return int(ended.value.code or 0)
        finally:
            with suppress(OSError):
                stream.close()

    return of


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_closed_pipe_ends_a_command_in_silence(
    status: Callable[[TextIO, list[str]], int], capfd: pytest.CaptureFixture[str], command: list[str]
) -> None:
    reading, end = os.pipe()
    os.close(reading)
    stream = io.TextIOWrapper(io.FileIO(end, "w"), write_through=True)
    assert status(stream, command) == 1
    assert without_waits(capfd.readouterr().err) == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
@pytest.mark.parametrize("command", COMMANDS[:4], ids=" ".join)
def test_standard_output_on_a_full_disk_is_told_in_a_line(
    status: Callable[[TextIO, list[str]], int], capfd: pytest.CaptureFixture[str], command: list[str]
) -> None:
    stream = io.TextIOWrapper(io.FileIO("/dev/full", "w"), write_through=True)
    assert status(stream, command) == 2
    told = "OptionError: standard output: No space left on device. Free some space there"
    assert capfd.readouterr().err.startswith(told)


@pytest.mark.parametrize("command", [["check", "--regex", "→", "d.json"], ["explain", "--schema", "s.json"]])
def test_a_character_that_the_encoding_lacks_is_written_as_an_escape(
    monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    held = io.BytesIO()
    Path("s.json").write_text('{"const": "→"}', encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(held, "latin-1", write_through=True))
    monkeypatch.setattr(sys, "argv", ["structgen", *command])
    with pytest.raises(SystemExit):
        main()
    assert b"\\u2192" in held.getvalue()


def test_a_warning_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    monkeypatch.setattr(sys, "argv", ["structgen", "--version"])
    with pytest.raises(SystemExit):
        main()
    told = warnings.formatwarning("kept is\x1b damaged.", sg.errors.StoreWarning, __file__, 1)
    assert told == "StoreWarning: kept is\\x1b damaged.\n"


@pytest.mark.parametrize("write", [open_replacement, open_output])
def test_errors_name_the_file_that_was_asked_for(folder: Path, write: Callable[..., object]) -> None:
    (folder / "there").mkdir()
    for path in (folder / "none" / "file", folder / "there"):
        with pytest.raises(OSError) as caught, write(path):  # type: ignore[attr-defined]
            pass
        assert caught.value.filename == str(path)
    assert sorted(os.listdir(folder)) == ["d.json", "s.json", "there"]


def test_an_error_about_another_file_keeps_its_name(folder: Path) -> None:
    with pytest.raises(OSError) as caught, open_replacement(folder / "file"):
        (folder / "none").read_bytes()
    assert str(caught.value.filename) == str(folder / "none")


ASKED = ["--model", "extract", "--schema", '{"enum": [1, 2]}']
WRITING = [
    ["bulk", *ASKED, "--prompts", "p.jsonl", "--out", "full"],
    ["sample", *ASKED, "--prompt", "x", "--out", "full"],
    ["generate", *ASKED, "--prompt", "x", "-o", "trace=full"],
]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
@pytest.mark.parametrize("command", WRITING, ids=lambda command: f"{command[0]} {command[-2:]}")
def test_a_file_on_a_full_disk_is_told_by_its_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    (folder / "p.jsonl").write_text('"x"\n')
    system_open, path_open = os.open, Path.open

    def opened(path: Any, flags: int, *more: Any, **named: Any) -> int:
        name = Path(str(path)).name
        if name.startswith(".full.") and ".run." not in name:  # the file that takes the place of `full`
            return system_open("/dev/full", os.O_WRONLY)
        return system_open(path, flags, *more, **named)

    def opened_at_once(self: Path, mode: str = "r", *more: Any, **named: Any) -> Any:
        is_it = self.name == "full" and "r" not in mode
        return path_open(Path("/dev/full") if is_it else self, mode, *more, **named)

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(Path, "open", opened_at_once)
    found = commanded(*command)
    assert re.search(r"full: No space left on device\. Free some space there", found.stderr), found.output
    assert "standard output" not in found.output and found.exit_code == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
def test_failures_on_a_full_disk_are_told_by_their_path(folder: Path) -> None:
    (folder / "bad.json").write_text("{")
    found = commanded("maskbench", "bad.json", "--tokenizer", "bytes", "--failures", "/dev/full")
    assert found.exit_code == 2 and "/dev/full: No space left" in found.stderr.replace("\n", " ")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_written_to_and_not_replaced(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    reading = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with open_output(folder / "pipe") as file:
        file.write(b"a page")
    assert os.read(reading, 10) == b"a page"
    os.close(reading)
    assert stat.S_ISFIFO((folder / "pipe").stat().st_mode)


def test_a_symbolic_link_stays_and_its_file_is_replaced(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "file")
    with open_output(folder / "link") as file:
        file.write(b"new")
    assert (folder / "link").is_symlink()
    assert (folder / "file").read_bytes() == b"new"


def test_progress_is_a_line_each_so_many_seconds_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_A_LINE", 0.0)
    with progress.open_progress("bulk", "texts") as tell:
        tell(3, 1200)
        tell(1100, said="7 tokens/s")
    assert capsys.readouterr() == ("", "bulk: 3 of 1,200 texts\nbulk: 1,100 texts, 7 tokens/s\n")
    monkeypatch.setattr(progress, "_SECONDS_A_LINE", 1e9)
    with progress.open_progress("bulk") as tell:
        tell(3, 1200)
    assert capsys.readouterr() == ("", "")


# --- Ctrl-C -------------------------------------------------------------------------------------------------


PERSON = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
INTERRUPTED = {
    "structgen.doors.cli.check.find_stop": "check --schema s.json s.json",
    "structgen.explain": "explain --schema s.json",
    "structgen.decoding.engine.Engine.drive": "generate --schema s.json --prompt x -o trace=t.html",
    "structgen.decoding.engine.Engine.step": "bulk --prompts in.jsonl --schema s.json --out out",
    "structgen.infill": "infill --schema s.json --prompt x -o trace=t.html",
    "structgen.decoding.samplers.report.report": "sample-report d.jsonl --html t.html",
    "structgen.doors.cli.warmup.compile_all": "warmup",
    "structgen.doors.maskbench.readers.select_cases": "maskbench .",
    "structgen.doors.cli.store.files_of": "store clear --yes",
}


def interrupted(*_: object, **__: object) -> NoReturn:
    raise KeyboardInterrupt


@pytest.mark.parametrize("place", INTERRUPTED)
def test_an_interrupt_is_told_by_the_status_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "s.json").write_text(json.dumps(PERSON))
    (tmp_path / "in.jsonl").write_text('"x"\n')
    monkeypatch.chdir(tmp_path)
    if "report" in place:
        monkeypatch.setattr("structgen.decoding.samplers.samples.Samples.from_jsonl", lambda _: None)
    monkeypatch.setattr(place, interrupted)
    found = commanded(*INTERRUPTED[place].split())
    assert found.exit_code == 130
    assert "Traceback" not in found.output
    if "--prompts" in INTERRUPTED[place]:
        assert "Stopped. The same command without --start-over goes on from out." in found.stderr
        assert (tmp_path / "out").read_text() == "" and json.loads((tmp_path / "out.run").read_text())
    else:
        assert sorted(os.listdir(tmp_path)) == ["d.json", "in.jsonl", "s.json"]

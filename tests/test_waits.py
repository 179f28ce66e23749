"""What takes longer than two seconds is told once on stderr. No test waits for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import pytest

from structgen.base.system import waits

Late = Callable[[], None]


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> list[Late]:
    """What the threads of blocks do once their time is over, in their order."""
    assert waits.SECONDS == 2.0
    found: list[Late] = []
    monkeypatch.setattr(waits, "SECONDS", 0.0)
    monkeypatch.setattr(waits, "start_new_thread", lambda late, _given: found.append(late))
    return found


def test_a_long_wait_is_told(timers: list[Late], capsys: pytest.CaptureFixture[str]) -> None:
    with waits.announce_wait("loading the model x\x1b[2J"):
        timers[0]()
    assert capsys.readouterr().err == "structgen: loading the model x\\x1b[2J ...\n"


def test_a_thread_tells_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(waits, "SECONDS", 0.0)
    with waits.announce_wait("loading"):
        while not (line := capsys.readouterr().err):
            time.sleep(0.01)
    assert line == "structgen: loading ...\n"


def test_the_thread_of_a_short_wait_tells_nothing(
    timers: list[Late], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyError), waits.announce_wait("loading"):
        raise KeyError
    timers[0]()
    assert capsys.readouterr().err == ""


def test_a_wait_inside_another_is_told_in_its_place(
    timers: list[Late], capsys: pytest.CaptureFixture[str]
) -> None:
    with waits.announce_wait("loading the model"), waits.announce_wait("compiling"):
        timers[1]()
        timers[0]()
    assert capsys.readouterr().err == "structgen: compiling ...\n"


def test_a_level_of_the_log_switches_lines_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = logging.getLogger("structgen")
    before = log.level
    try:
        log.setLevel("ERROR")
        waits.write_notice("compiling")
        assert capsys.readouterr().err == ""
        log.setLevel("WARNING")
        waits.write_notice("compiling")
        assert capsys.readouterr().err == "structgen: compiling\n"
    finally:
        log.setLevel(before)


def test_other_threads_than_the_main_one_tell_nothing(timers: list[Late]) -> None:
    def serves() -> None:
        with waits.announce_wait("compiling"):
            pass

    thread = threading.Thread(target=serves)
    thread.start()
    thread.join()
    assert timers == []


@pytest.mark.parametrize("error", [OSError(32, "Broken pipe"), ValueError("I/O operation on closed file")])
def test_a_stderr_that_takes_nothing_costs_the_line_alone(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def refuse(line: str) -> None:
        written.append(line)
        raise error

    with monkeypatch.context() as patched:
        patched.setattr("sys.stderr.write", refuse)
        waits.write_notice("compiling")
    assert len(written) == 1


WAITS = {
    "loading the model structgen/extract": "sg.Engine('structgen/extract')",
    "reading a Lark grammar": "sg.lark('start: \"anew {}\"')",
    "compiling a Lark grammar": """
tokenizer = sg.Tokenizer.from_bytes([b"a", None], 1)
sg.compile(sg.lark('start: "a"'), tokenizer)
""",
    "filling the first mask": """
import torch
from structgen.doors.integrations.transformers import LogitsProcessor
processor = LogitsProcessor(sg.regex("a"), sg.Tokenizer.from_bytes([b"a", None], 1))
processor(torch.zeros((1, 0), dtype=torch.int64), torch.zeros((1, 2)))
""",
}


@pytest.mark.parametrize("what", WAITS)
def test_what_may_take_long_is_told(
    what: str, timers: list[Late], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """The time of each block is over at once here, so that each is told."""
    if "model" in what or "mask" in what:
        pytest.importorskip("transformers")
    noted: list[str] = []
    monkeypatch.setattr(waits, "start_new_thread", lambda late, _given: late())
    monkeypatch.setattr(waits, "write_notice", noted.append)
    exec("import structgen as sg\n" + WAITS[what].replace("{}", str(tmp_path)))
    assert f"{what} ..." in noted

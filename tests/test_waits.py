"""What takes longer than two seconds is told once on stderr. No test waits for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import ClassVar

import pytest

from structgen.system import waits


class Timer:
    """A timer that runs out when `late` is called, or at once."""

    made: ClassVar[list[Timer]] = []
    at_once = False
    daemon = False

    def __init__(self, seconds: float, late: Callable[[], None]) -> None:
        assert seconds == 2.0
        self.late, self.is_over = late, False

    def start(self) -> None:
        self.made.append(self)
        if self.at_once:
            self.late()

    def cancel(self) -> None:
        self.is_over = True


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> list[Timer]:
    """The timers of blocks, in their order."""
    monkeypatch.setattr(Timer, "made", [])
    monkeypatch.setattr(threading, "Timer", Timer)
    return Timer.made


def test_a_long_wait_is_told(timers: list[Timer], capsys: pytest.CaptureFixture[str]) -> None:
    with waits.told("loading the model x\x1b[2J"):
        timers[0].late()
    assert capsys.readouterr().err == "structgen: loading the model x\\x1b[2J ...\n"


def test_a_timer_of_threading_tells_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(waits, "SECONDS", 0.0)
    with waits.told("loading"):
        while not (line := capsys.readouterr().err):
            time.sleep(0.01)
    assert line == "structgen: loading ...\n"


def test_the_timer_of_a_short_wait_is_cancelled(timers: list[Timer]) -> None:
    with pytest.raises(KeyError), waits.told("loading"):
        assert not timers[0].is_over
        raise KeyError
    assert timers[0].is_over


def test_a_wait_inside_another_is_told_in_its_place(
    timers: list[Timer], capsys: pytest.CaptureFixture[str]
) -> None:
    with waits.told("loading the model"), waits.told("compiling"):
        timers[1].late()
        timers[0].late()
    assert capsys.readouterr().err == "structgen: compiling ...\n"


def test_a_level_of_the_log_switches_lines_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = logging.getLogger("structgen")
    before = log.level
    try:
        log.setLevel("ERROR")
        waits.tell("compiling")
        assert capsys.readouterr().err == ""
        log.setLevel("WARNING")
        waits.tell("compiling")
        assert capsys.readouterr().err == "structgen: compiling\n"
    finally:
        log.setLevel(before)


def test_other_threads_than_the_main_one_tell_nothing(timers: list[Timer]) -> None:
    def serves() -> None:
        with waits.told("compiling"):
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
        waits.tell("compiling")
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
from structgen.integrations.transformers import LogitsProcessor
processor = LogitsProcessor(sg.regex("a"), sg.Tokenizer.from_bytes([b"a", None], 1))
processor(torch.zeros((1, 0), dtype=torch.int64), torch.zeros((1, 2)))
""",
}


@pytest.mark.parametrize("what", WAITS)
def test_what_may_take_long_is_told(
    what: str, timers: list[Timer], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """Each timer runs out at once here, so that each block is told."""
    if "model" in what or "mask" in what:
        pytest.importorskip("transformers")
    noted: list[str] = []
    monkeypatch.setattr(Timer, "at_once", True)
    monkeypatch.setattr(waits, "tell", noted.append)
    exec("import structgen as sg\n" + WAITS[what].replace("{}", str(tmp_path)))
    assert f"{what} ..." in noted

"""The process in which files are read: its limits, its end."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import socket
from pathlib import Path
from time import process_time, sleep

import pytest

from structgen.asking.documents import confined_reading
from structgen.asking.documents.confined_reading import confined_reader
from structgen.asking.documents.documents import documents_of
from structgen.base.errors import OptionError

for _package in ("bs4", "lxml", "markdownify", "pypdf"):
    pytest.importorskip(_package)


def number(data: bytes) -> tuple[str, tuple[str, ...]]:
    return str(os.getpid()), ()


def hang(data: bytes) -> tuple[str, tuple[str, ...]]:
    sleep(600)
    return "", ()


def work(data: bytes) -> tuple[str, tuple[str, ...]]:
    while True:
        pass


def work_without_python(data: bytes) -> tuple[str, tuple[str, ...]]:
    re.fullmatch("(a|a)*b", "a" * 60)
    return "", ()


def wait(data: bytes) -> tuple[str, tuple[str, ...]]:
    sleep(2 * confined_reading.SECONDS)
    return "read", ()


def work_a_little(data: bytes) -> tuple[str, tuple[str, ...]]:
    end = process_time() + 0.7 * confined_reading.SECONDS
    while process_time() < end:
        pass
    return "read", ()


def die(data: bytes) -> tuple[str, tuple[str, ...]]:
    os._exit(3)


def fill(data: bytes) -> tuple[str, tuple[str, ...]]:
    return "x" * (200 << 20), ()


def raising(data: bytes) -> tuple[str, tuple[str, ...]]:
    raise ValueError(data.decode())


def connect(data: bytes) -> tuple[str, tuple[str, ...]]:
    socket.socket()
    return "", ()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined_reading, "SECONDS", 0.2)
    monkeypatch.setattr(confined_reading, "WALL_SECONDS", 20.0)
    monkeypatch.setattr(confined_reading, "MEMORY", 100 << 20)


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (work, "The file cannot be read within 0.2 seconds of processor time"),
        (work_without_python, "The file cannot be read within 0.2 seconds of processor time"),
        (die, "ended with exit code 3"),
        (fill, "The file cannot be read: MemoryError"),
        (raising, "The file cannot be read: ValueError\\('a fault'\\)"),
        (connect, "This process has no network"),
    ],
)
def test_a_reader_that_fails_is_an_error_and_the_next_call_is_answered(
    read: confined_reading.FileReader, said: str
) -> None:
    with confined_reader() as reading:
        with pytest.raises(OptionError, match=rf"{said}.*Open it in its own program"):
            reading(read, b"a fault")
        assert int(reading(number, b"")[0]) != os.getpid()
    assert multiprocessing.active_children() == []


def test_a_reader_that_waits_is_not_late_before_the_clock_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with confined_reader() as reading:
        assert reading(wait, b"") == ("read", ())
        monkeypatch.setattr(confined_reading, "WALL_SECONDS", 0.2)
        with pytest.raises(OptionError, match=r"did not answer about the file within 0\.2 seconds"):
            reading(hang, b"")


def test_each_file_has_its_own_processor_time() -> None:
    with confined_reader() as reading:
        for _ in range(3):
            assert reading(work_a_little, b"") == ("read", ())


def test_a_profiler_of_the_caller_does_not_take_the_signal_of_the_limit() -> None:
    """A fork begins with the handlers of its parent."""
    before = signal.signal(signal.SIGPROF, signal.SIG_IGN)
    try:
        with confined_reader() as reading, pytest.raises(OptionError, match="of processor time"):
            reading(work, b"")
    finally:
        signal.signal(signal.SIGPROF, before)


def test_files_of_one_call_share_a_process() -> None:
    with confined_reader() as reading:
        assert reading(number, b"") == reading(number, b"")


def test_ctrl_c_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt), confined_reader() as reading:
        reading(number, b"")
        assert len(multiprocessing.active_children()) == 1
        raise KeyboardInterrupt
    assert multiprocessing.active_children() == []


def test_a_text_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined_reading.WorkerProcess, "call_function", None)
    (tmp_path / "x.txt").write_text("a text")
    assert documents_of([tmp_path / "x.txt", "another"])

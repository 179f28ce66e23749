"""The process in which files are read: its limits, its end."""

from __future__ import annotations

import multiprocessing
import os
import socket
from pathlib import Path
from time import sleep

import pytest

from structgen.asking.documents import confined_reading
from structgen.asking.documents.confined_reading import confined
from structgen.asking.documents.documents import documents_of
from structgen.base.errors import OptionError

for _package in ("bs4", "lxml", "markdownify", "pypdf"):
    pytest.importorskip(_package)


def number(data: bytes) -> tuple[str, tuple[str, ...]]:
    return str(os.getpid()), ()


def hang(data: bytes) -> tuple[str, tuple[str, ...]]:
    sleep(600)
    return "", ()


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
    monkeypatch.setattr(confined_reading, "MEMORY", 100 << 20)


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (hang, "did not answer about the file within 0.2 seconds"),
        (die, "ended, with exit code 3"),
        (fill, "The file cannot be read: MemoryError"),
        (raising, "The file cannot be read: ValueError\\('a fault'\\)"),
        (connect, "This process has no network"),
    ],
)
def test_a_reader_that_fails_is_an_error_and_the_next_call_is_answered(
    read: confined_reading.Read, said: str
) -> None:
    with confined() as reading:
        with pytest.raises(OptionError, match=rf"{said}.*Open it in its own program"):
            reading(read, b"a fault")
        assert int(reading(number, b"")[0]) != os.getpid()
    assert multiprocessing.active_children() == []


def test_files_of_one_call_share_a_process() -> None:
    with confined() as reading:
        assert reading(number, b"") == reading(number, b"")


def test_ctrl_c_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt), confined() as reading:
        reading(number, b"")
        assert len(multiprocessing.active_children()) == 1
        raise KeyboardInterrupt
    assert multiprocessing.active_children() == []


def test_a_text_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined_reading.WorkerProcess, "ask", None)
    (tmp_path / "x.txt").write_text("a text")
    assert documents_of([tmp_path / "x.txt", "another"])

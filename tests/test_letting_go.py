"""Letting go of a compiled Lark grammar whose file is not written: no work in the thread that lets go, a file
all the same, bounds when the process ends, nothing half written."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forked
import pytest

import structgen as sg
from structgen.errors import StoreWarning
from structgen.lark_grammars.compiled.written_lark import LarkKeeper
from structgen.store import grammar_files
from structgen.store.grammar_files import GRAMMAR_SUFFIX
from structgen.system.resources import small_tokenizer

GRAMMAR = 'start: "{{" WORD ("," WORD)* "}}" | "{}!"\nWORD: /[a-z]+/\n'
TEXT = "{ab,xyz}"


@pytest.fixture(scope="module")
def tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_huggingface(small_tokenizer())


def used(tokenizer: sg.Tokenizer, store: Any, title: str = "") -> sg.CompiledGrammar:
    """Return a grammar by which a document was written."""
    compiled = sg.compile(sg.lark(GRAMMAR.format(title)), tokenizer, store=store)
    matcher, mask = sg.Matcher(compiled), sg.allocate_mask(1, compiled.vocab_size)
    for token in tokenizer.encode(TEXT.encode()):
        matcher.fill_mask(mask)
        matcher.advance(token)
    return compiled


def files(path: Path) -> list[Path]:
    return sorted(path.rglob(f"*{GRAMMAR_SUFFIX}"))


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> grammar_files._Queue:
    """Return a queue of the test's own, without a thread."""
    queue = grammar_files._Queue()
    monkeypatch.setattr(grammar_files._Queue, "queues", {None: queue})
    monkeypatch.setattr(threading.Thread, "start", lambda self: None)
    return queue


def until(met: Callable[[], bool], seconds: float = 600) -> bool:
    """Return whether something came true; waits for it."""
    end = time.monotonic() + seconds
    while not met() and time.monotonic() < end:
        time.sleep(0.01)
    return met()


def test_the_thread_that_lets_go_encodes_and_writes_nothing(
    tokenizer: sg.Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[str, set[str]] = {}
    steps: list[tuple[type, str]] = [(LarkKeeper, "encode"), (grammar_files.GrammarWriter, "write")]
    for owner, name in steps:
        plain = getattr(owner, name)

        def noted(*arguments: Any, _plain: Any = plain, _name: str = name) -> Any:
            threads.setdefault(_name, set()).add(threading.current_thread().name)
            return _plain(*arguments)

        monkeypatch.setattr(owner, name, noted)
    store = sg.MaskStore(tmp_path)
    for number in range(4):
        used(tokenizer, store, f"{number}")
    assert until(lambda: len(files(tmp_path)) >= 3), "what is let go of is written some time later"
    assert set(threads) == {"encode", "write"}
    assert set().union(*threads.values()) == {"structgen-grammars"}


def test_what_is_let_go_of_last_is_written_without_another_compilation(
    tokenizer: sg.Tokenizer, tmp_path: Path
) -> None:
    store = sg.MaskStore(tmp_path)
    used(tokenizer, store, "one")
    last = used(tokenizer, store, "two")  # begins the thread
    assert until(lambda: len(files(tmp_path)) == 1)
    del last
    assert until(lambda: len(files(tmp_path)) == 2)


def test_many_that_are_let_go_of_are_written_though_others_are_compiled(
    tokenizer: sg.Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grammar_files, "_IDLE", 1e6)  # it is never quiet
    # a queue of its own: its thread waits that long with what is left
    monkeypatch.setattr(grammar_files._Queue, "queues", {None: grammar_files._Queue()})
    store = sg.MaskStore(tmp_path)
    for number in range(grammar_files._MANY + 2):
        used(tokenizer, store, f"{number}")
    assert until(lambda: len(files(tmp_path)) >= grammar_files._MANY)


def test_no_more_than_a_number_of_grammars_wait_and_the_oldest_are_forgotten(
    tokenizer: sg.Tokenizer, tmp_path: Path, queue: grammar_files._Queue
) -> None:
    store = sg.MaskStore(tmp_path)
    for number in range(grammar_files._HELD + 3):
        used(tokenizer, store, f"{number}")
    assert len(queue._dropped) == grammar_files._HELD
    queue.flush()
    assert len(files(tmp_path)) == grammar_files._HELD and not queue._dropped


def test_the_exit_leaves_out_what_is_past_its_bounds(
    tokenizer: sg.Tokenizer, tmp_path: Path, queue: grammar_files._Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = sg.MaskStore(tmp_path)
    for number in range(3):
        used(tokenizer, store, f"{number}")
    monkeypatch.setattr(grammar_files, "EXIT_SECONDS", 0.0)
    queue._at_exit()
    assert not files(tmp_path) and not queue._dropped
    for number in range(3):
        used(tokenizer, store, f"{number}")
    size = queue._dropped[0].size
    monkeypatch.setattr(grammar_files, "EXIT_SECONDS", 60.0)
    monkeypatch.setattr(grammar_files, "EXIT_BYTES", 2 * size + size // 2)
    queue._at_exit()
    assert len(files(tmp_path)) == 2


def test_the_exit_does_not_wait_for_a_grammar_that_somebody_holds(
    tokenizer: sg.Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = grammar_files._Queue()
    monkeypatch.setattr(grammar_files._Queue, "queues", {None: queue})
    store = sg.MaskStore(tmp_path)
    compiled = used(tokenizer, store)
    waited: list[float] = []
    encode = LarkKeeper.encode

    def noted(self: LarkKeeper, patience: float) -> Any:
        waited.append(patience)
        return encode(self, patience)

    monkeypatch.setattr(LarkKeeper, "encode", noted)
    monkeypatch.setattr(grammar_files, "EXIT_SECONDS", 0.05)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with compiled.lock:
            held.set()
            done.wait(600)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(600)
        queue._at_exit()
        assert len(waited) == 1 and waited[0] <= 0.05 and not files(tmp_path)
    finally:
        done.set()
        holder.join()


def test_an_error_that_nobody_expects_is_told_once_and_ends_the_keeping_not_the_thread(
    tokenizer: sg.Tokenizer, tmp_path: Path, queue: grammar_files._Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("a mistake of ours")

    store = sg.MaskStore(tmp_path)
    used(tokenizer, store, "one")
    used(tokenizer, store, "two")
    with monkeypatch.context() as patch, pytest.warns(StoreWarning, match="a mistake of ours") as caught:
        patch.setattr(LarkKeeper, "encode", broken)
        assert queue._write_one() and queue._write_one() and not queue._write_one()
    assert len(caught) == 1 and not files(tmp_path)
    used(tokenizer, sg.MaskStore(tmp_path), "three")
    queue.flush()
    assert len(files(tmp_path)) == 1


# Processes

_LARK = """
import tokenizers
import structgen as sg
bytes_alone = sg.Tokenizer.from_bytes([*(bytes([byte]) for byte in range(256)), None], eos_token_id=256)
compiled = sg.compile(sg.lark('start: "a"'), bytes_alone, store=False)
sg.Matcher(compiled).fill_mask(sg.allocate_mask(1, 257))
"""
"""Imports what Lark grammars need, for another tokenizer."""
_CHILD = """
import os, sys, threading
import structgen as sg
from structgen.system.resources import small_tokenizer

{before}
tokenizer = sg.Tokenizer.from_huggingface(small_tokenizer())
mask = sg.allocate_mask(1, tokenizer.vocab_size)
grammar, text, store = sys.argv[2], sys.argv[3], sg.MaskStore(sys.argv[1])

def used(title):
    compiled = sg.compile(sg.lark(grammar.format(title)), tokenizer, store=store)
    matcher = sg.Matcher(compiled)
    for token in tokenizer.encode(text.encode()):
        matcher.fill_mask(mask)
        matcher.advance(token)
    return compiled

{work}
"""


def child(path: Path, work: str, before: str = "") -> int:
    """Return the exit status of a process that works with a store, and is told of no file."""
    code = "import warnings\nwarnings.simplefilter('error')\n" + _CHILD.format(before=before, work=work)
    done = forked.run(code, str(path), GRAMMAR, TEXT, ahead=_LARK)
    assert done.stderr == ""
    return done.returncode


def is_kept(tokenizer: sg.Tokenizer, path: Path, title: str) -> bool:
    """Return whether this process finds a grammar ready."""
    compiled: Any = used(tokenizer, sg.MaskStore(path), title)
    return compiled._kept is not None


def test_a_process_that_lets_go_and_ends_leaves_files_for_another(
    tokenizer: sg.Tokenizer, tmp_path: Path
) -> None:
    assert child(tmp_path, "used('a'); used('b'); live = used('c')") == 0
    assert [is_kept(tokenizer, tmp_path, title) for title in "abc"] == [True] * 3


_HELD = """
import structgen.system.cache
writing, replace = threading.Event(), os.replace
def held(*paths):
    if str(paths[1]).endswith(".grammar") and not writing.is_set():
        writing.set()
        {held}
    replace(*paths)
structgen.system.cache.os.replace = held
"""
"""In the midst of the first writing something happens."""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_kill_in_the_midst_of_writing_leaves_no_half_file(tokenizer: sg.Tokenizer, tmp_path: Path) -> None:
    work = "used('a'); live = used('b'); threading.Event().wait(600)"
    killed = _HELD.format(held=f"os.kill(os.getpid(), {int(signal.SIGKILL)})")
    assert child(tmp_path, work, killed) == -signal.SIGKILL
    assert not files(tmp_path)
    assert not is_kept(tokenizer, tmp_path, "a")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_in_the_midst_of_writing_goes_on_and_both_keep_what_is_theirs(
    tokenizer: sg.Tokenizer, tmp_path: Path
) -> None:
    work = """
used('a')
live = used('b')
writing.wait(600)
threading.Timer(0.1, goon.set).start()  # a fork waits until what is begun is written
forked = os.fork()
if forked == 0:
    used('c')
    store.flush()
    os._exit(0)
_, status = os.waitpid(forked, 0)
assert status == 0
"""
    assert child(tmp_path, work, "goon = threading.Event()" + _HELD.format(held="goon.wait(600)")) == 0
    assert [is_kept(tokenizer, tmp_path, title) for title in "abc"] == [True] * 3


def test_a_process_ends_though_its_writer_hangs(tmp_path: Path) -> None:
    """The thread never comes back from the folder; the exit waits as long as it may, and goes."""
    before = "from structgen.store import grammar_files\ngrammar_files.EXIT_SECONDS = 0.1"
    work = "used('a'); live = used('b'); writing.wait(600)"
    assert child(tmp_path, work, before + _HELD.format(held="threading.Event().wait()")) == 0
    assert not files(tmp_path)

"""After a fork the child goes on: no lock stays taken, no table half changed, no thread is missed."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import forked
import pytest
from compiled_texts import masks_along

import structgen as sg
from structgen.base.native import jit, machine_code
from structgen.base.system import fork_locks
from structgen.decoding.runs.resources import small_tokenizer
from structgen.machines.core import batch

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

SCHEMA = {
    "type": "object",
    "properties": {key: {"type": "string", "pattern": f"^{key}[a-f]{{2,9}}$"} for key in ("a", "b", "c")},
}
TEXTS = ['{"a": "aabcd", "b": "bfed"}', '{"b": "baaaa", "c": "cfff"}', '{"a": "aff", "c": "cabcdef"}']


@pytest.fixture(scope="module")
def tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_huggingface(small_tokenizer())


def in_child(work: Callable[[], bool], seconds: float = 600) -> bool:
    """Return what `work` returned in a forked child; a child that hangs is killed, and said no."""
    child = forked.begun(work)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return False


def expected_of(tokenizer: sg.Tokenizer) -> list[list[bytes]]:
    compiled = sg.compile(sg.json_schema(SCHEMA), tokenizer, store=False)
    return [masks_along(compiled, text) for text in TEXTS]


def test_a_child_goes_on_where_other_threads_were_busy(tokenizer: sg.Tokenizer, tmp_path: Path) -> None:
    expected = expected_of(tokenizer)
    stop, shared = threading.Event(), []

    def busy() -> None:
        while not stop.is_set():
            compiled = sg.compile(sg.json_schema(SCHEMA), tokenizer, store=sg.MaskStore(tmp_path))
            shared[:] = [compiled]
            for text in TEXTS:
                masks_along(compiled, text)

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        while not shared:
            time.sleep(0.01)
        for _ in range(6):
            time.sleep(0.007)
            compiled = shared[0]
            assert in_child(lambda of=compiled: [masks_along(of, text) for text in TEXTS] == expected)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_child_fills_batches_on_threads_of_its_own(
    tokenizer: sg.Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_SECONDS_ALONE", 0.0)  # threads take all of them
    compiled = sg.compile(sg.json_schema(SCHEMA), tokenizer, store=sg.MaskStore())

    def filled() -> bytes:
        matchers = [sg.Matcher(compiled) for _ in range(16)]
        for number, matcher in enumerate(matchers):
            for token in tokenizer.encode(TEXTS[number % 3].encode())[: number + 1]:
                matcher.advance(token)
        mask = sg.allocate_mask(16, tokenizer.vocab_size)
        sg.core.fill_masks(matchers, mask)
        return mask.array.tobytes()

    before = filled()
    fresh = sg.compile(sg.json_schema(SCHEMA), tokenizer, store=sg.MaskStore())

    def anew() -> bool:
        nonlocal compiled
        same = filled() == before
        compiled = fresh
        return same and filled() == before

    assert in_child(anew)


def test_a_fork_waits_for_who_holds_a_lock() -> None:
    lock = fork_locks.new_lock(fork_locks.GRAMMARS)
    inside, half_changed = threading.Event(), []

    def change() -> None:
        with lock:
            half_changed.append(1)
            inside.set()
            time.sleep(0.1)
            half_changed.clear()

    thread = threading.Thread(target=change)
    thread.start()
    inside.wait()
    assert in_child(lambda: not half_changed and lock.acquire(timeout=600))
    thread.join()


def test_a_fork_waits_for_machine_code_that_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    @jit.entry("int64(int64)")
    def doubled(one):  # type: ignore[no-untyped-def]
        return 2 * one

    pytest.importorskip("numba")
    begun = threading.Event()
    made = machine_code._object_file

    def slowly(unit: str) -> bytes:
        begun.set()
        time.sleep(0.1)
        return made(unit)

    monkeypatch.setattr(machine_code, "_object_file", slowly)
    calling = threading.Thread(target=doubled, args=(1,))
    calling.start()
    assert begun.wait(600)
    monkeypatch.undo()
    try:
        assert in_child(lambda: bool(doubled(21) == 42))
    finally:
        calling.join()


def test_a_thread_that_holds_a_lock_may_fork() -> None:
    lock = fork_locks.new_lock(fork_locks.STORES)
    with lock:
        assert in_child(lambda: True)
    assert in_child(lambda: lock.acquire(timeout=600))


@pytest.mark.skipif(sys.platform == "win32", reason="spawn")
def test_forks_from_several_threads_at_once_come_through() -> None:
    locks = [fork_locks.new_lock(rank) for rank in fork_locks.RANKS]
    found: list[bool] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(in_child(lambda: all(lock.acquire(timeout=600) for lock in locks)))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4

"""Forks beside threads, for each kind of grammar: all end, the child's masks are right, and locks are taken
in one order. A lock that checks this order takes the place of the real ones."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import checked_locks
import forked
import pytest
from checked_locks import ask_all
from oracles.effort import tries

import structgen as sg
from structgen.base.system import fork_locks
from structgen.machines.core.forced_text import with_forced_text

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

PIECES = [bytes((byte,)) for byte in range(256)] + [
    b'{"',
    b'": ',
    b'", "',
    b"ab",
    b"aa",
    b"Answer: ",
    b"<f>",
    b"12",
]
BYTES = sg.Tokenizer.from_bytes([*PIECES, None], eos_token_id=len(PIECES))
LACKING = sg.Tokenizer.from_bytes(
    [*(one for one in PIECES if one not in b"bB"), b"bx", None], eos_token_id=263
)
"""Bytes that stand in no token of their own."""
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "string", "pattern": "^[ab]{1,4}$"}, "n": {"type": "integer"}},
    "required": ["a"],
}
BLOCKS = 'start: "[" (start | WORD)* "]"\nWORD: /[ab]+/\n'
HOLE = 'start: "(" J ")"\n%declare J\n'
TAG = {
    "type": "structural_tag",
    "format": {
        "type": "triggered_tags",
        "triggers": ["<f"],
        "tags": [{"begin": "<f>", "content": {"type": "json_schema", "json_schema": SCHEMA}, "end": "</f>"}],
    },
}
SMALL = sg.Limits(grammar_memory=1 << 16)


def schema() -> Any:
    return sg.json_schema(SCHEMA)


def nested(depth: int) -> Any:
    """Return a composed grammar in a Lark grammar in a composed grammar, and so on."""
    found = "Answer: " + schema()
    for _ in range(depth):
        found = "<" + sg.lark(HOLE, bind={"J": found}) + ">"
    return found


GRAMMARS: dict[str, Callable[[], Any]] = {
    "json": schema,
    "regex": lambda: sg.regex("(ab|c[a-f]+)*d"),
    "ebnf": lambda: sg.ebnf('root ::= "a" root "b" | ","'),
    "lark": lambda: sg.lark(BLOCKS),
    "lark bound": lambda: sg.lark(HOLE, bind={"J": schema()}),
    "composed": lambda: "Answer: " + schema(),
    "parts of all kinds": lambda: (
        "[" + schema().repeat(0, 2) + sg.lark(BLOCKS).optional() + sg.regex("[ab]*") + "]"
    ),
    "nested": lambda: nested(1),
    "nested twice": lambda: nested(2),
    "in a string": lambda: "[" + sg.in_json_string(sg.lark(BLOCKS)) + "]",
    "tags": lambda: sg.structural_tag(TAG),
    "tags behind text": lambda: "a" + sg.structural_tag(TAG),
    "free": lambda: sg.text(until="ab") + schema(),
}


def made(kind: str, store: sg.MaskStore | None = None) -> sg.CompiledGrammar:
    """Return a compiled grammar of a kind; "lacking", "forced" and "small" stand before one
    of `GRAMMARS`."""
    how, _, of = kind.rpartition(", ")
    store = sg.MaskStore(memory=1 << 22) if store is None else store
    limits = SMALL if how == "small" else None
    compiled = sg.compile(GRAMMARS[of](), LACKING if how == "lacking" else BYTES, store=store, limits=limits)
    return with_forced_text(compiled, border=b"A") if how == "forced" else compiled


KINDS = [
    *GRAMMARS,
    *(f"{how}, {of}" for how in ("forced", "small") for of in ("json", "composed", "nested", "tags")),
    *(f"lacking, {of}" for of in ("json", "composed", "tags")),
]


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    return checked_locks.put(monkeypatch)


@pytest.mark.parametrize("kind", KINDS)
def test_locks_are_taken_in_one_order(checked: list[tuple[Any, Any]], kind: str) -> None:
    store = sg.MaskStore(memory=1 << 22)
    for seed in range(tries(2, 12)):
        ask_all(made(kind, store), random.Random(seed))
    assert not checked


def first_masks(compiled: sg.CompiledGrammar, seed: int) -> list[bytes]:
    """Return the masks along a random text."""
    chance, matcher, found = random.Random(seed), sg.Matcher(compiled), list[bytes]()
    mask = sg.allocate_mask(1, compiled.vocab_size)
    while len(found) < 12 and not matcher.is_finished:
        matcher.fill_mask(mask)
        found.append(mask.array.tobytes())
        matcher.advance(int(chance.choice(mask.allowed())))
    return found


def ended(child: int, seconds: float = 120) -> bool:
    """Return whether a child said yes; one that hangs is killed, and said no."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


class Busy:
    """Threads that compile and ask grammars of a kind, the same and one of their own in turn."""

    def __init__(self, kind: str, threads: int = 2) -> None:
        self.kind, self.store = kind, sg.MaskStore(memory=1 << 22)
        self.shared = made(kind, self.store)
        self.stop, self.errors = threading.Event(), list[BaseException]()
        self._threads = [
            threading.Thread(target=self._work, args=(one,), daemon=True) for one in range(threads)
        ]

    def _work(self, seed: int) -> None:
        chance = random.Random(seed)
        try:
            while not self.stop.is_set():
                ask_all(self.shared, chance)
                self.shared = made(self.kind, self.store)
                ask_all(self.shared, chance)
                time.sleep(0)
        except BaseException as error:
            self.errors.append(error)

    def __enter__(self) -> Busy:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(600)
        assert not any(thread.is_alive() for thread in self._threads)
        assert not self.errors


def forks(kind: str, count: int) -> None:
    """Fork beside threads; each child has the masks of a fresh grammar, and its own child too."""
    expected = [first_masks(made(kind), seed) for seed in range(3)]
    with Busy(kind) as busy:
        for seed in range(count):
            time.sleep(0.001 * (seed % 4))

            def whole(seed: int = seed) -> bool:
                return first_masks(busy.shared, seed % 3) == expected[seed % 3]

            def twice() -> bool:
                return whole() and ended(forked.begun(whole)) and whole()

            assert ended(forked.begun(twice if seed % 5 == 0 else whole)), seed


@pytest.mark.parametrize("kind", ["composed", "small, tags", "nested", "forced, composed", "lacking, json"])
def test_forks_beside_threads_end(kind: str) -> None:
    forks(kind, 6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_hundreds_of_forks_beside_threads_end(kind: str) -> None:
    forks(kind, 200)


def all_free() -> bool:
    """Return whether another thread can take every lock that this one does not hold."""
    registry, found = fork_locks._Registry, list[bool]()
    own = [lock for _, lock in registry.in_order() if lock._is_owned()]
    is_inside = bool(getattr(registry.here, "releases", ()))

    def take_each() -> None:
        for _, lock in registry.in_order():
            if not any(lock is one for one in own):
                found.append(lock.acquire(timeout=600))
                lock.release()

    thread = threading.Thread(target=take_each)
    thread.start()
    thread.join(600)
    return all(found) and (is_inside or not registry.forking.locked())


def test_a_fork_from_a_thread_that_holds_locks_ends() -> None:
    """Also where another thread holds an earlier lock and waits for it."""
    first, last = fork_locks.new_lock(fork_locks.GRAMMARS, 1), fork_locks.new_lock(fork_locks.STORES)
    inside = threading.Event()

    def holds_the_first() -> None:
        with first:
            inside.set()
            with last:
                pass

    thread = threading.Thread(target=holds_the_first)
    with last:
        thread.start()
        inside.wait(600)

        def child() -> bool:
            owned = last._is_owned()  # type: ignore[attr-defined]
            last.release()
            return owned and not last._is_owned() and all_free()  # type: ignore[attr-defined]

        assert ended(forked.begun(child))
        assert last._is_owned()  # type: ignore[attr-defined]
    thread.join(600)
    assert all_free()


class Interrupt(Exception):
    pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_line_of_a_hook_leaves_no_lock_taken() -> None:
    """An exception at each line of the hooks in turn, and at two lines one after the other."""
    locks = [fork_locks.new_lock(rank) for rank in fork_locks.RANKS]
    hooks = {fork_locks._Registry.take_locks.__code__, fork_locks._Registry._take_missing.__code__}
    for lines in [(at,) for at in range(40)] + [(at, at + 1) for at in range(0, 40, 3)]:
        passed = 0

        def trace(frame: Any, event: str, _value: Any, lines: tuple[int, ...] = lines) -> Any:
            nonlocal passed
            if frame.f_code in hooks and event == "line":
                passed += 1
                if passed - 1 in lines:
                    raise Interrupt
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            child = forked.begun(lambda: not sys.settrace(None) and all_free())
        finally:
            sys.settrace(before)
        assert ended(child), lines
        assert all_free(), lines
    assert len(locks) == len(fork_locks.RANKS)


def test_a_handler_of_a_signal_may_fork() -> None:
    """Also in the midst of a fork of the same thread, and where grammars are made and asked."""
    children: list[int] = []

    def fork(*_: object) -> None:
        children.append(forked.begun(all_free if len(children) % 4 == 0 else lambda: True))

    before = signal.signal(signal.SIGALRM, fork)
    try:
        with Busy("composed", 1):
            for _ in range(6):
                signal.setitimer(signal.ITIMER_REAL, 0.004)
                ask_all(made("tags"), random.Random(1))
                children.append(forked.begun(lambda: True))
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert all(ended(child) for child in children)
    assert all_free()


def test_a_destructor_may_fork_and_compile() -> None:
    found: list[bool] = []

    class Forks:
        def __del__(self) -> None:
            found.append(ended(forked.begun(lambda: bool(first_masks(made("json"), 1)))))

    lock = fork_locks.new_lock(fork_locks.STORES)
    with lock:
        one: list[Any] = [Forks()]
        one.append(one)
        one.clear()
    assert found == [True]


def test_a_lock_made_while_a_fork_waits_is_waited_for() -> None:
    """Who holds a lock goes on, and makes others; who holds none makes one when the fork is over."""
    lock, made_at = fork_locks.new_lock(fork_locks.GRAMMARS), list[str]()
    inside, seen = threading.Event(), threading.Event()

    def within() -> None:
        with lock:
            inside.set()
            assert seen.wait(600)
            part = fork_locks.new_lock(fork_locks.GRAMMARS)
            made_at.append("within")
        with part:
            made_at.append("part")

    def without() -> None:
        inside.wait(600)
        while not fork_locks._Registry.forking.locked():
            time.sleep(0.001)
        seen.set()
        fork_locks.new_lock(fork_locks.GRAMMARS)
        made_at.append("without")

    threads = [threading.Thread(target=one) for one in (within, without)]
    for thread in threads:
        thread.start()
    inside.wait(600)
    assert ended(forked.begun(lambda: "without" not in made_at and "within" in made_at and all_free()))
    for thread in threads:
        thread.join(600)
    assert set(made_at) == {"within", "part", "without"}

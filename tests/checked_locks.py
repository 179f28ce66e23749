"""Locks that note who waits for an earlier one, and walks that ask a grammar all that can be asked."""

from __future__ import annotations

import random
import threading
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import pytest

import structgen as sg
from structgen.base.system import fork_locks
from structgen.machines.core.draft_masks import fill_draft


def ask_all(compiled: sg.CompiledGrammar, chance: random.Random, steps: int = 12) -> None:
    """Ask what can be asked along a random text."""
    matcher = sg.Matcher(compiled)
    mask = sg.allocate_mask(3, compiled.vocab_size)
    for _ in range(steps):
        matcher.fill_mask(mask)
        allowed = mask.allowed(0).tolist()
        fill_draft(matcher, [allowed[0], chance.choice(allowed)], [-1, -1], mask)
        left = matcher.tokens_to_finish()
        matcher.compiled.completion(matcher.state)
        matcher.compiled.expected(matcher.state)
        matcher.compiled.forced(matcher.state_index)
        matcher.fill_mask(mask, budget=left + chance.randrange(4))
        matcher.advance(int(chance.choice(mask.allowed(0))))
        if matcher.is_finished:
            break


class Checked:
    """A lock that notes where a thread waits for an earlier lock than one that it holds."""

    here = threading.local()
    faults: ClassVar[list[tuple[Any, Any]]] = []
    places: ClassVar[WeakKeyDictionary[Any, Any]] = WeakKeyDictionary()

    def __init__(self) -> None:
        self.lock = threading.RLock()

    def place(self) -> Any:
        found = self.places.get(self)
        if found is None:
            found = {lock: order for order, lock in fork_locks._Registry.in_order()}.get(self)
            if found is not None:
                self.places[self] = found
        return found

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        held = self.here.__dict__.setdefault("held", [])
        place = self.place()
        if blocking and timeout < 0 and place is not None and not self.lock._is_owned() and held:
            last = max(held)
            if place < last:
                self.faults.append((last, place))
        taken = self.lock.acquire(blocking, timeout)
        if taken and place is not None:
            held.append(place)
        return taken

    def release(self) -> None:
        self.lock.release()
        if (place := self.place()) is not None:
            self.here.held.remove(place)

    __enter__ = acquire

    def __exit__(self, *_: object) -> None:
        self.release()

    def _is_owned(self) -> bool:
        return self.lock._is_owned()

    def _at_fork_reinit(self) -> None:
        self.lock._at_fork_reinit()


def put(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """Have each new lock be such a one; return the list of faults, each the places of two locks."""
    monkeypatch.setattr(fork_locks, "RLock", Checked)
    monkeypatch.setattr(Checked, "faults", [])
    return Checked.faults

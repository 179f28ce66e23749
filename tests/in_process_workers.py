"""Workers in this process, for tests of what hands work to those on Ray: tests/serving has the real ones.

A worker is made when shards are handed out. Shards and answers go through pickle, as between processes, and
answers come in another order than shards.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest


class InProcessWorkers:
    def __init__(self) -> None:
        self.shards: list[Any] = []
        """Those that were handed out and not empty."""
        self.lent: dict[str, Any] = {}
        """The options of the workers that are lent now."""
        self.count = 1

    @contextmanager
    def lend(self, make: Callable[[], Any], count: int | None = None, **options: Any) -> Iterator[Any]:
        self._make, self.lent = make, {"count": count, **options}
        try:
            yield self
        finally:
            self.lent = {}

    def answers(self, shards: Iterable[Any], about: object = None) -> Iterator[Any]:
        handed = list(shards)
        if not handed:
            return
        worker = self._make()
        self.shards += [shard for shard in handed if shard]
        (said,) = worker([])
        assert about in (None, said)
        yield said
        for shard in handed[1::2] + handed[::2]:
            told, *answers = pickle.loads(pickle.dumps(list(worker(pickle.loads(pickle.dumps(shard))))))
            assert told == said
            yield from answers


def use(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> InProcessWorkers:
    """Return the workers that a module has for those of Ray."""
    workers = InProcessWorkers()
    monkeypatch.setattr(module, "ray_workers", workers.lend)
    return workers

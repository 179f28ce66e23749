"""Workers in this process, for tests of what hands work to those on Ray: tests/doors/serving has real ones.

A worker is made when tasks are handed out. Tasks and answers go through pickle, as between processes, and
answers come in another order than shards.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import pytest


class InProcessWorkers:
    def __init__(self) -> None:
        self.shards: list[Any] = []
        """Those that were handed out."""
        self.lent: dict[str, Any] = {}
        """The options of the workers that are at work now."""

    def answers(
        self, make: Callable[[], Any], tasks: Sequence[Any], size: int, count: Any = None, **options: Any
    ) -> Iterator[Any]:
        self.lent = {"count": count, **options}
        try:
            options.get("counted", id)(1)
            worker = make()
            shards = [tasks[at : at + size] for at in range(0, len(tasks), size)]
            self.shards += shards
            (said,) = worker([])
            yield said
            for shard in shards[1::2] + shards[::2]:
                told, *answers = pickle.loads(pickle.dumps(list(worker(pickle.loads(pickle.dumps(shard))))))
                assert told == said
                yield from answers
        finally:
            self.lent = {}


def use(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> InProcessWorkers:
    """Return the workers that a module has for those of Ray."""
    workers = InProcessWorkers()
    monkeypatch.setattr(module, "ray_answers", workers.answers)
    return workers

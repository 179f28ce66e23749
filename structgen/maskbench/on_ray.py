"""Maskbench on Ray: shards of schemas, each replayed by a worker with engines of its own.

A shard is a file of JSON lines, one for each schema, that is there whole or not at all. Its name is a digest
of all that its results depend on: versions, options, schemas. So the next run finds what is done, and a run
with other options or schemas finds none of it.
"""

from __future__ import annotations

import json
import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from structgen.errors import OptionError
from structgen.maskbench.citation import case_digest
from structgen.maskbench.engines import EngineConfig
from structgen.maskbench.measurements import CaseResult, Failure, Verdict
from structgen.maskbench.readers import Case
from structgen.maskbench.runner import VARIANTS, BenchRun
from structgen.system.cache import writing
from structgen.system.ray_workers import RayWorkers


class ShardReplay:
    """What an actor does: a run of its own, one schema at a time, so that times are not disturbed."""

    def __init__(self, configs: Sequence[EngineConfig], timeout: float) -> None:
        self._lock = threading.Lock()
        self._run = BenchRun(configs, timeout=timeout)
        self._run.__enter__()
        self._run.prepare(lambda: (), lambda: None)

    def about(self) -> dict[str, dict[str, str]]:
        """Return the versions of the engines, and why some cannot run."""
        return {"versions": self._run.versions, "unavailable": self._run.unavailable}

    def work(self, shard: Sequence[Case]) -> bytes:
        """Return the lines of some cases."""
        with self._lock:
            return b"".join(_line(results) for _, results in self._run.results(shard))

    def close(self) -> None:
        """End the engines' processes."""
        self._run.__exit__(None, None, None)


class RayBenchRun:
    """The same as `BenchRun`, on Ray; `folder` takes the shards. A context: leaving it ends the workers.

    Raises OptionError for engines whose process is to begin in a certain way: there are several.
    """

    def __init__(
        self,
        configs: Sequence[EngineConfig],
        *,
        timeout: float,
        folder: Path,
        workers: int | None = None,
        shard_size: int = 16,
    ) -> None:
        for config in configs:
            if config.variant in VARIANTS:
                raise OptionError(
                    f"{config.name} says how one process begins; on Ray there are several.",
                    where="--engine",
                    cure="Leave out --ray, or the variant.",
                )
        self._configs, self._timeout, self._folder = list(configs), timeout, folder
        self._shard_size = shard_size
        self._workers: RayWorkers[Sequence[Case], bytes] = RayWorkers(
            partial(ShardReplay, self._configs, timeout), workers
        )
        self.jobs = 0
        self.versions: dict[str, str] = {}
        self.unavailable: dict[str, str] = {}
        self.first_use: dict[str, float] = {}
        """Not measured here."""

    def __enter__(self) -> RayBenchRun:
        self._folder.mkdir(exist_ok=True)
        self._workers.__enter__()
        self.jobs = self._workers.count
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._workers.__exit__(kind, error, trace)

    def prepare(self, same: Callable[[], Iterable[Case]], tick: Callable[[], None]) -> None:
        """Wait until the engines of one worker run."""
        about = self._workers.about()
        self.versions, self.unavailable = about["versions"], about["unavailable"]

    def results(self, cases: Iterable[Case]) -> Iterator[tuple[Case, list[CaseResult]]]:
        """Yield each case with its results: those of finished shards, and of others as they are done."""
        finished: deque[tuple[Sequence[Case], bytes]] = deque()
        for shard, lines in self._workers.answers(self._missing(iter(cases), finished)):
            with writing(self._path(shard), sync=True) as file:
                file.write(lines)
            finished.append((shard, lines))
            yield from _emptied(finished)
        yield from _emptied(finished)

    def _missing(
        self, cases: Iterator[Case], finished: deque[tuple[Sequence[Case], bytes]]
    ) -> Iterator[Sequence[Case]]:
        """Yield the shards that have no file; the others go to `finished`."""
        while shard := list(islice(cases, self._shard_size)):
            path = self._path(shard)
            if path.exists():
                finished.append((shard, path.read_bytes()))
            else:
                yield shard

    def _path(self, shard: Sequence[Case]) -> Path:
        """Return the file of a shard."""
        digest = blake2b(repr((sorted(self.versions.items()), self._timeout)).encode(), digest_size=16)
        for config in self._configs:
            digest.update(repr(config).encode())
        for case in shard:
            digest.update(case_digest(case))
        return self._folder / f"{digest.hexdigest()}.jsonl"


def _emptied(
    finished: deque[tuple[Sequence[Case], bytes]],
) -> Iterator[tuple[Case, list[CaseResult]]]:
    while finished:
        shard, lines = finished.popleft()
        for case, line in zip(shard, lines.splitlines(), strict=True):
            yield case, [_result(one) for one in json.loads(line)]


def _line(results: Iterable[CaseResult]) -> bytes:
    said = [
        asdict(one) | {"pairs": one.pairs.tolist(), "verdicts": [verdict.value for verdict in one.verdicts]}
        for one in results
    ]
    return json.dumps(said).encode() + b"\n"


def _result(said: dict[str, Any]) -> CaseResult:
    said["pairs"] = array("q", said["pairs"])
    said["verdicts"] = [Verdict(value) for value in said["verdicts"]]
    said["failures"] = [Failure(**one) for one in said["failures"]]
    return CaseResult(**said)

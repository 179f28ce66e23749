"""Maskbench on Ray: shards of schemas, each replayed by a worker with engines of its own.

A shard is a file of JSON lines, one for each schema, that is there whole or not at all. Its name is a digest
of all that its results depend on: versions, options, schemas. So the next run finds what is done, and a run
with other options or schemas finds none of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, Self

from structgen.maskbench.engines import EngineConfig
from structgen.maskbench.measurements import CaseResult
from structgen.maskbench.readers import Case
from structgen.maskbench.runner import BenchRun
from structgen.system.cache import writing
from structgen.system.ray_workers import ray_workers

SHARD: int = 16
"""Schemas of a shard."""


class ShardReplay:
    """What an actor does: a run of its own, one schema at a time, so that times are not disturbed."""

    def __init__(self, configs: Sequence[EngineConfig], timeout: float) -> None:
        self._run = BenchRun(configs, timeout=timeout)
        self._run.__enter__()

    def __call__(self, shard: Iterable[tuple[Path, Sequence[Case]]]) -> Iterator[Any]:
        """Yield the versions of the engines; then files of shards, and their lines."""
        yield self._run.versions
        for path, cases in shard:
            yield path, b"".join(_line(results) for _, results in self._run.results(cases))


class RayBenchRun(BenchRun):
    """The same as `BenchRun`, on Ray; `folder` takes the shards. This process too starts each engine once,
    which tells its version.
    """

    def __init__(
        self, configs: Sequence[EngineConfig], *, timeout: float, folder: Path, workers: int | None = None
    ) -> None:
        super().__init__(configs, timeout=timeout)
        self._shards, self._workers = folder, workers

    def __enter__(self) -> Self:
        """Start each engine once, and end it: the workers have their own."""
        super().__enter__()
        self.__exit__()
        return self

    def results(self, cases: Iterable[Case]) -> Iterator[tuple[Case, list[CaseResult]]]:
        """Yield each case with its results: those of finished shards, then the others as they are done."""
        self._shards.mkdir(exist_ok=True)
        make = partial(ShardReplay, self._configs, self._timeout)
        missing, left = dict[Path, list[Case]](), iter(cases)
        while shard := list(islice(left, SHARD)):
            path = self._path(shard)
            if path.exists():
                yield from _read(shard, path.read_bytes())
            else:
                missing[path] = shard
        shards = ([one] for one in missing.items())
        with ray_workers(make, self._workers) as workers:
            self.jobs = workers.count
            for path, lines in islice(workers.answers(shards, self.versions), 1, None):
                with writing(path, sync=True) as file:
                    file.write(lines)
                yield from _read(missing[path], lines)

    def _path(self, shard: Sequence[Case]) -> Path:
        """Return the file of a shard."""
        given = sorted(self.versions.items()), self._timeout, self._configs
        digest = blake2b(repr(given).encode(), digest_size=16)
        for case in shard:
            digest.update(case.digest)
        return self._shards / f"{digest.hexdigest()}.jsonl"


def _read(shard: Sequence[Case], lines: bytes) -> Iterator[tuple[Case, list[CaseResult]]]:
    for case, line in zip(shard, lines.splitlines(), strict=True):
        yield case, [CaseResult.of_plain(said) for said in json.loads(line)]


def _line(results: Iterable[CaseResult]) -> bytes:
    return json.dumps([result.plain() for result in results]).encode() + b"\n"

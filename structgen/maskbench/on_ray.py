"""Maskbench on Ray: each schema is replayed by a worker with engines of its own, and its results are a line
of a file, with which the next run goes on (`system.result_files`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Final, Self

from structgen.maskbench.engines import EngineConfig
from structgen.maskbench.measurements import CaseResult
from structgen.maskbench.readers import Case
from structgen.maskbench.runner import BenchRun
from structgen.system.ray_workers import ray_answers
from structgen.system.result_files import Answers, results_of

_SHARD: Final = 16
"""Schemas that a worker is given at a time."""
_Task = tuple[int, Case]


class ShardReplay:
    """What an actor does: a run of its own, one schema at a time, so that times are not disturbed."""

    def __init__(self, configs: Sequence[EngineConfig], timeout: float) -> None:
        self._run = BenchRun(configs, timeout=timeout)
        self._run.__enter__()

    def __call__(self, shard: Iterable[_Task]) -> Answers:
        """Yield the versions of the engines; then a line for each schema."""
        yield self._run.versions
        for number, case in shard:
            lists = [one.plain() for _, results in self._run.results([case]) for one in results]
            yield {"line": number, "results": lists}


class RayBenchRun(BenchRun):
    """The same as `BenchRun`, on Ray; the file `out` takes the results."""

    def __init__(
        self, configs: Sequence[EngineConfig], *, timeout: float, out: Path, workers: int | None = None
    ) -> None:
        super().__init__(configs, timeout=timeout)
        self._out, self._workers = out, workers

    def __enter__(self) -> Self:
        """Start no engine: workers start theirs."""
        return self

    def results(self, cases: Iterable[Case]) -> Iterator[tuple[Case, list[CaseResult]]]:
        """Yield each case with its results: those of an earlier run, then the others as they are done."""
        tasks = dict(enumerate(enumerate(cases)))
        with closing(results_of(self._out, tasks, self._answers, self._run_of)) as lines:
            for line, _ in lines:
                yield tasks[line["line"]][1], [CaseResult.of_plain(said) for said in line["results"]]

    def _answers(self, left: Sequence[_Task]) -> Answers:
        make = partial(ShardReplay, self._configs, self._timeout)
        said = ray_answers(make, left, _SHARD, self._workers)
        self.jobs = next(said)
        yield from said

    def _run_of(self, versions: dict[str, str], tasks: Sequence[_Task]) -> dict[str, str]:
        self.versions = versions
        schemas = blake2b(b"".join(case.digest for _, case in tasks), digest_size=16)
        return {
            "version of an engine": repr(versions),
            "timeout, policy or tokenizer": repr((self._timeout, self._configs)),
            "set of schemas": schemas.hexdigest(),
        }

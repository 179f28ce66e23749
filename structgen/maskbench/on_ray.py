"""Maskbench on Ray: each schema is replayed by a worker with engines of its own, and its results are a line
of a file, with which the next run goes on (`system.result_files`)."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

from structgen.maskbench.citation import case_digest, data_digest
from structgen.maskbench.engines import EngineConfig
from structgen.maskbench.measurements import CaseResult, Failure
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
        self._run.prepare(lambda: (), lambda: None)

    def __call__(self, shard: Iterable[_Task]) -> Answers:
        """Yield the versions of the engines and why some cannot run; then a line for each schema."""
        yield self._run.versions, self._run.unavailable
        for number, case in shard:
            results = [one for _, found in self._run.results([case]) for one in found]
            lists = [asdict(one) | {"pairs": one.pairs.tolist()} for one in results]
            yield {"line": number, "results": lists}


class RayBenchRun(BenchRun):
    """The same as `BenchRun`, on Ray; the file `out` takes the results. This process too starts each engine
    once, so that an engine that is nowhere is told at once."""

    def __init__(
        self, configs: Sequence[EngineConfig], *, timeout: float, out: Path, workers: int | None = None
    ) -> None:
        super().__init__(configs, timeout=timeout)
        self._out, self._workers = out, workers

    def results(self, cases: Iterable[Case]) -> Iterator[tuple[Case, list[CaseResult]]]:
        """Yield each case with its results: those of an earlier run, then the others as they are done."""
        self._stack.close()  # the workers have engines of their own
        tasks = dict(enumerate(enumerate(cases)))
        with closing(results_of(self._out, tasks, self._answers, self._run_of)) as lines:
            for line, _ in lines:
                yield tasks[line["line"]][1], [_read(said) for said in line["results"]]

    def _answers(self, left: Sequence[_Task]) -> Answers:
        make = partial(ShardReplay, self._configs, self._timeout)
        said = ray_answers(make, left, _SHARD, self._workers)
        self.jobs = next(said)
        yield from said

    def _run_of(self, said: tuple[dict[str, str], dict[str, str]], tasks: Sequence[_Task]) -> dict[str, str]:
        self.versions, self.unavailable = said
        return {
            "versions of engines": repr(said),
            "timeout, policy or tokenizer": repr((self._timeout, self._configs)),
            "set of schemas": data_digest(case_digest(case) for _, case in tasks),
        }


def _read(said: Mapping[str, Any]) -> CaseResult:
    failures = [Failure(**one) for one in said["failures"]]
    return CaseResult(**dict(said) | {"pairs": array("q", said["pairs"]), "failures": failures})

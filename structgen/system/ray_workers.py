"""Work on Ray: actors that restart, each of which works through shards, two at a time.

A shard is what one call of an actor does. If its process is killed, Ray starts the actor again and makes the
call again; whoever hands out shards writes each result down, whole, and asks next time for those alone that
are missing. Nothing that was compiled is sent: an actor makes its worker in its own process, once.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from structgen.errors import OptionError, StructgenError

Shard = TypeVar("Shard")
Answer = TypeVar("Answer")
ShardIn = TypeVar("ShardIn", contravariant=True)
AnswerOut = TypeVar("AnswerOut", covariant=True)


class Worker(Protocol[ShardIn, AnswerOut]):
    """What an actor makes in its process. Its calls may come from two threads."""

    def about(self) -> object:
        """Return what must be the same in all workers of a run."""

    def work(self, shard: ShardIn) -> AnswerOut:
        """Return the answer to a shard."""

    def close(self) -> None:
        """Let go of processes and files."""


class RayActor(Generic[Shard, Answer]):
    """An actor: makes its worker when it is first called. Its answers are pairs of an error and a value, for
    Ray would wrap an error of ours."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._worker: Worker[Shard, Answer] | None = None

    def call(
        self, make: Callable[[], Worker[Shard, Answer]], name: str, *given: object
    ) -> tuple[tuple[str, str, str] | None, Any]:
        """Return the error (what, where, cure) of a call of the worker, or None, and what it returned.
        `make` comes with each call: a process that was started again has no worker yet."""
        try:
            with self._lock:
                if self._worker is None:
                    self._worker = make()
            return None, getattr(self._worker, name)(*given)
        except StructgenError as error:
            return (error.what, error.where, error.cure), None
        except OSError as error:
            return (str(error), "", ""), None


class RayWorkers(Generic[Shard, Answer]):
    """Workers on the cluster that Ray finds (RAY_ADDRESS), or on one that it starts on this machine. A
    context: leaving it ends them.

    `count`: how many; by default as many as the cluster has processors, or GPUs if `gpu`. `gpu`: whether each
    has one; None: where the cluster has any. Workers that find no room yet are given shards once they do.
    Raises OptionError where Ray is not installed, or the cluster has no GPU.
    """

    def __init__(
        self, make: Callable[[], Worker[Shard, Answer]], count: int | None = None, gpu: bool | None = False
    ) -> None:
        self._make, self._count, self._gpu = make, count, gpu
        self._is_ours = False
        self._ray: Any = None
        self._sent: Any = None
        """What makes a worker, in Ray's store."""
        self._actors: list[Any] = []
        self._starting: dict[Any, Any] = {}
        """The actors that have not answered yet, by their first call."""
        self._free: deque[Any] = deque()
        """An actor for each further shard that it can take."""
        self._about: object = None

    def __enter__(self) -> RayWorkers[Shard, Answer]:
        try:
            import ray  # optional: ray
        except ImportError as error:
            raise OptionError("Ray is not installed.", where="ray", cure="pip install ray") from error
        self._ray = ray
        if not ray.is_initialized():
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
            self._is_ours = True
        try:
            there = ray.cluster_resources()
            gpus = int(there.get("GPU", 0))
            gpu = gpus > 0 if self._gpu is None else self._gpu
            count = self._count or (gpus if gpu else int(there.get("CPU", 0)))
            if count < 1:
                kind = "GPU" if gpu else "processor"
                raise OptionError(f"Ray's cluster has no {kind}.", where="ray", cure="Choose another device.")
            actor = ray.remote(
                num_cpus=1, num_gpus=int(gpu), max_restarts=-1, max_task_retries=-1, max_concurrency=2
            )(RayActor)
            try:
                self._sent = ray.put(self._make)
            except TypeError as error:
                raise OptionError(
                    f"The work cannot be sent to workers: {error}",
                    where="ray",
                    cure="Let requests hold plain values and grammars.",
                ) from error
            self._actors = [actor.remote() for _ in range(count)]
            self._starting = {self._call(one, "about"): one for one in self._actors}
        except BaseException:
            self._leave()
            raise
        return self

    @property
    def count(self) -> int:
        """The number of workers."""
        return len(self._actors)

    def _call(self, actor: Any, name: str, *given: object) -> Any:
        return actor.call.remote(self._sent, name, *given)

    def about(self) -> Any:
        """Wait until a worker is there, and return what it says of itself. Raises its StructgenError."""
        while self._about is None:
            self._wait([])
        return self._about

    def answers(self, shards: Iterable[Shard]) -> Iterator[tuple[Shard, Answer]]:
        """Yield each shard with its answer, in the order in which they are done. Raises StructgenError where
        a worker does, or fails otherwise than by its end."""
        todo, going, more = iter(shards), {}, True
        while True:
            while more and self._free:
                try:
                    shard = next(todo)
                except StopIteration:
                    more = False
                    break
                actor = self._free.popleft()
                going[self._call(actor, "work", shard)] = actor, shard
            if not more and not going:
                return
            done = self._wait(list(going))
            if done is not None:
                actor, shard = going.pop(done)
                self._free.append(actor)
                yield shard, self._said(done)

    def _wait(self, going: list[Any]) -> Any | None:
        """Wait for a call of `going`, and return it; None if it was an actor that is there now."""
        (done,), _ = self._ray.wait([*going, *self._starting], num_returns=1)
        if done not in self._starting:
            return done
        actor, said = self._starting.pop(done), self._said(done)
        if self._about is not None and said != self._about:
            raise StructgenError(
                f"A worker has {said}, another one {self._about}.",
                where="ray",
                cure="Give all machines the same version and the same model.",
            )
        self._about = said
        self._free += [actor, actor]
        return None

    def _said(self, done: Any) -> Any:
        try:
            error, value = self._ray.get(done)
        except self._ray.exceptions.RayError as failed:
            raise StructgenError(
                f"A worker failed: {str(failed).strip().splitlines()[-1]}",
                where="ray",
                cure="What it is sent must be of modules that every machine has, and that do no work when "
                "they are imported.",
            ) from failed
        if error is not None:
            what, where, cure = error
            raise StructgenError(what, where=where, cure=cure)
        return value

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            there = [one for one in self._actors if one not in self._starting.values()]
            if kind is None and there:
                ended = [self._call(one, "close") for one in there]
                self._ray.wait(ended, num_returns=len(ended), timeout=60)
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._is_ours:
            self._ray.shutdown()
            return
        for actor in self._actors:
            self._ray.kill(actor)

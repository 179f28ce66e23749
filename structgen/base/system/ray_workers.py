"""Work on Ray: shards of tasks go to actors, each of which has a worker of its own.

If the process of a worker is killed, Ray starts it again and makes the call again; whoever hands out tasks
writes the answers down, and asks next time for what is missing alone. Nothing that was compiled is sent: an
actor makes its worker in its own process, once.
"""

from __future__ import annotations

import logging
import pickle
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from structgen.base.errors import OptionError, StructgenError
from structgen.base.system.installation import require_extras
from structgen.base.system.result_files import Answers

Worker: TypeAlias = Callable[[Sequence[Any]], Answers]
"""The function that an actor makes in its process: it answers a shard, which is some tasks or none."""


class RayActor:
    """An actor: makes its worker when it is first called."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._worker: Worker | None = None

    def answer(self, sent: bytes, shard: Sequence[Any]) -> list[Any] | StructgenError:
        """Return the answers of the worker to a shard, or the error of ours, which Ray would wrap. `sent`,
        the pickled maker of the worker, comes with each call: a process that was started again has none
        yet."""
        try:
            with self._lock:
                if self._worker is None:
                    self._worker = pickle.loads(sent)()
            return list(self._worker(shard))
        except StructgenError as error:  # not all subclasses go through pickle
            return StructgenError(error.what, where=error.where, cure=error.cure)
        except OSError as error:
            return StructgenError(str(error))


def ray_answers(
    make: Callable[[], Worker],
    tasks: Sequence[Any],
    size: int,
    count: int | None = None,
    *,
    gpu: bool | None = False,
    at_once: int = 1,
    report_count: Callable[[int], None] = lambda count: None,
) -> Answers:
    """Yield what all workers say of themselves, then the answers, in the order in which shards of `size`
    tasks are done. The cluster is the one that Ray finds (RAY_ADDRESS), or one that it starts on this machine
    for as long.

    `count`: how many workers; by default as many as the cluster has processors, or GPUs if `gpu`. Those that
    find no room yet are given shards once they do. `gpu`: whether each has one; None: where the cluster has
    any. `at_once`: shards that a worker has at a time, each in a thread. `report_count`: is told how many
    workers there are.

    Raises OptionError where Ray is not installed, or the cluster has no GPU; StructgenError where a worker
    does, where it says another thing of itself than the first one, or fails otherwise than by its end.
    """
    with require_extras("A run on Ray", "ray", where="ray", kind=OptionError):
        import ray  # optional: ray
    is_ours = not ray.is_initialized()
    if is_ours:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    actors = list[Any]()
    going = dict[Any, Any]()
    try:
        count, has_gpu = _count_workers(ray.cluster_resources(), count, gpu)
        report_count(count)
        # once for all actors: Ray's store gives each machine one copy
        sent = ray.put(_pickle_maker(ray.cloudpickle, make))
        # a worker and a call whose process was killed are made again, as often as it takes
        restarts = {"max_restarts": -1, "max_task_retries": -1, "max_concurrency": at_once}
        actor = ray.remote(num_cpus=1, num_gpus=int(has_gpu), **restarts)(RayActor)
        actors += [actor.remote() for _ in range(count)]
        # An empty shard for each that an actor can take: the end of the call says that the actor is ready.
        for worker in actors:
            for _ in range(at_once):
                going[worker.answer.remote(sent, ())] = worker
        shards = deque(tasks[at : at + size] for at in range(0, len(tasks), size))
        yield from _hand_out(ray, sent, shards, going)
        _end_actors(ray, [worker for worker in actors if worker not in going.values()])
    except ray.exceptions.RayError as failed:
        raise StructgenError(
            f"A worker failed: {str(failed).strip().splitlines()[-1]}",
            where="ray",
            cure="What it is sent must be of modules that every machine has, and that do no work when they "
            "are imported.",
        ) from failed
    finally:
        for call in going:  # or Ray says on stdout that they are not made again
            ray.cancel(call)
        for worker in actors:
            ray.kill(worker)
        if is_ours:
            ray.shutdown()


def _count_workers(resources: dict[str, Any], count: int | None, gpu: bool | None) -> tuple[int, bool]:
    """Return how many workers there are, and whether each has a GPU: `count` and `gpu` of `ray_answers` for a
    cluster of some resources. Errors: OptionError where it has no such device."""
    has_gpu = bool(resources.get("GPU")) if gpu is None else gpu
    count = count or int(resources.get("GPU" if has_gpu else "CPU", 0))
    if count < 1:
        kind = "GPU" if has_gpu else "processor"
        raise OptionError(f"Ray's cluster has no {kind}.", where="ray", cure="Choose another device.")
    return count, has_gpu


def _end_actors(ray: Any, actors: Sequence[Any]) -> None:
    """End actors that were started and do nothing now. In order, so that they take their folders with
    them."""
    terminations = [worker.__ray_terminate__.options(max_task_retries=0).remote() for worker in actors]
    ray.wait(terminations, num_returns=len(terminations), timeout=60)


def _pickle_maker(pickler: Any, make: Callable[[], Worker]) -> bytes:
    """Return the maker of a worker, pickled. Raises OptionError where it cannot be pickled."""
    try:
        sent: bytes = pickler.dumps(make)
    except TypeError as error:
        raise OptionError(
            f"The work cannot be sent to workers: {error}",
            where="ray",
            cure="Let requests hold plain values and grammars.",
        ) from error
    return sent


def _hand_out(ray: Any, sent: Any, shards: deque[Sequence[Any]], going: dict[Any, Any]) -> Answers:
    """Hand out shards to actors as their calls end; yield what the first one says of itself, then the
    answers to all shards. `going` holds the calls that have not ended, each with its actor."""
    about = None
    shard_calls = set[Any]()
    while shards or shard_calls or about is None:
        (done,), _ = ray.wait([*going], num_returns=1)
        # first out of `going`: whatever happens next, the call has ended
        actor = going.pop(done)
        reply = ray.get(done)
        shard_calls.discard(done)
        if isinstance(reply, StructgenError):
            raise reply
        worker_facts, *answers = reply
        if about is not None and worker_facts != about:
            raise StructgenError(
                f"A worker has {worker_facts}, another one {about}.",
                where="ray",
                cure="Give all machines the same version and the same model.",
            )
        if shards:
            call = actor.answer.remote(sent, shards.popleft())
            going[call] = actor
            shard_calls.add(call)
        if about is None:
            about = worker_facts
            yield about
        yield from answers

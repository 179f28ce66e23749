"""Runs tasks on a cluster of Ray (a library that runs Python on several machines).

A *task* is a value that a worker answers. A *shard* is a list of tasks that are sent together. An *actor* is
an object of Ray in a process of its own; it makes a *worker* there, which is a function from a shard to its
answers. The first answer of each call is the *facts* of the worker, such as its versions; one answer for each
task follows. All workers must report the same facts. With shards of two tasks:

    tasks [a, b, c] -> shards [a, b] and [c] -> the facts, then answers to a, b, c in any order of shards

If the process of an actor is killed, Ray starts it again and repeats its calls. Nothing compiled is sent: an
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
from structgen.decoding.runs.result_files import Answers

Worker: TypeAlias = Callable[[Sequence[Any]], Answers]
"""A function from a shard, which may be empty, to the facts of the worker and the answers to the tasks."""


class RayActor:
    """The class of an actor, which makes its worker when it is first called."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._worker: Worker | None = None

    def answer(self, sent: bytes, shard: Sequence[Any]) -> list[Any] | StructgenError:
        """Return what the worker answers to a shard: its facts, then one answer for each task.

        A StructgenError of the worker is returned, not raised, because Ray would wrap a raised one. An
        OSError becomes a StructgenError. `sent`: the function that makes the worker, pickled. Each call
        carries it, because a process that was started again has no worker yet.
        """
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
    """Yield the facts that all workers report, then the answers of all shards as shards are done.

    The cluster is the one that Ray finds (RAY_ADDRESS). If there is none, Ray starts one on this machine,
    which ends with this call.

    `make`: the function that makes a worker. `size`: the number of tasks of a shard. `count`: the number of
    workers; None or 0: one for each processor of the cluster, or for each GPU if workers have GPUs. A worker
    that the cluster has no room for yet starts later. `gpu`: whether each worker has a GPU;
    None: each has one if the cluster has any. `at_once`: the number of shards that a worker answers at the
    same time, each in a thread. `report_count`: a function that is called with the number of workers.

    Raises OptionError if Ray is not installed, if `make` cannot be pickled, or if the cluster has no such
    device. Raises StructgenError if a worker raises it, fails otherwise than by the end of its process, or
    reports other facts than the first worker.
    """
    with require_extras("A run on Ray", "ray", where="ray", kind=OptionError):
        import ray  # optional: ray
    is_ours = not ray.is_initialized()
    if is_ours:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    actors = list[Any]()
    going = dict[Any, Any]()  # the calls that have not ended, each with its actor
    try:
        count, has_gpu = _count_workers(ray.cluster_resources(), count, gpu)
        report_count(count)
        # once for all actors: Ray's store gives each machine one copy
        sent = ray.put(_pickle_maker(ray.cloudpickle, make))
        # -1: Ray starts killed processes again, and repeats their calls, without limit
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
            cure="What is sent must come from modules that every machine has, and that do no work "
            "when they are imported.",
        ) from failed
    finally:
        for call in going:  # otherwise Ray prints on stdout that these calls are not repeated
            ray.cancel(call)
        for worker in actors:
            ray.kill(worker)
        if is_ours:
            ray.shutdown()


def _count_workers(resources: dict[str, Any], count: int | None, gpu: bool | None) -> tuple[int, bool]:
    """Return (the number of workers, whether each has a GPU).

    `resources`: the numbers of the cluster's devices by name, "CPU" and "GPU". `count`, `gpu`: those of
    `ray_answers`. Errors: OptionError if the cluster has no such device.
    """
    has_gpu = bool(resources.get("GPU")) if gpu is None else gpu
    count = count or int(resources.get("GPU" if has_gpu else "CPU", 0))
    if count < 1:
        kind = "GPU" if has_gpu else "processor"
        raise OptionError(f"Ray's cluster has no {kind}.", where="ray", cure="Choose another device.")
    return count, has_gpu


def _end_actors(ray: Any, actors: Sequence[Any]) -> None:
    """End actors that have started and have no call. They end by themselves, so they delete their folders;
    after 60 seconds they are no longer waited for."""
    terminations = [worker.__ray_terminate__.options(max_task_retries=0).remote() for worker in actors]
    ray.wait(terminations, num_returns=len(terminations), timeout=60)


def _pickle_maker(pickler: Any, make: Callable[[], Worker]) -> bytes:
    """Return `make`, pickled. Raises OptionError if it cannot be pickled."""
    try:
        sent: bytes = pickler.dumps(make)
    except TypeError as error:
        raise OptionError(
            f"The work cannot be sent to workers: {error}",
            where="ray",
            cure="Use plain values and grammars in requests.",
        ) from error
    return sent


def _hand_out(ray: Any, sent: Any, shards: deque[Sequence[Any]], going: dict[Any, Any]) -> Answers:
    """Send the next shard to an actor whenever one of its calls ends. Yield the facts of the first worker,
    then the answers to all shards.

    `sent`: the pickled maker in Ray's store. `going`: the calls that have not ended, each with its actor; at
    first they are calls with empty shards. Raises StructgenError as `ray_answers` does.
    """
    about = None  # the facts of the first worker, once it has answered
    shard_calls = set[Any]()  # those of `going` that have a shard with tasks
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
                cure="Install the same version and the same model on all machines.",
            )
        if shards:
            call = actor.answer.remote(sent, shards.popleft())
            going[call] = actor
            shard_calls.add(call)
        if about is None:
            about = worker_facts
            yield about
        yield from answers

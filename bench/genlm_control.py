"""genlm-control (SMC with AWRS) on the frozen tasks: the same model, the same grammar, the same checkers.

bench_samplers.py --peers PYTHON starts it, with the interpreter of an environment that has genlm-control, and
what structgen itself needs, since its grammars answer there (bench/README.md). Its arguments are the number
of seeds, the model rows of a run, and tasks; it prints an outcome a line.

genlm-control answers through its own interface: a `Potential` whose `logw_next` is the task's n-gram model, a
boolean `Potential` whose `prefix` and `complete` are the grammar and the checkers (each answer a look-up in
structgen's compiled grammar, so that it is cheap), `AWRS(model, condition)`, and `.smc(16 particles,
resampling under half of them)`, again and again until the rows are spent. A model row is one prefix in one
batch: prefixes that are equal in a batch count once, as they do for structgen. Clouds of particles are put
together by their weights; one that would need more rows than are left is not counted.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import bench_samplers
import numpy as np
import sampler_tasks
import torch
from genlm.control import AWRS, Potential


class Model(Potential):  # type: ignore[misc]
    """The n-gram model of a task."""

    def __init__(self, task: sampler_tasks.Task) -> None:
        super().__init__(vocabulary=list(range(task.end)))
        self.task, self.rows = task, 0

    def _row(self, context: Sequence[int]) -> Any:
        return self.task.next_logprobs(list(context))

    async def logw_next(self, context: Sequence[int]) -> Any:
        self.rows += 1
        return self.make_lazy_weights(self._row(context))

    async def batch_logw_next(self, contexts: Sequence[Sequence[int]]) -> Any:
        self.rows += len({tuple(context) for context in contexts})
        return self.make_lazy_weights(np.stack([self._row(context) for context in contexts]))

    async def prefix(self, context: Sequence[int]) -> float:
        return math.fsum(float(self._row(context[:at])[token]) for at, token in enumerate(context))

    async def complete(self, context: Sequence[int]) -> float:
        return await self.prefix(context) + float(self._row(context)[self.task.end])


class Condition(Potential):  # type: ignore[misc]
    """The grammar and the checkers of a task: 0 or minus infinity."""

    def __init__(self, task: sampler_tasks.Task) -> None:
        super().__init__(vocabulary=list(range(task.end)))
        self.task = task
        self.states: dict[tuple[int, ...], int] = {(): task.compiled.start.index}

    def _state(self, context: tuple[int, ...]) -> int:
        """Return the state of the grammar behind some tokens; -1 where it or a checker forbids them."""
        state = self.states.get(context)
        if state is None:
            before = self._state(context[:-1])
            state = -1 if before < 0 else self.task.compiled.next_index(before, context[-1])
            viable = [one.viable for one in self.task.checkers if hasattr(one, "viable")]
            if state >= 0 and not all(one(self.task.text(context)) for one in viable):
                state = -1
            self.states[context] = state
        return state

    async def prefix(self, context: Sequence[int]) -> float:
        return 0.0 if self._state(tuple(context)) >= 0 else -math.inf

    async def complete(self, context: Sequence[int]) -> float:
        state = self._state(tuple(context))
        good = state >= 0 and self.task.compiled.may_end(state)
        good = good and all(one.final(self.task.text(context)) for one in self.task.checkers)
        return 0.0 if good else -math.inf


async def run(task: sampler_tasks.Task, seed: int, rows: int) -> dict[str, Any]:
    """Return an outcome as those of bench_samplers are."""
    np.random.seed(seed)
    torch.manual_seed(seed)
    model, condition = Model(task), Condition(task)
    sampler = AWRS(model, condition, seed=seed)
    texts, weights = list[str](), list[float]()
    wall, cpu, used, clouds = time.perf_counter(), time.process_time(), 0, 0
    while True:
        # The end token is among genlm-control's tokens, and not among ours.
        found = await sampler.smc(n_particles=16, ess_threshold=0.5, max_tokens=task.max_tokens + 1)
        if model.rows > rows:
            break
        used, clouds = model.rows, clouds + 1
        for context, weight in found:
            if weight > -math.inf:
                texts.append(task.text(context[:-1]).decode())
                weights.append(math.exp(weight))
        condition.states = {(): task.compiled.start.index}
    await sampler.cleanup()
    exact = bench_samplers.frozen()[task.name]["marginals"]
    return {
        "task": task.name,
        "method": f"genlm-control {version('genlm-control')}",
        "seed": seed,
        "error": sampler_tasks.field_error(exact, task.marginals(texts, weights)),
        "log_z": math.log(sum(weights) / (16 * clouds)) if texts else None,
        "model_rows": used,
        "draws": len(texts),
        "attempts": 16 * clouds,
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - wall,
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in sys.argv[3:]:
        task = sampler_tasks.tasks()[name]
        asyncio.run(run(task, 10_000, 300))  # what is compiled once is no one's time
        for seed in range(int(sys.argv[1])):
            print(json.dumps(asyncio.run(run(task, seed, int(sys.argv[2])))), flush=True)

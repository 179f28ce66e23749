"""Many prompts on Ray: from a file of prompts to a file of results, the same as `bulk_file` writes.

Workers answer shards of prompts; this process alone writes, and hands out the prompts that have no line yet.
So either way of working goes on where the other one stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from structgen.engine import Engine
from structgen.engine.bulk.bulk_file import Answers, BulkProgress, engine_answers, read_prompts, write_results
from structgen.engine.bulk.bulk_runs import Prompt
from structgen.engine.models import check_causal
from structgen.engine.requests import Request
from structgen.errors import OptionError, StructgenError, options_named
from structgen.system.ray_workers import ray_workers
from structgen.system.resources import NAMED_MODELS, model_name

_OWN: Final = "structgen"
_OTHERS: Final = {"vllm": "structgen.integrations.vllm_bulk"}
"""Other engines: the module that answers with each. It is of a room above, so it is loaded by its name."""


def _own_answers(
    model: str, options: Mapping[str, Any], request_of: Callable[[Any], Request]
) -> Callable[[Sequence[Prompt]], Answers]:
    """Return what an actor does. Shards that come from two threads share the batches of its engine."""
    return engine_answers(Engine(model, **options), request_of)


@options_named('run_bulk_on_ray("structgen/extract", prompts, results, request_of)', name="run_bulk_on_ray")
def run_bulk_on_ray(
    model: str | Path,
    prompts: Path,
    results: Path,
    request_of: Callable[[Any], Request],
    tell: Callable[[BulkProgress], None] = lambda _: None,
    *,
    start_over: bool = False,
    workers: int | None = None,
    shard_size: int = 128,
    device: str | None = None,
    dtype: str | None = None,
    max_rows: int = 32,
    engine: str = "structgen",
    engine_options: Mapping[str, Any] | None = None,
) -> BulkProgress:
    """Write a line of results for each line of prompts that has none yet, as `run_bulk` does, to the file
    `results`. Returns the progress.

    Each of `workers` actors (by default one for each GPU or processor) loads `model`, a name that
    `structgen models` lists, or a folder or a GGUF file that all machines have, and answers `shard_size`
    prompts at a time. `request_of` is sent to them: let it hold grammars, not compiled ones. Lines are those
    of one process, where the model's results do not depend on the batch. Errors are those of `run_bulk`, and
    OptionError where Ray is not there.

    With `engine="vllm"` each actor has an `LLM` of vLLM with our back end, which `engine_options` are for.
    What a request asks for and vLLM does otherwise is an OptionError before anything is begun.
    """
    if engine not in (_OWN, *_OTHERS):
        engines = ", ".join((_OWN, *_OTHERS))
        raise OptionError(f"There is no engine {engine!r}.", where="engine", cure=f"Take one of {engines}.")
    if engine == _OWN and engine_options:
        raise OptionError(
            "They are options of another engine.", where="engine_options", cure='Add engine="vllm".'
        )
    if shard_size < 1 or (workers is not None and workers < 1):
        name = "workers" if shard_size >= 1 else "shard_size"
        raise OptionError("It is less than 1.", where=name, cure="Give a whole number from 1 on.")
    options: dict[str, Any] = {"device": device, "dtype": dtype, "max_rows": max_rows}
    make = _own_answers
    if engine != _OWN:
        other = import_module(_OTHERS[engine])
        for prompt in read_prompts(prompts):
            try:
                request = prompt.request(request_of)
            except StructgenError:  # its line will have the error
                continue
            other.check_request(request)
        make, options = other.VllmAnswers, options | {"engine_options": dict(engine_options or {})}
    named = model_name(model)
    check_causal(named)
    folder = named if named in NAMED_MODELS else str(Path(named).resolve())
    made = partial(make, folder, options, request_of)
    gpu = None if device is None else device.startswith("cuda")

    def answers(left: Sequence[Prompt]) -> Answers:
        # an empty shard first: what the engine says is known at once, also where nothing is left to do
        shards = [[], *(left[at : at + shard_size] for at in range(0, len(left), shard_size))]
        with ray_workers(made, workers, gpu=gpu, at_once=2 if engine == _OWN else 1) as lent:
            yield from lent.answers(shards)

    return write_results(answers, prompts, results, request_of, tell, start_over=start_over)

"""Many prompts on Ray: from a file of prompts to a file of results, the same as `bulk_file` writes.

Workers answer shards of prompts; this process alone writes, and hands out the prompts that have no line yet.
So either way of working goes on where the other one stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from importlib import import_module
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from structgen.engine import Engine
from structgen.engine.bulk.bulk_file import AnswerLine, BulkProgress, answers, read_prompts, write_results
from structgen.engine.bulk.bulk_runs import Prompt, engine_parts
from structgen.engine.models import check_causal
from structgen.engine.requests import Request
from structgen.errors import OptionError, StructgenError, options_named
from structgen.system.ray_workers import Worker, ray_workers
from structgen.system.resources import NAMED_MODELS, model_name

_OWN: Final = "structgen"
_OTHERS: Final = {"vllm": "structgen.integrations.vllm_bulk"}
"""Other engines: the module that writes with each. It is of a room above, so it is loaded by its name."""


class ShardWriter:
    """What an actor does: an engine of its own answers shards of prompts. Shards that come from two threads
    share its batches."""

    def __init__(self, engine: Engine, request_of: Callable[[Any], Request]) -> None:
        self._engine, self._request_of = engine, request_of
        self._parts = engine_parts(engine)

    def about(self) -> Mapping[str, str]:
        """Return the parts of the run that the engine says."""
        return self._parts

    def work(self, shard: Sequence[Prompt]) -> list[AnswerLine]:
        """Return the lines of a shard."""
        return list(answers(self._engine, iter(shard), self._request_of))


def _writer(model: str, options: Mapping[str, Any], request_of: Callable[[Any], Request]) -> ShardWriter:
    return ShardWriter(Engine(model, **options), request_of)


def _other_writer(
    engine: str, prompts: Iterable[Prompt], request_of: Callable[[Any], Request]
) -> Callable[..., Worker[Sequence[Prompt], list[AnswerLine]]]:
    """Return what makes the worker of another engine. Raises OptionError for what it does otherwise."""
    other = import_module(_OTHERS[engine])
    for prompt in prompts:
        try:
            request = prompt.request(request_of)
        except StructgenError:  # its line will have the error
            continue
        other.check_request(request)
    make: Callable[..., Worker[Sequence[Prompt], list[AnswerLine]]] = other.writer
    return make


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
    make = _writer if engine == _OWN else _other_writer(engine, read_prompts(prompts), request_of)
    named = model_name(model)
    check_causal(named)
    folder = named if named in NAMED_MODELS else str(Path(named).resolve())
    options: dict[str, Any] = {"device": device, "dtype": dtype, "max_rows": max_rows}
    if engine != _OWN:
        options["engine_options"] = dict(engine_options or {})
    gpu = None if device is None else device.startswith("cuda")
    made = partial(make, folder, options, request_of)

    @contextmanager
    def answered(todo: Sequence[Prompt]) -> Iterator[tuple[Mapping[str, str], Iterator[AnswerLine]]]:
        left = iter(todo)
        # an empty shard first: what the engine says is known at once, also where nothing is left to do
        shards = [[], *iter(lambda: list(islice(left, shard_size)), [])]
        lent = ray_workers(made, workers, gpu=gpu, at_once=2 if engine == _OWN else 1)
        with lent as ray, closing(ray.answers(shards)) as said:
            of_engine, lines = next(said)
            yield of_engine, chain(lines, (line for _, more in said for line in more))

    return write_results(answered, prompts, results, request_of, tell, start_over=start_over)

"""Many prompts on Ray: from a file of prompts to a folder of shards. Resumable, as `bulk_file` is.

A shard is a file of results, such as `000000128.jsonl`, named by its first line of the prompts. It is there
whole or not at all. The next run hands out the lines that are in no shard. What run the shards are of is said
beside the folder (`bulk_runs`), as for one process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from structgen.engine.bulk.bulk_file import AnswerLine, BulkProgress, answers, done_lines, read_prompts
from structgen.engine.bulk.bulk_runs import Prompt, begin_run, check_run, engine_parts
from structgen.engine.engine import Engine
from structgen.engine.requests import Request
from structgen.errors import OptionError, StructgenError, options_named
from structgen.system.cache import writing
from structgen.system.ray_workers import RayWorkers, Worker

_OWN: Final = "structgen"
_OTHERS: Final = {"vllm": "structgen.integrations.vllm_bulk"}
"""Other engines: the module that writes with each. It is of a room above, so it is loaded by its name."""


@dataclass(frozen=True, slots=True)
class AnsweredShard:
    """The lines of a shard, in the order of its prompts."""

    text: bytes
    tokens: int

    @classmethod
    def of(cls, lines: Iterable[AnswerLine]) -> AnsweredShard:
        """Return the shard of some lines."""
        ordered = sorted(lines, key=lambda line: line.number)
        return cls(b"".join(line.text for line in ordered), sum(line.tokens for line in ordered))


class ShardWriter:
    """What an actor does: an engine of its own answers shards of prompts. Shards that come from two threads
    share its batches."""

    def __init__(self, engine: Engine, request_of: Callable[[str], Request]) -> None:
        self._engine, self._request_of = engine, request_of
        self._parts = engine_parts(engine)

    def about(self) -> Mapping[str, str]:
        """Return the parts of the run that the engine says."""
        return self._parts

    def work(self, shard: Sequence[Prompt]) -> AnsweredShard:
        """Return the lines of a shard."""
        return AnsweredShard.of(answers(self._engine, iter(shard), self._request_of))

    def close(self) -> None:
        """Let go of the engine's threads."""
        self._engine.close()


def _writer(model: str, options: Mapping[str, Any], request_of: Callable[[str], Request]) -> ShardWriter:
    return ShardWriter(Engine(model, **options), request_of)


def _other_writer(
    engine: str, prompts: Iterable[Prompt], request_of: Callable[[str], Request]
) -> Callable[..., Worker[Sequence[Prompt], AnsweredShard]]:
    """Return what makes the worker of another engine. Raises OptionError for what it does otherwise."""
    other = import_module(_OTHERS[engine])
    for prompt in prompts:
        try:
            request = prompt.request(request_of)
        except StructgenError:  # its line will have the error
            continue
        other.check_request(request)
    make: Callable[..., Worker[Sequence[Prompt], AnsweredShard]] = other.writer
    return make


@options_named('run_bulk_on_ray("structgen/extract", prompts, results, request_of)', name="run_bulk_on_ray")
def run_bulk_on_ray(
    model: str | Path,
    prompts: Path,
    results: Path,
    request_of: Callable[[str], Request],
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
    """Write a line of results for each line of prompts that has none yet, as `run_bulk` does, to shards in
    the folder `results`. Returns the progress.

    Each of `workers` actors (by default one for each GPU or processor) loads `model`, a name or a folder that
    all machines have, and answers `shard_size` prompts at a time. `request_of` is sent to them: let it hold
    grammars, not compiled ones. Lines are those of one process, where the model's results do not depend on
    the batch. Errors are those of `run_bulk`, and OptionError where Ray is not there.

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
    if results.exists() and not results.is_dir():
        raise OptionError(
            "The results of a run on Ray are a folder of shards, and this is none.",
            where=str(results),
            cure="Name a folder; a file has the results of one process.",
        )
    if shard_size < 1 or (workers is not None and workers < 1):
        name = "workers" if shard_size >= 1 else "shard_size"
        raise OptionError("It is less than 1.", where=name, cure="Give a whole number from 1 on.")
    wanted = list(read_prompts(prompts))
    make = _writer if engine == _OWN else _other_writer(engine, wanted, request_of)
    known = {path: _whole(path) for path in _shards(results)}
    named = str(model)
    folder = named if named.startswith("structgen/") else str(Path(named).resolve())
    options: dict[str, Any] = {"device": device, "dtype": dtype, "max_rows": max_rows}
    if engine != _OWN:
        options["engine_options"] = dict(engine_options or {})
    gpu = None if device is None else device.startswith("cuda")
    with RayWorkers(partial(make, folder, options, request_of), workers, gpu) as ray:
        of_engine = ray.about()
        if known and not start_over:
            check_run(results, of_engine, wanted, request_of)
        else:
            # in this order: after a kill in between there are no results that another run could continue
            for path in known:
                path.unlink()
            known = {}
            results.mkdir(exist_ok=True)
            begin_run(results, of_engine, wanted, request_of)
        done = set().union(*known.values())
        before, tokens = len(done), 0
        for shard, found in ray.answers(list(_missing(wanted, done, shard_size))):
            with writing(results / f"{shard[0].line:09}.jsonl", sync=True) as file:
                file.write(found.text)
            done.update(prompt.line for prompt in shard)
            tokens += found.tokens
            tell(BulkProgress(len(done), before, len(wanted), tokens))
    return BulkProgress(len(done), before, len(wanted), tokens)


def _missing(prompts: Sequence[Prompt], done: Collection[int], size: int) -> Iterator[list[Prompt]]:
    """Yield shards of the prompts that are not done; no done one lies between those of a shard, so that all
    files, by name, have the lines in order."""
    shard: list[Prompt] = []
    for prompt in prompts:
        if shard and (len(shard) == size or prompt.line in done):
            yield shard
            shard = []
        if prompt.line not in done:
            shard.append(prompt)
    if shard:
        yield shard


def _whole(shard: Path) -> set[int]:
    """Return the lines of a shard. Raises OptionError if it is not whole, or none of ours."""
    lines, end = done_lines(shard)
    if end < shard.stat().st_size:
        raise OptionError("The shard was cut.", where=str(shard), cure="Delete it: it will be made again.")
    return lines


def _shards(results: Path) -> list[Path]:
    """Return the shards of a folder; other files there are not ours."""
    if not results.is_dir():
        return []
    return sorted(path for path in results.iterdir() if re.fullmatch(r"\d{9,}\.jsonl", path.name))

"""Answers many prompts of a file, and writes the results to a file, in this process or in workers on Ray.

A *line of prompts* is one prompt of the input file. A *line of results* is a JSON object with its answer or
its error. A *run* goes through all lines; it can be stopped and resumed. An *answering* is a function that
takes prompts and yields answers, for example with our own engine. The *engine parts* are what identifies an
engine: its version, model and tokenizer.

This process alone writes, and hands out the prompts that have no line yet (`system.result_files`). So either
way of working goes on where the other one stopped.

`run_bulk` and `run_bulk_on_ray` are the doors. An `Answering` takes prompts and yields lines of results; its
first item is the `engine_parts`. With them and with digests of the requests a run recognises its results: a
file that another run began is not continued (`identify_run`).
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache, partial
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeAlias

from structgen.base.errors import OptionError, StructgenError, options_named
from structgen.base.json_text.exact_json import JsonObject
from structgen.base.language import checks
from structgen.base.language.shapes import JsonShapes
from structgen.base.system.lazy_names import public_name
from structgen.decoding.engine import Engine
from structgen.decoding.engine.models import check_causal
from structgen.decoding.engine.requests import Handle, Request, Result, Usage
from structgen.decoding.engine.searches.confidence import probabilities_of
from structgen.decoding.runs.ray_workers import ray_answers
from structgen.decoding.runs.resources import NAMED_MODELS, model_name, model_path
from structgen.decoding.runs.result_files import Answers, results_of
from structgen.decoding.runs.telemetry import CallSpan, call_span, carried_headers
from structgen.machines.core.compiled import CompiledGrammar, plain_grammar
from structgen.machines.core.grammar import Grammar
from structgen.tokens.tokenizer import Tokenizer

RequestMaker: TypeAlias = Callable[[Any], Request]
"""A function that makes the request of a prompt: of a text, or of the messages of a chat."""
_OWN_ENGINE: Final = "structgen"
_OTHER_ENGINES: Final = {"vllm": "structgen.doors.integrations.vllm_bulk"}
"""The modules of other engines, by the engine's name. They belong to a package above this one, so they are
loaded by name."""
_SAMPLE_BYTES, _SAMPLE_COUNT = 1 << 16, 64
"""The size in bytes of a sample of a large weights file, and the number of samples, evenly spread. Samples
and file size tell two models apart without reading gigabytes."""
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf")
_LINES: Final = JsonShapes("line: any id seed; text prompt; list messages")
"""The shape of a line of prompts that is a JSON object."""
_OTHER_PARTS: Final = (
    *("prompt", "grammar", "sampling", "strategy", "timeout", "logprobs", "speculation", "cache_salt"),
)
"""The fields of a request that documents do not depend on, or that are parts of a run of their own."""
_ALWAYS_SHOWN = ("prompt_tokens", "tokens", "calls", "tokens_per_call", "drafted", "accepted", "speculation")
_SHOWN_IF_SET = ("outline", "choices", "strategy", "strategy_calls")
"""The fields of a usage that are shown only if they are not empty."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One line of a prompts file."""

    line: int
    """The number of the line in the file, from 0."""
    name: Any
    text: Any
    """The prompt: a text, or chat messages."""
    seed: Any

    def make_request(self, request_of: RequestMaker) -> Request:
        """Return the request. Raises StructgenError if it is refused."""
        request = request_of(self.text)
        if self.seed is None:
            return request
        return replace(request, sampling=replace(request.chosen_by, seed=self.seed))

    def result_line(self, outcome: Mapping[str, Any] | StructgenError) -> JsonObject:
        """Return the line of results: the fields of the result, or the error."""
        if isinstance(outcome, StructgenError):
            outcome = {"error": str(outcome)}
        return {"line": self.line, "id": self.name, **outcome}


Answering: TypeAlias = Callable[[Sequence[Prompt]], Answers]
"""A function that answers prompts. It yields its `engine_parts` first, then an answer for each prompt."""


@dataclass(frozen=True, slots=True)
class BulkProgress:
    """Progress: how many lines are done."""

    done: int
    before: int
    """The number of these lines that an earlier run did."""
    total: int
    tokens: int
    """The number of tokens that this run has written."""


def run_bulk(
    engine: Engine | Answering,
    prompts: Path,
    results: Path,
    request_of: RequestMaker,
    tell: Callable[[BulkProgress], None] = lambda _: None,
    *,
    start_over: bool = False,
) -> BulkProgress:
    """Write a line of results for each line of prompts that has none yet. Returns the progress.

    A line of prompts is a JSON string, or an object with `prompt`, or `messages` as OpenAI has them, and
    optionally `id` and `seed`. In a file `.txt`, and in one not `.jsonl` whose first line begins neither with
    { nor with ", a line is the prompt itself. A line of results is an object: `line` (from 0), `id`, and the
    fields of `show_result`. A prompt that is refused or fails has a line with its error. Twice as many
    prompts as the engine has rows are submitted at a time. `start_over` deletes existing results. Errors,
    before anything is written: OptionError for a line of prompts that cannot be read; those of `results_of`.
    """
    answers = engine_answers(engine, request_of) if isinstance(engine, Engine) else engine
    # all lines are read before the first answer, so that an error in the last line is reported at once
    prompt_by_line = {prompt.line: prompt for prompt in read_prompts(prompts)}
    run = partial(identify_run, request_of)
    lines = results_of(results, prompt_by_line, answers, run, start_over=start_over)
    return report_progress(lines, len(prompt_by_line), tell)


def report_progress(
    lines: Generator[tuple[JsonObject, bool], None, None],
    total: int,
    report: Callable[[BulkProgress], None],
) -> BulkProgress:
    """Consume the lines of `results_of`, and return the progress at the end.

    `lines` yields pairs: a line of results, and whether it is new in this run. `total` is the number of all
    lines. `report` is called with the progress after each new line.
    """
    progress = BulkProgress(0, 0, total, 0)
    with closing(lines):
        for line, is_new in lines:
            # lines of an earlier run come first, and are counted without a report
            done_before = progress.before + (not is_new)
            tokens = progress.tokens + is_new * line.get("tokens", 0)
            progress = BulkProgress(progress.done + 1, done_before, total, tokens)
            if is_new:
                report(progress)
    return progress


def read_prompts(path: Path) -> Iterator[Prompt]:
    """Yield the prompts of a file. Raises OptionError for a line that is not a prompt, and OSError."""
    with path.open("rb") as lines:
        is_plain = {".txt": True, ".jsonl": False}.get(path.suffix)
        for number, line in enumerate(lines):
            if not line.strip():
                continue
            # the first line with a text decides for the whole file
            if is_plain is None:
                is_plain = line.lstrip()[:1] not in (b"{", b'"')
            where = f"{path}:{number + 1}"
            try:
                # a byte order mark, which some editors write, can only be in the first line
                text = line.decode("utf-8-sig" if number == 0 else "utf-8")
                line_value = text.rstrip("\r\n") if is_plain else json.loads(text)
            except (ValueError, RecursionError) as error:
                raise OptionError(
                    f"The line is not {('UTF-8' if is_plain else 'JSON')}: {error}.",
                    where=where,
                    cure="Write one JSON string or object on each line, in UTF-8; or plain prompts in a "
                    ".txt file.",
                ) from error
            row = {"prompt": line_value} if isinstance(line_value, str) else line_value
            _LINES.check(row, "line", where)
            if (row.get("prompt") is None) == (row.get("messages") is None):
                raise OptionError(
                    "A line must be a string, or an object with prompt or messages, id and seed.",
                    where=where,
                    cure='Write {"prompt": "..."} or {"messages": [{"role": "user", "content": "..."}]} on a '
                    "line of its own; options are those of the call.",
                )
            prompt: Any = row.get("prompt")
            if prompt is None:
                prompt = checks.check_messages(f"{where}, messages", row["messages"])
            yield Prompt(number, row.get("id"), prompt, row.get("seed"))


def engine_parts(model: str, tokenizer: str, other_version: str = "") -> dict[str, str]:
    """Return the parts of an engine that answers depend on: our version, the digest of the model, and the
    fingerprint of its tokenizer. `other_version` is the version of another engine, added to ours."""
    version = public_name("__version__")
    version = f"{version} with {other_version}" if other_version else version
    return {"version of structgen": version, "model": model, "tokenizer": tokenizer}


def identify_run(
    request_of: RequestMaker, of_engine: Mapping[str, str], prompts: Sequence[Prompt]
) -> dict[str, str]:
    """Return the identity of a run for `result_files`: `engine_parts`, and digests of prompts and requests.
    Cost: making each request."""
    # The error for a file of another run shows these names, so that the user sees what has changed.
    names = ("file of prompts, or way of putting them", "schema or grammar", "sampling or seed")
    sums = {name: blake2b(digest_size=16) for name in (*names, "max_tokens, or another option")}
    # Many prompts share a grammar, or each has its own. The cache is bounded for the latter case.
    fingerprint_of = lru_cache(maxsize=64)(_fingerprint_of)
    for prompt in prompts:
        try:
            request = prompt.make_request(request_of)
        except StructgenError as error:
            dependencies: list[object] = [prompt, "", "", str(error)]
        else:
            options = [
                getattr(request, field.name) for field in fields(request) if field.name not in _OTHER_PARTS
            ]
            dependencies = [
                (prompt, request.prompt),
                fingerprint_of(request.grammar),
                request.chosen_by,
                options,
            ]
        for digest, value in zip(sums.values(), dependencies, strict=True):
            digest.update(f"{value!r}\n".encode())
    of_requests = {name: digest.hexdigest() for name, digest in sums.items()}
    return {**of_engine, **of_requests}


def _fingerprint_of(grammar: Grammar | CompiledGrammar | None) -> str:
    plain: Grammar | None = plain_grammar(grammar)
    return "" if plain is None else plain.fingerprint


def model_digest(name: str) -> str:
    """Return the digest of a model's configuration and weights. `name` is the model's name, its folder or its
    GGUF file; the place of the files does not matter. Cost: reading a few megabytes."""
    digest = blake2b(digest_size=16)
    place = model_path(model_name(name))
    # sorted, because the file system lists a folder in any order
    for path in [place] if place.is_file() else sorted(place.iterdir()):
        if path.name == "config.json" or path.suffix in _WEIGHTS:
            size = path.stat().st_size
            digest.update(f"{path.name} {size}\n".encode())
            with path.open("rb") as file:
                for start in range(0, size, max(size // _SAMPLE_COUNT, _SAMPLE_BYTES)):
                    file.seek(start)
                    digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def own_parts(engine: Engine) -> dict[str, str]:
    """Return the `engine_parts` of our own engine. A model object is identified only by its type and
    sizes."""
    if engine.name:
        model = model_digest(engine.name)
    else:
        kind = type(engine.model)
        model = f"{kind.__module__}.{kind.__qualname__} {engine.model.vocab_size} {engine.model.context}"
    return engine_parts(model, engine.tokenizer.fingerprint)


def engine_answers(
    engine: Engine, request_of: RequestMaker, trace_headers: Mapping[str, str] | None = None
) -> Answering:
    """Return the function that answers prompts with our own engine.

    `request_of` makes the request of a prompt. `trace_headers` identifies the caller's tracing span in
    another process. Cost: reading a few megabytes of the model.
    """
    parts = own_parts(engine)

    def answer_prompts(prompts: Sequence[Prompt]) -> Answers:
        yield parts
        remaining = deque(prompts)
        waiting: dict[Handle, tuple[Prompt, CallSpan]] = {}
        try:
            while remaining or waiting:
                # twice as many as rows, so that a free row gets a compiled request at once
                while remaining and len(waiting) < 2 * engine.max_rows:
                    prompt = remaining.popleft()
                    span = _span_of(engine, prompt, trace_headers)
                    try:
                        handle = engine.submit(prompt.make_request(request_of))[0]
                    except StructgenError as error:
                        span.record_error(error)
                        span.end()
                        yield prompt.result_line(error)
                    else:
                        waiting[handle] = prompt, span
                engine.step()
                for handle in [handle for handle in waiting if handle.is_done]:
                    result = handle.result
                    assert result is not None
                    prompt, span = waiting.pop(handle)
                    answer = result.text, result.finish_reason.value
                    span.record_answer(result.usage, [answer], result.error)
                    span.end()
                    yield prompt.result_line(show_result(result, handle.request.grammar))
        finally:
            # nobody waits for the remaining handles
            for handle, (_, span) in waiting.items():
                handle.cancel()
                span.record_error("cancelled")
                span.end()

    return answer_prompts


def _span_of(engine: Engine, prompt: Prompt, trace_headers: Mapping[str, str] | None) -> CallSpan:
    """Return the tracing span of a prompt's line. It begins when the request is submitted."""
    span = call_span("chat", engine.name, {"structgen.line": prompt.line}, parent_headers=trace_headers)
    span.record_prompt(prompt.text)
    return span


def _own_answers(
    model: str,
    options: Mapping[str, Any],
    request_of: RequestMaker,
    trace_headers: Mapping[str, str] | None = None,
) -> Answering:
    """Return the answering of a Ray actor, with an engine of its own. Prompts that come from two threads
    share the batches of this engine.

    `model` and `options` are of `Engine`, such as `{"device": "cpu"}`; `request_of` makes the request of a
    prompt; `trace_headers` names the span of the caller. Errors: those of `Engine`.
    """
    return engine_answers(Engine(model, **options), request_of, trace_headers)


def _find_maker(
    engine: str, prompts: Path, request_of: RequestMaker
) -> Callable[[str, Mapping[str, Any], RequestMaker], Answering]:
    """Return the function that makes the answering of a worker, for an engine's name. Raises OptionError for
    a request that the other engine would treat differently from ours."""
    if engine == _OWN_ENGINE:
        # read here, because the caller's span is not open in the worker's process
        trace_headers = carried_headers()
        return partial(_own_answers, trace_headers=trace_headers) if trace_headers else _own_answers
    module = import_module(_OTHER_ENGINES[engine])
    # all requests are made now, before a worker loads a model
    for prompt in read_prompts(prompts):
        try:
            request = prompt.make_request(request_of)
        except StructgenError:  # its line will have the error
            continue
        module.check_request(request)
    make: Callable[..., Answering] = module.VllmAnswers
    return make


@options_named('run_bulk_on_ray("structgen/extract", prompts, results, request_of)', name="run_bulk_on_ray")
def run_bulk_on_ray(
    model: str | Path,
    prompts: Path,
    results: Path,
    request_of: RequestMaker,
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
    An option of a request that vLLM does otherwise is an OptionError before anything is begun.
    """
    checks.ChoiceCheck((_OWN_ENGINE, *_OTHER_ENGINES))("engine", engine)
    checks.InstanceCheck(Mapping | None, 'Pass an object, as in {"name": 1}.')(
        "engine_options", engine_options
    )
    if engine == _OWN_ENGINE and engine_options:
        raise OptionError(
            "These are options of another engine.", where="engine_options", cure='Add engine="vllm".'
        )
    for name, value in {"shard_size": shard_size, "workers": 1 if workers is None else workers}.items():
        checks.check_whole(name, value, 1)
    options: dict[str, Any] = {"device": device, "dtype": dtype, "max_rows": max_rows}
    if engine != _OWN_ENGINE:
        options["engine_options"] = dict(engine_options or {})
    make = _find_maker(engine, prompts, request_of)
    resolved_name = model_name(model)
    check_causal(resolved_name)
    # an absolute path: the working folder of a worker is another one
    folder = resolved_name if resolved_name in NAMED_MODELS else str(Path(resolved_name).resolve())
    make_worker = partial(make, folder, options, request_of)
    gpu = None if device is None else device.startswith("cuda")
    # Two shards share the batches of our engine, so that its rows stay full when one shard ends.
    shards_at_once = 2 if engine == _OWN_ENGINE else 1

    def answer_on_ray(remaining: Sequence[Prompt]) -> Answers:
        return ray_answers(make_worker, remaining, shard_size, workers, gpu=gpu, at_once=shards_at_once)

    return run_bulk(answer_on_ray, prompts, results, request_of, tell, start_over=start_over)


def show_result(result: Result, grammar: Grammar | CompiledGrammar | None = None) -> JsonObject:
    """Return a result as a JSON object. `grammar` is the grammar of the request."""
    probabilities = probabilities_of(result, grammar)
    return {
        "text": result.text,
        "value": result.value,
        "finish_reason": result.finish_reason.value,
        "tokens": len(result.tokens),
        "logprob": result.logprob,
        "constrained_logprob": result.constrained_logprob,
        **({"probabilities": probabilities} if probabilities else {}),
        "error": None if result.error is None else str(result.error),
    }


def show_usage(usage: Usage) -> JsonObject:
    """Return the usage as a JSON object: forward passes, and how many guesses were accepted."""
    usage_fields = asdict(usage) | {"tokens_per_call": round(usage.tokens_per_call, 3)}
    always = {name: usage_fields[name] for name in _ALWAYS_SHOWN}
    if_set = {name: usage_fields[name] for name in _SHOWN_IF_SET if usage_fields[name]}
    return always | if_set


def show_steps(result: Result, tokenizer: Tokenizer) -> list[JsonObject]:
    """Return the steps of a result as JSON objects: each token, its log-probability without and with the
    mask, and the recorded likeliest tokens as pairs of text and log-probability."""

    def token_text(token: int) -> str:
        return tokenizer.decode([token]).decode("utf-8", "replace")

    def show_pairs(pairs: Sequence[tuple[int, float]]) -> list[list[Any]]:
        return [[token_text(token), logprob] for token, logprob in pairs]

    return [
        {
            "token": step.token,
            "text": token_text(step.token),
            "logprob": step.logprob,
            "constrained_logprob": step.constrained,
            "likeliest": show_pairs(step.likeliest),
            "likeliest_allowed": show_pairs(step.likeliest_allowed),
        }
        for step in result.steps
    ]

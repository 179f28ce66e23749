"""Many prompts from a file, results to a file. Resumable: after a kill no line is lost or done twice.

Each line of the results names its line of the prompts by number. Results are written in the order in which
texts end; when the last one is there, the lines are put in the order of the prompts. If a kill cut off the
last line, the next run removes it. A second file identifies the run that the results are of (`bulk_runs`);
another run is refused. The lock of a third one, `OUT.lock`, keeps a second process out while one works; the
system frees it when the process ends.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from structgen.core.compiled import CompiledGrammar
from structgen.core.grammar import Grammar
from structgen.engine import Engine
from structgen.engine.bulk.bulk_runs import Prompt, engine_parts, model_digest, settle_run
from structgen.engine.requests import Handle, Request, Result, Usage
from structgen.engine.searches.confidence import probabilities_of
from structgen.errors import OptionError, StructgenError
from structgen.language import checks
from structgen.system.cache import writing
from structgen.system.file_locks import exclusive
from structgen.system.text_files import naming
from structgen.tokens.tokenizer import Tokenizer

Answers: TypeAlias = Generator[dict[str, Any], None, None]
"""What an engine says to some prompts: first the parts of the run that it knows (`engine_parts`), then a line
of results for each prompt, in the order in which texts end. To close it is to cancel the others."""


@dataclass(frozen=True, slots=True)
class BulkProgress:
    """Progress: how many lines are done."""

    done: int
    before: int
    """How many of them an earlier run did."""
    total: int
    tokens: int
    """Tokens written in this run."""


def run_bulk(
    engine: Engine,
    prompts: Path,
    results: Path,
    request_of: Callable[[Any], Request],
    tell: Callable[[BulkProgress], None] = lambda _: None,
    *,
    start_over: bool = False,
) -> BulkProgress:
    """Write a line of results for each line of prompts that has none yet. Returns the progress.

    A line of prompts is a JSON string, or an object with `prompt`, or `messages` as OpenAI has them, and
    optionally `id` and `seed`. In a file `.txt`, and in one not `.jsonl` whose first line begins neither with
    { nor with ", a line is the prompt itself. A line of results is an object: `line` (from 0), `id`, and the
    fields of `shown`. A prompt that is refused or fails has a line with its error. Twice as many prompts as
    the engine has rows are submitted at a time. `start_over` deletes existing results. Errors, before
    anything is written: OptionError for a line of prompts that cannot be read, for existing results that are
    of another run or not ours, and while another process writes to `results`; OSError.
    """
    answers = engine_answers(engine, request_of)
    return write_results(answers, prompts, results, request_of, tell, start_over=start_over)


def write_results(
    answers: Callable[[Sequence[Prompt]], Answers],
    prompts: Path,
    results: Path,
    request_of: Callable[[Any], Request],
    tell: Callable[[BulkProgress], None],
    *,
    start_over: bool,
) -> BulkProgress:
    """Do what `run_bulk` says with the answers of any engine to the prompts that are left."""
    if results.exists() and not results.is_file():
        raise OptionError(
            "Results are read back when a run goes on, and this is no plain file.",
            where=str(results),
            cure="Name a file.",
        )
    wanted = list(read_prompts(prompts))
    with _only_writer(results):
        known = _whole_lines(results)
        if start_over:
            known = []
        done, end = {number for number, _ in known}, sum(len(line) for _, line in known)
        before, tokens = len(done), 0
        with closing(answers([prompt for prompt in wanted if prompt.line not in done])) as lines:
            of_engine = next(lines)
            # in this order: after a kill in between there are no results that another run could continue
            if end == 0 and results.exists():
                results.write_bytes(b"")
            settle_run(results, of_engine, wanted, request_of, is_new=end == 0)
            with naming(results), results.open("ab") as out:
                if out.tell() > end:
                    out.truncate(end)
                for line in lines:
                    # an id may hold half of a surrogate pair, which is escaped
                    text = json.dumps(line, ensure_ascii=False)
                    out.write(text.encode("utf-8", "backslashreplace") + b"\n")
                    out.flush()
                    done.add(line["line"])
                    tokens += line.get("tokens", 0)
                    tell(BulkProgress(len(done), before, len(wanted), tokens))
        if len(done) == len(wanted):
            known = _whole_lines(results)
            if known != sorted(known):
                with writing(results, sync=True) as file:
                    file.writelines(line for _, line in sorted(known))
        return BulkProgress(len(done), before, len(wanted), tokens)


@contextmanager
def _only_writer(results: Path) -> Iterator[None]:
    """Keep other processes from some results. Raises OptionError where one writes to them."""
    lock = results.with_name(f"{results.name}.lock")
    lock.touch()  # where it cannot be made, results cannot either, and this says why
    with exclusive(lock) as is_alone:
        if not is_alone:
            raise OptionError(
                "Another process writes to these results now.",
                where=str(results),
                cure="Wait for it, or name another file.",
            )
        try:
            yield
        finally:
            with suppress(OSError):  # a system may keep a file that is open
                lock.unlink()


def engine_answers(
    engine: Engine, request_of: Callable[[Any], Request]
) -> Callable[[Sequence[Prompt]], Answers]:
    """Return what answers prompts with our own engine. Cost: reading a few megabytes of the model. A model
    object is known by its type and sizes alone."""
    if engine.name:
        model = model_digest(engine.name)
    else:
        kind = type(engine.model)
        model = f"{kind.__module__}.{kind.__qualname__} {engine.model.vocab_size} {engine.model.context}"
    parts = engine_parts(model, engine.tokenizer.fingerprint)

    def answers(prompts: Sequence[Prompt]) -> Answers:
        yield parts
        left, waiting = deque(prompts), dict[Handle, Prompt]()
        try:
            while left or waiting:
                while left and len(waiting) < 2 * engine.max_rows:
                    prompt = left.popleft()
                    try:
                        waiting[engine.submit(prompt.request(request_of))[0]] = prompt
                    except StructgenError as error:
                        yield prompt.answered(error)
                engine.step()
                for handle in [handle for handle in waiting if handle.is_done]:
                    assert handle.result is not None
                    yield waiting.pop(handle).answered(shown(handle.result, handle.request.grammar))
        finally:
            # nobody waits for the remaining handles
            for handle in waiting:
                handle.cancel()

    return answers


def shown(result: Result, grammar: Grammar | CompiledGrammar | None = None) -> dict[str, Any]:
    """Return a result as a JSON object; `grammar`: the request's."""
    compared = probabilities_of(result, grammar)
    return {
        "text": result.text,
        "value": result.value,
        "finish_reason": result.finish_reason.value,
        "tokens": len(result.tokens),
        "logprob": result.logprob,
        "constrained_logprob": result.constrained_logprob,
        **({"probabilities": compared} if compared else {}),
        "error": None if result.error is None else str(result.error),
    }


def shown_usage(usage: Usage) -> dict[str, Any]:
    """Return the usage as a JSON object: forward passes, and how many guesses were accepted."""
    said = asdict(usage) | {"tokens_per_call": round(usage.tokens_per_call, 3)}
    return {name: said[name] for name in _ALWAYS} | {name: said[name] for name in _IF_SET if said[name]}


_ALWAYS = ("prompt_tokens", "tokens", "calls", "tokens_per_call", "drafted", "accepted", "speculation")
_IF_SET = ("outline", "choices", "strategy", "strategy_calls", "monitors")
"""Fields of a usage that are shown; some where they say something."""


def shown_steps(result: Result, tokenizer: Tokenizer) -> list[dict[str, Any]]:
    """Return the steps of a result as JSON objects: each token, its log-probability without and with the
    mask, and the recorded likeliest tokens as pairs of text and log-probability."""

    def text(token: int) -> str:
        return tokenizer.decode([token]).decode("utf-8", "replace")

    return [
        {
            "token": step.token,
            "text": text(step.token),
            "logprob": step.logprob,
            "constrained_logprob": step.constrained,
            "likeliest": [[text(token), p] for token, p in step.likeliest],
            "likeliest_allowed": [[text(token), p] for token, p in step.likeliest_allowed],
        }
        for step in result.steps
    ]


def read_prompts(path: Path) -> Iterator[Prompt]:
    """Yield the prompts of a file. Raises OptionError for a line that is none, OSError."""
    with path.open("rb") as lines:
        is_plain = {".txt": True, ".jsonl": False}.get(path.suffix)
        for number, line in enumerate(lines):
            if not line.strip():
                continue
            if is_plain is None:
                is_plain = line.lstrip()[:1] not in (b"{", b'"')
            where = f"{path}:{number + 1}"
            try:
                text = line.decode("utf-8-sig" if number == 0 else "utf-8")
                found = text.rstrip("\r\n") if is_plain else json.loads(text)
            except (ValueError, RecursionError) as error:
                raise OptionError(
                    f"Not {'UTF-8' if is_plain else 'JSON'}: {error}.",
                    where=where,
                    cure="Write one JSON string or object on each line, in UTF-8; or plain prompts in a "
                    ".txt file.",
                ) from error
            row = {"prompt": found} if isinstance(found, str) else found
            keys = set(row) if isinstance(row, dict) else set()
            unknown = sorted(keys - {"id", "prompt", "messages", "seed"})
            if (
                unknown
                or len(keys & {"prompt", "messages"}) != 1
                or not isinstance(row.get("prompt", ""), str)
            ):
                told = f", and not {', '.join(map(repr, unknown))}" if unknown else ""
                raise OptionError(
                    f"A line is a string, or an object with prompt or messages, id and seed{told}.",
                    where=where,
                    cure='Write {"prompt": "..."} or {"messages": [{"role": "user", "content": "..."}]} on a '
                    "line of its own; options are those of the call.",
                )
            asked: Any = row.get("prompt")
            if asked is None:
                asked = checks.messages(f"{where}, messages", row["messages"])
            yield Prompt(number, row.get("id"), asked, row.get("seed"))


def _whole_lines(path: Path) -> list[tuple[int, bytes]]:
    """Return the whole lines of results, each with its number."""
    *lines, rest = path.read_bytes().split(b"\n") if path.exists() else [b""]
    try:
        # a line that a kill cut off begins like any line of ours
        if not rest.startswith(_BEGIN[: len(rest)]):
            raise ValueError("the last line")
        return [(int(json.loads(line)["line"]), line + b"\n") for line in lines]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise OptionError(
            "The results hold a line that is none of ours.",
            where=str(path),
            cure="Name another file, or move this one away.",
        ) from error


_BEGIN = b'{"line": '

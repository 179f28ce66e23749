"""Many prompts from a file, results to a file: resumable after a kill, nothing done twice, nothing lost.

A line of the results stands for a line of the prompts, by its number; lines come in the order in which texts
end. A line that a kill cut off is taken away when the work goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from structgen.engine.doors import Engine
from structgen.engine.requests import Handle, Request, Result
from structgen.errors import OptionError, StructgenError
from structgen.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the work is."""

    done: int
    before: int
    """Of those, done by an earlier run."""
    total: int
    tokens: int
    """Of this run."""


def run_bulk(
    engine: Engine,
    prompts: Path,
    results: Path,
    request_of: Callable[[str], Request],
    tell: Callable[[Progress], None] = lambda _: None,
) -> Progress:
    """Write a line of results for each line of prompts that has none yet; returns how far the work is.

    A line of prompts is a JSON string, or an object with `prompt` and, if wanted, `id` and `seed`. A line of
    results is an object: `line` (from 0), `id`, and what `shown` has of the result.
    What cannot be begun or fails has a line with its error. Twice as many prompts are under way as the engine
    has rows.
    Errors: OptionError where a line of prompts cannot be read, before anything is written.
    """
    wanted = list(_prompts(prompts))
    done = _done(results)
    before, tokens = len(done), 0
    with results.open("a", encoding="utf-8") as out:
        waiting: list[tuple[int, Any, Handle]] = []
        todo = (item for item in wanted if item[0] not in done)
        more = True
        while more or waiting:
            while more and len(waiting) < 2 * engine.max_rows:
                item = next(todo, None)
                if item is None:
                    more = False
                    break
                line, name, prompt, seed = item
                try:
                    request = request_of(prompt)
                    if seed is not None:
                        request = replace(request, sampling=replace(request.sampling, seed=seed))
                    waiting.append((line, name, engine.submit(request)[0]))
                except StructgenError as error:
                    _write(out, {"line": line, "id": name, "error": str(error)})
                    done.add(line)
            engine.step()
            for entry in [entry for entry in waiting if entry[2].is_done]:
                waiting.remove(entry)
                line, name, handle = entry
                assert handle.result is not None
                _write(out, {"line": line, "id": name, **shown(handle.result)})
                done.add(line)
                tokens += len(handle.result.tokens)
            tell(Progress(len(done), before, len(wanted), tokens))
    return Progress(len(done), before, len(wanted), tokens)


def shown(result: Result) -> dict[str, Any]:
    """Return a result as JSON has it."""
    return {
        "text": result.text,
        "value": result.value,
        "finish_reason": result.finish_reason.value,
        "tokens": len(result.tokens),
        "logprob": result.logprob,
        "constrained_logprob": result.constrained_logprob,
        "error": None if result.error is None else str(result.error),
    }


def shown_steps(result: Result, tokenizer: Tokenizer) -> list[dict[str, Any]]:
    """Return the steps of a result for JSON: each token with its log-probability, alone and given the mask,
    and the likeliest tokens that were kept, as pairs of text and log-probability."""

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


def _write(out: Any, line: dict[str, Any]) -> None:
    out.write(json.dumps(line, ensure_ascii=False) + "\n")
    out.flush()


def _prompts(path: Path) -> Iterator[tuple[int, Any, str, int | None]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
            except ValueError as error:
                raise OptionError(f"Not JSON: {error}", where=f"{path}:{number + 1}") from error
            one = {"prompt": found} if isinstance(found, str) else found
            if not isinstance(one, dict) or not isinstance(one.get("prompt"), str):
                raise OptionError(
                    "A line is a string, or an object with a string as its `prompt`.",
                    where=f"{path}:{number + 1}",
                    cure='Write {"prompt": "..."} on a line of its own.',
                )
            unknown = sorted(set(one) - {"id", "prompt", "seed"})
            if unknown:
                raise OptionError(f"Unknown: {', '.join(unknown)}.", where=f"{path}:{number + 1}")
            yield number, one.get("id"), one["prompt"], one.get("seed")


def _done(path: Path) -> set[int]:
    """Return the lines that have results; what a kill cut off is taken away."""
    if not path.exists():
        return set()
    whole = path.read_bytes()
    end = whole.rfind(b"\n") + 1
    if end < len(whole):
        with path.open("r+b") as file:
            file.truncate(end)
    try:
        return {int(json.loads(line)["line"]) for line in whole[:end].splitlines()}
    except (ValueError, KeyError, TypeError) as error:
        raise OptionError(
            "The results hold a line that is none of ours.",
            where=str(path),
            cure="Name another file, or move this one away.",
        ) from error

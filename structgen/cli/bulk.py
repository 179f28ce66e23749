"""`structgen bulk`: a model works through a file of prompts, in one process or on Ray.

A terminal gets a bar; elsewhere a line is printed each ten seconds, and one at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from structgen.cli.named_options import (
    GrammarFile,
    MaxTokens,
    ModelName,
    Named,
    OptionsFile,
    RegexPattern,
    SchemaFile,
    Seed,
    Temperature,
    TypeName,
    read_options,
)
from structgen.cli.output import echo, progress, refusing
from structgen.cli.wanted_texts import WantedTexts
from structgen.errors import OptionError

if TYPE_CHECKING:
    from structgen.engine.bulk import BulkProgress


def bulk(
    prompts: Annotated[
        Path,
        typer.Option(
            help="A file of prompts: on each line a JSON string or object, or the prompt itself.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="The file of results, with --ray the folder of results. A second call goes on where the "
            "first one stopped; FILE.run keeps the options, and other options are refused.",
            show_default=False,
        ),
    ],
    model: ModelName = None,
    schema: SchemaFile = None,
    type_: TypeName = None,
    grammar: GrammarFile = None,
    regex: RegexPattern = None,
    start_over: Annotated[
        bool, typer.Option("--start-over", help="Delete the results that are there.")
    ] = False,
    ray: Annotated[
        bool,
        typer.Option(
            "--ray",
            help="Work on Ray, on the cluster of RAY_ADDRESS or on this machine. Each worker writes shards "
            "into the folder --out; the next call does the shards that are missing.",
        ),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="With --ray: how many workers load the model.  [default: one for each GPU or processor]",
            show_default=False,
        ),
    ] = None,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    seed: Seed = None,
    options: OptionsFile = None,
    named: Named = None,
) -> None:
    """Let a model write a document or a text for each prompt of a file.

    The prompts are asked as `structgen generate` asks one. After a kill or Ctrl-C the same command goes on:
    nothing is written twice, and nothing is lost.

    Exit status: 0 done; 2 wrong usage, or the model, schema or grammar is not usable; 130 Ctrl-C.
    """
    flags = locals()
    with refusing(False):
        wanted = WantedTexts(read_options("bulk", flags, named, options))
        wanted.check()
        wanted.hint()
        try:
            _shown(_on_ray(wanted) if "ray" in wanted.given else _here(wanted))
        except KeyboardInterrupt:
            echo(f"Stopped. The same command without --start-over goes on from {out}.", err=True)
            raise


_Work = Callable[["Callable[[BulkProgress], None]"], "BulkProgress"]


def _here(wanted: WantedTexts) -> _Work:
    """Return the work of this process."""
    from structgen.engine.bulk import run_bulk

    engine, values = wanted.engine(), wanted.given.values
    return lambda tell: run_bulk(
        engine,
        values["prompts"],
        values["out"],
        wanted.request_of,
        tell,
        start_over="start_over" in values,
    )


def _on_ray(wanted: WantedTexts) -> _Work:
    """Return the work of workers on Ray."""
    from structgen.engine.bulk import run_bulk_on_ray

    values = wanted.given.values
    how = wanted.given.some(("workers", "max_rows", "device", "dtype", "engine", "shard_size"))
    options = wanted.given.get("engine_options", {})
    if not isinstance(options, dict):
        raise OptionError(
            "It is no JSON object.", where="-o engine_options", cure="Write it as in '{\"name\": 1}'."
        )
    return lambda tell: run_bulk_on_ray(
        wanted.model,
        values["prompts"],
        values["out"],
        wanted.request_of,
        tell,
        start_over="start_over" in values,
        engine_options=options,
        **how,
    )


def _shown(work: _Work) -> None:
    """Do the work, and show its progress."""
    begun = time.perf_counter()

    def rate(now: BulkProgress) -> str:
        return f"{now.tokens / max(time.perf_counter() - begun, 1e-9):,.0f} tokens/s"

    with progress("bulk", "texts") as tell:
        last = work(lambda now: tell(now.done, now.total, rate(now)))
    before = f", {last.before:,} of them before" if last.before else ""
    echo(f"{last.done:,} of {last.total:,} texts{before}; {rate(last)}", err=True)

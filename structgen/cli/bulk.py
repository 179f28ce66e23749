"""`structgen bulk`: a model works through a file of prompts, in one process or on Ray.

A terminal gets a bar; elsewhere a line is printed each ten seconds, and one at the end.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from structgen.cli.flags import OF_TEXTS
from structgen.cli.named_options import Given, reads
from structgen.cli.output import echo
from structgen.cli.wanted_texts import WantedTexts
from structgen.system.progress import progress

if TYPE_CHECKING:
    from structgen.engine.bulk_runs import BulkProgress


@reads(
    *("prompts", "out", "model", "schema", "type", "grammar", "regex", "start_over", "ray", "workers"),
    *("temperature", "max_tokens", "seed"),
    more=(*OF_TEXTS, "engine", "engine_options", "shard_size"),
)
def bulk(given: Given) -> None:
    """Let a model write a document or a text for each prompt of a file.

    The prompts are asked as `structgen generate` asks one. After a kill or Ctrl-C the same command goes on:
    nothing is written twice, and nothing is lost.

    Exit status: 0 done; 2 wrong usage, or the model, schema or grammar is not usable; 130 Ctrl-C.
    """
    wanted = WantedTexts(given)
    wanted.check()
    wanted.hint()
    try:
        work, begun = _work(wanted), time.perf_counter()

        def rate(now: BulkProgress) -> str:
            return f"{now.tokens / max(time.perf_counter() - begun, 1e-9):,.0f} tokens/s"

        with progress("bulk", "texts") as tell:
            last = work(tell=lambda now: tell(now.done, now.total, rate(now)))
        before = f", {last.before:,} of them before" if last.before else ""
        echo(f"{last.done:,} of {last.total:,} texts{before}; {rate(last)}", err=True)
    except KeyboardInterrupt:
        out = given.get("out")
        echo(f"Stopped. The same command without --start-over goes on from {out}.", err=True)
        raise


_AT_ONCE: Final = 8
"""The requests to a server at a time, without -o max_rows."""


def _work(wanted: WantedTexts) -> partial[BulkProgress]:
    """Return the work, of this process or of workers on Ray; it takes who is told of the progress."""
    from structgen.engine.bulk_runs import run_bulk, run_bulk_on_ray

    given = wanted.given
    if "ray" in given:
        of_ray = ("workers", "max_rows", "device", "dtype", "engine", "shard_size", "engine_options")
        work = partial(run_bulk_on_ray, wanted.model, **given.some(of_ray))
    elif wanted.is_asked_whole:
        from structgen.cli.served import served_answers

        at_once = given.get("max_rows", _AT_ONCE) if given.is_served else 1
        asked = served_answers(wanted.model, wanted.form, wanted.request_of, at_once)
        work = partial(run_bulk, asked)
    else:
        work = partial(run_bulk, wanted.engine())
    files = given.values["prompts"], given.values["out"], wanted.request_of
    return partial(work, *files, start_over="start_over" in given.values)

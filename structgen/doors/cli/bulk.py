"""`structgen bulk`: a model works through a file of prompts, in one process or on Ray.

A terminal gets a bar; elsewhere a line is printed each ten seconds, and one at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from structgen.base.errors import OptionError
from structgen.base.system.installation import needing
from structgen.base.system.progress import progress
from structgen.doors.cli.flags import OF_ENGINE, OF_TEXTS
from structgen.doors.cli.named_options import Given, reads
from structgen.doors.cli.output import echo
from structgen.doors.cli.wanted_texts import WantedTexts

if TYPE_CHECKING:
    from structgen.decoding.engine.bulk_runs import BulkProgress


@reads(
    *("prompts", "out", "model", "schema", "type", "grammar", "regex", "start_over", "ray", "workers"),
    *("temperature", "max_tokens", "seed"),
    more=(*OF_TEXTS, "engine", "engine_options", "shard_size", "format"),
    places={"prompts": "FILE", "model": "MODEL"},
)
def bulk(given: Given) -> None:
    """Let a model write a document or a text for each prompt of a file.

    The prompts are asked as `structgen generate` asks one. The requests of a batch file of OpenAI or
    Anthropic are answered as `structgen serve` does it, by MODEL, whatever they call it; a request that is
    refused has a line with its error. After a kill or Ctrl-C the same command goes on: nothing is written
    twice, and nothing is lost.

    Exit status: 0 done; 2 wrong usage, or the model, schema or grammar is not usable; 130 Ctrl-C.
    """
    protocol = _protocol(given)
    is_batch = protocol != "prompts"
    try:
        work = _batch_work(given, protocol) if is_batch else _work(WantedTexts(given))
        begun = time.perf_counter()

        def rate(now: BulkProgress) -> str:
            count, unit = (now.done - now.before, "texts") if is_batch else (now.tokens, "tokens")
            return f"{count / max(time.perf_counter() - begun, 1e-9):,.0f} {unit}/s"

        with progress("bulk", "texts") as tell:
            last = work(tell=lambda now: tell(now.done, now.total, rate(now)))
        before = f", {last.before:,} of them before" if last.before else ""
        echo(f"{last.done:,} of {last.total:,} texts{before}; {rate(last)}", err=True)
    except KeyboardInterrupt:
        out = given.get("out")
        echo(f"Stopped. The same command without --start-over goes on from {out}.", err=True)
        raise


_OF_BATCHES: Final = ("prompts", "out", "model", "start_over", "format", "timeout", *OF_ENGINE)


def _protocol(given: Given) -> str:
    """Return the protocol of a batch file, or "prompts" for a file of prompts. Errors: OptionError for files
    that are missing, and for options of texts beside a batch."""
    # start-up time: numpy
    from structgen.base.language import checks
    from structgen.doors.serving.batch_runs import protocol_of

    for name in ("prompts", "out"):
        if name not in given:
            raise OptionError(
                "It is missing.", where=f"--{name}", cure="Write structgen bulk FILE --out FILE."
            )
    path, out = given.get("prompts"), given.get("out")
    own = (out, *(out.with_name(f"{out.name}.{end}") for end in ("run", "lock")))
    if any(file.exists() and file.samefile(path) for file in own):
        raise OptionError("It has the prompts or requests.", where="out", cure="Name another file.")
    kind = given.get("format") or protocol_of(path)
    checks.OneOf(("prompts", "openai", "anthropic"))("format", kind)
    for name in given.values if kind != "prompts" else ():
        if name not in _OF_BATCHES:
            cure = "Leave it out: its requests say all but the model. -o format=prompts reads prompts."
            raise OptionError("It has no meaning beside a batch file.", where=name, cure=cure)
    return str(kind)


def _batch_work(given: Given, protocol: str) -> Callable[..., BulkProgress]:
    """Return the work on a batch file, whose errors come before the model is loaded."""
    # start-up time: numpy
    from structgen.doors.serving.batch_runs import batch_results, read_batch
    from structgen.doors.serving.server_options import ServerOptions

    path, named = given.get("prompts"), given.get("model")
    lines = read_batch(path, protocol, str(path), ServerOptions().max_body)
    with needing("A batch file", "serve", where=str(path), kind=OptionError):
        # optional: serve
        from anyio.from_thread import start_blocking_portal

        from structgen.doors.serving.app import ModelServer
    from structgen.decoding.engine.bulk_runs import told_progress
    from structgen.doors.serving.served_model import ServedModel

    engine = WantedTexts(given).engine()
    server = ModelServer(ServedModel(engine, named, seconds=given.get("timeout")), ServerOptions())
    results, how = given.get("out"), {"model": named, **given.some(("start_over",))}

    def work(tell: Callable[[BulkProgress], None]) -> BulkProgress:
        with start_blocking_portal() as portal:
            answered = batch_results(portal, server, lines, results, 2 * engine.max_rows, **how)
            return told_progress(answered, len(lines), tell)

    return work


def _work(wanted: WantedTexts) -> partial[BulkProgress]:
    """Return the work, of this process or of workers on Ray; it takes who is told of the progress."""
    from structgen.decoding.engine.bulk_runs import run_bulk, run_bulk_on_ray

    given = wanted.given
    wanted.check()
    wanted.hint()
    if "ray" in given:
        of_ray = ("workers", "max_rows", "device", "dtype", "engine", "shard_size", "engine_options")
        work = partial(run_bulk_on_ray, wanted.model, **given.some(of_ray))
    elif wanted.is_asked_whole:
        from structgen.doors.cli.served import form_of_request, served_answers
        from structgen.doors.extraction.extract_options import EXTRACT_DEFAULTS

        # to a server as many requests at a time as sg.extract makes
        at_once = given.get("max_rows", EXTRACT_DEFAULTS["at_once"]) if given.is_served else 1
        request = wanted.request_without_prompt
        form = wanted.form or form_of_request(request)
        asked = served_answers(wanted.model, form, request, wanted.grounding, at_once)
        work = partial(run_bulk, asked)
    else:
        work = partial(run_bulk, wanted.engine())
    files = given.get("prompts"), given.get("out"), wanted.request_of
    return partial(work, *files, start_over="start_over" in given.values)

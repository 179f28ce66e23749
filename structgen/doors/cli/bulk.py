"""`structgen bulk`: a model works through a file of prompts, in one process or on Ray.

A terminal gets a bar; elsewhere a line is printed each ten seconds, and one at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from structgen.base.errors import OptionError
from structgen.base.system.installation import require_extras
from structgen.decoding.runs.progress import open_progress
from structgen.doors.cli.flags import OF_ENGINE, OF_TEXTS
from structgen.doors.cli.model_requests import ModelRequests
from structgen.doors.cli.named_options import CommandOptions, takes_options
from structgen.doors.cli.output import echo

if TYPE_CHECKING:
    from structgen.decoding.engine.bulk_runs import BulkProgress


@takes_options(
    *("prompts", "out", "model", "schema", "type", "grammar", "regex", "start_over", "ray", "workers"),
    *("temperature", "max_tokens", "seed"),
    more_names=(*OF_TEXTS, "engine", "engine_options", "shard_size", "format"),
    positional_names={"prompts": "FILE", "model": "MODEL"},
)
def bulk(options: CommandOptions) -> None:
    """Let a model write a document or a text for each prompt of a file.

    The prompts are asked as `structgen generate` asks one. The requests of a batch file of OpenAI or
    Anthropic are answered as `structgen serve` does it, by MODEL, whatever they call it; a request that is
    refused has a line with its error. After a kill or Ctrl-C the same command goes on: nothing is written
    twice, and nothing is lost.

    Exit status: 0 done; 2 wrong usage, or the model, schema or grammar is not usable; 130 Ctrl-C.
    """
    protocol = _read_protocol(options)
    is_batch = protocol != "prompts"
    try:
        work = _batch_work(options, protocol) if is_batch else _prompt_work(ModelRequests(options))
        start_time = time.perf_counter()

        def format_rate(state: BulkProgress) -> str:
            count, unit = (state.done - state.before, "texts") if is_batch else (state.tokens, "tokens")
            return f"{count / max(time.perf_counter() - start_time, 1e-9):,.0f} {unit}/s"

        # the bar shows texts, and the rate of tokens: texts differ in length
        with open_progress("bulk", "texts") as report:
            last = work(tell=lambda now: report(now.done, now.total, format_rate(now)))
        earlier_text = f", {last.before:,} of them before" if last.before else ""
        echo(f"{last.done:,} of {last.total:,} texts{earlier_text}; {format_rate(last)}", err=True)
    except KeyboardInterrupt:
        out = options.get("out")
        echo(f"Stopped. The same command without --start-over goes on from {out}.", err=True)
        raise


_OF_BATCHES: Final = ("prompts", "out", "model", "start_over", "format", "timeout", *OF_ENGINE)


def _read_protocol(options: CommandOptions) -> str:
    """Return the protocol of a batch file, or "prompts" for a file of prompts. Errors: OptionError for files
    that are missing, and for options of texts beside a batch, whose requests have their own."""
    # start-up time: numpy
    from structgen.base.language import checks
    from structgen.doors.serving.batch_runs import protocol_of

    for name in ("prompts", "out"):
        if name not in options:
            raise OptionError(
                "--out is missing.", where=f"--{name}", cure="Write structgen bulk FILE --out FILE."
            )
    path, out = options.get("prompts"), options.get("out")
    own_files = (out, *(out.with_name(f"{out.name}.{end}") for end in ("run", "lock")))
    if any(file.exists() and file.samefile(path) for file in own_files):
        raise OptionError(
            "The file contains the prompts or requests.", where="out", cure="Name another file."
        )
    kind = options.get("format") or protocol_of(path)
    checks.ChoiceCheck(("prompts", "openai", "anthropic"))("format", kind)
    for name in options.values if kind != "prompts" else ():
        if name not in _OF_BATCHES:
            cure = "Remove it: the requests set everything but the model. -o format=prompts reads prompts."
            raise OptionError("The option has no effect with a batch file.", where=name, cure=cure)
    return str(kind)


def _batch_work(options: CommandOptions, protocol: str) -> Callable[..., BulkProgress]:
    """Return the work on a batch file, whose errors come before the model is loaded."""
    # start-up time: numpy
    from structgen.doors.serving.batch_runs import batch_results, read_batch
    from structgen.doors.serving.server_options import ServerOptions

    path, model_name = options.get("prompts"), options.get("model")
    lines = read_batch(path, protocol, str(path), ServerOptions().max_body)
    with require_extras("A batch file", "serve", where=str(path), kind=OptionError):
        # optional: serve
        from anyio.from_thread import start_blocking_portal

        from structgen.doors.serving.app import ModelServer
    from structgen.decoding.engine.bulk_runs import report_progress
    from structgen.doors.serving.served_model import ServedModel

    engine = ModelRequests(options).load_engine()
    server = ModelServer(ServedModel(engine, model_name, seconds=options.get("timeout")), ServerOptions())
    results, run_options = options.get("out"), {"model": model_name, **options.select_given(("start_over",))}

    def work(tell: Callable[[BulkProgress], None]) -> BulkProgress:
        with start_blocking_portal() as portal:
            answered = batch_results(portal, server, lines, results, 2 * engine.max_rows, **run_options)
            return report_progress(answered, len(lines), tell)

    return work


def _prompt_work(requests: ModelRequests) -> partial[BulkProgress]:
    """Return the work on a file of prompts, in this process or by workers on Ray. It takes `tell`, the
    callback of progress."""
    from structgen.decoding.engine.bulk_runs import run_bulk, run_bulk_on_ray

    options = requests.options
    requests.check()
    requests.warn_of_form()
    if "ray" in options:
        ray_options = ("workers", "max_rows", "device", "dtype", "engine", "shard_size", "engine_options")
        work = partial(run_bulk_on_ray, requests.model, **options.select_given(ray_options))
    elif requests.gives_whole_texts:
        from structgen.doors.cli.served import form_of_request, server_answering
        from structgen.doors.extraction.extract_options import EXTRACT_DEFAULTS

        # to a server as many requests at a time as sg.extract makes
        at_once = options.get("max_rows", EXTRACT_DEFAULTS["at_once"]) if options.is_served else 1
        request = requests.request_without_prompt
        form = requests.form or form_of_request(request)
        answering = server_answering(requests.model, form, request, requests.grounding, at_once)
        work = partial(run_bulk, answering)
    else:
        work = partial(run_bulk, requests.load_engine())
    files = options.get("prompts"), options.get("out"), requests.request_of
    return partial(work, *files, start_over="start_over" in options.values)

"""`structgen generate`: a model writes documents of a schema, or texts of a grammar."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from structgen.base.errors import NotStatedError, OptionError
from structgen.doors.cli.flags import OF_TEXTS, OF_TOOLS
from structgen.doors.cli.model_requests import ModelRequests
from structgen.doors.cli.named_options import CommandOptions, takes_options
from structgen.doors.cli.output import (
    echo,
    echo_json_text,
    has_piped_input,
    print_payload,
    read_input,
    refuse,
)
from structgen.doors.cli.served import form_of_request, task_of_request

if TYPE_CHECKING:
    from structgen.decoding.engine import Engine, Request
    from structgen.doors.typed.outcomes import Outcome
    from structgen.doors.typed.target_forms import TargetForm


@takes_options(
    *("model", "schema", "type", "grammar", "regex", "tools", "prompt", "n", "temperature", "max_tokens"),
    *("seed", "stream", "json"),
    more_names=(*OF_TEXTS, *OF_TOOLS, "attempts", "trace", "usage", "evidence"),
)
def generate(options: CommandOptions) -> None:
    """Let a model write a document of a schema, a text of a grammar or a regular expression, or tool calls.

    The model is asked as in Python: with its chat template if it has one, and then the outline of the schema
    follows the prompt. The embedded models read the outline too, and write as json.dumps does.

    With --tools the reply is printed as the model wrote it; --json has its texts and calls apart.

    `structgen sample` draws from the model's own distribution; `structgen bulk` works through a file of
    prompts.

    Exit status: 0 done; 1 a text ended in an error; 2 wrong usage, or the model, schema or grammar is not
    usable; 130 Ctrl-C.
    """
    requests = ModelRequests(options)
    read_prompt = prompt_reader(requests)
    requests.check()
    try:
        request = requests.request_of(read_prompt())
    except NotStatedError as error:
        refuse(error, "json" in options, 1)
    requests.warn_of_form()
    if request.n > 1 and request.chosen_by.temperature == 0:
        echo("Hint: at temperature 0 all samples are the same. Add --temperature 1.", err=True)
    raise typer.Exit(int(_print_samples(requests, request)))


def prompt_reader(requests: ModelRequests) -> Any:
    """Return a function that reads the prompt: the option, or standard input for `-` or a pipe. Raises
    OptionError where there is no prompt."""
    options = requests.options
    prompt = options.get("prompt")
    # the pipe may have the text to edit
    if prompt is None and options.get("edit") != "-" and has_piped_input():
        prompt = read_input(Path("-"), "--prompt").strip() or None
    if prompt is None:
        raise OptionError("The prompt is missing.", where="--prompt", cure="Pass it, or a pipe with a text.")
    return lambda: read_input(Path("-"), "--prompt") if prompt == "-" else str(prompt)


def _print_samples(requests: ModelRequests, request: Request) -> bool:
    """Print the samples of one prompt; return whether one ended in an error, or its type refuses it.

    An engine writes the texts of a request in one batch. Texts of a server, of a model that fills masks, and
    replies that may call tools are asked for one by one, as typed functions do it.
    """
    from structgen.decoding.engine.requests import Result
    from structgen.doors.typed.functions import obtain_outcome
    from structgen.doors.typed.prompts import TextRequest, source_of_prompt
    from structgen.doors.typed.waiting import run_coroutine, run_generator

    options, form = requests.options, requests.form or form_of_request(requests.request_without_prompt)
    engine = None if requests.gives_whole_texts else requests.load_engine()
    handles = [] if engine is None or form.tools is not None else engine.submit(request)
    streams = "stream" in options and "json" not in options
    source, has_failed = source_of_prompt(request.prompt), False
    # a text that was printed cannot be asked for again, and samples of one batch have one attempt
    has_one_attempt = "stream" in options or (handles and request.n > 1)
    attempts = 1 if has_one_attempt else options.get("attempts", 3)
    if engine is not None and not streams:
        engine.drive(handles)  # all samples at once
    for sample in range(request.n):
        model, grounding = engine or requests.model, requests.grounding
        writer, task = task_of_request(model, request, form, attempts, sample, **grounding)
        first = None
        if streams and engine is not None and handles:
            _print_pieces(engine.pieces(handles[sample]), form)
        elif streams:
            final_results = list[Result]()
            pieces = writer.stream_text(TextRequest.narrow(task, source), final_results.append)
            _print_pieces(run_generator(pieces), form)
            first = final_results[0]
        sample_request = request
        if handles:
            first, sample_request = handles[sample].result, handles[sample].request
        outcome = run_coroutine(obtain_outcome(writer, task, source, first, detailed="evidence" in options))
        has_failed |= _print_outcome(outcome, sample_request, engine, requests, form)
    return has_failed


def _print_pieces(pieces: Iterable[str], form: TargetForm) -> None:
    """Print a text as it comes, without the wrapper of its document."""
    from structgen.doors.typed.wrapping import Unwrapping

    inside = Unwrapping() if form.is_wrapped else None
    for piece in pieces:
        print_payload(piece if inside is None else inside.add_piece(piece), newline=False)
    print_payload("" if inside is None else inside.add_piece(None))


def _print_outcome(
    outcome: Outcome[Any],
    request: Request,
    engine: Engine | None,
    requests: ModelRequests,
    form: TargetForm,
) -> bool:
    """Print one sample, its hints and its files; return whether it ended in an error.

    `request`: that of the sample, whose grammar reads the text; `engine`: None for a model that gives whole
    texts. For example, with `--json` the sample is one line of JSON.
    """
    from structgen.decoding.engine.trace import describe_speculation
    from structgen.doors.typed.wrapping import unwrap_document

    options, result = requests.options, outcome.result
    fault = None if outcome.error is None else outcome.error.__cause__ or outcome.error
    if "json" in options:
        echo_json_text({**_outcome_object(outcome, request, engine, form), "error": fault and str(fault)})
    elif "stream" not in options:
        print_payload(unwrap_document(result.text) if form.is_wrapped else result.text)
    if fault is not None:
        echo(f"{type(fault).__name__}: {fault}", err=True)
    for message in filter(None, (result.usage.outline, result.usage.choices)):
        echo(f"Hint: {message}", err=True)
    if "usage" in options:
        attempts_text = f", attempts: {outcome.attempts}" * (outcome.attempts > 1)
        echo(
            f"{outcome.usage.tokens:,} tokens{attempts_text}, {describe_speculation(outcome.usage)}", err=True
        )
    if outcome.evidence is not None:
        outcome.evidence.write(options.get("evidence"))
    if "trace" in options and engine is not None:
        title = f"structgen generate: {result.finish_reason.value}"
        engine.trace(result, title).write(options.get("trace"))
    return fault is not None


def _outcome_object(
    outcome: Outcome[Any],
    request: Request,
    engine: Engine | None,
    form: TargetForm,
) -> dict[str, Any]:
    """Return one sample as a JSON object, as `--json` prints it: `{"text": ..., "value": ..., "usage": ...}`.

    `engine`: None for a model that gives whole texts, and no probabilities.
    """
    from structgen.decoding.engine.bulk_runs import show_result, show_steps, show_usage
    from structgen.decoding.engine.searches.confidence import confidences_of

    result, reply = outcome.result, outcome.reply
    members = show_result(result, request.grammar)
    if reply is not None:
        del members["value"]
        members["texts"] = reply.texts
        members["calls"] = [
            {"id": call.id, "name": call.name, "arguments": dict(call.arguments)} for call in reply.calls
        ]
    members |= {
        "thoughts": result.thoughts,
        "attempts": outcome.attempts,
        "usage": show_usage(outcome.usage),
    }
    if outcome.attempts > 1:
        members["usage"]["attempts"] = list(map(show_usage, outcome.usages))
    if engine is None:
        return {**members, "logprob": None, "constrained_logprob": None}
    if reply is None and not (request.chosen_by.strategies or result.usage.strategy):
        sure = confidences_of(result, request.grammar, engine.tokenizer, form.value_pointer)
        members["confidences"] = {pointer: asdict(confidence) for pointer, confidence in sure.items()}
    if request.logprobs:
        members["steps"] = show_steps(result, engine.tokenizer)
    return members

"""`structgen generate`: a model writes documents of a schema, or texts of a grammar."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from structgen.base.errors import NotStatedError, OptionError
from structgen.doors.cli.flags import OF_TEXTS, OF_TOOLS
from structgen.doors.cli.named_options import Given, reads
from structgen.doors.cli.output import echo, echo_json_text, has_piped_input, payload, read_input, refuse
from structgen.doors.cli.served import asked_of, form_of_request
from structgen.doors.cli.wanted_texts import WantedTexts

if TYPE_CHECKING:
    from structgen.decoding.engine import Engine, Request
    from structgen.doors.typed.outcomes import Outcome
    from structgen.doors.typed.target_forms import TargetForm


@reads(
    *("model", "schema", "type", "grammar", "regex", "tools", "prompt", "n", "temperature", "max_tokens"),
    *("seed", "stream", "json"),
    more=(*OF_TEXTS, *OF_TOOLS, "attempts", "trace", "usage", "evidence"),
)
def generate(given: Given) -> None:
    """Let a model write a document of a schema, a text of a grammar or a regular expression, or tool calls.

    The model is asked as in Python: with its chat template if it has one, and then the outline of the schema
    follows the prompt. The embedded models read the outline too, and write as json.dumps does.

    With --tools the reply is printed as the model wrote it; --json has its texts and calls apart.

    `structgen sample` draws from the model's own distribution; `structgen bulk` works through a file of
    prompts.

    Exit status: 0 done; 1 a text ended in an error; 2 wrong usage, or the model, schema or grammar is not
    usable; 130 Ctrl-C.
    """
    wanted = WantedTexts(given)
    asked = prompt_of(wanted)
    wanted.check()
    try:
        request = wanted.request_of(asked())
    except NotStatedError as error:
        refuse(error, "json" in given, 1)
    wanted.hint()
    if request.n > 1 and request.chosen_by.temperature == 0:
        echo("Hint: at temperature 0 all samples are the same. Add --temperature 1.", err=True)
    raise typer.Exit(int(_write(wanted, request)))


def prompt_of(wanted: WantedTexts) -> Any:
    """Return what reads the prompt: the option, or standard input where that is `-` or a pipe. Raises
    OptionError where there is none."""
    given = wanted.given
    prompt = given.get("prompt")
    if prompt is None and given.get("edit") != "-" and has_piped_input():
        prompt = read_input(Path("-"), "--prompt").strip() or None
    if prompt is None:
        raise OptionError("A prompt is needed.", where="--prompt", cure="Give it, or a pipe with a text.")
    return lambda: read_input(Path("-"), "--prompt") if prompt == "-" else str(prompt)


def _write(wanted: WantedTexts, request: Request) -> bool:
    """Print the samples of one prompt; return whether one ended in an error, or its type refuses it.

    An engine writes the texts of a request in one batch. Of a server, of a model that fills masks, and where
    tools may be called, they are asked for as typed functions ask.
    """
    from structgen.decoding.engine.requests import Result
    from structgen.doors.typed.functions import obtain_outcome
    from structgen.doors.typed.prompts import narrow_task, source_of_prompt
    from structgen.doors.typed.waiting import run_coroutine, run_generator

    given, form = wanted.given, wanted.form or form_of_request(wanted.request_without_prompt)
    engine = None if wanted.is_asked_whole else wanted.engine()
    handles = [] if engine is None or form.tools is not None else engine.submit(request)
    streams, source, failed = (
        "stream" in given and "json" not in given,
        source_of_prompt(request.prompt),
        False,
    )
    attempts = 1 if "stream" in given or (handles and request.n > 1) else given.get("attempts", 3)
    if engine is not None and not streams:
        engine.drive(handles)
    for sample in range(request.n):
        writer, text = asked_of(engine or wanted.model, request, form, attempts, sample, **wanted.grounding)
        first = None
        if streams and engine is not None and handles:
            _stream(engine.pieces(handles[sample]), form)
        elif streams:
            ended = list[Result]()
            _stream(run_generator(writer.stream_text(narrow_task(text, source), source, ended.append)), form)
            first = ended[0]
        first = handles[sample].result if handles else first
        outcome = run_coroutine(obtain_outcome(writer, text, source, first, detailed="evidence" in given))
        failed |= _show(outcome, handles[sample].request if handles else request, engine, wanted, form)
    return failed


def _stream(pieces: Iterable[str], form: TargetForm) -> None:
    """Print a text as it comes."""
    from structgen.doors.typed.wrapping import Unwrapping

    inside = Unwrapping() if form.is_wrapped else None
    for piece in pieces:
        payload(piece if inside is None else inside.add_piece(piece), newline=False)
    payload("" if inside is None else inside.add_piece(None))


def _show(
    outcome: Outcome[Any], request: Request, engine: Engine | None, wanted: WantedTexts, form: TargetForm
) -> bool:
    """Print what became of one sample; return whether it ended in an error."""
    from structgen.decoding.engine.trace import speculation_told
    from structgen.doors.typed.wrapping import unwrap_document

    given, result = wanted.given, outcome.result
    fault = None if outcome.error is None else outcome.error.__cause__ or outcome.error
    if "json" in given:
        echo_json_text({**_object(outcome, request, engine, form), "error": fault and str(fault)})
    elif "stream" not in given:
        payload(unwrap_document(result.text) if form.is_wrapped else result.text)
    if fault is not None:
        echo(f"{type(fault).__name__}: {fault}", err=True)
    for said in filter(None, (result.usage.outline, result.usage.choices)):
        echo(f"Hint: {said}", err=True)
    if "usage" in given:
        tried = f", attempts: {outcome.attempts}" * (outcome.attempts > 1)
        echo(f"{outcome.usage.tokens:,} tokens{tried}, {speculation_told(outcome.usage)}", err=True)
    if outcome.evidence is not None:
        outcome.evidence.write(given.get("evidence"))
    if "trace" in given and engine is not None:
        title = f"structgen generate: {result.finish_reason.value}"
        engine.trace(result, title).write(given.get("trace"))
    return fault is not None


def _object(
    outcome: Outcome[Any], request: Request, engine: Engine | None, form: TargetForm
) -> dict[str, Any]:
    """Return what became of one sample as a JSON object."""
    from structgen.decoding.engine.bulk_runs import shown, shown_steps, shown_usage
    from structgen.decoding.engine.searches.confidence import confidences_of

    result, reply = outcome.result, outcome.reply
    said = shown(result, request.grammar)
    if reply is not None:
        del said["value"]
        said["texts"] = reply.texts
        said["calls"] = [
            {"id": call.id, "name": call.name, "arguments": dict(call.arguments)} for call in reply.calls
        ]
    said |= {"thoughts": result.thoughts, "attempts": outcome.attempts, "usage": shown_usage(outcome.usage)}
    if outcome.attempts > 1:
        said["usage"]["attempts"] = list(map(shown_usage, outcome.usages))
    if engine is None:
        return {**said, "logprob": None, "constrained_logprob": None}
    if reply is None and not request.chosen_by.strategies:
        sure = confidences_of(result, request.grammar, engine.tokenizer, form.value_pointer)
        said["confidences"] = {place: asdict(confidence) for place, confidence in sure.items()}
    if request.logprobs:
        said["steps"] = shown_steps(result, engine.tokenizer)
    return said

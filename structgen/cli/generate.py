"""`structgen generate`: a model writes documents of a schema, or texts of a grammar."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from structgen.cli.flags import OF_TEXTS, OF_TOOLS
from structgen.cli.named_options import Given, reads
from structgen.cli.output import echo, echo_json_text, has_piped_input, payload, read_input
from structgen.cli.served import ask
from structgen.cli.wanted_texts import WantedTexts
from structgen.errors import OptionError, StructgenError, ValidatorError

if TYPE_CHECKING:
    from structgen.engine import Engine, Request, Result
    from structgen.engine.requests import Usage
    from structgen.python_types.type_hints import TypeReader


@reads(
    *("model", "schema", "type", "grammar", "regex", "tools", "prompt", "n", "temperature", "max_tokens"),
    *("seed", "stream", "json"),
    more=(*OF_TEXTS, *OF_TOOLS, "attempts", "trace", "usage"),
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
    request = wanted.request_of(asked())
    wanted.hint()
    if wanted.is_asked_whole:
        failed = ask(wanted.model, request, wanted.form, wanted.attempts, given)
    elif "tools" in given:
        failed = ask(wanted.engine(), request, wanted.form, wanted.attempts, given)
    else:
        if request.n > 1 and request.chosen_by.temperature == 0:
            echo("Hint: at temperature 0 all samples are the same. Add --temperature 1.", err=True)
        failed = _write(wanted.engine(), request, wanted)
    raise typer.Exit(int(failed))


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


def _write(engine: Engine, request: Request, wanted: WantedTexts) -> bool:
    """Write the samples of one prompt; returns whether one ended in an error, or its type refuses it."""
    from structgen.engine.bulk_runs import shown, shown_steps, shown_usage
    from structgen.engine.requests import total_usage
    from structgen.engine.searches.confidence import confidences_of
    from structgen.engine.trace import speculation_told
    from structgen.typed.wrapping import Unwrapping, WrappedReader, unwrapped

    given = wanted.given
    as_json, stream, trace = "json" in given, "stream" in given, given.get("trace")
    reader = None if wanted.form is None else wanted.form.reader
    is_wrapped = isinstance(reader, WrappedReader)
    handles = engine.submit(request)
    if stream and not as_json:
        inside = Unwrapping() if is_wrapped else None
        handles[0].listen(
            lambda piece: payload(
                (piece or "") if inside is None else inside.add(piece), newline=piece is None
            )
        )
    engine.drive(handles)
    failed = False
    for handle in handles:
        result = handle.result
        assert result is not None
        fault: StructgenError | None = result.error
        if fault is not None and isinstance(fault.__cause__, OSError):
            raise fault.__cause__  # of standard output, while it was streamed to
        usages = [result.usage]
        if reader is not None:
            most = 1 if stream or request.n > 1 else wanted.attempts
            result, fault = _accepted(engine, request, result, reader, most, usages)
        if as_json:
            found = shown(result, handle.request.grammar)
            found["usage"] = shown_usage(total_usage(usages))
            if len(usages) > 1:
                found["usage"]["attempts"] = [shown_usage(one) for one in usages]
            if not request.chosen_by.strategies:
                holder = "" if wanted.form is None else wanted.form.holder
                sure = confidences_of(result, request.grammar, engine.tokenizer, holder)
                found["confidences"] = {place: asdict(one) for place, one in sure.items()}
            if request.logprobs:
                found["steps"] = shown_steps(result, engine.tokenizer)
            echo_json_text(found)
        elif not stream:
            payload(unwrapped(result.text) if is_wrapped else result.text)
        if fault is not None:
            failed = True
            echo(f"{type(fault).__name__}: {fault}", err=True)
        for said in filter(None, (result.usage.outline, result.usage.choices)):
            echo(f"Hint: {said}", err=True)
        if "usage" in given:
            usage = total_usage(usages)
            echo(f"{usage.tokens:,} tokens, {speculation_told(usage)}", err=True)
        if trace is not None:
            title = f"structgen generate: {result.finish_reason.value}"
            engine.trace(result, title).write(trace)
    return failed


def _accepted(
    engine: Engine,
    request: Request,
    result: Result,
    reader: TypeReader[Any],
    attempts: int,
    usages: list[Usage],
) -> tuple[Result, StructgenError | None]:
    """Return the first text of some attempts that the type's validators take, or the last one and its error.
    As typed functions do, each new attempt is told what the validators said. `usages`: where the usage of
    each further attempt goes."""
    from structgen.engine.requests import redrawn

    attempt = 0
    while True:
        if result.error is not None:
            return result, result.error
        try:
            reader.read(result.text)
        except ValidatorError as error:
            attempt += 1
            if attempt >= attempts:
                return result, error
            how = redrawn(request.chosen_by, attempt)
            again = replace(request, sampling=how, refused=(result.text, str(error)))
            (result,) = engine.generate(again)
            usages.append(result.usage)
        else:
            return result, None

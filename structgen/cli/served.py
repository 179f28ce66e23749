"""`structgen generate` as typed functions ask: a server writes the texts, or the texts may call tools."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from structgen.cli.named_options import Given
from structgen.cli.output import echo, echo_json_text, payload

if TYPE_CHECKING:
    from structgen.engine import Engine
    from structgen.engine.requests import Request, Usage
    from structgen.typed.outcomes import Outcome
    from structgen.typed.wanted_forms import WantedForm


def ask(
    model: str | Engine,
    request: Request,
    form: WantedForm | None,
    attempts: int,
    given: Given,
) -> bool:
    """Print the samples of one prompt, as typed functions get them; returns whether one ended in an error.
    `form`: what a type or tools want; None for the request's grammar, or free text."""
    from structgen.core.grammar import Grammar
    from structgen.engine.requests import Request, Result
    from structgen.typed.functions import judged, obtained
    from structgen.typed.options import TypedOptions
    from structgen.typed.prompts import given_source
    from structgen.typed.waiting import each, now
    from structgen.typed.wanted_forms import WantedForm, WantedText
    from structgen.typed.wrapping import Unwrapping, unwrapped
    from structgen.typed.writers import writer_of

    if form is None:
        grammar = request.grammar if isinstance(request.grammar, Grammar) else None
        form = WantedForm(str) if grammar is None else WantedForm(grammar=grammar, wrap=True)
    stream, as_json = "stream" in given, "json" in given
    failed, source = False, given_source(request.prompt)
    both = {one.name for one in fields(TypedOptions)} & {one.name for one in fields(Request)}
    shared = {name: getattr(request, name) for name in both - {"sampling", "choices"}}
    for sample in range(request.n):
        how = replace(request.chosen_by, seed=request.chosen_by.seed + sample)
        options = TypedOptions(how, attempts=attempts, **shared)
        writer, wanted = writer_of(model, options)(), WantedText(form, options)
        if stream and not as_json:
            ended, inside = list[Result](), Unwrapping() if form.is_wrapped else None
            for piece in each(writer.stream(wanted, source, ended.append)):
                payload(piece if inside is None else inside.add(piece), newline=False)
            payload("" if inside is None else inside.add(None))
            outcome = judged(form, ended[0], 1, None)
        else:
            outcome = now(obtained(writer, wanted, source))
        result, error = outcome.result, outcome.error
        if as_json:
            echo_json_text(_shown(outcome))
        elif not stream:
            payload(unwrapped(result.text) if form.is_wrapped else result.text)
        if error is not None:
            failed = True
            echo(f"{type(error).__name__}: {error}", err=True)
        if "usage" in given:
            echo(f"{outcome.usage.tokens:,} tokens, attempts: {outcome.attempts}", err=True)
    return failed


def _shown(outcome: Outcome[Any]) -> dict[str, Any]:
    """Return an outcome as a JSON object."""
    result, error, reply = outcome.result, outcome.error, outcome.reply
    said: dict[str, Any] = {"value": result.value, "thoughts": result.thoughts}
    if reply is not None:
        calls = [{"id": one.id, "name": one.name, "arguments": dict(one.arguments)} for one in reply.calls]
        said = {"texts": reply.texts, "calls": calls, "thoughts": result.thoughts}
    return {
        "text": result.text,
        **said,
        "finish_reason": result.finish_reason.value,
        "attempts": outcome.attempts,
        "error": None if error is None else str(error),
        "usage": {**_counted(outcome.usage), "attempts": [_counted(one) for one in outcome.usages]},
    }


def _counted(usage: Usage) -> dict[str, int]:
    return {"prompt_tokens": usage.prompt_tokens, "tokens": usage.tokens}

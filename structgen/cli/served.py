"""`structgen generate` and `structgen bulk` as typed functions ask: the texts are those of a server or of a
model that fills masks, or they may call tools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from structgen.cli.named_options import Given
from structgen.cli.output import echo, echo_json_text, payload

if TYPE_CHECKING:
    from structgen.engine import Engine
    from structgen.engine.bulk_runs import Answering, Prompt
    from structgen.engine.requests import Request, Usage
    from structgen.system.result_files import Answers
    from structgen.typed.outcomes import Outcome
    from structgen.typed.wanted_forms import WantedForm, WantedText
    from structgen.typed.writers import Writer


def ask(
    model: str | Engine,
    request: Request,
    form: WantedForm | None,
    attempts: int,
    given: Given,
) -> bool:
    """Print the samples of one prompt, as typed functions get them; returns whether one ended in an error.
    `form`: what a type or tools want; None for the request's grammar, or free text."""
    from structgen.engine.requests import Result
    from structgen.typed.functions import judged, obtained
    from structgen.typed.prompts import given_source
    from structgen.typed.waiting import each, now
    from structgen.typed.wrapping import Unwrapping, unwrapped

    stream, as_json = "stream" in given, "json" in given
    failed, source = False, given_source(request.prompt)
    form = form or _form_of(request)
    for sample in range(request.n):
        writer, wanted = _asked(model, request, form, attempts, sample)
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


def _form_of(request: Request) -> WantedForm:
    """Return the form of what a request asks for: texts of its grammar, or free text."""
    from structgen.core.grammar import Grammar
    from structgen.typed.wanted_forms import WantedForm

    grammar = request.grammar if isinstance(request.grammar, Grammar) else None
    return WantedForm(str) if grammar is None else WantedForm(grammar=grammar, wrap=True)


def _asked(
    model: str | Engine, request: Request, form: WantedForm, attempts: int, sample: int = 0
) -> tuple[Writer, WantedText]:
    """Return who writes the text of a request, as typed functions ask, and what text is wanted. `sample`: its
    number among the texts of the request."""
    from structgen.typed.options import OF_REQUEST, TypedOptions
    from structgen.typed.wanted_forms import WantedText
    from structgen.typed.writers import writer_of

    shared = {name: getattr(request, name) for name in OF_REQUEST}
    how = replace(request.chosen_by, seed=request.chosen_by.seed + sample)
    options = TypedOptions(how, attempts=attempts, **shared)
    return writer_of(model, options)(), WantedText(form, options)


def served_answers(
    model: str, form: WantedForm | None, attempts: int, request_of: Callable[[Any], Request], at_once: int
) -> Answering:
    """Return what answers many prompts for `engine.bulk_runs.run_bulk`, with a server or a model that fills
    masks: `at_once` requests at a time."""
    from structgen.engine.bulk_runs import engine_parts, model_digest, shown
    from structgen.errors import StructgenError
    from structgen.system.resources import ON_A_SERVER
    from structgen.typed.functions import obtained
    from structgen.typed.prompts import given_source
    from structgen.typed.waiting import now

    shared = form or _form_of(request_of("x"))

    def answer(prompt: Prompt) -> dict[str, Any]:
        try:
            request = prompt.request(request_of)
            writer, wanted = _asked(model, request, shared, attempts)
            outcome = now(obtained(writer, wanted, given_source(request.prompt)))
        except StructgenError as error:
            return prompt.answered(error)
        result = outcome.result
        if result.error is not None and result.error.where == getattr(writer, "url", None):
            raise result.error  # the server is not there: the prompt has no answer yet
        said = {**shown(replace(result, error=outcome.error)), "logprob": None, "constrained_logprob": None}
        return prompt.answered({**said, "tokens": result.usage.tokens})

    def answers(prompts: Sequence[Prompt]) -> Answers:
        yield engine_parts(model if model.startswith(ON_A_SERVER) else model_digest(model), "")
        with ThreadPoolExecutor(at_once) as threads:
            try:
                for done in as_completed([threads.submit(answer, prompt) for prompt in prompts]):
                    yield done.result()
            finally:
                threads.shutdown(wait=False, cancel_futures=True)

    return answers


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

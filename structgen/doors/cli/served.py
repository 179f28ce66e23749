"""The texts of `structgen generate` and `structgen bulk` that typed functions write and not our engine: texts
of a server, texts of a model that fills masks, and replies that may call tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from structgen.decoding.engine import Engine
    from structgen.decoding.engine.bulk_runs import Answering, Prompt
    from structgen.decoding.engine.requests import Request
    from structgen.decoding.runs.result_files import Answers
    from structgen.doors.typed.target_forms import TargetForm, WritingTask
    from structgen.doors.typed.writers import Writer


def form_of_request(request: Request) -> TargetForm:
    """Return the form of a request's texts: those of its grammar, or free text."""
    from structgen.doors.typed.target_forms import TargetForm
    from structgen.machines.core.grammar import Grammar

    grammar = request.grammar if isinstance(request.grammar, Grammar) else None
    return TargetForm(str) if grammar is None else TargetForm(grammar=grammar, wrap=True)


def task_of_request(
    model: str | Engine,
    request: Request,
    form: TargetForm,
    attempts: int = 3,
    sample: int = 0,
    **grounding: Any,
) -> tuple[Writer, WritingTask]:
    """Return the writer of a request's text, and its task, as typed functions have them.

    `sample`: the number of the text among those of the request, which changes the seed; `grounding`: the
    options of grounded answers, such as `grounded=True`.
    """
    from structgen.doors.typed.options import OF_REQUEST, TypedOptions
    from structgen.doors.typed.target_forms import WritingTask
    from structgen.doors.typed.writers import writer_of

    shared_options = {name: getattr(request, name) for name in OF_REQUEST}
    sampling = replace(request.chosen_by, seed=request.chosen_by.seed + sample)
    options = TypedOptions(sampling=sampling, attempts=attempts, **shared_options, **grounding)
    return writer_of(model, options)(), WritingTask(form, options)


def server_answering(
    model: str,
    form: TargetForm,
    request: Request,
    grounding: Mapping[str, Any],
    at_once: int,
) -> Answering:
    """Return the function that answers many prompts for `engine.bulk_runs.run_bulk`, with a server or a model
    that fills masks.

    `request`: that of all prompts; `grounding`: the options of grounded answers, such as `{"quotes": True}`;
    `at_once`: the number of requests at a time.
    """
    from structgen.base.errors import StructgenError
    from structgen.decoding.engine.bulk_runs import engine_parts, model_digest, show_result
    from structgen.decoding.runs.resources import ON_A_SERVER
    from structgen.decoding.runs.result_files import as_done
    from structgen.doors.typed.functions import obtain_outcome
    from structgen.doors.typed.prompts import source_of_prompt
    from structgen.doors.typed.waiting import run_coroutine

    def answer_prompt(prompt: Prompt) -> dict[str, Any]:
        try:
            prompt_request = prompt.make_request(lambda text: replace(request, prompt=text))
            writer, task = task_of_request(model, prompt_request, form, **grounding)
            outcome = run_coroutine(obtain_outcome(writer, task, source_of_prompt(prompt_request.prompt)))
        except StructgenError as error:
            return prompt.result_line(error)
        result = outcome.result
        if result.error is not None and result.error.where == getattr(writer, "url", None):
            raise result.error  # the server is not there: the prompt has no answer yet
        members = {
            **show_result(replace(result, error=outcome.error)),
            "logprob": None,
            "constrained_logprob": None,
        }
        return prompt.result_line({**members, "tokens": result.usage.tokens})

    def answer_prompts(prompts: Sequence[Prompt]) -> Answers:
        yield engine_parts(model if model.startswith(ON_A_SERVER) else model_digest(model), "")
        yield from as_done(answer_prompt, prompts, at_once, waits=False)

    return answer_prompts

"""Draws from a typed function: objects of the model's own distribution, given that the type accepts them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from structgen.asking.request_reading.targets import ReadTarget
from structgen.base.errors import OptionError, unknown_option
from structgen.doors.typed.local import Local
from structgen.doors.typed.missing_options import OF_DRAWS
from structgen.doors.typed.prompts import PromptSource, TextRequest, narrow_task
from structgen.doors.typed.target_forms import WritingTask
from structgen.doors.typed.writers import Writer

if TYPE_CHECKING:
    from structgen.decoding.samplers.samples import Samples

P = ParamSpec("P")
D = TypeVar("D")


class Sampler(Generic[P, D]):
    """What `person.sample(n, ...)` is of a function with parameters: call it with the arguments."""

    def __init__(self, draw: Callable[P, D], signature_text: str) -> None:
        self._draw, self._signature_text = draw, signature_text

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> D:
        """Return the draws."""
        return self._draw(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Sampler of {self._signature_text}: call it with these arguments>"


def check_names(options: Mapping[str, Any]) -> None:
    """Raise OptionError for a name that is no option of draws."""
    # start-up: few functions are drawn from
    from structgen.decoding.samplers.sample import TypedSampleOptions

    option_names = list(TypedSampleOptions.__annotations__)
    for name in options:
        if name not in option_names:
            raise unknown_option("sample", name, option_names)


def draw_samples(
    writer: Writer,
    task: WritingTask,
    source: PromptSource,
    sample_options: Mapping[str, Any],
) -> Samples[Any]:
    """Return objects drawn from the model's distribution of documents that the type accepts.

    `sample_options`: those of `sg.sample`, such as `{"n": 100}`; without max_tokens, that of a call counts.
    Raises UnsupportedError for a target or a writer without such a distribution; the errors of `sg.sample`.
    """
    from structgen.decoding.samplers.sample import sample

    task = narrow_task(task, source)
    form = task.form
    OF_DRAWS.raise_first(task.options, form, writer)
    assert isinstance(writer, Local)
    request = writer.request(TextRequest(task, source))
    max_tokens = writer.engine.reading.bound_tokens(request.max_tokens, len(request.prompt))
    if request.begun:
        cure = "Remove this message, or set continue_final_message=False."
        raise OptionError(
            "Draws are whole documents, and the last message begins one.", where="prompt", cure=cure
        )
    # the documents of the function's policies, read and checked as the type has it
    grammar = ReadTarget(form.grammar, form.reader)
    all_options = {**sample_options, "name": writer.name}
    if all_options.get("max_tokens") is None:
        all_options["max_tokens"] = max_tokens
    draws: Samples[Any] = sample(writer.engine, writer.engine.prompt_tokens(request), grammar, **all_options)
    return draws

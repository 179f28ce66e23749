"""Writing by infilling: the document is a canvas of masked slots that a masked-diffusion model fills."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from structgen.asking.python_types.pydantic_formats import make_refusal
from structgen.asking.tool_calls.tool_replies import Reply
from structgen.base.errors import NoFillingError, OptionError, UnsupportedError, fields_named
from structgen.decoding.engine.model_prompts import ModelPrompts, ModelQuestion, split_continued_turn
from structgen.decoding.engine.requests import FinishReason, Result, Usage
from structgen.decoding.runs.resources import model_name
from structgen.doors.typed.missing_options import OF_INFILLING
from structgen.doors.typed.prompts import TextRequest, read_texts
from structgen.doors.typed.target_forms import WritingTask

if TYPE_CHECKING:
    from structgen.decoding.infilling.infill import Length
    from structgen.decoding.infilling.masked_model import MaskedModel
    from structgen.decoding.infilling.results import Infilled
    from structgen.decoding.infilling.schedulers import Scheduler
    from structgen.tokens.tokenizer import Tokenizer

MOST_MODELS: Final = 4
"""Models of a kind that are kept by name in a process; the one that was not used for longest goes first."""


@fields_named(
    'sg.Infilling("structgen/infill")',
    {"tokens_per_step": 'Write scheduler="left-to-right" for one token in a step'},
)
@dataclass(frozen=True)
class Infilling:
    """A masked-diffusion model for `sg.generate` and `sg.run`, with those options of `sg.infill` that a typed
    function does not have itself. A model's bare name stands for one with the defaults."""

    model: MaskedModel | str | Path | Any
    """`structgen/infill`, a folder of a known family, or anything with the members of `MaskedModel`."""
    tokenizer: Tokenizer | Any | None = None
    """Of a model that is no name."""
    scheduler: str | Scheduler = "auto"
    sure: float | None = None
    length: Length = "at most"
    depth: int | None = None
    """Recursion of the type is cut at so many open brackets."""
    max_states: int | None = None

    def __post_init__(self) -> None:
        from structgen.decoding.infilling.schedulers import find_scheduler

        find_scheduler(self.scheduler, sure=self.sure)

    @property
    def name(self) -> str:
        """The model's name, or "" for a model without a name."""
        return model_name(self.model) if isinstance(self.model, str | Path) else ""


class Infiller:
    """A masked-diffusion model, and how it is asked."""

    kind: Final = "infilling"
    lost: tuple[str, ...] = (
        "Streams: no part of a document is final before the whole is.",
        "Log-probabilities of tokens, and draws from the model's own distribution of documents.",
    )

    bound = "timeout"
    """The option that ends a text early."""

    def __init__(self, settings: Infilling) -> None:
        self.settings, self.name = settings, settings.name
        self._prompts = ModelPrompts(settings.name)
        self._lock = threading.Lock()  # two calls must not load the model twice

    def prompt_text(self, text_request: TextRequest) -> str:
        """Return the text of a prompt, the chat template applied."""
        return self._prompts.render_text(self._build_question(text_request))

    def _build_question(self, text_request: TextRequest) -> ModelQuestion:
        """Return the question to the model. Errors: OptionError for a last message to go on with."""
        source = text_request.source
        prompt = read_texts(source.prompt)
        if split_continued_turn(prompt, None, None)[1] is not None:
            OF_INFILLING.raise_first(("continue_final_message",), ())
        return source.build_question(text_request.task, prompt)

    async def write_texts(self, text_requests: Sequence[TextRequest], attempt: int = 0) -> list[Result]:
        """Return the results of documents, written one after another; in a thread, where the caller waits.

        Errors: those of `sg.infill`, in the words of a typed function.
        """
        results = list[Result]()
        for text_request in text_requests:
            if text_request.task.is_async:
                results.append(await asyncio.to_thread(self._write_document, text_request, attempt))
            else:
                results.append(self._write_document(text_request, attempt))
        return results

    def stream_text(
        self, text_request: TextRequest, done: Callable[[Result], None]
    ) -> AsyncGenerator[str, None]:
        """Raise UnsupportedError: slots are not filled from left to right."""
        raise no_stream()

    def read_reply(self, task: WritingTask, text: str) -> Reply:
        """Raise UnsupportedError: a canvas has no calls."""
        raise no_calls()

    def _write_document(self, text_request: TextRequest, attempt: int) -> Result:
        """Return the document of one prompt. Errors: those of `write_texts`."""
        from structgen.decoding.infilling.infill import infill

        form, options = text_request.task.form, text_request.task.options
        if form.grammar is None:
            raise make_refusal(
                "Free text has no grammar to fill slots under.",
                "str",
                "Annotate a type that has a schema; sg.infill fills templates of text.",
                "return",
            )
        with self._lock:
            model, tokenizer = self._loaded_model
        prompt = self._prompts.encode_question(self._build_question(text_request), tokenizer)
        room = model.context - len(prompt) - 1  # the end token stands behind the canvas
        if room < 1:
            raise OptionError(
                f"The prompt has {len(prompt):,} tokens, and the model's context is {model.context:,}.",
                where="prompt",
                cure="Shorten the prompt.",
            )
        settings, sampling = self.settings, options.sampling_of(attempt)
        # the other two, the model and its tokenizer, are loaded by now
        names = [option.name for option in fields(settings) if option.name not in ("model", "tokenizer")]
        infill_options = {name: getattr(settings, name) for name in names}
        try:
            infilled = infill(
                model,
                grammar=form.grammar,
                prompt=prompt,
                slots=None if options.max_tokens is None else min(options.max_tokens, room),
                temperature=sampling.temperature,
                seed=sampling.seed,
                tokenizer=tokenizer,
                timeout=options.timeout,
                **infill_options,
            )
        except NoFillingError as error:
            raise NoFillingError(
                f"No document fits: {error.what}",
                where="max_tokens",
                cure=f"Set max_tokens= to as many; the context leaves room for {room:,}.",
            ) from error
        except OptionError as error:
            if error.where != "grammar":
                raise
            # a grammar of too many states: people have given a type, and its options stand in Infilling
            raise OptionError(
                error.what,
                where="return",
                cure=f"Set depth= and max_states= in model=sg.Infilling(model, depth=...). {error.cure}",
            ) from error
        return _engine_result(infilled, len(prompt))

    @cached_property
    def _loaded_model(self) -> tuple[Any, Tokenizer]:
        """The model and its tokenizer, loaded when they are first asked for."""
        from structgen.decoding.infilling.infill import model_of

        settings = self.settings
        try:
            return model_of(settings.model, settings.tokenizer)
        except OptionError as error:
            if not settings.name:
                raise
            raise OptionError(
                error.what,
                where=error.where,
                cure=f"{error.cure} Pass what load_masked_model returns to sg.Infilling(model, tokenizer).",
            ) from error


def _engine_result(infilled: Infilled, prompt: int) -> Result:
    """Return the engine's kind of result. A text that a deadline has ended early is STEERED. `prompt`: the
    number of its tokens."""
    cost = infilled.usage
    usage = Usage(
        prompt_tokens=prompt,
        tokens=len(infilled.tokens),
        model_seconds=cost.model_seconds,
        mask_seconds=cost.lattice_seconds,
        calls=cost.steps,
    )
    is_late = infilled.finish_reason == "deadline"
    return Result(
        infilled.text,
        FinishReason.STEERED if is_late else FinishReason.STOP,
        list(infilled.tokens),
        [],
        usage,
        value=infilled.value,
    )


def no_calls() -> UnsupportedError:
    """Return the error for tools."""
    return make_refusal(
        "A masked-diffusion model fills the slots of a document, and does not write calls.",
        "tools",
        "Use a causal model; or ask this one for the type of one tool's arguments.",
        "tools",
    )


def no_stream() -> UnsupportedError:
    """Return the error for a stream."""
    return make_refusal(
        "A masked-diffusion model fills a document in any order, so it cannot be streamed.",
        "stream",
        "Call the function for the whole document, with list[T] instead of Iterator[T]; "
        "sg.infill(listen=...) reports each canvas.",
        "model",
    )


@lru_cache(maxsize=MOST_MODELS)
def infiller_of(name: str) -> Infiller:
    """Return the writer of a model by its bare name, shared in the process. Nothing is loaded yet."""
    return Infiller(Infilling(name))


def is_infilling(model: object) -> bool:
    """Tell whether a model, as `sg.generate` takes it, fills masks, without loading it."""
    if isinstance(model, str | Path):
        from structgen.decoding.infilling.presets import fills_masks

        return fills_masks(model)
    return isinstance(model, Infilling)

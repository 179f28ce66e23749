"""Draws from a typed function: objects of the model's own distribution, given that the type accepts them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from structgen.errors import OptionError, UnsupportedError
from structgen.typed.forms import WantedForm
from structgen.typed.infilled import Infiller
from structgen.typed.local import Local
from structgen.typed.options import TypedOptions
from structgen.typed.prompts import PromptSource

if TYPE_CHECKING:
    from structgen.sampling.checkers import Checker
    from structgen.sampling.run_limits import RunProgress
    from structgen.sampling.samples import Samples
    from structgen.sampling.tree import PrefixTree

P = ParamSpec("P")
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class TypedDrawOptions:
    """How draws are made: the options of `sg.sample`, by its names."""

    n: int
    method: str = "auto"
    budget: int | None = None
    seconds: float | None = None
    standard_error: float | None = None
    seed: int = 0
    temperature: float = 1.0
    max_tokens: int | None = None
    """None: as many as a call of the function has."""
    checkers: tuple[Checker, ...] = ()
    tree: PrefixTree | None = None
    progress: Callable[[RunProgress], None] | None = None


class Sampler(Generic[P, D]):
    """What `person.sample(n, ...)` is of a function with parameters: call it with the arguments."""

    def __init__(self, drawn: Callable[P, D], said: str) -> None:
        self._drawn, self._said = drawn, said

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> D:
        """Return the draws."""
        return self._drawn(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Sampler of {self._said}: call it with these arguments>"


def _checked(writer: object, form: WantedForm, options: TypedOptions) -> Local:
    """Return the writer as an engine of this process.

    Raises UnsupportedError for infilling, a server, items one by one, free text and thoughts: of none of
    these is the law that `sg.sample` draws from.
    """
    if isinstance(writer, Infiller):
        raise UnsupportedError(
            "A masked-diffusion model gives no probabilities of whole documents, so its own distribution "
            "cannot be drawn from.",
            keyword="sample",
            where="model",
            cure="Call the function with sampling=sg.Sampling(temperature=1.0, seed=...) for each draw, "
            "or use a causal model.",
        )
    if not isinstance(writer, Local):
        raise UnsupportedError(
            "A server gives texts, not the probability of each token behind each prefix, so the model's own "
            "distribution cannot be drawn from.",
            keyword="openai:",
            where="model",
            cure="Load the model in this process: a folder, structgen/extract, or an sg.Engine.",
        )
    if form.items:
        raise UnsupportedError(
            "A draw is a whole document, and an Iterator hands out its items one by one.",
            keyword="Iterator",
            where="return",
            cure="Annotate list[T].",
        )
    if form.tools is not None:
        raise UnsupportedError(
            "Draws of a typed function are documents, and replies that may call tools are texts.",
            keyword="tools",
            where="return",
            cure="Draw from sg.sample(model, prompt, sg.tools(...), n), and read with sg.parse_calls.",
        )
    if form.grammar is None:
        raise UnsupportedError(
            "Free text is not conditioned on anything: the model's own texts are draws already.",
            keyword="str",
            where="return",
            cure="Annotate a type that has a schema, or call the function with a temperature of 1.",
        )
    if options.thinking is not None:
        raise OptionError(
            "Draws have no thoughts before the document.", where="thinking", cure="Leave thinking out."
        )
    return writer


def drawn(
    writer: object, form: WantedForm, source: PromptSource, options: TypedOptions, how: TypedDrawOptions
) -> Samples[Any]:
    """Return objects drawn from the model's distribution of documents that the type accepts.

    Raises UnsupportedError for what has no such distribution, and what `sg.sample` raises.
    """
    from structgen.sampling.sample import sample
    from structgen.sampling.types import TypedGrammar

    local = _checked(writer, form, options)
    request = local.request(form, source, options)
    assert form.grammar is not None and form.reader is not None
    # The documents of the function's policies, read and checked as the type has it.
    found: Samples[Any] = sample(
        local.engine,
        request.prompt,
        TypedGrammar(form.reader, form.grammar),
        how.n,
        method=how.method,
        budget=how.budget,
        seconds=how.seconds,
        standard_error=how.standard_error,
        seed=how.seed,
        temperature=how.temperature,
        max_tokens=request.most_tokens if how.max_tokens is None else how.max_tokens,
        checkers=how.checkers,
        tree=how.tree,
        name=local.name,
        progress=how.progress,
    )
    return found

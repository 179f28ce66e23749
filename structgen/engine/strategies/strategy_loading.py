"""What begins the strategies of a request: second prompts are read, and models that it names loaded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from structgen.engine.draft_models import shared_model
from structgen.engine.model_protocol import Model
from structgen.engine.request_tokens import RequestTokens
from structgen.engine.requests import Request
from structgen.engine.strategies.second_rows import SecondRow
from structgen.engine.strategies.strategy import Mixture, Narrowing, SearchStrategy, Second
from structgen.engine.strategies.text_strategies import RowLaw
from structgen.errors import OptionError


def law_maker(
    request: Request, prompt: Sequence[int], reading: RequestTokens, model: Model, besides: int
) -> Callable[[], RowLaw] | None:
    """Return what makes the law of a text of a request, anew for each restart; None for no strategies.

    `prompt`: its tokens; `besides`: tokens that are neither prompt nor text. Raises OptionError for a second
    prompt that does not fit the context, and for a model of another tokenizer.
    """
    strategies = request.chosen_by.strategies
    if not strategies:
        return None
    mixture = next((one for one in strategies if isinstance(one, Mixture)), None)
    narrowing = next((one for one in strategies if isinstance(one, Narrowing)), None)
    search = next((one for one in strategies if isinstance(one, SearchStrategy)), None)
    held = None
    if search is not None:
        held = search.begin(model, reading.tokenizer)
    seconds = (
        []
        if mixture is None
        else [_maker(second, request, prompt, reading, model, besides) for second in mixture.seconds]
    )

    def made() -> RowLaw:
        state = None if narrowing is None else narrowing.begin(prompt)
        return RowLaw(mixture, [second() for second in seconds], state, search, held)

    return made


def _maker(
    second: Second,
    request: Request,
    prompt: Sequence[int],
    reading: RequestTokens,
    model: Model,
    besides: int,
) -> Callable[[], SecondRow]:
    """Return what makes one further row."""
    where = second.option
    shared = None if second.model is None else shared_model(second.model, reading.tokenizer, where)
    reader = model if shared is None else shared.model
    tokens = list(prompt) if second.prompt is None else reading.prompt(request, second.prompt)
    if not tokens:
        raise OptionError("It has no token that the model could read.", where=where, cure="Give a text.")
    needed = len(tokens) + besides + request.most_tokens
    if needed > reader.context:
        raise OptionError(
            f"{len(tokens):,} tokens of this prompt and those of the text make {needed:,}; the model's "
            f"context is {reader.context:,}.",
            where=where,
            cure="Shorten the prompt, or ask for fewer tokens.",
        )
    return lambda: SecondRow(reader, tokens, threading.Lock() if shared is None else shared.lock)

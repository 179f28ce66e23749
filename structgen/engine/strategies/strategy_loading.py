"""What begins the strategies of a request: the tokens of a second prompt, and what a search holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from structgen.engine.model_protocol import Model
from structgen.engine.request_tokens import RequestTokens
from structgen.engine.requests import Request
from structgen.engine.strategies.second_rows import SecondRow
from structgen.engine.strategies.strategy import Mixture, Narrowing, SearchStrategy
from structgen.engine.strategies.text_strategies import RowLaw
from structgen.errors import OptionError


def law_maker(
    request: Request, prompt: Sequence[int], reading: RequestTokens, model: Model, besides: int
) -> Callable[[], RowLaw] | None:
    """Return what makes the law of a text of a request, anew for each restart; None for no strategies.

    `prompt`: its tokens; `besides`: tokens that are neither prompt nor text. Raises OptionError for a second
    prompt that does not fit the context, and what the search raises.
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
    other = (
        None if mixture is None or mixture.is_neutral else _read(mixture, request, reading, model, besides)
    )

    def made() -> RowLaw:
        state = None if narrowing is None else narrowing.begin(prompt)
        return RowLaw(mixture, None if other is None else SecondRow(other), state, search, held)

    return made


def _read(
    mixture: Mixture, request: Request, reading: RequestTokens, model: Model, besides: int
) -> list[int]:
    """Return the tokens of the other prompt."""
    tokens = reading.prompt(request, getattr(mixture, mixture.other))
    if not tokens:
        raise OptionError(
            "It has no token that the model could read.", where=mixture.other, cure="Give a text."
        )
    needed = len(tokens) + besides + request.most_tokens
    if needed > model.context:
        raise OptionError(
            f"{len(tokens):,} tokens of this prompt and those of the text make {needed:,}; the model's "
            f"context is {model.context:,}.",
            where=mixture.other,
            cure="Shorten the prompt, or ask for fewer tokens.",
        )
    return tokens

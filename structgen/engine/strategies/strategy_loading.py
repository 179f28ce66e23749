"""What begins the strategies of a request: a second prompt, what a search holds, and the edits."""

from __future__ import annotations

from collections.abc import Sequence

from structgen.engine.model_prompts import RequestTokens
from structgen.engine.model_protocol import Model
from structgen.engine.requests import Request
from structgen.engine.searches.search_run import SearchEdit
from structgen.engine.strategies.second_rows import SecondRowsEdit
from structgen.engine.strategies.strategy import Mixture, Narrowing, SearchStrategy
from structgen.engine.strategies.text_strategies import RequestStrategies
from structgen.engine.text import Edit
from structgen.errors import OptionError


def strategies_of(
    request: Request, prompt: Sequence[int], reading: RequestTokens, model: Model, besides: int
) -> RequestStrategies:
    """Return the strategies of a request.

    `prompt`: its tokens; `besides`: tokens that are neither prompt nor text. Raises OptionError for a second
    prompt that does not fit the context, and what the search raises.
    """
    strategies = request.chosen_by.strategies
    mixture = next((one for one in strategies if isinstance(one, Mixture)), None)
    narrowing = next((one for one in strategies if isinstance(one, Narrowing)), None)
    search = next((one for one in strategies if isinstance(one, SearchStrategy)), None)
    held = None if search is None else search.begin(model, reading.tokenizer)
    is_mixed = mixture is not None and not mixture.is_neutral
    other = _read(mixture, request, reading, model, besides) if mixture is not None and is_mixed else None
    edits: list[Edit] = []
    if other is not None:
        edits.append(SecondRowsEdit(model))
    if search is not None:
        edits.append(SearchEdit(model))
    return RequestStrategies(mixture, other, narrowing, search, held, prompt, tuple(edits))


def _read(
    mixture: Mixture, request: Request, reading: RequestTokens, model: Model, besides: int
) -> list[int]:
    """Return the tokens of the other prompt."""
    tokens = reading.read(request, getattr(mixture, mixture.other)).tokens
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

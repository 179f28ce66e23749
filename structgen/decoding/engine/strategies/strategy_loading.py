"""What begins the strategies of a request, and reads its second rows: another prompt before the tokens of
each text.

A row is read just before its logits are needed, all rows of a batch in one pass. It never reads a guess, so
nothing is taken back. It follows from its prompt and the decided tokens: after an interrupt it is made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from structgen.base.errors import OptionError
from structgen.decoding.engine.model_faults import wrap_model_error
from structgen.decoding.engine.model_prompts import RequestTokens
from structgen.decoding.engine.model_protocol import Model
from structgen.decoding.engine.requests import Request
from structgen.decoding.engine.searches.search_run import SearchEdit
from structgen.decoding.engine.strategies.strategy import Mixture, Narrowing, SearchStrategy
from structgen.decoding.engine.strategies.text_strategies import RequestStrategies, SecondRow
from structgen.decoding.engine.text import LogitsOf, Text


def strategies_of(
    request: Request, prompt: Sequence[int], reading: RequestTokens, model: Model, besides: int
) -> RequestStrategies:
    """Return the strategies of a request.

    `prompt`: its tokens; `besides`: tokens that are neither prompt nor text. Raises OptionError for a second
    prompt that does not fit the context, and the errors of the search.
    """
    strategies = RequestStrategies(prompt)
    for strategy in request.chosen_by.strategies:
        if isinstance(strategy, Narrowing):
            strategies.narrowing = strategy
        elif isinstance(strategy, SearchStrategy):
            strategies.search = strategy
            strategies.search_resources = strategy.begin(model, reading.tokenizer)
            strategies.edits += (SearchEdit(model),)
        elif isinstance(strategy, Mixture) and not strategy.is_neutral:
            strategies.mixture = strategy
            # thoughts take their part of the context: the second row reads them too
            context = model.context - besides
            strategies.other_prompt = _read_other_prompt(strategy, request, reading, context)
            strategies.edits += (SecondRowsEdit(model),)
    return strategies


def _read_other_prompt(mixture: Mixture, request: Request, reading: RequestTokens, context: int) -> list[int]:
    """Return the tokens of the other prompt, which `reading` reads as it reads that of the request.
    `context`: the most tokens of this prompt and the text together. Raises OptionError, such as for the
    empty text where the model has no chat template."""
    # `other` is the name of the field: each mixture names its prompt in its own way
    tokens = reading.read_request(request, getattr(mixture, mixture.other)).tokens
    if not tokens:
        raise OptionError(
            "It has no token that the model could read.", where=mixture.other, cure="Give a text."
        )
    if len(tokens) + request.most_tokens > context:
        raise OptionError(
            f"{len(tokens):,} tokens of this prompt and max_tokens={request.most_tokens:,} do not fit the "
            f"model's context, which has {context:,} for them.",
            where=mixture.other,
            cure="Shorten the prompt, or ask for fewer tokens.",
        )
    return tokens


@dataclass(frozen=True, slots=True, eq=False)
class SecondRowsEdit:
    """The edit that has the model read second rows, before each choice."""

    model: Model

    def __call__(self, texts: Sequence[Text], logits: LogitsOf) -> Sequence[Text]:
        """Return the texts without a failure."""
        rows = [
            (law.second, text)
            for text in texts
            if (law := text.row.law) is not None and law.second is not None
        ]
        try:
            read_on(self.model, rows)
        except Exception as error:  # any error of the model: the contents of the caches are unknown
            for _row, text in rows:
                text.decide_error(wrap_model_error(error))
        return [text for text in texts if text.decided_text.error is None]


def read_on(model: Model, rows: Sequence[tuple[SecondRow, Text]]) -> None:
    """Have a model read rows up to the last tokens of their texts, and count its passes. Raises whatever it
    raises; the rows are then of no use.

    Cost: a prompt each at first, then one pass for each token of the longest rest.
    """
    first_rows: dict[tuple[int, ...], SecondRow] = {}
    for row, text in rows:
        if row.cache is None:
            tokens = [*row.prompt, *text.all_tokens]
            # samples of one request read the same prompt: the model reads it once
            first_row = first_rows.setdefault(tuple(tokens), row)
            if first_row is row:
                row.logits, row.cache = model.prefill(tokens)
            else:
                row.logits = first_row.logits
                row.cache = first_row.cache.copy()
            row.read_count = len(text.all_tokens)
            text.usage.strategy_calls += 1
    # One token a pass. Several where drafts were accepted: a second row reads no guess.
    while lagging := [(row, text) for row, text in rows if row.read_count < len(text.all_tokens)]:
        tokens = [text.all_tokens[row.read_count] for row, text in lagging]
        logits = model.decode(tokens, [row.cache for row, _ in lagging])
        for (row, text), row_logits in zip(lagging, logits, strict=True):
            row.logits = row_logits
            row.read_count += 1
            text.usage.strategy_calls += 1

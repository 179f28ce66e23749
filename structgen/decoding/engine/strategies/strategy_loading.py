"""Begins the strategies of a request, and has the model read second rows.

- A *strategy* changes how the next token of a text is chosen (`strategy`).
- A *mixture* is a strategy that needs the logits after another prompt. A *second row* is the model's cache
  and logits after that other prompt and the tokens of one text.
- An *edit* is a function that the engine calls for all texts of a batch before each choice of tokens.

A second row is read just before its logits are needed, together with all others of the batch in one pass. It
reads only decided tokens, never guesses. It follows from the other prompt and these tokens, so after an
interrupt it is made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from structgen.base.errors import OptionError
from structgen.decoding.engine.model_faults import wrap_model_error
from structgen.decoding.engine.model_prompts import RequestTokens
from structgen.decoding.engine.model_protocol import Model
from structgen.decoding.engine.searches.search_run import SearchEdit
from structgen.decoding.engine.strategies.strategy import Mixture, Narrowing, SearchStrategy
from structgen.decoding.engine.strategies.text_strategies import RequestStrategies, SecondRow
from structgen.decoding.engine.text import LogitsOf, RequestStart, Text


def strategies_of(
    start: RequestStart, reading: RequestTokens, model: Model, besides: int
) -> RequestStrategies:
    """Return the strategies of a request.

    `reading` turns prompts into tokens. `besides` is the number of tokens in the context that belong neither
    to the prompt nor to the text, such as thoughts. Raises OptionError for a second prompt that does not fit
    the context, and the errors of `SearchStrategy.begin`.
    """
    strategies = RequestStrategies(start.prompt)
    for strategy in start.text_sampling.strategies:
        if isinstance(strategy, Narrowing):
            strategies.narrowing = strategy
        elif isinstance(strategy, SearchStrategy):
            strategies.search = strategy
            strategies.search_resources = strategy.begin(model, reading.tokenizer)
            strategies.edits += (SearchEdit(model),)
        elif isinstance(strategy, Mixture) and not strategy.is_neutral:
            strategies.mixture = strategy
            # the second row reads thoughts too, so they need room in the context
            context = model.context - besides
            strategies.other_prompt = _read_other_prompt(strategy, start, reading, context)
            strategies.edits += (SecondRowsEdit(model),)
    return strategies


def _read_other_prompt(
    mixture: Mixture, start: RequestStart, reading: RequestTokens, context: int
) -> list[int]:
    """Return the tokens of a mixture's other prompt, read in the same way as the prompt of the request.
    `context` is the most tokens of the other prompt and the text together. Raises OptionError if there are
    more, or if the prompt has no token: an empty text for a model without a chat template."""
    # `mixture.other` is the name of the field with the other prompt, such as "without"
    request = replace(start.request, max_tokens=start.token_limit)
    tokens = reading.read_request(request, getattr(mixture, mixture.other)).tokens
    if not tokens:
        raise OptionError(
            "The prompt has no token that the model could read.", where=mixture.other, cure="Pass a text."
        )
    if len(tokens) + start.token_limit > context:
        raise OptionError(
            f"{len(tokens):,} tokens of this prompt and max_tokens={start.token_limit:,} exceed the "
            f"model's context, which has {context:,} for them.",
            where=mixture.other,
            cure="Shorten the prompt, or reduce max_tokens.",
        )
    return tokens


@dataclass(frozen=True, slots=True, eq=False)
class SecondRowsEdit:
    """The edit that has the model read the second rows of the texts before each choice."""

    model: Model

    def __call__(self, texts: Sequence[Text], logits: LogitsOf) -> Sequence[Text]:
        """Return the texts that have no error. `logits` does not matter here."""
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
    """Have a model read second rows up to the last tokens of their texts, and count the passes in the texts'
    usage.

    Raises every error of the model; the rows are then of no use. Cost: at first one prompt for each row;
    later one pass for each token of the row that has the most tokens still to read.
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
    # One token of each row in a pass. Several passes are needed if guesses were accepted since the last
    # choice.
    while lagging := [(row, text) for row, text in rows if row.read_count < len(text.all_tokens)]:
        tokens = [text.all_tokens[row.read_count] for row, text in lagging]
        logits = model.decode(tokens, [row.cache for row, _ in lagging])
        for (row, text), row_logits in zip(lagging, logits, strict=True):
            row.logits = row_logits
            row.read_count += 1
            text.usage.strategy_calls += 1

"""What begins the strategies of a request, and reads its second rows: another prompt before the tokens of
each text.

A row is read just before its logits are needed, all rows of a batch in one pass. It never reads a guess, so
nothing is taken back. It follows from its prompt and the decided tokens: after an interrupt it is made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from structgen.base.errors import OptionError
from structgen.decoding.engine.model_faults import failed
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
    prompt that does not fit the context, and what the search raises.
    """
    found = RequestStrategies(prompt)
    for one in request.chosen_by.strategies:
        if isinstance(one, Narrowing):
            found.narrowing = one
        elif isinstance(one, SearchStrategy):
            found.search, found.held = one, one.begin(model, reading.tokenizer)
            found.edits += (SearchEdit(model),)
        elif isinstance(one, Mixture) and not one.is_neutral:
            found.mixture, found.other = one, _read(one, request, reading, model.context - besides)
            found.edits += (SecondRowsEdit(model),)
    return found


def _read(mixture: Mixture, request: Request, reading: RequestTokens, context: int) -> list[int]:
    """Return the tokens of the other prompt. `context`: for these and the text."""
    tokens = reading.read(request, getattr(mixture, mixture.other)).tokens
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
        before = [row.calls for row, _ in rows]
        try:
            read_on(self.model, [(row, text.written) for row, text in rows])
        except Exception as error:  # any error of the model: it is unknown what the caches hold
            for _row, text in rows:
                text.fail(failed(error))
        for (row, text), calls in zip(rows, before, strict=True):
            text.usage.strategy_calls += row.calls - calls
        return [text for text in texts if text.decided.error is None]


def read_on(model: Model, rows: Sequence[tuple[SecondRow, Sequence[int]]]) -> None:
    """Have a model read rows up to the last of the tokens that stand beside each. Raises whatever it raises;
    the rows are then of no use.

    Cost: a prompt each at first, then one pass for each token of the longest rest.
    """
    begun: dict[tuple[int, ...], SecondRow] = {}
    for row, tokens in rows:
        if row.cache is None:
            known = begun.setdefault((*row.prompt, *tokens), row)
            if known is row:
                row.logits, row.cache = model.prefill([*row.prompt, *tokens])
            else:
                row.logits, row.cache = known.logits, known.cache.copy()
            row.read, row.calls = len(tokens), row.calls + 1
    while late := [one for one in rows if one[0].read < len(one[1])]:
        logits = model.decode([of[row.read] for row, of in late], [row.cache for row, _ in late])
        for (row, _), own in zip(late, logits, strict=True):
            row.logits, row.read, row.calls = own, row.read + 1, row.calls + 1

"""Whole values: of a list of texts, the likeliest under the model as a whole, not token by token.

A greedy text takes its first token by what all values that begin so promise together, and only in the very
letters of the grammar. Here each value has the probability of its whole text, in the tokenizer's own tokens,
summed over its spellings: a chat model says "Positive" where the grammar has `"positive"`, and yes where it
has `true` (competition of surface forms: Holtzman et al., 2021). The likeliest value is written.

With a neutral prompt, in which the question's text is left out, log P(value | neutral) is subtracted: what
the model says of any text counts for nothing (contextual calibration: Zhao et al., "Calibrate Before Use",
2021).
"""

from __future__ import annotations

from collections.abc import Generator, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final, TypeAlias

import numpy as np

from structgen.base.errors import TokenizerError
from structgen.decoding.engine.model_prompts import ModelPrompts
from structgen.decoding.engine.model_protocol import Model
from structgen.decoding.engine.requests import Request, Sampling
from structgen.decoding.engine.searches.branches import Branch, TextPlace
from structgen.decoding.engine.searches.listed_values import MOST_VALUES, ListedValues, find_listed_values
from structgen.decoding.engine.strategies.repetitions import ENDS
from structgen.decoding.engine.strategies.strategy import Decision, Scores, SearchStrategy, log_softmax
from structgen.decoding.speculation.drafts.model_rows import ModelRows, Tokens
from structgen.tokens.tokenizer import Tokenizer

_Spelling: TypeAlias = tuple[Tokens, bool]
"""Its tokens, behind those that are written, and whether the probability of an end token counts too."""
KnownWeights: TypeAlias = dict[Hashable, Mapping[str, float]]
"""The log-probabilities of the values behind neutral prompts, by all that they follow from."""
MOST_KNOWN: Final = 64
"""Neutral prompts of which these are kept; the one that was read first goes first."""
_ANSWERS: Final = {"true": ("true", "True", "yes", "Yes"), "false": ("false", "False", "no", "No")}


@dataclass(frozen=True, slots=True)
class WholeValues(SearchStrategy):
    """The likeliest of some texts, which are whole documents of the grammar."""

    name: ClassVar[str] = "whole"
    is_greedy: ClassVar[bool] = True
    is_once: ClassVar[bool] = True  # spellings that the grammar does not have begin where one token may come
    listed_values: ListedValues
    """The values. One that the grammar refuses is not written."""
    neutral: tuple[int, ...] = ()
    """The tokens of the neutral prompt; (): nothing is subtracted."""
    known_weights: KnownWeights = field(default_factory=dict, compare=False, repr=False)
    """What the same model said of values behind neutral prompts. It grows to `MOST_KNOWN`."""

    def begin(self, model: Model, tokenizer: Tokenizer) -> Model:
        """Return the model: it reads spellings that the grammar does not have."""
        return model

    def plan(self, place: TextPlace, held: Model) -> Generator[Sequence[Branch], list[Scores], Decision]:
        """Return the tokens of the likeliest text. Cost: a pass for each token of the longest spelling, and a
        row for each beginning that spellings have; as much again for a neutral prompt that is not known."""
        prefix, tokens_by_value = tuple(place.tokens), dict[str, Tokens]()
        for value in self.listed_values.written:
            rest = self._rest_of(place, value, prefix)
            if rest is not None and (whole := self._allowed_tokens(place, rest)):
                tokens_by_value[value] = whole
        if len(tokens_by_value) < 2:
            return Decision()
        spelt = {value: self._spellings_of(place, value, prefix) for value in tokens_by_value}
        model_rows = ModelRows(held, [*place.prompt, *prefix], "", begun=(place.logits, place.cache))
        worth = yield from self._weigh_values(place, model_rows, spelt)
        if self.neutral:
            weights_key = self.neutral, prefix, *((value, *ways) for value, ways in spelt.items())
            neutral = self.known_weights.get(weights_key)
            if neutral is None:
                apart = ModelRows(held, [*self.neutral, *prefix], "")
                neutral = yield from self._weigh_values(place, apart, spelt)
                while len(self.known_weights) >= MOST_KNOWN:
                    self.known_weights.pop(next(iter(self.known_weights)), None)
                self.known_weights[weights_key] = neutral
            worth = {value: weight - neutral[value] for value, weight in worth.items()}
        shares = np.exp(
            log_softmax(np.array([worth.get(value, -np.inf) for value in self.listed_values.written]))
        )
        best = max(worth, key=lambda value: worth[value])
        return Decision(tokens_by_value[best], state=tuple(map(float, shares)))

    def _spellings_of(self, place: TextPlace, value: str, prefix: Tokens) -> list[_Spelling]:
        """Return the ways in which a model may write a value: its text, without what closes it unless another
        value goes on from there; a spelling that is another value is that one's alone."""
        others = {*self.listed_values.written} - {value}
        closing = '"' if len(value) > 1 and value[0] == value[-1] == '"' else ""
        goes_on = any(sibling.startswith(value.removesuffix(closing)) for sibling in others)
        spelt: dict[_Spelling, None] = {}
        for spelling in spell_value(value):
            if spelling in others:
                continue
            body = spelling if goes_on else spelling.removesuffix(closing)
            has_end = goes_on and not closing
            rest = self._rest_of(place, body, prefix, has_end=has_end)
            if rest is not None and len(rest) <= place.root().left:
                spelt[rest, has_end and not self.listed_values.suffix] = None
        return list(spelt)

    @staticmethod
    def _weigh_values(
        place: TextPlace, model_rows: ModelRows, spelt: Mapping[str, Sequence[_Spelling]]
    ) -> Generator[Sequence[Branch], list[Scores], dict[str, float]]:
        """Return the log-probability of each text, summed over its spellings."""
        # with the row behind those that end there
        each = [tokens + (0,) * ends for ways in spelt.values() for tokens, ends in ways]
        rows: dict[Tokens, Scores] = {}
        for size in range(max(map(len, each))):
            level = sorted({tokens[:size] for tokens in each if len(tokens) > size})
            rows.update(zip(level, map(log_softmax, model_rows.read(level)), strict=True))
            yield []  # other texts go on, and the text may be cancelled
        place.passes, place.rows = place.passes + model_rows.passes, place.rows + len(rows) - 1
        end = sorted(place.tokenizer.eos_token_ids)

        def weigh_text(tokens: Tokens, ends: bool) -> float:
            total = sum(float(rows[tokens[:at]][token]) for at, token in enumerate(tokens))
            return total + float(np.logaddexp.reduce(rows[tokens][end])) if ends else total

        return {
            value: float(np.logaddexp.reduce([weigh_text(*way) for way in some]))
            for value, some in spelt.items()
        }

    def _rest_of(
        self, place: TextPlace, value: str, prefix: Tokens, *, has_end: bool = True
    ) -> Tokens | None:
        """Return the tokens of the text of a value, perhaps without its end, behind those that are written;
        None where it does not begin with them, or no tokens write it."""
        text = f"{self.listed_values.prefix}{value}{self.listed_values.suffix if has_end else ''}"
        try:
            tokens = tuple(place.tokenizer.encode(text.encode()))
        except TokenizerError:
            return None
        return tokens[len(prefix) :] if tokens[: len(prefix)] == prefix else None

    @staticmethod
    def _allowed_tokens(place: TextPlace, tokens: Tokens) -> Tokens:
        """Return the tokens of a text, with an end token where another text might go on from it; () where the
        grammar or the tokens that are left do not allow it."""
        branch = place.root()
        for token in tokens:
            if token not in branch.allowed:
                return ()
            branch = branch.after(token)
        end = [token for token in map(int, branch.allowed) if token in place.tokenizer.eos_token_ids]
        return (*tokens, *end[:1])

    def told(self, states: Sequence[tuple[float, ...]]) -> str:
        """Return the share of the text that was written."""
        shares = next((state for state in states if state), ())
        return f"whole: {max(shares):.2f} of {len(shares)} values" if shares else ""


def compare_whole(
    request: Request,
    prompts: ModelPrompts,
    neutral: Sequence[int] = (),
    known_weights: KnownWeights | None = None,
) -> tuple[Request, str]:
    """Return the request that compares whole values, where the likeliest text of a few listed ones is asked
    for and nothing else is said of the choice; else the request itself. And why listed values are not
    compared where they are to be; else "". The embedded models were trained to write token by token.
    With a neutral prompt the first member of an object is compared too. `known_weights`: what this model said
    behind such prompts; it is added to."""
    is_chosen = request.sampling is not None or bool(request.strategy)
    is_wanted = request.choices == "whole" or (request.choices is None and not is_chosen)
    sampling = request.chosen_by
    # what does not bear on the likeliest of some values
    plain = replace(sampling, seed=0, top_p=1.0, top_k=0, min_p=0.0, repetition=ENDS)
    if not is_wanted or prompts.is_embedded or plain != Sampling(temperature=0.0):
        return request, ""
    values = find_listed_values(request.language, first=bool(neutral))
    if values.are_many:
        message = f"{len(values.values):,} listed values are chosen token by token"
        return request, f"{message}: at most {MOST_VALUES} are compared as a whole."
    if not values.texts or request.healing:
        return request, ""
    if request.begun:
        return request, "Listed values are chosen token by token where one has begun."
    strategy = WholeValues(values, tuple(neutral), {} if known_weights is None else known_weights)
    return replace(request, sampling=replace(sampling, strategy=strategy, repetition=ENDS), strategy=()), ""


def spell_value(text: str) -> list[str]:
    """Return the ways in which a model may write a listed value: the text itself, with a capital letter, and
    of a boolean also as an answer to a question."""
    if text in _ANSWERS:
        return list(_ANSWERS[text])
    quote, word = ('"', text[1:]) if text[:1] == '"' else ("", text)
    return list(dict.fromkeys([text, f"{quote}{word[:1].upper()}{word[1:]}"]))

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
"""Its tokens, behind the tokens of the text so far, and whether the probability of an end token counts
too."""
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
    """The weights of values behind neutral prompts, by the same model. The dict grows to `MOST_KNOWN`."""

    def begin(self, model: Model, tokenizer: Tokenizer) -> Model:
        """Return the model: it reads spellings that the grammar does not have."""
        return model

    def plan(self, place: TextPlace, held: Model) -> Generator[Sequence[Branch], list[Scores], Decision]:
        """Return the tokens of the likeliest text. Cost: a pass for each token of the longest spelling, and a
        row for each beginning that spellings have; as much again for a neutral prompt that is not known."""
        prefix = tuple(place.tokens)
        tokens_by_value: dict[str, Tokens] = {}
        for value in self.listed_values.written:
            rest = self._rest_of(place, value, prefix)
            if rest is not None and (whole := self._allowed_tokens(place, rest)):
                tokens_by_value[value] = whole
        if len(tokens_by_value) < 2:
            return Decision()  # nothing to compare: the engine goes on token by token
        spellings = {value: self._spellings_of(place, value, prefix) for value in tokens_by_value}
        model_rows = ModelRows(held, [*place.prompt, *prefix], "", begun=(place.logits, place.cache))
        weights = yield from self._weigh_values(place, model_rows, spellings)
        if self.neutral:
            neutral = yield from self._neutral_weights(place, held, prefix, spellings)
            weights = {value: weight - neutral[value] for value, weight in weights.items()}
        # a value that the grammar or the budget does not allow has the share 0
        all_weights = [weights.get(value, -np.inf) for value in self.listed_values.written]
        shares = np.exp(log_softmax(np.array(all_weights)))
        best = max(weights, key=lambda value: weights[value])
        return Decision(tokens_by_value[best], state=tuple(map(float, shares)))

    def _neutral_weights(
        self, place: TextPlace, model: Model, prefix: Tokens, spellings: Mapping[str, Sequence[_Spelling]]
    ) -> Generator[Sequence[Branch], list[Scores], Mapping[str, float]]:
        """Return the log-probability of each value behind the neutral prompt and the `prefix` of the text, as
        `_weigh_values` does, such as `{"true": -0.4, "false": -1.1}`. It is kept in `known_weights`: many
        requests have the same neutral prompt."""
        # the neutral weights follow from all of these
        ways_of_values = [(value, *ways) for value, ways in spellings.items()]
        weights_key = self.neutral, prefix, *ways_of_values
        neutral = self.known_weights.get(weights_key)
        if neutral is None:
            neutral_rows = ModelRows(model, [*self.neutral, *prefix], "")
            neutral = yield from self._weigh_values(place, neutral_rows, spellings)
            while len(self.known_weights) >= MOST_KNOWN:
                # a default, since another thread may have removed it
                self.known_weights.pop(next(iter(self.known_weights)), None)
            self.known_weights[weights_key] = neutral
        return neutral

    def _spellings_of(self, place: TextPlace, value: str, prefix: Tokens) -> list[_Spelling]:
        """Return the ways in which a model may write a value: its text, without what closes it unless another
        value goes on from there; a spelling that is another value is that one's alone."""
        others = {*self.listed_values.written} - {value}
        is_quoted = len(value) > 1 and value[0] == value[-1] == '"'
        closing = '"' if is_quoted else ""
        # "no" beside "none": without its end the shorter one would have the mass of both
        goes_on = any(sibling.startswith(value.removesuffix(closing)) for sibling in others)
        # a dict for its keys: two spellings may have the same tokens, and count once
        spelt: dict[_Spelling, None] = {}
        for spelling in spell_value(value):
            if spelling in others:
                continue
            body = spelling if goes_on else spelling.removesuffix(closing)
            has_end = goes_on and not closing
            rest = self._rest_of(place, body, prefix, has_end=has_end)
            if rest is not None and len(rest) <= place.root().left:
                ends_text = has_end and not self.listed_values.suffix
                spelt[rest, ends_text] = None
        return list(spelt)

    @staticmethod
    def _weigh_values(
        place: TextPlace, model_rows: ModelRows, spelt: Mapping[str, Sequence[_Spelling]]
    ) -> Generator[Sequence[Branch], list[Scores], dict[str, float]]:
        """Return the log-probability of each text, summed over its spellings."""
        # A spelling that ends the text gets one token more, any: the row behind its last token is then read.
        read_texts = [tokens + (0,) * ends for ways in spelt.values() for tokens, ends in ways]
        rows: dict[Tokens, Scores] = {}
        for size in range(max(map(len, read_texts))):
            # all beginnings of one length in one pass; a set, since spellings share beginnings
            level = sorted({tokens[:size] for tokens in read_texts if len(tokens) > size})
            rows.update(zip(level, map(log_softmax, model_rows.read(level)), strict=True))
            yield []  # other texts go on, and the text may be cancelled
        place.passes += model_rows.passes
        place.rows += len(rows) - 1  # the empty beginning was read with the prompt
        end_tokens = sorted(place.tokenizer.eos_token_ids)

        def weigh_text(tokens: Tokens, ends: bool) -> float:
            total = sum(float(rows[tokens[:index]][token]) for index, token in enumerate(tokens))
            if ends:
                total += float(np.logaddexp.reduce(rows[tokens][end_tokens]))
            return total

        return {
            value: float(np.logaddexp.reduce([weigh_text(*way) for way in ways]))
            for value, ways in spelt.items()
        }

    def _rest_of(
        self, place: TextPlace, value: str, prefix: Tokens, *, has_end: bool = True
    ) -> Tokens | None:
        """Return the tokens of the text of a value behind the tokens that are written (`prefix`), such as
        those of `positive"}` behind `{"mood": "`; without the suffix of the listed values unless `has_end`.
        None where the text does not begin with the prefix, or no tokens write it."""
        suffix = self.listed_values.suffix if has_end else ""
        text = f"{self.listed_values.prefix}{value}{suffix}"
        try:
            tokens = tuple(place.tokenizer.encode(text.encode()))
        except TokenizerError:
            return None
        # the tokenizer may write the beginning in other tokens than the text so far has
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
        end_tokens = [token for token in map(int, branch.allowed) if token in place.tokenizer.eos_token_ids]
        # one of them, or none where the grammar ends by itself
        return (*tokens, *end_tokens[:1])

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
    has_own_sampling = request.sampling is not None or bool(request.strategy)
    is_default = request.choices is None and not has_own_sampling
    is_wanted = request.choices == "whole" or is_default
    sampling = request.chosen_by
    # these options do not bear on the likeliest of some values; all others must have their defaults
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
    # `is None`, since an empty dict of the caller is to be filled
    strategy = WholeValues(values, tuple(neutral), {} if known_weights is None else known_weights)
    whole_sampling = replace(sampling, strategy=strategy, repetition=ENDS)
    return replace(request, sampling=whole_sampling, strategy=()), ""


def spell_value(text: str) -> list[str]:
    """Return the ways in which a model may write a listed value: the text itself, with a capital letter, and
    of a boolean also as an answer to a question."""
    if text in _ANSWERS:
        return list(_ANSWERS[text])
    quote = '"' if text[:1] == '"' else ""
    word = text.removeprefix(quote)
    capitalised = f"{quote}{word[:1].upper()}{word[1:]}"
    # a dict: the two are one where the word has no small letter to begin with
    return list(dict.fromkeys([text, capitalised]))

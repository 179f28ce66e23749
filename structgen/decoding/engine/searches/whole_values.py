"""Chooses the likeliest of a few listed values as a whole, and not token by token.

*Listed values* are those of a grammar that has only a few, such as `"positive"` and `"negative"`. A
*spelling* is a way in which a model may write a value: `"positive"`, `"Positive"`. The *weight* of a value is
the log-probability of its text, summed over its spellings.

A greedy text chooses its first token by the values that begin with it, all together, and only in the exact
letters of the grammar. But a chat model may write Positive for `"positive"`, and yes for `true` (competition
of surface forms: Holtzman et al., 2021). So here each value has the probability of its whole text, in the
tokenizer's own tokens. The likeliest value is written.

A *neutral prompt* is the prompt without the question's text. If there is one, log P(value | neutral) is
subtracted, so that a preference that does not depend on the text does not count (contextual calibration: Zhao
et al., "Calibrate Before Use", 2021).
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
"""A pair: the tokens of a spelling after the text so far, and whether the probability of an end token counts
too."""
KnownWeights: TypeAlias = dict[Hashable, Mapping[str, float]]
"""The weights of the values after neutral prompts. A key has everything that the weights depend on."""
MOST_KNOWN: Final = 64
"""The most neutral prompts whose weights are kept; the oldest one is dropped first."""
_ANSWERS: Final = {"true": ("true", "True", "yes", "Yes"), "false": ("false", "False", "no", "No")}


@dataclass(frozen=True, slots=True)
class WholeValues(SearchStrategy):
    """Decides for the likeliest of some texts, which are whole documents of the grammar."""

    name: ClassVar[str] = "whole"
    is_greedy: ClassVar[bool] = True
    is_once: ClassVar[bool] = True  # spellings that the grammar does not have begin where one token may come
    listed_values: ListedValues
    """The values to compare. A value that the grammar refuses is not written."""
    neutral: tuple[int, ...] = ()
    """The tokens of the neutral prompt; (): nothing is subtracted."""
    known_weights: KnownWeights = field(default_factory=dict, compare=False, repr=False)
    """The weights after neutral prompts, of the same model. The dict grows up to `MOST_KNOWN` items."""

    def begin(self, model: Model, tokenizer: Tokenizer) -> Model:
        """Return the model, which the search uses to read spellings that the grammar does not have."""
        return model

    def plan(self, place: TextPlace, held: Model) -> Generator[Sequence[Branch], list[Scores], Decision]:
        """Return the tokens of the likeliest text. Cost: a pass for each token of the longest spelling, and a
        row for each beginning of a spelling. A neutral prompt that is not known yet costs the same again."""
        prefix = tuple(place.tokens)
        tokens_by_value: dict[str, Tokens] = {}
        for value in self.listed_values.written:
            rest = self._rest_of(place, value, prefix)
            if rest is not None and (whole := self._allowed_tokens(place, rest)):
                tokens_by_value[value] = whole
        if len(tokens_by_value) < 2:
            return Decision()  # there is nothing to compare: the engine continues token by token
        spellings = {value: self._spellings_of(place, value, prefix) for value in tokens_by_value}
        model_rows = ModelRows(held, [*place.prompt, *prefix], "", begun=(place.logits, place.cache))
        weights = yield from self._weigh_values(place, model_rows, spellings)
        shares = self._shares_of(weights)
        if self.neutral:
            neutral = yield from self._neutral_weights(place, held, prefix, spellings)
            weights = {value: weight - neutral[value] for value, weight in weights.items()}
            shares = [*self._shares_of(weights), *shares]  # the plain ones come last
        best = max(weights, key=lambda value: weights[value])
        return Decision(tokens_by_value[best], state=tuple(shares))

    def _shares_of(self, weights: Mapping[str, float]) -> list[float]:
        """Return the share of each listed value by the weights; 0 of a value that the grammar or max_tokens
        does not allow."""
        all_weights = [weights.get(value, -np.inf) for value in self.listed_values.written]
        return [float(share) for share in np.exp(log_softmax(np.array(all_weights)))]

    def _neutral_weights(
        self, place: TextPlace, model: Model, prefix: Tokens, spellings: Mapping[str, Sequence[_Spelling]]
    ) -> Generator[Sequence[Branch], list[Scores], Mapping[str, float]]:
        """Return the weight of each value after the neutral prompt and the `prefix` of the text, such as
        `{"true": -0.4, "false": -1.1}`. The weights are kept in `known_weights`, because many requests have
        the same neutral prompt."""
        # the neutral weights depend on all of these
        ways_of_values = [(value, *ways) for value, ways in spellings.items()]
        weights_key = self.neutral, prefix, *ways_of_values
        neutral = self.known_weights.get(weights_key)
        if neutral is None:
            neutral_rows = ModelRows(model, [*self.neutral, *prefix], "")
            neutral = yield from self._weigh_values(place, neutral_rows, spellings)
            while len(self.known_weights) >= MOST_KNOWN:
                # `None` is a default, because another thread may have removed the item already
                self.known_weights.pop(next(iter(self.known_weights)), None)
            self.known_weights[weights_key] = neutral
        return neutral

    def _spellings_of(self, place: TextPlace, value: str, prefix: Tokens) -> list[_Spelling]:
        """Return the spellings of a value. They lack the closing part, such as `"`, unless another value
        continues from there. A spelling that equals another listed value belongs to that value alone."""
        others = {*self.listed_values.written} - {value}
        is_quoted = len(value) > 1 and value[0] == value[-1] == '"'
        closing = '"' if is_quoted else ""
        # with "no" and "none": without its closing quote "no" would have the mass of both
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
        """Return the weight of each value: the log-probability of its text, summed over its spellings."""
        # A spelling that ends the text gets one more token, 0: so the row after its last token is read too.
        read_texts = [tokens + (0,) * ends for ways in spelt.values() for tokens, ends in ways]
        rows: dict[Tokens, Scores] = {}
        for size in range(max(map(len, read_texts))):
            # All beginnings of one length are read in one pass. Spellings may share them, so this is a set.
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
        """Return the tokens of a value's text after the tokens that are written (`prefix`), for example those
        of `positive"}` after `{"mood": "`. Unless `has_end`, they lack the text that follows each listed
        value. Return None if the text does not begin with the prefix, or if no tokens spell it."""
        suffix = self.listed_values.suffix if has_end else ""
        text = f"{self.listed_values.prefix}{value}{suffix}"
        try:
            tokens = tuple(place.tokenizer.encode(text.encode()))
        except TokenizerError:
            return None
        # the tokenizer may spell the beginning with other tokens than the text so far has
        return tokens[len(prefix) :] if tokens[: len(prefix)] == prefix else None

    @staticmethod
    def _allowed_tokens(place: TextPlace, tokens: Tokens) -> Tokens:
        """Return the tokens of a text, with an end token if another text might continue from it. Return () if
        the grammar or the remaining tokens do not allow the text."""
        branch = place.root()
        for token in tokens:
            if token not in branch.allowed:
                return ()
            branch = branch.after(token)
        end_tokens = [token for token in map(int, branch.allowed) if token in place.tokenizer.eos_token_ids]
        # one end token, or none if the grammar ends by itself
        return (*tokens, *end_tokens[:1])

    def told(self, states: Sequence[tuple[float, ...]]) -> str:
        """Return the share of the text that was written."""
        shares = next((state for state in states if state), ())[: len(self.listed_values.texts)]
        return f"whole: {max(shares):.2f} of {len(shares)} values" if shares else ""


def compare_whole(
    request: Request,
    prompts: ModelPrompts,
    neutral: Sequence[int] = (),
    known_weights: KnownWeights | None = None,
) -> tuple[Sampling, str]:
    """Return the sampling of a request, which compares whole values, if possible, and a reason.

    The result compares whole values if the request asks for the likeliest of a few listed values, and has no
    other options of the choice. Otherwise it is `request.chosen_by`, as for the embedded models, which write
    token by token. The reason says why listed values are not compared although they should be; "" if there is
    none. `neutral` are the tokens of a neutral prompt; with one, the first member of an object is compared
    too. `known_weights` has the model's weights after such prompts; new ones are added to it.
    """
    has_own_sampling = request.sampling is not None or bool(request.strategy)
    is_default = request.choices is None and not has_own_sampling
    is_wanted = request.choices == "whole" or is_default
    sampling = request.chosen_by
    if not is_wanted or prompts.is_embedded:
        return sampling, ""
    # These options do not affect which value is the likeliest. All others must have their defaults.
    plain = replace(sampling, seed=0, top_p=1.0, top_k=0, min_p=0.0, repetition=ENDS)
    if plain != Sampling(temperature=0.0):
        return sampling, ""
    values = find_listed_values(request.language, first=bool(neutral))
    if values.are_many:
        message = f"{len(values.values):,} listed values are chosen token by token"
        return sampling, f"{message}: up to {MOST_VALUES} are compared as a whole."
    if not values.texts or request.healing:
        return sampling, ""
    if request.begun:
        return sampling, "Listed values are chosen token by token after one has begun."
    # `is None`, because an empty dict of the caller must be filled too
    strategy = WholeValues(values, tuple(neutral), {} if known_weights is None else known_weights)
    return replace(sampling, strategy=strategy, repetition=ENDS), ""


def spell_value(text: str) -> list[str]:
    """Return the spellings of a listed value: the text itself, the text with a capital letter, and for a
    boolean also the answer to a question (yes, no)."""
    if text in _ANSWERS:
        return list(_ANSWERS[text])
    quote = '"' if text[:1] == '"' else ""
    word = text.removeprefix(quote)
    capitalised = f"{quote}{word[:1].upper()}{word[1:]}"
    # a dict, since the two are equal if the word does not begin with a small letter
    return list(dict.fromkeys([text, capitalised]))

"""Defines strategies: each changes how the next token of a text is chosen.

There are three kinds. A `Mixture` combines the logits after the prompt with those after another prompt,
before the mask. A `Narrowing` drops or reorders allowed tokens, after the mask. A `SearchStrategy` reads
ahead and decides the next tokens. *Allowed* tokens are those that the grammar's mask allows.

A strategy is a frozen value, whose options are checked when it is made. The state of one text is a separate
object, which can be made again from the decided tokens (`text_strategies`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from structgen.base.errors import OptionError
from structgen.base.language import checks
from structgen.base.native.array_types import Float64Array, Int64Array

if TYPE_CHECKING:
    from structgen.decoding.engine.model_protocol import Model
    from structgen.machines.core.matcher import Matcher
    from structgen.tokens.tokenizer import Tokenizer

Scores: TypeAlias = Float64Array
"""A number for each allowed token: its logit, or a number that differs from it by the same constant for
all."""
Ids: TypeAlias = Int64Array
"""Tokens, such as the allowed ones, in ascending order."""
GivenPrompt: TypeAlias = str | Sequence[int]


class Strategy(ABC):
    """A change of the distribution of the next token: a value of `sg.Sampling(strategy=...)`."""

    __slots__ = ()
    name: ClassVar[str]
    # The three flags are read by the table of `contradictions` and by `requests.with_strategy`.
    is_greedy: ClassVar[bool] = False
    """Whether the strategy takes the best token, and so needs temperature 0."""
    draws: ClassVar[bool] = False
    """Whether the strategy draws tokens, and so has no meaning at temperature 0."""
    truncates: ClassVar[bool] = False
    """Whether the strategy truncates, and so has no meaning together with another truncation."""

    def __post_init__(self) -> None:
        checks.check_fields(self)

    def told(self, states: Sequence[tuple[float, ...]]) -> str:
        """Return a summary of a text for its user, from the states of its tokens; "" if there is none."""
        return ""


class Mixture(Strategy):
    """Combines the logits after the prompt with those after another prompt, before the mask."""

    __slots__ = ()
    other: ClassVar[str]
    """The name of the field with the other prompt. The model reads that prompt in the same form."""

    @property
    @abstractmethod
    def is_neutral(self) -> bool:
        """Whether the options are such that nothing changes. Then the other prompt is not read."""

    @abstractmethod
    def mixed(self, own: Scores, other: Scores) -> Scores | None:
        """Return the new scores of the allowed tokens; None if `own` stay as they are. `own` are the scores
        after the prompt, `other` those after the other prompt. Minus infinity drops a token; at least one
        token stays."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision of a search at a place of a text."""

    tokens: tuple[int, ...] = ()
    """The decided tokens, perhaps with an end token at the end; (): the next token is chosen as usual."""
    scores: Scores | None = None
    """The scores [V] from which the next token is chosen if `tokens` is empty; None: the model's logits."""
    state: tuple[float, ...] = ()
    """The numbers for `Step.state` of the first token."""


class SearchStrategy(Strategy):
    """Reads ahead before it decides the next tokens: it lets the model read continuations of the text."""

    __slots__ = ()

    is_once: ClassVar[bool] = False
    """Whether the search decides only at the beginning of a text, even if only one token is allowed there.
    The remaining text is then written without it."""

    # not an abstract method: most searches need no resources
    def begin(self, model: Model, tokenizer: Tokenizer) -> Any:
        """Return the resources of the search for the texts of one request, such as another model or a
        process; None if it needs none. Raises OptionError for a model that it cannot use."""
        return None

    @abstractmethod
    def plan(self, place: Any, held: Any) -> Generator[Sequence[Any], list[Scores], Decision]:
        """Decide the next tokens at a place with two or more allowed tokens. This is a generator: it yields
        branches to be read, and returns the decision.

        `place` is a `TextPlace`; `held` is what `begin` returned. Each `yield` of `Branch`es returns the
        logits [V] after each of them. One forward pass suffices if each branch is one token longer than a
        branch that was read before. The decision must depend on the place alone. The generator is closed if
        the text ends early. (`searches.branches` imports this module, so the types here are Any.)
        """


class Narrowing(Strategy):
    """Keeps only some of the allowed tokens, or changes their order, after the mask and the temperature."""

    __slots__ = ()

    @abstractmethod
    def begin(self, prompt: Sequence[int]) -> NarrowingState:
        """Return the state of a text that begins after a prompt."""


class NarrowingState(ABC):
    """The state of a narrowing strategy for one text. It follows from the tokens and from the numbers that
    `noted` returned for them, so that it can be made again."""

    __slots__ = ()

    @abstractmethod
    def kept(self, ids: Ids, scores: Scores, temperature: float, size: int) -> Scores | None:
        """Return the new scores of the allowed tokens; None if all stay as they are.

        `ids` are two or more allowed tokens, in ascending order, with their `scores`. Dropped tokens get
        minus infinity. `size` is the size of the vocabulary. The caller divides by the temperature
        afterwards.
        """

    def noted(self, token: int) -> tuple[float, ...]:
        """Return the numbers for `Step.state` of a token that was chosen after the last call of `kept`."""
        return ()

    @abstractmethod
    def follow(self, token: int, state: tuple[float, ...], matcher: Matcher | None) -> None:
        """Note a decided token with the numbers of its step, after the matcher has taken it."""


def checked_strategies(value: Any) -> tuple[Strategy, ...]:
    """Return the strategies of one request as a tuple. Raises OptionError for another value."""
    # usually there is a single strategy, which may be given without a tuple
    strategies = (value,) if isinstance(value, Strategy) else value
    is_sequence = isinstance(strategies, Sequence)
    if not is_sequence or not all(isinstance(strategy, Strategy) for strategy in strategies):
        raise OptionError(
            f"{type(value).__name__} is not a strategy.",
            where="strategy",
            cure="Pass one, such as sg.strategies.Mirostat(), or a tuple of them (docs/strategies.md).",
        )
    return tuple(strategies)


def given_prompt(name: str, value: Any) -> GivenPrompt:
    """Return a second prompt, a text that may be empty, or token ids. Raises OptionError."""
    return checks.check_encodable(name, value) if isinstance(value, str) else checks.check_tokens(name, value)


def log_softmax(scores: Scores) -> Scores:
    """Return the log-probabilities of tokens by their scores."""
    # the greatest score is subtracted, so that no exponential is infinite
    differences = scores - scores.max()
    return np.asarray(differences - np.log(np.exp(differences).sum()))

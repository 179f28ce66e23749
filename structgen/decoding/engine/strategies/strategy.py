"""What a strategy is: options that are checked when they are made, and one function of logits.

There are three kinds. A `Mixture` puts another prompt's logits into those of the model, before the mask. A
`Narrowing` drops or reorders allowed tokens, behind the mask. A `SearchStrategy` reads ahead and decides the
next tokens. A strategy is a frozen value; the state of one text is an object of its own, which can be made
again from the decided tokens (`text_strategies`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.base.errors import OptionError
from structgen.base.language import checks

if TYPE_CHECKING:
    from structgen.decoding.engine.model_protocol import Model
    from structgen.machines.core.matcher import Matcher
    from structgen.tokens.tokenizer import Tokenizer

Scores: TypeAlias = npt.NDArray[np.float64]
"""A number for each allowed token: logits, up to a constant."""
Ids: TypeAlias = npt.NDArray[np.int64]
GivenPrompt: TypeAlias = str | Sequence[int]


class Strategy(ABC):
    """A change of the law of the next token: a value of `sg.Sampling(strategy=...)`."""

    __slots__ = ()
    # The three flags are read by the table of `contradictions`, and by `requests.with_strategy`.
    name: ClassVar[str]
    is_greedy: ClassVar[bool] = False
    """Whether it takes the best token, so that it needs temperature 0."""
    draws: ClassVar[bool] = False
    """Whether it has no meaning at temperature 0."""
    truncates: ClassVar[bool] = False
    """Whether it has no meaning beside another truncation."""

    def __post_init__(self) -> None:
        checks.check_fields(self)

    def told(self, states: Sequence[tuple[float, ...]]) -> str:
        """Return a summary of a text for its user, from the states of its tokens; "" if there is none."""
        return ""


class Mixture(Strategy):
    """Puts the logits behind another prompt into those of the model, before the mask."""

    __slots__ = ()
    other: ClassVar[str]
    """The field that has the other prompt, which is read as the prompt is."""

    @property
    @abstractmethod
    def is_neutral(self) -> bool:
        """Whether it never changes anything: the other prompt is not read."""

    @abstractmethod
    def mixed(self, own: Scores, other: Scores) -> Scores | None:
        """Return the scores of the allowed tokens, from those behind the prompt and behind the other one;
        None where the former stay. Minus infinity drops a token; at least one stays."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision of a search at a place of a text."""

    tokens: tuple[int, ...] = ()
    """The next tokens, perhaps with an end token as the last one; empty: one token is chosen as always."""
    scores: Scores | None = None
    """Without tokens: the scores [V] among which the next token is chosen; None: the model's logits."""
    state: tuple[float, ...] = ()
    """The numbers that go into `Step.state` of the first token."""


class SearchStrategy(Strategy):
    """Reads ahead, by further rows that begin as the text does, before it decides the next tokens."""

    __slots__ = ()

    is_once: ClassVar[bool] = False
    """Whether it decides where a text begins, also where one token alone is allowed there, and the rest is
    written without it."""

    # no abstract method: most searches hold nothing
    def begin(self, model: Model, tokenizer: Tokenizer) -> Any:
        """Return the resources of the search for the texts of one request, such as another model or a
        process; None where it needs none. Raises OptionError for a model that it cannot use."""
        return None

    @abstractmethod
    def plan(self, place: Any, held: Any) -> Generator[Sequence[Any], list[Scores], Decision]:
        """Return the next tokens at a place with two or more allowed tokens, by what `begin` returned. The
        types are a `TextPlace` and `Branch`es of `searches.branches`, which knows this module: hence Any.
        Each `yield` of branches returns the logits [V] after each, of one forward pass where each is one
        token longer than a branch that was read. The decision follows from the place alone. The generator is
        closed where the text ends early."""


class Narrowing(Strategy):
    """Keeps some of the allowed tokens, or orders them otherwise, behind the mask and the temperature."""

    __slots__ = ()

    @abstractmethod
    def begin(self, prompt: Sequence[int]) -> NarrowingState:
        """Return the state of a text that begins behind a prompt."""


class NarrowingState(ABC):
    """The state of a narrowing strategy for one text. It follows from the tokens and from the numbers that
    `noted` returned for them, so that it can be made again."""

    __slots__ = ()

    @abstractmethod
    def kept(self, ids: Ids, scores: Scores, temperature: float, size: int) -> Scores | None:
        """Return the scores of two or more allowed tokens (`ids` ascend) of a vocabulary of `size`, minus
        infinity for those that are dropped; None where all stay as they are. The caller divides by the
        temperature."""

    def noted(self, token: int) -> tuple[float, ...]:
        """Return the numbers that go into `Step.state`, for a token of the last `kept`."""
        return ()

    @abstractmethod
    def follow(self, token: int, state: tuple[float, ...], matcher: Matcher | None) -> None:
        """Take a decided token, which the matcher has taken."""


def checked_strategies(value: Any) -> tuple[Strategy, ...]:
    """Return the strategies of one request as a tuple. Raises OptionError for another value."""
    # one strategy alone is usual, and needs no tuple around it
    strategies = (value,) if isinstance(value, Strategy) else value
    is_sequence = isinstance(strategies, Sequence)
    if not is_sequence or not all(isinstance(strategy, Strategy) for strategy in strategies):
        raise OptionError(
            f"A {type(value).__name__} is no strategy.",
            where="strategy",
            cure="Give one, such as sg.strategies.Mirostat(), or a tuple of them (docs/strategies.md).",
        )
    return tuple(strategies)


def given_prompt(name: str, value: Any) -> GivenPrompt:
    """Return a second prompt, a text that may be empty, or token ids. Raises OptionError."""
    return checks.check_encodable(name, value) if isinstance(value, str) else checks.check_tokens(name, value)


def log_softmax(scores: Scores) -> Scores:
    """Return the log-probabilities of tokens by their scores."""
    # less the greatest: no exponential is then infinite
    differences = scores - scores.max()
    return np.asarray(differences - np.log(np.exp(differences).sum()))

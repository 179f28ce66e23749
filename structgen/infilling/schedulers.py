"""Schedulers: which slots of a proposed filling are committed in a step. Each names its source.

A step proposes one valid filling of the whole canvas (the best one, or a draw). Any subset of it may be
committed, so no scheduler can cause a dead end. A scheduler trades speed against how often the model is run
again. Each step commits at least one slot: if a scheduler chooses none, the most confident one is committed.
`LeftToRight` and `ConfidentPrefix` fill their first slots before there is a proposal.

Laws of draws (a temperature above 0). A step's proposal is an exact draw: from the product of the slots'
distributions, given that the text is valid. A scheduler that commits all slots in one step has this law.
Over several steps the law depends on how slots are chosen. Suppose that the logits do not depend on the
canvas, so that there is one joint law to compare with:
- first-hitting and entropy-bound, also inside blocks, prophet and freedave: exact, for any grammar. They
  choose by the slots' distributions or at random; the drawn tokens have no part in the choice.
- low-confidence, threshold, factor, and blocks, prophet and freedave around them: not exact, even if all
  texts are valid. They keep the tokens that are likely and draw the others again, so likely tokens get too
  much. With four slots of two equally likely tokens low-confidence is 0.47 from the joint law in total
  variation.
- left-to-right with one token a step, and confident-prefix: exact if the tokens that may stand in a slot do
  not depend on the other slots. For other grammars the law is that of masking from left to right: each slot
  by its own probabilities among the tokens that leave a valid filling.
- left-to-right with more tokens a step: not exact, as the others are chosen by the drawn tokens' confidence.
If the logits depend on the canvas, as those of a model do, no scheduler draws from the model's joint law
under a grammar. Without a grammar, one slot a step in an order that the draws have no part in (first-hitting,
left-to-right) draws from it, if the model's distributions are those of one joint law.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from structgen.errors import OptionError
from structgen.infilling.lattice import NULL
from structgen.language import checks

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_USUAL_BLOCK = 32


@dataclass(frozen=True)
class SchedulerView:
    """The input of a scheduler. Arrays have one element for each masked slot, from left to right."""

    step: int
    """The number of steps before this one."""
    slots: int
    """The number of masked slots in the new canvas."""
    positions: npt.NDArray[np.int64]
    """The slots' positions in the canvas, without the prompt."""
    confidence: Floats
    """The probability of the proposed token at its slot, given that the whole canvas is valid."""
    filling: npt.NDArray[np.int32]
    """The proposal: what stands in each slot of the canvas, masked or not, if all of it is committed; a
    token, or NULL where a slot stays empty."""
    read_entropy: Callable[[], Floats]
    read_gap: Callable[[], float]
    read_law: Callable[[int], Floats]
    chance: np.random.Generator
    """Random numbers of this step, from the request's seed."""
    block_length: int | None = None
    """The slots of a block, if the model was trained with blocks."""
    led: bool = False
    """Whether this step has already filled a slot; see `Scheduler`."""
    state: dict[str, Any] = field(default_factory=dict)
    """The scheduler's own memory of this canvas, empty at step 0; see `Scheduler`."""

    @property
    def tokens(self) -> npt.NDArray[np.int32]:
        """The proposed token of each slot; NULL: it stays empty."""
        return self.filling[self.positions]

    @property
    def is_null(self) -> Bools:
        """For each slot, whether the proposal leaves it empty."""
        is_null: Bools = self.tokens == NULL
        return is_null

    def law(self, at: int) -> Floats:
        """Return the probability of each token [V of the tokenizer] at one of the slots, counted from 0, and
        as last element that of staying empty; given that the whole canvas is valid. Cost: a pass over the
        slot's logits."""
        return self.read_law(at)

    @cached_property
    def entropy(self) -> Floats:
        """The entropy of each slot's distribution given validity, in nats."""
        return self.read_entropy()

    @cached_property
    def gap(self) -> float:
        """How far the most probable valid filling is ahead of the second, in nats; infinite if there is only
        one."""
        return self.read_gap()

    def part(self, chosen: Bools) -> SchedulerView:
        """Return the view of some of the slots."""
        return replace(
            self,
            positions=self.positions[chosen],
            confidence=self.confidence[chosen],
            read_entropy=lambda: self.entropy[chosen],
            read_gap=lambda: self.gap,
            read_law=lambda at: self.law(int(np.flatnonzero(chosen)[at])),
        )

    def most(self, values: Floats, count: int) -> Bools:
        """Return the slots with the `count` greatest values, the left ones first among equals."""
        chosen = np.zeros(len(values), np.bool_)
        chosen[np.argsort(-values, kind="stable")[:count]] = True
        return chosen


@runtime_checkable
class Scheduler(Protocol):
    """Chooses the slots of a step. Its only input is the view; what it remembers of earlier steps it writes
    into `view.state`, and never into itself: one object serves many canvases. `FreeDave` tries the next steps
    on guessed canvases with a copy (copy.deepcopy) that it throws away.

    Optional attribute `leads_alone`: a step then first fills the first masked slot, by the model's
    probabilities for this slot alone among the tokens that leave a valid filling (the likeliest one, or a
    draw if there is a temperature). If `leads_alone` is true the step ends there; else the rest is proposed
    given that token. Optional attribute `sure`, beside it: the slots after the first are filled in the same
    way, by the logits of the same pass, up to the first whose likeliest token has a lower probability.
    Optional attribute `drafts`: see `FreeDave`. Optional method `adjust(logits, positions, state)`: it is
    called once for each true step, before there is a proposal, and may write into the model's logits (float32
    [masked slots, V]) of the slots at `positions`; `state` is `view.state`. Of a scheduler without one, the
    scheduler `inner` is asked.

    A scheduler that raises, returns something else, or remembers more than 64 MiB of a canvas is not asked
    again for it: the default scheduler goes on, and `usage.scheduler` says why.
    """

    def choose(self, view: SchedulerView) -> Bools:
        """Return for each masked slot whether it is committed."""
        ...


# --- from left to right -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LeftToRight:
    """The first masked slot; given its token, the most confident `tokens_per_step` - 1 of the `window` - 1
    slots after it. Default window: twice `tokens_per_step`, less one. A canvas of L masked slots takes at
    most ceil(L / tokens_per_step) steps.

    A slot's constrained probability is conditioned on the rest being valid, if the rest is drawn slot by
    slot. While most of the canvas is masked, this depends more on the rest than on the slot. So the first
    slot is filled by the model's own probabilities among the tokens that leave a valid filling, as in
    constrained autoregressive decoding. A sliding window replaces LLaDA's blocks (Nie et al., 2025), which do
    not fit a document's fields.
    """

    tokens_per_step: int = 1
    window: int | None = None

    def __post_init__(self) -> None:
        checks.whole("tokens_per_step", self.tokens_per_step, 1)
        if self.window is not None:
            checks.whole("window", self.window, self.tokens_per_step)

    @property
    def leads_alone(self) -> bool:
        """Whether a step fills only the first masked slot."""
        return self.tokens_per_step == 1

    def choose(self, view: SchedulerView) -> Bools:
        """Return the surest slots of the window."""
        window = (self.window or 2 * self.tokens_per_step - 1) - view.led
        chosen = np.zeros(len(view.confidence), np.bool_)
        first = view.part(np.arange(len(chosen)) < window)
        chosen[:window] = first.most(first.confidence, self.tokens_per_step - view.led)
        return chosen


@dataclass(frozen=True, slots=True)
class ConfidentPrefix:
    """The default: the first masked slot as `LeftToRight` fills it, and by the logits of the same pass those
    after it, up to the first of which the model is less than `sure`. For a model that was trained with blocks
    a step ends with its block: later blocks were trained behind filled ones.

    The threshold on confidence is that of Wu et al., Fast-dLLM, 2025. Whether a step goes on depends on the
    tokens before the slot, never on a draw that may still be taken back. So on logits that do not depend on
    the canvas the law is that of `LeftToRight()`, exactly. With a model, a slot behind the first of its step
    does not know the tokens that the same step drew before it; at a temperature of 1 or below each of them
    differs from the likeliest one with a probability of at most 1 - `sure`.
    """

    sure: float = 0.95
    """At 0.95 as many fields are right as at one token a step (docs/infilling.md); at 0.9 one in 138 less."""

    def __post_init__(self) -> None:
        checks.number("sure", self.sure, 0.0, 1.0, "a probability")

    @property
    def leads_alone(self) -> bool:
        """Whether a step fills only slots by their own probabilities: it does."""
        return True

    def choose(self, view: SchedulerView) -> Bools:
        """Return no slot: the denoising loop fills them, from left to right."""
        return np.zeros(len(view.positions), np.bool_)


# --- anywhere -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LowConfidence:
    """The `tokens_per_step` most confident slots: a canvas of L masked slots takes at most
    ceil(L / tokens_per_step) steps. Nie et al., Large Language Diffusion Models (LLaDA), 2025, who call it
    low-confidence remasking; Chang et al., MaskGIT, 2022."""

    tokens_per_step: int = 1

    def __post_init__(self) -> None:
        checks.whole("tokens_per_step", self.tokens_per_step, 1)

    def choose(self, view: SchedulerView) -> Bools:
        """Return the surest slots."""
        return view.most(view.confidence, self.tokens_per_step)


@dataclass(frozen=True, slots=True)
class Threshold:
    """Slots with a constrained probability of at least `least`. Wu et al., Fast-dLLM, 2025."""

    least: float = 0.9

    def __post_init__(self) -> None:
        checks.number("least", self.least, 0.0, 1.0, "a number from 0 to 1")

    def choose(self, view: SchedulerView) -> Bools:
        """Return the slots that are sure enough."""
        found: Bools = view.confidence >= self.least
        return found


@dataclass(frozen=True, slots=True)
class Factor:
    """The most slots n with (n + 1) (1 - c_n) < `factor`, where c_n is the n-th greatest confidence. Then the
    product of the slots' distributions and the joint law have the same mode. Wu et al., Fast-dLLM, 2025."""

    factor: float = 1.0

    def __post_init__(self) -> None:
        checks.number("factor", self.factor, 1e-9, 1e9, "a number above 0")

    def choose(self, view: SchedulerView) -> Bools:
        """Return the slots that may be committed together."""
        ordered = np.sort(view.confidence)[::-1]
        fits = np.flatnonzero((np.arange(len(ordered)) + 2) * (1.0 - ordered) < self.factor)
        return view.most(view.confidence, int(fits[-1]) + 1 if len(fits) else 1)


@dataclass(frozen=True, slots=True)
class EntropyBound:
    """The most slots, least entropy first, whose entropies without the greatest sum to at most `bound`: this
    sum bounds the error of drawing the slots independently. Ben-Hamu et al., Accelerated Sampling from Masked
    Diffusion Models via Entropy Bounded Unmasking, 2025."""

    bound: float = 0.1
    """In nats."""

    def __post_init__(self) -> None:
        checks.number("bound", self.bound, 0.0, 1e9, "a number of nats, at least 0")

    def choose(self, view: SchedulerView) -> Bools:
        """Return the slots within the bound; one at least."""
        ordered = np.sort(view.entropy)
        within = np.cumsum(ordered) - ordered <= self.bound
        return view.most(-view.entropy, int(np.argmin(within)) if not within.all() else len(within))


@dataclass(frozen=True, slots=True)
class FirstHitting:
    """One masked slot, uniformly at random; for a temperature above 0. Zheng et al., Masked Diffusion Models
    are Secretly Time-Agnostic Masked Models, 2024: in a masked diffusion the masked slots are hit one by one
    in uniformly random order, so that the sampler needs no time steps. Draws are made in float64: their paper
    shows that Gumbel noise in float32 is cut off, which lowers the temperature unseen."""

    def choose(self, view: SchedulerView) -> Bools:
        """Return the slot that is hit first."""
        chosen = np.zeros(len(view.positions), np.bool_)
        chosen[int(view.chance.integers(len(chosen)))] = True
        return chosen


# --- around another scheduler -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Blocks:
    """Block by block from the left, each by another scheduler. Blocks have `length` slots, counted from the
    canvas's first slot; None: the model's own block length, or 32. Nie et al., Large Language Diffusion
    Models (LLaDA), 2025; Arriola et al., Block Diffusion, 2025."""

    inner: Scheduler = field(default_factory=LowConfidence)
    length: int | None = None

    def __post_init__(self) -> None:
        if self.length is not None:
            checks.whole("length", self.length, 1)

    def choose(self, view: SchedulerView) -> Bools:
        """Return what the other scheduler chooses in the first block with a masked slot."""
        blocks = view.positions // (self.length or view.block_length or _USUAL_BLOCK)
        here = blocks == blocks.min()
        chosen = np.zeros(len(here), np.bool_)
        chosen[here] = self.inner.choose(view.part(here))
        return chosen


@dataclass(frozen=True, slots=True)
class Prophet:
    """All slots once the gap reaches the threshold of the present third; before that, another scheduler's
    choice. Li et al., Diffusion Language Models Know the Answer Before Decoding (Prophet), 2025. Their gap is
    between the two likeliest tokens of each slot; here it is between the two most probable valid fillings of
    the whole canvas. The thresholds fall with the share of filled slots, as in the authors' release."""

    inner: Scheduler = field(default_factory=LowConfidence)
    gaps: tuple[float, float, float] = (7.5, 5.0, 2.5)
    """In nats, for the first, the second and the last third of the slots."""

    def choose(self, view: SchedulerView) -> Bools:
        """Return all slots, or what the other scheduler chooses."""
        filled = 1.0 - len(view.positions) / max(view.slots, 1)
        if view.gap >= self.gaps[min(int(3 * filled), 2)]:
            return np.ones(len(view.positions), np.bool_)
        return self.inner.choose(view)


@dataclass(frozen=True, slots=True)
class FreeDave:
    """Several steps of another scheduler for one pass of the model, with the same canvas at the end. Wu and
    Zhang, Free Draft-and-Verification (FreeDave), 2025.

    The scheduler's next steps are guessed from known logits: `drafts` nested canvases, each with more slots
    filled. One pass of the model reads them together. Then the steps are taken with the true logits; as long
    as a step ends in the guessed canvas, the logits of the next one are known already. So the result is that
    of the inner scheduler alone, also with a temperature: a step's random numbers depend on its number only.
    """

    inner: Scheduler = field(default_factory=LowConfidence)
    drafts: int = 4

    def __post_init__(self) -> None:
        checks.whole("drafts", self.drafts, 1, 64)

    def choose(self, view: SchedulerView) -> Bools:
        """Return what the other scheduler chooses; the denoising loop makes the drafts."""
        return self.inner.choose(view)


# --- by name ------------------------------------------------------------------------------------------------

_BY_NAME: Final[dict[str, Callable[..., Scheduler]]] = {
    "auto": ConfidentPrefix,
    "confident-prefix": ConfidentPrefix,
    "low-confidence": LowConfidence,
    "left-to-right": LeftToRight,
    "blocks": lambda **rate: Blocks(LowConfidence(**rate)),
    "threshold": Threshold,
    "factor": Factor,
    "entropy-bound": EntropyBound,
    "prophet": Prophet,
    "freedave": lambda **rate: FreeDave(LowConfidence(**rate)),
    "first-hitting": FirstHitting,
}
NAMES = tuple(_BY_NAME)
"""The names that `named` knows."""
_WITH_RATE: Final = ("low-confidence", "left-to-right", "blocks", "freedave")


def named(scheduler: str | Scheduler, *, tokens_per_step: int | None = None) -> Scheduler:
    """Return a scheduler by its name, with its default constants, or the given object.

    `tokens_per_step` is for schedulers with a fixed rate: low-confidence, left-to-right, blocks and freedave
    (default 1). Raises OptionError for an unknown name, and for a rate that a scheduler does not have.
    """
    cure = f"Choose one of {', '.join(NAMES)}."
    if not isinstance(scheduler, str | Scheduler):
        raise OptionError(
            f"A scheduler is a name or an object with choose(view), not a {type(scheduler).__name__}.",
            where="scheduler",
            cure=cure,
        )
    if isinstance(scheduler, str) and scheduler not in _BY_NAME:
        raise OptionError(f"There is no scheduler {scheduler!r}.", where="scheduler", cure=cure)
    if tokens_per_step is not None and scheduler not in _WITH_RATE:
        raise OptionError(
            "Only low-confidence, left-to-right, blocks and freedave commit a fixed number of tokens a step.",
            where="tokens_per_step",
            cure="Leave it out, or choose one of them with scheduler=.",
        )
    rate: dict[str, Any] = {} if tokens_per_step is None else {"tokens_per_step": tokens_per_step}
    return _BY_NAME[scheduler](**rate) if isinstance(scheduler, str) else scheduler

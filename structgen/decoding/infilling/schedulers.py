"""Schedulers: which slots a step fills, and with which tokens.

`CanvasStep` says what the model knows after a pass, and writes tokens. It writes no token after which no
filling is valid, so no scheduler causes a dead end. The schedulers here fill slots from left to right; those
of papers are files of bench/methods.

Laws of draws (a temperature above 0). If the logits do not depend on the canvas, there is one joint law of
the slots, given that the text is valid. From left to right a text has this law if the tokens that may stand
in a slot do not depend on the other slots. For other grammars it has the law of masking: each slot by its own
probabilities among the tokens that leave a valid filling. If the logits depend on the canvas, as those of a
model do, no scheduler draws from the model's joint law under a grammar.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np

from structgen.base.errors import OptionError
from structgen.base.language import checks
from structgen.decoding.infilling.canvas import Canvas, FilledSlot, MaskedSlot
from structgen.decoding.infilling.lattice import NULL, Floats

NAMES: Final = ("auto", "confident-prefix", "left-to-right")
GONE: Final = {"tokens_per_step": 'Write scheduler="left-to-right" for one token in a step'}
"""Options of before, and what to write instead."""


@dataclass
class CanvasStep:
    """A step of the denoising loop, after the model's pass over the canvas."""

    canvas: Canvas
    """Its lattices have the logits of the masked slots (`Lattice.logits`)."""
    number: int
    """The number of steps before this one."""
    slots: int
    """The number of masked slots in the new canvas."""
    temperature: float
    seed: int
    block_length: int | None = None
    """The slots of a block, if the model was trained with blocks."""
    state: dict[str, Any] = field(default_factory=dict)
    """The scheduler's own memory of this canvas, empty at step 0."""
    written: list[FilledSlot] = field(default_factory=list)
    """What the step has filled."""

    def masked(self) -> list[MaskedSlot]:
        """Return the masked slots, from left to right."""
        return self.canvas.open_slots()

    def law(self, place: MaskedSlot, temperature: float = 1.0) -> Floats:
        """Return the probability of each token [V of the tokenizer], and last that of staying empty, at a
        masked slot by the model's logits for it, among those that leave a valid filling."""
        return self.canvas.parts[place.part].lattice.allowed_law(place.slot, 1.0 / temperature)

    def chance(self, purpose: int = 0) -> np.random.Generator:
        """Return the random numbers of this step. They depend on the seed, the step and the purpose only, so
        that a canvas is the same alone and in a batch."""
        sequence = np.random.SeedSequence([self.seed, self.number, purpose])
        return np.random.Generator(np.random.Philox(sequence))

    def write(self, place: MaskedSlot, token: int, probability: float) -> None:
        """Fill a masked slot with a token, or with NULL, after which it stays empty. Raises ValueError if no
        filling is valid then."""
        if not self.canvas.parts[place.part].lattice.allows_token(place.slot, token):
            raise ValueError(f"no valid filling has the token {token} at position {place.position}")
        self.written.append(self.canvas.commit_token(place, token, probability))


@runtime_checkable
class Scheduler(Protocol):
    """Fills some masked slots in each step. One object serves many canvases, so it writes what it remembers
    into `step.state`, and never into itself.

    Where it fills none, the default scheduler does. A scheduler that raises, is slow, or remembers more than
    64 MiB is not asked again for this canvas: the default scheduler goes on, and `usage.scheduler` says why.
    """

    def fill(self, step: CanvasStep) -> None:
        """Fill masked slots with `step.write`."""
        ...


@dataclass(frozen=True, slots=True)
class ConfidentPrefix:
    """The default: the first masked slot by the model's own probabilities among the tokens that leave a valid
    filling (the likeliest one; a draw if there is a temperature), as in constrained autoregressive decoding;
    and by the logits of the same pass those after it, up to the first of which the model is less than `sure`.
    For a model that was trained with blocks a step ends with its block: later blocks were trained after
    filled ones.

    The threshold on confidence is that of Wu et al., Fast-dLLM, 2025. Whether a step goes on depends on the
    tokens before the slot, never on a draw that may still be taken back. So on logits that do not depend on
    the canvas the law is that of one slot a step, exactly. With a model, a slot after the first of its step
    does not know the tokens that the same step drew before it; at a temperature of 1 or below each of them
    differs from the likeliest one with a probability of at most 1 - `sure`.
    """

    sure: float = 0.95
    """At 0.95 as many fields are right as at one token a step (docs/infilling.md); at 0.9 one in 138 less.
    Above 1, a step fills one slot: `left-to-right`."""

    def fill(self, step: CanvasStep) -> None:
        """Fill the first masked slot, and those after it that are sure."""
        # A purpose of its own: draws of other schedulers have other numbers.
        chance = step.chance(2)
        places = step.masked()
        block = step.block_length or len(step.canvas.tokens)
        for place in places:
            law = step.law(place)
            is_in_later_block = place.position // block != places[0].position // block
            if step.written and (is_in_later_block or law.max() < self.sure):
                break
            at = int(np.argmax(law))
            if step.temperature:
                sums = np.cumsum(step.law(place, step.temperature))
                at = int(np.searchsorted(sums, chance.random() * sums[-1], side="right"))
            # The last element of a law is the probability that the slot stays empty.
            token = at if at < len(law) - 1 else NULL
            step.write(place, token, float(law[at]))


def find_scheduler(scheduler: str | Scheduler, *, sure: float | None = None) -> Scheduler:
    """Return a scheduler by its name, or the given object. `sure` is that of the default. Raises OptionError
    for an unknown name, and for `sure` beside another scheduler."""
    if sure is not None:
        checks.check_number("sure", sure, 0.0, 1.0, "a probability")
        if scheduler not in ("auto", "confident-prefix"):
            raise OptionError(
                "Only the default scheduler has a threshold here.",
                where="sure",
                cure="Leave it out, or leave out scheduler=.",
            )
        return ConfidentPrefix(float(sure))
    if isinstance(scheduler, Scheduler):
        return scheduler
    if scheduler not in NAMES:
        fault = f"A {type(scheduler).__name__} has no fill(step), which a scheduler has."
        if isinstance(scheduler, str):
            fault = f"There is no scheduler {scheduler!r}."
        raise OptionError(
            fault,
            where="scheduler",
            cure=f"Choose one of {', '.join(NAMES)}, or give an object with fill(step); those of papers "
            "(low-confidence, threshold, prophet, ...) are objects of files in bench/methods "
            "(docs/infilling.md).",
        )
    # No model is infinitely sure, so each step fills one slot.
    return ConfidentPrefix(math.inf) if scheduler == "left-to-right" else ConfidentPrefix()

"""Schedulers: which slots a step fills, and with which tokens.

A *step* is one pass of the model over the canvas and the writing of some tokens. A *scheduler* is an object
whose method `fill` takes a step and writes tokens into some masked slots. The *law* of a slot is the
probability of each token by the slot's logits, among the tokens that leave a valid filling.

`CanvasStep` gives a scheduler what the model knows after a pass, and writes tokens. It refuses a token after
which no filling is valid, so no scheduler causes a dead end. The schedulers here fill slots from left to
right; those of papers are files of bench/methods.

The law of a text that is drawn (at a temperature above 0). If the logits do not depend on the canvas, there
is one joint law of the slots, given that the text is valid. Filling from left to right draws from this law if
the tokens that a slot may hold do not depend on the other slots. For other grammars it draws from the law of
masking: each slot by its own law. If the logits depend on the canvas, as those of a model do, no scheduler
draws from the model's joint law under a grammar.
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
"""Options of earlier releases, each with what to write instead."""


@dataclass
class CanvasStep:
    """A step of the denoising loop, after the model's pass over the canvas."""

    canvas: Canvas
    """The canvas. Its lattices have the logits of the masked slots (`Lattice.logits`)."""
    number: int
    """The number of steps before this one."""
    slots: int
    """The number of masked slots in the new canvas."""
    temperature: float
    seed: int
    block_length: int | None = None
    """The number of slots of a block, if the model was trained with blocks; else None."""
    state: dict[str, Any] = field(default_factory=dict)
    """The scheduler's own memory of this canvas, empty at step 0."""
    written: list[FilledSlot] = field(default_factory=list)
    """The slots that the step has filled so far."""

    def masked(self) -> list[MaskedSlot]:
        """Return the masked slots, from left to right."""
        return self.canvas.open_slots()

    def law(self, place: MaskedSlot, temperature: float = 1.0) -> Floats:
        """Return the law of a masked slot: float64 [V + 1], the probability of each token, and last that of
        staying empty. It is over the contents that leave a valid filling, by the model's logits for this
        slot. `temperature` divides the logits."""
        return self.canvas.parts[place.part].lattice.allowed_law(place.slot, 1.0 / temperature)

    def chance(self, purpose: int = 0) -> np.random.Generator:
        """Return a generator of random numbers for this step. Its numbers depend only on the seed, the step
        and the `purpose` (a number that the caller chooses). So a canvas is the same alone and in a batch."""
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
    """Fills some masked slots in each step. One object serves many canvases, so it keeps what it remembers of
    one in `step.state`, and never in itself.

    In a step in which it fills no slot, the default scheduler fills some. A scheduler that raises, is slow,
    or remembers more than 64 MiB is not called again for this canvas. The default scheduler goes on, and
    `usage.scheduler` describes why.
    """

    def fill(self, step: CanvasStep) -> None:
        """Fill masked slots with `step.write`."""


@dataclass(frozen=True, slots=True)
class ConfidentPrefix:
    """The default scheduler: each step fills slots from left to right, as long as the model is sure.

    A step always fills the first masked slot, as constrained autoregressive decoding does. It writes the
    likeliest token of the slot's law, or draws one if there is a temperature. By the logits of the same pass
    it also fills the slots after it. It stops before the first slot whose likeliest token has a probability
    below `sure`. For a model that was trained with blocks a step ends with its block, because the model was
    trained to fill a block after all earlier ones.

    The threshold on confidence is that of Wu et al., Fast-dLLM, 2025. Whether a step goes on depends on the
    tokens before the slot, never on a draw that may still be taken back. So if the logits do not depend on
    the canvas, the law of the text is exactly that of one slot a step. With a model, the logits of a slot do
    not know the tokens that the same step wrote before it. At a temperature of 1 or below, each of these
    tokens differs from the likeliest one with a probability of at most 1 - `sure`.
    """

    sure: float = 0.95
    """The least probability of a token after the first of a step. At 0.95 as many fields are right as at one
    token a step (docs/infilling.md); at 0.9 one field in 138 fewer. Above 1, a step fills one slot, which is
    the scheduler `left-to-right`."""

    def fill(self, step: CanvasStep) -> None:
        """Fill the first masked slot, and those after it that are sure."""
        # The purpose 2 belongs to this scheduler, so that draws of other schedulers use other numbers.
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
    """Return a scheduler by its name, or the given object. `sure`: the threshold of the default scheduler;
    None: 0.95. Raises OptionError for an unknown name, and for `sure` with another scheduler."""
    if sure is not None:
        checks.check_number("sure", sure, 0.0, 1.0, "a probability")
        if scheduler not in ("auto", "confident-prefix"):
            raise OptionError(
                "Only the default scheduler has a threshold.",
                where="sure",
                cure="Remove it, or remove scheduler=.",
            )
        return ConfidentPrefix(float(sure))
    if isinstance(scheduler, Scheduler):
        return scheduler
    if scheduler not in NAMES:
        fault = f"{type(scheduler).__name__} is not a scheduler: it has no fill(step)."
        if isinstance(scheduler, str):
            fault = f"The scheduler {scheduler!r} is not known."
        raise OptionError(
            fault,
            where="scheduler",
            cure=f"Use one of {', '.join(NAMES)}, or pass an object with fill(step); those of "
            "papers (low-confidence, threshold, prophet, ...) are objects of files in "
            "bench/methods (docs/infilling.md).",
        )
    # No probability reaches infinity, so each step of "left-to-right" fills one slot.
    return ConfidentPrefix(math.inf) if scheduler == "left-to-right" else ConfidentPrefix()

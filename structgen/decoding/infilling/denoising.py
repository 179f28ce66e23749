"""The denoising loop: run the model, have the scheduler fill some slots, until no slot is masked.

A *step* is one pass of the model over the canvas, and the tokens that a *scheduler* then writes into masked
slots. Every step fills at least one slot, with a token that leaves a valid filling. So a canvas with L masked
slots takes at most L steps, and the result is a text of the grammar. At a deadline all other slots are filled
at once, by the logits of the last pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from structgen.base.errors import OptionError
from structgen.base.system.held_bytes import held_bytes
from structgen.decoding.infilling.canvas import Canvas, FilledSlot
from structgen.decoding.infilling.masked_model import MaskedModel
from structgen.decoding.infilling.schedulers import CanvasStep, ConfidentPrefix, Scheduler
from structgen.decoding.speculation.guarded import SLOW, GuardedCall

MOST_STATE: Final = 1 << 26
"""The most bytes that a scheduler may remember of a canvas (`held_bytes` of its state): 64 MiB."""


@dataclass(frozen=True, slots=True)
class DenoisingStep:
    """A step of the loop. Step 0 has the slots that had only one valid token before the first pass of the
    model."""

    number: int
    committed: tuple[FilledSlot, ...]
    canvas: tuple[int, ...]
    """The contents of each slot after the step: a token, -1 (masked) or -2 (empty)."""
    model_seconds: float
    """The seconds of the model's pass before the step; 0 for a step at the deadline, which has no pass."""
    lattice_seconds: float


@dataclass(slots=True)
class CanvasUsage:
    """The cost of a canvas."""

    steps: int = 0
    """The number of steps. Each took one pass of the model."""
    model_seconds: float = 0.0
    lattice_seconds: float = 0.0
    compile_seconds: float = 0.0
    """The seconds that making automata took, before the first step. Cached automata cost nothing."""
    scheduler: str = ""
    """Why the caller's scheduler was dropped, so that the default scheduler went on; "" if it was not."""


def denoise(
    model: MaskedModel,
    scheduler: Scheduler,
    canvas: Canvas,
    usage: CanvasUsage,
    *,
    temperature: float,
    seed: int,
    deadline: float | None,
    listener: Callable[[DenoisingStep, Canvas], None] | None,
) -> tuple[list[DenoisingStep], bool]:
    """Fill a canvas that has a valid filling. Return its steps, and whether the deadline cut them short.

    `usage` is counted up. `temperature` is 0 for the likeliest tokens. `seed` determines the random numbers
    of each step. `deadline` is a time of the clock time.monotonic; a pass that is running is waited for.
    `listener` is called after each step. For example `denoise(model, ConfidentPrefix(), canvas,
    CanvasUsage(), temperature=0.0, seed=0)`. Cost: a pass of the model for each step.
    """
    steps: list[DenoisingStep] = []

    def add_step(filled_slots: list[FilledSlot], model_seconds: float, began: float) -> None:
        """Add a step, count its costs, and call the listener. `began`: the time at which the work on the
        lattices began, by time.monotonic."""
        took = time.perf_counter() - began
        usage.model_seconds += model_seconds
        usage.lattice_seconds += took
        contents = tuple(canvas.tokens.tolist())
        steps.append(DenoisingStep(len(steps), tuple(sorted(filled_slots)), contents, model_seconds, took))
        if listener is not None:
            listener(steps[-1], canvas)

    def note_drop(error: Exception) -> None:
        """Note why the scheduler is dropped."""
        usage.scheduler = f"{type(scheduler).__name__}: {type(error).__name__}: {error}"

    began = time.perf_counter()
    slots = len(canvas.open_slots())
    state = dict[str, Any]()
    add_step(canvas.commit_forced(), 0.0, began)
    is_own = isinstance(scheduler, ConfidentPrefix)
    default = scheduler if is_own else ConfidentPrefix()
    # A scheduler of the caller's may raise, be slow or use too much memory. Then it is dropped, and the
    # default scheduler goes on.
    fill_guarded = GuardedCall(partial(_fill_step, scheduler), SLOW, note_drop)
    while canvas.open_slots():
        began = time.perf_counter()
        step = CanvasStep(canvas, usage.steps, slots, temperature, seed, None, state)
        if deadline is not None and time.monotonic() >= deadline:
            step.temperature = 0.0
            # With a threshold of 0 it is sure of every slot, so all are filled in this step.
            ConfidentPrefix(0.0).fill(step)
            add_step(step.written, 0.0, began)
            return steps, True
        _run_model(model, canvas)
        read_time = time.perf_counter()
        step.block_length = model.block_length
        if not is_own and not usage.scheduler:
            fill_guarded(step)
        # Where the scheduler filled no slot, the default scheduler fills one, so that the loop ends.
        if not step.written:
            default.fill(step)
        usage.steps += 1
        add_step([*step.written, *canvas.commit_forced()], read_time - began, read_time)
    return steps, False


def _run_model(model: MaskedModel, canvas: Canvas) -> None:
    """Run the model over a canvas, which keeps the logits of its masked slots."""
    ids = canvas.model_ids()
    rows = canvas.masked_rows()
    # Models may have the member `forward_rows`: the logits of some rows cost less than the logits of all.
    forward_rows: Any = getattr(model, "forward_rows", None)
    if forward_rows is None:
        rows = np.arange(len(ids))
    logits = model.forward(ids) if forward_rows is None else forward_rows(ids, rows)
    if getattr(logits, "shape", None) != (len(rows), model.vocab_size):
        raise OptionError(
            f"forward returned {getattr(logits, 'shape', type(logits).__name__)} for {len(rows)} rows.",
            where="model",
            cure=f"forward must return float32 logits [{len(rows)}, {model.vocab_size}].",
        )
    canvas.take_logits(np.asarray(logits, np.float32), rows)


def _fill_step(scheduler: Scheduler, step: CanvasStep) -> None:
    """Call a scheduler to fill the slots of a step. Raises MemoryError if it remembers more than
    `MOST_STATE` bytes."""
    scheduler.fill(step)
    if held_bytes(step.state, MOST_STATE) > MOST_STATE:
        step.state.clear()  # the memory is free at once, and not at the end of the canvas
        raise MemoryError(f"its state holds more than {MOST_STATE:,} bytes")

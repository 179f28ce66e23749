"""The denoising loop: run the model, have the scheduler fill some slots, until no slot is masked.

Every step fills at least one slot, by a token that leaves a valid filling. So a canvas with L masked slots
takes at most L steps, and the result is a text of the grammar. At a deadline the rest is filled at once, by
the logits that are known.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from structgen.base.errors import OptionError
from structgen.base.system.guarded import SLOW, GuardedCall
from structgen.base.system.held_bytes import held_bytes
from structgen.decoding.infilling.canvas import Canvas, FilledSlot
from structgen.decoding.infilling.masked_model import MaskedModel
from structgen.decoding.infilling.schedulers import CanvasStep, ConfidentPrefix, Scheduler

MOST_STATE: Final = 1 << 26
"""The most bytes that a scheduler may remember of a canvas (`held_bytes` of its state)."""


@dataclass(frozen=True, slots=True)
class DenoisingStep:
    """A step of the loop. Step 0 has what was forced before the first pass of the model."""

    number: int
    committed: tuple[FilledSlot, ...]
    canvas: tuple[int, ...]
    """The contents of each slot afterwards: a token, -1 (masked) or -2 (empty)."""
    model_seconds: float
    """Seconds of the preceding pass of the model; 0 at a deadline, which has none."""
    lattice_seconds: float


@dataclass(slots=True)
class CanvasUsage:
    """The cost of a canvas."""

    steps: int = 0
    """Each took one pass of the model."""
    model_seconds: float = 0.0
    lattice_seconds: float = 0.0
    compile_seconds: float = 0.0
    """Seconds for making automata, before the first step; cached ones cost nothing."""
    scheduler: str = ""
    """Why the caller's scheduler was dropped, after which the default scheduler went on; "" if it was not."""


def denoise(
    model: MaskedModel,
    scheduler: Scheduler,
    canvas: Canvas,
    usage: CanvasUsage,
    *,
    temperature: float,
    seed: int,
    deadline: float | None = None,
    listener: Callable[[DenoisingStep, Canvas], None] | None = None,
) -> tuple[list[DenoisingStep], bool]:
    """Fill a feasible canvas; return its steps, and whether the deadline cut it short.

    `usage` is counted up; `temperature` is 0 for the likeliest tokens; `seed` gives the random numbers of
    each step. `deadline` is on the clock of time.monotonic; a pass that is running is waited for. `listener`
    is called after each step. For example `denoise(model, ConfidentPrefix(), canvas, CanvasUsage(),
    temperature=0.0, seed=0)`. Cost: a pass of the model for each step.
    """
    steps: list[DenoisingStep] = []

    def add_step(filled_slots: list[FilledSlot], model_seconds: float, began: float) -> None:
        """Add a step, count its costs, and tell the listener; `began`: when the work on lattices did."""
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
    # A scheduler of the caller's may raise, be slow or grow. It is dropped then, and the canvas goes on.
    fill_guarded = GuardedCall(partial(_fill_step, scheduler), SLOW, note_drop)
    while canvas.open_slots():
        began = time.perf_counter()
        step = CanvasStep(canvas, usage.steps, slots, temperature, seed, None, state)
        if deadline is not None and time.monotonic() >= deadline:
            step.temperature = 0.0
            # Sure of everything: all slots are filled in this step, by the logits that are known.
            ConfidentPrefix(0.0).fill(step)
            add_step(step.written, 0.0, began)
            return steps, True
        _run_model(model, canvas)
        read_time = time.perf_counter()
        step.block_length = model.block_length
        if not is_own and not usage.scheduler:
            fill_guarded(step)
        # Each step fills a slot, so that the loop ends.
        if not step.written:
            default.fill(step)
        usage.steps += 1
        add_step([*step.written, *canvas.commit_forced()], read_time - began, read_time)
    return steps, False


def _run_model(model: MaskedModel, canvas: Canvas) -> None:
    """Have a canvas take the model's logits for its masked slots."""
    ids = canvas.model_ids()
    rows = canvas.masked_rows()
    # A member that models may have: the logits of some rows cost less than those of all.
    forward_rows: Any = getattr(model, "forward_rows", None)
    if forward_rows is None:
        rows = np.arange(len(ids))
    logits = model.forward(ids) if forward_rows is None else forward_rows(ids, rows)
    if getattr(logits, "shape", None) != (len(rows), model.vocab_size):
        raise OptionError(
            f"forward returned {getattr(logits, 'shape', type(logits).__name__)} for {len(rows)} rows.",
            where="model",
            cure=f"It returns float32 logits [{len(rows)}, {model.vocab_size}].",
        )
    canvas.take_logits(np.asarray(logits, np.float32), rows)


def _fill_step(scheduler: Scheduler, step: CanvasStep) -> None:
    """Have a scheduler fill a step. Raises MemoryError if it remembers too much."""
    scheduler.fill(step)
    if held_bytes(step.state, MOST_STATE) > MOST_STATE:
        step.state.clear()  # the memory is free at once, and not at the end of the canvas
        raise MemoryError(f"its state holds more than {MOST_STATE:,} bytes")

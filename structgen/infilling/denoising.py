"""The denoising loop: run the model, propose a valid filling, commit a part of it, until no slot is masked.

Every step commits at least one slot of one valid filling. So a canvas with L masked slots takes at most L
steps, and the result is a text of the grammar. At a deadline the rest of a valid filling is committed at
once.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structgen.errors import OptionError
from structgen.infilling.canvas import Canvas
from structgen.infilling.lattice import NULL, Tokens
from structgen.infilling.masked_model import MaskedModel
from structgen.infilling.schedulers import Bools, ConfidentPrefix, Scheduler, SchedulerView
from structgen.system.guarded import SLOW
from structgen.system.held_bytes import held_bytes

MOST_STATE: Final = 1 << 26
"""The most bytes that a scheduler may remember of a canvas (`held_bytes` of its state)."""


@dataclass(frozen=True, slots=True)
class Committed:
    """A slot that was filled."""

    position: int
    """In the canvas, without the prompt."""
    token: int | None
    """None: the slot stays empty."""
    probability: float
    """The token's probability at its slot, given that the whole canvas is valid; 1 if it was forced."""


@dataclass(frozen=True, slots=True)
class DenoisingStep:
    """A step of the loop. Step 0 has what was forced before the first pass of the model."""

    number: int
    committed: tuple[Committed, ...]
    canvas: tuple[int, ...]
    """The contents of each slot afterwards: a token, -1 (masked) or -2 (empty)."""
    gap: float
    """How far the best filling was ahead of the second, in nats; 0 if it was not computed."""
    model_seconds: float
    """Seconds of the preceding pass of the model; 0 if a draft had the logits already."""
    lattice_seconds: float


@dataclass(slots=True)
class CanvasUsage:
    """The cost of a canvas."""

    steps: int = 0
    passes: int = 0
    """Passes of the model; canvases that are read together count once."""
    canvases: int = 0
    """Canvases that the model read."""
    model_seconds: float = 0.0
    lattice_seconds: float = 0.0
    compile_seconds: float = 0.0
    """Seconds for making automata, before the first step; cached ones cost nothing."""
    scheduler: str = ""
    """Why the caller's scheduler was dropped, after which the default scheduler went on; "" if it was not."""


@dataclass(frozen=True)
class Denoiser:
    """Fills canvases with a model, a scheduler and a temperature."""

    model: MaskedModel
    scheduler: Scheduler
    temperature: float
    seed: int

    def fill(
        self,
        canvas: Canvas,
        usage: CanvasUsage,
        *,
        deadline: float | None = None,
        listen: Callable[[DenoisingStep, Canvas], None] | None = None,
    ) -> tuple[list[DenoisingStep], bool]:
        """Fill a feasible canvas; return its steps, and whether the deadline cut it short.

        `deadline` is on the clock of time.monotonic; a pass that is running is waited for.
        """
        steps: list[DenoisingStep] = []

        def add(committed: tuple[Committed, ...], gap: float, model_seconds: float, began: float) -> None:
            took = time.perf_counter() - began
            usage.lattice_seconds += took
            contents = tuple(canvas.tokens.tolist())
            steps.append(DenoisingStep(usage.steps, committed, contents, gap, model_seconds, took))
            if listen is not None:
                listen(steps[-1], canvas)

        began = time.perf_counter()
        slots = len(canvas.open_slots())
        add(_committed(canvas.commit_forced()), 0.0, 0.0, began)
        asked, has_logits = _AskedScheduler(self.scheduler), False
        while canvas.open_slots():
            began = time.perf_counter()
            if deadline is not None and time.monotonic() >= deadline:
                usage.steps += 1
                add(self._rest(canvas), 0.0, 0.0, began)
                return steps, True
            guessed = self._guess(canvas, usage.steps, slots, asked.copy()) if has_logits else []
            began = time.perf_counter()
            logits = self._read([canvas, *guessed], usage)
            seconds, has_logits = time.perf_counter() - began, True
            for number, (found, rows) in enumerate(logits):
                began = time.perf_counter()
                canvas.read(asked.adjusted(canvas, found, rows), rows)
                committed, gap = self._step(canvas, usage.steps, slots, asked)
                usage.scheduler = asked.failure
                usage.steps += 1
                add(committed, gap, seconds, began)
                seconds = 0.0
                if not canvas.open_slots() or number == len(guessed):
                    break
                if not np.array_equal(canvas.tokens, guessed[number].tokens):
                    break
        return steps, False

    def _step(
        self, canvas: Canvas, number: int, slots: int, asked: _AskedScheduler
    ) -> tuple[tuple[Committed, ...], float]:
        """Commit a part of a proposed filling; return the committed slots, and the gap if it was computed."""
        committed: list[tuple[int, int, float]] = []
        leads_alone = getattr(asked.scheduler, "leads_alone", None)
        leads = leads_alone is not None
        if leads:
            committed = self._lead(canvas, number, float(getattr(asked.scheduler, "sure", math.inf)))
            if leads_alone or not canvas.open_slots():
                return _committed(committed), 0.0
        proposal = self._proposal(canvas, number)
        marginals = canvas.marginals()
        chances = [
            part.lattice.probabilities(one, found)
            for part, one, found in zip(canvas.parts, proposal, marginals, strict=True)
        ]
        where = canvas.open_slots()

        def at(each: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
            return np.array([each[part][slot] for part, slot in where])

        def entropy() -> npt.NDArray[np.float64]:
            pairs = zip(canvas.parts, marginals, strict=True)
            return at([part.lattice.entropies(found) for part, found in pairs])

        def gap() -> float:
            found = canvas.best(2)
            return found[0][0] - found[1][0] if len(found) > 1 else math.inf

        def law(at: int) -> npt.NDArray[np.float64]:
            part, slot = where[at]
            return np.append(*canvas.parts[part].lattice.token_marginals(slot, marginals[part]))

        positions, filling = at([part.at[0] for part in canvas.parts]), canvas.tokens.copy()
        filling[positions] = at(proposal)
        view = SchedulerView(
            number,
            slots,
            positions,
            at(chances),
            filling,
            entropy,
            gap,
            law,
            self._chance(number, 1),
            self.model.block_length,
            leads,
            asked.state,
        )
        chosen = asked.chosen(view)
        if not chosen.any() and not leads:
            chosen[int(np.argmax(view.confidence))] = True
        for (part, slot), is_chosen in zip(where, chosen.tolist(), strict=True):
            if is_chosen:
                token, chance = int(proposal[part][slot]), float(chances[part][slot])
                committed.append((canvas.commit(part, slot, token), token, chance))
        return _committed([*committed, *canvas.commit_forced()]), vars(view).get("gap", 0.0)

    def _lead(self, canvas: Canvas, number: int, sure: float) -> list[tuple[int, int, float]]:
        """Fill the first masked slot by its own probabilities, among the tokens that leave a valid filling,
        and the slots after it in the same way as long as the likeliest token has the probability `sure`. Then
        commit the slots that have become forced. Return position, token and probability of each."""
        chance = self._chance(number, 2)
        block = self.model.block_length or len(canvas.tokens)
        committed: list[tuple[int, int, float]] = []
        for part, slot in canvas.open_slots():
            at = int(canvas.parts[part].at[0, slot])
            lattice = canvas.parts[part].lattice
            told, null = lattice.allowed_law(slot)
            if committed and (max(null, told.max()) < sure or at // block != committed[0][0] // block):
                break
            if self.temperature == 0.0:
                token = NULL if null > told.max() else int(np.argmax(told))
            else:
                law, empty = lattice.allowed_law(slot, canvas.scale)
                sums = np.cumsum(law)
                drawn = chance.random() * (float(sums[-1]) + empty)
                token = int(np.searchsorted(sums, drawn, side="right")) if drawn < sums[-1] else NULL
            canvas.commit(part, slot, token)
            committed.append((at, token, null if token == NULL else float(told[token])))
        return [*committed, *canvas.commit_forced()]

    def _proposal(self, canvas: Canvas, number: int) -> list[Tokens]:
        """Return one valid filling: the best, or with a temperature an exact draw."""
        if self.temperature == 0.0:
            return canvas.best()[0][1]
        return canvas.sample(self._chance(number, 0))

    def _chance(self, number: int, purpose: int) -> np.random.Generator:
        """Return the random numbers of a step. They depend on the seed and the step only, so that a canvas is
        the same alone and in a batch, and a draft predicts the step's draws."""
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, number, purpose])))

    def _guess(self, canvas: Canvas, number: int, slots: int, asked: _AskedScheduler) -> list[Canvas]:
        """Return the canvases expected for the next steps, by the known logits, where the scheduler has
        `drafts`."""
        guessed: list[Canvas] = []
        last = canvas
        for ahead in range(int(getattr(asked.scheduler, "drafts", 0))):
            last = last.copy()
            self._step(last, number + ahead, slots, asked)
            if asked.failure or not last.open_slots():
                break
            guessed.append(last)
        return guessed

    def _read(
        self, canvases: Sequence[Canvas], usage: CanvasUsage
    ) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]]:
        """Return the model's logits for the masked slots of some canvases, in one pass, and their rows."""
        began = time.perf_counter()
        ids, rows = [one.ids() for one in canvases], [one.rows() for one in canvases]
        some: Any = getattr(self.model, "forward_rows", None)
        several: Any = getattr(self.model, "forward_many", None)
        found: list[Any]
        if some is not None:
            found = [some(one, asked) for one, asked in zip(ids, rows, strict=True)]
            lengths = [len(asked) for asked in rows]
        else:
            is_one = several is None or len(ids) == 1
            found = [self.model.forward(one) for one in ids] if is_one else list(several(ids))
            lengths = [len(one) for one in ids]
            rows = [np.arange(length) for length in lengths]
        for length, logits in zip(lengths, found, strict=True):
            if getattr(logits, "shape", None) != (length, self.model.vocab_size):
                raise OptionError(
                    f"forward returned {getattr(logits, 'shape', type(logits).__name__)} for {length} rows.",
                    where="model",
                    cure=f"It returns float32 logits [{length}, {self.model.vocab_size}].",
                )
        usage.passes += 1
        usage.canvases += len(ids)
        usage.model_seconds += time.perf_counter() - began
        return [(np.asarray(one, np.float32), asked) for one, asked in zip(found, rows, strict=True)]

    def _rest(self, canvas: Canvas) -> tuple[Committed, ...]:
        """Commit all of the best filling, by the known logits; return it, without probabilities (NaN)."""
        filling = canvas.best()[0][1]
        chosen = [(part, slot, int(filling[part][slot])) for part, slot in canvas.open_slots()]
        return _committed([(canvas.commit(*one), one[2], math.nan) for one in chosen])


class _AskedScheduler:
    """A scheduler and its memory while one canvas is filled. It is asked until it fails; then the default
    scheduler goes on, and `failure` says why."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.state: dict[str, Any] = {}
        self.failure = ""
        self._slow = 0

    def copy(self) -> _AskedScheduler:
        """Return another that remembers the same. What happens to it leaves no trace in this one."""
        state = self.state
        if getattr(self.scheduler, "drafts", 0):
            with self._until_it_fails("state"):
                state = copy.deepcopy(state)
        other = copy.copy(self)
        other.state = state
        return other

    def chosen(self, view: SchedulerView) -> Bools:
        """Return for each slot of a view whether this step fills it; no slot where the scheduler fails."""
        chosen = np.zeros(len(view.positions), np.bool_)
        with self._until_it_fails("choose"):
            found = np.array(self.scheduler.choose(view), np.bool_)
            if found.shape != chosen.shape:
                raise ValueError(f"an array of shape {found.shape} for {len(chosen)} masked slots")
            chosen = found
        return chosen

    def adjusted(
        self, canvas: Canvas, logits: npt.NDArray[np.float32], rows: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Return the logits as the scheduler changes them; the same array if it changes none."""
        scheduler: Any = self.scheduler
        while not hasattr(scheduler, "adjust") and hasattr(scheduler, "inner"):
            scheduler = scheduler.inner
        if not hasattr(scheduler, "adjust"):
            return logits
        positions = np.flatnonzero(canvas.is_open)
        at = np.searchsorted(rows, canvas.row_of()[positions])
        found, adjusted = logits, logits[at]
        is_sound = adjusted.max() < math.inf  # else the model is to blame, and will be
        with self._until_it_fails("adjust"):
            scheduler.adjust(adjusted, positions, self.state)
            if is_sound and not adjusted.max() < math.inf:
                raise ValueError("it left NaN or infinity among the logits")
            found = logits.copy()
            found[at] = adjusted
        return found

    @contextmanager
    def _until_it_fails(self, method: str) -> Iterator[None]:
        """Drop the scheduler if a block raises, is slow for the second time, or leaves too much in its
        memory."""
        began = time.monotonic()
        try:
            yield
            self._slow += (seconds := time.monotonic() - began) > SLOW
            if self._slow > 1:
                raise TimeoutError(f"it took {seconds:.0f} seconds")
            if held_bytes(self.state, MOST_STATE) > MOST_STATE:
                raise MemoryError(f"its state holds more than {MOST_STATE:,} bytes")
        except Exception as error:  # any error of a scheduler: the canvas is filled without it
            self.failure = f"{type(self.scheduler).__name__}.{method}: {type(error).__name__}: {error}"
            self.scheduler, self.state = ConfidentPrefix(), {}


def _committed(written: list[tuple[int, int, float]]) -> tuple[Committed, ...]:
    return tuple(Committed(at, None if token == NULL else token, p) for at, token, p in sorted(written))

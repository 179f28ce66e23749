"""A scheduler of the caller's own: what it sees, what it remembers, and what happens when it fails."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import toy_models
from toy_models import Toy, byte_tokenizer

from structgen.decoding.infilling import denoising
from structgen.decoding.infilling.canvas import Canvas
from structgen.decoding.infilling.denoising import MOST_STATE, DenoisingStep
from structgen.decoding.infilling.lattice import NULL
from structgen.decoding.infilling.schedulers import CanvasStep

PATTERN = "{a: /[abc]{0,5}|aab[abc]*/, 6}"


def filled(scheduler: Any, template: str = PATTERN, **options: Any) -> Any:
    options = {"temperature": 1.0, "seed": 5, "length": "at most"} | options
    return toy_models.filled(template, scheduler=scheduler, **options)


class Whimsical:
    """Fills some slots in any order with any tokens that fit; sometimes none."""

    def fill(self, step: CanvasStep) -> None:
        chance = step.chance()
        places = step.masked()
        for at in chance.permutation(len(places))[: chance.integers(3)].tolist():
            law = step.law(places[at])
            token = int(chance.choice(np.flatnonzero(law)))
            step.write(places[at], NULL if token == len(law) - 1 else token, float(law[token]))


@pytest.mark.parametrize("seed", range(6))
def test_any_slots_may_be_filled_in_any_order_by_what_fits(seed: int) -> None:
    left: list[bool] = []

    def listen(step: DenoisingStep, canvas: Canvas) -> None:
        left.append(all(part.lattice.is_feasible for part in canvas.parts))

    template = "{a: /(ab|b\u20ac)+c?/, 12} {b: /-?(0|[1-9][0-9]*)/, 4}"
    found = filled(Whimsical(), template, temperature=1.5, seed=seed, listen=listen)
    assert all(left) and not found.usage.scheduler
    assert re.fullmatch(r"(ab|b\u20ac)+c? -?(0|[1-9]\d*)", found.text)
    assert all(step.committed for step in found.steps[1:])


def test_where_a_scheduler_fills_nothing_the_default_one_does() -> None:
    class Idle:
        def fill(self, step: CanvasStep) -> None:
            pass

    found = filled(Idle())
    assert [one.canvas for one in found.steps] == [one.canvas for one in filled("auto").steps]
    assert not found.usage.scheduler


def test_what_a_step_writes_is_what_is_told_of_it() -> None:
    class Last:
        def fill(self, step: CanvasStep) -> None:
            place = step.masked()[-1]
            law = step.law(place)
            step.write(place, int(law[:-1].argmax()), 0.25)

    (first, *_) = filled(Last(), "{a: /[abc]{4}/, 4}", length="exact").steps[1:]
    assert [(one.position, one.probability) for one in first.committed] == [(3, 0.25)]


def test_the_law_of_a_slot_is_the_softmax_of_its_logits_over_what_fits() -> None:
    laws: list[np.ndarray] = []

    class Noting:
        def fill(self, step: CanvasStep) -> None:
            if not laws:
                laws.extend(step.law(one, 0.5) for one in step.masked())

    model = Toy(byte_tokenizer())
    filled(Noting(), "{a: /[ab]{3}|b?/, 3}", model=model)
    ids = np.array([*byte_tokenizer().encode(b"p"), *[model.mask_id] * 3])
    logits = 2.0 * model.forward(ids)[1:4].astype(float)
    both = byte_tokenizer().encode(b"ab")[0]
    end, a, b = byte_tokenizer().eos_token_ids[0], ord("a"), ord("b")
    for at, may in enumerate([{a, b, both, end}, {a, b, both, end}, {a, b, end}]):
        weights = {token: math.exp(logits[at, token]) for token in may}
        for token in (a, b, both, end):
            place = -1 if token == end else token
            wanted = weights.get(token, 0.0) / sum(weights.values())
            assert laws[at][place] == pytest.approx(wanted, rel=1e-9)
        assert len(laws[at]) == byte_tokenizer().vocab_size + 1 and laws[at].sum() == pytest.approx(1.0)


def test_the_state_of_each_canvas_begins_empty_and_lasts_to_its_end() -> None:
    counted: list[int] = []

    class Counting:
        def fill(self, step: CanvasStep) -> None:
            assert ("steps" in step.state) == (step.number > 0)
            step.state["steps"] = step.state.get("steps", 0) + 1
            counted.append(step.state["steps"])

    scheduler = Counting()
    both = [toy_models.filled(PATTERN, scheduler=scheduler) for _ in range(2)]
    assert counted == [number + 1 for one in both for number in range(one.usage.steps)]


def raises(step: CanvasStep) -> None:
    raise ValueError("no idea")


def writes_what_does_not_fit(step: CanvasStep) -> None:
    step.write(step.masked()[0], ord("z"), 1.0)


def writes_twice(step: CanvasStep) -> None:
    place = step.masked()[0]
    for _ in range(2):
        step.write(place, ord("a"), 1.0)


def remembers(held: Any) -> Any:
    def fill(step: CanvasStep) -> None:
        step.state["all"] = held

    return fill


MUCH = np.empty(MOST_STATE + 1, np.uint8)
TOO_MUCH = "MemoryError: its state holds more than 67,108,864 bytes"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (raises, "ValueError: no idea"),
        (writes_what_does_not_fit, "ValueError: no valid filling has the token 122 at position 0"),
        (writes_twice, "ValueError: no valid filling has the token 97 at position 0"),
        (remembers(MUCH), TOO_MUCH),
        (remembers([MUCH]), TOO_MUCH),
        (remembers({1: ((MUCH,),)}), TOO_MUCH),
    ],
)
def test_without_a_scheduler_that_fails_the_default_one_goes_on(fault: Any, told: str) -> None:
    asked: list[int] = []

    class Odd:
        def fill(self, step: CanvasStep) -> None:
            asked.append(step.number)
            fault(step)

    found = filled(Odd())
    assert found.usage.scheduler.startswith(f"Odd: {told}") and asked == [0]
    assert re.fullmatch("[abc]{0,5}|aab[abc]*", found.text)


def test_a_scheduler_that_is_slow_twice_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denoising, "SLOW", -1.0)
    asked: list[int] = []

    class Slow:
        def fill(self, step: CanvasStep) -> None:
            asked.append(step.number)

    found = filled(Slow())
    assert len(asked) == 2 and found.usage.scheduler.startswith("Slow: TimeoutError: a call took")
    assert re.fullmatch("[abc]{0,5}|aab[abc]*", found.text)

"""A scheduler of the caller's own: what it sees, what it remembers, and what happens when it fails."""

from __future__ import annotations

import itertools
import math
import re
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import toy_models
from for_each import for_each
from toy_models import Toy, byte_tokenizer

from structgen.infilling import denoising
from structgen.infilling.denoising import MOST_STATE
from structgen.infilling.schedulers import Blocks, FreeDave, LowConfidence, SchedulerView

PATTERN = "{a: /[abc]{0,5}|aab[abc]*/, 6}"


def filled(scheduler: Any, template: str = PATTERN, **options: Any) -> Any:
    options = {"temperature": 1.0, "seed": 5, "length": "at most"} | options
    return toy_models.filled(template, scheduler=scheduler, **options)


@dataclass
class Noting:
    """One slot a step; keeps each view for the test, and its laws."""

    seen: list[SchedulerView] = field(default_factory=list)
    laws: list[np.ndarray] = field(default_factory=list)
    parts: list[np.ndarray] = field(default_factory=list)

    def choose(self, view: SchedulerView) -> Any:
        self.seen.append(view)
        odd = np.arange(len(view.positions)) % 2 == 1
        self.laws.append(np.stack([view.law(at) for at in range(len(odd))]))
        self.parts.append(np.stack([view.part(odd).law(at) for at in range(odd.sum())] or [view.law(0)]))
        return LowConfidence().choose(view)


@dataclass(frozen=True)
class Growing:
    """As many slots as its state has counted steps; its state shifts the logits, too."""

    def adjust(self, logits: np.ndarray, positions: np.ndarray, state: dict[str, Any]) -> None:
        state["adjusted"] = state.get("adjusted", 0) + 1
        logits[:, ord("a") + state["adjusted"] % 3] += 2.0 * state.get("chosen", 0) + positions / 8

    def choose(self, view: SchedulerView) -> Any:
        view.state["chosen"] = view.state.get("chosen", 0) + 1
        return view.most(view.confidence, view.state["chosen"])


def contents(found: Any) -> list[tuple[int, ...]]:
    return [step.canvas for step in found.steps]


def test_the_filling_of_a_view_is_a_whole_text_of_the_language_and_what_is_committed_comes_from_it() -> None:
    scheduler = Noting()
    found = filled(scheduler)
    automaton = found.canvas.parts[0].lattice.automaton
    assert len(scheduler.seen) == found.usage.steps >= 3
    for view, step in zip(scheduler.seen, found.steps[1:], strict=True):
        assert automaton.accepts([one for one in view.filling.tolist() if one >= 0])
        assert view.tokens.tolist() == view.filling[view.positions].tolist()
        assert view.is_null.tolist() == [one == -2 for one in view.tokens.tolist()]
        chosen = step.committed[0] if len(step.committed) == 1 else None
        assert chosen is None or view.filling[chosen.position] == (
            -2 if chosen.token is None else chosen.token
        )


def test_a_law_is_that_of_the_listed_fillings() -> None:
    scheduler = Noting()
    tokenizer = byte_tokenizer()
    model = Toy(tokenizer)
    filled(scheduler, "{a: /[ab]{3}|b?/, 3}")
    logits = model.forward(np.array([*tokenizer.encode(b"p"), *[model.mask_id] * 3]))[1:4].astype(float)
    weights: dict[tuple[int, ...], float] = {}
    end, pad = tokenizer.eos_token_ids[0], model.null_id
    for length in range(4):
        # "ab" is a token as well
        for some in itertools.product([97, 98, tokenizer.encode(b"ab")[0]], repeat=length):
            text = tokenizer.decode(some)
            if text in (b"", b"b") or (len(text) == 3 and set(text) <= set(b"ab")):
                ends = [end, *[pad] * 2][: 3 - length]
                rows = [logits[at, one] for at, one in enumerate((*some, *ends))]
                weights[(*some, *[-2] * (3 - length))] = math.exp(math.fsum(rows))
    total = math.fsum(weights.values())
    for at in range(3):
        law = scheduler.laws[0][at]
        assert len(law) == tokenizer.vocab_size + 1 and law.sum() == pytest.approx(1.0)
        for token in (97, 98, tokenizer.encode(b"ab")[0], -2):
            wanted = math.fsum(w for one, w in weights.items() if one[at] == token) / total
            assert law[token if token >= 0 else -1] == pytest.approx(wanted, abs=1e-9)


def test_a_law_in_a_part_of_the_view_is_that_of_the_same_slot() -> None:
    scheduler = Noting()
    filled(scheduler)
    assert len(scheduler.laws[0]) == 6
    assert np.array_equal(scheduler.parts[0], scheduler.laws[0][1::2])


def test_the_state_of_each_canvas_begins_empty_and_lasts_to_its_end() -> None:
    counted: list[int] = []

    class Counting:
        def choose(self, view: SchedulerView) -> Any:
            assert ("steps" in view.state) == (view.step > 0)
            view.state["steps"] = view.state.get("steps", 0) + 1
            counted.append(view.state["steps"])
            return LowConfidence().choose(view)

    both: Any = toy_models.filled([PATTERN, PATTERN], scheduler=Counting())
    assert counted == [number + 1 for one in both for number in range(one.usage.steps)]


@for_each("seed", range(12))
def test_guessed_canvases_leave_the_state_alone(seed: int) -> None:
    template = "{a: /[abc]{14}/, 14}"
    alone = filled(Growing(), template, seed=seed, length="exact")
    ahead = filled(FreeDave(Growing()), template, seed=seed, length="exact")
    assert contents(alone) == contents(ahead) and alone.usage.steps > 2


def test_logits_are_adjusted_before_the_proposal_once_a_step_and_for_the_scheduler_inside_another() -> None:
    calls: list[list[int]] = []

    class Pushing:
        def adjust(self, logits: np.ndarray, positions: np.ndarray, state: dict[str, Any]) -> None:
            calls.append(positions.tolist())
            logits[positions % 2 == 0, ord("b")] += 100.0
            logits[positions % 2 == 1, ord("c")] += 100.0

        def choose(self, view: SchedulerView) -> Any:
            return LowConfidence(2).choose(view)

    for scheduler in (Pushing(), FreeDave(Pushing()), Blocks(Pushing(), 3)):
        calls.clear()
        found = filled(scheduler, "{a: /[abc]{6}/, 6}", length="exact")
        assert found.text == "bcbcbc"
        masked = [[at for at, one in enumerate(step.canvas) if one == -1] for step in found.steps[:-1]]
        assert calls == masked


@pytest.mark.parametrize(
    ("method", "result", "told"),
    [
        ("choose", ValueError("no idea"), "Odd.choose: ValueError: no idea"),
        ("choose", [True], "Odd.choose: ValueError: an array of shape (1,) for 6 masked slots"),
        ("choose", [[True], []], "Odd.choose: ValueError"),
        ("adjust", KeyError("credit"), "Odd.adjust: KeyError: 'credit'"),
        ("adjust", math.nan, "Odd.adjust: ValueError: it left NaN or infinity among the logits"),
        ("adjust", math.inf, "Odd.adjust: ValueError: it left NaN or infinity among the logits"),
    ],
)
def test_without_a_scheduler_that_fails_the_default_one_goes_on(method: str, result: Any, told: str) -> None:
    asked = []

    def run() -> Any:
        asked.append(method)
        if isinstance(result, Exception):
            raise result
        return result

    class Odd:
        def adjust(self, logits: np.ndarray, positions: np.ndarray, state: dict[str, Any]) -> None:
            if method == "adjust":
                logits[0, 97] = run()

        def choose(self, view: SchedulerView) -> Any:
            return run() if method == "choose" else LowConfidence().choose(view)

    found = filled(Odd())
    assert found.usage.scheduler.startswith(told) and len(asked) == 1
    assert re.fullmatch("[abc]{0,5}|aab[abc]*", found.text)
    assert filled(LowConfidence()).usage.scheduler == ""


@pytest.mark.parametrize("inside", ["alone", "in a list", "in a dict of tuples"])
def test_a_scheduler_that_remembers_too_much_is_dropped(inside: str) -> None:
    class Hoards:
        def choose(self, view: SchedulerView) -> Any:
            many = np.empty(MOST_STATE + 1, np.uint8)
            held = {"alone": many, "in a list": [many], "in a dict of tuples": {1: ((many,),)}}
            view.state["all"] = held[inside]
            return LowConfidence().choose(view)

    said = filled(Hoards()).usage.scheduler
    assert said == "Hoards.choose: MemoryError: its state holds more than 67,108,864 bytes"


def test_a_scheduler_that_is_slow_twice_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denoising, "SLOW", -1.0)
    asked: list[int] = []

    class Slow:
        def choose(self, view: SchedulerView) -> Any:
            asked.append(view.step)
            return LowConfidence().choose(view)

    found = filled(Slow())
    assert len(asked) == 2 and found.usage.scheduler.startswith("Slow.choose: TimeoutError: it took")
    assert re.fullmatch("[abc]{0,5}|aab[abc]*", found.text)


def test_a_state_that_cannot_be_copied_for_guesses_drops_the_scheduler() -> None:
    class Locks:
        def choose(self, view: SchedulerView) -> Any:
            view.state["lock"] = threading.Lock()
            return LowConfidence().choose(view)

    found = filled(FreeDave(Locks()), "{a: /[abc]{6}/, 6}", length="exact")
    assert found.usage.scheduler.startswith("FreeDave.state: TypeError")
    assert re.fullmatch("[abc]{6}", found.text)


def test_a_choice_that_cannot_be_written_to_is_taken() -> None:
    class Nothing:
        def choose(self, view: SchedulerView) -> Any:
            return np.broadcast_to(np.False_, view.positions.shape)

    assert filled(Nothing()).usage.steps >= 1

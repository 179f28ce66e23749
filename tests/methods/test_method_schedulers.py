"""Schedulers of bench/methods: what they commit against their definitions, and what they are at the ends of
their constants."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest
from methods.ada_block import AdaBlock, is_end
from methods.blocks import Blocks
from methods.coherent_contextual import CoherentContextual
from methods.credit_decoding import CreditDecoding
from methods.eos_rejection import AscendingSteps, EosRejection
from methods.fast_dllm import Threshold
from methods.free_dave import FreeDave
from methods.learn2pd import Learn2Pd, features, trained
from methods.local_leap import LocalLeap
from methods.low_confidence import LowConfidence
from scheduler_views import chosen, view
from toy_models import Toy, byte_tokenizer
from toy_models import filled as fill

from structgen.decoding.infilling.schedulers import ConfidentPrefix

pytestmark = pytest.mark.filterwarnings("ignore::structgen.errors.FullHoleWarning")
TOKENIZER = byte_tokenizer()
SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": "array", "items": {"type": "integer"}, "maxItems": 3},
        "b": {"type": "string"},
    },
    "required": ["a", "b"],
    "additionalProperties": False,
}
SLOTS = 24


def filled(scheduler: Any, seed: int = 0, temperature: float = 1.0) -> Any:
    options = {"grammar": SCHEMA, "slots": SLOTS, "prompt": f"{seed}", "seed": seed}
    model = scheduler if isinstance(scheduler, FreeDave) else Toy(TOKENIZER, spread=2.0)
    found = fill(model=model, scheduler=scheduler, temperature=temperature, **options)
    assert not found.usage.scheduler
    return found


def canvases(found: Any) -> list[tuple[int, ...]]:
    return [step.canvas for step in found.steps]


ALL = [
    LocalLeap(),
    CreditDecoding(),
    CreditDecoding(ConfidentPrefix(), 1.5),
    AdaBlock(TOKENIZER, LowConfidence(2), 0.0),
    EosRejection(LowConfidence(3)),
    AscendingSteps(),
    CoherentContextual(3),
    Learn2Pd(np.array([1.0, 0, 0, -1, 0, 0, 0, 0]), 0.3),
]


@pytest.mark.parametrize("scheduler", ALL, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("seed", [0, *(pytest.param(one, marks=pytest.mark.slow) for one in (1, 2))])
def test_every_text_is_valid_and_takes_at_most_a_step_a_slot(scheduler: Any, seed: int) -> None:
    found = filled(scheduler, seed)
    value = json.loads(found.text)
    assert set(value) == {"a", "b"} and len(value["a"]) <= 3 and isinstance(value["b"], str)
    assert all(float(one).is_integer() for one in value["a"])
    assert 1 <= found.usage.steps <= SLOTS


@pytest.mark.parametrize("scheduler", ALL, ids=repr)
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_guessing_ahead_changes_nothing(scheduler: Any, seed: int) -> None:
    ahead = FreeDave(Toy(TOKENIZER, spread=2.0), scheduler)
    assert canvases(filled(ahead, seed)) == canvases(filled(scheduler, seed))


@pytest.mark.parametrize(
    ("scheduler", "base"),
    [
        (LocalLeap(0.5, 0.2, radius=0), Threshold(0.5)),
        (LocalLeap(0.5, 0.5), Threshold(0.5)),
        (CreditDecoding(LowConfidence(2), alpha=0.0), LowConfidence(2)),
        (CreditDecoding(ConfidentPrefix(0.5), alpha=0.0), ConfidentPrefix(0.5)),
        (AdaBlock(TOKENIZER, LowConfidence(2), 2.0, length=7), Blocks(LowConfidence(2), 7)),
        (EosRejection(LowConfidence(2), least=1.0), LowConfidence(2)),
        (CoherentContextual(1, sure=0.5), Threshold(0.5)),
    ],
    ids=lambda one: type(one).__name__,
)
@pytest.mark.parametrize("seed", [0, *(pytest.param(one, marks=pytest.mark.slow) for one in (1, 2))])
def test_at_the_end_of_its_constants_it_is_a_known_one(scheduler: Any, base: Any, seed: int) -> None:
    found, wanted = filled(scheduler, seed, 0.0), filled(base, seed, 0.0)
    assert canvases(found) == canvases(wanted) and found.usage.steps > 2


def test_in_between_each_is_another() -> None:
    base = {one: canvases(filled(one, 0, 0.0)) for one in (Threshold(0.5), LowConfidence(2))}
    assert canvases(filled(LocalLeap(0.5, 0.2), 0, 0.0)) != base[Threshold(0.5)]
    assert canvases(filled(CreditDecoding(LowConfidence(2), 2.0), 0, 0.0)) != base[LowConfidence(2)]
    assert canvases(filled(AdaBlock(TOKENIZER, LowConfidence(2), 0.0), 0, 0.0)) != base[LowConfidence(2)]
    assert canvases(filled(CoherentContextual(3, 0.01, 0.5), 0, 0.0)) != base[Threshold(0.5)]


def test_slots_near_an_anchor_need_less() -> None:
    seen = view([0.8, 0.95, 0.7, 0.8, 0.8, 0.8], positions=np.array([0, 3, 4, 7, 8, 9]))
    assert chosen(LocalLeap(), seen) == [0, 1, 3]
    assert chosen(LocalLeap(), view([0.8, 0.89])) == []


def test_credit_is_a_fading_sum_over_steps() -> None:
    scheduler, state = CreditDecoding(alpha=0.5, beta=0.8, gamma=0.2), dict[str, Any]()
    logits = np.log(np.array([[[0.7, 0.2, 0.1]], [[0.6, 0.3, 0.1]], [[0.1, 0.8, 0.1]]], np.float32))
    for one in logits:
        scheduler.adjust(row := one.copy(), np.array([9]), state)
    first, second = 0.8 * (0.8 * 0.7**0.2 + 0.6**0.2), 0.8**0.2
    assert state == {"credit": {9: {0: pytest.approx(first, abs=1e-6), 1: pytest.approx(second, abs=1e-6)}}}
    wanted = logits[2, 0] + 0.5 * np.log([1 + first, 1 + second, 1.0])
    assert row[0] == pytest.approx(wanted, abs=1e-6)


def test_ends_of_members_and_items_are_commas_and_brackets_outside_strings() -> None:
    document = {"a": [1, 22, {"b,]": 'x\\",}'}], "c": "]", "d": {}}
    text = json.dumps(document)
    tokens = [*TOKENIZER.encode(text.encode()), -2, -2]
    said = [TOKENIZER.decode([one]).decode() if one >= 0 else "" for one in tokens]
    # Blank out the strings, as Python's own scanner finds them; what is left tells the ends.
    bare, at = list(text), 0
    while (at := text.find('"', at)) >= 0:
        _, end = json.decoder.scanstring(text, at + 1)
        bare[at:end], at = "_" * (end - at), end
    begins = np.cumsum([0, *map(len, said)])
    wanted = [bool(set(bare[a:b]) & set(",]}")) for a, b in itertools.pairwise(begins)]
    assert list(is_end(TOKENIZER, tokens)) == wanted and sum(wanted) >= 7


def test_a_block_ends_at_the_surest_end_of_a_member_within_the_window() -> None:
    text = '{"a": 1, "b": 2, "c": 3}'
    filling = [text.encode()[at] for at in range(len(text))] + [-2] * 40
    masked = np.arange(2, 64)
    confidence = np.full(62, 0.1)
    confidence[[7 - 2, 15 - 2]] = 0.4, 0.6  # the commas; the window is 16 slots
    seen = view(confidence.tolist(), positions=masked, filling=filling, slots=64)
    all_slots = Threshold(0.0)
    assert chosen(AdaBlock(TOKENIZER, all_slots, 0.3), seen) == list(range(14))
    assert seen.state == {"end": 16}
    seen.state.clear()
    assert chosen(AdaBlock(TOKENIZER, all_slots, 0.7), seen) == list(range(30))
    # A block stays until it is full; the next one begins behind it.
    later = view([0.9, 0.5], positions=np.array([15, 16]), filling=filling, slots=64, state={"end": 16})
    assert chosen(AdaBlock(TOKENIZER, all_slots), later) == [0]
    later = view([0.9], positions=np.array([16]), filling=filling, slots=64, state={"end": 16})
    assert chosen(AdaBlock(TOKENIZER, all_slots), later) == [0] and later.state == {"end": 48}


def test_the_end_of_the_text_is_believed_late() -> None:
    seen = view([0.9, 0.8, 0.3], filling=[-2, 5, 5])
    assert chosen(EosRejection(), seen) == [1]
    # A half is filled: g is 0.7, and 0.63 is less than 0.8, but more than 0.3.
    seen = view([0.9, 0.8, 0.3], filling=[-2, 5, 5], slots=6)
    assert chosen(EosRejection(LowConfidence(2)), seen) == [0, 1] and chosen(EosRejection(), seen) == [1]
    assert chosen(EosRejection(Threshold(0.63 - 1e-9)), seen) == [0, 1]
    assert chosen(EosRejection(Threshold(0.63 + 1e-9)), seen) == [1]


@pytest.mark.parametrize("slots", [1, 2, 3, 7, 8, 9, 24])
def test_ascending_steps_are_as_many_as_the_logarithm_of_the_slots(slots: int) -> None:
    template = f"{{a: /[a-z]{{{slots}}}/, {slots}}}"
    found = fill(template, length="exact", scheduler=AscendingSteps())
    counts = [len(step.committed) for step in found.steps[1:]]
    assert len(counts) == max(1, math.ceil(math.log2(slots)))
    assert counts[:-1] == [1 << at for at in range(len(counts) - 1)]


def test_a_slot_waits_while_its_laws_disagree() -> None:
    laws = [np.array([0.95, 0.05, 0.0]), np.array([0.05, 0.95, 0.0])]
    scheduler, state = CoherentContextual(2, information=0.1, sure=0.5), dict[str, Any]()
    first = view([0.95], law=lambda at: laws[0], filling=[0], state=state)
    assert chosen(scheduler, first) == [0]
    second = view([0.95], law=lambda at: laws[1], filling=[1], state=state)
    assert chosen(scheduler, second) == []
    assert chosen(CoherentContextual(1, 0.1, 0.5), second) == [0]
    # The information is that between a fair coin and a law that it picks.
    told = math.log(2) + 0.95 * math.log(0.95) + 0.05 * math.log(0.05)
    for eps, is_chosen in ((told - 1e-9, []), (told + 1e-9, [0])):
        state["laws"] = {0: laws[:1]}
        assert chosen(CoherentContextual(2, eps, 0.5), second) == is_chosen
    # After two more equal laws the first one is forgotten; an empty slot is the law's last element.
    empty = view([1.0], law=lambda at: np.array([0.0, 0.0, 1.0]), filling=[-2], state=state)
    assert [chosen(scheduler, empty), chosen(scheduler, empty)] == [[], [0]] and len(state["laws"][0]) == 2


def test_a_filter_finds_the_law_of_its_labels() -> None:
    chance = np.random.default_rng(0)
    examples = np.column_stack((chance.standard_normal((20_000, 3)), np.ones(20_000)))
    law = np.array([2.0, -1.0, 0.0, 0.5])
    labels = chance.random(len(examples)) < 1.0 / (1.0 + np.exp(-examples @ law))
    assert np.abs(trained(examples, labels) - law).max() < 0.1


def test_a_filter_of_the_odds_alone_is_a_threshold_that_always_takes_the_surest() -> None:
    odds_alone = np.zeros(8)
    odds_alone[0] = 1.0
    seen = view([0.5, 0.95, 0.85], slots=6)
    assert chosen(Learn2Pd(odds_alone, 0.9), seen) == [1]
    assert chosen(Learn2Pd(odds_alone, 0.8), seen) == [1, 2]
    assert chosen(Learn2Pd(odds_alone, 0.99), seen) == [1]
    told = features(view([0.5, 0.9], slots=8, positions=np.array([3, 5]), filling=[0, 0, 0, 7, 0, -2]))
    wanted = [[0, 12, math.log(9), 0, 0, 1, 0.75, 1], [math.log(9), 0, 12, 1, math.log(3), 1, 0.75, 1]]
    assert told == pytest.approx(np.array(wanted))

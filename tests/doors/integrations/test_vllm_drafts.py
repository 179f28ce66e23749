"""Our drafts in vLLM, against stand-ins of its scheduler: the same tokens in fewer steps."""

from __future__ import annotations

import gc
import json
import random
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import transformers
import vllm_scheduler_stand_in
import vllm_stand_in
from changed_hooks import change
from object_schemas import BOOLEAN, INTEGER, STRING, object_of

from structgen.base.errors import OptionError
from structgen.decoding.speculation.drafts.draft import Draft
from structgen.doors.integrations import engine_drafts, vllm_drafts, vllm_plugin
from structgen.doors.integrations.engine_grammars import EngineGrammars
from structgen.integrations.vllm_drafts import Drafts

TOKENIZER = transformers.AutoTokenizer.from_pretrained(Path(__file__).parents[2] / "data" / "bpe")
EOS, THOUGHT_ENDS = TOKENIZER.eos_token_id, 300
SCHEMA = object_of(
    temperature_of_the_room={**INTEGER, "minimum": 0, "maximum": 99},
    kind={"enum": ["northern", "southern"]},
    names={"type": "array", "items": {**STRING, "maxLength": 12}, "maxItems": 3},
    is_it_open=BOOLEAN,
)
DOCUMENT = {
    "temperature_of_the_room": 21,
    "kind": "southern",
    "names": ["Ada Lovelace", "Ada Byron"],
    "is_it_open": True,
}


class Always(engine_drafts.Speculator):
    """Drafts in each step, whatever it costs."""

    def wants_drafts(self, count: int, drafters: Any) -> bool:
        return True

    def propose_drafts(self, draftings: Any, views: Any, mosts: Any) -> list[Draft]:
        return [
            engine_drafts.NO_DRAFT if view is None else drafting.propose_tree(view, most)
            for drafting, view, most in zip(draftings, views, mosts, strict=True)
        ]


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """vLLM 0.32 with our back end and its scheduler; drafts are always made."""
    monkeypatch.setattr(engine_drafts, "Speculator", Always)
    monkeypatch.setattr(EngineGrammars, "preload_kinds", lambda self: None)

    def put(name: str, module: Any) -> None:
        monkeypatch.setitem(sys.modules, name, module)

    found = vllm_stand_in.install("0.32.0", put)
    found.Scheduler = vllm_scheduler_stand_in.install(found.Manager, put, THOUGHT_ENDS)
    vllm_plugin.register()
    yield found
    sys.modules.pop("structgen.doors.integrations.vllm_backend", None)


def started(vllm: SimpleNamespace, drafts: int = 6, *, thinks: bool = False) -> Any:
    """Return the scheduler of an engine with our drafts; 0: without."""
    named = SimpleNamespace(model=Drafts.name) if drafts else None
    settings = SimpleNamespace(
        model_config=vllm_stand_in.ModelConfig(TOKENIZER, 400),
        structured_outputs_config=vllm.settings.StructuredOutputsConfig(backend="structgen"),
        tokenizer=TOKENIZER,
        reasoner=object if thinks else None,
        num_speculative_tokens=drafts,
        speculative_config=named,
    )
    return vllm.Scheduler(vllm.Manager(settings), 400)


def asked(
    vllm: SimpleNamespace,
    scheduler: Any,
    name: str = "r",
    most: int = 160,
    *,
    thoughts: bool = False,
    **says: Any,
) -> Any:
    """Return a request that the scheduler runs."""
    sampling = vllm.sampling
    outputs = sampling.StructuredOutputsParams(**says) if says else None
    params = sampling.SamplingParams(outputs, most, all_stop_token_ids={EOS}, temperature=0.0)
    prompt = TOKENIZER.encode("Ada Byron, Ada Lovelace", add_special_tokens=False)
    request = vllm.Request(params, len(prompt), thoughts=thoughts)
    vllm_scheduler_stand_in.scheduled(request, name, prompt)
    scheduler.structured_output_manager.grammar_init(request)
    scheduler.requests[name] = request
    return request


Model = Callable[[Any, Sequence[int], list[int]], int]


def model_of(seed: int, document: Any = DOCUMENT) -> Model:
    """Return a model that writes a document in its own tokens, and another token now and then; as a greedy
    one it writes the same behind the same output."""
    layout = {"indent": random.Random(seed).choice([None, 1, 2])}
    text = [*TOKENIZER.encode(json.dumps(document, **layout), add_special_tokens=False), EOS]

    def choose(request: Any, output: Sequence[int], may: list[int]) -> int:
        thoughts = 7 if request.sampling_params.structured_outputs and not request.reasoning_ended else 0
        if len(output) < thoughts:
            return 40 + len(output) % 3
        if thoughts and THOUGHT_ENDS not in output:
            return THOUGHT_ENDS
        written = list(output[output.index(THOUGHT_ENDS) + 1 :] if THOUGHT_ENDS in output else output)
        wanted = text[len(written)] if written == text[: len(written)] else -1
        draw = random.Random(repr((seed, written)))
        if may and (wanted not in may or draw.random() < 0.03):
            return draw.choice(may)
        return wanted if wanted >= 0 else 40 + draw.randrange(9)

    return choose


def run(scheduler: Any, choose: Model, most: int = 400) -> int:
    """Return how many steps it took until all requests had ended."""
    proposer = Drafts(scheduler.structured_output_manager.vllm_config)
    for steps in range(most):
        if all(request.is_finished() for request in scheduler.requests.values()):
            return steps
        vllm_scheduler_stand_in.step(scheduler, proposer, choose, THOUGHT_ENDS)
    raise AssertionError("a request does not end")


def both(vllm: SimpleNamespace, choose: Model, **says: Any) -> tuple[list[int], int, int]:
    """Return the tokens of a request, which are the same with drafts and without, and the steps of both."""
    found = []
    for drafts in (0, 6):
        scheduler = started(vllm, drafts, thinks=says.get("thoughts", False))
        request = asked(vllm, scheduler, **says)
        steps = run(scheduler, choose)
        found.append((request.output, steps))
    assert found[0][0] == found[1][0]
    return found[0][0], found[0][1], found[1][1]


@pytest.mark.parametrize("thoughts", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_tokens_are_the_same_in_fewer_steps(vllm: SimpleNamespace, seed: int, thoughts: bool) -> None:
    output, plain, drafted = both(vllm, model_of(seed), json=SCHEMA, thoughts=thoughts)
    assert plain == len(output) and drafted < 0.75 * plain


def test_forced_text_comes_in_the_tokens_of_the_tokenizer(vllm: SimpleNamespace) -> None:
    text = "between the northern gates, always"
    scheduler = started(vllm, 7)
    asked(vllm, scheduler, regex=text)
    tokens = [*TOKENIZER.encode(text, add_special_tokens=False), EOS]
    # a step for the prompt, which writes one token, and then all that a draft may have and one more
    assert run(scheduler, lambda request, output, may: [*tokens, EOS][len(output)]) == 1 + -(
        -(len(tokens) - 1) // 8
    )


@pytest.mark.parametrize("most", [51, 54, 60])
def test_a_draft_leaves_room_for_the_rest_of_the_text(vllm: SimpleNamespace, most: int) -> None:
    for seed in range(4):
        output, _, _ = both(vllm, model_of(seed), most=most, json=SCHEMA)
        assert output[-1] == EOS and json.loads(TOKENIZER.decode(output[:-1]))


@pytest.mark.parametrize("wrong", [EOS, 44])
def test_a_draft_that_is_refused_in_its_middle_changes_nothing(
    vllm: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, wrong: int
) -> None:
    plain = engine_drafts.EngineDrafts.plan_drafts

    def spoilt(self: Any, batch: Any) -> list[Draft]:
        return [
            Draft.chain([*draft.tokens[:2], wrong, *draft.tokens[2:]][:7]) for draft in plain(self, batch)
        ]

    monkeypatch.setattr(engine_drafts.EngineDrafts, "plan_drafts", spoilt)
    for seed in range(3):
        both(vllm, model_of(seed), json=SCHEMA)


def test_a_free_text_is_drafted_from_what_it_has_said(vllm: SimpleNamespace) -> None:
    _, plain, drafted = both(vllm, model_of(0, ["Ada Byron", "Ada Lovelace"] * 4), most=60)
    assert drafted < 0.75 * plain


@pytest.mark.parametrize(
    ("device", "seed", "drafts"), [("cuda", 3, False), ("cuda", None, True), ("cpu", None, False)]
)
def test_draws_are_drafted_for_where_their_law_stays_and_no_seed_repeats_them(
    vllm: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, device: str, seed: int | None, drafts: bool
) -> None:
    monkeypatch.setattr(sys.modules["vllm.platforms"].current_platform, "device_type", device)
    scheduler = started(vllm)
    request = asked(vllm, scheduler, json=SCHEMA)
    request.sampling_params.temperature, request.sampling_params.seed = 1.0, seed
    assert (run(scheduler, model_of(1)) < len(request.output)) == drafts


def test_requests_that_left_or_read_their_prompt_are_passed_over(vllm: SimpleNamespace) -> None:
    scheduler = started(vllm)
    reading, writing = (asked(vllm, scheduler, name, json=SCHEMA) for name in ("a", "b"))
    reading.is_prefill_chunk = True
    proposals = vllm_scheduler_stand_in.DraftTokenIds(["gone", "a", "b"], [[], [], []])
    scheduler.structured_output_manager.grammar(writing), scheduler.structured_output_manager.grammar(reading)
    scheduler.update_draft_token_ids(proposals)
    assert writing.spec_token_ids and not reading.spec_token_ids
    reading.ended = writing.ended = True
    scheduler.update_draft_token_ids(proposals)


def test_the_drafters_of_a_request_go_with_it(vllm: SimpleNamespace) -> None:
    scheduler = started(vllm)
    gone = weakref.ref(asked(vllm, scheduler, json=SCHEMA))
    run(scheduler, model_of(1))
    scheduler.requests.clear()
    gc.collect()
    assert gone() is None and not scheduler.structured_output_manager.structgen_drafts._drafting_by_request


@pytest.mark.parametrize(("row", "drafts"), [(0.0, True), (1.0, False)])
def test_drafts_are_made_where_they_save_time(
    vllm: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, row: float, drafts: bool
) -> None:
    clock = [0.0]
    monkeypatch.setattr(engine_drafts, "Speculator", Always.__base__)
    monkeypatch.setattr(engine_drafts, "perf_counter", lambda: clock[0])
    scheduler = started(vllm)
    choose = model_of(1)

    def takes(request: Any, output: Sequence[int], may: list[int]) -> int:
        if output is not None and len(output) == len(request.output):
            clock[0] += 1.0 + row * len(request.spec_token_ids)  # a pass
        return choose(request, output, may)

    steps = tokens = 0
    for at in range(8):
        request = asked(vllm, scheduler, f"r{at}", json=SCHEMA)
        steps += run(scheduler, takes) if at else 0 * run(scheduler, takes)
        tokens += len(request.output) if at else 0
    assert (steps < 0.7 * tokens) == drafts and (steps > 0.9 * tokens) != drafts


def test_another_back_end_is_refused_at_start(vllm: SimpleNamespace) -> None:
    settings = vllm.settings.StructuredOutputsConfig(backend="xgrammar")
    with pytest.raises(
        OptionError, match=r"only from the grammars of structgen's back end.*Set the back end"
    ):
        Drafts(SimpleNamespace(structured_outputs_config=settings))


@pytest.mark.parametrize("hook", vllm_drafts.HOOKS, ids=lambda hook: hook.location.partition(":")[2])
def test_a_hook_that_changed_is_refused_at_start_where_drafts_are_asked_for(
    vllm: SimpleNamespace, hook: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(hook, monkeypatch)
    started(vllm, 0)
    with pytest.raises(OptionError, match=r"takes \(self, other\), not \("):
        started(vllm)

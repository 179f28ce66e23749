"""The vLLM back end against stand-ins of vLLM's hooks: what it puts in, what it refuses, and the texts that
come out, with drafts, thoughts and budgets."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import jsonschema
import numpy as np
import pydantic
import pytest
import torch
import transformers
import vllm_stand_in
from changed_hooks import change
from object_schemas import STRING, object_of

from structgen.doors.integrations import engine_grammars, engine_hooks, vllm_plugin
from structgen.doors.integrations.engine_grammars import EngineGrammars
from structgen.machines.core.matcher import Matcher

FOLDER = Path(__file__).parents[2] / "data" / "bpe"
TOKENIZER = transformers.AutoTokenizer.from_pretrained(FOLDER)
WIDTH = len(TOKENIZER) + 5
EOS = TOKENIZER.eos_token_id
THOUGHT_ENDS = 300
SCHEMA: dict[str, Any] = object_of(name=STRING, ages={"type": "array", "items": {"type": "integer"}})


@pytest.fixture(params=vllm_stand_in.VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def vllm(version: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """vLLM's hooks; what was imported over them is forgotten afterwards."""
    yield vllm_stand_in.install(version, lambda name, made: monkeypatch.setitem(sys.modules, name, made))
    sys.modules.pop("structgen.doors.integrations.vllm_backend", None)


def config(vllm: SimpleNamespace, backend: str = "structgen", **changes: Any) -> SimpleNamespace:
    made = SimpleNamespace(
        model_config=vllm_stand_in.ModelConfig(TOKENIZER, 200),
        structured_outputs_config=vllm.settings.StructuredOutputsConfig(backend=backend),
        tokenizer=TOKENIZER,
        reasoner=None,
        num_speculative_tokens=0,
        speculative_config=None,
    )
    for name, value in changes.items():
        setattr(made.model_config if hasattr(made.model_config, name) else made, name, value)
    return made


def params(
    vllm: SimpleNamespace, max_tokens: int | None = 60, stops: tuple[int, ...] = (), **outputs: Any
) -> Any:
    made = vllm.sampling.SamplingParams(vllm.sampling.StructuredOutputsParams(**outputs), max_tokens)
    made.all_stop_token_ids = {EOS, *stops}
    return made


@pytest.fixture
def engine(vllm: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return what starts an engine with our back end."""
    vllm_plugin.register()
    loaded: list[EngineGrammars] = []
    monkeypatch.setattr(EngineGrammars, "preload_kinds", lambda self: loaded.append(self))

    def started(**changes: Any) -> Any:
        settings = config(vllm, **changes)
        made = vllm.AsyncLLM(settings, object)
        made.config, made.loaded = settings, loaded
        return made

    return started


def admitted(vllm: SimpleNamespace, engine: Any, asked: Any, **request: Any) -> Any:
    """Return a request that front end and engine have let in."""
    asked.verify(engine.config.model_config, engine.config.structured_outputs_config, TOKENIZER)
    made = vllm.Request(asked, **request)
    engine.manager.grammar_init(made)
    return made


def allowed(row: Any) -> list[int]:
    bits = np.unpackbits(np.ascontiguousarray(row).view(np.uint8), bitorder="little")
    return [int(token) for token in np.flatnonzero(bits[:WIDTH])]


def written(engine: Any, request: Any, seed: int, drafts: int = 0) -> str:
    """Return the text of a request whose tokens are drawn among those that may come, with drafts of which
    some are right; the request ends as vLLM ends it."""
    draw, manager, text = random.Random(seed), engine.manager, []
    ends = request.sampling_params.all_stop_token_ids
    end_of_thoughts = None if request.reasoning_ended else THOUGHT_ENDS
    while True:
        grammar = manager.grammar(request)
        drafted: list[int] = []
        if drafts:
            proposed = [draw.choice([*range(40, 90), EOS, THOUGHT_ENDS]) for _ in range(drafts)]
            drafted = manager.validate_tokens(request, proposed, end_of_thoughts)
        masks = manager.masks(request, drafted, end_of_thoughts)
        assert grammar.text.failure is None
        taken: list[int] = []
        for row, guess in zip(masks, [*drafted, None], strict=True):
            may = allowed(row)
            thinks = end_of_thoughts is not None and not request.reasoning_ended and THOUGHT_ENDS not in taken
            if thinks:
                may = [THOUGHT_ENDS] if len(request.output) > 9 else [*range(40, 90), THOUGHT_ENDS]
            assert may
            if guess in may and draw.random() < 0.8:
                taken.append(guess)
            else:
                taken.append(draw.choice(may))
            if taken[-1] != guess or taken[-1] in ends:
                break
            if len(request.output) + len(taken) == request.max_tokens:
                break
        request.output += taken
        assert manager.accept_tokens(request, taken, end_of_thoughts)
        if taken[-1] in ends:
            text = request.output[:-1]
            break
        assert len(request.output) < request.max_tokens, TOKENIZER.decode(request.output)
    if end_of_thoughts is not None:
        text = text[text.index(THOUGHT_ENDS) + 1 :]
    return str(TOKENIZER.decode(text))


# --- what is put in -----------------------------------------------------------------------------------------


def test_the_name_joins_those_of_vllm_once(vllm: SimpleNamespace) -> None:
    vllm_plugin.register()
    init = vllm.AsyncLLM.__init__
    vllm_plugin.register()
    assert vllm.AsyncLLM.__init__ is init
    for name in ("auto", "xgrammar", "structgen"):
        assert vllm.settings.StructuredOutputsConfig(backend=name).backend == name
    with pytest.raises(pydantic.ValidationError):
        vllm.settings.StructuredOutputsConfig(backend="other")


def test_other_back_ends_are_left_as_they_are(vllm: SimpleNamespace) -> None:
    vllm_plugin.register()
    settings = config(vllm, "xgrammar", skip_tokenizer_init=True)
    engine = vllm.AsyncLLM(settings, object)
    asked = params(vllm, json={"type": "strnig"})
    asked.verify(settings.model_config, settings.structured_outputs_config, TOKENIZER)
    assert asked.passed_on and engine.manager.backend is None
    assert vllm.ChatCompletionRequest(asked).to_beam_search_params(1, {}) == "beams"
    assert "additionalProperties" not in vllm.tools._get_tool_schema_from_name_and_params("f", {})


@pytest.mark.parametrize("version", ["0.31.0", "0.34.0rc1", "1.0", "0.320"], indirect=True)
def test_an_unknown_release_refuses_our_name_alone(vllm: SimpleNamespace) -> None:
    init = vllm.AsyncLLM.__init__
    vllm_plugin.register()
    with pytest.raises(pydantic.ValidationError, match=r"does not know vllm .* Install vllm 0\.32 or 0\.33"):
        vllm.settings.StructuredOutputsConfig(backend="structgen")
    assert vllm.settings.StructuredOutputsConfig(backend="xgrammar").backend == "xgrammar"
    assert vllm.AsyncLLM.__init__ is init


@pytest.mark.parametrize("hook", vllm_plugin.HOOKS, ids=lambda hook: hook.location.partition(":")[2])
@pytest.mark.parametrize("version", ["0.32.0"], indirect=True)
def test_a_hook_that_changed_refuses_our_name(
    vllm: SimpleNamespace, hook: engine_hooks.Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(hook, monkeypatch)
    vllm_plugin.register()
    with pytest.raises(pydantic.ValidationError, match=r"takes \(self, other\), not \("):
        vllm.settings.StructuredOutputsConfig(backend="structgen")


def test_a_module_that_is_gone_is_named(vllm: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm.v1.engine.async_llm", ModuleType("vllm.v1.engine.async_llm"))
    vllm_plugin.register()
    with pytest.raises(pydantic.ValidationError, match=r"AsyncLLM\.__init__ is missing"):
        vllm.settings.StructuredOutputsConfig(backend="structgen")


def test_the_back_end_is_there_and_loaded_before_the_first_request(engine: Any) -> None:
    started = engine()
    assert started.manager.backend.name == "structgen"
    # in the engine, and in the front end; they share what is compiled where they share a process
    assert started.loaded == [started.manager.backend.grammars] * 2


def test_the_library_that_answers_to_every_name_is_hidden_while_the_engine_begins(engine: Any) -> None:
    pytest.importorskip("numba")

    assert "llvmlite.binding.ffi" not in engine().modules
    assert "llvmlite.binding.ffi" in sys.modules


@pytest.mark.parametrize("fault", ["skip_tokenizer_init", "is_diffusion"])
def test_a_configuration_without_constraints_is_refused_at_start(engine: Any, fault: str) -> None:
    with pytest.raises(vllm_plugin.OptionError, match=r"tokenizer|left to right"):
        engine(**{fault: True})


# --- requests -----------------------------------------------------------------------------------------------

TAG = {"begin": "<f>", "content": {"type": "json_schema", "json_schema": {"type": "boolean"}}, "end": "</f>"}
KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "schema": ({"json": SCHEMA}, ""),
    "text": ({"json": '{"enum": [17]}'}, "17"),
    "object": ({"json_object": True}, ""),
    "regex": ({"regex": "ab{2}c"}, "abbc"),
    "choice": ({"choice": ["no"]}, "no"),
    "ebnf": ({"grammar": 'root ::= "x" "y"'}, "xy"),
    "lark": ({"grammar": 'start: "x" A\nA: "y"'}, "xy"),
    "tag": ({"structural_tag": json.dumps({"type": "structural_tag", "format": {"type": "tag", **TAG}})}, ""),
    "compact": ({"json": {"const": {"a": [1, 2]}}, "disable_any_whitespace": True}, '{"a":[1,2]}'),
}


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_constraint_holds(vllm: SimpleNamespace, engine: Any, name: str) -> None:
    outputs, only = KINDS[name]
    started = engine()
    for seed in range(2):
        text = written(started, admitted(vllm, started, params(vllm, **outputs)), seed)
        if only:
            assert text.strip() == only
        elif name == "tag":
            assert text.startswith("<f>") and json.loads(text[3:-4]) in (True, False)
        else:
            jsonschema.validate(json.loads(text), SCHEMA if name == "schema" else {"type": "object"})


@pytest.mark.parametrize("version", ["0.33.0"], indirect=True)
@pytest.mark.parametrize("drafts", [0, 4])
@pytest.mark.parametrize("thoughts", [False, True])
@pytest.mark.parametrize("most", [12, 25, 60])
def test_texts_are_complete_within_max_tokens(
    vllm: SimpleNamespace, engine: Any, drafts: int, thoughts: bool, most: int
) -> None:
    started = engine(num_speculative_tokens=drafts, reasoner=object if thoughts else None)
    for seed in range(2):
        most += 10 + drafts if thoughts and most < 25 else 0
        request = admitted(vllm, started, params(vllm, most, json=SCHEMA), thoughts=thoughts)
        jsonschema.validate(json.loads(written(started, request, seed, drafts)), SCHEMA)


def test_the_window_of_the_model_bounds_a_text(vllm: SimpleNamespace, engine: Any) -> None:
    started = engine(max_model_len=40)
    request = admitted(vllm, started, params(vllm, 1000, json=SCHEMA), prompt=20)
    request.max_tokens = 1000
    written(started, request, 5)
    assert len(request.output) <= 20


def test_a_stop_token_ends_a_complete_text_alone(vllm: SimpleNamespace, engine: Any) -> None:
    started, stop = engine(), 44
    request = admitted(vllm, started, params(vllm, 60, (stop,), regex="[ab]{3}"))
    manager = started.manager
    for left in (3, 2, 1, 0):
        row = allowed(manager.masks(request, [], None)[0])
        assert (stop in row) == (left == 0) == (EOS in row)
        token = stop if left == 0 else TOKENIZER.encode("a", add_special_tokens=False)[0]
        assert manager.accept_tokens(request, [token], None)
    assert manager.grammar(request).is_terminated()


def test_a_mask_that_cannot_be_filled_ends_that_request_alone(vllm: SimpleNamespace, engine: Any) -> None:
    started = engine()
    manager = started.manager
    one, other = (admitted(vllm, started, params(vllm, json=SCHEMA)) for _ in range(2))
    text = manager.grammar(one).text

    class Refusing(Matcher):
        def fill_mask(self, *_: Any, **__: Any) -> None:
            raise vllm_plugin.OptionError("It cannot be filled.", cure="Ask for less.")

    text.matcher = Refusing(text.matcher.compiled)
    masks = manager.grammar_bitmask({"a": one, "b": other}, ["a", "b"], {})
    assert allowed(masks[0]) == [EOS] and len(allowed(masks[1])) > 1
    assert not manager.accept_tokens(one, [EOS], None)
    jsonschema.validate(json.loads(written(started, other, 1)), SCHEMA)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"json": {"type": "strnig"}}, "got 'strnig'. Did you mean \"string\""),
        ({"json": "/etc/passwd"}, "This is not JSON"),
        ({"json_object": False}, "none of the expected members"),
        ({"choice": [1]}, "choice/0 must be a text"),
        ({"grammar": "%import .secret.X\nstart: X"}, "import"),
        ({"structural_tag": "{}"}, "format"),
        ({"json": SCHEMA, "whitespace_pattern": " "}, "requires white space"),
        ({"json": SCHEMA, "disable_additional_properties": True}, "is not supported"),
    ],
)
def test_what_is_refused_is_the_clients_error_with_our_message(
    vllm: SimpleNamespace, engine: Any, outputs: dict[str, Any], message: str
) -> None:
    with pytest.raises(vllm_stand_in.VLLMValidationError, match=message):
        admitted(vllm, engine(), params(vllm, **outputs))


def test_a_budget_below_the_shortest_text_is_refused_with_the_least(
    vllm: SimpleNamespace, engine: Any
) -> None:
    started = engine()
    with pytest.raises(vllm_stand_in.VLLMValidationError, match=r"needs (\d+) tokens and an end") as caught:
        admitted(vllm, started, params(vllm, 2, json=SCHEMA))
    least = int(str(caught.value).rpartition("Increase it to ")[2].split()[0])
    written(started, admitted(vllm, started, params(vllm, least, json=SCHEMA)), 2)
    with pytest.raises(vllm_stand_in.VLLMValidationError):
        admitted(vllm, started, params(vllm, least - 1, json=SCHEMA))


NEVER = {"type": "integer", "minimum": 3, "maximum": 2}


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Hold each compilation until the event is set."""
    event, plain = threading.Event(), engine_grammars.compile

    def compiled(*args: Any) -> Any:
        assert event.wait(600)
        return plain(*args)

    monkeypatch.setattr(engine_grammars, "compile", compiled)
    return event


async def outputs_of(engine: Any, asked: Any, prompt: int = 5) -> list[str | None]:
    """Return why each output ends, as the server reads them."""
    return [one.outputs[0].finish_reason async for one in engine.generate([7] * prompt, asked, "r")]


def test_the_engine_alone_compiles_a_constraint(
    vllm: SimpleNamespace, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, calls = engine(), []
    read = engine_grammars.requested_grammar
    monkeypatch.setattr(
        engine_grammars, "requested_grammar", lambda asked, *rest: calls.append(asked) or read(asked, *rest)
    )
    asked = params(vllm, json=SCHEMA)
    asked.max_tokens = 60
    monkeypatch.setattr(started.manager.backend, "grammars", EngineGrammars(TOKENIZER, [EOS], WIDTH))
    assert asyncio.run(outputs_of(started, asked)) == [None, "stop"]
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("outputs", "most"),
    [({"json": NEVER}, 60), ({"json": {"type": "strnig"}}, 60), ({"regex": "(a"}, 60), ({"json": SCHEMA}, 5)],
)
def test_what_the_engine_refuses_is_the_clients_error_with_the_same_words(
    vllm: SimpleNamespace, engine: Any, outputs: dict[str, Any], most: int
) -> None:
    started = engine()
    with pytest.raises(vllm_stand_in.VLLMValidationError) as refused:
        asyncio.run(outputs_of(started, params(vllm, most, **outputs)))
    assert started.sent == ["r"] and started.closed == 1
    with pytest.raises(vllm_stand_in.VLLMValidationError) as at_once:
        admitted(vllm, started, params(vllm, most, **outputs))
    assert str(refused.value) == str(at_once.value)


def test_a_window_in_which_no_text_fits_is_the_clients_error(vllm: SimpleNamespace, engine: Any) -> None:
    asked = params(vllm, 60, json=SCHEMA)
    with pytest.raises(vllm_stand_in.VLLMValidationError, match="the limit is 4"):
        asyncio.run(outputs_of(engine(max_model_len=40), asked, prompt=36))


def test_another_failure_of_the_engine_stays_its_own(
    vllm: SimpleNamespace, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = engine()
    monkeypatch.setattr(started.manager.backend, "grammar_of", lambda *_, **__: 1 / 0)
    assert asyncio.run(outputs_of(started, params(vllm, json=SCHEMA))) == ["error"]


def test_a_limit_that_a_text_meets_is_the_clients_error_with_the_reason(
    vllm: SimpleNamespace, engine: Any
) -> None:
    branches = [{"properties": {f"k{at}": STRING}} for at in range(500)]
    asked = params(vllm, json={"type": "object", "properties": {"a": {"type": "object", "oneOf": branches}}})
    with pytest.raises(vllm_stand_in.VLLMValidationError, match="#/properties/a: oneOf has 500 branches"):
        asyncio.run(outputs_of(engine(), asked))


def test_a_request_that_ends_lets_its_text_go_at_once(vllm: SimpleNamespace, engine: Any) -> None:
    started = engine()
    request = admitted(vllm, started, params(vllm, json=SCHEMA))
    started.manager.masks(request, [], None)
    text = weakref.ref(started.manager.grammar(request).text)
    gc.disable()
    try:
        del request
        assert text() is None
    finally:
        gc.enable()


def test_a_client_that_leaves_closes_its_request(vllm: SimpleNamespace, engine: Any) -> None:
    started = engine()

    async def leave() -> None:
        outputs = started.generate([7], params(vllm, json=SCHEMA), "r")
        await anext(outputs)
        await outputs.aclose()

    asyncio.run(leave())
    assert started.closed == 1


def test_the_scheduler_is_given_a_grammar_that_is_ready_unless_it_takes_long(
    vllm: SimpleNamespace, engine: Any, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = engine()
    slow = vllm.Request(params(vllm, json=SCHEMA))
    slow.sampling_params.structured_outputs._backend = "structgen"
    started.manager.grammar_init(slow)
    assert slow.structured_output_request.grammar is None
    held.set()
    monkeypatch.setattr(started.manager.backend, "soon", 600)
    quick = admitted(vllm, started, params(vllm, json={"enum": [1]}))
    assert quick.structured_output_request.grammar is not None
    started.manager.grammar_init(vllm.Request(vllm.sampling.SamplingParams()))


def test_a_prefill_for_another_instance_has_no_budget(vllm: SimpleNamespace, engine: Any) -> None:
    asked = params(vllm, 1, json=SCHEMA)
    asked.extra_args = {"kv_transfer_params": {"do_remote_decode": True}}
    started = engine()
    request = admitted(vllm, started, asked)
    assert len(allowed(started.manager.masks(request, [], None)[0])) > 1


def test_text_behind_the_document_is_refused(vllm: SimpleNamespace, engine: Any) -> None:
    asked = params(vllm, json=SCHEMA)
    asked.ignore_eos = True
    with pytest.raises(vllm_stand_in.VLLMValidationError, match="ignore_eos"):
        admitted(vllm, engine(), asked)


def test_beams_that_would_lose_the_constraint_are_refused(vllm: SimpleNamespace, engine: Any) -> None:
    engine()
    asked = vllm.sampling.StructuredOutputsParams(json=SCHEMA)
    with pytest.raises(vllm_stand_in.VLLMValidationError, match="use_beam_search"):
        vllm.ChatCompletionRequest(asked).to_beam_search_params(1, {})
    assert vllm.ChatCompletionRequest(None).to_beam_search_params(1, {}) == "beams"


def test_a_call_of_a_tool_has_no_members_besides(vllm: SimpleNamespace, engine: Any) -> None:
    for _ in range(2):
        started = engine()
    schema = vllm.tools._get_tool_schema_from_name_and_params("f", {"type": "integer"})
    text = written(started, admitted(vllm, started, params(vllm, json={"type": "object", **schema})), 1)
    assert json.loads(text).keys() == {"name", "parameters"}


def test_thoughts_that_take_all_tokens_leave_the_shortest_text(vllm: SimpleNamespace, engine: Any) -> None:
    started = engine(reasoner=object)
    request = admitted(vllm, started, params(vllm, 20, json={"const": [1, 2, 3, 4, 5]}), thoughts=True)
    request.output += [50] * 18 + [THOUGHT_ENDS]
    assert started.manager.accept_tokens(request, [THOUGHT_ENDS], THOUGHT_ENDS)
    row = allowed(started.manager.masks(request, [], THOUGHT_ENDS)[0])
    assert row and started.manager.grammar(request).text.failure is None


# --- the rows of a step -------------------------------------------------------------------------------------


def several(vllm: SimpleNamespace, engine: Any, draw: random.Random) -> dict[str, Any]:
    """Return requests of several kinds, each somewhere in its text."""
    asked = [{"json": SCHEMA}, {"json": {"enum": [1, 12, "ab"]}}, {"regex": "[a-z]{3,40}"}, {"json": STRING}]
    stops = draw.choice(((), (50,)))
    found = {}
    for at in range(8):
        request = admitted(vllm, engine, params(vllm, 60, stops, **asked[at % 4]))
        for _ in range(draw.randrange(6)):
            may = set(allowed(engine.manager.masks(request, [], None)[0])) - {EOS, *stops}
            if may:
                request.output.append(draw.choice(sorted(may)))
                assert engine.manager.accept_tokens(request, request.output[-1:], None)
        found[f"r{at}"] = request
    return found


def row_by_row(grammar: Any, drafted: list[int]) -> list[list[int]]:
    """Return what may come at the drafted places of a text and behind them, by calls of their own; behind a
    draft that is refused, the same as at its place."""
    taken, found = 0, list[list[int]]()
    mask = torch.full((1, (WIDTH + 31) // 32), -1, dtype=torch.int32)
    for at, token in enumerate((*drafted, None)):
        if taken == at:
            mask.fill_(-1)
            if not grammar.is_terminated():
                grammar.fill_bitmask(mask, 0)
        found.append(allowed(mask.numpy()[0]))
        if token is not None and taken == at:
            taken += not grammar.is_terminated() and grammar.accept_tokens("", [token])
    grammar.rollback(taken)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_the_rows_of_a_step_are_those_of_calls_of_their_own(
    vllm: SimpleNamespace, engine: Any, seed: int
) -> None:
    draw, started = random.Random(seed), engine()
    requests, manager = several(vllm, started, draw), started.manager
    drafts = {}
    for name, request in requests.items():
        may = sorted(allowed(manager.masks(request, [], None)[0]))
        drafts[name] = [draw.choice([*may, 60, EOS]) for _ in range(draw.randrange(4))]
    grammars = [manager.grammar(request) for request in requests.values()]
    expected = [
        row for one, name in zip(grammars, drafts, strict=True) for row in row_by_row(one, drafts[name])
    ]
    places = [one.text.size for one in grammars]
    masks = manager.grammar_bitmask(requests, [*requests], drafts)
    assert [allowed(row) for row in masks] == expected
    assert [one.text.size for one in grammars] == places


def test_one_call_fills_the_rows_of_a_step(
    vllm: SimpleNamespace, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, calls = engine(), []
    requests = several(vllm, started, random.Random(1))
    fill = engine_grammars.fill_masks
    monkeypatch.setattr(
        engine_grammars, "fill_masks", lambda *given: calls.append(len(given[0])) or fill(*given)
    )
    started.manager.grammar_bitmask(requests, [*requests], {})
    assert calls == [len(requests)]
    assert started.manager.fill_bitmask_parallel_threshold > 1 << 20


def test_a_row_that_has_ended_leaves_the_others_theirs(vllm: SimpleNamespace, engine: Any) -> None:
    started = engine()
    requests = {str(at): admitted(vllm, started, params(vllm, json={"const": at})) for at in range(3)}
    middle = requests["1"]
    middle.output += [*TOKENIZER("1")["input_ids"], EOS]
    assert started.manager.accept_tokens(middle, middle.output, None)
    masks = [allowed(row) for row in started.manager.grammar_bitmask(requests, [*requests], {})]
    assert masks[1] == [*range(WIDTH)]
    assert [set(row) & {*range(WIDTH)} for row in (masks[0], masks[2])] == [
        set(allowed(started.manager.masks(requests[at], [], None)[0])) for at in ("0", "2")
    ]
    assert masks[0] != masks[2] and masks[0]


def test_a_limit_in_a_step_ends_that_request_with_the_reason(vllm: SimpleNamespace, engine: Any) -> None:
    started = engine()
    branches = [{"properties": {f"k{at}": STRING}} for at in range(500)]
    deep = {"type": "object", "properties": {"a": {"type": "object", "oneOf": branches}}}
    requests = {
        name: admitted(vllm, started, params(vllm, json=schema))
        for name, schema in {"one": SCHEMA, "deep": deep, "two": {"enum": [1, 12]}}.items()
    }
    manager = started.manager
    for _ in range(12):
        masks = manager.grammar_bitmask(requests, [*requests], {})
        tokens = [allowed(row)[0] for row in masks]
        for request, token in zip(requests.values(), tokens, strict=True):
            request.output.append(token)
        taken = [
            manager.accept_tokens(request, [token], None)
            for request, token in zip(requests.values(), tokens, strict=True)
        ]
        if not all(taken):
            break
    assert taken == [True, False, True]
    assert "oneOf has 500 branches" in requests["deep"].stop_reason
    assert all(manager.grammar(requests[name]).text.failure is None for name in ("one", "two"))

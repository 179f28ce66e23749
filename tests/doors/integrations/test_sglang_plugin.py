"""The SGLang back end against stand-ins of SGLang's hooks: batches, drafts, thoughts, budgets, refusals."""

from __future__ import annotations

import gc
import json
import random
import re
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
import sglang_stand_in
import torch
import transformers
from changed_hooks import change
from object_schemas import STRING, object_of
from sglang_stand_in import FINISH_ABORT, Req, masks_of, walked

import structgen as sg
from structgen.doors.integrations import engine_grammars, engine_hooks, sglang_plugin
from structgen.doors.integrations.engine_grammars import EngineGrammars
from structgen.tokens.token_mask import TokenMask

TOKENIZER = transformers.AutoTokenizer.from_pretrained(Path(__file__).parents[2] / "data" / "bpe")
WIDTH = len(TOKENIZER) + 5
EOS = TOKENIZER.eos_token_id
SCHEMA: dict[str, Any] = object_of(name=STRING, ages={"type": "array", "items": {"type": "integer"}})
JSON = ("json", json.dumps(SCHEMA))


@pytest.fixture
def sglang(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[SimpleNamespace]:
    """SGLang's hooks; what was imported over them is forgotten afterwards."""
    version = getattr(request, "param", sglang_stand_in.VERSION)
    found = sglang_stand_in.install(lambda name, made: monkeypatch.setitem(sys.modules, name, made), version)
    monkeypatch.setattr(EngineGrammars, "preload_kinds", lambda self: None)
    sglang_plugin.register()
    yield found
    sys.modules.pop("structgen.doors.integrations.sglang_backend", None)


def started(sglang: SimpleNamespace, **settings: Any) -> Any:
    """Return a grammar manager with our back end, after SGLang has put the hooks in."""
    vars(sglang.serving).update(settings)
    make = sglang.base.GRAMMAR_BACKEND_REGISTRY["structgen"]
    manager = sglang.GrammarManager(make(None, TOKENIZER, WIDTH, {EOS}))
    ((target, (hook, kind)),) = sglang.hooks.HookRegistry.hooks.items()
    assert kind == "after"
    name = target.rpartition(".")[2]
    original = getattr(type(manager), name)
    setattr(manager, name, lambda req: hook(original(manager, req), manager, req))
    return manager


def admitted(manager: Any, *requests: Req) -> list[Req]:
    for one in requests:
        manager.admit(one)
        assert one.aborted is None, one.aborted
    return list(requests)


def run(sglang: SimpleNamespace, requests: list[Req], seed: int = 0) -> list[str]:
    """Return the texts of a batch whose tokens are drawn among those that may come."""
    draw = random.Random(seed)
    open_, ends = list(requests), {}
    while open_:
        logits = masks_of(sglang.base, open_, WIDTH)
        for one, row in zip(list(open_), logits, strict=True):
            may = torch.isfinite(row).nonzero().flatten().tolist()
            assert may
            if getattr(one.grammar, "thinks", False):
                assert len(may) == WIDTH
                may = [300] if len(one.output_ids) > 6 else list(range(40, 90))
            token = draw.choice(may)
            one.grammar.accept_token(token)  # the grammar first, then the request
            one.output_ids.append(token)
            if one.grammar.is_terminated():
                ends[id(one)] = one.output_ids[:-1]
                open_.remove(one)
            else:
                assert len(one.output_ids) < one.sampling_params.max_new_tokens
    texts = [ends[id(one)] for one in requests]
    return [TOKENIZER.decode(one[one.index(300) + 1 :] if 300 in one[:9] else one) for one in texts]


# --- what is put in -----------------------------------------------------------------------------------------


def test_the_name_joins_those_of_sglang_once(sglang: SimpleNamespace) -> None:
    sglang_plugin.register()
    assert sglang.choices == ["xgrammar", "none", "structgen"]


@pytest.mark.parametrize("sglang", ["0.5.22", "0.5.230", "0.6"], indirect=True)
def test_an_unknown_release_is_refused_when_it_is_chosen(sglang: SimpleNamespace) -> None:
    with pytest.raises(sg.errors.OptionError, match=r"does not know sglang .* Install sglang 0\.5\.23"):
        started(sglang)


@pytest.mark.parametrize("hook", sglang_plugin.HOOKS, ids=lambda hook: hook.location.partition(":")[2])
def test_a_hook_that_changed_is_refused(
    sglang: SimpleNamespace, hook: engine_hooks.Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(hook, monkeypatch)
    with pytest.raises(sg.errors.OptionError, match=r"takes \(self, other\), not \("):
        started(sglang)


def test_a_setting_of_another_back_end_is_refused_at_start(sglang: SimpleNamespace) -> None:
    with pytest.raises(sg.errors.OptionError, match="constrained_json_max_whitespace_cnt"):
        started(sglang, constrained_json_max_whitespace_cnt=3)


# --- requests -----------------------------------------------------------------------------------------------

TAG = {"begin": "<f>", "content": {"type": "json_schema", "json_schema": {"const": 7}}, "end": "</f>"}
KINDS = {
    "json": (*JSON, None),
    "any": ("json", "$$ANY$$", None),
    "regex": ("regex", "ab{2}c", "abbc"),
    "ebnf": ("ebnf", 'root ::= "x" "y"', "xy"),
    "lark": ("ebnf", 'start: "x" A\nA: "y"', "xy"),
    "tag": (
        "structural_tag",
        json.dumps({"type": "structural_tag", "format": {"type": "tag", **TAG}}),
        "<f>7</f>",
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_constraint_holds(sglang: SimpleNamespace, name: str) -> None:
    kind, asked, only = KINDS[name]
    manager = started(sglang)
    for seed in range(2):  # the second one is a copy of the kept grammar
        (text,) = run(sglang, admitted(manager, Req(kind, asked)), seed)
        if only is not None:
            assert text == only
        else:
            jsonschema.validate(json.loads(text), SCHEMA if name == "json" else {"type": "object"})


@pytest.mark.parametrize("thinks", [False, True])
def test_texts_of_a_batch_are_complete_within_max_new_tokens(sglang: SimpleNamespace, thinks: bool) -> None:
    manager = started(sglang, reasoning_parser="r1" if thinks else None)
    for seed in range(4):
        most = [12, 20, 40, 60] if not thinks else [23, 30, 45, 60]
        requests = admitted(manager, *(Req(*JSON, each, thinks=thinks) for each in most))
        for text in run(sglang, requests, seed):
            jsonschema.validate(json.loads(text), SCHEMA)


def test_drafts_are_walked_and_taken_back(sglang: SimpleNamespace) -> None:
    (request,) = admitted(started(sglang), Req("regex", "abc"))
    tokens = [TOKENIZER.encode(one, add_special_tokens=False)[0] for one in "abc"]
    mask = torch.full((5, (WIDTH + 31) // 32), -1, dtype=torch.int32)
    for drafted, count in (([*tokens, EOS], 4), ([*tokens[:2], EOS], 2), ([EOS], 0)):
        assert walked(request.grammar, drafted, mask) == count
        assert not request.grammar.is_terminated()
    assert run(sglang, [request]) == ["abc"]


def test_a_token_that_may_not_come_is_an_error_that_sglang_catches(sglang: SimpleNamespace) -> None:
    (request,) = admitted(started(sglang), Req("regex", "abc"))
    with pytest.raises(ValueError, match="not allowed"):
        request.grammar.accept_token(EOS)


def test_a_mask_that_cannot_be_filled_ends_that_request_alone(sglang: SimpleNamespace) -> None:
    one, other = admitted(started(sglang), Req(*JSON), Req(*JSON))
    one.grammar.text.failure = sg.errors.OptionError("It cannot be filled.")
    logits = masks_of(sglang.base, [one, other], WIDTH)
    assert torch.isfinite(logits[0]).nonzero().flatten().tolist() == [EOS]
    with pytest.raises(ValueError, match="cannot be filled"):
        one.grammar.accept_token(EOS)
    assert one.to_finish == FINISH_ABORT(str(one.grammar.text.failure), 400, "BadRequestError")
    jsonschema.validate(json.loads(run(sglang, [other])[0]), SCHEMA)
    assert other.to_finish is None


def test_a_request_that_ends_lets_its_text_go_at_once(sglang: SimpleNamespace) -> None:
    requests = admitted(started(sglang), Req(*JSON))
    masks_of(sglang.base, requests, WIDTH)
    text = weakref.ref(requests[0].grammar.text)
    gc.disable()
    try:
        requests.clear()
        assert text() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (("json", '{"type": "strnig"}'), "Failed to compile json grammar: .*strnig"),
        (("json", '{"enum": []}'), "Failed to compile json grammar"),
        (("ebnf", "%import .secret.X\nstart: X"), "import"),
        (("regex", "(a"), "missing"),
    ],
)
def test_what_is_refused_is_aborted_with_our_message(
    sglang: SimpleNamespace, request_: tuple[str, str], message: str
) -> None:
    manager = started(sglang)
    for _ in range(2):  # from the pool, then from the cache
        asked = Req(*request_)
        manager.admit(asked)
        assert asked.aborted is not None
        assert asked.grammar is None
        assert re.search(message, asked.aborted)


def test_the_scheduler_waits_a_moment_for_a_grammar_and_no_longer(
    sglang: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend, event = started(sglang).grammar_backend, threading.Event()
    module = sys.modules["structgen.doors.integrations.sglang_backend"]
    monkeypatch.setattr(module, "SOON", 600)
    grammar, known = backend.get_cached_or_future_value(JSON, False)
    again, _ = backend.get_cached_or_future_value(JSON, False)
    assert known and grammar.compiled is again.compiled and grammar is not again
    refused, known = backend.get_cached_or_future_value(("regex", "(a"), False)
    assert known and "missing" in refused.error_message
    monkeypatch.setattr(module, "SOON", 0.0)
    monkeypatch.setattr(backend, "dispatch_json", lambda text: event.wait(600) and grammar.copy())
    later, known = backend.get_cached_or_future_value(("json", "{}"), False)
    assert not known and not later.done()
    event.set()
    assert later.result().compiled is grammar.compiled


def test_a_budget_below_the_shortest_text_is_refused_with_the_least(sglang: SimpleNamespace) -> None:
    manager = started(sglang)
    asked = Req(*JSON, 3)
    manager.admit(asked)
    assert asked.aborted is not None and "max_new_tokens: The shortest text needs" in asked.aborted
    least = int(asked.aborted.rpartition("Increase it to ")[2].partition(" or")[0])
    run(sglang, admitted(manager, Req(*JSON, least)))


def test_a_request_without_tokens_fills_the_cache(sglang: SimpleNamespace) -> None:
    """SGLang sends one before the texts of a request with `n`."""
    (asked,) = admitted(started(sglang), Req(*JSON, 0))
    assert torch.isfinite(masks_of(sglang.base, [asked], WIDTH)[0]).any()


def test_an_end_that_could_be_forbidden_is_refused(sglang: SimpleNamespace) -> None:
    asked = Req(*JSON, min_new_tokens=5)
    started(sglang).admit(asked)
    assert asked.aborted is not None and "min_new_tokens" in asked.aborted


def test_a_stop_token_comes_where_the_text_is_complete_alone(sglang: SimpleNamespace) -> None:
    manager, stop = started(sglang), TOKENIZER.encode("b")[0]
    asked = admitted(
        manager,
        Req("regex", "ab?", stop_token_ids={stop}),
        Req("regex", "ba|c", stop_token_ids={stop}),
        Req("regex", "ba|c"),
    )
    mask = asked[0].grammar.allocate_vocab_mask(WIDTH, 3, "cpu")
    rows = [SimpleNamespace(grammar=one.grammar, row=row) for row, one in enumerate(asked)]
    asked[0].grammar.accept_token(TOKENIZER.encode("a")[0])
    asked[0].grammar.fill_vocab_mask_batched(rows, mask)
    allowed = TokenMask.wrap(mask)
    assert [stop in allowed.allowed(row) for row in range(3)] == [True, False, True]
    asked[0].grammar.accept_token(stop)
    assert asked[0].grammar.is_terminated() and len(asked[0].grammar.text.matcher.tokens) == 1


def test_many_schemas_one_after_the_other_are_let_go(
    sglang: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = started(sglang)
    monkeypatch.setattr(engine_grammars, "MAX_KEPT_GRAMMARS", 4)
    made: Callable[[int], tuple[str, str]] = lambda number: ("regex", f"a{{{number}}}")  # noqa: E731
    for number in (1, 2, 3, 4, 1, 5):
        admitted(manager, Req(*made(number)))
    assert list(manager.grammar_backend.cache) == [made(3), made(4), made(1), made(5)]

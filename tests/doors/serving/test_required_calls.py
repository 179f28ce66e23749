"""`tool_choice: "required"`: one call, or several of which none equals another; at every address and in
`sg.run`."""

from __future__ import annotations

import copy
import json
import pickle
import random
import re
from typing import Any

import pytest
import torch
from for_each import for_each
from served_apps import ADA, CHAT, FORMAT, MESSAGES, PERSON, TEXT, TOOL, post
from small_models import Function, tokenizer

import structgen as sg
from structgen.asking.tool_calls.call_writing import write_calls
from structgen.asking.tool_calls.format_rows import FORMATS
from structgen.doors.serving.app import make_app
from structgen.doors.serving.served_model import ServedModel

TOKENIZER = tokenizer()
ANTHROPIC = {"name": "save", "input_schema": PERSON}
NO_ARGUMENTS: Any = {"type": "function", "function": {"name": "stop"}}


def calls_of(answer: Any) -> list[tuple[str, Any]]:
    """Return the calls in an answer of any address: names, and arguments."""
    assert answer.status_code == 200, answer.text
    found = answer.json()
    if "choices" in found:
        said = found["choices"][0]["message"]["tool_calls"]
        return [(one["function"]["name"], json.loads(one["function"]["arguments"])) for one in said]
    if "output" in found:
        return [(one["name"], json.loads(one["arguments"])) for one in found["output"] if "name" in one]
    return [(one["name"], one["input"]) for one in found["content"] if one["type"] == "tool_use"]


@for_each("parallel", [None, True, False])
def test_a_required_call_of_one_sentence_is_one(app: Any, parallel: bool | None) -> None:
    """The embedded model does not know when to stop calling, and writes the same call again."""
    said = {} if parallel is None else {"parallel_tool_calls": parallel}
    disabled = {} if parallel is None else {"disable_parallel_tool_use": not parallel}
    flat = {"type": "function", **TOOL["function"]}
    bodies = {
        "chat/completions": {**CHAT, "tools": [TOOL], "tool_choice": "required", **said},
        "responses": {"model": "extract", "input": TEXT, "tools": [flat], "tool_choice": "required", **said},
        "messages": {
            "model": "extract",
            "max_tokens": 300,
            "messages": MESSAGES[1:],
            "tools": [ANTHROPIC],
            "tool_choice": {"type": "any", **disabled},
        },
    }
    for path, body in bodies.items():
        answer = post(app, f"/v1/{path}", body)
        found = calls_of(answer)
        assert found[0] == ("save", ADA), path
        if parallel:
            assert all(one not in found[:at] for at, one in enumerate(found)), path
        else:
            assert len(found) == 1, path


def test_a_stream_has_no_part_of_a_call_that_is_repeated(app: Any) -> None:
    body = {**CHAT, "tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": True, "stream": True}
    lines = post(app, "/v1/chat/completions", body).text.split("\n\n")
    chunks = [json.loads(one[6:]) for one in lines if one and "[DONE]" not in one]
    deltas = [part for one in chunks for part in one["choices"][0]["delta"].get("tool_calls", ())]
    texts: dict[int, str] = {}
    for one in deltas:
        texts[one["index"]] = texts.get(one["index"], "") + one["function"]["arguments"]
    found = [json.loads(text) for text in texts.values()]  # each is whole
    assert found[0] == ADA and all(one not in found[:at] for at, one in enumerate(found))
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_tool_without_arguments_is_called_once(app: Any) -> None:
    body = {**CHAT, "tools": [NO_ARGUMENTS], "tool_choice": "required", "parallel_tool_calls": True}
    answer = post(app, "/v1/chat/completions", body)
    assert calls_of(answer) == [("stop", {})]


def test_sg_run_has_one_required_call_and_lists_without_equal_ones(engine: sg.Engine) -> None:
    def save(name: str, age: int) -> None:
        """Save a person."""

    reply = sg.run(engine, TEXT, tools=[save], tool_choice="required")
    assert [dict(one.arguments) for one in reply.calls] == [{"name": "Ada Lovelace", "age": 36}]
    calls = sg.run(engine, TEXT, list[sg.Call], tools=[save])
    found = [dict(one.arguments) for one in calls]
    assert len(found) > 1 and all(one not in found[:at] for at, one in enumerate(found))


# --- every format: a model that writes calls of a script --------------------------------------------------


def move(x: int) -> None:
    """Move."""


def turn(x: int, y: str = "") -> None:
    """Turn."""


class Scripted(Function):
    """A model that wants to write a text, whatever the prompt."""

    def __init__(self, text: str) -> None:
        super().__init__(TOKENIZER.vocab_size, 10**6)
        self.script, self.prompt = [*TOKENIZER.encode(text.encode()), TOKENIZER.eos_token_ids[0]], 0

    def prefill(self, tokens: Any) -> Any:
        self.prompt = len(tokens)
        return super().prefill(tokens)

    def logits(self, tokens: Any) -> Any:
        out = torch.zeros(self.vocab_size)
        out[self.script[min(len(tokens) - self.prompt, len(self.script) - 1)]] = 10
        return out


OTHERS = ("harmony", "kimi_k3")
"""In the first a call ends the reply; in the second `written_calls` does not write what its grammar has."""


def drawn_calls(draw: random.Random) -> list[sg.Call]:
    made = []
    for at in range(draw.randint(1, 6)):
        name, arguments = draw.choice([("move", {"x": 1}), ("move", {"x": 11}), ("turn", {"x": 1})])
        if name == "turn" and draw.random() < 0.5:
            arguments = {**arguments, "y": draw.choice(["", "a", "ab"])}
        made.append(sg.Call(name, arguments, f"call_{at}"))
    return made


def up_to_a_repeat(calls: list[sg.Call]) -> list[tuple[str, dict[str, Any]]]:
    """The oracle: the calls before the first that equals an earlier one."""
    kept: list[tuple[str, dict[str, Any]]] = []
    for call in calls:
        if (call.name, call.arguments) in kept:
            break
        kept.append((call.name, dict(call.arguments)))
    return kept


FEW = [(seed, one) for seed, one in enumerate(FORMATS) if one not in OTHERS][::3]
MANY = [(seed, one) for seed in range(40, 45) for one in FORMATS if one not in OTHERS]


@for_each("seed, format", FEW)
def test_calls_end_before_one_that_was_made(seed: int, format: str) -> None:
    check_ends(seed, format)


@pytest.mark.slow
@for_each("seed, format", MANY)
def test_calls_end_before_one_that_was_made_in_every_format(seed: int, format: str) -> None:
    check_ends(seed, format)


def check_ends(seed: int, format: str) -> None:
    calls = drawn_calls(random.Random(f"{seed} {format}"))
    row = FORMATS[format]
    engine = sg.Engine(Scripted(row.lead + write_calls(calls, row)), TOKENIZER)
    options: Any = {"tool_format": format, "tool_choice": "required", "parallel": True, "max_tokens": 900}
    reply = sg.run(engine, "x", tools=[move, turn], **options)
    assert [(one.name, dict(one.arguments)) for one in reply.calls] == up_to_a_repeat(calls), calls
    assert reply.complete and not reply.problems
    assert bool(reply.repeats) == (len(reply.calls) < len(calls))


# --- the older form of tools --------------------------------------------------------------------------------

CHOICES: list[tuple[Any, Any]] = [
    (None, None),
    ("auto", "auto"),
    ("none", "none"),
    ({"name": "save"}, {"type": "function", "function": {"name": "save"}}),
]


@for_each("old, new", CHOICES)
@for_each("form", [None, FORMAT])
@for_each("is_chat", [False, True])
def test_functions_are_asked_for_as_tools_are(old: Any, new: Any, form: Any, is_chat: bool) -> None:
    """At the address, and where a program hands a body to the model itself."""
    engine = sg.Engine("structgen/extract") if not is_chat else sg.Engine(Scripted("Hi."), TOKENIZER)
    model = ServedModel(engine, "extract", tool_format="hermes")
    body = {**CHAT, "response_format": form, "temperature": 0, "max_tokens": 90}
    former = {**body, "functions": [TOOL["function"]], "function_call": old}
    latter = {**body, "tools": [TOOL], "tool_choice": new}
    (one,), (two,) = (model.read_chat(each).requests for each in (former, latter))
    assert (one.prompt, one.grammar, one.stop) == (two.prompt, two.grammar, two.stop)
    texts = [
        post(make_app(model), "/v1/chat/completions", each).json()["choices"] for each in (former, latter)
    ]
    assert re.sub("call_[0-9a-f]+", "", str(texts[0])) == re.sub("call_[0-9a-f]+", "", str(texts[1]))


def test_what_ends_a_reply_pickles_with_its_grammar() -> None:
    def stay(x: int) -> None:
        """Stay."""

    found = sg.tools([stay, move], format="hermes")
    again = pickle.loads(pickle.dumps(found))
    call = write_calls([sg.Call("stay", {"x": 1}, "call_0")], "hermes")
    for one in (found, again, copy.deepcopy(found)):
        assert one == found and one.repeats(call) == "" and "stay" in one.repeats(call * 2)

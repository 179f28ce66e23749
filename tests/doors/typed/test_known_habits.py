"""What people do with typed functions elsewhere works here: pickle, `-> dict`, stop, logit_bias."""

from __future__ import annotations

import json
import pickle
from typing import Any

import picklable_functions
import pytest
from asked import asked
from openai_server import serving
from pydantic import BaseModel
from told_models import TOKENIZER, told

import structgen as sg
from structgen.decoding.engine.engine import Engine
from structgen.doors.typed.wanted_forms import form_of


def test_a_typed_function_pickles_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(picklable_functions.age)) is picklable_functions.age


def test_a_typed_method_pickles_with_its_instance() -> None:
    found = pickle.loads(pickle.dumps(picklable_functions.Reader("km").size))
    assert found.prompt("Oslo") == picklable_functions.Reader("km").size.prompt("Oslo")


def test_a_typed_function_inside_another_says_why_it_does_not_pickle() -> None:
    with pytest.raises(pickle.PicklingError, match="Define it at the top of a module"):
        pickle.dumps(asked(int, model="structgen/extract"))


@pytest.mark.parametrize("hint", [dict, dict[str, Any], dict[Any, Any]])
def test_a_dict_is_any_object_of_json(hint: Any) -> None:
    form = form_of(hint)
    assert form.schema == {"additionalProperties": True, "type": "object"}
    text = '{"a": [1, {"b": null}], "": "x"}'
    assert sg.run(told(text)[0], "Which?", hint) == json.loads(text)


def test_a_free_text_ends_at_a_stop_string() -> None:
    assert sg.run(told("one two. three")[0], "Say", str, stop=".") == "one two"
    with pytest.raises(sg.errors.OptionError, match="stop"):
        sg.run(told("1")[0], "Say", int, stop=".")


def test_a_free_text_has_at_least_min_tokens() -> None:
    short = sg.run(told("Hi")[0], "Say", str, detailed=True, max_tokens=9)
    how = sg.Sampling(temperature=0.0, min_tokens=6)
    longer = sg.run(told("Hi")[0], "Say", str, detailed=True, max_tokens=9, sampling=how)
    assert short.usage.tokens < 6 <= longer.usage.tokens
    with pytest.raises(sg.errors.OptionError, match="minLength"):
        sg.run(told("1")[0], "Say", int, sampling=how)


def test_a_bias_bans_a_token_and_forces_another_within_the_grammar() -> None:
    (a,), (b,) = TOKENIZER.encode(b"a"), TOKENIZER.encode(b"b")
    choice = sg.choice(["a", "b"])
    assert sg.run(told("a")[0], "Which?", choice) == "a"
    for bias in ({a: -100}, {str(b): 100}):
        how = sg.Sampling(temperature=0.0, logit_bias=bias)  # type: ignore[arg-type]
        assert sg.run(told("a")[0], "Which?", choice, sampling=how) == "b"
    with pytest.raises(sg.errors.OptionError, match="none of the model"):
        sg.run(told("a")[0], "Which?", choice, sampling=sg.Sampling(logit_bias={10**6: 1.0}))


def test_stop_and_bias_go_to_a_server_under_their_names() -> None:
    with serving("one") as server:
        sg.run(server.model, "Say", str, stop=["."], sampling=sg.Sampling(logit_bias={5: -100}))
        (body,) = server.bodies
    assert (body["stop"], body["logit_bias"]) == (["."], {"5": -100.0})


# --- speculation --------------------------------------------------------------------------------------------


class Order(BaseModel):
    customer: str
    paid: bool


PROMPT = "Zorvik has paid."


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what requests say of speculation, as they come."""
    seen: list[Any] = []
    submit = Engine.submit

    def noted(self: Engine, request: sg.Request) -> Any:
        seen.append(request.speculation)
        return submit(self, request)

    monkeypatch.setattr(Engine, "submit", noted)
    return seen


@pytest.mark.parametrize(
    "speculation", ["auto", "off", sg.Speculation(edit='{"customer": "Zorvik"')], ids=str
)
def test_it_reaches_the_engine_and_changes_nothing(speculation: Any, said: list[Any]) -> None:
    order = asked(Order, model="structgen/extract", speculation=speculation)
    found = order(PROMPT)
    assert sg.run("structgen/extract", PROMPT, Order, speculation=speculation) == found
    assert found == Order(customer="Zorvik", paid=True)
    assert order.batch([PROMPT, PROMPT]) == [found, found]
    assert order.detailed(PROMPT).usage.speculation == ""
    partials = list(order.stream(PROMPT))
    assert partials[-1].result == found
    assert said == [speculation] * 6


def test_auto_is_the_default(said: list[Any]) -> None:
    sg.run("structgen/extract", PROMPT, Order)
    assert said == ["auto"]

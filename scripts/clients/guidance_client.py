"""The package guidance, by its model for vLLM."""

from __future__ import annotations

import os
from typing import Any

import guidance
from features import ASK, CHATS, KEY, MODEL, TEXT, V1, Person, feature, first_page, is_ada, run
from guidance import assistant, gen, select, user
from guidance.models.experimental import VLLMModel


def asked(text: str, part: Any) -> Any:
    """Return the model's state behind a question and an answer."""
    state = VLLMModel(MODEL, base_url=V1, api_key=KEY, echo=False)
    with user():
        state += text
    with assistant():
        state += part
    return state


os.environ |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": V1}


@first_page("`VLLMModel('...', base_url='http://HOST/v1')`")
def _() -> None:
    state = VLLMModel("any", base_url=V1, api_key=KEY, echo=False)
    with user():
        state += f"Hello! {ASK}"
    with assistant():
        state += gen("said", max_tokens=20)
    assert state["said"]


@feature("VLLMModel: gen", CHATS)
def _() -> None:
    assert asked(ASK, gen("said", max_tokens=20))["said"]


@feature("VLLMModel: gen with a regex")
def _() -> None:
    assert asked(TEXT, gen("age", regex="[0-9]{2}"))["age"].isdigit()


# guidance reads no text back under a `stop`: it has no tokenizer of the server's model.
@feature("VLLMModel: gen with stop", CHATS, fault="guidance's own reading of a reply fails under `stop`")
def _() -> None:
    assert "." not in asked(ASK, gen("said", stop=".", max_tokens=40))["said"]


@feature("VLLMModel: select")
def _() -> None:
    assert asked(TEXT, select(["yes", "no"], name="said"))["said"] in ("yes", "no")


@feature("VLLMModel: json")
def _() -> None:
    is_ada(asked(TEXT, guidance.json("person", schema=Person))["person"])


@feature("VLLMModel: text and parts")
def _() -> None:
    state = asked(TEXT, "The age is " + gen("age", regex="[0-9]{2}") + " years.")
    assert state["age"].isdigit()


run()

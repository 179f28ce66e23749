"""The package dspy."""

from __future__ import annotations

import os
from typing import Any, Literal

import dspy
from dspy import lm15
from features import ASK, CHATS, KEY, MODEL, TEXT, V1, Person, feature, first_page, is_ada, run, weather

# dspy asks for a schema only where it is told that the models of a provider know schemas.
HAVE = lm15.ModelSupport(function_calling=True, response_schema=True)
HERE = lm15.AccessPolicy(provider="here", env_keys=("HERE_API_KEY",), base_url=V1)
lm15.register_provider(lm15.ProviderDefinition.chat(HERE, compat=lm15.OpenAIChatCompat()), supports=HAVE)
ADAPTERS: Any = {"JSONAdapter": dspy.JSONAdapter, "ChatAdapter": dspy.ChatAdapter}


class Extract(dspy.Signature):
    """Extract the person."""

    text: str = dspy.InputField()
    person: Person = dspy.OutputField()


class Label(dspy.Signature):
    """Is the text about a person?"""

    text: str = dspy.InputField()
    label: Literal["yes", "no"] = dspy.OutputField()
    score: float = dspy.OutputField()


class Weather(dspy.Signature):
    """Answer the question."""

    question: str = dspy.InputField()
    tools: list[dspy.Tool] = dspy.InputField()
    outputs: dspy.ToolCalls = dspy.OutputField()


def under(adapter: Any) -> Any:
    """Return the context of the model under an adapter."""
    said = {"max_tokens": 400, "cache": False, "num_retries": 0, "temperature": 0}
    return dspy.context(lm=dspy.LM(f"here/{MODEL}", api_key=KEY, **said), adapter=adapter)


@first_page("`OPENAI_BASE_URL=http://HOST/v1`; `adapter=dspy.JSONAdapter()` asks for the schema at once")
def _() -> None:
    os.environ |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": V1}
    # it asks in words first, and by a schema where the reply has not the words
    with dspy.context(lm=dspy.LM("openai/gpt-4o-mini", cache=False, max_tokens=400)):
        is_ada(dspy.Predict(Extract)(text=TEXT).person)


for name, adapter in ADAPTERS.items():

    @feature(f"{name}: Predict, a model")
    def _(adapter: Any = adapter) -> None:
        with under(adapter()):
            is_ada(dspy.Predict(Extract)(text=TEXT).person)

    @feature(f"{name}: Predict, a Literal and a float")
    def _(adapter: Any = adapter) -> None:
        with under(adapter()):
            found = dspy.Predict(Label)(text=TEXT)
        assert found.label in ("yes", "no") and isinstance(found.score, float)

    @feature(f"{name}: ChainOfThought")
    def _(adapter: Any = adapter) -> None:
        with under(adapter()):
            found = dspy.ChainOfThought(Extract)(text=TEXT)
        assert isinstance(found.reasoning, str) and isinstance(found.person, Person)


@feature("tools")
def _() -> None:
    with under(dspy.ChatAdapter(use_native_function_calling=True)):
        found = dspy.Predict(Weather)(question=ASK, tools=[dspy.Tool(weather)])
    assert found.outputs is None or all(one.name == "weather" for one in found.outputs.tool_calls)


@feature("ReActV2", CHATS)
def _() -> None:
    with under(dspy.JSONAdapter()):
        agent = dspy.ReActV2("question -> answer: str", tools=[weather], max_iters=2)
        assert isinstance(agent(question=ASK).answer, str)


run()

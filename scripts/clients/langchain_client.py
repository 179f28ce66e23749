"""The packages langchain, langchain-openai, langchain-anthropic and langgraph."""

from __future__ import annotations

import os
from typing import Any

from features import (
    ASK,
    CHATS,
    HOST,
    KEY,
    MODEL,
    TEXT,
    V1,
    Person,
    feature,
    first_page,
    is_ada,
    is_weather,
    run,
    was_asked,
    weather,
)
from langchain.agents import create_agent
from langchain.agents.middleware import wrap_model_call
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain.chat_models import init_chat_model
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
from langgraph.prebuilt import create_react_agent


def openai(**more: Any) -> Any:
    return ChatOpenAI(model=MODEL, base_url=V1, api_key=KEY, max_retries=0, **more)


def responses(**more: Any) -> Any:
    return openai(use_responses_api=True, **more)


def claude(**more: Any) -> Any:
    return ChatAnthropic(model=MODEL, base_url=HOST, api_key=KEY, max_retries=0, **more)


METHODS = {
    "openai": (openai, ("function_calling", "json_mode", "json_schema")),
    "responses": (responses, ("function_calling", "json_mode", "json_schema")),
    "anthropic": (claude, ("function_calling", "json_schema")),
}
os.environ |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": V1}
MESSAGES: Any = {"messages": [("user", TEXT)]}
WHERE: Any = {"messages": [("user", ASK)]}
JSON = f"{TEXT} As JSON with the keys name, age and city."


@wrap_model_call
def once(request: Any, handler: Any) -> Any:
    """Leave tools out behind the first call: a tiny model would call them for ever."""
    called = any(one.type == "tool" for one in request.messages)
    return handler(request.override(tools=[]) if called else request)


@first_page("`OPENAI_BASE_URL=http://HOST/v1`")
def _() -> None:
    model = init_chat_model("openai:gpt-5.4", max_tokens=200)
    assert model.invoke("Hello, world!").text


for kind, (model, methods) in METHODS.items():

    @feature(f"{kind}: invoke", CHATS)
    def _(model: Any = model) -> None:
        assert model(max_tokens=20).invoke(ASK).text

    @feature(f"{kind}: stream", CHATS)
    def _(model: Any = model) -> None:
        assert "".join(one.text for one in model(max_tokens=20).stream(ASK))

    for method in methods:

        @feature(f"{kind}: with_structured_output, {method}")
        def _(model: Any = model, method: str = method) -> None:
            if method == "json_mode":
                found = model(max_tokens=200).with_structured_output(None, method=method).invoke(JSON)
                assert isinstance(found, dict)
            else:
                is_ada(model().with_structured_output(Person, method=method).invoke(TEXT))

    @feature(f"{kind}: bind_tools")
    def _(model: Any = model) -> None:
        calls = model().bind_tools([weather], tool_choice="any").invoke(ASK).tool_calls
        assert len(calls) == 1
        is_weather(calls[0]["name"], calls[0]["args"])

    @feature(f"{kind}: bind_tools, streamed")
    def _(model: Any = model) -> None:
        pieces = list(model().bind_tools([weather], tool_choice="weather").stream(ASK))
        whole = pieces[0]
        for one in pieces[1:]:
            whole = whole + one
        is_weather(whole.tool_calls[0]["name"], whole.tool_calls[0]["args"])

    for strategy in (ToolStrategy, ProviderStrategy):

        @feature(f"{kind}: create_agent, {strategy.__name__}")
        def _(model: Any = model, strategy: Any = strategy) -> None:
            done = create_agent(model(), response_format=strategy(Person)).invoke(MESSAGES)
            is_ada(done["structured_response"])
            # one turn: neither a second call nor an error that asks again
            assert sum(one.type == "ai" for one in done["messages"]) == 1, done

        @feature(f"{kind}: create_agent with tools, {strategy.__name__}", CHATS)
        def _(model: Any = model, strategy: Any = strategy) -> None:
            agent = create_agent(
                model(), tools=[weather], response_format=strategy(Person), middleware=[once]
            )
            is_ada(agent.invoke(MESSAGES, {"recursion_limit": 12})["structured_response"])

    @feature(f"{kind}: create_agent, tools", CHATS)
    def _(model: Any = model) -> None:
        done = create_agent(model(max_tokens=60), tools=[weather]).invoke(WHERE, {"recursion_limit": 12})
        assert done["messages"][-1].text


@feature("langgraph: create_react_agent", CHATS)
def _() -> None:
    agent = create_react_agent(openai(max_tokens=60), tools=[weather], response_format=Person)
    is_ada(agent.invoke(MESSAGES, {"recursion_limit": 12})["structured_response"])


@feature("two turns", CHATS)
def _() -> None:
    for model in (openai, responses, claude):
        asked = model().bind_tools([weather], tool_choice="any").invoke(ASK)
        results = [
            {"role": "tool", "tool_call_id": one["id"], "content": weather(**one["args"])}
            for one in asked.tool_calls
        ]
        history = [("user", ASK), asked, *results]
        reply = model(max_tokens=40).bind_tools([weather]).invoke(history)
        assert reply.text or reply.tool_calls
    was_asked(3)


run()

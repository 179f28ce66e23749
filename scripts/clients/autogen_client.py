"""The packages autogen-agentchat and autogen-ext."""

from __future__ import annotations

import os
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_core.models import ModelFamily, UserMessage
from autogen_core.tools import FunctionTool
from autogen_ext.models.openai import OpenAIChatCompletionClient
from features import (
    ASK,
    CHATS,
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
    weather,
)

WEATHER = FunctionTool(weather, description="The weather of a city.", strict=True)
os.environ |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": V1}
INFO: Any = {
    "vision": False,
    "function_calling": True,
    "json_output": True,
    "family": ModelFamily.UNKNOWN,
    "structured_output": True,
}


def model(**more: Any) -> Any:
    return OpenAIChatCompletionClient(
        model=MODEL, base_url=V1, api_key=KEY, model_info=INFO, max_retries=0, **more
    )


@first_page("`OPENAI_BASE_URL=http://HOST/v1`")
async def _() -> None:
    agent = AssistantAgent("assistant", model_client=OpenAIChatCompletionClient(model="gpt-4.1"))
    assert (await agent.run(task="Say 'Hello World!'")).messages[-1].content


@feature("create", CHATS)
async def _() -> None:
    assert (await model(max_tokens=20).create([UserMessage(content=ASK, source="u")])).content


@feature("create_stream", CHATS)
async def _() -> None:
    pieces = [one async for one in model(max_tokens=20).create_stream([UserMessage(content=ASK, source="u")])]
    assert "".join(pieces[:-1]) == pieces[-1].content


@feature("json_output, a type")
async def _() -> None:
    is_ada((await model().create([UserMessage(content=TEXT, source="u")], json_output=Person)).content)


@feature("tools")
async def _() -> None:
    asked = [UserMessage(content=ASK, source="u")]
    calls = (await model().create(asked, tools=[WEATHER], tool_choice=WEATHER)).content
    assert len(calls) == 1
    is_weather(calls[0].name, calls[0].arguments)


@feature("AssistantAgent", CHATS)
async def _() -> None:
    result = await AssistantAgent("a", model(max_tokens=20)).run(task=ASK)
    assert result.messages[-1].content


@feature("AssistantAgent, output type")
async def _() -> None:
    result = await AssistantAgent("a", model(), output_content_type=Person).run(task=TEXT)
    is_ada(result.messages[-1].content)


@feature("AssistantAgent, tools")
async def _() -> None:
    agent = AssistantAgent("a", model(max_tokens=60), tools=[weather], reflect_on_tool_use=False)
    assert (await agent.run(task=ASK)).messages[-1].content


@feature("AssistantAgent, tools that are reflected on", CHATS)
async def _() -> None:
    agent = AssistantAgent(
        "a", model(max_tokens=60, tool_choice="required"), tools=[weather], reflect_on_tool_use=True
    )
    assert (await agent.run(task=ASK)).messages[-1].content


run()

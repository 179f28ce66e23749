"""The package openai-agents."""

from __future__ import annotations

import os
from typing import Any

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
)
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
    run,
    was_asked,
    weather,
)
from openai import AsyncOpenAI

os.environ |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": V1}
KINDS: Any = {"chat": OpenAIChatCompletionsModel, "responses": OpenAIResponsesModel}


def agent(kind: str, **more: Any) -> Agent:
    """Return an agent whose model speaks by one protocol."""
    client = AsyncOpenAI(base_url=V1, api_key=KEY, max_retries=0)
    return Agent(name="a", model=KINDS[kind](model=MODEL, openai_client=client), **more)


@first_page("`OPENAI_BASE_URL=http://HOST/v1`")
async def _() -> None:
    agent = Agent(name="Assistant", instructions="You are a helpful assistant")
    result = await Runner.run(agent, "Write a haiku about recursion in programming.")
    assert result.final_output


# Each protocol has the same features.
for kind in KINDS:

    @feature(f"{kind}: text", CHATS)
    async def _(kind: str = kind) -> None:
        # the responses of this library may not be cut
        short = ModelSettings(max_tokens=200, temperature=0)
        assert (await Runner.run(agent(kind, model_settings=short), "Say hello.")).final_output

    @feature(f"{kind}: output_type")
    async def _(kind: str = kind) -> None:
        is_ada((await Runner.run(agent(kind, output_type=Person), TEXT)).final_output)

    @feature(f"{kind}: output_type, streamed")
    async def _(kind: str = kind) -> None:
        result = Runner.run_streamed(agent(kind, output_type=Person), TEXT)
        assert [event async for event in result.stream_events()]
        is_ada(result.final_output)

    @feature(f"{kind}: tools")
    async def _(kind: str = kind) -> None:
        settings = ModelSettings(tool_choice="required")
        tools = [function_tool(weather)]
        once = agent(kind, tools=tools, model_settings=settings, tool_use_behavior="stop_on_first_tool")
        assert (await Runner.run(once, ASK, max_turns=2)).final_output == "Sunny, 21 degrees."
        was_asked()

    @feature(f"{kind}: tools, two turns", CHATS)
    async def _(kind: str = kind) -> None:
        settings = ModelSettings(tool_choice="required", max_tokens=60)
        result = await Runner.run(agent(kind, tools=[function_tool(weather)], model_settings=settings), ASK)
        assert isinstance(result.final_output, str) and len(result.raw_responses) > 1
        was_asked(4)

    @feature(f"{kind}: tools and output_type", CHATS)
    async def _(kind: str = kind) -> None:
        tools = [function_tool(weather)]
        settings = ModelSettings(tool_choice="required")
        result = await Runner.run(agent(kind, tools=tools, output_type=Person, model_settings=settings), TEXT)
        is_ada(result.final_output)
        was_asked(8)

    @feature(f"{kind}: handoff", CHATS)
    async def _(kind: str = kind) -> None:
        other = agent(kind, output_type=Person, handoff_description="Reads texts about persons.")
        first = agent(kind, handoffs=[other], model_settings=ModelSettings(tool_choice="required"))
        is_ada((await Runner.run(first, TEXT)).final_output)


run()

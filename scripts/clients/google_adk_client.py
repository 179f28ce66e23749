"""The package google-adk, whose models of other makers go through litellm."""

from __future__ import annotations

import os
from typing import Any

from features import (
    ASK,
    BOTH,
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
from google.adk.agents import Agent
from google.adk.models.lite_llm import LiteLlm
from google.adk.runners import InMemoryRunner
from google.genai import types

os.environ |= {"OPENAI_API_KEY": KEY, "OPENAI_API_BASE": V1, "OPENAI_BASE_URL": V1}


def model(**more: Any) -> Any:
    return LiteLlm(model=f"openai/{MODEL}", api_base=V1, api_key=KEY, num_retries=0, **more)


async def said(agent: Any, text: str, most: int = 4) -> list[Any]:
    """Return the parts that an agent writes, at most those of some turns."""
    runner = InMemoryRunner(agent=agent, app_name="test")
    session = await runner.session_service.create_session(app_name="test", user_id="user")
    message = types.Content(role="user", parts=[types.Part(text=text)])
    parts = list[Any]()
    async for event in runner.run_async(user_id="user", session_id=session.id, new_message=message):
        assert not event.error_message, event.error_message
        parts += (event.content and event.content.parts) or []
        most -= 1
        if not most:
            break
    return parts


@first_page("`LiteLlm(model='openai/...')` and `OPENAI_API_BASE=http://HOST/v1`")
async def _() -> None:
    agent = Agent(
        model=LiteLlm(model="openai/gpt-4o"),
        name="root_agent",
        description="Tells the current weather in a specified city.",
        instruction="You are a helpful assistant that tells the weather. Use the tool for this purpose.",
        tools=[weather],
    )
    assert await said(agent, ASK)


@feature("output_schema", BOTH)
async def _() -> None:
    agent = Agent(model=model(), name="reader", instruction="Read the person.", output_schema=Person)
    is_ada("".join(part.text or "" for part in await said(agent, TEXT)))


@feature("tools", BOTH)
async def _() -> None:
    agent = Agent(model=model(tool_choice="required"), name="teller", tools=[weather])
    await said(agent, ASK, 2)
    was_asked()


@feature("text", CHATS)
async def _() -> None:
    agent = Agent(model=model(), name="teller", instruction="Be short.")
    assert (await said(agent, ASK))[0].text


run()

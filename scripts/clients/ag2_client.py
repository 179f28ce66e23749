"""The package ag2."""

from __future__ import annotations

import os
from typing import Any

from ag2 import Agent
from ag2.config import OpenAIConfig
from features import ASK, BOTH, CHATS, KEY, MODEL, TEXT, V1, Person, feature, first_page, is_ada, run

os.environ |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": V1}


def config(**more: Any) -> Any:
    return OpenAIConfig(model=MODEL, base_url=V1, api_key=KEY, **more)


@first_page("`OPENAI_BASE_URL=http://HOST/v1`")
async def _() -> None:
    agent = Agent(
        "assistant",
        prompt="You are a helpful assistant.",
        config=OpenAIConfig(model="gpt-4o-mini"),
    )
    reply = await agent.ask("Summarize the main differences between Python lists and tuples.")
    assert reply.body


@feature("a conversation", CHATS)
async def _() -> None:
    reply = await Agent("assistant", prompt="Be short.", config=config(max_tokens=20)).ask(ASK)
    assert (await reply.ask("And in Paris?")).body


@feature("response_schema", BOTH)
async def _() -> None:
    agent = Agent("reader", prompt="Read the person.", config=config(), response_schema=Person)
    is_ada(await (await agent.ask(TEXT)).content())


run()

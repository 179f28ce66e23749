"""The package haystack-ai."""

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
    is_weather,
    run,
)
from features import weather as plain
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage, StreamingChunk
from haystack.tools import create_tool_from_function
from haystack.utils import Secret

os.environ |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": V1}
weather = create_tool_from_function(plain)


def generator(**more: Any) -> Any:
    return OpenAIChatGenerator(
        model=MODEL, api_base_url=V1, api_key=Secret.from_token(KEY), max_retries=0, **more
    )


def user(text: str) -> list[Any]:
    return [ChatMessage.from_user(text)]


@first_page("`OPENAI_BASE_URL=http://HOST/v1`, or `api_base_url`")
def _() -> None:
    client = OpenAIChatGenerator()
    response = client.run([ChatMessage.from_user("What's Natural Language Processing? Be brief.")])
    assert response["replies"][0].text


@feature("stream", CHATS)
def _() -> None:
    pieces = list[StreamingChunk]()
    made = generator(streaming_callback=pieces.append, generation_kwargs={"max_tokens": 20})
    assert made.run(user(ASK))["replies"][0].text == "".join(one.content for one in pieces)


@feature("response_format", BOTH)
def _() -> None:
    made = generator(generation_kwargs={"response_format": Person})
    is_ada(made.run(user(TEXT))["replies"][0].text)


@feature("tools", BOTH)
def _() -> None:
    made = generator(tools=[weather], generation_kwargs={"tool_choice": "required"})
    (call,) = made.run(user(ASK))["replies"][0].tool_calls
    is_weather(call.tool_name, call.arguments)


run()

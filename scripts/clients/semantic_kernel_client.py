"""The package semantic-kernel."""

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
)
from features import weather as plain
from openai import AsyncOpenAI
from semantic_kernel import Kernel
from semantic_kernel.agents import ChatCompletionAgent
from semantic_kernel.connectors.ai.function_choice_behavior import FunctionChoiceBehavior
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion, OpenAIChatPromptExecutionSettings
from semantic_kernel.contents import ChatHistory
from semantic_kernel.functions import kernel_function

os.environ |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": V1}


class Weather:
    @kernel_function(description="The weather of a city.")
    def weather(self, city: str) -> str:
        return plain(city)


def service() -> Any:
    client = AsyncOpenAI(base_url=V1, api_key=KEY, max_retries=0)
    return OpenAIChatCompletion(ai_model_id=MODEL, async_client=client)


def history(text: str) -> Any:
    made = ChatHistory()
    made.add_user_message(text)
    return made


def settings(**more: Any) -> Any:
    return OpenAIChatPromptExecutionSettings(**more)


@first_page("`OPENAI_BASE_URL=http://HOST/v1`")
async def _() -> None:
    agent = ChatCompletionAgent(
        service=OpenAIChatCompletion(ai_model_id="gpt-5"),
        name="SK-Assistant",
        instructions="You are a helpful assistant.",
    )
    assert str(await agent.get_response(messages="Write a haiku about Semantic Kernel."))


@feature("get_streaming_chat_message_content", CHATS)
async def _() -> None:
    pieces = service().get_streaming_chat_message_content(history(ASK), settings(max_tokens=20))
    assert "".join([str(one) async for one in pieces])


@feature("response_format", BOTH)
async def _() -> None:
    is_ada(str(await service().get_chat_message_content(history(TEXT), settings(response_format=Person))))


@feature("an agent with response_format", BOTH)
async def _() -> None:
    from semantic_kernel.functions import KernelArguments

    arguments = KernelArguments(settings=settings(response_format=Person))
    agent = ChatCompletionAgent(service=service(), name="Reader", arguments=arguments)
    is_ada(str(await agent.get_response(messages=TEXT)))


@feature("functions, required", CHATS)
async def _() -> None:
    kernel = Kernel()
    kernel.add_plugin(Weather(), "places")
    made = settings(function_choice_behavior=FunctionChoiceBehavior.Required(), max_tokens=60)
    await service().get_chat_message_content(history(ASK), made, kernel=kernel)
    was_asked()


run()

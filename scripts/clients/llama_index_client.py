"""The packages llama-index-core and llama-index-llms-openai-like."""

from __future__ import annotations

from typing import Any

from features import (
    ASK,
    CHATS,
    EXTRACT,
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
from llama_index.core.agent.workflow import FunctionAgent, ReActAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike


def prompt() -> PromptTemplate:
    """Return a template; a program that asks in words leaves its own in the one that it got."""
    return PromptTemplate("{text}")


def model(**more: Any) -> Any:
    """Return the model; by default one whose tools are called."""
    said = {
        "is_chat_model": True,
        "is_function_calling_model": True,
        "context_window": 2048,
        "temperature": 0,
        **more,
    }
    return OpenAILike(model=MODEL, api_base=V1, api_key=KEY, max_retries=0, timeout=240, **said)


@first_page(
    "`OpenAILike(..., api_base='http://HOST/v1')`; `is_chat_model=True`, else prompts have no chat template;"
    " `is_function_calling_model=True` for tools"
)
def _() -> None:
    llm = OpenAILike(model="my model", api_base=V1, api_key="fake", max_tokens=60)
    assert str(llm.complete("Hello World!"))


@feature("chat", CHATS)
def _() -> None:
    assert model(max_tokens=20).chat([ChatMessage(role="user", content=ASK)]).message.content


@feature("complete", CHATS)
def _() -> None:
    assert model(max_tokens=20, is_chat_model=False).complete("The sun").text


@feature("stream", CHATS)
def _() -> None:
    assert [*model(max_tokens=20).stream_chat([ChatMessage(role="user", content=ASK)])][-1].message.content


@feature("structured_predict, by tools")
def _() -> None:
    is_ada(model().structured_predict(Person, prompt(), text=TEXT))


@feature("structured_predict, by json_schema")
def _() -> None:
    is_ada(model(should_use_structured_outputs=True).structured_predict(Person, prompt(), text=TEXT))


@feature(
    "structured_predict, by text",
    fault="llama-index sends tool_choice without tools; OpenAI refuses that too",
)
def _() -> None:
    is_ada(model(is_function_calling_model=False).structured_predict(Person, prompt(), text=TEXT))


@feature("as_structured_llm")
def _() -> None:
    is_ada(model().as_structured_llm(Person).complete(TEXT).raw)


# It leaves it to the model whether it calls, which `extract` always does.
@feature("stream_structured_predict", EXTRACT)
def _() -> None:
    is_ada([*model().stream_structured_predict(Person, prompt(), text=TEXT)][-1])


@feature("tools")
def _() -> None:
    said = model().chat_with_tools([FunctionTool.from_defaults(weather)], ASK, tool_required=True)
    calls = model().get_tool_calls_from_response(said)
    assert len(calls) == 1
    is_weather(calls[0].tool_name, calls[0].tool_kwargs)


@feature("FunctionAgent", CHATS)
async def _() -> None:
    # one required call, then a turn that is free
    agent = FunctionAgent(tools=[weather], llm=model(max_tokens=60), initial_tool_choice="weather")
    assert str(await agent.run(ASK, max_iterations=4))
    was_asked(3)


@feature("FunctionAgent with an output class", CHATS)
async def _() -> None:
    agent = FunctionAgent(
        tools=[weather], llm=model(max_tokens=60), output_cls=Person, initial_tool_choice="weather"
    )
    is_ada((await agent.run(TEXT, max_iterations=4)).structured_response)


@feature("ReActAgent", CHATS)
async def _() -> None:
    assert str(
        await ReActAgent(tools=[weather], llm=model(max_tokens=60), streaming=False).run(
            ASK, max_iterations=4
        )
    )


run()

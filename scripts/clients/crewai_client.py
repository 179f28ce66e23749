"""The package crewai."""

from __future__ import annotations

import os
from typing import Any

from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool
from features import ASK, CHATS, KEY, MODEL, TEXT, V1, Person, feature, first_page, is_ada, run
from features import weather as plain

os.environ |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": V1}


@tool("weather")
def weather(city: str) -> str:
    """Return the weather of a city."""
    return plain(city)


def model(**more: Any) -> Any:
    return LLM(model=MODEL, provider="hosted_vllm", base_url=V1, api_key=KEY, max_tokens=200, **more)


def ran(asked: str, tools: Any = (), **more: Any) -> Any:
    """Return the result of a crew of one agent and one task."""
    agent = Agent(
        role="Reader",
        goal="Read texts",
        backstory="Reads.",
        llm=model(),
        tools=list(tools),
        max_iter=2,
        max_retry_limit=0,
    )
    task = Task(description=asked, expected_output="A person", agent=agent, **more)
    return Crew(agents=[agent], tasks=[task], verbose=False).kickoff()


@first_page("`OPENAI_BASE_URL=http://HOST/v1`")
def _() -> None:
    agent = Agent(role="Researcher", goal="Tell of AI", backstory="A researcher.", llm="openai/gpt-4o")
    task = Task(description="Say what AI is.", expected_output="A sentence", agent=agent)
    assert Crew(agents=[agent], tasks=[task]).kickoff().raw


@feature("call", CHATS)
def _() -> None:
    assert model().call(ASK)


@feature("call with a response model")
def _() -> None:
    is_ada(model().call(TEXT, response_model=Person))


@feature("a task", CHATS)
def _() -> None:
    assert ran(ASK).raw


@feature("a task with output_pydantic")
def _() -> None:
    assert isinstance(ran(TEXT, output_pydantic=Person).pydantic, Person)


@feature("a task with output_json")
def _() -> None:
    assert Person.model_validate(ran(TEXT, output_json=Person).json_dict)


@feature("a task with tools", CHATS)
def _() -> None:
    assert ran(ASK, tools=[weather]).raw


@feature("a task with tools and output_pydantic", CHATS)
def _() -> None:
    assert isinstance(ran(TEXT, tools=[weather], output_pydantic=Person).pydantic, Person)


run()

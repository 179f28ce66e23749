"""The package smolagents."""

from __future__ import annotations

from typing import Any

from features import ASK, CHATS, KEY, MODEL, TEXT, V1, Person, feature, first_page, is_ada, is_weather, run
from features import weather as plain
from smolagents import CodeAgent, OpenAIModel, ToolCallingAgent, tool
from smolagents.models import ChatMessage, MessageRole


@tool
def weather(city: str) -> str:
    """Return the weather of a city.

    Args:
        city: The name of the city.
    """
    return plain(city)


def model(**more: Any) -> Any:
    return OpenAIModel(MODEL, api_base=V1, api_key=KEY, client_kwargs={"max_retries": 0}, **more)


WHERE = [ChatMessage(role=MessageRole.USER, content=[{"type": "text", "text": ASK}])]


@first_page("`OpenAIModel('...', api_base='http://HOST/v1')`")
def _() -> None:
    agent = CodeAgent(
        tools=[],
        model=OpenAIModel("gpt-4o", api_base=V1, api_key=KEY, max_tokens=200),
        max_steps=1,
        verbosity_level=0,
    )
    agent.run("Could you give me the 118th number in the Fibonacci sequence?")
    step: Any = next(one for one in agent.memory.steps if type(one).__name__ == "ActionStep")
    # whether the text has a block of code is the model's wisdom
    assert step.model_output and type(step.error).__name__ != "AgentGenerationError", step


@feature("generate", CHATS)
def _() -> None:
    assert model(max_tokens=20).generate(WHERE).content


@feature("generate_stream", CHATS)
def _() -> None:
    assert "".join(one.content or "" for one in model(max_tokens=20).generate_stream(WHERE))


@feature("generate, response_format")
def _() -> None:
    schema = {**Person.model_json_schema(), "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}}
    asked = [ChatMessage(role=MessageRole.USER, content=TEXT)]
    is_ada(model().generate(asked, response_format=form).content)


@feature("generate, tools and stop")
def _() -> None:
    reply = model().generate(
        WHERE, tools_to_call_from=[weather], stop_sequences=["Observation:", "Calling tools:"]
    )
    assert len(reply.tool_calls) == 1
    is_weather(reply.tool_calls[0].function.name, reply.tool_calls[0].function.arguments)


@feature("ToolCallingAgent", CHATS)
def _() -> None:
    agent = ToolCallingAgent(tools=[weather], model=model(max_tokens=200), max_steps=2, verbosity_level=0)
    agent.run(f"Call the tool weather for the city London. {ASK}")
    steps = [one for one in agent.memory.steps if type(one).__name__ == "ActionStep"]
    called = [one for step in steps for one in step.tool_calls or []]
    assert called and {one.name for one in called} <= {"weather", "final_answer"}
    assert not [
        step.error for step in steps if step.error and type(step.error).__name__ != "AgentMaxStepsError"
    ]


@feature("ToolCallingAgent, streamed", CHATS)
def _() -> None:
    agent = ToolCallingAgent(
        tools=[weather], model=model(max_tokens=200), max_steps=1, verbosity_level=0, stream_outputs=True
    )
    assert list(agent.run(ASK, stream=True))
    step: Any = next(one for one in agent.memory.steps if type(one).__name__ == "ActionStep")
    assert step.tool_calls and not step.error, step


# The structured form of CodeAgent is a JSON Schema: thought and code.
@feature("CodeAgent, structured", CHATS)
def _() -> None:
    agent = CodeAgent(
        tools=[weather],
        model=model(max_tokens=300),
        max_steps=1,
        use_structured_outputs_internally=True,
        verbosity_level=0,
    )
    agent.run("Call final_answer with the number 4.")
    step: Any = next(one for one in agent.memory.steps if type(one).__name__ == "ActionStep")
    assert step.code_action is not None, step


@feature("CodeAgent", CHATS)
def _() -> None:
    agent = CodeAgent(tools=[weather], model=model(max_tokens=200), max_steps=1, verbosity_level=0)
    agent.run("Call final_answer with the number 4.")
    step: Any = next(one for one in agent.memory.steps if type(one).__name__ == "ActionStep")
    # whether the text has a block of code is the model's wisdom
    assert step.model_output and type(step.error).__name__ != "AgentGenerationError", step


run()

"""The package pydantic-ai, by OpenAI's two protocols and by Anthropic's."""

from __future__ import annotations

import os
from typing import Any

from features import (
    ASK,
    CHATS,
    EXTRACT,
    HOST,
    KEY,
    MODEL,
    TEXT,
    V1,
    Person,
    feature,
    first_page,
    is_ada,
    raises,
    run,
    weather,
)
from pydantic_ai import Agent, NativeOutput, Tool, ToolOutput
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

os.environ |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": V1}
here = OpenAIProvider(base_url=V1, api_key=KEY)
claude = AnthropicProvider(base_url=HOST, api_key=KEY)
# A name that is not Anthropic's has no schemas, unless it is said.
SCHEMAS = ModelProfile(supports_json_schema_output=True)
MODELS: Any = {
    "chat": lambda name: OpenAIChatModel(name, provider=here),
    "responses": lambda name: OpenAIResponsesModel(name, provider=here),
    "anthropic": lambda name: AnthropicModel(name, provider=claude, profile=SCHEMAS),
}
OUTPUTS: Any = {
    "": Person,
    "ToolOutput": ToolOutput(Person),
    "NativeOutput": NativeOutput(Person),
}


async def only_first(context: Any, tool: Any) -> Any:
    """Leave a tool out behind the first step: a tiny model would call it for ever."""
    return tool if context.run_step < 2 else None


@first_page("`OPENAI_BASE_URL=http://HOST/v1`")
def _() -> None:
    agent = Agent("openai:gpt-5.2", instructions="Be concise, reply with one sentence.")
    assert agent.run_sync('Where does "hello world" come from?').output


for kind, model in MODELS.items():

    @feature(f"{kind}: text", CHATS)
    def _(model: Any = model) -> None:
        assert Agent(model(MODEL), model_settings={"max_tokens": 20}).run_sync(ASK).output

    for name, output in OUTPUTS.items():

        @feature(f"{kind}: {name or 'output_type'}")
        def _(model: Any = model, output: Any = output) -> None:
            is_ada(Agent(model(MODEL), output_type=output, retries=0).run_sync(TEXT).output)

        @feature(f"{kind}: {name or 'output_type'}, streamed")
        async def _(model: Any = model, output: Any = output) -> None:
            async with Agent(model(MODEL), output_type=output, retries=0).run_stream(TEXT) as result:
                grown = [one async for one in result.stream_output(debounce_by=None)]
            is_ada(grown[-1])

    @feature(f"{kind}: a union of types")
    def _(model: Any = model) -> None:
        assert isinstance(
            Agent(model(MODEL), output_type=[int, Person], retries=0).run_sync(TEXT).output, int | Person
        )

    @feature(f"{kind}: tools", CHATS)
    def _(model: Any = model) -> None:
        agent = Agent(model(MODEL), tools=[weather], model_settings={"max_tokens": 60}, retries=0)
        assert agent.run_sync(ASK).output

    @feature(f"{kind}: tools and output_type", CHATS)
    def _(model: Any = model) -> None:
        once = Tool(weather, prepare=only_first)
        is_ada(Agent(model(MODEL), tools=[once], output_type=Person, retries=0).run_sync(TEXT).output)

    @feature(f"{kind}: the error of another model", EXTRACT)
    def _(model: Any = model) -> None:
        with raises(ModelHTTPError, "404"):
            Agent(model("other"), retries=0).run_sync(TEXT)


run()

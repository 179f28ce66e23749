"""The package inspect-ai."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from features import (
    ASK,
    CHATS,
    HOST,
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
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig, ResponseSchema, get_model
from inspect_ai.scorer import includes
from inspect_ai.solver import generate, use_tools
from inspect_ai.tool import tool
from inspect_ai.util import json_schema

os.environ |= {"HERE_API_KEY": KEY, "HERE_BASE_URL": V1}
PLACES: Any = {
    "openai-api": {"model": f"openai-api/here/{MODEL}"},
    "openai-api, responses": {"model": f"openai-api/here/{MODEL}", "responses_api": True},
    "openai": {"model": f"openai/{MODEL}", "base_url": V1, "api_key": KEY},
    "vllm": {"model": f"vllm/{MODEL}", "base_url": V1, "api_key": KEY},
    "anthropic": {"model": f"anthropic/{MODEL}", "base_url": HOST, "api_key": KEY},
}


@tool
def weather() -> Any:
    async def execute(city: str) -> str:
        """Return the weather of a city.

        Args:
            city: The name of the city.
        """
        return plain(city)

    return execute


def config(**more: Any) -> Any:
    return GenerateConfig(max_retries=0, **more)


@first_page("`OPENAI_BASE_URL=http://HOST/v1`")
def _() -> None:
    os.environ |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": V1}
    with tempfile.TemporaryDirectory() as folder:
        task = Task(
            dataset=[Sample(input="Say hello.", target="hello")], solver=generate(), scorer=includes()
        )
        log = eval(task, model="openai/gpt-4o", log_dir=folder, display="none", max_tokens=60)[0]
    assert log.status == "success", log.error


for kind, place in PLACES.items():

    @feature(f"{kind}: generate", CHATS)
    async def _(place: Any = place) -> None:
        assert (await get_model(**place, config=config(max_tokens=20)).generate(ASK)).completion

    @feature(f"{kind}: response_schema")
    async def _(place: Any = place) -> None:
        schema = ResponseSchema(name="person", json_schema=json_schema(Person), strict=True)
        is_ada((await get_model(**place, config=config(response_schema=schema)).generate(TEXT)).completion)

    @feature(f"{kind}: tools")
    async def _(place: Any = place) -> None:
        model = get_model(**place, config=config())
        calls = (await model.generate(ASK, tools=[weather()], tool_choice="any")).message.tool_calls
        assert calls and len(calls) == 1
        is_weather(calls[0].function, calls[0].arguments)

    @feature(f"{kind}: generate_loop", CHATS)
    async def _(place: Any = place) -> None:
        model = get_model(**place, config=config(max_tokens=60))
        assert (await model.generate_loop(ASK, tools=[weather()]))[0]


@feature("eval of a task", CHATS)
def _() -> None:
    with tempfile.TemporaryDirectory() as folder:
        task = Task(
            dataset=[Sample(input=ASK, target="London")],
            solver=[use_tools(weather()), generate()],
            scorer=includes(),
        )
        model = get_model(**PLACES["openai-api"], config=config(max_tokens=60))
        log = eval(task, model=model, log_dir=folder, display="none")[0]
    assert log.status == "success", log.error


run()

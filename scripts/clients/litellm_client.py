"""The package litellm."""

from __future__ import annotations

import os
from typing import Any

import litellm
from features import (
    ASK,
    CHATS,
    HOST,
    KEY,
    MODEL,
    TEXT,
    V1,
    WEATHER,
    Person,
    feature,
    first_page,
    is_ada,
    is_weather,
    raises,
    run,
)

os.environ |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": V1}
litellm.telemetry = False
litellm.num_retries = 0
HERE: Any = [{"role": "user", "content": TEXT}]
WHERE: Any = [{"role": "user", "content": ASK}]
LONG: Any = [{"role": "user", "content": "word and " * 40_000}]
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]
PLACES: Any = {
    "openai": {"model": f"openai/{MODEL}", "api_base": V1, "api_key": KEY},
    "hosted_vllm": {"model": f"hosted_vllm/{MODEL}", "api_base": V1, "api_key": KEY},
    "anthropic": {"model": f"anthropic/{MODEL}", "api_base": HOST, "api_key": KEY},
}


@first_page("`OPENAI_BASE_URL=http://HOST/v1`, or `api_base`")
def _() -> None:
    messages = [{"role": "user", "content": "Hello!"}]
    assert litellm.completion(model="openai/gpt-4o", messages=messages).choices[0].message.content


for kind, place in PLACES.items():

    @feature(f"{kind}: completion", CHATS)
    def _(place: Any = place) -> None:
        assert litellm.completion(messages=WHERE, max_tokens=20, **place).choices[0].message.content

    @feature(f"{kind}: stream", CHATS)
    def _(place: Any = place) -> None:
        pieces = litellm.completion(messages=WHERE, max_tokens=20, stream=True, **place)
        assert "".join(one.choices[0].delta.content or "" for one in pieces)

    @feature(f"{kind}: response_format")
    def _(place: Any = place) -> None:
        reply = litellm.completion(messages=HERE, response_format=Person, **place)
        is_ada(reply.choices[0].message.content)

    @feature(f"{kind}: tools")
    def _(place: Any = place) -> None:
        reply = litellm.completion(messages=WHERE, tools=TOOLS, tool_choice="required", **place)
        calls = reply.choices[0].message.tool_calls
        assert len(calls) == 1
        is_weather(calls[0].function.name, calls[0].function.arguments)

    @feature(f"{kind}: tools, two turns", CHATS)
    def _(place: Any = place) -> None:
        asked = litellm.completion(messages=WHERE, tools=TOOLS, tool_choice="required", **place)
        message = asked.choices[0].message
        results = [
            {"role": "tool", "tool_call_id": one.id, "content": "Sunny."} for one in message.tool_calls
        ]
        reply = litellm.completion(messages=[*WHERE, message, *results], tools=TOOLS, max_tokens=40, **place)
        assert reply.choices[0].message.content or reply.choices[0].message.tool_calls

    @feature(f"{kind}: max_tokens of 128,000")
    def _(place: Any = place) -> None:
        reply = litellm.completion(messages=HERE, response_format=Person, max_tokens=128_000, **place)
        is_ada(reply.choices[0].message.content)

    @feature(f"{kind}: the error of a long prompt")
    def _(place: Any = place) -> None:
        with raises(litellm.ContextWindowExceededError, ""):
            litellm.completion(messages=LONG, **place)


@feature("responses")
def _() -> None:
    reply = litellm.responses(input=TEXT, text_format=Person, **PLACES["openai"])
    is_ada(reply.output[-1].content[0].text)


@feature("fallback on a long prompt")
def _() -> None:
    # The fallback answers something that needs no context: the router's own answer.
    models: Any = [
        {"model_name": "short", "litellm_params": PLACES["openai"]},
        {"model_name": "long", "litellm_params": {**PLACES["openai"], "mock_response": "long"}},
    ]
    router = litellm.Router(models, context_window_fallbacks=[{"short": ["long"]}], num_retries=0)
    reply: Any = router.completion(model="short", messages=LONG)
    assert reply.choices[0].message.content == "long"


run()

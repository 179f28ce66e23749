"""pydantic-ai against a server: `python pydantic_ai_client.py ADDRESS`. Prints a line for each check."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from person import ADA, TEXT, Person
from pydantic_ai import Agent, NativeOutput, ToolOutput
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

provider = OpenAIProvider(base_url=sys.argv[1], api_key="any")
model = OpenAIChatModel("extract", provider=provider)
kinds: dict[str, Any] = {"native": NativeOutput(Person), "tool": ToolOutput(Person), "default": Person}
for name, kind in kinds.items():
    assert Agent(model, output_type=kind, retries=0).run_sync(TEXT).output == ADA, name
    print(f"pydantic-ai {name}: an object")


async def streamed(kind: Any) -> list[Any]:
    """Return the objects of a stream, as they grow."""
    async with Agent(model, output_type=kind, retries=0).run_stream(TEXT) as result:
        return [one async for one in result.stream_output(debounce_by=None)]


for name in ("native", "default"):
    grown = asyncio.run(streamed(kinds[name]))
    assert grown[-1] == ADA, (name, grown)
    print(f"pydantic-ai {name}: a stream that ends in the object")
answers = OpenAIResponsesModel("extract", provider=provider)
assert Agent(answers, output_type=NativeOutput(Person), retries=0).run_sync(TEXT).output == ADA
print("pydantic-ai responses: an object")
try:
    Agent(OpenAIChatModel("other", provider=provider), retries=0).run_sync(TEXT)
except ModelHTTPError as error:
    assert error.status_code == 404
    print("pydantic-ai: the error of a model that is not served")

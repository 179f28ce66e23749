"""The package mcp: tools of a server of the Model Context Protocol, handed on to the model."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from features import ASK, BOTH, KEY, MODEL, V1, feature, first_page, is_weather, run
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from openai import OpenAI

try:
    import mcp.server.mcpserver  # noqa: F401 - the newer name

    SERVER = "from mcp.server.mcpserver import MCPServer as Server"
except ImportError:
    SERVER = "from mcp.server.fastmcp import FastMCP as Server"
SERVER += '''

server = Server("weather")


@server.tool()
def weather(city: str) -> str:
    """The weather of a city."""
    return f"Sunny in {city}."


server.run()
'''
os.environ |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": V1}


async def ask(client: Any, model: str) -> None:
    """List the tools of a server, let the model call one, and call it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weather_server.py"
        file.write_text(SERVER, encoding="utf-8")
        async with (
            stdio_client(StdioServerParameters(command=sys.executable, args=[str(file)])) as streams,
            ClientSession(*streams) as session,
        ):
            await session.initialize()
            listed = (await session.list_tools()).tools
            schemas = [one.model_dump(by_alias=True)["inputSchema"] for one in listed]
            tools: Any = [
                {
                    "type": "function",
                    "function": {"name": one.name, "description": one.description, "parameters": schema},
                }
                for one, schema in zip(listed, schemas, strict=True)
            ]
            reply = client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": ASK}],
                tools=tools,
                tool_choice="required",
            )
            (call,) = reply.choices[0].message.tool_calls
            is_weather(call.function.name, call.function.arguments)
            result: Any = await session.call_tool(call.function.name, json.loads(call.function.arguments))
            assert result.content[0].text.startswith("Sunny in "), result


@first_page("`OPENAI_BASE_URL=http://HOST/v1` of the client that asks the model", name="first page: tools")
async def _() -> None:
    await ask(OpenAI(), "gpt-5.5")


@feature("tools of a server", BOTH)
async def _() -> None:
    await ask(OpenAI(max_retries=0), MODEL)


run()

"""A tool is the same, whichever library's object or message it comes in."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, make_dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from for_each import for_each

import structgen as sg
from structgen.asking.tool_calls.tool_definitions import read_tools

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SAID = {"name": "weather", "description": "The weather."}
NULLS = {"title": None, "execution": None, "icons": None, "annotations": None}
KNOWN = sg.Tool("weather", "The weather.", SCHEMA)


def chat(schema: Any) -> Any:
    return {"type": "function", "function": {**SAID, "parameters": schema}}


def responses(schema: Any) -> Any:
    return {"type": "function", **SAID, "parameters": schema, "strict": None}


def anthropic(schema: Any) -> Any:
    return {**SAID, "input_schema": schema, "cache_control": {"type": "ephemeral"}, "type": "custom"}


def camel(schema: Any) -> Any:
    return {**SAID, "inputSchema": schema, "outputSchema": None, "_meta": None, **NULLS}


def snake(schema: Any) -> Any:
    return {**SAID, "input_schema": schema, "output_schema": None, "meta": None, **NULLS}


def old_object(schema: Any) -> Any:
    return SimpleNamespace(**SAID, inputSchema=schema, annotations=None)


def new_object(schema: Any) -> Any:
    kind = make_dataclass("Tool", ["name", "description", "input_schema"])
    return kind(*SAID.values(), schema)


TOOLS: tuple[Callable[[Any], Any], ...] = (
    *(chat, responses, anthropic, camel, snake, old_object, new_object),
)


@dataclass
class Listing:
    """Stands for MCP's `ListToolsResult`."""

    tools: list[Any]
    next_cursor: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)


LISTS: tuple[tuple[Callable[[Any], Any], str], ...] = (
    (lambda tool: tool, "tools"),
    (lambda tool: [tool], "tools/0"),
    (lambda tool: (each for each in [tool]), "tools/0"),
    (lambda tool: {"tools": [tool]}, "tools/tools/0"),
    (lambda tool: {"tools": [tool], "nextCursor": None, "_meta": None}, "tools/tools/0"),
    (lambda tool: Listing([tool]), "tools/tools/0"),
    (lambda tool: {"jsonrpc": "2.0", "id": 1, "result": {"tools": [tool]}}, "tools/result/tools/0"),
    (lambda tool: {"result": {"tools": [tool], "meta": {}, "ttl_ms": 0}}, "tools/result/tools/0"),
)


def test_a_tool_is_the_same_in_each_definition_and_each_list() -> None:
    for tool in TOOLS:
        for listed, _ in LISTS:
            assert read_tools(listed(tool(SCHEMA))) == (KNOWN,), (tool.__name__, listed(tool(SCHEMA)))
            (empty,) = read_tools(listed(tool(None)))
            assert empty.schema == {"type": "object", "properties": {}}


@for_each("tool", [chat, anthropic, camel, old_object, new_object])
def test_an_error_names_the_place_in_what_was_given(tool: Callable[[Any], Any]) -> None:
    key = next(
        name
        for name in ("parameters", "inputSchema", "input_schema")
        if name in str(tool({})) or hasattr(tool({}), name)
    )
    inner = "/function" if tool is chat else ""
    for listed, place in LISTS:
        with pytest.raises(sg.errors.SchemaError) as caught:
            read_tools(listed(tool({"type": "array"})))
        assert caught.value.where == f"{place}{inner}/{key}"


def test_tools_of_the_package_mcp() -> None:
    types = pytest.importorskip("mcp.types")
    spelling = "input_schema" if "input_schema" in types.Tool.model_fields else "inputSchema"
    tool = types.Tool(**SAID, **{spelling: SCHEMA})
    answer = types.ListToolsResult(tools=[tool])
    dumps = [each.model_dump(by_alias=aliased) for each in (tool, answer) for aliased in (False, True)]
    for given in (tool, [tool], answer, *dumps, *map(json.loads, map(json.dumps, dumps))):
        assert read_tools(given) == (KNOWN,)
    message = {"jsonrpc": "2.0", "id": 0, "result": answer.model_dump(by_alias=True)}
    assert sg.tools(message, format="hermes") == sg.tools([KNOWN], format="hermes")


def test_the_package_mcp_is_not_imported_for_a_definition_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in sys.modules if one.partition(".")[0] == "mcp"]:
        monkeypatch.delitem(sys.modules, name)
    sg.tools(camel(SCHEMA), format="hermes")
    assert "mcp" not in sys.modules


def test_a_function_or_a_type_stands_for_a_list_of_it() -> None:
    def weather(city: str) -> str:
        """The weather."""
        return city

    assert read_tools(weather)[0].schema == read_tools([weather])[0].schema
    assert read_tools(Listing)[0].name == "Listing"


@pytest.mark.parametrize("cursor", ["nextCursor", "next_cursor"])
def test_one_page_of_several_is_told(cursor: str) -> None:
    with pytest.warns(sg.errors.ToolWarning, match="tools on the other pages cannot be called"):
        assert read_tools({"tools": [camel(SCHEMA)], cursor: "page 2"}) == (KNOWN,)


@for_each(
    ("given", "where", "said"),
    [
        ({"jsonrpc": "2.0", "id": 1, "error": {"code": -32601}}, "tools/error", "-32601"),
        ({"jsonrpc": "2.0", "id": 1}, "tools/result", "does not list tools"),
        ({"jsonrpc": "2.0", "id": 1, "result": {"content": []}}, "tools/result", "does not list tools"),
        ({"tools": 3}, "tools/tools", "must be a list, got int"),
        ({"tools": [], "messages": []}, "tools/messages", "'messages' is not known"),
        (
            {**camel(SCHEMA), "input_schema": SCHEMA},
            "tools/input_schema",
            "cannot be combined with inputSchema",
        ),
        ({"name": "f", "inputSchema": {}, "nmae": "g"}, "tools/nmae", "mean 'name'"),
        ({"inputSchema": SCHEMA}, "tools/name", "must be a text that is not empty, got None"),
        ([[camel(SCHEMA)]], "tools/0", "list is not a tool"),
        (b"[]", "tools", "tools must be a list, got bytes"),
        (5, "tools", "must be a list, got int"),
        (None, "tools", "tools must be a list, got NoneType"),
    ],
)
def test_wrong_lists_and_messages(given: Any, where: str, said: str) -> None:
    with pytest.raises(sg.StructgenError, match=said) as caught:
        read_tools(given)
    assert caught.value.where == where and (caught.value.cure or "must be " in caught.value.what)


def test_the_option_s_own_name_is_in_the_error_of_a_format() -> None:
    with pytest.raises(sg.errors.OptionError) as caught:
        sg.run("structgen/extract", "Hello", tools=[KNOWN], tool_format="herms")
    assert caught.value.where == "tool_format"

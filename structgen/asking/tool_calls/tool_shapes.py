"""The shapes of tools and of choices among them, in the dicts of OpenAI, Anthropic and MCP."""

from __future__ import annotations

from typing import Final

from structgen.base.language.shapes import JsonShapes

TOOL_SHAPES: Final = JsonShapes("""
grammar: 'lark'|'ebnf'|'gbnf'|'regex' syntax!; text definition!
named: text name!
function: text name! description; object|flag parameters; flag strict
custom: text name! description; custom_format format
of_tools: text name description title; flag strict async defer_loading eager_input_streaming;
    [text] allowed_callers; list icons input_examples; object|flag input_schema inputSchema parameters;
    object cache_control output_schema outputSchema annotations _meta meta execution
allowed_tools: 'auto'|'required' mode!; [tool_choice+] tools!
tools_listed: any tools! _meta meta nextCursor next_cursor ttlMs ttl_ms cacheScope cache_scope resultType
    result_type
rpc: any jsonrpc id error; object result

tool by type function
function: +of_tools; function function
custom: +of_tools; custom custom; custom_format format
namespace: text name! description; [tool] tools!
tool_search: text description execution; object parameters
*: any *

custom_format by type
text:
grammar: grammar grammar; 'lark'|'ebnf'|'gbnf'|'regex' syntax; text definition

tool_choice by type function
function: named function; text name
custom: named custom; text name
allowed_tools: allowed_tools allowed_tools; 'auto'|'required' mode; [tool_choice+] tools
""")
"""Members of MCP's and Anthropic's tools are those of OpenAI's functions too: each is read where it stands.
A `namespace` is a named group of functions and custom tools. `tools_listed` is MCP's answer to `tools/list`,
`rpc` JSON-RPC's around it."""

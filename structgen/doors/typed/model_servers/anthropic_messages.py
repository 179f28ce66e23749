"""Anthropic's messages: their requests, made of those of chat completions, and their answers.

A schema is sent as the parameters of a tool: its arguments are the document. One of the tools must be called.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, Final

from structgen.base.errors import OptionError
from structgen.base.json_text.exact_json import JsonObject
from structgen.decoding.engine.requests import DEFAULT_MAX_TOKENS
from structgen.doors.typed.model_servers.server_answers import Answer
from structgen.doors.typed.tool_use import rewrite_history

_SAME: Final = ("model", "max_tokens", "timeout", "stream")
_OF_SAMPLING: Final = ("temperature", "top_p")
"""Fields that newer clients do not know, though older models take them."""
_CHOICES: Final = {"auto": "auto", "required": "any", "none": "none"}
_REASONS: Final = {**dict.fromkeys(("end_turn", "stop_sequence"), "stop"), "max_tokens": "length"}
_DOCUMENT: Final = "answer"
"""The tool whose arguments are the document."""


def to_anthropic_request(body: JsonObject) -> JsonObject:
    """Return the arguments of `messages.create` for a request of chat completions."""
    # the client refuses requests of many tokens, unless the time limit, here its own, is said
    arguments: JsonObject = {"max_tokens": DEFAULT_MAX_TOKENS, "timeout": 600.0}
    arguments |= {name: body[name] for name in _SAME if name in body}
    # the client sends unknown fields from here
    arguments["extra_body"] = {name: body[name] for name in _OF_SAMPLING if name in body}
    # Anthropic's messages have no system turns: they stand apart
    systems = [message for message in body["messages"] if message["role"] in ("system", "developer")]
    if systems:
        arguments["system"] = [block for message in systems for block in _content_blocks(message["content"])]
    turns = [message for message in body["messages"] if message not in systems]
    arguments["messages"] = list(map(_convert_message, turns))
    if "stop" in body:
        arguments["stop_sequences"] = body["stop"]
    tools = [tool["function"] for tool in body.get("tools", ())]
    choice = body.get("tool_choice", "auto")
    if "response_format" in body:
        if any(tool["name"] == _DOCUMENT for tool in tools):
            fault = f"A tool has the name {_DOCUMENT!r}, which is reserved for the document."
            raise OptionError(fault, where="tools", cure="Rename it.")
        tools.append({"name": _DOCUMENT, "parameters": body["response_format"]["json_schema"]["schema"]})
        # a schema is kept only as the parameters of a tool that must be called
        choice = "required" if tools[1:] else {"function": tools[0]}
    if tools:
        arguments["tools"] = [
            {
                "name": tool["name"],
                "description": tool.get("description", ""),
                "input_schema": {"type": "object", **tool["parameters"]},
            }
            for tool in tools
        ]
        if isinstance(choice, str):
            arguments["tool_choice"] = {"type": _CHOICES[choice]}
        else:
            arguments["tool_choice"] = {"type": "tool", "name": choice["function"]["name"]}
        if (parallel := body.get("parallel_tool_calls")) is not None:
            arguments["tool_choice"]["disable_parallel_tool_use"] = not parallel
    return arguments


def _convert_message(message: JsonObject) -> JsonObject:
    """Return a message of chat completions as one of Anthropic's."""
    if message["role"] == "tool":  # results of tools are words of the user
        block = {"type": "tool_result", "tool_use_id": message["tool_call_id"]}
        return {"role": "user", "content": [{**block, "content": _content_blocks(message["content"])}]}
    blocks = _content_blocks(message["content"])
    for call in rewrite_history([message], "object")[0].get("tool_calls") or ():
        call_fields = {"name": call["function"]["name"], "input": call["function"]["arguments"]}
        blocks.append({"type": "tool_use", "id": call["id"], **call_fields})
    return {"role": message["role"], "content": blocks}


def _content_blocks(content: Any) -> list[JsonObject]:
    """Return the blocks of a content: texts that are not empty, and images."""
    blocks: list[JsonObject] = []
    parts: Any = content or ()
    if isinstance(content, str):
        parts = [{"type": "text", "text": content}]
    for part in parts:
        if part["type"] == "image_url":
            url = part["image_url"]["url"]
            head, _, data = url.partition(";base64,")
            source = {"type": "url", "url": url}
            if head.startswith("data:"):
                source = {"type": "base64", "media_type": head.removeprefix("data:"), "data": data}
            blocks.append({"type": "image", "source": source})
        elif part["type"] != "text" or part["text"]:
            blocks.append(part)
    return blocks


def add_event(answer: Answer, received: Any) -> None:
    """Add a message, or an event of its stream, to an answer."""
    match getattr(received, "type", ""):
        case "message":
            for index, block in enumerate(received.content or ()):
                _add_part(answer, index, block, is_whole=True)
        case "content_block_start":
            _add_part(answer, received.index, received.content_block)
        case "content_block_delta":
            _add_part(answer, received.index, received.delta)
    usage = getattr(getattr(received, "message", received), "usage", None)
    answer.count_tokens(getattr(usage, "input_tokens", 0), getattr(usage, "output_tokens", 0))
    end = getattr(received, "delta", received)  # of the event that ends a stream, or the message itself
    reason = getattr(end, "stop_reason", None)
    if reason == "refusal":
        explanation = getattr(getattr(end, "stop_details", None), "explanation", None)
        answer.add_part("", refusal=explanation or "it does not say why")
    elif reason == "tool_use" and answer.documents:
        answer.add_part("" if answer.reply else "{}", reason="stop")  # no pieces of an object without members
    else:
        unlisted_reason = "tool_calls" if reason == "tool_use" else reason
        answer.add_part("", reason=_REASONS.get(str(reason), unlisted_reason))


def _add_part(
    answer: Answer,
    index: int,
    part: Any,
    *,
    is_whole: bool = False,
) -> None:
    """Add a block, or a delta of one, to an answer. `index`: the number of the block; `is_whole`: whether its
    arguments are complete, such as `{"name": "Ada"}` of a message without a stream."""
    text, calls = getattr(part, "text", "") or "", list[Any]()
    arguments = getattr(part, "partial_json", None)
    if part.type == "tool_use":
        arguments = json.dumps(part.input, ensure_ascii=False) if is_whole else ""
        if answer.form.tools is None or part.name == _DOCUMENT:
            answer.documents.add(index)
    if arguments is not None and index in answer.documents:
        text = arguments
    elif arguments is not None:
        function = SimpleNamespace(name=getattr(part, "name", None), arguments=arguments)
        calls = [SimpleNamespace(index=index, id=getattr(part, "id", None), function=function)]
    answer.add_part(text, calls, thoughts=getattr(part, "thinking", ""))

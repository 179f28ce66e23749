"""Messages of a conversation as chat templates take them."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any, Final

from structgen.serving.api_errors import ApiError
from structgen.tool_calls.custom_tools import INPUT
from structgen.tool_calls.tool_format import ToolFormat

_ROLES: Final = MappingProxyType({"developer": "system", "function": "tool"})
"""Roles under which templates know others."""
_TEXTS: Final = ("text", "input_text", "output_text", "refusal")
"""Kinds of parts that are text."""


def read_messages(given: Any, format: ToolFormat | None, where: str = "messages") -> list[dict[str, Any]]:
    """Return messages, whose members are known, with text as content, and arguments of earlier calls as the
    format's template takes them. Errors: ApiError, with the place, for none at all and for parts that are no
    text."""
    if not given:
        raise ApiError(f"{where} is a list of one message or more.", param=where)
    found: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for at, message in enumerate(given):
        role = _ROLES.get(message["role"], message["role"])
        made = {"role": role, "content": content_text(message.get("content"), f"{where}/{at}/content")}
        if message.get("reasoning_content"):
            made["reasoning_content"] = message["reasoning_content"]
        old = message.get("function_call")
        calls = message.get("tool_calls") or ([] if old is None else [{"function": old}])
        if calls:
            made["tool_calls"] = [
                _call(one, f"{where}/{at}/tool_calls/{index}", format) for index, one in enumerate(calls)
            ]
            names |= {one["id"]: one["function"]["name"] for one in made["tool_calls"]}
        elif role == "tool":
            identity = message.get("tool_call_id") or ""
            made |= {"tool_call_id": identity, "name": message.get("name") or names.get(identity, "")}
            made["role"] = role if format is None else format.role
        elif role == "assistant" and message.get("content") is None:
            raise ApiError(f"{where}/{at}/content is missing. Give a text, or tool_calls.", param=where)
        found.append(made)
    return found


def content_text(content: Any, where: str, first: int = 0) -> str:
    """Return the text of a message's content: a text, null, or a list of parts that are texts, the `first` of
    which is so many behind the place. Errors: ApiError for a part that is no text."""
    if content is None or isinstance(content, str):
        return content or ""
    texts = []
    for at, part in enumerate(content, first):
        kind = part["type"]
        if kind not in _TEXTS:
            raise ApiError(
                f"{where}/{at} is {kind!r}: text alone is read. Describe it in words.",
                param=where.partition("/")[0],
            )
        texts.append(part["refusal" if kind == "refusal" else "text"])
    return "\n".join(texts)


def _call(given: Any, where: str, format: ToolFormat | None) -> dict[str, Any]:
    """Return an earlier call, its arguments as an object or as JSON text."""
    called = given.get("function") or {
        **given["custom"],
        "arguments": {INPUT: given["custom"]["input"]},
    }
    arguments = called.get("arguments") or "{}"
    try:
        value = json.loads(arguments) if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError):
        raise ApiError(f"{where}: the arguments are no JSON.", param=where.partition("/")[0]) from None
    as_text = format is not None and format.history == "text"
    written = json.dumps(value, ensure_ascii=False) if as_text else value
    function = {"name": called["name"], "arguments": written}
    return {"id": given.get("id") or "", "type": "function", "function": function}

"""Messages of a conversation as chat templates take them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from structgen.serving.api_errors import ApiError
from structgen.tool_calls.tool_format import ToolFormat

_ROLES: Final = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
"""The roles that are read, each with the one that templates know."""
_TEXTS: Final = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
"""Kinds of parts that are text, each with the member that holds it."""


def read_messages(given: Any, format: ToolFormat | None, where: str = "messages") -> list[dict[str, Any]]:
    """Return messages with text as content, and arguments of earlier calls as the format's template takes
    them. Errors: ApiError, with the place, for roles and contents that are not read."""
    if not isinstance(given, list) or not given:
        raise ApiError(f"{where} is a list of one message or more.", param=where)
    found: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for at, message in enumerate(given):
        place = f"{where}/{at}"
        if not isinstance(message, Mapping):
            raise ApiError(f"{place} is no object.", param=where)
        role = _ROLES.get(message.get("role") or "")
        if role is None:
            raise ApiError(
                f"{place}/role is {str(message.get('role'))[:40]!r}. Known are {', '.join(_ROLES)}.",
                param=where,
            )
        made: dict[str, Any] = {
            "role": role,
            "content": content_text(message.get("content"), f"{place}/content"),
        }
        if isinstance(message.get("reasoning_content"), str):
            made["reasoning_content"] = message["reasoning_content"]
        if role == "assistant" and message.get("tool_calls"):
            made["tool_calls"] = [_call(one, f"{place}/tool_calls", format) for one in message["tool_calls"]]
            names |= {one["id"]: one["function"]["name"] for one in made["tool_calls"]}
        elif role == "tool":
            identity = str(message.get("tool_call_id") or "")
            made |= {"tool_call_id": identity, "name": message.get("name") or names.get(identity, "")}
            made["role"] = role if format is None else format.role
        elif message.get("content") is None:
            raise ApiError(f"{place}/content is missing.", param=where)
        found.append(made)
    return found


def content_text(content: Any, where: str) -> str:
    """Return the text of a message's content: a text, null, or a list of parts that are texts."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise ApiError(f"{where} is neither a text nor a list of parts.", param=where.partition("/")[0])
    texts = []
    for at, part in enumerate(content):
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind not in _TEXTS or not isinstance(part.get(_TEXTS[kind]), str):
            raise ApiError(
                f"{where}/{at} is {str(kind)[:40]!r}: text alone is read.", param=where.partition("/")[0]
            )
        texts.append(part[_TEXTS[kind]])
    return "\n".join(texts)


def last_question(messages: list[dict[str, Any]]) -> str:
    """Return the text of the last message of a user, else of the last message."""
    asked = [one["content"] for one in messages if one["role"] == "user"]
    return str(asked[-1] if asked else messages[-1]["content"])


def _call(given: Any, where: str, format: ToolFormat | None) -> dict[str, Any]:
    """Return an earlier call, its arguments as an object or as JSON text."""
    function = given.get("function") if isinstance(given, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise ApiError(f"{where} holds what is no call of a function.", param=where.partition("/")[0])
    arguments = function.get("arguments") or "{}"
    try:
        value = json.loads(arguments) if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError):
        raise ApiError(f"{where}: the arguments are no JSON.", param=where.partition("/")[0]) from None
    as_text = format is not None and format.history == "text"
    written = json.dumps(value, ensure_ascii=False) if as_text else value
    return {
        "id": str(given.get("id") or ""),
        "type": "function",
        "function": {"name": function["name"], "arguments": written},
    }

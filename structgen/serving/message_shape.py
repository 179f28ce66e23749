"""Anthropic's `/v1/messages`: its bodies as those of chat completions, and replies in its shape."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from structgen.engine.requests import Result
from structgen.serving.api_errors import ApiError
from structgen.serving.reply_parts import Delta, ReplyParts, usage_of, whole_of
from structgen.tokens.tokenizer import Tokenizer

_SAME: Final = ("model", "stream", "max_tokens", "temperature", "top_k", "top_p", "outline", "choices")
"""Members that mean the same in chat completions."""
_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}
_DELTAS: Final = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}
"""Kinds of blocks, each with what its pieces are called, and the member that holds one."""


def chat_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body of `/v1/messages`, whose members are known, as one of chat completions."""
    found = {name: body[name] for name in _SAME if body.get(name) is not None}
    system = _text_parts(body.get("system") or "", "system")
    before = [{"role": "system", "content": system}] if system else []
    turns = enumerate(body["messages"])
    found["messages"] = before + [
        one for at, turn in turns for one in _messages(turn, f"messages/{at}/content")
    ]
    if body.get("stop_sequences"):
        found["stop"] = list(body["stop_sequences"])
    if body.get("tools"):
        found["tools"] = [_tool(one) for one in body["tools"]]
    choice = body.get("tool_choice")
    if choice is not None:
        named = {"type": "function", "function": {"name": choice.get("name")}}
        found["tool_choice"] = _CHOICES.get(choice["type"], named)
        found["parallel_tool_calls"] = not choice.get("disable_parallel_tool_use")
    thinking = body.get("thinking") or {}
    if thinking.get("type") in ("enabled", "disabled"):
        found["chat_template_kwargs"] = {"enable_thinking": thinking["type"] == "enabled"}
        found["thinking_token_budget"] = thinking.get("budget_tokens")
    format = (body.get("output_config") or {}).get("format")
    if format is not None:
        found["response_format"] = {"type": "json_schema", "json_schema": {"schema": format["schema"]}}
    return found


def _tool(given: Mapping[str, Any]) -> dict[str, Any]:
    said = {"name": given["name"], "parameters": given["input_schema"]}
    return {"type": "function", "function": {**said, "description": given.get("description") or ""}}


def _messages(turn: Mapping[str, Any], where: str) -> Iterator[dict[str, Any]]:
    """Yield the messages of a turn: results of tools come before what is said with them."""
    content = turn["content"]
    if isinstance(content, str):
        yield {"role": turn["role"], "content": content}
        return
    parts: list[dict[str, str]] = []
    made: dict[str, Any] = {}
    for at, block in enumerate(content):
        place = f"{where}/{at}"
        if block["type"] == "tool_result":
            said = _text_parts(block.get("content") or "", f"{place}/content")
            said = [{"type": "text", "text": "Error:"}, *said] if block.get("is_error") else said
            yield {"role": "tool", "tool_call_id": block["tool_use_id"], "content": said}
        elif block["type"] == "tool_use":
            function = {"name": block["name"], "arguments": block["input"]}
            made.setdefault("tool_calls", []).append({"id": block["id"], "function": function})
        elif block["type"] == "thinking":
            made["reasoning_content"] = made.get("reasoning_content", "") + block["thinking"]
        elif block["type"] != "redacted_thinking":  # which nobody but its server can read
            parts += _text_parts([block], where, at)
    if parts or made:
        yield {"role": turn["role"], "content": parts, **made}


def _text_parts(said: Any, where: str, first: int = 0) -> list[dict[str, str]]:
    """Return a text, or blocks of text, as parts of chat completions. Errors: ApiError for other blocks."""
    if isinstance(said, str):
        return [{"type": "text", "text": said}] if said else []
    for at, block in enumerate(said, first):
        if block["type"] != "text":
            raise ApiError(
                f"{where}/{at} is {block['type']!r}: text alone is read. Describe it in words.",
                param=where.partition("/")[0],
            )
    return [{"type": "text", "text": block["text"]} for block in said]


def error_body(error: ApiError) -> dict[str, Any]:
    """Return the body of an error, as Anthropic's clients read it."""
    said = error.body["error"]
    kind = {"server_error": "api_error"}.get(said["type"], said["type"])
    return {"type": "error", "error": {"type": kind, "message": said["message"]}}


class MessageShape:
    """Answers of `/v1/messages`: blocks of thoughts, text and calls. Made for one request."""

    def __init__(self, model: str, tokenizer: Tokenizer, stops: Sequence[str]) -> None:
        self.tokenizer, self.stops = tokenizer, stops
        self.head: dict[str, Any] = {
            "id": f"msg_{secrets.token_hex(12)}",
            "type": "message",
            "role": "assistant",
            "model": model,
        }
        self.blocks: list[dict[str, Any]] = []
        self._open: str | None = None
        """Which part of the reply the last block is, while it goes on."""

    def whole(self, parts: Sequence[ReplyParts], results: Sequence[Result]) -> dict[str, Any]:
        """Return the body of an answer."""
        for _ in self.piece(0, whole_of(parts[0]), parts[0]):
            pass
        for block in self.blocks:
            if block["type"] == "tool_use":
                block["input"] = json.loads(block["input"] or "{}")
        return {
            **self.head,
            "content": self.blocks,
            **self._end(parts[0], results[0]),
            "usage": _usage(results),
        }

    def began(self, count: int) -> Iterator[str]:
        """Yield the first event of a stream. How long the prompt is comes with the last but one."""
        usage = {"input_tokens": 0, "output_tokens": 0}
        message = {**self.head, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        yield _event("message_start", message=message)

    def piece(self, index: int, deltas: Iterable[Delta], parts: ReplyParts) -> Iterator[str]:
        """Yield the events of what is new in a text: blocks follow one another."""
        for delta in deltas:
            key = delta.kind if delta.kind in ("text", "thoughts") else f"call {delta.call}"
            if key != self._open:
                yield from self._closed()
                self._open = key
                self.blocks.append(_block(delta, parts))
                shown = {**self.blocks[-1], **({"input": {}} if key.startswith("call") else {})}
                yield _event("content_block_start", index=len(self.blocks) - 1, content_block=shown)
            if delta.kind == "call":
                continue
            block = self.blocks[-1]
            kind, member = _DELTAS[block["type"]]
            block["input" if member == "partial_json" else member] += delta.text
            said = {"type": kind, member: delta.text}
            yield _event("content_block_delta", index=len(self.blocks) - 1, delta=said)

    def ended(self, index: int, parts: ReplyParts, result: Result) -> Iterator[str]:
        """Yield the events of the end of a text."""
        yield from self._closed()
        yield _event("message_delta", delta=self._end(parts, result), usage=_usage([result]))
        yield _event("message_stop")

    def closed(self, results: Sequence[Result]) -> Iterator[str]:
        """Yield nothing: the last event says that it is the last."""
        yield from ()

    def failed(self, error: ApiError) -> Iterator[str]:
        """Yield the event of an error inside a stream."""
        yield _event("error", error=error_body(error)["error"])

    def _closed(self) -> Iterator[str]:
        if self._open is not None:
            self._open = None
            yield _event("content_block_stop", index=len(self.blocks) - 1)

    def _end(self, parts: ReplyParts, result: Result) -> dict[str, Any]:
        """Return why a text ended, and the stop sequence that ended it: it stands behind the text."""
        written = b"".join(self.tokenizer.token_bytes[token] or b"" for token in result.tokens)
        behind = written.decode("utf-8", "replace")[len(result.text) :]
        stop = next((one for one in self.stops if behind.startswith(one)), None)
        reasons = {"length": "max_tokens", "tool_calls": "tool_use", "stop": "end_turn"}
        reason = reasons[parts.reason(result)] if stop is None else "stop_sequence"
        return {"stop_reason": reason, "stop_sequence": stop}


def _block(delta: Delta, parts: ReplyParts) -> dict[str, Any]:
    if delta.kind == "text":
        return {"type": "text", "text": ""}
    if delta.kind == "thoughts":
        return {"type": "thinking", "thinking": "", "signature": ""}
    call = parts.calls[delta.call]
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": ""}


def _usage(results: Sequence[Result]) -> dict[str, int]:
    said = usage_of(results)
    return {"input_tokens": said["prompt_tokens"], "output_tokens": said["completion_tokens"]}


def _event(kind: str, **members: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members}, ensure_ascii=False)}\n\n"

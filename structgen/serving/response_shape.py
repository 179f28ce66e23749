"""Replies in the shape of `/v1/responses`, whole and as events; and the input of that address."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from structgen.engine.requests import FinishReason, Result
from structgen.serving.api_errors import ApiError
from structgen.serving.reply_parts import Delta, ReplyParts, WrittenCall, usage_of, whole_of

_REPEATED: Final = (
    "instructions",
    "max_output_tokens",
    "metadata",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_p",
)
"""Members of a body that its answer repeats."""
_CALLS: Final = {
    "function_call": ("response.function_call_arguments", "arguments"),
    "custom_tool_call": ("response.custom_tool_call_input", "input"),
}
"""Items that are calls, each with the beginning of its events and the member that holds what was written."""


def response_messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the input of a body, a text or a list of items, as messages of a conversation. Errors:
    ApiError."""
    given, found = body.get("input"), list[dict[str, Any]]()
    if body.get("instructions"):
        found.append({"role": "system", "content": body["instructions"]})
    if isinstance(given, str):
        return [*found, {"role": "user", "content": given}]
    if not given:
        raise ApiError("input is a text, or a list of one item or more.", param="input")
    for at, item in enumerate(given):
        kind = item.get("type") or "message"
        if kind == "message":
            found.append({"role": item["role"], "content": item["content"]})
        elif kind in ("function_call", "custom_tool_call"):
            inner = kind.removesuffix("_call").removesuffix("_tool")
            call = {"id": item["call_id"], "type": inner, inner: item}
            if found and found[-1].get("tool_calls"):
                found[-1]["tool_calls"].append(call)
            else:
                found.append({"role": "assistant", "content": None, "tool_calls": [call]})
        elif kind in ("function_call_output", "custom_tool_call_output"):
            found.append({"role": "tool", "tool_call_id": item["call_id"], "content": item["output"]})
        elif kind != "reasoning":  # what the model thought before is not read again
            raise ApiError(f"input/{at} is {kind!r}, which is not read. Leave it out.", param="input")
    return found


class ResponseShape:
    """Answers of `/v1/responses`: one message, then calls. Made for one request."""

    def __init__(self, model: str, body: Mapping[str, Any]) -> None:
        self.head: dict[str, Any] = {
            "id": f"resp_{secrets.token_hex(12)}",
            "object": "response",
            "created_at": int(time.time()),
            "model": model,
            "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
            "tool_choice": "auto",
            "tools": [],
            "error": None,
            "incomplete_details": None,
            **{name: body[name] for name in _REPEATED if body.get(name) is not None},
        }
        self.number = 0
        self.items: list[dict[str, Any]] = []
        """The items of the output that have begun, in their order."""
        self._at: dict[str, int] = {}
        """Which item the text is, and each call."""

    def whole(self, parts: Sequence[ReplyParts], results: Sequence[Result]) -> dict[str, Any]:
        """Return the body of an answer."""
        for _ in self._deltas(whole_of(parts[0]), parts[0]):
            pass
        return self._response(parts[0], results)

    def began(self, count: int) -> Iterator[str]:
        """Yield the first events of a stream."""
        for kind in ("response.created", "response.in_progress"):
            yield self._event(kind, response={**self.head, "status": "in_progress", "output": []})

    def piece(self, index: int, deltas: Iterable[Delta], parts: ReplyParts) -> Iterator[str]:
        """Yield the events of what is new in a text."""
        yield from self._deltas(deltas, parts)

    def ended(self, index: int, parts: ReplyParts, result: Result) -> Iterator[str]:
        """Yield the events of the end of a text: each item is done."""
        if not self.items:
            yield from self._deltas([Delta("text", "")], parts)
        for at, item in enumerate(self.items):
            item["status"] = "completed"
            place = {"item_id": item["id"], "output_index": at}
            if item["type"] == "message":
                part = item["content"][0]
                yield self._event(
                    "response.output_text.done", **place, content_index=0, text=part["text"], logprobs=[]
                )
                yield self._event("response.content_part.done", **place, content_index=0, part=part)
            elif item["type"] == "reasoning":
                part = item["content"][0]
                yield self._event("response.reasoning_text.done", **place, content_index=0, text=part["text"])
                yield self._event("response.content_part.done", **place, content_index=0, part=part)
            else:
                said = {"name": item["name"]} if item["type"] == "function_call" else {}
                event, member = _CALLS[item["type"]]
                yield self._event(f"{event}.done", **place, **said, **{member: item[member]})
            yield self._event("response.output_item.done", output_index=at, item=item)
        response = self._response(parts, [result])
        yield self._event(f"response.{response['status']}", response=response)

    def closed(self, results: Sequence[Result]) -> Iterator[str]:
        """Yield nothing: the last event says that it is the last."""
        yield from ()

    def failed(self, fault: ApiError) -> Iterator[str]:
        """Yield the events of an error inside a stream."""
        error = fault.body["error"]
        yield self._event("error", **{name: error[name] for name in ("message", "param", "code")})

    def _response(self, parts: ReplyParts, results: Sequence[Result]) -> dict[str, Any]:
        is_cut = results[0].finish_reason is FinishReason.MAX_TOKENS
        usage = usage_of(results)
        for item in self.items:
            item["status"] = "incomplete" if is_cut else "completed"
        return {
            **self.head,
            "status": "incomplete" if is_cut else "completed",
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            "output": self.items,
            "usage": {
                "input_tokens": usage["prompt_tokens"],
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": usage["completion_tokens"],
                "output_tokens_details": usage["completion_tokens_details"],
                "total_tokens": usage["total_tokens"],
            },
        }

    def _deltas(self, deltas: Iterable[Delta], parts: ReplyParts) -> Iterator[str]:
        """Add what is new to the items, and yield its events."""
        for delta in deltas:
            key = delta.kind if delta.kind in ("text", "thoughts") else f"call {delta.call}"
            if key not in self._at:
                made = {"text": _message, "thoughts": _reasoning}
                item = made[key]() if key in made else _call(delta.text, parts.calls[delta.call])
                yield from self._begun(key, item)
            at = self._at[key]
            item = self.items[at]
            place = {"item_id": item["id"], "output_index": at}
            if delta.kind == "text":
                item["content"][0]["text"] += delta.text
                yield self._event(
                    "response.output_text.delta", **place, content_index=0, delta=delta.text, logprobs=[]
                )
            elif delta.kind == "thoughts":
                item["content"][0]["text"] += delta.text
                yield self._event("response.reasoning_text.delta", **place, content_index=0, delta=delta.text)
            elif delta.kind == "arguments":
                event, member = _CALLS[item["type"]]
                item[member] += delta.text
                yield self._event(f"{event}.delta", **place, delta=delta.text)

    def _begun(self, key: str, item: dict[str, Any]) -> Iterator[str]:
        at = self._at[key] = len(self.items)
        self.items.append(item)
        has_parts = "content" in item
        shown = {**item, "content": []} if has_parts else item
        yield self._event("response.output_item.added", output_index=at, item=shown)
        if has_parts:
            part = item["content"][0]
            yield self._event(
                "response.content_part.added", item_id=item["id"], output_index=at, content_index=0, part=part
            )

    def _event(self, kind: str, **members: Any) -> str:
        body = {"type": kind, "sequence_number": self.number, **members}
        self.number += 1
        return f"event: {kind}\ndata: {json.dumps(body, ensure_ascii=False)}\n\n"


def _item(kind: str, **members: Any) -> dict[str, Any]:
    prefix = {"message": "msg", "function_call": "fc", "custom_tool_call": "ctc", "reasoning": "rs"}[kind]
    return {"id": f"{prefix}_{secrets.token_hex(12)}", "type": kind, "status": "in_progress", **members}


def _reasoning() -> dict[str, Any]:
    return _item("reasoning", summary=[], content=[{"type": "reasoning_text", "text": ""}])


def _message() -> dict[str, Any]:
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    return _item("message", role="assistant", content=[part])


def _call(name: str, call: WrittenCall) -> dict[str, Any]:
    kind = "custom_tool_call" if call.is_custom else "function_call"
    return _item(kind, call_id=call.id, name=name, **{_CALLS[kind][1]: ""})

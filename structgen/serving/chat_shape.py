"""Replies in the shapes of `/v1/chat/completions` and `/v1/completions`, whole and in pieces.

A shape is made for one request. `whole` returns the body of an answer; `began`, `piece`, `ended` and `closed`
yield the events of a stream, as text.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from structgen.engine.requests import FinishReason, Result
from structgen.serving.api_errors import ApiError
from structgen.serving.reply_parts import Delta, ReplyParts, WrittenCall, usage_of
from structgen.serving.token_logprobs import chat_logprobs, text_logprobs
from structgen.tokens.tokenizer import Tokenizer


class CompletionShape:
    """Answers of `/v1/completions`: texts."""

    kind = "text_completion"
    piece_kind = "text_completion"
    prefix = "cmpl"

    def __init__(self, model: str, tokenizer: Tokenizer, likeliest: int | None, with_usage: bool) -> None:
        """`likeliest`: how many tokens are shown beside each; None: none, and no log-probabilities.
        `with_usage`: a stream ends with its usage."""
        self.tokenizer, self.likeliest, self.with_usage = tokenizer, likeliest, with_usage
        self.head = {
            "id": f"{self.prefix}-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": model,
        }

    def whole(self, parts: Sequence[ReplyParts], results: Sequence[Result]) -> dict[str, Any]:
        """Return the body of an answer."""
        choices = [
            {
                "index": index,
                **self.content(one),
                "logprobs": self.logprobs(result),
                "finish_reason": one.reason(result),
                **_closed_early(result),
            }
            for index, (one, result) in enumerate(zip(parts, results, strict=True))
        ]
        return {**self.head, "object": self.kind, "choices": choices, "usage": usage_of(results)}

    def content(self, parts: ReplyParts) -> dict[str, Any]:
        """Return the members of a choice that hold the reply."""
        return {"text": parts.text}

    def logprobs(self, result: Result) -> dict[str, Any] | None:
        """Return the log-probabilities of a choice; None where none are wanted."""
        return None if self.likeliest is None else text_logprobs(result, self.tokenizer, self.likeliest)

    def began(self, count: int) -> Iterator[str]:
        """Yield the first events of a stream of some texts."""
        yield from ()

    def piece(self, index: int, deltas: Iterable[Delta], parts: ReplyParts) -> Iterator[str]:
        """Yield the events of what is new in a text."""
        for delta in deltas:
            if delta.kind == "text":
                yield self.event(
                    [{"index": index, "text": delta.text, "logprobs": None, "finish_reason": None}]
                )

    def ended(self, index: int, parts: ReplyParts, result: Result) -> Iterator[str]:
        """Yield the events of the end of a text. Log-probabilities come here, of all tokens at once."""
        yield self.event([{"index": index, "text": "", **self.end(parts, result)}])

    def end(self, parts: ReplyParts, result: Result) -> dict[str, Any]:
        return {
            "logprobs": self.logprobs(result),
            "finish_reason": parts.reason(result),
            **_closed_early(result),
        }

    def closed(self, results: Sequence[Result]) -> Iterator[str]:
        """Yield the last events of a stream."""
        if self.with_usage:
            yield self.event([], usage_of(results))
        yield "data: [DONE]\n\n"

    def failed(self, error: ApiError) -> Iterator[str]:
        """Yield the events of an error inside a stream."""
        yield f"data: {json.dumps(error.body)}\n\n"

    def event(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> str:
        body = {**self.head, "object": self.piece_kind, "choices": choices}
        if self.with_usage:
            body["usage"] = usage
        return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"


class ChatShape(CompletionShape):
    """Answers of `/v1/chat/completions`: messages of the assistant."""

    kind = "chat.completion"
    piece_kind = "chat.completion.chunk"
    prefix = "chatcmpl"

    def content(self, parts: ReplyParts) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": parts.text, "refusal": None}
        if parts.thoughts:
            message["reasoning_content"] = parts.thoughts
        if parts.calls:
            message["content"] = parts.text or None
            message["tool_calls"] = [
                {"id": one.id, **_called(one, name=one.name, text=one.arguments)} for one in parts.calls
            ]
        return {"message": message}

    def logprobs(self, result: Result) -> dict[str, Any] | None:
        return None if self.likeliest is None else chat_logprobs(result, self.tokenizer, self.likeliest)

    def began(self, count: int) -> Iterator[str]:
        for index in range(count):
            yield self.event([self.choice(index, {"role": "assistant", "content": ""})])

    def piece(self, index: int, deltas: Iterable[Delta], parts: ReplyParts) -> Iterator[str]:
        for delta in deltas:
            if delta.kind == "text":
                said: dict[str, Any] = {"content": delta.text}
            elif delta.kind == "thoughts":
                said = {"reasoning_content": delta.text}
            elif delta.kind == "call":
                of = parts.calls[delta.call]
                call = {"index": delta.call, "id": of.id, **_called(of, name=delta.text, text="")}
                said = {"tool_calls": [call]}
            else:
                call = _called(parts.calls[delta.call], text=delta.text)
                del call["type"]
                said = {"tool_calls": [{"index": delta.call, **call}]}
            yield self.event([self.choice(index, said)])

    def ended(self, index: int, parts: ReplyParts, result: Result) -> Iterator[str]:
        yield self.event([{"index": index, "delta": {}, **self.end(parts, result)}])

    def choice(self, index: int, delta: dict[str, Any]) -> dict[str, Any]:
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}


def _called(call: WrittenCall, text: str, **members: str) -> dict[str, Any]:
    """Return a call as a function or as a custom tool; `text`: its arguments or input, or more of them."""
    kind, member = ("custom", "input") if call.is_custom else ("function", "arguments")
    return {"type": kind, kind: {**members, member: text}}


def _closed_early(result: Result) -> dict[str, Any]:
    """Return members of our own for a document that the budget closed, complete but cut short, for one of
    whose values some were closed because they repeated themselves, for an outline that did not fit, and for
    listed values that were not compared as a whole."""
    closed: dict[str, Any] = {"closed_values": list(result.usage.closed)} if result.usage.closed else {}
    told = {"shortened_outline": result.usage.outline, "token_by_token": result.usage.choices}
    closed |= {name: said for name, said in told.items() if said}
    return closed | ({"closed_early": True} if result.finish_reason is FinishReason.STEERED else {})

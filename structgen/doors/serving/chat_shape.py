"""Replies in the shapes of `/v1/chat/completions` and `/v1/completions`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from structgen.asking.tool_calls.tool_shapes import JsonObject
from structgen.decoding.engine.requests import FinishReason, Result
from structgen.decoding.engine.searches.confidence import probabilities_of
from structgen.doors.serving.answer_shape import AnswerShape, Event, as_json
from structgen.doors.serving.reply_parts import Delta, ReplyPart, ReplyParts, usage_of
from structgen.doors.serving.request_fields import usage_wanted
from structgen.doors.serving.served_model import AskedTexts, ServedModel
from structgen.doors.serving.token_logprobs import chat_logprobs, text_logprobs


class CompletionShape(AnswerShape):
    """Answers of `/v1/completions`: texts."""

    path, address, prefix = "/v1/completions", "completions", "cmpl-"
    operation = "text_completion"
    last = "data: [DONE]\n\n"
    kind = piece_kind = "text_completion"
    logprobs = staticmethod(text_logprobs)

    def __init__(self, model: ServedModel, body: JsonObject, *stored: Any) -> None:
        super().__init__(model, body, *stored)
        self.with_usage = usage_wanted(self.body)
        """Whether a stream ends with its usage."""
        self.head = {"id": self.id, "created": int(time.time()), "model": model.name, **self.told}

    def read(self) -> AskedTexts:
        return self.model.read_prompts(self.body)

    def whole(self, results: Sequence[Result]) -> JsonObject:
        choices = [
            {"index": index, **self.content(self.replies[index]), **self.end(index, result)}
            for index, result in enumerate(results)
        ]
        return {**self.head, "object": self.kind, "choices": choices, "usage": usage_of(results)}

    def content(self, reply: ReplyParts) -> JsonObject:
        """Return the members of a choice that hold the reply."""
        return {"text": reply.text("text")}

    def end(self, index: int, result: Result) -> JsonObject:
        """Return the members of a choice that say how it ended. In a stream the log-probabilities of all
        tokens come with them. Members of our own are there for a document that the budget closed, complete
        but cut short, and for values that were closed because they repeated themselves. Others tell of an
        outline that did not fit, and of listed values, whether they were compared as a whole or not."""
        likeliest, usage = self.asked.likeliest, result.usage
        compared = any(step.state for step in result.steps)
        told = {
            "probabilities": compared and probabilities_of(result, self.asked.requests[0].grammar),
            "closed_values": list(usage.closed),
            "shortened_outline": usage.outline,
            "token_by_token": usage.choices,
            "closed_early": result.finish_reason is FinishReason.STEERED,
        }
        return {
            "logprobs": None
            if likeliest is None
            else self.logprobs(result, self.model.engine.tokenizer, likeliest),
            "finish_reason": self.replies[index].reason(result),
            **{name: said for name, said in told.items() if said},
        }

    def piece(self, index: int, deltas: Iterable[Delta]) -> Iterator[Event]:
        for part, text in deltas:
            if part.kind == "text" and text:
                yield self.event({"index": index, "text": text, "logprobs": None, "finish_reason": None})

    def ended(self, index: int, result: Result) -> Iterator[Event]:
        yield self.event({"index": index, "text": "", **self.end(index, result)})

    def closed(self, results: Sequence[Result]) -> Iterator[Event]:
        if self.with_usage:
            yield {**self.event(), "usage": usage_of(results)}

    def event(self, *choices: JsonObject) -> Event:
        more = {"usage": None} if self.with_usage else {}
        return {**self.head, "object": self.piece_kind, "choices": list(choices), **more}

    @staticmethod
    def line(event: Event) -> str:
        return f"data: {as_json(event)}\n\n"


class ChatShape(CompletionShape):
    """Answers of `/v1/chat/completions`: messages of the assistant."""

    path, address, prefix = "/v1/chat/completions", "chat", "chatcmpl-"
    operation = "chat"
    renamed = ((r"^prompt: ", "messages: "),)
    kind, piece_kind = "chat.completion", "chat.completion.chunk"
    logprobs = staticmethod(chat_logprobs)

    def read(self) -> AskedTexts:
        return self.model.read_chat(self.body)

    def content(self, reply: ReplyParts) -> JsonObject:
        text, thoughts, calls = reply.text("text"), reply.text("thoughts"), reply.calls
        message: JsonObject = {"role": "assistant", "content": text, "refusal": None}
        if thoughts:
            message["reasoning_content"] = thoughts
        if calls:
            message["content"] = text or None
            message["tool_calls"] = [
                {"id": call.id, **_called(call, call.text, name=call.name)} for call in calls
            ]
        return {"message": message}

    def began(self) -> Iterator[Event]:
        for index in range(len(self.replies)):
            yield self.grown(index, {"role": "assistant", "content": ""})

    def piece(self, index: int, deltas: Iterable[Delta]) -> Iterator[Event]:
        for part, text in deltas:
            if part.id:
                call = _called(part, text) if text else {"id": part.id, **_called(part, "", name=part.name)}
                if text:
                    del call["type"]
                yield self.grown(index, {"tool_calls": [{"index": part.call, **call}]})
            elif text:
                yield self.grown(index, {"content" if part.kind == "text" else "reasoning_content": text})

    def ended(self, index: int, result: Result) -> Iterator[Event]:
        yield self.event({"index": index, "delta": {}, **self.end(index, result)})

    def grown(self, index: int, delta: JsonObject) -> Event:
        """Return the event of what is new in a text."""
        return self.event({"index": index, "delta": delta, "logprobs": None, "finish_reason": None})


def _called(call: ReplyPart, text: str, **members: str) -> JsonObject:
    """Return a call as a function or as a custom tool; `text`: its arguments or input, or more of them."""
    return {
        "type": call.kind,
        call.kind: {**members, "input" if call.kind == "custom" else "arguments": text},
    }

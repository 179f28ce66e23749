"""Replies in the shapes of `/v1/chat/completions` and `/v1/completions`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from structgen.base.json_text.exact_json import JsonObject
from structgen.decoding.engine.requests import FinishReason, Result
from structgen.decoding.engine.searches.confidence import probabilities_of
from structgen.doors.serving.answer_shape import AnswerShape, Event, Events, as_json
from structgen.doors.serving.reply_parts import Delta, ReplyPart, usage_of
from structgen.doors.serving.request_fields import usage_wanted
from structgen.doors.serving.served_model import BodyRequest
from structgen.doors.serving.token_logprobs import chat_logprobs, prompt_logprobs, text_logprobs


class CompletionShape(AnswerShape):
    """Answers of `/v1/completions`: texts."""

    path = "/v1/completions"
    address = "completions"
    prefix = "cmpl-"
    operation = "text_completion"
    last = "data: [DONE]\n\n"
    kind = piece_kind = "text_completion"
    logprobs = staticmethod(text_logprobs)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.with_usage = usage_wanted(self.body)
        """Whether a stream ends with its usage."""
        self.head = {
            "id": self.id,
            "created": int(time.time()),
            "model": self.model_name,
            **self.own_members,
        }

    def read_body(self) -> BodyRequest:
        return self.model.read_prompts(self.body)

    def whole_body(self, results: Sequence[Result]) -> JsonObject:
        choices = [
            {"index": index, **self.choice_content(index), **self.choice_end(index, result)}
            for index, result in enumerate(results)
        ]
        return {**self.head, "object": self.kind, "choices": choices, "usage": usage_of(results)}

    def choice_content(self, index: int) -> JsonObject:
        """Return the members of a choice that hold the reply."""
        return {
            "text": "".join(self.body_request.echoes[index : index + 1])
            + self.replies[index].part_text("text"),
            **self.prompt_members(index),
        }

    def prompt_members(self, index: int) -> JsonObject:
        """Return the member `prompt_logprobs` of a choice, if the body asks for it."""
        likeliest = self.body.get("prompt_logprobs")
        if likeliest is None:
            return {}
        steps = self.body_request.scores[index].steps
        return {"prompt_logprobs": prompt_logprobs(steps, self.model.spell_token, likeliest)}

    def choice_end(self, index: int, result: Result) -> JsonObject:
        """Return the members of a choice that say how it ended. In a stream the log-probabilities of all
        tokens come with them. Members of our own are there for a document that the budget closed, complete
        but cut short, and for values that were closed because they repeated themselves. Others tell of an
        outline that did not fit, and of listed values, whether they were compared as a whole or not."""
        likeliest = self.body_request.likeliest
        steps = result.steps[: len(result.tokens)]
        if self.body_request.echoes and likeliest is not None:
            steps = [*self.body_request.scores[index].steps, *steps]
        usage = result.usage
        is_compared = any(step.state for step in result.steps)
        extra_members = {
            "probabilities": is_compared and probabilities_of(result, self.body_request.requests[0].grammar),
            "closed_values": list(usage.closed),
            "shortened_outline": usage.outline,
            "token_by_token": usage.choices,
            "closed_early": result.finish_reason is FinishReason.STEERED,
        }
        return {
            "logprobs": None
            if likeliest is None
            else self.logprobs(steps, self.model.spell_token, likeliest),
            "finish_reason": self.replies[index].end_reason(result),
            **{name: value for name, value in extra_members.items() if value},
        }

    def first_events(self) -> Events:
        for index, echo in enumerate(self.body_request.echoes):
            yield from self.piece_events(index, [Delta(ReplyPart("text", 0), echo)])

    def piece_events(self, index: int, deltas: Iterable[Delta]) -> Events:
        for part, text in deltas:
            if part.kind == "text" and text:
                yield self.build_event(
                    {"index": index, "text": text, "logprobs": None, "finish_reason": None}
                )

    def end_events(self, index: int, result: Result) -> Events:
        yield self.build_event({"index": index, "text": "", **self.choice_end(index, result)})

    def last_events(self, results: Sequence[Result]) -> Events:
        if self.with_usage:
            yield {**self.build_event(), "usage": usage_of(results)}

    def build_event(self, *choices: JsonObject) -> Event:
        usage_member = {"usage": None} if self.with_usage else {}
        return {**self.head, "object": self.piece_kind, "choices": list(choices), **usage_member}

    @staticmethod
    def event_text(event: Event) -> str:
        return f"data: {as_json(event)}\n\n"


class ChatShape(CompletionShape):
    """Answers of `/v1/chat/completions`: messages of the assistant."""

    path = "/v1/chat/completions"
    address = "chat"
    prefix = "chatcmpl-"
    operation = "chat"
    member_names = ((r"^prompt: ", "messages: "),)
    kind = "chat.completion"
    piece_kind = "chat.completion.chunk"
    logprobs = staticmethod(chat_logprobs)

    def read_body(self) -> BodyRequest:
        conversation = self.model.read_conversation(self.body.get("messages"), "messages")
        body = {**self.body, "messages": conversation.turns}
        return self.model.read_chat(body, "messages", None, conversation.last_documents)

    def whole_body(self, results: Sequence[Result]) -> JsonObject:
        return {**super().whole_body(results), **self.prompt_members(0)}

    def choice_content(self, index: int) -> JsonObject:
        reply = self.replies[index]
        text = reply.part_text("text")
        thoughts = reply.part_text("thoughts")
        calls = reply.calls
        message: JsonObject = {"role": "assistant", "content": text, "refusal": None}
        if thoughts:
            message["reasoning_content"] = thoughts
        if calls:
            # clients take a call beside an empty text for an answer
            message["content"] = text or None
            message["tool_calls"] = [
                {"id": call.id, **_call_members(call, call.text, name=call.name)} for call in calls
            ]
        return {"message": message}

    def first_events(self) -> Events:
        for index in range(len(self.replies)):
            yield self.delta_event(index, {"role": "assistant", "content": ""})

    def piece_events(self, index: int, deltas: Iterable[Delta]) -> Events:
        for part, text in deltas:
            # calls have ids, texts and thoughts have none
            if part.id:
                call = (
                    _call_members(part, text)
                    if text
                    else {"id": part.id, **_call_members(part, "", name=part.name)}
                )
                # the name of a call comes once, then pieces of its arguments
                if text:
                    del call["type"]
                yield self.delta_event(index, {"tool_calls": [{"index": part.call, **call}]})
            elif text:
                yield self.delta_event(
                    index, {"content" if part.kind == "text" else "reasoning_content": text}
                )

    def end_events(self, index: int, result: Result) -> Events:
        yield self.build_event({"index": index, "delta": {}, **self.choice_end(index, result)})

    def delta_event(self, index: int, delta: JsonObject) -> Event:
        """Return the event of what is new in a text."""
        return self.build_event({"index": index, "delta": delta, "logprobs": None, "finish_reason": None})


def _call_members(call: ReplyPart, text: str, **members: str) -> JsonObject:
    """Return a call as a function or as a custom tool; `text`: its arguments or input, or more of them."""
    return {
        "type": call.kind,
        call.kind: {**members, "input" if call.kind == "custom" else "arguments": text},
    }

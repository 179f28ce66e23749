"""`/v1/responses`: its input as messages of a conversation, and replies in its shape."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from structgen.asking.request_reading.request_members import TOOL_ITEMS
from structgen.base.json_text.exact_json import JsonObject
from structgen.base.language.checks import content_text
from structgen.decoding.engine.requests import FinishReason, Result
from structgen.doors.serving.answer_shape import AnswerShape, CountedPrompt, Event, Events
from structgen.doors.serving.api_errors import ApiError, Body, unsupported_member
from structgen.doors.serving.reply_parts import Delta, PartKind, ReplyPart, usage_of
from structgen.doors.serving.served_model import BodyRequest
from structgen.doors.serving.token_logprobs import chat_logprobs

_LOGPROBS: Final = "message.output_text.logprobs"
_INCLUDED: Final = (
    _LOGPROBS,
    "reasoning.encrypted_content",
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
)
"""What an answer may have beside its items. All but the first are of items that there are none of, or that
say nothing where nothing is stored."""
_REPEATED: Final = (
    *("instructions", "max_output_tokens", "metadata", "temperature", "text", "tool_choice", "tools"),
    "top_p",
)
"""Members of a body that its answer repeats."""


class _Item(NamedTuple):
    """An item of the output that a part of a reply is."""

    type: str
    prefix: str
    """Of its id."""
    events: str
    """What the names of its events begin with."""
    member: str
    """What holds its text."""
    extra_members: JsonObject
    """Members of its events."""


_ITEMS: Final[dict[PartKind, _Item]] = {
    "text": _Item("message", "msg", "response.output_text", "text", {"logprobs": []}),
    "thoughts": _Item("reasoning", "rs", "response.reasoning_text", "text", {}),
    "function": _Item("function_call", "fc", "response.function_call_arguments", "arguments", {}),
    "custom": _Item("custom_tool_call", "ctc", "response.custom_tool_call_input", "input", {}),
}
_SEARCH: Final = _Item("tool_search_call", "tsc", "", "arguments", {})
"""The item of a call of a client's search for tools, which has no events of its own."""
_OUTPUTS: Final = ("function_call_output", "custom_tool_call_output")
_TAKEN: Final = ("reasoning", "additional_tools")
"""Items that are no messages: earlier thoughts, which are not read again, and tools, which are read with the
request."""


def response_messages(
    body: Body,
    earlier: Sequence[JsonObject] = (),
) -> tuple[list[JsonObject], tuple[str, ...]]:
    """Return the input of a body, a list of items after earlier ones, as messages of a conversation, and the
    types of the items that are passed over. They are calls that a server or a client runs without a tool of
    the request, and their results. Errors: ApiError."""
    messages = list[JsonObject]()
    passed_types = dict[str, None]()
    passed_calls = set[str]()
    if body.get("instructions"):
        messages.append({"role": "system", "content": body["instructions"]})
    for index, item in enumerate([*earlier, *body["input"]], -len(earlier)):
        kind = item.get("type") or "message"
        if kind == "message":
            text = content_text(item["content"], f"input/{index}/content", "/{}")
            messages.append({"role": item["role"], "content": text})
        elif kind in ("function_call", "custom_tool_call"):
            inner = kind.removesuffix("_call").removesuffix("_tool")
            call = {"id": item["call_id"], "type": inner, inner: item, "place": f"input/{index}"}
            # calls of one turn are one message
            if messages and messages[-1].get("tool_calls"):
                messages[-1]["tool_calls"].append(call)
            else:
                messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        elif kind == "item_reference":
            where = f"input/{index}/type"
            raise ApiError(f"{where}: {kind!r} is not supported. Remove it.", param=where)
        elif kind in _OUTPUTS and item["call_id"] not in passed_calls:
            result = {"content": content_text(item["output"], f"input/{index}/output", "/{}"), "role": "tool"}
            messages.append({**result, "tool_call_id": item["call_id"], "place": f"input/{index}/call_id"})
        elif kind not in _TAKEN:
            # the result of a call that the model does not read would be one of no call
            passed_types[kind] = None
            passed_calls |= {item["call_id"]} if item.get("call_id") else set()
    return messages, tuple(passed_types)


class ResponseShape(AnswerShape):
    """Answers of `/v1/responses`: thoughts, one message, calls, as they begin."""

    path = "/v1/responses"
    address = "responses"
    prefix = "resp_"
    member_names = (
        (r"^prompt: ", "input: "),
        (r"^reasoning_effort\b", "reasoning/effort"),
    )

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.head: JsonObject = {
            "id": self.id,
            "object": "response",
            "created_at": int(time.time()),
            "model": self.model_name,
            "parallel_tool_calls": self.body.get("parallel_tool_calls") is not False,
            "tool_choice": "auto",
            "tools": [],
            "error": None,
            "incomplete_details": None,
            "previous_response_id": self.body.get("previous_response_id"),
            "store": self.keep is not None,
            **{name: self.body[name] for name in _REPEATED if self.body.get(name) is not None},
            **self.own_members,
        }
        self.number = 0
        self.items: list[tuple[_Item, JsonObject]] = []
        """The items of the output that have begun, in their order."""

    def read_body(self) -> BodyRequest:
        included = self.body.get("include") or ()
        body = self.body
        if unknown := [index for index, member in enumerate(included) if member not in _INCLUDED]:
            where = f"include/{unknown[0]}"
            raise ApiError(f"{where}: must be one of {', '.join(_INCLUDED)}.", param=where)
        if _LOGPROBS in included:
            body = {**body, "logprobs": True}
        items = body.get("input")
        previous = body.get("previous_response_id")
        if not items:
            raise ApiError("input must be a text, or a list of one item or more.", param="input")
        items = [{"role": "user", "content": items}] if isinstance(items, str) else items
        earlier = list[JsonObject]()
        # a reply without the conversation would be one to something else
        if self.responses is None and previous is not None:
            raise unsupported_member(
                "previous_response_id", "The server does not store responses. Send all items."
            )
        if self.responses is not None:
            earlier = [] if previous is None else self.responses.read_conversation(previous)
            items = [self._resolve_item(item, index) for index, item in enumerate(items)]
            if body.get("store"):
                self.conversation = [*earlier, *items]
                """The items that the response answers."""
                self.responses.check_room(self.conversation)
                self.keep = self._keep_response
        first = len(earlier)
        conversation = self.model.read_conversation([*earlier, *items], "input", -first)
        earlier, items = conversation.turns[:first], conversation.turns[first:]
        messages, passed_types = response_messages({**body, "input": items}, earlier)
        # the tools that earlier items have may still be called
        tool_items = (item for item in earlier if item.get("type") in TOOL_ITEMS)
        body = {**body, "input": [*tool_items, *items]}
        body_request = self.model.read_chat(body, "input", messages, conversation.last_documents)
        if passed_types:
            types = ", ".join(passed_types)
            note = f"input: the model does not read items of the types {types}"
            body_request = replace(body_request, warnings=(*body_request.warnings, note))
        return body_request

    def _resolve_item(self, item: JsonObject, index: int) -> JsonObject:
        """Return the item that an item of the input refers to, or itself."""
        if item.get("type") != "item_reference" or self.responses is None:
            return item
        return self.responses.find_item(item["id"], f"input/{index}/id")

    def _keep_response(self) -> None:
        assert self.responses is not None, "it is kept there"
        self.responses.keep_response(self.response, self.conversation)

    def whole_body(self, results: Sequence[Result]) -> JsonObject:
        return self._build_response(results[0])

    def first_events(self) -> Events:
        for kind in ("response.created", "response.in_progress"):
            yield self._build_event(kind, response={**self.head, "status": "in_progress", "output": []})

    def piece_events(self, index: int, deltas: Iterable[Delta]) -> Events:
        for part, text in deltas:
            # the first piece of a part begins its item
            if part.place == len(self.items):
                yield from self._begin_item(part)
            kind, item = self.items[part.place]
            if kind is _SEARCH:  # its arguments are an object, which comes whole
                item["arguments"] = part.text
                continue
            _text_holder(item)[kind.member] += text
            if text or part.kind == "text":
                yield self._build_event(
                    f"{kind.events}.delta", **_event_place(part.place, item), delta=text, **kind.extra_members
                )

    def end_events(self, index: int, result: Result) -> Events:
        response = self._build_response(result)
        for item_index, (kind, item) in enumerate(self.items):
            place = _event_place(item_index, item)
            # neither its text nor its parts have events
            if kind is _SEARCH:
                yield self._build_event("response.output_item.done", output_index=item_index, item=item)
                continue
            text_member = {kind.member: _text_holder(item)[kind.member]}
            if kind.type == "function_call":
                text_member = {"name": item["name"], **text_member}
            extra_members = {name: _text_holder(item)[name] for name in kind.extra_members}
            yield self._build_event(f"{kind.events}.done", **place, **text_member, **extra_members)
            if "content" in item:
                yield self._build_event("response.content_part.done", **place, part=_text_holder(item))
            yield self._build_event("response.output_item.done", output_index=item_index, item=item)
        yield self._build_event(f"response.{response['status']}", response=response)

    def error_event(self, error: ApiError) -> Event:
        fault = error.body["error"]
        return self._build_event("error", **{name: fault[name] for name in ("message", "param", "code")})

    def _build_response(self, result: Result) -> JsonObject:
        """Return the whole response, whose items have come."""
        status = "incomplete" if result.finish_reason is FinishReason.MAX_TOKENS else "completed"
        usage = usage_of([result])
        for kind, item in self.items:
            item["status"] = status
            if kind is _SEARCH and isinstance(item["arguments"], str):
                item["arguments"] = json.loads(item["arguments"] or "{}")
            if kind.type == "message" and self.body_request.likeliest is not None:
                steps = result.steps[: len(result.tokens)]
                tokens = chat_logprobs(steps, self.model.spell_token, self.body_request.likeliest)
                _text_holder(item)["logprobs"] = tokens["content"]
        self.response: JsonObject = {
            **self.head,
            "status": status,
            "incomplete_details": None if status == "completed" else {"reason": "max_output_tokens"},
            "output": [item for _, item in self.items],
            "usage": {
                "input_tokens": usage["prompt_tokens"],
                "input_tokens_details": {"cache_write_tokens": 0, **usage["prompt_tokens_details"]},
                "output_tokens": usage["completion_tokens"],
                "output_tokens_details": usage["completion_tokens_details"],
                "total_tokens": usage["total_tokens"],
            },
        }
        return self.response

    def _begin_item(self, part: ReplyPart) -> Events:
        """Add the item that a part is, and yield the events of its beginning."""
        tool = part.tool
        kind = _SEARCH if tool is not None and tool.is_search else _ITEMS[part.kind]
        item: JsonObject = {
            "id": f"{kind.prefix}_{secrets.token_hex(12)}",
            "type": kind.type,
            "status": "in_progress",
        }
        if part.kind == "text":
            content = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            item |= {"role": "assistant", "content": [content]}
        elif part.kind == "thoughts":
            item |= {"summary": [], "content": [{"type": "reasoning_text", "text": ""}]}
        elif kind is _SEARCH:
            item |= {"call_id": part.id, "execution": "client", "arguments": {}}
        else:
            namespace, name = ("", part.name) if tool is None else tool.address
            item |= {"call_id": part.id, "name": name, kind.member: ""}
            item |= {"namespace": namespace} if namespace else {}
        self.items.append((kind, item))
        empty_item = {**item, "content": []} if "content" in item else item
        yield self._build_event("response.output_item.added", output_index=part.place, item=empty_item)
        if "content" in item:
            yield self._build_event(
                "response.content_part.added", **_event_place(part.place, item), part=_text_holder(item)
            )

    def _build_event(self, kind: str, **members: Any) -> Event:
        self.number += 1
        return {"type": kind, "sequence_number": self.number - 1, **members}


class InputTokensShape(CountedPrompt, ResponseShape):
    """Answers of `/v1/responses/input_tokens`."""

    path = "/v1/responses/input_tokens"

    def whole_body(self, results: Sequence[Result]) -> JsonObject:
        return {"object": "response.input_tokens", **super().whole_body(results)}


def _text_holder(item: JsonObject) -> JsonObject:
    """Return what holds the text of an item: its one part, or itself."""
    holder: JsonObject = item["content"][0] if "content" in item else item
    return holder


def _event_place(index: int, item: JsonObject) -> JsonObject:
    inside = {"content_index": 0} if "content" in item else {}
    return {"item_id": item["id"], "output_index": index, **inside}

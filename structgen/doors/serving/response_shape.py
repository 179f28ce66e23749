"""`/v1/responses`: its input as messages of a conversation, and replies in its shape."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from structgen.asking.tool_calls.tool_shapes import JsonObject
from structgen.base.language.checks import content_text
from structgen.decoding.engine.requests import FinishReason, Result
from structgen.doors.serving.answer_shape import AnswerShape, CountedPrompt, Event
from structgen.doors.serving.api_errors import ApiError, Body, unsupported
from structgen.doors.serving.reply_parts import Delta, PartKind, ReplyPart, usage_of
from structgen.doors.serving.served_model import AskedTexts, ServedModel
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
    more: JsonObject
    """Members of its events."""


_ITEMS: Final[dict[PartKind, _Item]] = {
    "text": _Item("message", "msg", "response.output_text", "text", {"logprobs": []}),
    "thoughts": _Item("reasoning", "rs", "response.reasoning_text", "text", {}),
    "function": _Item("function_call", "fc", "response.function_call_arguments", "arguments", {}),
    "custom": _Item("custom_tool_call", "ctc", "response.custom_tool_call_input", "input", {}),
}


def response_messages(body: Body, earlier: Sequence[JsonObject] = ()) -> list[JsonObject]:
    """Return the input of a body, a list of items behind earlier ones, as messages of a conversation. Errors:
    ApiError."""
    messages = list[JsonObject]()
    if body.get("instructions"):
        messages.append({"role": "system", "content": body["instructions"]})
    for at, item in enumerate([*earlier, *body["input"]], -len(earlier)):
        kind = item.get("type") or "message"
        if kind == "message":
            said = content_text(item["content"], f"input/{at}/content", "/{}")
            messages.append({"role": item["role"], "content": said})
        elif kind in ("function_call", "custom_tool_call"):
            inner = kind.removesuffix("_call").removesuffix("_tool")
            call = {"id": item["call_id"], "type": inner, inner: item, "place": f"input/{at}"}
            if messages and messages[-1].get("tool_calls"):
                messages[-1]["tool_calls"].append(call)
            else:
                messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        elif kind in ("function_call_output", "custom_tool_call_output"):
            result = {"content": content_text(item["output"], f"input/{at}/output", "/{}"), "role": "tool"}
            messages.append({**result, "tool_call_id": item["call_id"], "place": f"input/{at}/call_id"})
        elif kind != "reasoning":  # what the model thought before is not read again
            where = f"input/{at}/type"
            raise ApiError(f"{where}: It is {kind!r}, which is not read. Leave it out.", param=where)
    return messages


class ResponseShape(AnswerShape):
    """Answers of `/v1/responses`: thoughts, one message, calls, as they begin."""

    path, address, prefix = "/v1/responses", "responses", "resp_"
    renamed = (
        (r"^prompt: ", "input: "),
        (r"^reasoning_effort\b", "reasoning/effort"),
    )

    def __init__(self, model: ServedModel, body: JsonObject, *stored: Any) -> None:
        super().__init__(model, body, *stored)
        self.head: JsonObject = {
            "id": self.id,
            "object": "response",
            "created_at": int(time.time()),
            "model": model.name,
            "parallel_tool_calls": self.body.get("parallel_tool_calls") is not False,
            "tool_choice": "auto",
            "tools": [],
            "error": None,
            "incomplete_details": None,
            "previous_response_id": self.body.get("previous_response_id"),
            "store": self.keep is not None,
            **{name: self.body[name] for name in _REPEATED if self.body.get(name) is not None},
            **self.told,
        }
        self.number = 0
        self.items: list[tuple[_Item, JsonObject]] = []
        """The items of the output that have begun, in their order."""

    def read(self) -> AskedTexts:
        wanted, body = self.body.get("include") or (), self.body
        if unknown := [at for at, member in enumerate(wanted) if member not in _INCLUDED]:
            where = f"include/{unknown[0]}"
            raise ApiError(f"{where}: It is none of {', '.join(_INCLUDED)}.", param=where)
        if _LOGPROBS in wanted:
            body = {**body, "logprobs": True}
        given, previous = body.get("input"), body.get("previous_response_id")
        if not given:
            raise ApiError("input is a text, or a list of one item or more.", param="input")
        given = [{"role": "user", "content": given}] if isinstance(given, str) else given
        earlier = list[JsonObject]()
        if self.responses is None and previous is not None:
            raise unsupported("previous_response_id", "The server keeps no responses. Send all items.")
        if self.responses is not None:
            earlier = [] if previous is None else self.responses.conversation(previous)
            given = [self._found(item, at) for at, item in enumerate(given)]
            if body.get("store"):
                self.conversation = [*earlier, *given]
                """The items that the response answers."""
                self.responses.check_room(self.conversation)
                self.keep = self._keep
        return self.model.read_chat(body, "input", response_messages({**body, "input": given}, earlier))

    def _found(self, item: JsonObject, at: int) -> JsonObject:
        """Return the item that an item of the input refers to, or itself."""
        if item.get("type") != "item_reference" or self.responses is None:
            return item
        return self.responses.item(item["id"], f"input/{at}/id")

    def _keep(self) -> None:
        assert self.responses is not None, "it is kept there"
        self.responses.keep(self.response, self.conversation)

    def whole(self, results: Sequence[Result]) -> JsonObject:
        return self._response(results[0])

    def began(self) -> Iterator[Event]:
        for kind in ("response.created", "response.in_progress"):
            yield self._event(kind, response={**self.head, "status": "in_progress", "output": []})

    def piece(self, index: int, deltas: Iterable[Delta]) -> Iterator[Event]:
        for part, text in deltas:
            if part.place == len(self.items):
                yield from self._begun(part)
            kind, item = self.items[part.place]
            _held(item)[kind.member] += text
            if text or part.kind == "text":
                yield self._event(f"{kind.events}.delta", **_place(part.place, item), delta=text, **kind.more)

    def ended(self, index: int, result: Result) -> Iterator[Event]:
        response = self._response(result)
        for at, (kind, item) in enumerate(self.items):
            place, said = _place(at, item), {kind.member: _held(item)[kind.member]}
            if kind.type == "function_call":
                said = {"name": item["name"], **said}
            more = {name: _held(item)[name] for name in kind.more}
            yield self._event(f"{kind.events}.done", **place, **said, **more)
            if "content" in item:
                yield self._event("response.content_part.done", **place, part=_held(item))
            yield self._event("response.output_item.done", output_index=at, item=item)
        yield self._event(f"response.{response['status']}", response=response)

    def failed(self, error: ApiError) -> Event:
        said = error.body["error"]
        return self._event("error", **{name: said[name] for name in ("message", "param", "code")})

    def _response(self, result: Result) -> JsonObject:
        """Return the whole response, whose items have come."""
        status = "incomplete" if result.finish_reason is FinishReason.MAX_TOKENS else "completed"
        usage = usage_of([result])
        for kind, item in self.items:
            item["status"] = status
            if kind.type == "message" and self.asked.likeliest is not None:
                tokens = chat_logprobs(result, self.model.engine.tokenizer, self.asked.likeliest)
                _held(item)["logprobs"] = tokens["content"]
        self.response: JsonObject = {
            **self.head,
            "status": status,
            "incomplete_details": None if status == "completed" else {"reason": "max_output_tokens"},
            "output": [item for _, item in self.items],
            "usage": {
                "input_tokens": usage["prompt_tokens"],
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": usage["completion_tokens"],
                "output_tokens_details": usage["completion_tokens_details"],
                "total_tokens": usage["total_tokens"],
            },
        }
        return self.response

    def _begun(self, part: ReplyPart) -> Iterator[Event]:
        """Add the item that a part is, and yield the events of its beginning."""
        kind = _ITEMS[part.kind]
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
        else:
            item |= {"call_id": part.id, "name": part.name, kind.member: ""}
        self.items.append((kind, item))
        shown = {**item, "content": []} if "content" in item else item
        yield self._event("response.output_item.added", output_index=part.place, item=shown)
        if "content" in item:
            yield self._event("response.content_part.added", **_place(part.place, item), part=_held(item))

    def _event(self, kind: str, **members: Any) -> Event:
        self.number += 1
        return {"type": kind, "sequence_number": self.number - 1, **members}


class InputTokensShape(CountedPrompt, ResponseShape):
    """Answers of `/v1/responses/input_tokens`."""

    path = "/v1/responses/input_tokens"

    def whole(self, results: Sequence[Result]) -> JsonObject:
        return {"object": "response.input_tokens", **super().whole(results)}


def _held(item: JsonObject) -> JsonObject:
    """Return what holds the text of an item: its one part, or itself."""
    held: JsonObject = item["content"][0] if "content" in item else item
    return held


def _place(at: int, item: JsonObject) -> JsonObject:
    inside = {"content_index": 0} if "content" in item else {}
    return {"item_id": item["id"], "output_index": at, **inside}

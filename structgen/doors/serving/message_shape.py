"""Anthropic's `/v1/messages`: its bodies as those of chat completions, and replies in its shape."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any, Final

from structgen.asking.grounding.stated_text import stated_text
from structgen.asking.request_reading.document_parts import PartDocument, name_documents
from structgen.base.json_text.exact_json import JsonObject, read_exact
from structgen.base.language.checks import content_text
from structgen.decoding.engine.requests import Result
from structgen.doors.serving.answer_shape import AnswerShape, CountedPrompt, Events
from structgen.doors.serving.api_errors import ApiError, Body
from structgen.doors.serving.reply_parts import Delta, PartKind, ReplyPart, usage_of
from structgen.doors.serving.served_model import BodyRequest, ServedModel

_SAME: Final = (
    *("model", "stream", "max_tokens", "temperature", "top_k", "top_p", "tools", "outline", "choices"),
    *("repetition", "grounded", "quotes", "missing"),
)
"""Members that mean the same in chat completions, whose tools may be Anthropic's."""
_THREAD: Final = "thread_unsupported_request"
"""What tells Anthropic's clients that a conversation is not kept."""
MOST_CITED: Final = 5
"""The most citations of a value."""
_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}
_DELTAS: Final[dict[PartKind, tuple[str, str]]] = {
    "text": ("text_delta", "text"),
    "thoughts": ("thinking_delta", "thinking"),
    "function": ("input_json_delta", "partial_json"),
}
"""What pieces of the parts of a reply are called, and the member that holds one."""


def chat_body(body: Body) -> JsonObject:
    """Return a body of `/v1/messages`, whose members are known, as one of chat completions. Errors: ApiError
    for what has no place there."""
    if body.get("thread") is not None:  # whose client then sends the whole conversation
        fault = "thread: Conversations are not stored here. Send all messages, without the member."
        raise ApiError(fault, param="thread", code=_THREAD)
    result = {name: body[name] for name in _SAME if body.get(name) is not None}
    system = content_text(body.get("system"), "system", "/{}")
    system_messages = [{"role": "system", "content": system}] if system else []
    turns = enumerate(body["messages"])
    result["messages"] = system_messages + [
        message for index, turn in turns for message in _messages_of_turn(turn, f"messages/{index}/content")
    ]
    last = result["messages"][-1:]
    # a turn of the assistant at the end is the beginning of the reply
    if last and last[0]["role"] == "assistant" and not last[0].get("tool_calls"):
        result["continue_final_message"] = True  # as Anthropic does it
    if body.get("stop_sequences"):
        result["stop"] = list(body["stop_sequences"])
    choice = body.get("tool_choice")
    if choice is not None:
        result["tool_choice"] = _CHOICES.get(choice["type"], {"name": choice.get("name")})
        if (is_disabled := choice.get("disable_parallel_tool_use")) is not None:
            result["parallel_tool_calls"] = not is_disabled
    thinking = body.get("thinking") or {}
    if thinking.get("type") in ("enabled", "disabled"):
        result["thinking"] = {**thinking, "display": None}
    format = (body.get("output_config") or {}).get("format") or body.get("output_format")
    if format is not None:
        result["response_format"] = format
    return result


def _messages_of_turn(turn: JsonObject, where: str) -> Iterator[JsonObject]:
    """Yield the messages of a turn: results of tools come before what is said with them."""
    content = turn["content"]
    if isinstance(content, str):
        yield {"role": turn["role"], "content": content}
        return
    texts: list[str] = []
    members: JsonObject = {}
    for index, block in enumerate(content):
        location = f"{where}/{index}"
        if block["type"] == "tool_result":
            text = content_text(block.get("content"), f"{location}/content", "/{}")
            text = "\n".join(filter(None, ("Error:", text))) if block.get("is_error") else text
            result = {
                "role": "tool",
                "tool_call_id": block["tool_use_id"],
                "place": f"{location}/tool_use_id",
            }
            yield {**result, "content": text}
        elif block["type"] == "tool_use":
            function = {"name": block["name"], "arguments": block["input"]}
            members.setdefault("tool_calls", []).append({"id": block["id"], "function": function})
        # earlier thoughts go back to the model
        elif block["type"] == "thinking":
            members["reasoning_content"] = members.get("reasoning_content", "") + block["thinking"]
        elif block["type"] != "redacted_thinking":  # which nobody but its server can read
            texts.append(content_text([block], where, "/{}", index))
    if texts or members:
        yield {"role": turn["role"], "content": "\n".join(texts), **members}


class MessageShape(AnswerShape):
    """Answers of `/v1/messages`: blocks of thoughts, text and calls."""

    path = "/v1/messages"
    address = "messages"
    prefix = "msg_"
    member_names = (
        (
            r"^prompt: This .* length is (\d+) tokens\. However, the prompt has (\d+) tokens, and",
            r"prompt is too long: \2 tokens > \1 maximum, and",
        ),
        (r"^prompt: ", "messages: "),
        (r"^stop: ", "stop_sequences: "),
        (r"^thinking: ", "thinking/type: "),
        (r"^(?:target|response_format(?:/schema)?)\b", "output_config/format/schema"),
        (r'"auto", "required", "none", a name, or a dict of OpenAI\'s', '{"type": "auto"}'),
        (r'or write "auto"', 'or write {"type": "auto"}'),
    )

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        members = {"id": self.id, "type": "message", "role": "assistant", "model": self.model_name}
        self.head: JsonObject = {**members, **self.own_members}
        self.count = 0
        """How many blocks have begun."""
        self.open: ReplyPart | None = None
        """The part of the reply that the last block is, while it goes on."""

    def read_body(self) -> BodyRequest:
        conversation = self.model.read_conversation(self.body["messages"], "messages")
        body = chat_body({**self.body, "messages": conversation.turns})
        messages = body.pop("messages")
        request = self.model.read_chat(body, source=messages, documents=conversation.last_documents)
        self.documents = conversation.documents
        """The documents of the conversation."""
        if request.is_held or not any(document.is_cited for document in self.documents):
            return request
        remark = (
            "citations: no citations, because the answer is not grounded in a text; set quotes or grounded"
        )
        return replace(request, warnings=(*request.warnings, remark))

    def whole_body(self, results: Sequence[Result]) -> JsonObject:
        content = []
        for part in self.replies[0].parts.values():
            member = {"text": "text", "thoughts": "thinking"}.get(part.kind, "input")
            value = json.loads(part.text or "{}") if member == "input" else part.text
            content.append({**_block_of(part), member: value})
            if citations := self._read_citations(part, results[0].text):
                content[-1]["citations"] = citations
        end = self._end_members(results[0])
        usage = _usage_members(results[0])
        return {**self.head, "content": content, **end, "usage": usage}

    def first_events(self) -> Events:
        # how long the prompt is comes with the last event but one
        usage = {"input_tokens": 0, "output_tokens": 0}
        message: JsonObject = {
            **self.head,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        yield {"type": "message_start", "message": message}

    def piece_events(self, index: int, deltas: Iterable[Delta]) -> Events:
        for part, text in deltas:
            if part is not self.open:  # blocks follow one another: a text after a call is a new one
                yield from self._close_block()
                self.open = part
                self.count = self.count + 1
                block = _block_of(part)
                yield {"type": "content_block_start", "index": self.count - 1, "content_block": block}
            if text:
                kind, member = _DELTAS[part.kind]
                delta = {"type": kind, member: text}
                yield {"type": "content_block_delta", "index": self.count - 1, "delta": delta}

    def end_events(self, index: int, result: Result) -> Events:
        yield from self._close_block(result.text)
        yield {"type": "message_delta", "delta": self._end_members(result), "usage": _usage_members(result)}
        yield {"type": "message_stop"}

    @staticmethod
    def error_body(error: ApiError) -> JsonObject:
        fault = error.body["error"]
        kind = {"server_error": "api_error"}.get(fault["type"], fault["type"])
        members = {"type": kind, "message": fault["message"]}
        details = {"details": {"error_code": _THREAD}} if error.code == _THREAD else {}
        return {"type": "error", "error": {**members, **details}}

    def _read_citations(self, part: ReplyPart, reply_text: str) -> list[JsonObject]:
        """Return the citations of a part of a reply, in the order of its values: of a document, which is all
        of the reply's text, or of the arguments of a call. Free text and thoughts have none.

        Only cited documents are searched. A document is cited by the characters `start_char_index` to before
        `end_char_index` of its text, or by its blocks. `path` is the JSON pointer of the value in the part.
        Cost: as `evidence_of`.
        """
        # start-up: few answers are cited
        from structgen.asking.grounding.evidence import evidence_of

        is_document = self.body_request.parts.answers
        text = {"function": part.text, "text": reply_text * is_document}.get(part.kind)
        if not (text and self.body_request.is_held):
            return []
        counts = Counter[bool]()
        cited: list[tuple[int, PartDocument]] = []
        # the documents that are not cited are counted too
        for document in self.documents:
            if document.is_cited:
                cited.append((counts[document.source is None], document))
            counts[document.source is None] += 1
        texts = name_documents(document for _, document in cited)
        by_name = dict(zip(dict(texts), cited, strict=True))
        return [
            {**_citation_of(*by_name[place.text], place.start, place.end), "path": value.path}
            for value in evidence_of(read_exact(text), stated_text(texts))
            # a number may stand at a thousand places
            for place in value.places[:MOST_CITED]
        ]

    def _close_block(self, reply_text: str = "") -> Events:
        """Yield the events that end the open block, with its citations. `reply_text`: all of the reply, if it
        has ended."""
        if self.open is not None:
            for citation in self._read_citations(self.open, reply_text):
                delta = {"type": "citations_delta", "citation": citation}
                yield {"type": "content_block_delta", "index": self.count - 1, "delta": delta}
            self.open = None
            yield {"type": "content_block_stop", "index": self.count - 1}

    def _end_members(self, result: Result) -> JsonObject:
        """Return why the text ended, and the stop sequence that ended it."""
        (reply,) = self.replies
        stopped_by = result.stopped_by or (not reply.calls and reply.stopped_by)
        # a stop of a format is none of the client's
        stop = stopped_by if stopped_by in (self.body.get("stop_sequences") or ()) else None
        reasons = {"length": "max_tokens", "tool_calls": "tool_use", "stop": "end_turn"}
        reason = reasons[reply.end_reason(result)] if stop is None else "stop_sequence"
        return {"stop_reason": reason, "stop_sequence": stop}


class CountShape(CountedPrompt, MessageShape):
    """Answers of `/v1/messages/count_tokens`."""

    path = "/v1/messages/count_tokens"

    def __init__(
        self,
        model: ServedModel,
        body: JsonObject,
        *arguments: Any,
    ) -> None:
        super().__init__(model, {"max_tokens": 1, **body}, *arguments)


def _block_of(part: ReplyPart) -> JsonObject:
    """Return the block of a part, as it begins."""
    if part.kind == "text":
        return {"type": "text", "text": ""}
    if part.kind == "thoughts":
        return {"type": "thinking", "thinking": "", "signature": ""}
    return {"type": "tool_use", "id": part.id, "name": part.name, "input": {}}


def _usage_members(result: Result) -> dict[str, int]:
    usage = usage_of([result])
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    # in Anthropic's protocol `input_tokens` counts only the tokens that were read now
    return {
        "input_tokens": usage["prompt_tokens"] - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": usage["completion_tokens"],
    }


def _citation_of(number: int, document: PartDocument, start: int, end: int) -> JsonObject:
    """Return the citation of the characters `start` to before `end` of a document. `number`: the number of
    the document among the search results, or among the others."""
    kind, unit, cited_text = "char_location", "char", document.text[start:end]
    if document.blocks:
        kind, unit = "content_block_location", "block"
        # blocks are joined by line ends
        starts = [0, *accumulate(len(block) + 1 for block in document.blocks)]
        start, end = bisect_right(starts, start) - 1, bisect_left(starts, end)
        cited_text = "".join(document.blocks[start:end])
    title = document.title or None
    owner: JsonObject = {"document_index": number, "document_title": title}
    if document.source is not None:
        kind = "search_result_location"
        owner = {"search_result_index": number, "source": document.source, "title": title}
    places = {f"start_{unit}_index": start, f"end_{unit}_index": end}
    return {"type": kind, "cited_text": cited_text, **places, **owner}

"""What the addresses share: one body is read, and its answer is written, whole or as events."""

from __future__ import annotations

import json
import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final, TypeAlias

from starlette.responses import JSONResponse

from structgen.asking.request_reading.request_members import members_of
from structgen.asking.tool_calls.tool_shapes import JsonObject
from structgen.decoding.engine.requests import Result
from structgen.doors.serving.api_errors import ApiError, Body
from structgen.doors.serving.error_places import place_in
from structgen.doors.serving.reply_parts import Delta, ReplyParts
from structgen.doors.serving.request_fields import check_members
from structgen.doors.serving.served_model import BodyRequest, ServedModel
from structgen.doors.serving.stored_responses import KEPT_BY_NOBODY, StoredResponses
from structgen.grammars.json_grammars.schema_grammar import SCHEMA_REMARKS

MOST_WARNING: Final = 1000
MOST_REMARKS: Final = 100
"""More remarks fill a header of `MOST_WARNING` characters in any case."""
_OLDER: Final = (
    (r"^tools\b", "functions"),
    (r"^tool_choice(/function)?\b", "function_call"),
)
"""Patterns of members about tools in errors, and what clients that send functions call these members."""
Event: TypeAlias = JsonObject
as_json: Final = json.JSONEncoder(ensure_ascii=False).encode
"""Writes an event. `json.dumps` would make an encoder for each."""


class ObjectResponse(JSONResponse):
    """An answer that may repeat what the body said: half a character that was sent comes back as "?"."""

    def render(self, content: Any) -> bytes:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")


class AnswerShape(ABC):
    """An address for bodies of one shape. Made for one body. Then `first_events` is called, and
    `piece_events` with what is new in each text. At the end `whole_body` is called for the body of an answer,
    or `end_events` for each text and `last_events` for a stream. Events are to be written one by one: they
    hold what still grows."""

    path: ClassVar[str]
    address: ClassVar[str]
    """Whose members its bodies have (`request_members.members_of`)."""
    prefix: ClassVar[str]
    operation: ClassVar[str] = "chat"
    """What traces call it."""
    member_names: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Patterns of the members of chat completions in errors, and the names that this API has for them."""
    last: ClassVar[str] = ""
    """What stands after the last event of a stream."""

    keep: Callable[[], None] | None = None
    """Keeps the whole answer, before its end is sent; None: it is not kept."""

    def __init__(
        self,
        model: ServedModel,
        body: JsonObject,
        responses: StoredResponses | None = None,
    ) -> None:
        """Read a body. `responses`: what its owner keeps, if the server keeps anything. Errors: ApiError, and
        StructgenError for what is refused."""
        # members are checked before anything of the body is read
        self.model, self.body, self.responses = model, check_members(body, self.address), responses
        model.check_name(body)
        self.body_request = self.read_body()
        self.remarks = dict.fromkeys([*self.body_request.warnings, *(SCHEMA_REMARKS.get() or ())])
        self.replies: Sequence[ReplyParts] = ()
        """One for each text, as far as it has come; set before `first_events`."""
        self.id = f"{self.prefix}{secrets.token_hex(12)}"
        self.warning = self._build_warning()
        """What of the body was taken and cannot act, or was cut, and what looks like a mistake in a schema:
        one header, in ASCII. One that is too long is cut, and ends with the number of remarks."""

    @property
    def own_members(self) -> JsonObject:
        """Members of our own of a reply that goes on with the last message."""
        repeats = self.body_request.repeats
        return {} if repeats is None else {"repeats_beginning": repeats}

    def _build_warning(self) -> str:
        remarks = list(self.remarks)
        if self.body.get("store") and self.keep is None:
            remarks.append(KEPT_BY_NOBODY)
        if self.body.get("context_management"):
            remarks.append("context_management: nothing of a prompt is left out; one too long is refused")
        messages = [
            self.in_its_words(ApiError(remark), self.body).message for remark in remarks[:MOST_REMARKS]
        ]
        # a header has ASCII alone
        text = "; ".join(messages).encode("unicode_escape").decode()
        return text if len(text) <= MOST_WARNING else f"{text[:MOST_WARNING]}... ({len(remarks)} remarks)"

    @abstractmethod
    def read_body(self) -> BodyRequest:
        """Return what the body asks for."""

    @abstractmethod
    def whole_body(self, results: Sequence[Result]) -> JsonObject:
        """Return the body of an answer."""

    def first_events(self) -> Iterator[Event]:
        """Yield the events that begin a stream."""
        yield from ()

    @abstractmethod
    def piece_events(self, index: int, deltas: Iterable[Delta]) -> Iterator[Event]:
        """Yield the events of what is new in a text."""

    @abstractmethod
    def end_events(self, index: int, result: Result) -> Iterator[Event]:
        """Yield the events of the end of a text."""

    def last_events(self, results: Sequence[Result]) -> Iterator[Event]:
        """Yield the last events of a stream."""
        yield from ()

    def error_event(self, error: ApiError) -> Event:
        """Return the event of an error inside a stream."""
        return self.error_body(error)

    @classmethod
    def in_its_words(cls, error: ApiError, body: Body) -> ApiError:
        """Return an error that names the members which a body of this address has."""
        counts = ("max_completion_tokens", "max_output_tokens")
        has_prompt = body.get("prompt") is not None  # which is no member of most addresses
        # a body with its own member prompt means that one
        patterns = [pair for pair in cls.member_names if not (has_prompt and pair[0].startswith("^prompt"))]
        patterns += [(r"\bmax_tokens\b", name) for name in counts if body.get(name) is not None]
        patterns += _OLDER if any(body.get(name) for name in ("functions", "function_call")) else ()
        place = "" if error.param is None else f"{error.param}: "
        for pattern, name in patterns:
            error.message = re.sub(pattern, name, error.message)
            place = re.sub(pattern, name, place)
        if place:
            path = error.param = place_in(body, place.removesuffix(": "), members_of(cls.address))
            error.message = re.sub(r"^target: ", lambda _: f"{path}: ", error.message)
        return error

    @staticmethod
    def error_body(error: ApiError) -> JsonObject:
        """Return the body of an error."""
        return error.body

    @staticmethod
    def event_text(event: Event) -> str:
        """Return an event as it is sent."""
        return f"event: {event['type']}\ndata: {as_json(event)}\n\n"


class CountedPrompt(AnswerShape):
    """Another address for the bodies of a shape, which stands after it: the tokens of a prompt, of which
    nothing is written."""

    operation = "count_tokens"

    def __init__(
        self,
        model: ServedModel,
        body: JsonObject,
        *arguments: Any,
    ) -> None:
        super().__init__(model, body, *arguments)
        # a number of tokens is no stream
        self.body = {**self.body, "stream": False}

    def read_body(self) -> BodyRequest:
        body_request = super().read_body()  # type: ignore[safe-super]
        self.keep = None
        self.input_tokens = len(body_request.requests[0].prompt)
        return replace(body_request, requests=(), warnings=())

    def whole_body(self, results: Sequence[Result]) -> JsonObject:
        return {"input_tokens": self.input_tokens}

"""What all addresses share: an object that reads one body and writes its answer, whole or as events.

A *body* is the JSON object that a client posts, a *member* a key of it. A *shape* is the format of bodies and
answers at one address (a path such as `/v1/messages`). An *event* is a piece of a stream. A *delta* is what
is new in a reply. A *remark* is a warning about a body that is accepted.
"""

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
from structgen.base.json_text.exact_json import JsonObject
from structgen.base.language.shapes import UNKNOWN_MEMBERS
from structgen.decoding.engine.requests import Result
from structgen.doors.serving.api_errors import ApiError, Body
from structgen.doors.serving.error_places import place_in
from structgen.doors.serving.reply_parts import Delta, ReplyParts
from structgen.doors.serving.request_fields import check_members, idle_notes
from structgen.doors.serving.served_model import BodyRequest, ServedModel
from structgen.doors.serving.stored_responses import KEPT_BY_NOBODY, StoredResponses
from structgen.grammars.json_grammars.schema_grammar import SCHEMA_REMARKS

MOST_WARNING: Final = 1000
MOST_REMARKS: Final = 100
"""The most remarks that are read. So many already fill a header of `MOST_WARNING` characters."""
_OLDER: Final = (
    (r"^tools\b", "functions"),
    (r"^tool_choice(/function)?\b", "function_call"),
)
"""Patterns of the names of members about tools in errors, and their older names, for clients that send
`functions`."""
Event: TypeAlias = JsonObject
Events: TypeAlias = Iterator[Event]
as_json: Final = json.JSONEncoder(ensure_ascii=False).encode
"""Returns an event as JSON text. (`json.dumps` would make a new encoder for each event.)"""


class ObjectResponse(JSONResponse):
    """An answer of JSON that may repeat text of the body. Half of a surrogate pair in it becomes "?"."""

    def render(self, content: Any) -> bytes:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")


class AnswerShape(ABC):
    """Reads one body, and writes the answer to it.

    For a stream, `first_events` is called, then `piece_events` with what is new in each text, then
    `end_events` for each text, and `last_events`. For any other answer, `whole_body` is called at the end.
    Each event must be written before the next is made, because it holds objects that still grow.
    """

    path: ClassVar[str]
    address: ClassVar[str]
    """The address, whose members its bodies may have (`request_members.members_of`)."""
    prefix: ClassVar[str]
    operation: ClassVar[str] = "chat"
    """The name of the operation in traces."""
    member_names: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Patterns of the names of chat completions' members in errors, and the names of this API for them."""
    last: ClassVar[str] = ""
    """The text after the last event of a stream."""

    keep: Callable[[], None] | None = None
    """A function that stores the whole answer before its end is sent; None: it is not stored."""

    def __init__(
        self,
        model: ServedModel,
        body: JsonObject,
        responses: StoredResponses | None = None,
    ) -> None:
        """Read a body. `responses`: the stored responses of its owner; None if the server stores none. Raises
        ApiError and StructgenError for a body that is refused."""
        UNKNOWN_MEMBERS.set([] if model.notes_unknown else None)
        # the members are checked before the body is read
        self.model, self.body, self.responses = model, check_members(body, self.address), responses
        self.model_name = model.resolve_name(body)
        self.body_request = self.read_body()
        remarks = [*self.body_request.warnings, *idle_notes(self.body)]
        remarks += SCHEMA_REMARKS.get() or ()
        self.remarks = dict.fromkeys(remarks)
        self.replies: Sequence[ReplyParts] = ()
        """The reply of each text, as far as it has come. It is set before `first_events` is called."""
        self.id = f"{self.prefix}{secrets.token_hex(12)}"
        self.warning = self._build_warning()
        """The remarks about the body as one header, in ASCII: members without an effect, what was cut, and
        likely mistakes in a schema. A header that is too long is cut, and ends with the number of remarks."""

    @property
    def own_members(self) -> JsonObject:
        """Our own members of an answer whose reply goes on with the last message."""
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
        # a header has only ASCII characters
        text = "; ".join(messages).encode("unicode_escape").decode()
        return text if len(text) <= MOST_WARNING else f"{text[:MOST_WARNING]}... ({len(remarks)} remarks)"

    @abstractmethod
    def read_body(self) -> BodyRequest:
        """Return what the body asks for."""

    @abstractmethod
    def whole_body(self, results: Sequence[Result]) -> JsonObject:
        """Return the body of an answer."""

    def first_events(self) -> Events:
        """Yield the events that begin a stream."""
        yield from ()

    @abstractmethod
    def piece_events(self, index: int, deltas: Iterable[Delta]) -> Events:
        """Yield the events of what is new in a text."""

    @abstractmethod
    def end_events(self, index: int, result: Result) -> Events:
        """Yield the events of the end of a text."""

    def last_events(self, results: Sequence[Result]) -> Events:
        """Yield the last events of a stream."""
        yield from ()

    def error_event(self, error: ApiError) -> Event:
        """Return the event of an error inside a stream."""
        return self.error_body(error)

    @classmethod
    def in_its_words(cls, error: ApiError, body: Body) -> ApiError:
        """Return an error in the words of this address: with its names of members. `body`: the body sent."""
        counts = ("max_completion_tokens", "max_output_tokens")
        has_prompt = body.get("prompt") is not None  # most addresses have no such member
        # if the body has a member `prompt` itself, errors about it keep this name
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
    """An address that counts the tokens of a prompt, and writes no text. It takes the bodies of another
    shape, which is the next base class."""

    operation = "count_tokens"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        # a number of tokens cannot be a stream
        self.body = {**self.body, "stream": False}

    def read_body(self) -> BodyRequest:
        body_request = super().read_body()  # type: ignore[safe-super]
        self.keep = None
        self.tokens: Sequence[Any] = body_request.requests[0].prompt
        return replace(body_request, requests=(), warnings=())

    def whole_body(self, results: Sequence[Result]) -> JsonObject:
        return {"input_tokens": len(self.tokens)}

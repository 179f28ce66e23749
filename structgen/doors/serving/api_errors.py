"""Errors as OpenAI's clients read them: a status and an object with message, type, param and code.

A *cure* is the last sentences of a message, which name what to do. A *place* is where in the body a fault is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from structgen.base.errors import BudgetError, BusyError, GenerationError, LimitError, StructgenError
from structgen.base.json_text.events import escape
from structgen.base.json_text.exact_json import JsonObject
from structgen.base.language.checks import shorten_text
from structgen.doors.serving.error_places import (
    MOST_PLACE,
    MOST_SHOWN,
    abridge_text,
    make_readable,
    path_of,
    shorten_repeats,
)

Body: TypeAlias = Mapping[str, Any]
"""The body of a request."""
_PYTHON = re.compile(
    r"\bsg\.|\bPython|\b(?:limits|resources|start|bind|postlex|import_paths|formats|escapes|strict|specials"
    r"|lexer|dialect|numbers|custom_formats|banned|policies|cursor)="
)
"""Names in a cure that only a program in Python can use, and not the body of a request."""
_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


MOST_MESSAGE = 4000
"""The most characters of a message. A longer one keeps its beginning, and its end, where the cure is."""


class ApiError(Exception):
    """A request that was refused or failed. `status`: of HTTP. `param`: the place of the fault, a JSON
    pointer into the body. `code`: a name of the fault for programs."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
    ):
        # the place may have names from the client, of any length, so it is shortened
        if param and message.startswith(param):
            message = _shorten_place(param) + message[len(param) :]
        message = make_readable(abridge_text(message, MOST_MESSAGE))
        self.message = message
        self.status = status
        self.code = code
        self.param = param
        super().__init__(message)

    @property
    def body(self) -> JsonObject:
        """The body of the answer."""
        place = self.message.partition(": ")[0]
        place_length = len(place) if len(place) <= MOST_PLACE else 0
        path = path_of(self.param or "")[: MOST_SHOWN - MOST_PLACE]
        remaining = MOST_SHOWN - len(path) - place_length
        message = self.message[:place_length] + shorten_repeats(self.message[place_length:], remaining)
        kind = "server_error" if self.status >= 500 else _TYPES.get(self.status, "invalid_request_error")
        members = {"message": message, "type": kind, "param": path or None}
        return {"error": {**members, "code": self.code}}


def answer_to(error: StructgenError, *, is_begun: bool = False) -> ApiError:
    """Return the answer to a request that structgen refuses or, where it `is_begun`, whose text ended in an
    error. It has the message with the cure that an HTTP client can follow. Its code is the name of the
    error's class as codes are written: unsatisfiable_schema. Status 400; 429 where too many texts wait; 504
    where the time is over; 500 for a text that neither a limit nor its model ended."""
    message = str(StructgenError(error.what, where=_shorten_place(error.where), cure=client_cure(error)))
    if isinstance(error, BusyError):
        return ApiError(message, status=429, code="too_many_waiting")
    # that the time is over is not a fault of the request
    if is_begun and error.where == "timeout":
        return ApiError(message, status=504, code="timeout")
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower().removesuffix("_error")
    code = "max_tokens_too_small" if isinstance(error, BudgetError) else name
    is_fault = is_begun and not isinstance(error, LimitError | GenerationError)
    return ApiError(
        message, status=500 if is_fault else 400, param=None if is_begun else error.where, code=code
    )


def client_cure(error: StructgenError) -> str:
    """Return the parts of an error's cure that an HTTP client can follow; a general cure if none is left."""
    cure = re.sub(r" \((?:sg\.|strict=)[^()]*\)", "", error.cure)
    # most cures hold for a client as they are
    if not _PYTHON.search(cure):
        return cure
    sentences = []
    for sentence in re.split(r"(?<=[.;])\s+(?:or )?", cure):
        parts = [sentence]
        if _PYTHON.search(sentence):
            parts = re.split(r",? or |, (?=a |give |pass |set |use )", sentence)
        if clause := ", or ".join(part for part in parts if not _PYTHON.search(part)):
            sentences.append(clause.rstrip(".;,"))
    # if no sentence is left, the client gets a general cure
    if not sentences:
        is_limit = isinstance(error, LimitError)
        return (
            "Reduce the request: the limits are set by the server."
            if is_limit
            else "Change this part of the request."
        )
    return " ".join(f"{part[0].upper()}{part[1:]}." for part in sentences)


def unsupported_member(name: str, hint: str = "") -> ApiError:
    """Return the answer to a member that is not offered."""
    return ApiError(
        f"{shorten_text(name)} is not supported. {hint or 'Remove it.'}",
        param=escape(name),
        code="unsupported_parameter",
    )


def _shorten_place(place: str) -> str:
    """Return a place as messages begin with it."""
    return abridge_text(make_readable(place), MOST_PLACE)

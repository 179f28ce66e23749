"""JSON objects that clients send: the body of a request, and that of a line in a file of requests.

Python's `json` reads more than an answer can repeat. So numbers that are not finite are refused here, and
objects that are nested so deeply that code which recurses over them would fail.
"""

from __future__ import annotations

import json
import math
import re
from itertools import accumulate
from types import MappingProxyType
from typing import Any, Final

from structgen.asking.tool_calls.tool_shapes import JsonObject
from structgen.base.json_text.exact_json import values_in
from structgen.doors.serving.api_errors import ApiError

MAX_DEPTH: Final = 500
"""Open brackets of an object. Records and answers repeat a part of it, and the code that writes them
recurses."""
_BETWEEN_BRACKETS: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[^"\[\]{}]++', re.DOTALL)
"""Strings, and every other run of characters that are no brackets."""
_DEPTH_STEPS: Final = MappingProxyType({"[": 1, "{": 1, "]": -1, "}": -1})


def read_object(data: bytes | bytearray) -> JsonObject:
    """Return the JSON object that some bytes spell.

    Raises ApiError for bytes that are no JSON or another value, for an object with over MAX_DEPTH open
    brackets, and for a number that is not finite, whose place is the error's `param`. Cost: proportional to
    the bytes.
    """
    numbers_refused: list[str] = []

    def read_number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            numbers_refused.append(text)
        return value

    try:
        text = data.decode(json.detect_encoding(data), "surrogatepass")
        if _depth(text) > MAX_DEPTH:
            raise _depth_error()
        value = json.loads(text, parse_float=read_number, parse_constant=read_number)
    except (ValueError, RecursionError) as error:
        raise ApiError(f"The body is no JSON: {str(error)[:200]}.") from None
    if numbers_refused:
        place = _first_place_not_finite(value)
        message = f"{place}: The body is no JSON: the number {numbers_refused[0][:40]} is not finite."
        raise ApiError(message, param=place)
    if not isinstance(value, dict):
        raise ApiError(f"The body is a {type(value).__name__}, and must be an object.")
    return value


def check_object(value: JsonObject) -> JsonObject:
    """Return an object that `json` read, as read_object reads it. Raises ApiError as read_object does."""
    try:
        data = json.dumps(value).encode()
    except RecursionError:
        raise _depth_error() from None
    return read_object(data)


def _depth_error() -> ApiError:
    return ApiError(f"The body is nested too deeply: at most {MAX_DEPTH} brackets may be open.")


def _depth(text: str) -> int:
    """Return how many brackets are open at once in a JSON text, or an upper bound that is small."""
    bound = text.count("[") + text.count("{")
    if bound <= MAX_DEPTH:
        return bound
    brackets = _BETWEEN_BRACKETS.sub("", text)
    return max(accumulate(map(_DEPTH_STEPS.__getitem__, brackets)), default=0)


def _first_place_not_finite(value: Any) -> str:
    """Return where the first number is that is not finite, as a JSON pointer."""
    places = (
        place for place, number in values_in(value) if isinstance(number, float) and not math.isfinite(number)
    )
    return next(places, "")[1:]

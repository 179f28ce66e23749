"""Writes draws to a file of JSON lines, and reads them again.

The first line, the *head*, describes the run. Each other line is a *draw*: a text with its tokens,
log-probability and weights (`_Draw`). For example, a file of two draws:

    {"format": "structgen samples 2", "draws": 2, "method": "cars", ...}
    {"text": "yes", "token_ids": [9], "logprob": -0.7, ...}
    {"text": "no", "token_ids": [4], "logprob": -1.2, ...}

Numbers that JSON does not have are written as texts: "nan", "inf", "-inf". The head has the format, the
number of draws, and the fields of `Draws` that are not lists of draws. Among them are the run's *attempts*,
its tries to draw a text, with those that failed. The intervals are computed from them, so a file gives the
same intervals as the run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, partial
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

import numpy as np

from structgen.base.errors import StructgenError
from structgen.base.json_text.exact_json import JsonObject
from structgen.base.system.cache import open_output
from structgen.decoding.samplers.draws import Draws
from structgen.decoding.samplers.intervals.attempts import EACH, NEVER, Attempts
from structgen.decoding.samplers.target import Bounds, Tokens

_FORMAT: Final = "structgen samples 2"
_ROUNDED: Final = 1 + 1e-6
"""The greatest allowed mass: 1, with a margin for rounding errors."""
_SHARED: Final = (
    *("method", "is_exact", "is_biased", "is_json", "log_z", "bracket", "statistics", "target", "about"),
    *("pieces", "log_z_of_clouds", "ranges", "attempts"),
)
"""The names of the fields of `Draws` that the head has."""


@dataclass(frozen=True, slots=True)
class _Draw:
    """A draw as a line of the file. `masses` are the allowed masses z after its prefixes, the last one after
    the whole text; None: not known."""

    text: str
    token_ids: Tokens
    logprob: float
    log_weight: float
    weight: float
    """The normalised weight, for readers; it follows from the log weights."""
    masses: tuple[float, ...] | None = None


def lines_of(samples: Draws[Any]) -> Iterator[JsonObject]:
    """Yield the members of each draw's line."""
    weights = samples.weights
    for at, text in enumerate(samples.texts):
        members: JsonObject = {
            "text": text,
            "token_ids": list(samples.token_ids[at]),
            "logprob": float(samples.logprobs[at]),
            "log_weight": float(samples.log_weights[at]),
            "weight": float(weights[at]),
        }
        if samples.masses and (masses := samples.masses[at]) is not None:
            # Nine digits are enough for a report, and the file is half as long.
            members["masses"] = [float(f"{mass:.9g}") for mass in masses]
        yield members


def write_samples(samples: Draws[Any], path: Path) -> None:
    """Write draws to a file atomically. Raises OSError."""
    head = {"format": _FORMAT, "draws": len(samples.texts)}
    head |= {name: getattr(samples, name) for name in _SHARED}
    with open_output(path) as file:
        file.write(_json_line(_for_json(head)))
        for members in lines_of(samples):
            file.write(_json_line(members))


def read_samples(path: Path) -> dict[str, Any]:
    """Return the fields of `Samples` that a file holds. The values of draws are parsed JSON, or else the
    texts.

    Raises StructgenError, which names the line, if the file is damaged or is not one of ours. Raises OSError
    if it cannot be read.
    """
    head, *lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
    with _located_errors(f"{path}, line 1"):
        header = json.loads(head)
        if isinstance(header, dict) and header.get("format") != _FORMAT:
            raise ValueError(
                f"its format is {header.get('format')!r}, and this version reads {_FORMAT!r}; "
                "earlier formats lack the attempts that intervals need"
            )
        # `ranges` is a cached property of `Draws` and not a field, and `draws` is not a member of it.
        hints = _hints(Draws) | {"draws": int, "ranges": Mapping[str, Bounds]}
        head_hints = {name: hints[name] for name in ("draws", *_SHARED)}
        run = _read_members(head_hints, header, "it")
        count = run.pop("draws")
        ranges = run.pop("ranges")
        attempts = run["attempts"]
        lower, upper = run["bracket"]
        _require_valid("bracket", 0 <= lower <= upper * _ROUNDED > 0)
        are_ranges = [low < high and math.isfinite(high - low) for low, high in ranges.values()]
        _require_valid("ranges", are_ranges)
        if attempts is not None:
            _check_attempts(attempts, count)
    # The number of draws reveals a file that was cut at the end of a line.
    if len(lines) != count:
        raise StructgenError(
            f"The first line announces {count:,} draws, and {len(lines):,} lines follow.",
            where=f"{path}, line {min(len(lines), count) + 2}",
            cure="Use a file as to_jsonl or --out wrote it.",
        )
    draws, values = [], []
    for at, line in enumerate(lines):
        with _located_errors(f"{path}, line {at + 2}"):
            draw = _read_value(_Draw, json.loads(line), "it")
            _check_draw(draw)
            draws.append(draw)
            values.append(json.loads(draw.text) if run["is_json"] else draw.text)
    return run | {
        "texts": [draw.text for draw in draws],
        "values": values,
        "token_ids": [draw.token_ids for draw in draws],
        "logprobs": np.array([draw.logprob for draw in draws], np.float64),
        "log_weights": np.array([draw.log_weight for draw in draws], np.float64),
        "masses": [draw.masses for draw in draws],
        "find_ranges": partial(dict, ranges),
    }


@contextmanager
def _located_errors(where: str) -> Iterator[None]:
    """Turn an error about a line into a StructgenError. `where` names the file and the line."""
    try:
        yield
    except (ValueError, RecursionError) as error:
        # These three mean that the line is not JSON. The parser raises the first two, which are ValueErrors;
        # a line that is nested too deeply raises the third.
        is_json = not isinstance(error, json.JSONDecodeError | UnicodeError | RecursionError)
        raise StructgenError(
            f"No draws can be read from it: {'' if is_json else 'it is not JSON: '}{error}.",
            where=where,
            cure="Use a file as to_jsonl or --out wrote it, or draw again.",
        ) from error


def _check_draw(draw: _Draw) -> None:
    """Raise ValueError if a number of a draw is one that no draw can have."""
    _require_valid("logprob", math.isfinite(draw.logprob))
    _require_valid("log_weight", math.isfinite(draw.log_weight))
    if draw.masses is not None:
        _require_valid("masses", len(draw.masses) == len(draw.token_ids) + 1)
        _require_valid("masses", all(0 < mass <= _ROUNDED for mass in draw.masses))


def _check_attempts(attempts: Attempts, draws: int) -> None:
    """Raise ValueError if a number of the attempts is one that no run can have. `draws` is the number of
    draws. A comparison with NaN is false, so NaN is refused."""
    is_long = all(len(getattr(attempts, name)) == len(attempts) for name in EACH)
    # The three arrays of the known texts are of one length.
    are_equal = len(attempts.listed) == len(attempts.since) == len(attempts.until)
    _require_valid("attempts", is_long and are_equal)
    room = attempts.bounds * _ROUNDED - attempts.known
    _require_valid("weights", (attempts.weights >= 0) & (attempts.weights <= room))
    _require_valid("bounds", (attempts.bounds > 0) & (attempts.bounds <= _ROUNDED))
    _require_valid("known", attempts.known >= 0)
    _require_valid("batches", np.diff(attempts.batches) >= 0)
    _require_valid("left", (attempts.left >= 0) & (attempts.left <= NEVER))
    _require_valid("pilot", attempts.pilot <= len(attempts) and attempts.repeats <= draws)
    if attempts.are_coins:
        # A coin accepts with the whole bound as weight, or refuses with 0.
        _require_valid("are_coins", np.isin(attempts.weights / attempts.bounds, (0, 1)))
    for name in ("texts", "listed"):
        places = getattr(attempts, name)
        _require_valid(name, (places >= -1) & (places < draws))


def _require_valid(name: str, are_valid: Any) -> None:
    """Raise ValueError, with the `name` of a field, unless all of `are_valid` (a bool, or an array or list of
    bools) are true."""
    if not np.all(are_valid):
        raise ValueError(f"{name!r} is out of range")


_hints = cache(get_type_hints)


def _read_members(hints: dict[str, Any], value: Any, name: str) -> JsonObject:
    """Return the members of a JSON object, converted to the types in `hints`. The member "masses" may be
    missing. `name` names the object in messages. Raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError(f"{name} is not an object")
    for key in hints:
        if key not in value and key != "masses":
            raise ValueError(f"{key!r} is missing")
    return {key: _read_value(hint, value[key], key) for key, hint in hints.items() if key in value}


def _read_value(kind: Any, value: Any, name: str) -> Any:
    """Return a JSON value, converted to the type `kind`: a dataclass, a tuple, an array, a mapping with
    numbers or texts as keys, a text, a flag, a whole number from 0 on, a number, or a union with None. For
    example, the kind `tuple[int, ...]` and the value [1, 2] give (1, 2). `name` names the value in messages.
    Raises ValueError."""
    # `type` and not `isinstance`: true is not a whole number here.
    is_negative = kind is int and type(value) is int and value < 0
    if kind is Any or (type(value) is kind and not is_negative):
        return value
    if kind is float and type(value) in (int, float):
        try:
            return float(value)
        except OverflowError:
            return math.inf  # JSON's integers have no bound
    if kind is float and value in ("nan", "inf", "-inf"):
        return float(value)
    parts = get_args(kind)
    origin = get_origin(kind)
    if origin is UnionType:
        # `X | None`: the annotations of `Draws` have no other union.
        return None if value is None else _read_value(parts[0], value, name)
    if origin is tuple and isinstance(value, list):
        # `tuple[X, ...]` may have any number of items, any other tuple as many as its annotation has.
        item_kinds = parts[:1] * len(value) if ... in parts else parts
        if len(item_kinds) == len(value):
            items = zip(item_kinds, value, strict=True)
            return tuple([_read_value(item_kind, item, name) for item_kind, item in items])
    if origin is np.ndarray and isinstance(value, list):
        numbers = np.array([_read_value(float, item, name) for item in value], np.float64)
        (number_kind,) = get_args(parts[1])
        # Integers are read as doubles. One that a double cannot hold would change silently, so it is refused.
        are_whole = (numbers == np.round(numbers)) & (np.abs(numbers) <= NEVER)
        _require_valid(name, number_kind is np.float64 or are_whole)
        return numbers.astype(number_kind)
    if origin is Mapping and isinstance(value, dict):
        # The keys of JSON objects are texts. Those of `pieces` are converted back to numbers.
        key_kind, value_kind = parts
        if key_kind is str or all(map(str.isdecimal, value)):
            return {key_kind(key): _read_value(value_kind, item, name) for key, item in value.items()}
    if hasattr(kind, "__dataclass_fields__"):
        return kind(**_read_members(_hints(kind), value, name))
    raise ValueError(f"{name!r} is {value!r}")


def _for_json(value: Any) -> Any:
    """Return a value that JSON can express: dataclasses as objects, arrays as lists, NaN and infinity as
    texts."""
    if is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: _for_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_for_json(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _json_line(value: JsonObject) -> bytes:
    """Return a line of the file."""
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"

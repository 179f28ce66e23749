"""Draws in a file of JSON lines: the first line describes the run (`_Run`), each other is a draw (`_Draw`).

Numbers that JSON does not have are texts: "nan", "inf", "-inf".

The error parts, from which standard errors of means are computed, are batch means. `Samples.contributions`
splits a weighted mean into uncorrelated parts, one for each attempt or run of particles. Here they are summed
into at most 50 batches, which are uncorrelated too, so that their squares estimate the same variance. The
file has one number for each draw and each batch in which it has a share.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, fields
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

import numpy as np

from structgen.base.errors import StructgenError
from structgen.base.system.cache import writing
from structgen.decoding.samplers.draws import Draws
from structgen.decoding.samplers.estimates import Statistics
from structgen.decoding.samplers.target import Floats

_FORMAT: Final = "structgen samples 1"
_BATCHES: Final = 50
"""Uncorrelated parts of a mean in a file. With 50 parts the variance is known to about a fifth."""
_BLOCK: Final = 256
_ROUNDED: Final = 1 + 1e-6
"""The most that an allowed mass may be: 1, and what rounding adds."""


@dataclass(frozen=True, slots=True)
class _Run:
    """The first line: fields of `Samples`, and two counts."""

    format: str
    method: str
    draws: int
    is_exact: bool
    is_biased: bool
    is_json: bool
    log_z: float
    log_z_interval: tuple[float, float] | None
    bracket: tuple[float, float]
    statistics: Statistics
    worth: float
    target: str
    error_parts: int
    about: dict[str, Any]
    pieces: dict[int, str]
    log_z_of_clouds: tuple[float, ...] = ()
    """Not there in files of earlier versions."""


@dataclass(frozen=True, slots=True)
class _Draw:
    """A draw; its shares of the error parts; and the allowed masses z, if they are known."""

    text: str
    token_ids: tuple[int, ...]
    logprob: float
    log_weight: float
    weight: float
    """The normalised weight, for readers; it follows from the log weights."""
    error_parts: dict[int, float]
    masses: tuple[float, ...] | None = None


def lines_of(samples: Draws[Any], parts: Floats | None = None) -> Iterator[dict[str, Any]]:
    """Yield the object of each draw, with its error parts if they are given."""
    weights = samples.weights
    for at, text in enumerate(samples.texts):
        said: dict[str, Any] = {
            "text": text,
            "token_ids": list(samples.token_ids[at]),
            "logprob": float(samples.logprobs[at]),
            "log_weight": float(samples.log_weights[at]),
            "weight": float(weights[at]),
        }
        if samples.masses and (masses := samples.masses[at]) is not None:
            said["masses"] = [float(f"{mass:.9g}") for mass in masses]
        if parts is not None:
            said["error_parts"] = {str(i): float(parts[i, at]) for i in np.flatnonzero(parts[:, at])}
        yield said


def write_samples(samples: Draws[Any], path: Path) -> None:
    """Write draws to a file atomically. Raises OSError."""
    parts = error_parts(samples)
    shared: dict[str, Any] = {one: getattr(samples, one) for one in (*_SHARED, "worth")}
    shared["log_z_of_clouds"] = tuple(samples.log_z_of_clouds.tolist())
    run = _Run(format=_FORMAT, draws=len(samples.texts), error_parts=len(parts), **shared)
    with writing(path) as file:
        file.write(_line(_for_json(asdict(run))))
        for said in lines_of(samples, parts):
            file.write(_line(said))


def error_parts(samples: Draws[Any]) -> Floats:
    """Return float64 [k, n], k at most 50: the batches of the linear map `samples.contributions`.

    Cost: one call of the map, on a matrix, for each 256 draws.
    """
    count = len(samples.texts)
    parts = len(samples.contributions(np.zeros(count)))
    batches = min(parts, _BATCHES)
    found = np.zeros((batches, count))
    for begin in range(0, count, _BLOCK):
        width = min(_BLOCK, count - begin)
        units = np.zeros((count, width))
        units[begin + np.arange(width), np.arange(width)] = 1.0
        shares = samples.contributions(units)
        for batch in range(batches):
            found[batch, begin : begin + width] = shares[batch::batches].sum(axis=0)
    return found


def read_samples(path: Path) -> tuple[dict[str, Any], float]:
    """Return the fields of `Samples`, and its `worth` as the run computed it. The values are those of the
    JSON texts, or the texts.

    Raises StructgenError, which names the line, if the file is damaged or not ours; OSError.
    """
    head, *lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
    with _naming(f"{path}, line 1"):
        said = json.loads(head)
        if isinstance(said, dict) and said.get("format") != _FORMAT:
            raise ValueError(f"its format is {said.get('format')!r}, and this version reads {_FORMAT!r}")
        run = _made(_Run, said, "it")
        _hold("bracket", not math.isnan(sum(run.bracket)))
    if len(lines) != run.draws:
        raise StructgenError(
            f"The first line says that {run.draws:,} draws follow, and {len(lines):,} lines do.",
            where=f"{path}, line {min(len(lines), run.draws) + 2}",
            cure="Take a file as to_jsonl or --out wrote it.",
        )
    draws, values, parts = [], [], np.zeros((run.error_parts, run.draws))
    for at, line in enumerate(lines):
        with _naming(f"{path}, line {at + 2}"):
            draw = _made(_Draw, json.loads(line), "it")
            _check(draw, run)
            draws.append(draw)
            values.append(json.loads(draw.text) if run.is_json else draw.text)
            parts[list(draw.error_parts), at] = list(draw.error_parts.values())
    return {
        **{name: getattr(run, name) for name in _SHARED},
        "texts": [draw.text for draw in draws],
        "values": values,
        "token_ids": [draw.token_ids for draw in draws],
        "logprobs": np.array([draw.logprob for draw in draws], np.float64),
        "log_weights": np.array([draw.log_weight for draw in draws], np.float64),
        "log_z_of_clouds": np.array(run.log_z_of_clouds, np.float64),
        "contributions": lambda found: np.asarray(parts @ found, np.float64),
        "masses": [draw.masses for draw in draws],
    }, run.worth


_SHARED: Final = tuple({one.name for one in fields(_Run)} & {one.name for one in fields(Draws)})


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Raise what is wrong with a line as StructgenError, with its place."""
    try:
        yield
    except (ValueError, RecursionError) as error:
        is_json = not isinstance(error, json.JSONDecodeError | UnicodeError | RecursionError)
        raise StructgenError(
            f"No draws can be read from it: {'' if is_json else 'it is not JSON: '}{error}.",
            where=where,
            cure="Take a file as to_jsonl or --out wrote it, or draw anew.",
        ) from error


def _check(draw: _Draw, run: _Run) -> None:
    """Raise ValueError for numbers that no draw of the run has."""
    _hold("logprob", math.isfinite(draw.logprob))
    _hold("log_weight", math.isfinite(draw.log_weight))
    for part, share in draw.error_parts.items():
        _hold(f"error_parts/{part}", part < run.error_parts and math.isfinite(share))
    if draw.masses is not None:
        _hold("masses", len(draw.masses) == len(draw.token_ids) + 1)
        _hold("masses", all(0 < mass <= _ROUNDED for mass in draw.masses))


def _hold(name: str, valid: bool) -> None:
    if not valid:
        raise ValueError(f"{name!r} is out of range")


_hints = cache(get_type_hints)


def _made(kind: Any, value: Any, name: str) -> Any:
    """Return a JSON value as an annotation says: a dataclass, a tuple, a dict with numbers or texts as keys,
    a text, a flag, a whole number from 0 on, a number; None where it may be. Raises ValueError."""
    if kind is Any or (type(value) is kind and not (kind is int and value < 0)):
        return value
    if kind is float and type(value) in (int, float):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    if kind is float and value in ("nan", "inf", "-inf"):
        return float(value)
    parts, of = get_args(kind), get_origin(kind)
    if of is UnionType:
        return None if value is None else _made(parts[0], value, name)
    if of is tuple and isinstance(value, list):
        each = parts[:1] * len(value) if ... in parts else parts
        if len(each) == len(value):
            return tuple([_made(one, inner, name) for one, inner in zip(each, value, strict=True)])
    if of is dict and isinstance(value, dict) and (parts[0] is str or all(map(str.isdecimal, value))):
        return {parts[0](key): _made(parts[1], inner, name) for key, inner in value.items()}
    if hasattr(kind, "__dataclass_fields__"):
        if not isinstance(value, dict):
            raise ValueError(f"{name} is no object")
        for one in fields(kind):
            if one.name not in value and one.default is MISSING:
                raise ValueError(f"{one.name!r} is not there")
        hints = _hints(kind)
        return kind(**{key: _made(hint, value[key], key) for key, hint in hints.items() if key in value})
    raise ValueError(f"{name!r} holds {value!r}")


def _for_json(value: Any) -> Any:
    """Return a value for JSON, with texts for NaN and infinity."""
    if isinstance(value, dict):
        return {key: _for_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_for_json(one) for one in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"

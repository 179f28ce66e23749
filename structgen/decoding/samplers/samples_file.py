"""Draws in a file of JSON lines: the first line describes the run (`_Run`), each other is a draw (`_Draw`).

Numbers that JSON does not have are texts: "nan", "inf", "-inf".

The first line has the attempts of the run, dead ends too (`Attempts`), from which the intervals are: those of
a file are those of the run.
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
from structgen.decoding.samplers.intervals.attempts import EACH, NEVER, Attempts

_FORMAT: Final = "structgen samples 2"
_FLOATS: Final = ("weights", "bounds", "known", "left")
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
    bracket: tuple[float, float]
    statistics: Statistics
    target: str
    about: dict[str, Any]
    pieces: dict[int, str]
    log_z_of_clouds: tuple[float, ...]
    ranges: dict[str, tuple[float, float]]
    attempts: _Tried | None


@dataclass(frozen=True, slots=True)
class _Tried:
    """The fields of `Attempts`."""

    weights: tuple[float, ...]
    bounds: tuple[float, ...]
    known: tuple[float, ...]
    batches: tuple[int, ...]
    left: tuple[float, ...]
    texts: tuple[float, ...]
    """-1 for a dead end."""
    listed: tuple[int, ...]
    since: tuple[int, ...]
    until: tuple[int, ...]
    pilot: int
    are_coins: bool
    is_planned: bool
    repeats: int

    @staticmethod
    def of(attempts: Attempts | None) -> _Tried | None:
        if attempts is None:
            return None
        found = {one.name: getattr(attempts, one.name) for one in fields(_Tried)}
        return _Tried(**{name: _listed(one) for name, one in found.items()})

    def attempts(self, draws: int) -> Attempts:
        """Return the attempts. Raises ValueError for numbers that no run has."""
        arrays: dict[str, Any] = {}
        for name in (one.name for one in fields(_Tried) if isinstance(getattr(self, one.name), tuple)):
            given = np.array(getattr(self, name), np.float64)
            _hold(name, bool((np.isfinite(given) & (np.abs(given) <= NEVER)).all()))
            _hold(name, name in _FLOATS or bool((given == np.round(given)).all()))
            arrays[name] = given if name in _FLOATS else given.astype(np.int64)
        numbers = {name: getattr(self, name) for name in ("pilot", "are_coins", "is_planned", "repeats")}
        found = Attempts(**arrays, **numbers)
        is_long = all(len(arrays[name]) == len(found) for name in EACH)
        _hold("attempts", is_long and len(found.listed) == len(found.since) == len(found.until))
        room = found.bounds * _ROUNDED - found.known
        _hold("weights", bool(((found.weights >= 0) & (found.weights <= room)).all()))
        _hold("bounds", bool(((found.bounds > 0) & (found.bounds <= _ROUNDED)).all()))
        _hold("known", bool((found.known >= 0).all()))
        _hold("batches", bool((np.diff(found.batches) >= 0).all()))
        _hold("left", bool((found.left >= 0).all()))
        _hold("pilot", self.pilot <= len(found) and self.repeats <= draws)
        _hold("are_coins", not self.are_coins or bool(np.isin(found.weights / found.bounds, (0, 1)).all()))
        for name in ("texts", "listed"):
            places = getattr(found, name)
            _hold(name, bool(((places >= -1) & (places < draws)).all()))
        return found


@dataclass(frozen=True, slots=True)
class _Draw:
    """A draw, and the allowed masses z after its prefixes, if they are known."""

    text: str
    token_ids: tuple[int, ...]
    logprob: float
    log_weight: float
    weight: float
    """The normalised weight, for readers; it follows from the log weights."""
    masses: tuple[float, ...] | None = None


def _listed(value: Any) -> Any:
    return tuple(value.tolist()) if isinstance(value, np.ndarray) else value


def lines_of(samples: Draws[Any]) -> Iterator[dict[str, Any]]:
    """Yield the object of each draw."""
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
        yield said


def write_samples(samples: Draws[Any], path: Path) -> None:
    """Write draws to a file atomically. Raises OSError."""
    shared: dict[str, Any] = {one: getattr(samples, one) for one in _SHARED}
    shared["log_z_of_clouds"] = tuple(samples.log_z_of_clouds.tolist())
    shared["ranges"] = dict(samples.ranges)
    shared["attempts"] = _Tried.of(samples.attempts)
    run = _Run(format=_FORMAT, draws=len(samples.texts), **shared)
    with writing(path) as file:
        file.write(_line(_for_json(asdict(run))))
        for said in lines_of(samples):
            file.write(_line(said))


def read_samples(path: Path) -> dict[str, Any]:
    """Return the fields of `Samples`. The values are those of the JSON texts, or the texts.

    Raises StructgenError, which names the line, if the file is damaged or not ours; OSError.
    """
    head, *lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
    with _naming(f"{path}, line 1"):
        said = json.loads(head)
        if isinstance(said, dict) and said.get("format") != _FORMAT:
            raise ValueError(
                f"its format is {said.get('format')!r}, and this version reads {_FORMAT!r}; earlier ones do "
                "not say what was tried, without which there is no interval"
            )
        run = _made(_Run, said, "it")
        tried = None if run.attempts is None else run.attempts.attempts(run.draws)
        _hold("bracket", 0 <= run.bracket[0] <= run.bracket[1] * _ROUNDED > 0)
        _hold("ranges", all(low < high and math.isfinite(high - low) for low, high in run.ranges.values()))
    if len(lines) != run.draws:
        raise StructgenError(
            f"The first line says that {run.draws:,} draws follow, and {len(lines):,} lines do.",
            where=f"{path}, line {min(len(lines), run.draws) + 2}",
            cure="Take a file as to_jsonl or --out wrote it.",
        )
    draws, values = [], []
    for at, line in enumerate(lines):
        with _naming(f"{path}, line {at + 2}"):
            draw = _made(_Draw, json.loads(line), "it")
            _check(draw)
            draws.append(draw)
            values.append(json.loads(draw.text) if run.is_json else draw.text)
    return {
        **{name: getattr(run, name) for name in _SHARED},
        "texts": [draw.text for draw in draws],
        "values": values,
        "token_ids": [draw.token_ids for draw in draws],
        "logprobs": np.array([draw.logprob for draw in draws], np.float64),
        "log_weights": np.array([draw.log_weight for draw in draws], np.float64),
        "log_z_of_clouds": np.array(run.log_z_of_clouds, np.float64),
        "attempts": tried,
        "masses": [draw.masses for draw in draws],
    }


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


def _check(draw: _Draw) -> None:
    """Raise ValueError for numbers that no draw has."""
    _hold("logprob", math.isfinite(draw.logprob))
    _hold("log_weight", math.isfinite(draw.log_weight))
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

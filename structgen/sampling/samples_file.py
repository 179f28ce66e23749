"""Draws in a file of JSON lines: the first line describes the run, each other line is a draw.

The first line is an object: the version of the format, the method, log Z with its interval, the bracket, the
statistics, the parameters (model, temperature, ...), and the number of draws. A draw has its text, token ids,
log-probability, log weight and normalised weight; the allowed masses z if they are known; and its
`error_parts`, from which standard errors of means can be computed.

The error parts are batch means. `Samples.contributions` splits a weighted mean into uncorrelated parts, one
for each attempt or run of particles. Here they are summed into at most 50 batches, which are uncorrelated
too, so that their squares estimate the same variance. The file has one number for each draw and each batch in
which it has a share.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

import numpy as np

from structgen.errors import StructgenError
from structgen.sampling.estimates import Draws, Statistics
from structgen.sampling.target import Floats
from structgen.system.cache import writing

_FORMAT: Final = "structgen samples 1"
_BATCHES: Final = 50
"""Uncorrelated parts of a mean in a file. With 50 parts the variance is known to about a fifth."""
_BLOCK: Final = 256


def lines_of(samples: Draws) -> Iterator[dict[str, Any]]:
    """Yield the object of each draw, without its error parts."""
    weights = samples.weights
    for at in range(len(samples.texts)):
        yield _line_of(samples, weights, at)


def _line_of(samples: Draws, weights: Floats, at: int) -> dict[str, Any]:
    said: dict[str, Any] = {
        "text": samples.texts[at],
        "token_ids": list(samples.token_ids[at]),
        "logprob": float(samples.logprobs[at]),
        "log_weight": float(samples.log_weights[at]),
        "weight": float(weights[at]),
    }
    masses = samples.masses[at] if samples.masses else None
    if masses is not None:
        said["masses"] = [float(f"{mass:.9g}") for mass in masses]
    return said


def write_samples(samples: Draws, path: Path) -> None:
    """Write draws to a file atomically. Raises OSError."""
    parts = error_parts(samples)
    interval = samples.log_z_interval
    header = {
        "format": _FORMAT,
        "method": samples.method,
        "draws": len(samples.texts),
        "is_exact": samples.is_exact,
        "is_biased": samples.is_biased,
        "is_json": samples.is_json,
        "log_z": _written(samples.log_z),
        "log_z_interval": None if interval is None else [_written(end) for end in interval],
        "bracket": [_written(end) for end in samples.bracket],
        "log_z_of_clouds": [_written(one) for one in samples.log_z_of_clouds],
        "statistics": asdict(samples.statistics),
        "worth": _written(samples.worth),
        "target": samples.target,
        "error_parts": len(parts),
        "about": dict(samples.about),
        "pieces": {str(token): piece for token, piece in sorted(samples.pieces.items())},
    }
    with writing(path) as file:
        file.write(_line(header))
        for at, said in enumerate(lines_of(samples)):
            shares = {str(i): float(parts[i, at]) for i in np.flatnonzero(parts[:, at])}
            file.write(_line({**said, "error_parts": shares}))


def error_parts(samples: Draws) -> Floats:
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


class SamplesContents(NamedTuple):
    """The contents of a file of draws."""

    fields: dict[str, Any]
    """The fields of `samples.Samples`."""
    worth: float
    """`Samples.worth` as the run computed it."""


def read_samples(path: Path) -> SamplesContents:
    """Return the draws of a file; the values are those of the JSON texts, or the texts.

    Raises StructgenError, which names the line, if the file is damaged or not ours; OSError.
    """
    lines = path.read_bytes().split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    header = _Line(path, 1, lines[0] if lines else b"")
    if header.said.get("format") != _FORMAT:
        header.refuse(
            f"it is of the format {header.said.get('format')!r}, and this version reads {_FORMAT!r}"
        )
    count = header.whole("draws")
    if len(lines) != count + 1:
        raise StructgenError(
            f"The first line says that {count:,} draws follow, and {len(lines) - 1:,} lines do.",
            where=f"{path}, line {min(len(lines) + 1, count + 2)}",
            cure="Take a file as to_jsonl or --out wrote it.",
        )
    draws = [_Line(path, number, line) for number, line in enumerate(lines[1:], 2)]
    batches = header.whole("error_parts")
    is_json = header.flag("is_json")
    parts = np.zeros((batches, count))
    masses: list[tuple[float, ...] | None] = []
    for at, draw in enumerate(draws):
        for batch, value in draw.parts(batches).items():
            parts[batch, at] = value
        masses.append(draw.masses())
    bracket = header.interval("bracket")
    if bracket is None or math.isnan(bracket[0] + bracket[1]):
        header.refuse("'bracket' does not list 2 numbers")
    lower, upper = bracket
    clouds = header.logs("log_z_of_clouds")
    texts = [draw.text("text") for draw in draws]
    found: dict[str, Any] = {
        "method": header.text("method"),
        "texts": texts,
        "values": [draw.value(text) if is_json else text for draw, text in zip(draws, texts, strict=True)],
        "token_ids": [draw.tokens() for draw in draws],
        "logprobs": np.array([draw.number("logprob") for draw in draws], np.float64),
        "log_weights": np.array([draw.number("log_weight") for draw in draws], np.float64),
        "is_exact": header.flag("is_exact"),
        "is_biased": header.flag("is_biased"),
        "log_z": header.any_number("log_z"),
        "log_z_interval": header.interval("log_z_interval"),
        "bracket": (lower, upper),
        "log_z_of_clouds": np.array(clouds, np.float64),
        "statistics": header.statistics(),
        "contributions": lambda found: np.asarray(parts @ found, np.float64),
        "masses": masses,
        "is_json": is_json,
        "about": header.table("about"),
        "pieces": header.pieces(),
        "target": header.text("target"),
    }
    return SamplesContents(found, header.any_number("worth"))


def _written(value: float) -> float | str:
    """Return a number for JSON; NaN and infinity as text."""
    return value if math.isfinite(value) else str(value)


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


class _Line:
    """A line of a file, with methods that read its fields or refuse it."""

    def __init__(self, path: Path, number: int, line: bytes) -> None:
        self._path, self._number = path, number
        try:
            said = json.loads(line)
        except (ValueError, RecursionError) as error:
            self.refuse(f"it is not JSON: {error}")
        if not isinstance(said, dict):
            self.refuse("it is no object")
        self.said: dict[str, Any] = said

    def refuse(self, why: str) -> NoReturn:
        raise StructgenError(
            f"No draws can be read from it: {why}.",
            where=f"{self._path}, line {self._number}",
            cure="Take a file as to_jsonl or --out wrote it, or draw anew.",
        )

    def text(self, key: str) -> str:
        value = self.said.get(key)
        if not isinstance(value, str):
            self.refuse(f"{key!r} is no text")
        return value

    def flag(self, key: str) -> bool:
        value = self.said.get(key)
        if not isinstance(value, bool):
            self.refuse(f"{key!r} is neither true nor false")
        return value

    def whole(self, key: str) -> int:
        value = self.said.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self.refuse(f"{key!r} is no whole number, at least 0")
        return value

    def number(self, key: str) -> float:
        """Return a finite number."""
        return self._finite(key, self.said.get(key))

    def any_number(self, key: str) -> float:
        """Return a number that may be infinite, or NaN."""
        return self._number_of(key, self.said.get(key))

    def numbers(self, key: str, count: int) -> list[float]:
        value = self.said.get(key)
        if not isinstance(value, list) or len(value) != count:
            self.refuse(f"{key!r} does not list {count} numbers")
        return [self._finite(key, one) for one in value]

    def interval(self, key: str) -> tuple[float, float] | None:
        """Return two numbers that may be infinite, or None."""
        value = self.said.get(key)
        if value is None and key in self.said:
            return None
        if not isinstance(value, list) or len(value) != 2:
            self.refuse(f"{key!r} does not list 2 numbers")
        return self._number_of(key, value[0]), self._number_of(key, value[1])

    def table(self, key: str) -> dict[str, Any]:
        value = self.said.get(key)
        if not isinstance(value, dict):
            self.refuse(f"{key!r} is no object")
        return value

    def tokens(self) -> tuple[int, ...]:
        value = self.said.get("token_ids")
        if not isinstance(value, list) or not all(type(one) is int and one >= 0 for one in value):
            self.refuse("'token_ids' does not list whole numbers, at least 0")
        return tuple(value)

    def masses(self) -> tuple[float, ...] | None:
        if "masses" not in self.said:
            return None
        found = self.numbers("masses", len(self.tokens()) + 1)
        if not all(0 < one <= 1 + 1e-6 for one in found):
            self.refuse("'masses' are not from 0 to 1")
        return tuple(found)

    def parts(self, batches: int) -> dict[int, float]:
        found = {}
        for key, value in self.table("error_parts").items():
            if not (key.isdecimal() and int(key) < batches):
                self.refuse(f"'error_parts' has the key {key!r}, and there are {batches} parts")
            found[int(key)] = self._finite("error_parts", value)
        return found

    def pieces(self) -> dict[int, str]:
        found = {}
        for token, piece in self.table("pieces").items():
            if not (token.isdecimal() and isinstance(piece, str)):
                self.refuse("'pieces' holds something else than texts of tokens")
            found[int(token)] = piece
        return found

    def value(self, text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            self.refuse(f"'text' is not JSON: {error}")

    def statistics(self) -> Statistics:
        said = self.table("statistics")
        known = {one.name: one for one in fields(Statistics)}
        found = {}
        for name, one in known.items():
            if name not in said:
                if one.default is MISSING:
                    self.refuse(f"'statistics' has no {name!r}")
                continue
            value = said[name]
            if isinstance(value, str) is not (name == "stopped") or isinstance(value, list | dict | bool):
                self.refuse(f"'statistics' has {name!r} = {value!r}")
            found[name] = value
        return Statistics(**found)

    def logs(self, key: str) -> list[float]:
        """Return a list of numbers that may not be there, in files of earlier versions."""
        found = self.said.get(key, [])
        if not isinstance(found, list):
            self.refuse(f"{key!r} is no list")
        return [self._number_of(key, one) for one in found]

    def _number_of(self, key: str, value: object) -> float:
        if isinstance(value, str) and value in ("nan", "inf", "-inf"):
            return float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(f"{key!r} holds {value!r}, which is no number")
        try:
            return float(value)
        except OverflowError:
            return math.inf

    def _finite(self, key: str, value: object) -> float:
        found = self._number_of(key, value)
        if not math.isfinite(found):
            self.refuse(f"{key!r} is not finite")
        return found

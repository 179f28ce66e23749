"""Shares of the values of a field under the target, with intervals."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.base.errors import StructgenError
from structgen.base.language import checks
from structgen.decoding.samplers.draws import Draws
from structgen.decoding.samplers.target import Floats

ABSENT: Final = "(absent)"
"""The value of a field that a draw does not have."""


@dataclass(frozen=True, slots=True)
class Marginal:
    """One value of a field."""

    value: Any
    """The value (JSON text for objects and lists); "(absent)" if the field is missing."""
    share: float
    """The estimated probability of this value in a valid text."""
    low: float
    """The lower end of the interval of 95 %; equal to `share` if every valid text is known."""
    high: float
    draws: int
    """The number of draws with this value."""
    is_proven: bool = False
    """Whether the ends are proven bounds, as weighted draws do not tell their error."""

    @property
    def interval(self) -> tuple[float, float]:
        """The interval of 95 %."""
        return self.low, self.high


def marginals(samples: Draws[Any], field: str | Callable[[Any], Any], most: int = 10) -> list[Marginal]:
    """Return the likeliest values of a field; see `Samples.marginals`."""
    most = checks.whole("most", most, 1)
    if not samples.values:
        raise StructgenError(
            "There is no draw to take shares of.", where="marginals", cure="Give a larger budget."
        )
    if isinstance(field, str):
        path = _parsed(field)
        found = [values_at(value, path) for value in samples.values]
    else:
        found = [_named([field(value)]) for value in samples.values]
    places, weights = listed(found), samples.weights
    top = sorted(places.values(), key=lambda one: -float(weights[one[1]].sum()))[:most]
    return shares(samples, top)


def listed(found: list[dict[Any, Any]]) -> dict[Any, tuple[Any, list[int]]]:
    """Return all values with the draws that have them. `found`: for each draw its values, by `_name`."""
    places: dict[Any, tuple[Any, list[int]]] = {}
    for at, names in enumerate(found):
        for name, value in names.items():
            places.setdefault(name, (value, []))[1].append(at)
    return places


def shares(samples: Draws[Any], places: list[tuple[Any, list[int]]]) -> list[Marginal]:
    """Return the share of each value, given the draws that have it. Cost: a standard error for each."""
    weights, masses = samples.weights, np.where(is_first(samples), np.exp(samples.logprobs), 0.0)
    marginals = []
    for value, draws in places:
        has = np.zeros(len(samples.texts))
        has[draws] = 1.0
        share = min(float(weights @ has), 1.0)
        low, high = _interval(samples, masses, has, share)
        marginals.append(Marginal(value, share, low, high, len(draws), not _has_error(samples)))
    return marginals


def _interval(samples: Draws[Any], masses: Floats, has: Floats, share: float) -> tuple[float, float]:
    """Return the interval of 95 % of a share, cut to the proven bounds; these alone, if the draws do not tell
    their error.

    `masses`: the probability of each draw under the model, 0 for repeated draws. All valid texts together
    have at most the mass `bracket[1]`, so the mass of the draws with the value proves a lower bound on its
    share.
    """
    least = float(masses @ has) / samples.bracket[1]
    most = 1 - float(masses @ (1 - has)) / samples.bracket[1]
    if not _has_error(samples):
        return min(max(least, 0.0), share), max(min(most, 1.0), share)
    low, high = samples.interval_of(share, has)
    return min(max(low, least, 0.0), share), max(min(high, most, 1.0), share)


def _has_error(samples: Draws[Any]) -> bool:
    """Return whether the draws tell the error of a share; for biased ones, that of the law they are from."""
    return samples.is_biased or samples.is_exact or samples.knows_error


def is_first(samples: Draws[Any]) -> npt.NDArray[np.bool_]:
    """Return bool [n]: whether no earlier draw has the same tokens."""
    first = {tokens: at for at, tokens in reversed(list(enumerate(samples.token_ids)))}
    return np.array([first[tokens] == at for at, tokens in enumerate(samples.token_ids)], np.bool_)


_ITEM: Final = "[]"
"""A step of a path to any item of a list."""
_LENGTH: Final = "length"
"""A step to the number of items of a list."""
Path: TypeAlias = "tuple[str, ...]"
"""A path into a JSON value: keys, and steps into lists; () is the whole value."""


def shown(path: Path) -> str:
    """Return a path as text, the format of `Samples.marginals`."""
    text = ""
    for step in path:
        text += step if step == _ITEM or not text else f".{step}"
    return text


def paths_of(values: list[Any]) -> list[Path]:
    """Return the paths of all fields that hold a value, in order of first appearance."""
    found: dict[Path, None] = {}
    for value in values:
        for path in _paths(value, ()):
            found.setdefault(path)
    return list(found)


def _paths(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        yield (*path, _LENGTH)
        for inner in value:
            yield from _paths(inner, (*path, _ITEM))
    else:
        yield path


def values_at(value: Any, path: Path) -> dict[Any, Any]:
    """Return the values of a draw at a path, by `_name`: several for a path through lists."""
    found = [value]
    for step in path:
        found = [inner for one in found for inner in _inner(one, step)]
    return _named(found if _ITEM in path else found[:1] or [ABSENT])


def _parsed(text: str) -> Path:
    """Return the path that a text names."""
    return tuple(filter(None, text.replace(_ITEM, f".{_ITEM}").split(".")))


def _inner(value: Any, step: str) -> list[Any]:
    if isinstance(value, list | tuple | set | frozenset) and not hasattr(value, "_fields"):
        return list(value) if step == _ITEM else [len(value)] if step == _LENGTH else []
    if isinstance(value, Mapping):
        return [value[step]] if step in value else []
    return [getattr(value, step)] if hasattr(value, step) else []


def _named(found: list[Any]) -> dict[Any, Any]:
    return {_name(one): _plain(one) for one in found}


def _plain(value: Any) -> Any:
    return value if not isinstance(value, list | dict) else json.dumps(value, ensure_ascii=False)


def _name(value: Any) -> Any:
    """Return a key that distinguishes values: 1, 1.0 and True are three."""
    plain = _plain(value)
    try:
        hash(plain)
    except TypeError:
        plain = repr(plain)
    return type(plain), plain

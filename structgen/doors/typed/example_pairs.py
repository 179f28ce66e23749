"""Pairs of a call's arguments and the value that it should have: worked examples, and what is scored.

What comes in: a list of pairs, or a file of lines of JSON. What goes out: `Pairs`, whose values nothing has
checked yet. Errors: OptionError, which names the pair. Cost: linear.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from structgen.base.errors import GrammarError, OptionError
from structgen.base.language.checks import shown
from structgen.base.system.text_files import read_text

MOST_PAIRS: Final = 100_000
"""Pairs that are taken at a time."""
MOST_BYTES: Final = 64 << 20
"""Bytes of a file of pairs."""
MOST_TOLD: Final = 8
"""Examples that a prompt has, unless fewer are asked for."""
_CURE: Final = (
    "Give pairs (arguments, value), such as [(text, Person(...)), ...], or the Path of a file of them."
)
_LINE: Final = (
    'Write {"arguments": {...} or [...], "value": ...} or {"prompt": ..., "value": ...} in each line.'
)


class Pair(NamedTuple):
    """One pair."""

    arguments: tuple[Any, ...]
    """Of a call by position; of `sg.run` the prompt alone."""
    named: Mapping[str, Any]
    value: Any
    where: str
    """Its place, for errors: `examples[3]`, `pairs.jsonl:4`."""


class Pairs(tuple[Pair, ...]):
    """Pairs, checked as such."""

    most: int = MOST_TOLD
    """How many a prompt has: those most like the question, where there are more."""

    def narrowed(self, most: int) -> Pairs:
        """Return the pairs, of which a prompt has fewer."""
        found = Pairs(self)
        found.most = most
        return found


NO_PAIRS: Final = Pairs()


def read_pairs(given: Any, where: str = "examples") -> Pairs:
    """Return the pairs of an option; none for None. `where`: its name.

    Arguments are what `.batch` takes for a call: one argument, a tuple, or a dict of named ones. In a file
    they are `prompt`, the one argument; or `arguments`, an object of named ones or an array.
    """
    if isinstance(given, Pairs):
        return given
    if isinstance(given, Path):
        return _in_file(given)
    if given is None:
        return NO_PAIRS
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise OptionError(f"A {type(given).__name__} is no list of pairs.", where=where, cure=_CURE)
    found = []
    for at, one in enumerate(islice(given, MOST_PAIRS + 1)):
        if not isinstance(one, tuple | list) or len(one) != 2:
            raise OptionError(f"{shown(one)} is no pair.", where=f"{where}[{at}]", cure=_CURE)
        arguments, named = call_of(one[0])
        found.append(Pair(arguments, named, one[1], f"{where}[{at}]"))
    return _bounded(found, where)


def check_calls(pairs: Pairs, signature: inspect.Signature) -> None:
    """Raise OptionError for a pair whose arguments a function does not take."""
    for pair in pairs:
        try:
            signature.bind(*pair.arguments, **pair.named)
        except TypeError as error:
            what = f"These are no arguments of the function: {error}."
            raise OptionError(what, where=pair.where, cure=f"Give those of {signature}.") from error


def call_of(one: Any) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """Return the arguments of a call, and those with names: of a dict, a tuple, or the one argument."""
    if isinstance(one, dict):
        return (), one
    return one if isinstance(one, tuple) else (one,), {}


def _in_file(path: Path) -> Pairs:
    """Return the pairs of a file. Errors: OptionError with the line; for a file that cannot be read too."""
    try:
        if path.stat().st_size > MOST_BYTES:
            what = f"The file has more than {MOST_BYTES:,} bytes."
            raise OptionError(what, where=str(path), cure="Take fewer pairs.")
        lines = read_text(path).split("\n")
    except (OSError, GrammarError) as error:
        what = str(getattr(error, "what", error))
        raise OptionError(
            f"{what.rstrip('.')}.", where=str(path), cure="Give a file of lines of JSON."
        ) from error
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            where = f"{path}:{number}"
            found.append(Pair(*_said(line, where), where))
    return _bounded(found, str(path))


def _said(line: str, where: str) -> tuple[tuple[Any, ...], Mapping[str, Any], Any]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise OptionError(f"The line is not JSON: {error}.", where=where, cure=_LINE) from error
    match said:
        case {"arguments": list(arguments), "value": value, **rest} if not rest:
            return tuple(arguments), {}, value
        case {"arguments": dict(named), "value": value, **rest} if not rest:
            return (), named, value
        case {"prompt": prompt, "value": value, **rest} if not rest:
            return (prompt,), {}, value
    raise OptionError(f"{shown(said)} is no pair.", where=where, cure=_LINE)


def _bounded(found: list[Pair], where: str) -> Pairs:
    if len(found) > MOST_PAIRS:
        raise OptionError(f"There are more than {MOST_PAIRS:,} pairs.", where=where, cure="Take fewer pairs.")
    return Pairs(found)

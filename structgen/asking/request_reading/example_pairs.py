"""Reads pairs of a call's arguments and the value that the call should return: worked examples, and test
cases.

The input is some pairs, or a file with one JSON value in each line. The result is `Pairs`, whose values are
not checked yet. Errors: OptionError, which names the pair. Cost: linear.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from structgen.base.errors import GrammarError, OptionError
from structgen.base.language.checks import show_value
from structgen.base.system.text_files import read_text

Call: TypeAlias = tuple[tuple[Any, ...], Mapping[str, Any]]
"""The arguments of a call by position, and those with names."""
MOST_PAIRS: Final = 10_000
"""Pairs that are taken at a time."""
MOST_BYTES: Final = 64 << 20
"""Bytes of a file of pairs."""
MOST_TOLD: Final = 8
"""Examples that a prompt has, unless fewer are asked for."""
_CURE: Final = (
    "Pass pairs (arguments, value), such as [(text, Person(...)), ...], or the Path of a file "
    'whose lines are {"arguments": ..., "value": ...}.'
)


class Pair(NamedTuple):
    """One pair."""

    call: Call
    """Of `sg.run` the prompt alone."""
    value: Any
    where: str
    """Its place, for errors: `examples[3]`."""


class Pairs(tuple[Pair, ...]):
    """Pairs, and how many a prompt has: those most like the question, where there are more."""

    max_told: int = MOST_TOLD


NO_PAIRS: Final = Pairs()


def read_pairs(source: Any, where: str = "examples") -> Pairs:
    """Return the pairs of an option; none for None. `where`: its name.

    Arguments are what `.batch` takes for a call: one argument, a tuple, or a dict of named ones. A file has a
    pair in each line, as an object with `arguments` and `value`; blank lines are none.
    """
    if isinstance(source, Pairs):
        return source
    if source is None:
        return NO_PAIRS
    if isinstance(source, Path):
        source = _pairs_in_file(source, where)
    # a text is iterable too, and means a mistake
    if isinstance(source, str | bytes | Mapping) or not isinstance(source, Iterable):
        raise OptionError(f"{show_value(source)} is not a list of pairs.", where=where, cure=_CURE)
    pairs = []
    for index, pair in enumerate(islice(source, MOST_PAIRS + 1)):
        if not isinstance(pair, tuple | list) or len(pair) != 2 or index == MOST_PAIRS:
            fault = (
                f"{show_value(pair)} is not a pair."
                if index < MOST_PAIRS
                else f"There are more than {MOST_PAIRS:,} pairs."
            )
            raise OptionError(fault, where=f"{where}[{index}]", cure=_CURE)
        pairs.append(Pair(call_of(pair[0]), pair[1], f"{where}[{index}]"))
    return Pairs(pairs)


def _pairs_in_file(path: Path, where: str) -> Iterator[Any]:
    """Yield what the lines of a file say: pairs, and other values. Errors: OptionError for a file that cannot
    be read, or is too large."""
    try:
        # a file of gigabytes by mistake must not fill the memory
        if path.stat().st_size > MOST_BYTES:
            raise OptionError(f"{path} has over {MOST_BYTES:,} bytes.", where=where, cure="Pass fewer pairs.")
        for line in filter(str.strip, read_text(path).split("\n")):
            entry = json.loads(line)
            # another value is refused with its line, by whoever reads the pairs
            is_pair = isinstance(entry, dict) and entry.keys() == {"arguments", "value"}
            yield (entry["arguments"], entry["value"]) if is_pair else entry
    except (OSError, ValueError, RecursionError, GrammarError) as error:
        raise OptionError(f"{path} is not a file of JSON lines: {error}", where=where, cure=_CURE) from error


def check_calls(pairs: Pairs, signature: inspect.Signature) -> None:
    """Raise OptionError for a pair whose arguments a function does not take."""
    for pair in pairs:
        try:
            signature.bind(*pair.call[0], **pair.call[1])
        except TypeError as error:
            fault = f"These arguments do not fit the function: {error}."
            raise OptionError(fault, where=pair.where, cure=f"Pass those of {signature}.") from error


def call_of(arguments: Any) -> Call:
    """Return the arguments of a call, and those with names: of a dict, a tuple, or the one argument."""
    if isinstance(arguments, dict):
        return (), arguments
    return arguments if isinstance(arguments, tuple) else (arguments,), {}

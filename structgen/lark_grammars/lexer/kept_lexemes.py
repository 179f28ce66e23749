"""The states of a lexer as one array of bytes, for another process.

Compiled code reads arrays, and these are written as they are. Data that can be recomputed is left out: a
state's moves are made again on demand, in 2 us. Guards and look-behind states are JSON.
Instructions inside characters are numbered in order of first use, so they are written too.

The bytes are an array file (`native.array_file`), which has a checksum.
"""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.lexer.lexeme_items import Item, KeptItems, Slot
from structgen.lark_grammars.lexer.lexemes import LexemeStates
from structgen.lark_grammars.lexer.ordered_matching import (
    NO_LOOK_BEHIND,
    Guards,
    LookAheadGuard,
    LookBehindState,
    Thread,
)
from structgen.native.array_file import DamagedArrays, decode_arrays, encode_arrays

_KIND: Final = "lexemes-2"
_PLAIN: Final = ("singles", "behinds")
"""Fields of KeptItems that are no arrays."""
_THREAD, _SLOT = range(2)
_NOWHERE: Final = 0


def encode_lexemes(states: LexemeStates, *more: Any) -> npt.NDArray[np.uint8]:
    """Return all states, and all that their numbers depend on. `more`: JSON values that `decode_lexemes`
    returns."""
    kept = states.items.kept()
    arrays = {name: one for name, one in kept._asdict().items() if name not in _PLAIN}
    arrays["inner"] = np.array(states.program.inner, np.int32).reshape(-1, 2)
    starts = [(context, number) for (context, _behind), number in states.starts.items()]
    arrays["starts"] = np.array(starts, np.int32).reshape(-1, 2)
    singles, behinds = _guards(tuple(kept.singles)), list(map(_behind, kept.behinds))
    said = json.dumps([singles, behinds, list(more)], separators=(",", ":"))
    arrays["said"] = np.frombuffer(said.encode(), np.uint8)
    return np.frombuffer(b"".join(encode_arrays(_KIND, "", {}, arrays)), np.uint8)


def decode_lexemes(data: npt.NDArray[np.uint8], states: LexemeStates) -> list[Any]:
    """Load the states of `encode_lexemes` into an empty lexer, with the same numbers; return its `more`. For
    lexers that do not look behind a lexeme's beginning.

    Raises DamagedArrays if an array is missing. Cost: a
    millisecond for 1,000 states.
    """
    arrays = decode_arrays(data, _KIND, "").arrays
    try:
        inner, starts = arrays.pop("inner"), arrays.pop("starts")
        singles, behinds, more = json.loads(arrays.pop("said").tobytes())
        kept = KeptItems(
            singles=_from_guards(singles),
            behinds=list(map(_from_behind, behinds)),
            **arrays,
        )
    except (LookupError, TypeError, ValueError, AttributeError, AssertionError, RecursionError) as error:
        raise DamagedArrays from error
    for at, byte in inner.tolist():
        states.program.inside(at, byte)
    states.items.put(kept)
    states.starts = {(context, NO_LOOK_BEHIND): number for context, number in starts.tolist()}
    return list(more)


def _item(item: Item) -> Any:
    if isinstance(item, Slot):
        return [_SLOT, item.terminal, _guards(item.guards)] if item.guards else -2 - item.terminal
    return [_THREAD, item[0], _guards(item[1])] if item[1] else item[0]


def _guards(guards: Guards) -> list[Any]:
    return [[one.holds, one.accept, sorted(map(_item, one.threads), key=repr)] for one in guards]


def _behind(behind: LookBehindState) -> Any:
    if behind == NO_LOOK_BEHIND:
        return _NOWHERE
    return [behind.at_start, sorted(behind.threads), sorted(behind.holding), behind.left]


def _from_item(said: Any) -> Item:
    if isinstance(said, int):
        return (said, ()) if said >= 0 else Slot(-2 - said, ())
    kind, first, *rest = said
    if kind == _SLOT:
        return Slot(first, _from_guards(rest[0]))
    return first, _from_guards(rest[0])


def _from_threads(said: list[Any]) -> list[Thread]:
    found: list[Thread] = []
    for one in map(_from_item, said):
        assert not isinstance(one, Slot)
        found.append(one)
    return found


def _from_guards(said: list[Any]) -> Guards:
    return tuple(
        LookAheadGuard(holds, accept, frozenset(_from_threads(threads))) for holds, accept, threads in said
    )


def _from_behind(said: Any) -> LookBehindState:
    if said == _NOWHERE:
        return NO_LOOK_BEHIND
    at_start, threads, true, left = said
    return LookBehindState(at_start, frozenset(threads), frozenset(true), left)

"""The states of a lexer as one array of bytes, so that another process goes on from them.

What compiled code reads are arrays. What follows from others is left out: the moves of a state are made again
on demand, which takes 2 us. Guards, atomic groups and look-behind states are JSON. Instructions inside
characters are numbered in the order of their first use, so they are stored too.

    bytes 0-7     length of the header in bytes
    bytes 8-      header: [said, {name: [dtype, shape, offset]}], then the arrays, each at a multiple of 8
"""

from __future__ import annotations

import json
from math import prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.lexer.lexeme_items import Item, KeptItems, Slot
from structgen.lark_grammars.lexer.lexemes import LexemeStates
from structgen.lark_grammars.lexer.ordered_matching import (
    NO_LOOK_BEHIND,
    AtomicGroup,
    Guards,
    LookAheadGuard,
    LookBehindState,
    Thread,
)

_THREAD, _NEST, _SLOT = range(3)
_NOWHERE: Final = 0


def encode_lexemes(states: LexemeStates, *more: Any) -> npt.NDArray[np.uint8]:
    """Return all states, and what their numbers depend on. `more`: JSON values that `decode_lexemes`
    returns."""
    kept = states.items.kept()
    arrays = {name: one for name, one in kept._asdict().items() if isinstance(one, np.ndarray)}
    arrays["inner"] = np.array(states.program.inner, np.int32).reshape(-1, 2)
    starts = [(context, number) for (context, _behind), number in states.starts.items()]
    arrays["starts"] = np.array(starts, np.int32).reshape(-1, 2)
    singles, nests = _guards(tuple(kept.singles)), list(map(_item, kept.nests))
    said = [singles, nests, list(map(_behind, kept.behinds)), list(more)]
    return _packed(said, arrays)


def decode_lexemes(kept: npt.NDArray[np.uint8], states: LexemeStates) -> list[Any]:
    """Give an empty lexer the states of `encode_lexemes` under the same numbers; return its `more`. For
    lexers that do not look behind a lexeme's beginning. Cost: a millisecond for 1,000 states."""
    said, arrays = _unpacked(kept)
    singles, nests, behinds, more = said
    for at, byte in arrays.pop("inner").tolist():
        states.program.inside(at, byte)
    starts = arrays.pop("starts").tolist()
    states.items.put(
        KeptItems(
            singles=_from_guards(singles),
            nests=[one for one in map(_from_item, nests) if isinstance(one, AtomicGroup)],
            behinds=list(map(_from_behind, behinds)),
            **arrays,
        )
    )
    states.starts = {(context, NO_LOOK_BEHIND): number for context, number in starts}
    return list(more)


def _packed(said: list[Any], arrays: dict[str, npt.NDArray[Any]]) -> npt.NDArray[np.uint8]:
    places, size = {}, 0
    for name, array in arrays.items():
        places[name] = array.dtype.str, array.shape, size
        size += _aligned(array.nbytes)
    header = json.dumps([said, places], separators=(",", ":")).encode()
    begin = _aligned(8 + len(header))
    found = np.zeros(begin + size, np.uint8)
    found[:8] = np.frombuffer(len(header).to_bytes(8, "little"), np.uint8)
    found[8 : 8 + len(header)] = np.frombuffer(header, np.uint8)
    for array, (_dtype, _shape, offset) in zip(arrays.values(), places.values(), strict=True):
        at = begin + offset
        found[at : at + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return found


def _unpacked(kept: npt.NDArray[np.uint8]) -> tuple[list[Any], dict[str, npt.NDArray[Any]]]:
    """Return the header and the arrays, which are views."""
    length = int.from_bytes(kept[:8].tobytes(), "little")
    said, places = json.loads(kept[8 : 8 + length].tobytes())
    begin, arrays = _aligned(8 + length), {}
    for name, (dtype, shape, offset) in places.items():
        kind, at = np.dtype(dtype), begin + offset
        arrays[name] = kept[at : at + kind.itemsize * prod(shape)].view(kind).reshape(shape)
    return said, arrays


def _aligned(size: int) -> int:
    return -(-size // 8) * 8


def _item(item: Item) -> Any:
    if isinstance(item, Slot):
        return [_SLOT, item.terminal, _guards(item.guards)] if item.guards else -2 - item.terminal
    if isinstance(item, AtomicGroup):
        return [_NEST, [_item(one) for one in item.threads], item.leave, _guards(item.guards)]
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
    if kind == _NEST:
        return AtomicGroup(tuple(_from_threads(first)), rest[0], _from_guards(rest[1]))
    return first, _from_guards(rest[0])


def _from_threads(said: list[Any]) -> list[Thread | AtomicGroup]:
    found: list[Thread | AtomicGroup] = []
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

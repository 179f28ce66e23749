"""The states of lexemes as plain values (JSON), and made states again: another process goes on from them.

A thread without guards is its instruction, a slot without guards -2 - its terminal; all else is a list that
begins with its kind. Instructions inside characters are numbered as they are met, so they are kept too. The
numbers of states and their moves are arrays, as texts.
"""

from __future__ import annotations

import zlib
from base64 import b85decode, b85encode
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structgen.parsing.lexeme_items import Item, Slot
from structgen.parsing.lexemes import LexemeStates
from structgen.parsing.ordered import NOWHERE, Behind, Guard, Guards, Nest, Thread

_THREAD, _NEST, _SLOT = range(3)
_NOWHERE: Final = 0


def plain(states: LexemeStates) -> list[Any]:
    """Return all states, and what their numbers depend on."""
    items, arrays = states.items.kept()
    behinds = [_behind(one) for one in states.items.behinds]
    starts = [[context, number] for (context, _behind), number in states.starts.items()]
    return [states.program.inner, list(map(_item, items)), behinds, starts, list(map(_text, arrays))]


def restore(kept: list[Any], states: LexemeStates) -> None:
    """Give states that are still empty those that were kept, under the same numbers. For lexers that do not
    ask what was before a lexeme. Cost: some ms for 1,000 states."""
    inner, items, behinds, starts, arrays = kept
    for at, byte in inner:
        states.program.inside(at, byte)
    states.items.put(map(_from_item, items), map(_from_behind, behinds), list(map(_array, arrays)))
    states.starts = {(context, NOWHERE): number for context, number in starts}


def _text(array: npt.NDArray[np.int32]) -> str:
    return b85encode(zlib.compress(array.tobytes(), 1)).decode()


def _array(text: str) -> npt.NDArray[np.int32]:
    return np.frombuffer(zlib.decompress(b85decode(text)), np.int32)


def _item(item: Item) -> Any:
    if isinstance(item, Slot):
        return [_SLOT, item.terminal, _guards(item.guards)] if item.guards else -2 - item.terminal
    if isinstance(item, Nest):
        return [_NEST, [_item(one) for one in item.threads], item.leave, _guards(item.guards)]
    return [_THREAD, item[0], _guards(item[1])] if item[1] else item[0]


def _guards(guards: Guards) -> list[Any]:
    return [[one.holds, one.accept, sorted(map(_item, one.threads), key=repr)] for one in guards]


def _behind(behind: Behind) -> Any:
    if behind == NOWHERE:
        return _NOWHERE
    return [behind.at_start, sorted(behind.threads), sorted(behind.true), behind.left]


def _from_item(said: Any) -> Item:
    if isinstance(said, int):
        return (said, ()) if said >= 0 else Slot(-2 - said, ())
    kind, first, *rest = said
    if kind == _SLOT:
        return Slot(first, _from_guards(rest[0]))
    if kind == _NEST:
        return Nest(tuple(_from_threads(first)), rest[0], _from_guards(rest[1]))
    return first, _from_guards(rest[0])


def _from_threads(said: list[Any]) -> list[Thread | Nest]:
    found: list[Thread | Nest] = []
    for one in map(_from_item, said):
        assert not isinstance(one, Slot)
        found.append(one)
    return found


def _from_guards(said: list[Any]) -> Guards:
    return tuple(Guard(holds, accept, frozenset(_from_threads(threads))) for holds, accept, threads in said)


def _from_behind(said: Any) -> Behind:
    if said == _NOWHERE:
        return NOWHERE
    at_start, threads, true, left = said
    return Behind(at_start, frozenset(threads), frozenset(true), left)

"""The states of lexemes as plain values (JSON), and made states again: another process goes on from them.

A thread without guards is its instruction, a slot without guards -2 - its terminal; all else is a list that
begins with its kind. Instructions inside characters are numbered as they are met, so they are kept too.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Final

from structgen.parsing.lexemes import Item, LexemeState, LexemeStates, Move, Slot
from structgen.parsing.ordered import NOWHERE, Behind, Guard, Guards, Nest, Thread

_THREAD, _NEST, _SLOT = range(3)
_NOWHERE: Final = 0
_FIRST: Final = 0x30
"""The character that stands for a row's first move."""


def plain(states: LexemeStates) -> list[Any]:
    """Return all states, and what their numbers depend on."""
    return [
        states.program.inner,
        [
            [[_item(one) for one in state.items], _behind(state.behind), sorted(state.tracked), state.unless]
            for state in states.states
        ],
        [[context, number] for (context, _behind), number in states.starts.items()],
        # most rows are never asked for again: each is a text, which is read when it is
        [[state, json.dumps(_row(row), separators=(",", ":"))] for state, row in states.rows.items()],
    ]


def restore(kept: list[Any], states: LexemeStates) -> None:
    """Give states that are still empty those that were kept, under the same numbers. For lexers that do not
    ask what was before a lexeme."""
    inner, listed, starts, rows = kept
    for at, byte in inner:
        states.program.inside(at, byte)
    states.put(
        [
            LexemeState(
                tuple(_from_item(one) for one in items), _from_behind(behind), frozenset(tracked), unless
            )
            for items, behind, tracked, unless in listed
        ],
        {(context, NOWHERE): number for context, number in starts},
        {state: partial(_from_row, row) for state, row in rows},
    )


def _row(row: list[Move]) -> tuple[list[list[int]], str]:
    """Return the moves of a row, each once, and which it is for each class, as characters."""
    numbers = {move: number for number, move in enumerate(dict.fromkeys(row))}
    moves = [[move.after, *move.sources] for move in numbers]
    return moves, "".join(chr(_FIRST + numbers[move]) for move in row)


def _from_row(row: str) -> list[Move]:
    moves, which = json.loads(row)
    made = [Move(after, tuple(sources)) for after, *sources in moves]
    return [made[ord(one) - _FIRST] for one in which]


def _item(item: Item) -> Any:
    if isinstance(item, Slot):
        return [_SLOT, item.terminal, _guards(item.guards)] if item.guards else -2 - item.terminal
    if isinstance(item, Nest):
        return [_NEST, [_item(one) for one in item.threads], item.leave, _guards(item.guards)]
    return [_THREAD, item[0], _guards(item[1])] if item[1] else item[0]


def _guards(guards: Guards) -> list[Any]:
    return [[one.holds, one.accept, sorted(map(_item, one.threads), key=repr)] for one in guards]


def _behind(behind: Behind) -> Any:
    if behind is NOWHERE:
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

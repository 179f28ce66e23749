"""The states of a lexer as one array of bytes, for another process.

Compiled code reads arrays, and these are written as they are. Data that can be recomputed is left out: a
state's moves are made again on demand, in 2 us. Guards, atomic groups and look-behind states are JSON.
Instructions inside characters are numbered in order of first use, so they are written too.

The bytes are an array file (`native.array_file`). Every number that compiled code follows is checked before
use.
"""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.lexer import lexeme_rows as R
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
from structgen.native.array_file import DamagedArrays, decode_arrays, encode_arrays
from structgen.tokens.array_checks import are_in, are_offsets, are_shaped

_KIND: Final = "lexemes-1"
_PLAIN: Final = ("singles", "nests", "behinds")
"""Fields of KeptItems that are no arrays."""
_THREAD, _NEST, _SLOT = range(3)
_NOWHERE: Final = 0


def encode_lexemes(states: LexemeStates, *more: Any) -> npt.NDArray[np.uint8]:
    """Return all states, and all that their numbers depend on. `more`: JSON values that `decode_lexemes`
    returns."""
    kept = states.items.kept()
    arrays = {name: one for name, one in kept._asdict().items() if name not in _PLAIN}
    arrays["inner"] = np.array(states.program.inner, np.int32).reshape(-1, 2)
    starts = [(context, number) for (context, _behind), number in states.starts.items()]
    arrays["starts"] = np.array(starts, np.int32).reshape(-1, 2)
    singles, nests = _guards(tuple(kept.singles)), list(map(_item, kept.nests))
    said = json.dumps([singles, nests, list(map(_behind, kept.behinds)), list(more)], separators=(",", ":"))
    arrays["said"] = np.frombuffer(said.encode(), np.uint8)
    return np.frombuffer(b"".join(encode_arrays(_KIND, "", {}, arrays)), np.uint8)


def decode_lexemes(data: npt.NDArray[np.uint8], states: LexemeStates) -> list[Any]:
    """Load the states of `encode_lexemes` into an empty lexer, with the same numbers; return its `more`. For
    lexers that do not look behind a lexeme's beginning.

    Raises DamagedArrays if the bytes do not hold states of this lexer; it may then have some of them. Cost: a
    millisecond for 1,000 states.
    """
    arrays = decode_arrays(data, _KIND, "").arrays
    try:
        inner, starts = arrays.pop("inner"), arrays.pop("starts")
        singles, nests, behinds, more = json.loads(arrays.pop("said").tobytes())
        kept = KeptItems(
            singles=_from_guards(singles),
            nests=[one for one in map(_from_item, nests) if isinstance(one, AtomicGroup)],
            behinds=list(map(_from_behind, behinds)),
            **arrays,
        )
    except (LookupError, TypeError, ValueError, AttributeError, AssertionError, RecursionError) as error:
        raise DamagedArrays from error
    pairs = [("<i4", (len(inner), 2)), ("<i4", (len(starts), 2))]
    if not are_shaped((inner, starts), pairs) or not _is_valid(kept, states):
        raise DamagedArrays
    contexts, known = len(states.tables.contexts), len(kept.state_begins) - 1
    if not are_in(starts[:, 0], 0, contexts) or not are_in(starts[:, 1], 0, known):
        raise DamagedArrays
    try:
        for at, byte in inner.tolist():
            states.program.inside(at, byte)
        states.items.put(kept)
    except (LookupError, TypeError, ValueError) as error:
        raise DamagedArrays from error
    states.starts = {(context, NO_LOOK_BEHIND): number for context, number in starts.tolist()}
    return list(more)


def _is_valid(kept: KeptItems, states: LexemeStates) -> bool:
    """Return whether all numbers that compiled code follows are in range. Cost: 0.1 ms, and 5 ns a number."""
    fields = (
        R.LexerTables.width,
        R.LexerTables.unless_count,
        R.LexerTables.terminals,
        R.LexerTables.match_words,
    )
    width, contexts, terminals, bits = (int(states.items.words[field]) for field in fields)
    items, rows, asking = len(kept.items), len(kept.row_parts), len(kept.variants)
    pools = {
        "guard_begins": "guard_pool",
        "row_begins": "row_pool",
        "state_begins": "state_pool",
        "tracked_begins": "tracked_pool",
    }
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {
        "items": ("<i4", (items, R.I_WORDS)),
        "at": ("<i4", (items,)),
        "reach": ("<i8", (items, bits)),
        "names": ("|u1", (items, contexts)),
        "parts": ("|u1", (len(kept.parts), width)),
        "row_parts": ("<i4", (rows,)),
        "variants": ("<i4", (asking, kept.variants.shape[-1])),
    }
    shapes |= {name: ("<i4", (len(getattr(kept, name)),)) for name in ("lists", *pools, *pools.values())}
    if not are_shaped([getattr(kept, name) for name in shapes], shapes.values()):
        return False
    if not all(are_offsets(getattr(kept, begins), len(getattr(kept, of))) for begins, of in pools.items()):
        return False
    spare = 64 * bits - 2 * terminals  # unused bits in the last word of REACH
    if spare and (kept.reach[:, -1].view(np.uint64) >> np.uint64(64 - spare)).any():
        return False
    begun = _lists_begun(kept.lists, items)
    if begun is None or len(kept.row_begins) != rows + 1 or not are_in(kept.row_parts, 0, len(kept.parts)):
        return False
    if (kept.parts[kept.row_parts] >= np.diff(kept.row_begins)[:, None]).any():
        return False
    slots = kept.items[kept.items[:, R.I_KIND] == R.SLOT]
    ranges = (
        (kept.items[:, R.I_KIND], 0, 4),
        (kept.items[:, R.I_GUARDS], 0, len(kept.guard_begins) - 1),
        (kept.items[:, R.I_MATCH], -1, 2 * terminals),
        (slots[:, R.I_MATCH], -1, terminals),
        (kept.items[:, R.I_ASKS], -1, asking),
        (kept.items[:, R.I_BARE], 0, items),
        (kept.items[:, R.I_ROW], R.NONE, rows),
        (kept.guard_pool, 0, len(kept.singles)),
        (kept.row_pool, 0, len(begun)),
        (kept.variants, R.NONE, rows),
        (kept.tracked_pool, 0, items),
    )
    if not all(are_in(array, low, end) for array, low, end in ranges) or not begun[kept.row_pool].all():
        return False
    return _are_states(kept, contexts)


def _lists_begun(lists: npt.NDArray[Any], items: int) -> npt.NDArray[np.bool_] | None:
    """Return for each word whether a list of items begins there; None if a list has an invalid item."""
    begun = np.zeros(len(lists), np.bool_)
    words, at = lists.tolist(), 0
    while at < len(words):
        begun[at] = True
        if words[at] < 0 or at + 1 + words[at] > len(words):
            return None
        at += 1 + words[at]
    return begun if are_in(lists[~begun], 0, items) else None


def _are_states(kept: KeptItems, contexts: int) -> bool:
    """Return whether the lists of states have valid numbers: look-behind state, tracked threads, a context
    and items."""
    begins = kept.state_begins[:-1]
    if (np.diff(kept.state_begins) < R.S_ITEMS).any():
        return False
    heads = {
        R.S_LOOK_BEHIND: len(kept.behinds),
        R.S_TRACKED: len(kept.tracked_begins) - 1,
        R.S_UNLESS: contexts,
    }
    rest = np.ones(len(kept.state_pool), np.bool_)
    for word, end in heads.items():
        rest[begins + word] = False
        if not are_in(kept.state_pool[begins + word], 0, end):
            return False
    return are_in(kept.state_pool[rest], 0, len(kept.items))


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

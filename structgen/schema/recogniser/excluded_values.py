"""Excluded values: which of them an object or an array may still equal, while it is written.

A value that must differ could be an obligation (this key has another value, or is absent, or another key is
there), but an item of an array with `uniqueItems` must differ from all before it, and the effects of one
member on twenty obligations are a million cases. So equality is decided in one pass: the excluded values that
agree with the written part are kept, and each member removes those that differ there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from structgen.schema.meaning.place import NEVER, PlaceTables
from structgen.schema.meaning.shape import Alternative, Differs, DiffersList, Obligation

Way = tuple[int, tuple[Obligation, ...]]
"""A demand on a value, and the unmet obligations after it."""


def parted(unmet: tuple[Obligation, ...]) -> tuple[tuple[Obligation, ...], Differs | DiffersList | None]:
    """Return the ordinary obligations, and the one that lists the excluded values."""
    for at, obligation in enumerate(unmet):
        if len(obligation) == 1 and isinstance(obligation[0], (Differs, DiffersList)):
            return (*unmet[:at], *unmet[at + 1 :]), obligation[0]
    return unmet, None


def member_ways(tables: PlaceTables, ways: list[Way], held: Differs, key: str | None) -> list[Way]:
    """Return the ways to take a member (key None: one that no value has) that also follow `held`.

    Of the ways that come of one, each value that was met keeps its own, and all others share the first.
    """
    after: dict[int, list[frozenset[tuple[str, int]]]] = {}
    if key is not None:
        for rest in held.rests:
            for name, literal in rest:
                if name == key:
                    after.setdefault(literal, []).append(rest - {(name, literal)})
    return _split(tables, ways, {literal: Differs(frozenset(rests)) for literal, rests in after.items()})


def item_ways(tables: PlaceTables, ways: list[Way], held: DiffersList) -> list[Way]:
    """Return the ways to take the next item that also follow `held`."""
    after: dict[int, list[tuple[int, ...]]] = {}
    for rest in held.rests:
        if rest:
            after.setdefault(rest[0], []).append(rest[1:])
    return _split(tables, ways, {literal: DiffersList(frozenset(rests)) for literal, rests in after.items()})


def _split(
    tables: PlaceTables, ways: list[Way], after: dict[int, Differs] | dict[int, DiffersList]
) -> list[Way]:
    if not after:
        return ways
    other = tables.constants.none_of(frozenset(after))
    found: list[Way] = []
    for demand, left in ways:
        for literal in (other, *sorted(after)):
            both = tables.both_judging(demand, (literal,))
            if both != NEVER and not tables.clash(tables.demands[both]):
                held = after.get(literal)
                found.append((both, left if held is None else (*left, (held,))))
    return found


def reachable(held: Differs, gone: Callable[[str], bool]) -> Differs | None:
    """Return the excluded values that can still be completed when the keys in `gone` may not come, or
    None."""
    rests = frozenset(rest for rest in held.rests if not any(gone(key) for key, _ in rest))
    return Differs(rests) if rests else None


def closes(alternative: Alternative) -> bool:
    """Return whether an object or array that closes now is none of its values."""
    if isinstance(alternative, Differs):
        return frozenset() not in alternative.rests
    return isinstance(alternative, DiffersList) and () not in alternative.rests


def values_of(rests: Collection[frozenset[tuple[str, int]]]) -> dict[str, set[int]]:
    """Return the literals that objects have under each of their keys."""
    found: dict[str, set[int]] = {}
    for rest in rests:
        for key, literal in rest:
            found.setdefault(key, set()).add(literal)
    return found

"""Excluded values: which of the values that an object or array must not equal are still possible while it is
written.

For example `{"not": {"const": {"a": 1}}}` excludes `{"a": 1}`. After `{"a":2` the object differs from it in
any case, and the exclusion is dropped.

An excluded value could be an obligation: this key has another value, or is absent, or another key is there.
But an item under `uniqueItems` must differ from all items before it. The effects of one member on twenty such
obligations are a million cases. So equality is decided in one pass: the excluded values that agree with the
written part are kept, and each member removes those that differ there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from structgen.schema.meaning.literals import Literal
from structgen.schema.meaning.place import PlaceTables
from structgen.schema.meaning.shape import Alternative, Differs, Obligation, ValueRest

Way = tuple[int, tuple[Obligation, ...]]
"""A way to take a member or an item: the demand on its value, and the unmet obligations after it."""
UnwrittenMembers = frozenset[tuple[str, Literal]]
"""The members of an excluded object that are not yet written, with the literals of their values."""


def split_exclusion(unmet: tuple[Obligation, ...]) -> tuple[tuple[Obligation, ...], Differs[Any] | None]:
    """Return the ordinary obligations, and the obligation that lists the excluded values (None: no such)."""
    # There is at most one: `Shapes` joins all excluded values.
    for index, obligation in enumerate(unmet):
        if len(obligation) == 1 and isinstance(obligation[0], Differs):
            ordinary = (*unmet[:index], *unmet[index + 1 :])
            return ordinary, obligation[0]
    return unmet, None


def member_ways(
    tables: PlaceTables,
    ways: list[Way],
    exclusion: Differs[UnwrittenMembers],
    key: str | None,
) -> list[Way]:
    """Return the ways to take a member that also follow `exclusion`.

    `ways` are the ways without it, for example `[(demand, ())]`. `key` is the member's; None: a key that no
    excluded value has. Each way is split: a way for each value that excluded objects have under the key, and
    before these one for all other values.
    """
    # For each value under the key the excluded objects that have it, without that member.
    after: dict[Literal, list[UnwrittenMembers]] = {}
    if key is not None:
        for rest in exclusion.rests:
            for name, literal in rest:
                if name == key:
                    after.setdefault(literal, []).append(rest - {(name, literal)})
    return _split_ways(tables, ways, after)


def item_ways(
    tables: PlaceTables,
    ways: list[Way],
    exclusion: Differs[tuple[Literal, ...]],
) -> list[Way]:
    """Return the ways to take the next item that also follow `exclusion`."""
    after: dict[Literal, list[tuple[Literal, ...]]] = {}
    for rest in exclusion.rests:
        # An excluded array without a next item is shorter: this array differs from it now.
        if rest:
            next_item, *later_items = rest
            after.setdefault(next_item, []).append(tuple(later_items))
    return _split_ways(tables, ways, after)


def _split_ways(
    tables: PlaceTables,
    ways: list[Way],
    after: dict[Literal, list[ValueRest]],
) -> list[Way]:
    """Return the ways split by the next value. `after` has the rests of the excluded values after each
    literal."""
    if not after:
        return ways
    none_literal = tables.constants.none_of(frozenset(after))
    split_ways: list[Way] = []
    for demand, unmet in ways:
        for literal in (none_literal, *sorted(after)):
            narrowed_demand = tables.add_judging_literals(demand, (literal,))
            if tables.is_hopeless(narrowed_demand):
                continue
            rests = after.get(literal)
            if rests is None:
                split_ways.append((narrowed_demand, unmet))
                continue
            # The value equals that of some excluded ones: later parts must differ from theirs.
            exclusion: tuple[Obligation, ...] = ((Differs(frozenset(rests)),),)
            split_ways.append((narrowed_demand, unmet + exclusion))
    return split_ways


def reachable_values(
    exclusion: Differs[UnwrittenMembers], gone: Callable[[str], bool]
) -> Differs[UnwrittenMembers] | None:
    """Return the excluded values that can still be completed where some keys may not come any more (`gone`
    says of a key whether), or None."""
    rests = frozenset(rest for rest in exclusion.rests if not any(gone(key) for key, _ in rest))
    return Differs(rests) if rests else None


def is_other_value(alternative: Alternative) -> bool:
    """Return whether an object or array that closes now is none of the excluded values."""
    # An empty rest is a value that is written in full: closing now would equal it.
    return isinstance(alternative, Differs) and all(alternative.rests)


def values_of(rests: Collection[UnwrittenMembers]) -> dict[str, set[Literal]]:
    """Return the literals that objects have under each of their keys."""
    values: dict[str, set[Literal]] = {}
    for rest in rests:
        for key, literal in rest:
            values.setdefault(key, set()).add(literal)
    return values

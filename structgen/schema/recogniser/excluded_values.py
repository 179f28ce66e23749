"""Excluded values: which of the values that an object or array must not equal are still possible while it is
written.

An *excluded value* is an object or array that the written one must not equal. The *rest* of an excluded value
is the part of it that has not been written yet; an *exclusion* (`Differs`) is the set of these rests. A *way*
is one combination of a demand on the next value and the *unmet* obligations after it. An *obligation* is a
set of alternatives, one of which must come true.

For example `{"not": {"const": {"a": 1}}}` excludes `{"a": 1}`, whose rest is first `{("a", 1)}`. A member
`"a":1` leaves the empty rest: the object must not close now. After `{"a":2` the object differs from the
excluded value in any case, and the exclusion is dropped.

Each excluded value could be an obligation of its own: this key has another value, or is absent, or another
key is there. But an item under `uniqueItems` must differ from all items before it. The effects of one member
on twenty such obligations are a million cases. So equality is decided in one pass. The excluded values that
agree with the written part are kept, and each member removes the excluded values that differ there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from structgen.schema.meaning.literals import Literal, Literals
from structgen.schema.meaning.place import PlaceTables
from structgen.schema.meaning.shape import Alternative, Differs, Obligation, ValueRest

Way = tuple[int, tuple[Obligation, ...]]
"""A way to take a member or an item: the demand on its value, and the unmet obligations after it."""
UnwrittenMembers = frozenset[tuple[str, Literal]]
"""The members of an excluded object that are not yet written, with the literals of their values."""


def split_exclusion(unmet: tuple[Obligation, ...]) -> tuple[tuple[Obligation, ...], Differs[Any] | None]:
    """Return the ordinary obligations of `unmet`, and the one that lists the excluded values, or None."""
    # At most one obligation lists them: `Shapes` joins all excluded values.
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

    `ways` are the ways before `exclusion` is considered, for example `[(demand, ())]`. `key` is the key of
    the member, or None for a key that no excluded value has. Each way is split. Its first part is the way for
    values that no excluded object has under the key. Then comes one way for each value that some have.
    """
    # For each value under the key: the rests of the excluded objects with this member, after it.
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
    exclusion: Differs[Literals],
) -> list[Way]:
    """Return the ways to take the next item that also follow `exclusion`.

    `ways` are the ways before `exclusion` is considered. They are split as in `member_ways`.
    """
    after: dict[Literal, list[Literals]] = {}
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
    """Return the ways, each split by the next value.

    `after` maps the literal of a next value to the rests of the excluded values that have it there. A way
    with a hopeless demand (no value meets it) is left out.
    """
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
            # The value equals the one in some excluded values: a later part must differ from theirs.
            exclusion: tuple[Obligation, ...] = ((Differs(frozenset(rests)),),)
            split_ways.append((narrowed_demand, unmet + exclusion))
    return split_ways


def reachable_values(
    exclusion: Differs[UnwrittenMembers], gone: Callable[[str], bool]
) -> Differs[UnwrittenMembers] | None:
    """Return the excluded values that the object may still come to equal, or None where there is none.

    `gone` returns whether a key can no longer be written. An excluded value with such a key in its rest is
    dropped.
    """
    rests = frozenset(rest for rest in exclusion.rests if not any(gone(key) for key, _ in rest))
    return Differs(rests) if rests else None


def is_other_value(alternative: Alternative) -> bool:
    """Return whether the alternative is an exclusion, and an object or array that closes now differs from all
    excluded values."""
    # An empty rest: the excluded value is written in full, and closing now would equal it.
    return isinstance(alternative, Differs) and all(alternative.rests)


def values_of(rests: Collection[UnwrittenMembers]) -> dict[str, set[Literal]]:
    """Return for each key of the rests the literals that the rests have under it."""
    values: dict[str, set[Literal]] = {}
    for rest in rests:
        for key, literal in rest:
            values.setdefault(key, set()).add(literal)
    return values

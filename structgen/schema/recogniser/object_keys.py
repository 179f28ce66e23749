"""The keys of one object: named keys in an order, and classes of all other keys.

A *frame* holds the keys that the schemas of an object name. The first of them have a declared order. A
*class* holds unnamed keys for which the same *predicates* are true, such as a pattern of `patternProperties`.
For example `{"properties": {"a": A}, "patternProperties": {"^x-": X}}` names "a" and has two classes: the
keys that begin with "x-", and the others.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from structgen.automata.unicode.decoded_text import in_order
from structgen.base.language.ir import Formula
from structgen.schema.meaning.literals import Literal, Literals
from structgen.schema.meaning.shape import ObjectShape


@dataclass(slots=True, eq=False)
class KeyClass:
    """A class: the unnamed keys for which the same predicates are true. It is never empty."""

    index: int
    """The number of the class among the classes of the frame."""
    true_predicates: frozenset[int]
    """The numbers of the predicates of the frame that are true of the keys."""
    infinite: bool
    """Whether there are infinitely many of these keys."""
    formula: Formula | None = None
    """The formula of the keys, computed when it is asked for (`ObjectFrames.class_formula`); None: not
    yet."""


MemberKey: TypeAlias = str | KeyClass
"""The key of a member: a name, or any key of a class."""


class MembersSoFar(NamedTuple):
    """The written members of an object, as far as they matter to its rest."""

    pos: int
    """The position in the order: ordered keys with a smaller index may not come any more."""
    mask: int
    """The written keys as bits, as far as they are remembered: bit i is the key with index i."""
    size: int
    """The number of written members, counted up to the frame's cap."""


class FrameStanding:
    """The required keys of a shape, as indices of a frame."""

    def __init__(self, shape: ObjectShape, frame: Frame) -> None:
        ordered_indices: list[int] = []
        # The required keys without a position in the order, as bits: bit i is the key with index i.
        self.free_required = 0
        for key in shape.required_keys:
            index = frame.index[key]
            if index < frame.ordered_count:
                ordered_indices.append(index)
            else:
                self.free_required |= 1 << index
        ordered_indices.sort()
        self.required_indices = ordered_indices
        """The indices of the required keys that have a position in the order, ascending."""
        # The last index of `required_indices`; -1: there is none.
        self.last = ordered_indices[-1] if ordered_indices else -1
        self.ready_keys: frozenset[str] | None = None
        """The keys that other keys or obligations require and that may come at any time; computed on
        demand."""
        self.has_ready_dependents = True
        """Whether all keys that other keys require are in `ready_keys`."""

    def owed_indices(self, members_so_far: MembersSoFar) -> list[int]:
        """Return the indices of the required keys that are still to be written, ascending."""
        owed = self.required_indices[bisect_left(self.required_indices, members_so_far.pos) :]
        free = self.free_required & ~members_so_far.mask
        # From the lowest bit to the highest: `free & -free` is the lowest, and `free & free - 1` clears it.
        while free:
            owed.append((free & -free).bit_length() - 1)
            free &= free - 1
        return owed


@dataclass(slots=True, eq=False)
class Frame:
    """The keys of one object and their order, shared by all its residues."""

    id: int
    demands: tuple[int, ...]
    """The demands that an object of this frame may meet."""
    names: tuple[str, ...]
    """The ordered keys, then the keys that may come in any order."""
    ordered_count: int
    """The number of ordered names, which come first in `names`."""
    index: dict[str, int] = field(init=False)
    """The index of each name in `names`."""
    predicates: list[Formula] = field(default_factory=list)
    """Formulas that tell unnamed keys apart: patterns of `patternProperties`, and literals on keys."""
    pattern_at: dict[str, int] = field(default_factory=dict)
    """The number of the predicate of a pattern."""
    literal_at: dict[Literal, int] = field(default_factory=dict)
    """The number of the predicate of a literal."""
    key_literals: Literals = ()
    """Literals that all unnamed keys meet, where there are predicates."""
    cap: int = 0
    """The number up to which members are counted; beyond it more members make no difference."""
    watched_bits: int = 0
    """The ordered keys whose presence is remembered, as a bit set."""
    standings: dict[int, FrameStanding] = field(default_factory=dict)
    extra_demands: dict[tuple[int, int], int] = field(default_factory=dict)
    """The demand on the value of a key of a class, by the id of the shape and the index of the class."""
    simple: dict[int, tuple[tuple[int, ...], tuple[bool, ...], int]] = field(default_factory=dict)
    live: dict[tuple[ObjectShape, ...], dict[str, tuple[int, ...]]] = field(default_factory=dict)
    """The demands on the values of named keys, for some simple shapes together, as far as they were asked
    for. Demands that no value meets are left out."""
    classes: list[KeyClass] | None = None
    _sorted_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        self.index = {name: index for index, name in enumerate(self.names)}

    def members_after(self, members_so_far: MembersSoFar, member_key: MemberKey) -> MembersSoFar:
        """Return the written members after one more member, whose key is `member_key`."""
        index = self.index[member_key] if isinstance(member_key, str) else -1
        return self.after_index(members_so_far, index)

    def after_index(self, members_so_far: MembersSoFar, index: int) -> MembersSoFar:
        """Return the written members after one more member. `index` is the index of its key, or -1 for a key
        that the frame does not name."""
        size = min(members_so_far.size + 1, self.cap)
        mask = members_so_far.mask
        # Keys without a position come after all ordered keys: no ordered key may follow them.
        if index < 0:
            return MembersSoFar(self.ordered_count, mask, size)
        if index < self.ordered_count:
            # The position tells which ordered keys may come; only watched ones need a bit.
            return MembersSoFar(index + 1, mask | (1 << index & self.watched_bits), size)
        return MembersSoFar(self.ordered_count, mask | 1 << index, size)

    def may_come(self, name: str, members_so_far: MembersSoFar) -> bool:
        """Return whether a named key may still come: it is not written, and no later ordered key is."""
        index = self.index[name]
        if index < self.ordered_count:
            return index >= members_so_far.pos
        return not members_so_far.mask >> index & 1

    def sorted_names(self) -> tuple[str, ...]:
        """Return the names sorted by their bytes (`decoded_text`)."""
        if self._sorted_names is None:
            self._sorted_names = tuple(in_order(self.names))
        return self._sorted_names

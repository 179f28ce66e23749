"""The keys of an object as values: a frame holds the named ones in order, a class some of the others."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from structgen.automata.unicode.decoded_text import in_order
from structgen.language.ir import Formula
from structgen.schema.meaning.shape import ObjectShape
from structgen.schema.reading.model import Schema


class KeyClass:
    """The unnamed keys for which the same predicates are true."""

    __slots__ = ("formula", "index", "true")

    def __init__(self, index: int, true: frozenset[int], formula: Formula) -> None:
        self.index = index
        self.true = true
        self.formula = formula


Where: TypeAlias = str | KeyClass
"""Where a member stands: under a named key, or under some key of a class."""


class Written(NamedTuple):
    """What is written of an object, as far as it matters."""

    pos: int
    """Ordered keys before this index may not come any more."""
    mask: int
    """Bits of the keys written, as far as they are remembered."""
    size: int
    """Members, counted up to the frame's cap."""


class FrameStanding:
    """The demands of a shape on the keys of a frame, by their indices."""

    __slots__ = ("always", "follows", "free_required", "last", "required", "shape")

    def __init__(self, shape: ObjectShape, frame: Frame) -> None:
        self.shape = shape
        ordered: list[int] = []
        self.free_required = 0
        for key in shape.required:
            index = frame.index[key]
            if index < frame.ordered:
                ordered.append(index)
            else:
                self.free_required |= 1 << index
        ordered.sort()
        self.required = ordered
        """Indices of the required keys that have a place in the order, ascending."""
        self.last = ordered[-1] if ordered else -1
        self.always: frozenset[str] | None = None
        """The keys that other keys or obligations require and that may come at any time; computed on
        demand."""
        self.follows = True
        """Whether all keys that others require are such keys."""


class Frame:
    """The keys of one object and their order, shared by all its residues."""

    __slots__ = (
        "_sorted",
        "cap",
        "classes",
        "demands",
        "extras",
        "id",
        "index",
        "key_literals",
        "literal_at",
        "must_list",
        "names",
        "ordered",
        "own_patterns",
        "pattern_at",
        "predicates",
        "simple",
        "standings",
        "watch",
    )

    def __init__(self, id: int, demands: tuple[int, ...], names: tuple[str, ...], ordered: int) -> None:
        self.id = id
        self.demands = demands
        self.names = names
        """The ordered keys, then the keys that may come in any order."""
        self.ordered = ordered
        self.index = {name: index for index, name in enumerate(names)}
        self.predicates: list[Formula] = []
        self.pattern_at: dict[str, int] = {}
        self.own_patterns: dict[int, dict[int, Schema]] = {}
        """Subschemas for the keys of which a predicate is true, by the number of the schema that has them."""
        self.literal_at: dict[int, int] = {}
        self.key_literals: tuple[int, ...] = ()
        """What all keys of which predicates are asked meet."""
        self.cap = 0
        """Members are counted up to here; beyond it their number does not matter."""
        self.watch = 0
        """The ordered keys whose presence is remembered, as a bit set."""
        self.standings: dict[int, FrameStanding] = {}
        self.extras: dict[tuple[int, int], int] = {}
        self.simple: dict[int, tuple[tuple[int, ...], tuple[bool, ...], int]] = {}
        self.classes: list[KeyClass] | None = None
        self.must_list = True
        """Whether the classes of keys must be listed: an obligation may ask for a key of some class, or each
        is bounded in length."""
        self._sorted: tuple[str, ...] | None = None

    def after(self, written: Written, index: int) -> Written:
        """Return what is written after one more member, whose key is named at an index (-1: not named)."""
        size = min(written.size + 1, self.cap)
        if index < 0:
            return Written(self.ordered, written.mask, size)
        if index < self.ordered:
            return Written(index + 1, written.mask | (1 << index & self.watch), size)
        return Written(self.ordered, written.mask | 1 << index, size)

    def may_come(self, name: str, written: Written) -> bool:
        """Return whether a named key is neither written nor passed over."""
        index = self.index[name]
        return index >= written.pos if index < self.ordered else not written.mask >> index & 1

    def sorted_names(self) -> tuple[str, ...]:
        """Return the names sorted by their bytes (`decoded_text`)."""
        if self._sorted is None:
            self._sorted = tuple(in_order(self.names))
        return self._sorted

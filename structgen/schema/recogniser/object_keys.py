"""The keys of an object as values: a frame holds the named ones in order, a class some of the others."""

from __future__ import annotations

from structgen.language.ir import Formula
from structgen.schema.meaning.shape import ObjectShape
from structgen.schema.reading.model import Schema


class KeyClass:
    """A class of keys that no schema of the object names: those for which the same predicates are true."""

    __slots__ = ("formula", "index", "true")

    def __init__(self, index: int, true: frozenset[int], formula: Formula) -> None:
        self.index = index
        self.true = true
        self.formula = formula


class FrameStanding:
    """What a shape asks of the keys of a frame, by their indices."""

    __slots__ = ("always", "follows", "free_required", "last", "optional", "required", "shape")

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
        self.optional: int | None = None
        """Keys whose value can be met, as a bit set; worked out when a count asks for it."""
        self.always: frozenset[str] | None = None
        """Of the keys that others or obligations ask for, those that may come at any time; worked out when
        asked."""
        self.follows = True
        """Whether all keys that others require are such keys."""


class Frame:
    """What all residues of one object have in common: the names of its keys and their order."""

    __slots__ = (
        "_sorted",
        "cap",
        "classes",
        "demands",
        "extras",
        "id",
        "index",
        "literal_at",
        "must_list",
        "names",
        "ordered",
        "own_patterns",
        "pattern_at",
        "predicates",
        "simple",
        "standings",
        "steady",
        "watch",
    )

    def __init__(self, id: int, demands: tuple[int, ...], names: tuple[str, ...], ordered: int) -> None:
        self.id = id
        self.demands = demands
        self.names = names
        """The keys that have a place in the order, in that order, then those that may come in any order."""
        self.ordered = ordered
        self.index = {name: index for index, name in enumerate(names)}
        self.predicates: list[Formula] = []
        self.pattern_at: dict[str, int] = {}
        self.own_patterns: dict[int, dict[int, Schema]] = {}
        """By a schema's number, what it says of the keys of which a predicate is true."""
        self.literal_at: dict[int, int] = {}
        self.cap = 0
        """Members are counted up to here; beyond it their number does not matter."""
        self.watch = 0
        """Ordered keys of which it is remembered whether they were written."""
        self.standings: dict[int, FrameStanding] = {}
        self.steady: dict[tuple[int, ...], list[int | None]] = {}
        """By the shapes of threads, the place of each key's value where the key changes nothing that is owed;
        -1 where it may not come, None where that was not asked."""
        self.extras: dict[tuple[int, int], int] = {}
        self.simple: dict[int, tuple[tuple[int, ...], tuple[bool, ...], int]] = {}
        self.classes: list[KeyClass] | None = None
        self.must_list = True
        """Whether the classes of keys must be listed: an obligation may ask for a key of some class, or each
        is bounded in length."""
        self._sorted: tuple[str, ...] | None = None

    def sorted_names(self) -> tuple[str, ...]:
        """Return the names sorted by their UTF-8 bytes."""
        if self._sorted is None:
            self._sorted = tuple(sorted(self.names, key=lambda name: name.encode("utf-8", "surrogatepass")))
        return self._sorted

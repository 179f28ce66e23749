"""The keys of an object as values: a frame holds the named ones in order, a class some of the others."""

from __future__ import annotations

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


class FrameStanding:
    """The demands of a shape on the keys of a frame, by their indices."""

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

    def sorted_names(self) -> tuple[str, ...]:
        """Return the names sorted by their bytes (`decoded_text`)."""
        if self._sorted is None:
            self._sorted = tuple(in_order(self.names))
        return self._sorted

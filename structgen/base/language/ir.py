"""The intermediate form of grammars over JSON: readers of schemas produce it, and the compiler reads it.

A grammar over JSON text is a `Network`. The machine parses JSON text itself (brackets, strings, numerals,
white space) and asks the network which keys, items and values may come. Places, residues and outcomes are
small integers, which the network numbers; it works out what they mean only when they are asked for.

These words are used everywhere:

formula
    A condition on a string or a number, built by `Not`, `All` and `Any_` from atoms such as `Pattern`.
demand
    A condition on one value: a conjunction of schemas.
place
    The conditions on one value: an ordered tuple of demands, of which the value must meet at least one.
    Nearly every place has a single demand. Places with the same demands have the same number.
outcome
    The number of the set of demands that a finished value met. The set holds the indices of the demands in
    their place, and is not empty. Outcome 0 is the set {0}, the only outcome of a place with a single
    demand. A value that meets no demand may not end.
residue
    How far an object or an array has come, and what it still owes. Equal residues have equal numbers.
rest
    What completes a value that has begun; also called its completion.

For example, the value of `{"anyOf": [{"minimum": 0}, {"type": "string"}]}` may have a place with two demands.
The value 5 has the outcome {0} there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar, Union

from structgen.base.language.number_ranges import Ranges
from structgen.base.language.numbered import Numbered

DEAD = -1
"""An entry of a transition table: no valid text goes on from here."""

Demands: TypeAlias = Mapping[int, bytes]
"""Index of a demand -> the shortest completion with which the value meets this demand, as compact JSON text.
Of several shortest ones it is the smallest. A demand that can no longer be met is absent."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class _Compound(Generic[T]):
    """A formula that is built from other formulas.

    It can be hashed and compared however deep it is: the generated `==` of a dataclass would recurse.
    """

    of: T
    """The part, or the parts."""
    digest: int = field(init=False, repr=False)
    """The hash, which differs from process to process. It is stored, so that it costs the same at any
    depth."""

    def __post_init__(self) -> None:
        # The parts have digests already, so this does not recurse. The dataclass is frozen: only `object`
        # may set its fields.
        object.__setattr__(self, "digest", hash((type(self), self.of)))

    def __hash__(self) -> int:
        return self.digest

    def __eq__(self, other: object) -> bool:
        if self is other or type(self) is not type(other):
            return self is other
        pairs: list[tuple[object, object]] = [(self, other)]
        while pairs:
            first, second = pairs.pop()
            if first is second:
                continue
            if type(first) is not type(second):
                return False
            if not isinstance(first, _Compound) or not isinstance(second, _Compound):
                if first != second:  # atoms, which hold no formulas
                    return False
            elif first.digest != second.digest:
                return False  # unequal formulas mostly end here, without a look at their parts
            elif isinstance(first, Not):
                pairs.append((first.of, second.of))
            elif len(first.of) != len(second.of):
                return False
            else:
                pairs.extend(zip(first.of, second.of, strict=True))
        return True

    def __reduce__(self) -> tuple[Any, ...]:
        # The digest is not pickled, because hashes of texts differ from process to process.
        return type(self), (self.of,)


class Not(_Compound["Formula"]):
    """The complement of a formula."""

    __slots__ = ()


class All(_Compound["Formulas"]):
    """A conjunction: all parts hold. Without parts it is true."""

    __slots__ = ()


class Any_(_Compound["Formulas"]):
    """A disjunction: at least one part holds. Without parts it is false."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Pattern:
    """Strings in which an ECMA-262 regular expression matches somewhere (unanchored,
    as JSON Schema has it)."""

    source: str


@dataclass(frozen=True, slots=True)
class Format:
    """Strings of a named format (RFC 3339 date-time, RFC 4122 uuid, ...)."""

    name: str


@dataclass(frozen=True, slots=True)
class Length:
    """Strings of `minimum` to `maximum` code points (`maximum` None: no bound)."""

    minimum: int
    maximum: int | None


@dataclass(frozen=True, slots=True)
class Words:
    """Strings that are one of finitely many (decoded) words."""

    of: frozenset[str]
    is_canonical: bool = False
    """Whether the words occur earlier in the document. Such sets change all the time, so no automaton is
    made for them."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Strings that are texts of a grammar whose language need not be regular."""

    canonical: str
    """The grammar's canonical form."""
    of: Any = field(compare=False, repr=False)
    """The grammar, a `machines.core.grammar.Grammar`."""


@dataclass(frozen=True, slots=True)
class Multiple:
    """Numbers that are an integer times `of` (> 0). Integers are Multiple(Decimal(1))."""

    of: Decimal


@dataclass(frozen=True, slots=True)
class PlainInteger:
    """Numbers written without fraction and exponent, which drafts 3 and 4 call integers; -0 is one of them.

    All other atoms of numbers depend on the value alone; this one does not. 12 meets it, 12.0 and 12e0 do
    not.
    """


StringAtom: TypeAlias = Union[Pattern, Format, Length, Words, Texts]
NumberAtom: TypeAlias = Union[Ranges, Multiple, PlainInteger]
Formula: TypeAlias = Union[Not, All, Any_, StringAtom, NumberAtom]
Formulas: TypeAlias = tuple[Formula, ...]
TRUE = All(())
FALSE = Any_(())


def conjuncts(formula: Formula) -> Formulas:
    """Return the parts of a conjunction, or the formula alone."""
    if isinstance(formula, All):
        return formula.of
    return (formula,)


class Spec(NamedTuple):
    """The conditions on one string or number.

    The outcome of a string or a number is the set of the indices of the formulas that are true of it. It is
    accepted if this set is not empty.
    """

    formulas: Formulas
    """One formula for each demand of the place."""
    groups: tuple[frozenset[frozenset[int]], ...] | None = None
    """Used for keys alone: sets of true formulas that are treated alike. If the set of the true formulas is
    in group j, the outcome is {j}. No set is in two groups."""


FREE = Spec((TRUE,))
"""Every string."""


class ValueMenu(NamedTuple):
    """How a value may begin at a place, for each JSON type; None where no valid value has that type.

    `object` and `array` are residues before the first member or item. `string` and `number` are specs.
    `true`, `false` and `null` are outcomes.
    """

    object: int | None = None
    array: int | None = None
    string: Spec | None = None
    number: Spec | None = None
    true: int | None = None
    false: int | None = None
    null: int | None = None


class ObjectMenu(NamedTuple):
    """How an object may go on at a residue. Only continuations that lead to a valid object are listed.

    An *extra* key is a key that no residue of the object names (`Network.keys`). The machine itself never
    offers an extra key that the object already holds.
    """

    names: Mapping[str, int]
    """Each named key that may come, decoded -> the place of its value."""
    extra: Spec | None
    """The extra keys that may come, with one outcome for each class of keys; None: no extra key may come."""
    extra_places: Mapping[frozenset[int], int]
    """The outcome of an extra key -> the place of its value."""
    close: int | None
    """The outcome of the object if it closes now; None: it may not close."""


class ArrayMenu(NamedTuple):
    """How an array may go on at a residue."""

    item: int | None
    """The place of the next item; None: no item may come."""
    close: int | None
    """The outcome of the array if it closes now; None: it may not close."""
    values: bool = False
    """Whether the value of the next item decides what may come after it."""
    closes_next: bool = False
    """Whether the array may close after the next item, whatever its value is."""
    unread: bool = False
    """Whether the value of the item before is not known (`Network.after_unread`)."""


class SimpleObject(NamedTuple):
    """A residue of a *simple* object, in which only the declared keys and their order matter.

    The machine can work out all later residues of such an object by itself. One demand is left, and there is
    one way to meet it. Every outcome of a value is 0; no condition on the number of members, on dependent
    keys or on other keys is open; all extra keys are of one class.

    The first `ordered_count` keys come in the order of `names`. The other keys, and extra keys, come after
    them in any order. A key may come if it was not written, no later key of the order was written, and no
    earlier required key of the order is missing. The object may close when no required key is missing.
    All fields but `position` are equal in all residues of one object.
    """

    names: tuple[str, ...]
    """The declared keys."""
    places: tuple[int, ...]
    """The place of the value of each declared key; -1: the key may never come."""
    required: tuple[bool, ...]
    """Whether each declared key must come."""
    ordered_count: int
    """The number of keys that have an order."""
    extra: int
    """The place of the values of extra keys; -1: no extra key may come."""
    position: int
    """The index of the first ordered key that may still come."""
    close: int
    """The outcome of the object when it closes."""


Key: TypeAlias = Union[str, frozenset[int], None]
"""What stands before a value: a named key, the class of an extra key (see `ObjectMenu`), or None in an
array."""


class Outcomes(Numbered[frozenset[int]]):
    """The numbers of outcomes. An outcome is a non-empty set of indices, of demands or of formulas.

    Sets are numbered in the order in which they are first asked for. The number of {0} is 0.
    """

    __slots__ = ()
    __call__ = Numbered.number_of

    def __init__(self) -> None:
        only_first = frozenset((0,))
        super().__init__((only_first,))


class Network(Protocol):
    """A grammar over JSON documents. Its places and residues are worked out on demand. Everything that it
    returns is immutable."""

    root: int
    """The place of the whole document."""

    outcomes: Outcomes
    """The numbers of outcomes."""

    def entry(self, place: int) -> ValueMenu:
        """Return how a value at `place` may begin. Each type that is listed has a valid value."""

    def keys(self, residue: int) -> Sequence[str]:
        """Return every key that any residue of this object may name, sorted by bytes
        (`unicode.decoded_text`)."""

    def menu(self, residue: int) -> ObjectMenu:
        """Return how the object may go on."""

    def items(self, residue: int) -> ArrayMenu:
        """Return how the array may go on."""

    def after(self, residue: int, key: Key, outcome: int, text: bytes = b"") -> int:
        """Return the residue after a value under `key` has ended with `outcome`. A valid text goes on from
        it. `text`: the JSON text of an item whose value matters (`ArrayMenu.values`), without white space."""

    def after_unread(self, residue: int, outcome: int) -> int | None:
        """Return the residue after an item whose value matters but is not known.

        Returns None where the value must be known to tell what may come next. The residue tells only how the
        array may go on next: for all that comes later, call `after` with the value.
        """

    def read_as(self, residue: int, text: bytes) -> int:
        """Return the residue for a residue of `after_unread` when the value of the item is known to be
        `text`."""

    def may_differ(self, residue: int) -> bool:
        """Return whether at least two different objects or arrays go on from a residue, whichever key comes
        next, until its value is read. False: nothing is known."""

    @property
    def looked_for(self) -> Collection[bytes]:
        """Return the JSON texts of items on which rests of arrays are known to depend. The more there are,
        the fewer arrays share a rest."""

    def look_for(self, texts: Iterable[bytes]) -> None:
        """Add JSON texts of items on which a rest depends (`looked_for`)."""

    @property
    def rests_shorten(self) -> bool:
        """Return whether the network has returned a rest that may become shorter by more than is written of
        it. An array that owes several kinds of items has such a rest: one item may be of several kinds."""

    def wants_again(self, residue: int) -> bool:
        """Return whether the rest of an array may contain an item that the array holds already."""

    def finish_place(self, place: int) -> Demands:
        """Return, for each demand, the shortest compact value that meets it."""

    def finish_bracketed(self, place: int) -> Demands:
        """Return, for each demand, the shortest compact object or array that meets it."""

    def simple(self, residue: int) -> SimpleObject | None:
        """Return the residue of a simple object as `SimpleObject`; None for other objects."""

    def simple_after(self, residue: int, index: int) -> int:
        """Return the residue of a simple object after a key. `index`: the index of the key in
        `SimpleObject.names`; -1 for an extra key."""

    def simple_array(self, residue: int) -> tuple[ArrayMenu, int] | None:
        """Return (its menu, the residue after each item) for an array of any number of equal items.

        Every outcome of such an item is 0. Returns None for other arrays.
        """

    def owes_keys(self, residue: int) -> bool:
        """Return whether the object may still need keys that `keys` does not list. Its rest then depends on
        the keys that it holds (`used_keys` of `finish`)."""

    def finish(self, residue: int, used_keys: Collection[str] = ()) -> Demands:
        """Return the shortest rest of the object or array for each demand, with the closing bracket.

        It starts directly after an item or the opening bracket, and begins with "," where an item or a member
        must follow another one. `used_keys`: the extra keys that the object holds.
        """

    def finish_with(
        self,
        residue: int,
        key: Key,
        value: Demands,
        used_keys: Collection[str] = (),
        text_so_far: bytes = b"",
    ) -> Demands:
        """Return the shortest rest for each demand while a value under `key` is being written.

        `value`: the shortest rests of that value. `used_keys`: the extra keys that the object holds.
        `text_so_far`: the written part of an item whose value matters.
        """

    def first_of_alike(self, residue: int, heads: Mapping[str, bytes]) -> Iterable[str]:
        """Return the named keys of an object with which a shortest rest may begin. `heads`: each key that may
        come -> the part of its text that is not yet written."""

    def owed_keys(self, residue: int) -> tuple[Sequence[str], int]:
        """Return the keys that must come in any case, and the least number of further members or items. Used
        for messages."""

    def unnamed_keys(self, residue: int) -> Iterable[tuple[Formula, int]]:
        """Yield (formula of the keys, place of their values) for each kind of extra key that may come next.
        Used for messages."""

    def sources(self, place: int) -> Sequence[str]:
        """Return the JSON pointers of the schemas that a place is made from. Used for messages."""


def atoms(formula: Formula) -> Iterator[Formula]:
    """Yield the atoms of a formula. An atom that occurs several times is yielded several times."""
    stack = [formula]
    while stack:
        node = stack.pop()
        if isinstance(node, Not):
            stack.append(node.of)
        elif isinstance(node, (All, Any_)):
            stack.extend(node.of)
        else:
            yield node

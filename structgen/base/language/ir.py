"""The language of a document, without the syntax that it came from: every front end produces it, and the
compiler reads it.

A grammar over JSON text is a `Network`: places, residues and outcomes are small integers, interned by the
network, expanded only when they are asked for. The engine parses JSON text itself (brackets, strings,
numerals, white space) and asks the network what the text may mean.

The words, used everywhere:

place
    What must be said about one value: an ordered tuple of *demands* (conjunctions of schemas), at least one
    of which must come out true. Nearly every place has a single demand. Two places are the same integer when
    they have the same demands.
outcome
    Which demands of a place a finished value met, as an interned non-empty set of demand indices. Outcome 0
    is the set {0}, the only outcome of a place with a single demand. A value that meets no demand may not
    close.
residue
    How far an object or an array has come, and what is still owed. Equal residues have equal integers.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar, Union

from structgen.base.language.number_ranges import Ranges
from structgen.base.language.numbered import Numbered

DEAD = -1
"""In a transition table: no document follows."""

Demands: TypeAlias = Mapping[int, bytes]
"""Demand index -> the shortest completion (compact JSON text) under which that demand is met; ties go to the
smaller byte string. A demand that can no longer be met is absent."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class _Compound(Generic[T]):
    """A formula of other formulas. It is hashed and compared at any depth: `==` on fields would recurse."""

    of: T
    digest: int = field(init=False, repr=False)
    """The hash, of this process: kept, so that it costs the same at any depth."""

    def __post_init__(self) -> None:
        # The parts have their digests: hashing these is not recursive. `object`: the dataclass is frozen.
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
                return False  # mostly the answer: unequal formulas are seldom looked into
            elif isinstance(first, Not):
                pairs.append((first.of, second.of))
            elif len(first.of) != len(second.of):
                return False
            else:
                pairs.extend(zip(first.of, second.of, strict=True))
        return True

    def __reduce__(self) -> tuple[Any, ...]:
        # Not the digest: hashes of texts differ from process to process.
        return type(self), (self.of,)


class Not(_Compound["Formula"]):
    """The complement of a formula."""

    __slots__ = ()


class All(_Compound["tuple[Formula, ...]"]):
    """A conjunction; empty means true."""

    __slots__ = ()


class Any_(_Compound["tuple[Formula, ...]"]):
    """A disjunction; empty means false."""

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
    """The words were written in this document before; there is no end of such sets, and none is worth an
    automaton."""


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
    """Numbers written without fraction and exponent: what drafts 3 and 4 call an integer. -0 is one.

    The one atom that is no matter of the value: 12 meets it, 12.0 and 12e0 do not.
    """


StringAtom: TypeAlias = Union[Pattern, Format, Length, Words, Texts]
NumberAtom: TypeAlias = Union[Ranges, Multiple, PlainInteger]
Formula: TypeAlias = Union[Not, All, Any_, StringAtom, NumberAtom]
TRUE = All(())
FALSE = Any_(())


def conjuncts(formula: Formula) -> tuple[Formula, ...]:
    """Return the parts of a conjunction, or the formula alone."""
    if isinstance(formula, All):
        return formula.of
    return (formula,)


class Spec(NamedTuple):
    """A string or a number: one formula for each demand of its place.

    An outcome is the set of indices whose formula came out true, if that is not empty. With `groups` (keys
    alone) it is the set {j} where the set of the true formulas is one of group j; no set is in two groups.
    """

    formulas: tuple[Formula, ...]
    groups: tuple[frozenset[frozenset[int]], ...] | None = None


FREE = Spec((TRUE,))
"""Every string."""


class ValueMenu(NamedTuple):
    """The beginnings of a value at a place: for each JSON type how it begins,
    or None where no live value has that type.

    `object` and `array` are residues (nothing written yet), `string` and `number` are specs,
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
    """The continuations of an object at a residue; only live ones are listed.

    `names` maps a key (decoded) to the place of its value. `extra` says which keys that are in no `names` of
    any residue of this object (`Network.keys`) may come: one outcome for each class of keys, which is looked
    up in `extra_places`. `close` is the outcome of closing now, or None. The engine itself never offers an
    extra key that the object already holds.
    """

    names: Mapping[str, int]
    extra: Spec | None
    extra_places: Mapping[frozenset[int], int]
    close: int | None


class ArrayMenu(NamedTuple):
    """The continuations of an array at a residue: the place of the next item, or None;
    the outcome of closing, or None; whether the value of the next item matters to those after it; whether
    the array may close after the next item, whatever its value; whether the value of the item before is not
    known (`Network.after_unread`)."""

    item: int | None
    close: int | None
    values: bool = False
    closes_next: bool = False
    unread: bool = False


class SimpleObject(NamedTuple):
    """A residue of an object in which only the declared keys and their order matter, so that the engine can
    work out all later residues of the object itself.

    There is one demand left and one way to meet it: every outcome of a value is 0, no member count,
    obligation or conditional requirement is open, and keys that are not named all fall into one class
    (`extra`). The first `ordered_count` keys come in the order of `names`; the others, and keys that are not
    named, come in any order after them. A key with place -1 never comes. A key may come when it was not
    written, no key after it in the order was, and no required key before it in the order is missing; the
    object may close when no required key is missing. `names`, `places`, `required`, `ordered_count`, `extra`
    and `close` are the same objects, or equal, in all residues of one object.
    """

    names: tuple[str, ...]
    places: tuple[int, ...]
    required: tuple[bool, ...]
    ordered_count: int
    extra: int
    """The place of values under keys that are not in `names`, or -1."""
    position: int
    """Ordered keys before this index may not come any more."""
    close: int
    """The outcome of closing the object, once that is allowed."""


Key: TypeAlias = Union[str, frozenset[int], None]
"""The key over a value: a named key, the class of an extra key (see `ObjectMenu`),
or None in an array."""


class Outcomes(Numbered[frozenset[int]]):
    """Sets of indices by number, as they come: which demands of a place a value meets, or which formulas of a
    spec are true of a string. None is empty; {0} is 0."""

    __slots__ = ()
    __call__ = Numbered.number_of

    def __init__(self) -> None:
        only_first = frozenset((0,))
        super().__init__((only_first,))


class Network(Protocol):
    """A language of JSON documents, expanded on demand. Everything it hands out is immutable."""

    root: int

    outcomes: Outcomes
    """The numbers of outcomes."""

    def entry(self, place: int) -> ValueMenu:
        """Return how a value at `place` may begin. Every type listed has a live value."""

    def scalars_of(self, place: int) -> Hashable | None:
        """Return a key that places share at which the same scalars may stand, written alike, and no objects
        or arrays. None says nothing."""

    def keys(self, residue: int) -> Sequence[str]:
        """Return every key that any residue of this object may name, sorted by their bytes
        (`unicode.decoded_text`)."""

    def menu(self, residue: int) -> ObjectMenu:
        """Return the continuations of the object."""

    def items(self, residue: int) -> ArrayMenu:
        """Return the continuations of the array."""

    def after(self, residue: int, key: Key, outcome: int, text: bytes = b"") -> int:
        """Return the residue after a value under `key` has closed with `outcome`; it is live.
        `text`: the JSON text of an item whose value matters (`ArrayMenu.values`), white space left out."""

    def after_unread(self, residue: int, outcome: int) -> int | None:
        """Return the residue after an item whose value matters has closed, the value unknown; None where it
        must be known to tell what may come next. It is good for that alone: which value of several the item
        after it has, and what follows that, must be asked with the value."""

    def read_as(self, residue: int, text: bytes) -> int:
        """Return the residue where the item whose value is unknown (`after_unread`) was `text`."""

    def may_differ(self, residue: int) -> bool:
        """Return whether two objects or arrays or more go on from a residue, whichever key comes next and
        until its value is read. False says nothing."""

    @property
    def looked_for(self) -> Collection[bytes]:
        """Return the texts of values of items on which rests of arrays depend so far. With
        one more, fewer arrays have equal rests."""

    def look_for(self, texts: Iterable[bytes]) -> None:
        """Note values of items, by their texts, on which a rest depends (`looked_for`)."""

    @property
    def rests_shorten(self) -> bool:
        """Return whether rests were said that may shorten by more than is written of them: of an array that
        owes many kinds of items, one of which turns out to be of several."""

    def wants_again(self, residue: int) -> bool:
        """Return whether the rest of an array may be an item that it holds once more."""

    def finish_place(self, place: int) -> Demands:
        """Return, for each demand, the shortest compact value that meets it."""

    def finish_bracketed(self, place: int) -> Demands:
        """Return, for each demand, the shortest compact object or array that meets it."""

    def simple(self, residue: int) -> SimpleObject | None:
        """Return the residue of a plain object in the form in which the engine can go on by itself,
        else None."""

    def simple_after(self, residue: int, index: int) -> int:
        """Return the residue of a plain object after the key at an index of its names (-1: one not named)."""

    def simple_array(self, residue: int) -> tuple[ArrayMenu, int] | None:
        """Return the menu of an array of any number of items that are all alike, and the residue after an
        item, which all further items lead to; else None. Every outcome of an item is 0."""

    def owes_keys(self, residue: int) -> bool:
        """Return whether the object may still need keys that `keys` does not list: then its rest depends on
        those that it holds (`used_keys` of `finish`)."""

    def finish(self, residue: int, used_keys: Collection[str] = ()) -> Demands:
        """Return the shortest rest of the object or array, from just after an item (or the opening bracket),
        closing bracket included. It begins with "," where something more must be written and something was.
        `used_keys`: the extra keys that the object holds."""

    def finish_with(
        self,
        residue: int,
        key: Key,
        value: Demands,
        used_keys: Collection[str] = (),
        text_so_far: bytes = b"",
    ) -> Demands:
        """Return the shortest rest where a value under `key` is being written:
        `value` says what its rest costs, `text_so_far` what was written of an item whose value matters."""

    def first_of_alike(self, residue: int, heads: Mapping[str, bytes]) -> Iterable[str]:
        """Return the named keys of an object that a shortest rest may begin with. `heads`: the keys that may
        come, each with the text that is left to write of it."""

    def owed_keys(self, residue: int) -> tuple[Sequence[str], int]:
        """Return the keys that must still come whatever comes, and how many more members or items there must
        be at least; for messages."""

    def unnamed_keys(self, residue: int) -> Iterable[tuple[Formula, int]]:
        """Yield the keys that may come next and that the object does not name, each kind with the place of
        its values; for messages."""

    def sources(self, place: int) -> Sequence[str]:
        """Return the JSON pointers of the schemas that a place stands for, for messages."""


def atoms(formula: Formula) -> Iterator[Formula]:
    """Yield the atoms of a formula, each as often as it stands there."""
    stack = [formula]
    while stack:
        node = stack.pop()
        if isinstance(node, Not):
            stack.append(node.of)
        elif isinstance(node, (All, Any_)):
            stack.extend(node.of)
        else:
            yield node

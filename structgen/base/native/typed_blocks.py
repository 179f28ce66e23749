"""Blocks of memory with named fields, for compiled code: one load or store a field, no checks, no copies.

A class with annotated fields declares a block of 64-bit words:

    class State(Block):
        mode: int                      # a word
        frame: int

    class Context(Block):
        vocabulary: Vocabulary         # another block, in this place
        nodes: Table[Node]             # a table's header, in this place; nodes[i] points to its i-th row
        questions: At[Questions]       # the word is the address of a block
        scratch: BlockRows[State]      # the word is an address of rows; scratch[i] points to the i-th
        token_ids: Int32s              # the word is an address; token_ids[i] loads and stores an int32
        shared: Annotated[Int64s, 12]  # twelve words, in this place

An entry point takes the address (`context: int`) and says `c = Context(context)`. From then on
`c.nodes[i].mode` is an address that is computed, and a load. A class may be derived from another: it has the
same words and more behind them, and may name the type of a field more exactly. A function over the base class
(its annotation says so) is compiled once for all of them.

For mypy these are attributes and items. Numba sees one type for each class (`PointerType`), whose values are
addresses. In Python `State.frame` is the number of the field's word (1), for arrays of rows; `word_of` and
`words_of` say the rest.

Cost: the machine code of `raw_memory`, and a tenth less to compile (docs/decisions/034-typed-blocks.md).
"""

from __future__ import annotations

from functools import cache
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

from structgen.base.native.addresses import CHECKED

ELSEWHERE = "elsewhere"
"""Mark of a field that holds the address of a block, not the block (`At`)."""


class PointerMeta(type):
    """Answers `State.frame` in Python."""

    if not TYPE_CHECKING:  # mypy takes the annotations, and so sees a name that is none

        def __getattr__(cls, name: str) -> int:
            if name.startswith("_") or name not in fields_of(cls):
                raise AttributeError(f"{cls.__qualname__} has no field {name!r}")
            word = fields_of(cls)[name].word
            setattr(cls, name, word)  # it is asked once
            return word


class Pointer(metaclass=PointerMeta):
    """An address with a type. Made and used by compiled code alone."""

    def __init__(self, address: int) -> None:
        raise TypeError(f"{type(self).__qualname__} is memory of compiled code")


class Block(Pointer):
    """A pointer to a block; a subclass annotates its fields."""


B = TypeVar("B", bound=Block)
Row = TypeVar("Row", bound=Block, covariant=True)
P = TypeVar("P", bound=Pointer)
At = Annotated[B, ELSEWHERE]
"""`At[State]`: a field whose word is the address of a block."""


class BlockRows(Pointer, Generic[Row]):
    """A pointer to rows, each a block."""

    def __getitem__(self, index: int) -> Row:
        raise NotImplementedError


class _Numbers(Pointer):
    """A pointer to integers."""

    bits, signed = 64, True

    def __getitem__(self, index: int) -> int:
        raise NotImplementedError

    def __setitem__(self, index: int, value: int) -> None:
        raise NotImplementedError


class Int64s(_Numbers):
    """A pointer to int64."""


class Int32s(_Numbers):
    """A pointer to int32."""

    bits = 32


class Bytes(_Numbers):
    """A pointer to uint8."""

    bits, signed = 8, False


class TableHeader(Block):
    """What compiled code reads of a growing table: six words of its context."""

    address: int
    count: int
    capacity: int
    stride: int
    """Words of a row."""
    slots: Int32s
    """Of a table that interns: the numbers of rows by their hashes, -1 where there is none."""
    mask: int
    """Number of slots less one, a power of two less one."""


class Table(TableHeader, Generic[Row]):
    """A table of rows that are blocks."""

    def __getitem__(self, index: int) -> Row:
        raise NotImplementedError


class _NumberTable(TableHeader, _Numbers):
    """A table of integers; `numbers` is where they lie."""


class WordTable(_NumberTable):
    """A table of int64."""

    numbers: Int64s


class Int32Table(_NumberTable):
    """A table of int32."""

    bits = 32
    numbers: Int32s


class ByteTable(_NumberTable):
    """A table of bytes."""

    bits, signed = 8, False
    numbers: Bytes


class Pointed(NamedTuple):
    """The type of a pointer; `element` is the class of the rows of `BlockRows` and `Table`."""

    kind: type[Pointer]
    element: type[Block] | None = None
    field: str = ""


class BlockField(NamedTuple):
    """Where a field lies, and what it is."""

    word: int
    words: int
    inside: bool
    type: Any
    """`Pointed`: what the word points to, or the block in this place; None: a number."""


@cache
def fields_of(kind: type[Pointer]) -> dict[str, BlockField]:
    """Return the fields of a class by name."""
    fields: dict[str, BlockField] = {}
    word = 0
    for name, hint in get_type_hints(kind, include_extras=True).items():
        overlay = name == "numbers" and issubclass(kind, _NumberTable)  # the first word by another type
        fields[name] = field = _make_field(
            0 if overlay else word, hint, f" {kind.__qualname__}.{name}" * CHECKED
        )
        word += 0 if overlay else field.words
    return fields


def _make_field(word: int, hint: Any, name: str) -> BlockField:
    extra: Any = None
    if get_origin(hint) is Annotated:
        hint, extra = get_args(hint)
    if hint is int:
        return BlockField(word, 1, False, None)
    kind, element = get_origin(hint) or hint, (get_args(hint) or (None,))[0]
    pointed = Pointed(kind, element, name)
    if isinstance(extra, int):
        return BlockField(word, extra, True, pointed)
    inside = issubclass(kind, Block) and extra != ELSEWHERE
    return BlockField(word, words_of(kind) if inside else 1, inside, pointed)


@cache
def words_of(kind: type[Block]) -> int:
    """Return how many words a block has. Known to compiled code as a number of its module's."""
    return max((field.word + field.words for field in fields_of(kind).values()), default=0)


def word_of(kind: type[Block], *names: str) -> int:
    """Return the number of a field's word, also of one that is no number, or lies in a block of the block."""
    field = fields_of(kind)[names[0]]
    return field.word + (word_of(field.type.kind, *names[1:]) if names[1:] else 0)


# --- functions that compiled code calls ---------------------------------------------------------------------


def address_of_block(pointer: Pointer) -> int:
    """Return the address that a pointer is."""
    raise NotImplementedError


def skip(pointer: P, count: int) -> P:
    """Return a pointer moved on by some numbers, or rows."""
    raise NotImplementedError


def copy_block(source: B, target: B) -> None:
    """Copy every word of a block."""
    raise NotImplementedError

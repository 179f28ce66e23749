"""Blocks of memory with named fields, for compiled code: one load or store for each field, without checks.

A *word* is 64 bits of memory. A *block* is a sequence of words, whose parts have names: its *fields*. A
*pointer* is the address of a block, with the class of the block as its type. A *table* is a growing array of
rows, each a block; its header says where the rows are. A class with annotated fields declares a block:

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

A function that Python calls takes the address (`context: int`) and makes a pointer: `c = Context(context)`.
Then `c.nodes[i].mode` computes an address and loads a word. A class may be derived from another one. It has
the words of its base class and more after them, and may give a field a more exact type. A function whose
parameter is annotated with the base class is compiled once for all derived classes.

For mypy these are attributes and items. Numba has one type for each class (`PointerType`), whose values are
addresses. In Python, `State.frame` is the index of the field's word (1), for use in arrays of rows. `word_of`
and `words_of` return other indices and sizes.

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
"""The mark of a field that holds the address of a block, and not the block itself (`At`)."""


class PointerMeta(type):
    """The metaclass of pointers: in Python, `State.frame` is the index of the field's word."""

    if not TYPE_CHECKING:  # mypy uses the annotations; without this method it finds names that do not exist

        def __getattr__(cls, name: str) -> int:
            if name.startswith("_") or name not in fields_of(cls):
                raise AttributeError(f"{cls.__qualname__} has no field {name!r}")
            word = fields_of(cls)[name].word
            setattr(cls, name, word)  # so this method runs once for each field
            return word


class Pointer(metaclass=PointerMeta):
    """An address with a type. Only compiled code can make and use one."""

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
    """A pointer to an array of blocks (rows)."""

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
    """The header of a growing table: six words in a block."""

    address: int
    """The address of the first row."""
    count: int
    """The number of rows."""
    capacity: int
    """The number of rows for which there is memory."""
    stride: int
    """The number of words of a row."""
    slots: Int32s
    """A hash table of the rows, if equal rows are stored once: the number of a row in each slot, or -1."""
    mask: int
    """The number of slots minus one. The number of slots is a power of two."""


class Table(TableHeader, Generic[Row]):
    """A table of rows that are blocks."""

    def __getitem__(self, index: int) -> Row:
        raise NotImplementedError


class _NumberTable(TableHeader, _Numbers):
    """A table of integers. The field `numbers` is the address of the first one."""


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
    """The type of a pointer."""

    kind: type[Pointer]
    """The class of the pointer."""
    element: type[Block] | None
    """The class of the rows of `BlockRows` and `Table`."""
    field: str
    """The name of the field that the pointer comes from, for the errors of `checked`."""


class BlockField(NamedTuple):
    """The position and the type of a field."""

    word: int
    """The index of its first word in the block."""
    words: int
    """The number of its words."""
    inside: bool
    """Whether the field is a block inside this block, and not a number or an address."""
    type: Any
    """A `Pointed`: the type of the block inside, or of what the word points to. None: a number."""


@cache
def fields_of(kind: type[Pointer]) -> dict[str, BlockField]:
    """Return the fields of a class, by name."""
    fields: dict[str, BlockField] = {}
    word = 0
    for name, hint in get_type_hints(kind, include_extras=True).items():
        # `numbers` is a second name for the first word of a table of integers, with another type
        overlay = name == "numbers" and issubclass(kind, _NumberTable)
        fields[name] = field = _make_field(
            0 if overlay else word, hint, f" {kind.__qualname__}.{name}" * CHECKED
        )
        word += 0 if overlay else field.words
    return fields


def _make_field(word: int, hint: Any, name: str) -> BlockField:
    """Return the field at a word. `hint`: its annotation. `name`: its name, for errors."""
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
    """Return the number of words of a block. Compiled code uses it as a constant of a module."""
    return max((field.word + field.words for field in fields_of(kind).values()), default=0)


def word_of(kind: type[Block], *names: str) -> int:
    """Return the index of a field's first word. Several names lead to a field of a block inside the block:
    `word_of(Context, "nodes", "count")`."""
    field = fields_of(kind)[names[0]]
    return field.word + (word_of(field.type.kind, *names[1:]) if names[1:] else 0)


# --- functions that compiled code calls ---------------------------------------------------------------------


def address_of_block(pointer: Pointer) -> int:
    """Return the address of a pointer as a number."""
    raise NotImplementedError


def skip(pointer: P, count: int) -> P:
    """Return a pointer to the item `count` numbers, or rows, after that of `pointer`."""
    raise NotImplementedError


def copy_block(source: B, target: B) -> None:
    """Copy all words of the block `source` to the block `target`."""
    raise NotImplementedError

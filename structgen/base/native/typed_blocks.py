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

import operator
from functools import cache
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    NamedTuple,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from llvmlite import ir as llvm
from numba.core import types
from numba.core.datamodel import models
from numba.core.typeconv import Conversion
from numba.core.types.misc import unliteral
from numba.core.typing.templates import (
    AbstractTemplate,
    AttributeTemplate,
    infer_getattr,
    infer_global,
    signature,
)
from numba.extending import (
    lower_builtin,
    lower_cast,
    lower_getattr_generic,
    lower_setattr_generic,
    register_model,
    type_callable,
)

from structgen.base.native.addresses import CHECKED
from structgen.base.native.checked import refuse_dead, refuse_unless

ELSEWHERE = "elsewhere"
"""Mark of a field that holds the address of a block, not the block (`At`)."""


class PointerMeta(type):
    """Registers each class of pointers with numba, and answers `State.frame` in Python."""

    def __init__(cls, name: str, bases: tuple[type, ...], names: dict[str, Any]) -> None:
        super().__init__(name, bases, names)
        type_callable(cls)(lambda context: lambda address: PointerType(cast(type[Pointer], cls)))
        lower_builtin(cls, types.Integer)(_from_address)
        lower_builtin(cls, types.IntegerLiteral)(_from_address)

    if not TYPE_CHECKING:  # mypy takes the annotations, and so sees a name that is none

        def __getattr__(cls, name: str) -> int:
            if name.startswith("_") or name not in fields_of(cls):
                raise AttributeError(f"{cls.__qualname__} has no field {name!r}")
            word = fields_of(cls)[name].word
            setattr(cls, name, word)  # it is asked once
            return word


def _from_address(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return context.cast(builder, args[0], sig.args[0], types.int64)


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


class PointerType(types.Type):
    """Numba's type of a pointer; `element` is the class of the rows of `BlockRows` and `Table`."""

    def __init__(self, kind: type[Pointer], element: type[Block] | None = None, field: str = "") -> None:
        """`field`: the field that the pointer comes from, for the errors of `checked`."""
        self.kind, self.element = kind, element
        rows = f"_{element.__module__}.{element.__qualname__}" if element else ""
        super().__init__(f"{kind.__module__}.{kind.__qualname__}{rows}{field}".replace("structgen.", ""))

    def can_convert_to(self, typingctx: Any, other: Any) -> Any:
        """A pointer is one to a base class as well, as in Python."""
        return Conversion.safe if isinstance(other, PointerType) and other.serves(self) else None

    def serves(self, other: PointerType) -> bool:
        """Return whether a value of another type may stand for one of this type."""
        return issubclass(other.kind, self.kind) and self.element in (None, other.element)


def widened(given: Any, hint: Any) -> Any:
    """Return the type of an argument as its function's annotation has it: of a base class, where it says so.

    A function over a base class is so compiled once for all classes derived from it. An integer is taken as
    an address.
    """
    if not isinstance(get_origin(hint) or hint, PointerMeta):
        return given
    wanted = PointerType(cast(type[Pointer], get_origin(hint) or hint), next(iter(get_args(hint)), None))
    if isinstance(given, types.Integer):
        return wanted
    return wanted if isinstance(given, PointerType) and wanted.serves(given) else given


class BlockField(NamedTuple):
    """Where a field lies, and what it is."""

    word: int
    words: int
    inside: bool
    type: Any


@cache
def fields_of(kind: type[Pointer]) -> dict[str, BlockField]:
    """Return the fields of a class by name."""
    fields: dict[str, BlockField] = {}
    word = 0
    for name, hint in get_type_hints(kind, include_extras=True).items():
        overlay = name == "numbers" and issubclass(kind, _NumberTable)  # the first word by another type
        fields[name] = field = _field(0 if overlay else word, hint, f" {kind.__qualname__}.{name}" * CHECKED)
        word += 0 if overlay else field.words
    return fields


def _field(word: int, hint: Any, name: str) -> BlockField:
    extra: Any = None
    if get_origin(hint) is Annotated:
        hint, extra = get_args(hint)
    if hint is int:
        return BlockField(word, 1, False, types.int64)
    kind, element = get_origin(hint) or hint, (get_args(hint) or (None,))[0]
    typed = PointerType(kind, element, name)
    if isinstance(extra, int):
        return BlockField(word, extra, True, typed)
    inside = issubclass(kind, Block) and extra != ELSEWHERE
    return BlockField(word, words_of(kind) if inside else 1, inside, typed)


@cache
def words_of(kind: type[Block]) -> int:
    """Return how many words a block has. Known to compiled code as a number of its module's."""
    return max((field.word + field.words for field in fields_of(kind).values()), default=0)


def word_of(kind: type[Block], *names: str) -> int:
    """Return the number of a field's word, also of one that is no number, or lies in a block of the block."""
    field = fields_of(kind)[names[0]]
    return field.word + (word_of(field.type.kind, *names[1:]) if names[1:] else 0)


# --- what numba is told -------------------------------------------------------------------------------------


@register_model(PointerType)
class _Model(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, llvm.IntType(64))


@lower_cast(types.Integer, PointerType)  # type: ignore[untyped-decorator]
@lower_cast(PointerType, PointerType)  # type: ignore[untyped-decorator]
def _cast(context: Any, builder: Any, source: Any, target: Any, value: Any) -> Any:
    return value


@infer_getattr
class _Fields(AttributeTemplate):  # type: ignore[misc]
    key = PointerType

    def generic_resolve(self, typ: PointerType, name: str) -> Any:
        field = fields_of(typ.kind).get(name)
        return field.type if field else None


_I64 = llvm.IntType(64)


def _moved(builder: Any, address: Any, bytes_: int) -> Any:
    return builder.add(address, llvm.Constant(_I64, bytes_)) if bytes_ else address


def _cell(context: Any, builder: Any, address: Any, index: Any, typ: PointerType, name: str = "") -> Any:
    """Return where a word is, or with no `name` a number of `typ`'s."""
    bits = 64 if name else typ.kind.bits  # type: ignore[attr-defined]
    cell = builder.gep(builder.inttoptr(address, llvm.IntType(bits).as_pointer()), [index])
    if CHECKED:
        refuse_dead(context, builder, cell, bits, f"{typ}.{name}", index)
    return cell


@lower_getattr_generic(PointerType)  # type: ignore[untyped-decorator]
def _get_field(context: Any, builder: Any, typ: PointerType, value: Any, name: str) -> Any:
    field = fields_of(typ.kind)[name]
    if field.inside:
        return _moved(builder, value, 8 * field.word)
    return builder.load(_cell(context, builder, value, llvm.Constant(_I64, field.word), typ, name))


@lower_setattr_generic(PointerType)  # type: ignore[untyped-decorator]
def _set_field(context: Any, builder: Any, sig: Any, args: Any, name: str) -> None:
    field = fields_of(sig.args[0].kind)[name]
    if field.inside:
        raise NotImplementedError(f"{name} is a block in its place: set its fields")
    builder.store(
        args[1], _cell(context, builder, args[0], llvm.Constant(_I64, field.word), sig.args[0], name)
    )


def _first(context: Any, builder: Any, typ: PointerType, address: Any, index: Any) -> Any:
    """Return the address of item 0."""
    if not issubclass(typ.kind, TableHeader):
        return address
    words = [
        builder.load(_cell(context, builder, address, llvm.Constant(_I64, at), typ, "header"))
        for at in range(3 if CHECKED else 1)
    ]
    if CHECKED:
        good = builder.icmp_unsigned("<", index, words[2])
        refuse_unless(context, builder, good, f"{typ}, a table", index)
    return words[0]


@infer_global(operator.getitem)
class _Item(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        typ, index = args
        if not isinstance(typ, PointerType) or not isinstance(unliteral(index), types.Integer):
            return None
        if typ.element:
            return signature(PointerType(typ.element), typ, types.int64)
        return signature(types.int64, typ, types.int64) if issubclass(typ.kind, _Numbers) else None


@lower_builtin(operator.getitem, PointerType, types.Integer)  # type: ignore[untyped-decorator]
def _get_item(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    typ, index = sig.args[0], args[1]
    base = _first(context, builder, typ, args[0], index)
    if typ.element:
        return builder.add(base, builder.mul(index, llvm.Constant(_I64, 8 * words_of(typ.element))))
    value = builder.load(_cell(context, builder, base, index, typ))
    if typ.kind.bits == 64:
        return value
    return (builder.sext if typ.kind.signed else builder.zext)(value, _I64)


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        typ, index, _ = args
        if not isinstance(typ, PointerType) or not isinstance(unliteral(index), types.Integer):
            return None
        return (
            signature(types.void, typ, types.int64, types.int64) if issubclass(typ.kind, _Numbers) else None
        )


@lower_builtin(operator.setitem, PointerType, types.Integer, types.Integer)  # type: ignore[untyped-decorator]
def _put_item(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    _, index, value = args
    typ = sig.args[0]
    base = _first(context, builder, typ, args[0], index)
    if typ.kind.bits != 64:
        value = builder.trunc(value, llvm.IntType(typ.kind.bits))
    builder.store(value, _cell(context, builder, base, index, typ))
    return context.get_dummy_value()


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


@type_callable(address_of_block)  # type: ignore[untyped-decorator]
def _type_address(context: Any) -> Any:
    return lambda pointer: types.int64 if isinstance(pointer, PointerType) else None


@lower_builtin(address_of_block, PointerType)  # type: ignore[untyped-decorator]
def _address(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return args[0]


@infer_global(skip)
class _Skip(AbstractTemplate):  # type: ignore[misc]
    key = skip

    def generic(self, args: Any, kws: Any) -> Any:
        return signature(args[0], args[0], types.int64) if isinstance(args[0], PointerType) else None


@lower_builtin(skip, PointerType, types.Integer)  # type: ignore[untyped-decorator]
def _skip(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    typ = sig.args[0]
    size = 8 * words_of(typ.element or typ.kind) if not issubclass(typ.kind, _Numbers) else typ.kind.bits // 8
    return builder.add(args[0], builder.mul(args[1], llvm.Constant(_I64, size)))


@type_callable(copy_block)  # type: ignore[untyped-decorator]
def _type_copy(context: Any) -> Any:
    return lambda source, target: (
        types.void if getattr(source, "kind", 0) is getattr(target, "kind", 1) else None
    )


@lower_builtin(copy_block, PointerType, PointerType)  # type: ignore[untyped-decorator]
def _copy(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    for word in range(words_of(sig.args[0].kind)):
        source, target = (
            _cell(context, builder, address, llvm.Constant(_I64, word), sig.args[0], "word")
            for address in args
        )
        builder.store(builder.load(source), target)
    return context.get_dummy_value()

"""This module tells numba how to compile typed blocks, and loads and calls by address.

- A *block* is a row of 64-bit words with named fields (`typed_blocks.Block`). A *pointer* is its address.
- In machine code a pointer is one 64-bit integer. `PointerType` is its type in numba, and knows the fields.
- The *element* of a pointer is the class of the rows that it leads to, for arrays of blocks.
- A function that *writes instructions* gets numba's context, LLVM's builder, the types, and the values.

For example, `c.costs[s]` becomes a load of the word `costs` of block `c`, and a load at that address. Only
`compiling` imports this module.
"""

from __future__ import annotations

import operator
from typing import Any, get_args, get_origin

from llvmlite import ir as llvm
from numba import carray as carray
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
    intrinsic,
    lower_builtin,
    lower_cast,
    lower_getattr_generic,
    lower_setattr_generic,
    register_model,
    type_callable,
)

from structgen.base.native.addresses import CHECKED
from structgen.base.native.checked import refuse_dead, refuse_unless
from structgen.base.native.typed_blocks import (
    Block,
    Pointer,
    PointerMeta,
    TableHeader,
    _Numbers,
    address_of_block,
    copy_block,
    fields_of,
    skip,
    words_of,
)


def register_pointers(registered: set[type[Pointer]], kind: type[Pointer] = Pointer) -> None:
    """Register `kind` and its subclasses with numba. `registered`: the classes known already; it grows."""
    if kind not in registered:
        type_callable(kind)(lambda context: lambda address: PointerType(kind))
        lower_builtin(kind, types.Integer)(_from_address)
        lower_builtin(kind, types.IntegerLiteral)(_from_address)
        registered.add(kind)
    for subclass in kind.__subclasses__():
        register_pointers(registered, subclass)


def _from_address(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Write instructions that make a pointer from an integer."""
    return context.cast(builder, args[0], sig.args[0], types.int64)


class PointerType(types.Type):
    """Numba's type of a pointer of class `kind`; `element`: the class of the rows of `BlockRows`, `Table`."""

    def __init__(self, kind: type[Pointer], element: type[Block] | None = None, field: str = "") -> None:
        """`field`: the field that the pointer comes from, for the errors of `checked`."""
        self.kind, self.element = kind, element
        rows = f"_{element.__module__}.{element.__qualname__}" if element else ""
        super().__init__(f"{kind.__module__}.{kind.__qualname__}{rows}{field}".replace("structgen.", ""))

    def can_convert_to(self, typingctx: Any, other: Any) -> Any:
        """Return numba's answer that this type converts to a base class's, or None. `other`: wanted type."""
        return Conversion.safe if isinstance(other, PointerType) and other.stands_for(self) else None

    def stands_for(self, target: PointerType) -> bool:
        """Return whether a value of type `target` may be used where this type is wanted."""
        return issubclass(target.kind, self.kind) and self.element in (None, target.element)


def widen_argument(argument_type: Any, hint: Any) -> Any:
    """Return the type for which a function is compiled: that of the annotation, if it fits the argument.

    `argument_type`: numba's type of the argument; `hint`: the annotation. So a function over a base class is
    compiled once for all derived classes. An integer is taken as an address.
    """
    if not isinstance(get_origin(hint) or hint, PointerMeta):
        return argument_type
    annotated_type = PointerType(get_origin(hint) or hint, next(iter(get_args(hint)), None))
    if isinstance(argument_type, types.Integer):
        return annotated_type
    return (
        annotated_type
        if isinstance(argument_type, PointerType) and annotated_type.stands_for(argument_type)
        else argument_type
    )


# --- what numba is told -------------------------------------------------------------------------------------


@register_model(PointerType)
class _Model(models.PrimitiveModel):  # type: ignore[misc]
    """The memory of a pointer in machine code: a 64-bit integer."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, llvm.IntType(64))


@lower_cast(types.Integer, PointerType)  # type: ignore[untyped-decorator]
@lower_cast(PointerType, PointerType)  # type: ignore[untyped-decorator]
def _cast_pointer(context: Any, builder: Any, source: Any, target: Any, value: Any) -> Any:
    """Return the value unchanged: integers and pointers are the same in machine code."""
    return value


@infer_getattr
class _Fields(AttributeTemplate):  # type: ignore[misc]
    """The types of a pointer's fields: a pointer, or an int64."""

    key = PointerType

    def generic_resolve(self, typ: PointerType, name: str) -> Any:
        """Return the type of the field `name`; None: the block has no such field."""
        field = fields_of(typ.kind).get(name)
        return None if field is None else PointerType(*field.type) if field.type else types.int64


_I64 = llvm.IntType(64)


def _move_pointer(builder: Any, address: Any, bytes_: int) -> Any:
    """Write instructions that add a number of bytes to an address."""
    return builder.add(address, llvm.Constant(_I64, bytes_)) if bytes_ else address


def _address_of_word(
    context: Any, builder: Any, address: Any, index: Any, typ: PointerType, name: str = ""
) -> Any:
    """Return a pointer to an item of an array at an address, for LLVM.

    `index`: the position of the item. `name`: the field, whose item is a 64-bit word; "": the items are
    numbers of the type `typ`. Under STRUCTGEN_CHECKED, instructions are added that refuse dead memory.
    """
    bits = 64 if name else typ.kind.bits  # type: ignore[attr-defined]
    cell = builder.gep(builder.inttoptr(address, llvm.IntType(bits).as_pointer()), [index])
    if CHECKED:
        refuse_dead(context, builder, cell, bits, f"{typ}.{name}", index)
    return cell


@lower_getattr_generic(PointerType)  # type: ignore[untyped-decorator]
def _get_field(context: Any, builder: Any, typ: PointerType, value: Any, name: str) -> Any:
    """Write instructions that read a field: a word, or the address of a block inside the block."""
    field = fields_of(typ.kind)[name]
    if field.inside:
        return _move_pointer(builder, value, 8 * field.word)
    return builder.load(_address_of_word(context, builder, value, llvm.Constant(_I64, field.word), typ, name))


@lower_setattr_generic(PointerType)  # type: ignore[untyped-decorator]
def _set_field(context: Any, builder: Any, sig: Any, args: Any, name: str) -> None:
    """Write instructions that write a word into a field."""
    field = fields_of(sig.args[0].kind)[name]
    if field.inside:
        raise NotImplementedError(f"{name} is a block at this place: set its fields")
    builder.store(
        args[1],
        _address_of_word(context, builder, args[0], llvm.Constant(_I64, field.word), sig.args[0], name),
    )


def _address_of_items(context: Any, builder: Any, typ: PointerType, address: Any, index: Any) -> Any:
    """Return the address of item 0 of a pointer's array; `index`: the item asked for, to be checked."""
    if not issubclass(typ.kind, TableHeader):
        return address
    # the header of a table: word 0 is the address of its rows, word 2 their capacity
    words = [
        builder.load(_address_of_word(context, builder, address, llvm.Constant(_I64, at), typ, "header"))
        for at in range(3 if CHECKED else 1)
    ]
    if CHECKED:
        good = builder.icmp_unsigned("<", index, words[2])
        refuse_unless(context, builder, good, f"{typ}, a table", index)
    return words[0]


@infer_global(operator.getitem)
class _Item(AbstractTemplate):  # type: ignore[misc]
    """The type of `pointer[index]`: a pointer to a row, or an int64."""

    def generic(self, args: Any, kws: Any) -> Any:
        """Return the signature for these argument types; None: this is not about pointers."""
        typ, index = args
        if not isinstance(typ, PointerType) or not isinstance(unliteral(index), types.Integer):
            return None
        if typ.element:
            return signature(PointerType(typ.element), typ, types.int64)
        return signature(types.int64, typ, types.int64) if issubclass(typ.kind, _Numbers) else None


@lower_builtin(operator.getitem, PointerType, types.Integer)  # type: ignore[untyped-decorator]
def _get_item(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Write instructions for `pointer[index]`: the address of a row, or a number, widened to 64 bits."""
    typ, index = sig.args[0], args[1]
    base = _address_of_items(context, builder, typ, args[0], index)
    if typ.element:
        return builder.add(base, builder.mul(index, llvm.Constant(_I64, 8 * words_of(typ.element))))
    value = builder.load(_address_of_word(context, builder, base, index, typ))
    if typ.kind.bits == 64:
        return value
    return (builder.sext if typ.kind.signed else builder.zext)(value, _I64)


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):  # type: ignore[misc]
    """The type of `pointer[index] = number`."""

    def generic(self, args: Any, kws: Any) -> Any:
        """Return the signature for these argument types; None: this is not about numbers."""
        typ, index, _ = args
        if not isinstance(typ, PointerType) or not isinstance(unliteral(index), types.Integer):
            return None
        return (
            signature(types.void, typ, types.int64, types.int64) if issubclass(typ.kind, _Numbers) else None
        )


@lower_builtin(operator.setitem, PointerType, types.Integer, types.Integer)  # type: ignore[untyped-decorator]
def _put_item(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Write instructions for `pointer[index] = number`; the number is cut to the items' width."""
    _, index, value = args
    typ = sig.args[0]
    base = _address_of_items(context, builder, typ, args[0], index)
    if typ.kind.bits != 64:
        value = builder.trunc(value, llvm.IntType(typ.kind.bits))
    builder.store(value, _address_of_word(context, builder, base, index, typ))
    return context.get_dummy_value()


@type_callable(address_of_block)  # type: ignore[untyped-decorator]
def _type_address(context: Any) -> Any:
    """Return the typing function of `address_of_block`: a pointer gives an int64."""
    return lambda pointer: types.int64 if isinstance(pointer, PointerType) else None


@lower_builtin(address_of_block, PointerType)  # type: ignore[untyped-decorator]
def _address_of_block(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Return the pointer itself: it is an address."""
    return args[0]


@infer_global(skip)
class _Skip(AbstractTemplate):  # type: ignore[misc]
    """The type of `skip(pointer, count)`: that of the pointer."""

    key = skip

    def generic(self, args: Any, kws: Any) -> Any:
        """Return the signature for these argument types; None: the first is not a pointer."""
        return signature(args[0], args[0], types.int64) if isinstance(args[0], PointerType) else None


@lower_builtin(skip, PointerType, types.Integer)  # type: ignore[untyped-decorator]
def _skip_rows(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Write instructions that move a pointer by a number of its rows or numbers."""
    typ = sig.args[0]
    size = 8 * words_of(typ.element or typ.kind) if not issubclass(typ.kind, _Numbers) else typ.kind.bits // 8
    return builder.add(args[0], builder.mul(args[1], llvm.Constant(_I64, size)))


@type_callable(copy_block)  # type: ignore[untyped-decorator]
def _type_copy(context: Any) -> Any:
    """Return the typing function of `copy_block`: both blocks must be of one class."""
    return lambda source, target: (
        types.void if getattr(source, "kind", 0) is getattr(target, "kind", 1) else None
    )


@lower_builtin(copy_block, PointerType, PointerType)  # type: ignore[untyped-decorator]
def _copy_row(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Write instructions that copy a block, word by word."""
    for word in range(words_of(sig.args[0].kind)):
        source, target = (
            _address_of_word(context, builder, address, llvm.Constant(_I64, word), sig.args[0], "word")
            for address in args
        )
        builder.store(builder.load(source), target)
    return context.get_dummy_value()


# --- loads and calls by address ---


@intrinsic(prefer_literal=False)  # type: ignore[untyped-decorator]
def load64(typingctx: Any, address: Any, index: Any) -> Any:
    """Return the int64 at address[index]."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        base, at = args
        return builder.load(builder.gep(builder.inttoptr(base, llvm.IntType(64).as_pointer()), [at]))

    return types.int64(types.int64, types.int64), codegen


def _call_address(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Write instructions that call the entry point at the address in the first argument."""
    kinds = signature.args[1:]
    kind = context.call_conv.get_function_type(types.int64, kinds)
    function = builder.inttoptr(args[0], kind.as_pointer())
    status, answer = context.call_conv.call_function(builder, function, types.int64, kinds, args[1:])
    if CHECKED:  # nothing else raises
        with builder.if_then(status.is_error, likely=False):
            context.call_conv.return_status_propagate(builder, status)
    return answer


@intrinsic(prefer_literal=False)  # type: ignore[untyped-decorator]
def call2(typingctx: Any, address: Any, a: Any, b: Any) -> Any:
    """Return the answer of the entry point at an address (`jit.code_of`), called with two integers."""
    return types.int64(*[types.int64] * 3), _call_address


@intrinsic(prefer_literal=False)  # type: ignore[untyped-decorator]
def call3(typingctx: Any, address: Any, a: Any, b: Any, c: Any) -> Any:
    """Return the answer of the entry point at an address, called with three integers."""
    return types.int64(*[types.int64] * 4), _call_address


@intrinsic(prefer_literal=False)  # type: ignore[untyped-decorator]
def call4(typingctx: Any, address: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Return the answer of the entry point at an address, called with four integers."""
    return types.int64(*[types.int64] * 5), _call_address


@intrinsic(prefer_literal=False)  # type: ignore[untyped-decorator]
def call5(typingctx: Any, address: Any, a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
    """Return the answer of the entry point at an address, called with five integers."""
    return types.int64(*[types.int64] * 6), _call_address


@intrinsic  # type: ignore[untyped-decorator]
def trailing_zeros(typingctx: Any, word: Any) -> Any:
    """Return how many zero bits a 64-bit word ends in; the word is not 0. (Numba has no such function.)"""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], llvm.Constant(llvm.IntType(1), 1))

    return types.uint64(types.uint64), generate


def _pointer_of_numbers(kind: Any, llvm_kind: Any) -> Any:
    """Return an intrinsic that turns an address into a pointer to numbers. `llvm_kind`: LLVM's type."""

    @intrinsic  # type: ignore[untyped-decorator]
    def at(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], llvm_kind.as_pointer())

        return types.CPointer(kind)(types.int64), codegen  # type: ignore[attr-defined]

    return at


floats_at, words_at = (
    _pointer_of_numbers(types.float32, llvm.FloatType()),
    _pointer_of_numbers(types.int64, _I64),
)

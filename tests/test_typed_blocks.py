"""Blocks of memory: what compiled code reads and writes by a field's name lies where numpy sees it."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pytest

from structgen.base.native.jit import entry, jit
from structgen.base.native.raw_memory import address_of
from structgen.base.native.typed_blocks import (
    At,
    Block,
    BlockRows,
    Bytes,
    Int32s,
    Int32Table,
    Int64s,
    Table,
    TableHeader,
    address_of_block,
    copy_block,
    skip,
    word_of,
    words_of,
)

pytest.importorskip("numba")


class Pair(Block):
    left: int
    right: int


class Row(Block):
    pair: Pair
    number: int


class Base(Block):
    last: int
    rows: Table[Row]


class Whole(Base):
    other: At[Pair]
    pairs: BlockRows[Pair]
    ids: Int32s
    three: Annotated[Int64s, 3]
    bytes: Bytes
    ints: Int32Table


@jit
def add(pair: Pair, number: int) -> int:
    pair.left += number
    return pair.left


@jit
def count_of(table: TableHeader) -> int:
    return table.count


@jit
def bump(base: Base) -> None:
    base.last += 1


@entry("int64(int64, int64)")
def use(address: int, index: int) -> int:
    whole = Whole(address)
    row = whole.rows[index]
    row.pair.right = 5
    row.number = add(row.pair, index)
    copy_block(row.pair, whole.pairs[1])
    whole.other.left = whole.ids[2] + whole.bytes[index]
    whole.ids[1] = -7
    whole.three[0] = count_of(whole.rows) + count_of(whole.ints)
    whole.three[1] = skip(whole.ids, 1)[0]
    whole.three[2] = address_of_block(skip(whole.rows[1], 1)) - address_of_block(whole.rows[0])
    whole.ints[3] = whole.ints.numbers[2] + 1
    bump(whole)
    return whole.rows.stride


def test_fields_items_and_rows_lie_where_they_are_declared() -> None:
    words = np.zeros(words_of(Whole), np.int64)
    rows, pair, pairs = np.zeros((4, 3), np.int64), np.zeros(2, np.int64), np.zeros((2, 2), np.int64)
    ids, held = np.arange(5, dtype=np.int32), np.full(9, 200, np.uint8)
    ints = np.array([0, 0, -9, 0], np.int32)
    table = word_of(Whole, "rows")
    words[table : table + 4] = address_of(rows), 4, 4, 3
    for name, array in (("other", pair), ("pairs", pairs), ("ids", ids), ("bytes", held), ("ints", ints)):
        words[word_of(Whole, name)] = address_of(array)
    words[word_of(Whole, "ints", "count")] = 6
    assert use(address_of(words), 2) == 3
    assert rows.tolist() == [[0, 0, 0], [0, 0, 0], [2, 5, 2], [0, 0, 0]]
    assert pairs.tolist() == [[0, 0], [2, 5]]
    assert pair.tolist() == [202, 0]
    assert ids.tolist() == [0, -7, 2, 3, 4]
    assert ints.tolist() == [0, 0, -9, -8]
    three = word_of(Whole, "three")
    assert words[three : three + 3].tolist() == [10, -7, 48]
    assert words[Whole.last] == 1


def test_a_function_over_a_base_class_is_compiled_once_for_all_classes() -> None:
    words = np.zeros(2 * words_of(Whole), np.int64)
    words[: words_of(Whole)] = address_of(words) + 8 * words_of(
        Whole
    )  # wherever a field leads, there is room
    use(address_of(words), 0)
    for function, base in ((bump, f"{__name__}.Base"), (count_of, "base.native.typed_blocks.TableHeader")):
        held = getattr(function, "_dispatcher", None)  # none, where the machine code was kept
        assert {str(types[0]) for types in getattr(held, "overloads", ())} <= {base}


def test_the_word_of_a_field_is_an_attribute_of_the_class() -> None:
    assert (Pair.right, Row.number, words_of(Row)) == (1, 2, 3)
    assert word_of(Row, "pair", "right") == 1
    with pytest.raises(AttributeError, match="Pair has no field 'middle'"):
        Pair.middle  # type: ignore[attr-defined]  # noqa: B018


def test_a_field_that_is_not_there_is_an_error_of_compiling() -> None:
    @entry("int64(int64)")
    def wrong(address: int) -> int:
        return int(Pair(address).middle)  # type: ignore[attr-defined]

    with pytest.raises(Exception, match="middle"):
        wrong(0)


def test_an_address_is_that_of_the_first_item() -> None:
    whole = np.arange(12, dtype=np.int64)
    frozen = np.frombuffer(b"a text that nobody writes", np.uint8)
    for array in (
        whole,
        whole[3:],
        whole[::2],
        whole.reshape(3, 4)[1],
        whole.view(np.int32),
        frozen,
        whole[:0],
    ):
        assert address_of(array) == array.ctypes.data

"""Tables that make equal rows one number, and the questions that compiled code notes for Python."""

from __future__ import annotations

from structgen.base.native.jit import entry, jit
from structgen.base.native.raw_memory import int64, uint64
from structgen.base.native.typed_blocks import Block, Int64s, TableHeader, address_of_block, skip
from structgen.machines.machine_core.layout import MOST_QUESTIONS, QUESTION_ROOM, Core, Edge


@jit
def note_question(c: Core, kind: int, first: int, second: int, third: int) -> None:
    """Note a question, once; past the buffer's end it is asked again by the next walk.

    `kind` says what the three words mean: for example `note_question(c, ASK_ROW, state, 0, 0)` asks for the
    row of a state of the lexer.
    """
    questions = c.questions
    count = questions.count
    for i in range(count):
        question = questions.rows[i]
        if (
            question.kind == kind
            and question.first == first
            and question.second == second
            and question.third == third
        ):
            return
    if count < MOST_QUESTIONS:
        question = questions.rows[count]
        question.kind = kind
        question.first = first
        question.second = second
        question.third = third
        questions.count = count + 1


@jit
def ask_room(c: Core, table: TableHeader, rows: int) -> None:
    """Ask for room in a table, by the number of its first word in the context."""
    first_word = (address_of_block(table) - address_of_block(c)) // 8
    note_question(c, QUESTION_ROOM, first_word, rows, 0)


@jit
def hash_words(row: Int64s, words: int) -> int:
    """Return a non-negative mix of a row's leading words."""
    # The constants are well-known mixers (the golden ratio, and MurmurHash3's last step).
    h = uint64(0x9E3779B97F4A7C15)
    for i in range(words):
        h = (h ^ uint64(row[i])) * uint64(0xFF51AFD7ED558CCD)
        h = h ^ (h >> uint64(32))
    return int64(h & uint64(0x3FFFFFFFFFFFFFFF))  # type: ignore[no-any-return]


@jit
def find_row(table: TableHeader, words: int, row: Block) -> int:
    """Return the number of the row with these leading words, or -1."""
    key = Int64s(address_of_block(row))
    rows = Int64s(table.address)
    stride = table.stride
    slots, mask = table.slots, table.mask
    at = hash_words(key, words) & mask
    # Slots are tried one after another. An empty one is always found: at most half of them are in use.
    while True:
        number = slots[at]
        if number < 0:
            return -1
        candidate = skip(rows, stride * number)
        is_equal = True
        for i in range(words):
            if candidate[i] != key[i]:
                is_equal = False
                break
        if is_equal:
            return number
        at = (at + 1) & mask


@jit
def intern_row(c: Core, table: TableHeader, words: int, row: Block) -> int:
    """Return the number of a row, added if it is new (the words after the key included), or -1 when room
    must be made, which is asked for. `words`: how many leading words tell it from other rows, for example 3
    in `intern_row(c, c.edges, 3, row)`."""
    number = find_row(table, words, row)
    if number >= 0:
        return number
    count, mask = table.count, table.mask
    if count >= table.capacity or 2 * count > mask:
        ask_room(c, table, 1)
        return -1
    key = Int64s(address_of_block(row))
    stride = table.stride
    slots = table.slots
    target = skip(Int64s(table.address), stride * count)
    for i in range(stride):
        target[i] = key[i]
    at = hash_words(key, words) & mask
    while slots[at] >= 0:
        at = (at + 1) & mask
    # The row is written before its number: a reader without a lock never finds a number without a row.
    slots[at] = count
    table.count = count + 1
    return count


@jit
def edge_key(c: Core, first: int, second: int, third: int) -> Edge:
    """Return the key of an edge in the working memory `c.work`, for `find_row` and `intern_row`. The next row
    that is made there overwrites it."""
    key = Edge(address_of_block(c.work))
    key.first = first
    key.second = second
    key.third = third
    return key


@entry("int64(int64, int64, int64)")
def rehash_rows(header: int, words: int, first: int) -> int:
    """Put the rows of an interning table, from `first` on, into its (emptied) hash slots."""
    table = TableHeader(header)
    rows = Int64s(table.address)
    stride = table.stride
    slots = table.slots
    mask = table.mask
    for i in range(first, table.count):
        at = hash_words(skip(rows, stride * i), words) & mask
        while slots[at] >= 0:
            at = (at + 1) & mask
        slots[at] = i
    return 0

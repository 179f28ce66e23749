"""Tables that make equal rows one number, and the questions that compiled code notes for Python.

To *intern* a row is to find the row with the same key in a table, or to append the row if there is none. The
row's number then stands for its content: equal rows have equal numbers. The *key* of a row is its first
words; the words after it are the answer that is kept with the key. The table's *slots* are a hash table of
numbers. A *question* is a kind and three words that compiled code notes for Python, for example (ASK_ROW,
state, 0, 0).
"""

from __future__ import annotations

from structgen.base.native.jit import entry, jit
from structgen.base.native.raw_memory import int64, uint64
from structgen.base.native.typed_blocks import Block, Int64s, TableHeader, address_of_block, skip
from structgen.machines.machine_core.layout import MOST_QUESTIONS, QUESTION_ROOM, Core, Edge


@jit
def note_question(c: Core, kind: int, first: int, second: int, third: int) -> None:
    """Note a question for Python, unless it is noted already.

    `kind` says what the three words mean: for example `note_question(c, ASK_ROW, state, 0, 0)` asks for the
    row of a state of the lexer. Where MOST_QUESTIONS are noted, the question is dropped: the repeated call
    will note it.
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
    """Ask for room for `rows` more rows in a table. Python knows the table by its first word in the block."""
    first_word = (address_of_block(table) - address_of_block(c)) // 8
    note_question(c, QUESTION_ROOM, first_word, rows, 0)


@jit
def hash_words(row: Int64s, words: int) -> int:
    """Return a non-negative hash of the first `words` words of a row."""
    # The constants are well-known mixers (the golden ratio, and MurmurHash3's last step).
    h = uint64(0x9E3779B97F4A7C15)
    for i in range(words):
        h = (h ^ uint64(row[i])) * uint64(0xFF51AFD7ED558CCD)
        h = h ^ (h >> uint64(32))
    return int64(h & uint64(0x3FFFFFFFFFFFFFFF))  # type: ignore[no-any-return]


@jit
def find_row(table: TableHeader, words: int, row: Block) -> int:
    """Return the number of the table's row whose first `words` words are those of `row`; -1: there is
    none."""
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
    """Return the number of a row in a table; a new row is appended whole.

    `words`: the length of the key, for example 3 in `intern_row(c, c.edges, 3, row)`. Returns -1 where the
    table has no room for a new row; room is then asked for.
    """
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
    """Write the key of an edge into the working memory `c.work`; return it, for `find_row` and `intern_row`.

    The next row that is made in `c.work` overwrites it.
    """
    key = Edge(address_of_block(c.work))
    key.first = first
    key.second = second
    key.third = third
    return key


@entry("int64(int64, int64, int64)")
def rehash_rows(header: int, words: int, first: int) -> int:
    """Enter the rows of an interning table, from `first` on, into its hash slots, which are empty. Returns 0.

    `header`: the address of the table's header. `words`: the length of the key.
    """
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

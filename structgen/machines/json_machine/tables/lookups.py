"""Compiled code looks up here what the tables have: the network's answers, the automata, lists of words.

A row that is not filled yet is asked for: a *question* is noted, which Python answers. An *edge* is an answer
of the network that is kept: from (residue, key, outcome) to the residue that follows.

A *set of keys* is a trie of rows of `sets`, and equal sets are one number. A *node* of it has `label` 0, in
`member` whether a key ends there, and in `child` its first entry. An *entry* has 1 + its byte in `label`, in
`member` the node under the byte, and in `child` the next entry. The number 0 is the empty set, and no entry.

A *prefix* in a sorted list of words is (low, high, position): the words low to high - 1 share their first
`position` bytes. In ["a", "ab", "b"] the prefix (0, 2, 1) is "a". It is packed into one number (`prefix_of`).
"""

from __future__ import annotations

from structgen.automata.unicode.decoded_text import WIDTH
from structgen.base.native.jit import jit
from structgen.base.native.typed_blocks import Int64s, skip
from structgen.machines.json_machine.tables.json_blocks import (
    CAPTURE,
    EXTRA_TAG,
    HIGH_BITS,
    HIGH_SHIFT,
    KEY_BEGINS,
    LOW_SHIFT,
    M_DOC,
    M_VALUE,
    POSITION_BITS,
    Q_AFTER,
    Q_EXTRA,
    Q_PLACE,
    Q_RESIDUE,
    JsonContext,
    JsonState,
    PhaseRow,
    ResidueRow,
    StringRow,
)
from structgen.machines.machine_core.interning import ask_room, edge_key, find_row, intern_row, note_question
from structgen.machines.machine_core.layout import ASK, YES


@jit
def is_space(byte: int) -> bool:
    """Return whether a byte is white space."""
    return byte == 32 or byte == 9 or byte == 10 or byte == 13


@jit
def set_structural(d: JsonState, mode: int, residue: int, extras: int, frame: int) -> None:
    """Set the registers to a state with nothing of the next token of JSON written; a log goes on.

    For example, `set_structural(d, M_DOC, 0, 0, NO_FRAME)` is the state before a document.
    """
    d.mode = mode
    d.residue = residue
    d.extras = extras
    d.side_node = 0
    d.lexeme = 0
    d.position = 0
    # Outside of an item whose value matters no text is kept between tokens, so that equal states are one.
    if d.text & CAPTURE == 0:
        d.text = 0
    d.frame = frame


@jit
def fill_plain(c: JsonContext, row: ResidueRow) -> bool:
    """Fill the row of a residue of a plain object. Returns whether it is filled; else room was asked for.

    The names come in their declared order, so the names from this position up to the next required one may
    come next.
    """
    shape = c.plain_objects[row.plain]
    count, index = shape.count, row.index
    used = c.children.count
    if used + count > c.children.capacity:
        ask_room(c, c.children, count)
        return False
    table = c.children.numbers
    arrays = skip(table, shape.arrays)
    is_required = arrays[2 * count + index]
    name_count = 0
    # `arrays` has two words for each sorted name: its declared position, and the place of its value. A name
    # before `index` is written or was passed over; a name after the next required one must wait.
    for i in range(count):
        declared_place, place = arrays[2 * i], arrays[2 * i + 1]
        if declared_place < index or declared_place > is_required:
            place = -1
        elif place >= 0:
            name_count = 1
        table[used + i] = place
    c.children.count = used + count
    row.children = used
    row.words = shape.words
    row.offers_names = name_count
    row.item = -1
    row.close = shape.close if is_required == count else -1
    row.extra_place = shape.extra_place if is_required == count else -1
    row.extra = FREE if row.extra_place >= 0 else -1
    # The status comes last: only now is the row read.
    row.status = 1
    return True


@jit
def known_residue(c: JsonContext, residue: int) -> int:
    """Return YES if a residue's row is filled; else fill it or ask for it, and return YES or ASK."""
    row = c.residues[residue]
    if row.status == 0:
        if row.plain >= 0:
            return YES if fill_plain(c, row) else ASK
        note_question(c, Q_RESIDUE, residue, 0, 0)
        return ASK
    return YES


@jit
def holds_brackets(c: JsonContext, place: int) -> int:
    """Return 1 where a value of a place may be an object or an array, else 0; -1: a question was noted."""
    row = c.places[place]
    if row.status == 0:
        note_question(c, Q_PLACE, place, 0, 0)
        return -1
    if row.object >= 0 or row.array >= 0:
        return 1
    return 0


@jit
def find_edge(c: JsonContext, first: int, second: int, third: int) -> int:
    """Return the target of an edge, by its three words; -2: the edge was not asked for.

    For example, `find_edge(c, residue, 0, 0)` is the residue after a value with outcome 0 under the first
    name of the list.
    """
    number = find_row(c.edges, 3, edge_key(c, first, second, third))
    if number < 0:
        return -2
    return c.edges[number].target


@jit
def extra_place(c: JsonContext, residue: int, group: int) -> int:
    """Return the place of the value under an extra key of the class `group`.

    -1: no such key is allowed. -2: a question was noted. The class of an extra key is the outcome of its
    automaton.
    """
    row = c.residues[residue]
    if row.extra_place >= 0 and group == 0:
        return row.extra_place
    edge_found = find_edge(c, residue, EXTRA_TAG, group)
    if edge_found == -2:
        note_question(c, Q_EXTRA, residue, group, 0)
    return edge_found


@jit
def value_place(c: JsonContext, d: JsonState) -> int:
    """Return the place of the value that may begin at a structural state; -1: none; -2: a question was
    noted."""
    mode = d.mode
    if mode == M_DOC:
        return c.root
    if mode == M_VALUE:
        key = d.lexeme
        if key >= 0:
            children = c.residues[d.residue].children
            return c.children.numbers[children + key]
        return extra_place(c, d.residue, -2 - key)
    return c.residues[d.residue].item


@jit
def residue_after(c: JsonContext, residue: int, key: int, outcome: int) -> int:
    """Return the residue after a value under a key; -1: a question was noted.

    `outcome`: that of the value. An item has the key -1: `residue_after(c, residue, -1, outcome)`.
    """
    row = c.residues[residue]
    plain = row.plain
    # The residues of a plain object are rows side by side, one for each number of names that are passed. So
    # no question is needed.
    if plain >= 0 and outcome == 0:
        shape = c.plain_objects[plain]
        base = shape.base
        if key < 0:
            return base + shape.count
        places = skip(c.children.numbers, shape.arrays)
        return base + places[2 * key] + 1
    edge_found = find_edge(c, residue, key, outcome)
    if edge_found < 0:
        note_question(c, Q_AFTER, residue, key, outcome)
        return -1
    return edge_found


FREE = 0
"""The state of the free string's automaton between two characters (automata.strings.StringPool.FREE)."""
MIDDLES = 8
"""The states below this number are those of the free string: FREE, and those inside a character."""


@jit
def string_step(c: JsonContext, state: int, column: int) -> int:
    """Return the state of a string automaton after a column; -1: there is none."""
    return c.strings[state * WIDTH + column]


@jit
def phase_at(c: JsonContext, string: StringRow, count: int) -> PhaseRow:
    """Return the phase (`PhaseRow`) of a string that has `count` characters."""
    at = string.phases
    while count >= c.phases[at].end:
        at += 1
    return c.phases[at]


@jit
def near_enough(c: JsonContext, string: StringRow, state: int, count: int) -> bool:
    """Return whether a string of `count` characters can still end within its phase, or a later one.

    `state`: the state of its automaton. A string without phases always can.
    """
    if string.phases < 0:
        # all states are alive; in a free string, which alone has a `max_length`, a text may end at once
        return True
    phase = phase_at(c, string, count)
    count_left = phase.end - count
    # Beyond the prelude the rows repeat with the period: an equal row is taken.
    count_left = min(count_left, phase.prelude + (count_left - phase.prelude) % phase.period)
    return c.blob.numbers[phase.live + count_left * phase.states + state - string.start] != 0


@jit
def string_outcome(c: JsonContext, string: StringRow, state: int, count: int) -> int:
    """Return the outcome of a string of `count` characters that ends in a state of its automaton; -1: none.

    `string` is its row, as in `string_outcome(c, c.string_specs[d.residue], state, d.position)`.
    """
    if string.phases < 0:
        return c.string_outcomes[state]
    return c.outcomes.numbers[phase_at(c, string, count).outcomes + state - string.start]


@jit
def like_count(c: JsonContext, string: StringRow, count: int, far: int) -> tuple[int, int]:
    """Return a pair that tells apart the counts of characters that matter within one token.

    The first number is 1 if the end of the phase is farther away than a token may lead, else 0. The second is
    a count with which the string goes on alike within a token. `far`: the first number as the token began.
    """
    phase = phase_at(c, string, count)
    near_count = phase.prelude + c.vocabulary.longest + 1
    count_left = phase.end - count
    if far == 0 and count_left < near_count + phase.period:
        return 0, count
    # So far away only the remainder by the period matters.
    return 1, phase.end - near_count - (count_left - near_count) % phase.period


@jit
def set_row(c: JsonContext, label: int, member: int, child: int) -> int:
    """Return the number of a row of a set; it is made if it is new. -1: room was asked for.

    The module describes nodes and entries. For example, `set_row(c, 0, 1, 0)` is a node where a key ends and
    no byte follows.
    """
    t = c.work.entry
    t.label = label
    t.member = member
    t.child = child
    t.sibling = 0
    return intern_row(c, c.sets, 4, t)


@jit
def next_entry(c: JsonContext, node: int, byte: int) -> int:
    """Return the first entry of a node of a set whose byte is `byte` or larger; 0: there is none."""
    entry = c.sets[node].child
    while entry > 0 and c.sets[entry].label - 1 < byte:
        entry = c.sets[entry].child
    return entry


@jit
def set_step(c: JsonContext, node: int, byte: int) -> int:
    """Return the node of a set under a byte; 0: no key of the set goes on with the byte."""
    entry = next_entry(c, node, byte)
    return c.sets[entry].member if entry > 0 and c.sets[entry].label - 1 == byte else 0


@jit
def next_held(c: JsonContext, node: int, byte: int) -> int:
    """Return the smallest byte from `byte` on with which a key of a set goes on; 256: there is none."""
    entry = next_entry(c, node, byte)
    return c.sets[entry].label - 1 if entry > 0 else 256


@jit
def entry_insert(c: JsonContext, entry: int, byte: int, node: int, spare: Int64s) -> int:
    """Return the first entry of a list in which `byte` leads to `node`. -1: room was asked for.

    `entry`: the first entry of the list before. `spare`: working memory of 256 words. For example,
    `entry_insert(c, entry, 65, node, spare)` has an entry for the byte "A".
    """
    # Rows never change, since other sets may share them: the entries before the new one are made again.
    count = 0
    while entry > 0:
        row = c.sets[entry]
        if row.label - 1 >= byte:
            break
        spare[count] = entry
        count += 1
        entry = row.child
    if entry > 0 and c.sets[entry].label - 1 == byte:
        entry = c.sets[entry].child
    tail = set_row(c, 1 + byte, node, entry)
    for i in range(count - 1, -1, -1):
        if tail < 0:
            return -1
        row = c.sets[spare[i]]
        tail = set_row(c, row.label, row.member, tail)
    return tail


@jit
def set_insert(c: JsonContext, root: int, text: int) -> int:
    """Return the set `root` with one more key. -1: room was asked for.

    `text`: the row of `texts` that is the key, or the log that ends with it. Cost: linear in the key and the
    entries beside it.
    """
    length = 0
    at = text
    while at > 0:
        row = c.texts[at]
        if row.byte == KEY_BEGINS:
            break
        length += 1
        at = row.parent
    # two words for each byte, and 256 for the siblings of one
    if 2 * length + 256 > c.stack.capacity:
        ask_room(c, c.stack, 2 * length + 256)
        return -1
    path = c.stack.numbers
    # For each byte of the key, `path` has the byte, and the node of the old set above it.
    at = text
    for i in range(length - 1, -1, -1):
        row = c.texts[at]
        path[2 * i] = row.byte
        at = row.parent
    node = root
    for i in range(length):
        path[2 * i + 1] = node
        if node > 0 or i == 0:
            node = set_step(c, node, path[2 * i])
        else:
            node = 0
    head = 0
    if node > 0:
        head = c.sets[node].child
    # From the end of the key to the root, the nodes on its path are made anew; all others are shared.
    new_row = set_row(c, 0, 1, head)
    if new_row < 0:
        return -1
    for i in range(length - 1, -1, -1):
        byte, parent_node = path[2 * i], path[2 * i + 1]
        member = c.sets[parent_node].member
        entry = c.sets[parent_node].child
        new_row = entry_insert(c, entry, byte, new_row, skip(path, 2 * length))
        if new_row < 0:
            return -1
        new_row = set_row(c, 0, member, new_row)
        if new_row < 0:
            return -1
    return new_row


@jit
def word_at(c: JsonContext, words: int, index: int, position: int) -> int:
    """Return the byte of a listed word at a position; -1: the word ends there.

    `words`: the row of the list; `index`: the number of the word. For example, `word_at(c, words, 0, 0)` is
    the first byte of the first word.
    """
    row = c.word_lists[words]
    offsets = skip(c.offsets.numbers, row.start)
    start, end = offsets[index], offsets[index + 1]
    if start + position >= end:
        return -1
    return c.blob.numbers[start + position]


@jit
def prefix_of(low: int, high: int, position: int) -> int:
    """Return a prefix (low, high, position) as one number (see the module)."""
    return (low << LOW_SHIFT) | (high << HIGH_SHIFT) | position


@jit
def first_word(prefix: int) -> int:
    """Return the index of the first word with a prefix."""
    return prefix >> LOW_SHIFT


@jit
def words_end(prefix: int) -> int:
    """Return the index after the last word with a prefix."""
    return (prefix >> HIGH_SHIFT) & HIGH_BITS


@jit
def prefix_length(prefix: int) -> int:
    """Return the number of bytes of a prefix."""
    return prefix & POSITION_BITS


@jit
def first_from(c: JsonContext, words: int, first: int, last: int, position: int, byte: int) -> int:
    """Return the first of the words `first` to `last - 1` whose byte at a position is `byte` or larger.

    `last`: there is none. The words share all bytes before the position. Cost: logarithmic in their number.
    """
    while first < last:
        middle = (first + last) >> 1
        if word_at(c, words, middle, position) < byte:
            first = middle + 1
        else:
            last = middle
    return first


@jit
def narrow_prefix(c: JsonContext, words: int, prefix: int, byte: int) -> int:
    """Return the prefix after one more byte; -1: no word goes on with the byte.

    For example, `narrow_prefix(c, words, prefix_of(0, count, 0), 65)` has the words that begin with an "A".
    Cost: logarithmic in the length of the list.
    """
    low = first_word(prefix)
    high = words_end(prefix)
    position = prefix_length(prefix)
    # After a few bytes mostly one word is left; then only the position (the lowest bits) grows.
    if high - low == 1:
        return prefix + 1 if word_at(c, words, low, position) == byte else -1
    first = first_from(c, words, low, high, position, byte)
    if first >= high or word_at(c, words, first, position) != byte:
        return -1
    return prefix_of(first, first_from(c, words, first, high, position, byte + 1), position + 1)


@jit
def next_listed(c: JsonContext, words: int, prefix: int, byte: int) -> int:
    """Return the smallest byte from `byte` on with which a word with a prefix goes on; 256: there is none.

    Cost: logarithmic in the length of the list.
    """
    low = first_word(prefix)
    high = words_end(prefix)
    position = prefix_length(prefix)
    if high - low == 1:
        next_byte = word_at(c, words, low, position)
        return next_byte if next_byte >= byte else 256
    first = first_from(c, words, low, high, position, byte)
    return word_at(c, words, first, position) if first < high else 256


@jit
def word_at_prefix(c: JsonContext, words: int, prefix: int) -> int:
    """Return the index of the word that is equal to a prefix; -1: no word ends there."""
    # Such a word is the first of those with the prefix.
    low, position = first_word(prefix), prefix_length(prefix)
    return low if word_at(c, words, low, position) < 0 else -1  # -1 is the byte at the end of a word


@jit
def is_name_offered(c: JsonContext, residue: int, prefix: int) -> bool:
    """Return whether some named key with a prefix may come now."""
    low, high = first_word(prefix), words_end(prefix)
    children = skip(c.children.numbers, c.residues[residue].children)
    for i in range(low, high):
        if children[i] >= 0:
            return True
    return False

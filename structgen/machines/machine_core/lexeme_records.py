"""Records: what the tokens of a trie do in a state of the lexer, whatever the parser says.

A record has *groups*, tokens that stay inside the lexeme, by the class of endings of the state that they
lead to: one answer of liveness decides for all tokens of a group. And it has *leftovers*, tokens that end the
lexeme: the terminal, the carry, and the trie of their bytes after the end. Equal tries are one; large ones
are ranges of their parent's nodes, and no copies. Where another state goes on in the same way after many
bytes, the tokens below them are left to that state's record.

A record is made in three steps: `scan_trie` notes tokens and crossings in scratch memory, `put_record` makes
groups and leftovers of these, and `intern_record` lets masks read the record.
"""

from __future__ import annotations

from structgen.base.native.bit_rows import set_bits
from structgen.base.native.jit import entry, jit
from structgen.base.native.raw_memory import call2, call3, int64, uint64
from structgen.base.native.typed_blocks import Int32s, Int64s, address_of_block, copy_block, skip
from structgen.machines.machine_core.growing_tables import DEEPEST
from structgen.machines.machine_core.interning import ask_room, find_row, intern_row, note_question
from structgen.machines.machine_core.layout import ASKED, REFUSED
from structgen.machines.machine_core.lexeme_layout import (
    AFTER_END,
    ASK_CARRY,
    ASK_CLASS,
    ASK_ROW,
    BEFORE_CLOSING,
    CLOSES,
    FOUND_WORDS,
    FULL,
    LARGE_TRIE,
    MERGED_KEY,
    MOST_COPIED,
    MOST_WAITING,
    RANGE_WORDS,
    RECORD_KEY,
    UNASKED,
    UNKNOWN,
    Depth,
    LexemeContext,
    LexemeCrossing,
    SafeRow,
    Trie,
    WorkRow,
)
from structgen.tokens.trie_nodes import byte_of, depth_of, end_of, slot_of

_MIN_ALIKE = 16
"""Bytes after which a state must go on as another one, to have a record like that one's."""
_LISTED_WORDS = 5
"""Words of a row for each token that is listed: with more tokens, copying the row is as fast as setting their
bits."""
MOST_DENSE = 64
"""Dense groups of one record; further ones are listed."""
MERGING_LINKS, MERGING_PATHS = 4 * (MOST_COPIED + 1), 16 * (MOST_COPIED + 1)
MERGING_WORDS = MERGING_PATHS + 4 * (DEEPEST + 2)
MOST_LINKS = 6 * (MOST_COPIED + 1)
"""Tokens of a trie that is copied; with more it is ranges."""


@jit
def nodes_of(c: LexemeContext, trie: Trie) -> Int64s:
    """Return the nodes of a trie."""
    return c.vocabulary.trie if trie.nodes < 0 else skip(c.trie_nodes.numbers, trie.nodes)


@jit
def slots_of(c: LexemeContext, trie: Trie) -> Int32s:
    """Return where the tokens of each slot begin."""
    return c.vocabulary.slot_start if trie.nodes < 0 else skip(c.trie_slots.numbers, trie.slots)


@jit
def tokens_of(c: LexemeContext, trie: Trie) -> Int32s:
    """Return the tokens of the slots."""
    return c.vocabulary.slot_ids if trie.nodes < 0 else skip(c.tokens.numbers, trie.tokens)


@jit
def read_cell(c: LexemeContext, state: int, byte: int) -> int:
    """Return the state of the lexer after a byte, REFUSED; UNKNOWN or less where it was asked for."""
    after = c.moves[state * c.width + c.classes[byte]]
    return after if after >= REFUSED else call3(c.hooks.miss, address_of_block(c), state, byte)


@entry("int64(int64, int64, int64)")
def ask_row(address: int, state: int, byte: int) -> int:
    """Ask for the row of a state, as `Hooks.miss` of a lexer whose rows come whole."""
    note_question(LexemeContext(address), ASK_ROW, state, 0, 0)
    return UNKNOWN


@jit
def find_like(c: LexemeContext, state: int) -> bool:
    """Note the state to which most classes of bytes lead, if that goes on as this one after many bytes:
    below these bytes the records agree. Behind most bytes a keyword, for example, goes on as a plain name.
    Return whether that is known; else cells are asked for."""
    if c.like[state] != UNKNOWN:
        return True
    best = -1
    best_count = 0
    distinct_count = 0
    is_asked = False
    # scratch memory: a state and its count, for 256 states at most, and then a flag for each class of bytes
    counts = c.merging
    count_slots = skip(counts, 512)
    for kind in range(c.width):
        count_slots[kind] = 0
    # one byte of each class, among those with which tokens begin
    for byte in range(256):
        kind = c.classes[byte]
        is_first = c.vocabulary.first[byte] >= 0 and count_slots[kind] == 0
        count_slots[kind] = 1 if is_first else count_slots[kind]
        after = read_cell(c, state, byte) if is_first else REFUSED
        is_asked = is_asked or after <= UNKNOWN
        if after >= 0:
            at = 0
            while at < distinct_count and counts[2 * at] != after:
                at += 1
            if at == distinct_count:
                counts[2 * at] = after
                counts[2 * at + 1] = 0
                distinct_count += 1
            counts[2 * at + 1] = counts[2 * at + 1] + 1
            if counts[2 * at + 1] > best_count:
                best = after
                best_count = counts[2 * at + 1]
    alike = 0
    at = best
    for byte in range(256 if best >= 0 and not is_asked else 0):
        after = read_cell(c, state, byte) if c.vocabulary.first[byte] >= 0 else REFUSED
        if after >= 0:
            best_after = read_cell(c, best, byte)
            is_asked = is_asked or best_after <= UNKNOWN
            alike += 1 if after == best_after else 0
    if is_asked:
        return False
    # Where `best` is itself like this state, by way of others, each would wait for the other.
    while at >= 0 and at != state:
        at = c.like[at]
    c.like[state] = best if alike >= _MIN_ALIKE and at != state else -1
    return True


@jit
def has_byte(bits: Int64s, byte: int) -> bool:
    """Return whether a byte is one of 256 bits."""
    return (uint64(bits[byte >> 6]) >> uint64(byte & 63)) & uint64(1) != 0  # type: ignore[no-any-return]


@jit
def shift_after(c: LexemeContext, shift: int, byte: int) -> int:
    """Return what bytes and one more do to a column: 0 or more: they add so much; below 0: it is -1 - shift
    after them."""
    if byte == 10:  # a line feed: the column is 0
        return -1
    width = 0
    if byte == 9:
        width = c.tab
    elif byte == 32:
        width = 1
    return shift + width if shift >= 0 else shift - width


@jit
def ends_before(c: LexemeContext, state: int, kind: int) -> bool:
    """Return whether a lexeme may end in a state before a byte, at most."""
    for i in range(c.lexeme_end_at[2 * state], c.lexeme_end_at[2 * state + 1]):
        terminal, carry = c.lexeme_ends[2 * i], c.lexeme_ends[2 * i + 1]
        if c.carry_moves[carry * c.width + kind] != 0 and c.begins[terminal * c.width + kind]:
            return True
    return False


@jit
def range_below(nodes: Int64s, slots: Int32s, node: int) -> tuple[int, int]:
    """Return where the tokens at a node and below it begin and end."""
    # Slots ascend with the nodes. The last node of a subtree is a leaf, so a token ends there.
    last = slot_of(nodes[end_of(nodes[node]) - 1])
    first = node
    while slot_of(nodes[first]) == 0:
        first += 1
    return slots[slot_of(nodes[first]) - 1], slots[last]


@jit
def take_below(trie: Int64s, slots: Int32s, ids: Int32s, node: int, row: Int32s) -> None:
    """Add all tokens at a node and below it to a row of bits, as in
    `take_below(v.trie, v.slot_start, v.slot_ids, node, row)` for the trie of a vocabulary."""
    first, last = range_below(trie, slots, node)
    set_bits(row, skip(ids, first), last - first)


@jit
def wait_at_node(c: LexemeContext, node: int, base: int, parent: Depth, own: int) -> None:
    """Have a scan come back to a node, and to all below it unless its own tokens wait alone (`own`)."""
    count = c.scan.waiting
    if count < MOST_WAITING:
        waiting = c.waiting[count]
        waiting.node = node
        waiting.base = base
        waiting.own = own
        copy_block(parent, waiting.parent)
    # One more than there is room for says that the scan must begin anew.
    c.scan.waiting = min(count, MOST_WAITING) + 1


@jit
def put_crossing(c: LexemeContext, node: int, terminal: int, carry: int, shift: int) -> None:
    """Note that a lexeme ends as a terminal before the byte of a node (fields of `LexemeCrossing`); past the
    room the scan is full."""
    scan = c.scan
    if scan.crossing_count == c.most_crossings:
        scan.is_full = 1
        return
    crossing = c.crossings[scan.crossing_count]
    crossing.node = node
    crossing.terminal = terminal
    crossing.carry = carry
    crossing.shift = shift
    scan.crossing_count = scan.crossing_count + 1


@jit
def note_crossing(c: LexemeContext, node: int, parent: Depth, kind: int) -> bool:
    """Note as which terminals the lexeme may end before a node's byte, which is of the class `kind`. Returns
    whether all is known; else the carries are asked for, `ASK_CARRY`."""
    state, scan = parent.lexeme, c.scan
    count_before = scan.crossing_count
    is_known = True
    for i in range(c.lexeme_end_at[2 * state], c.lexeme_end_at[2 * state + 1]):
        terminal, carry = c.lexeme_ends[2 * i], c.lexeme_ends[2 * i + 1]
        move = c.carry_moves[carry * c.width + kind]
        if move == UNASKED:
            note_question(c, ASK_CARRY, carry, 0, 0)
            is_known = False
        elif move != 0 and c.begins[terminal * c.width + kind]:
            shift = parent.shift if terminal == c.newline else 0
            put_crossing(c, node, terminal, 0 if move == 1 else carry, shift)
    # The node waits, and its crossings are noted when the scan comes back to it.
    if not is_known:
        scan.crossing_count = count_before
    return is_known


@jit
def put_found(c: LexemeContext, ids: Int32s, first: int, last: int) -> None:
    """Note tokens that stay inside: `ids[first:last]`."""
    count, tokens = c.scan.token_count, c.tokens_found
    if count + last - first > FOUND_WORDS * c.most_crossings:
        c.scan.is_full = 1
        return
    for i in range(first, last):
        tokens[count] = ids[i]
        count += 1
    c.scan.token_count = count


@jit
def find_inside(c: LexemeContext, slot: int, state: int, shift: int, slots: Int32s, ids: Int32s) -> None:
    """Note the tokens of a slot that stay inside and lead to a state: the slot, or, where there are no
    classes of endings, the tokens themselves. `shift`: what they do to a column (`shift_after`). `slots` and
    `ids`: of the trie (`slots_of`, `tokens_of`)."""
    scan = c.scan
    if c.hooks.lives == 0:
        put_found(c, ids, slots[slot], slots[slot + 1])
    elif scan.token_count == c.most_crossings:
        scan.is_full = 1
    else:
        inside = skip(c.tokens_found, FOUND_WORDS * scan.token_count)
        inside[0] = slot
        inside[1] = state
        inside[2] = shift
        scan.token_count = scan.token_count + 1


@jit
def drop_leftover(c: LexemeContext, ids: Int32s, first: int, last: int) -> None:
    """Take the tokens `ids[first:last]` from those that are left to another state's record."""
    row = c.alike
    for i in range(first, last):
        token = ids[i]
        row[token >> 5] = row[token >> 5] & ~(1 << (token & 31))


@jit
def drop_below(c: LexemeContext, nodes: Int64s, slots: Int32s, ids: Int32s, node: int) -> None:
    """Take the tokens at a node and below it from those that are left to another state's record. `nodes`,
    `slots`, `ids`: of the trie, as `range_below` and `drop_leftover` take them."""
    first, last = range_below(nodes, slots, node)
    drop_leftover(c, ids, first, last)


@jit
def take_safe(c: LexemeContext, node: int, safe: SafeRow) -> bool:
    """Take the tokens at a node of the vocabulary and below it at once, where their classes tell what they
    do in the state above; return whether that is so."""
    v = c.vocabulary
    low, high = v.signatures[2 * node], v.signatures[2 * node + 1]
    if low & ~safe.low != 0 or high & ~safe.high != 0 or v.subtree_chars[node] > safe.reach:
        return False
    first, last = range_below(v.trie, v.slot_start, node)
    put_found(c, v.slot_ids, first, last)
    return True


@jit
def other_after(c: LexemeContext, parent: Depth, byte: int, depth: int) -> int:
    """Return the state after a byte of the state that is compared, `parent.like_state`; REFUSED where the
    records of the two differ; UNKNOWN or less where it was asked for. `depth`: of the byte, from 1."""
    like_state = read_cell(c, parent.like_state, byte)
    if like_state >= 0 and depth > 1 and address_of_block(c.lexeme_end_at) != 0:
        kind = c.classes[byte]
        if ends_before(c, parent.lexeme, kind) or ends_before(c, parent.like_state, kind):
            return REFUSED  # a leftover of one record alone would have tokens from below
    return like_state


@jit
def note_end(c: LexemeContext, node: int, parent: Depth, byte: int, is_known: bool) -> bool:
    """Note as which terminals the lexeme may end before a node's byte. Returns whether all is known.
    `is_known`: the states after the byte are."""
    if address_of_block(c.lexeme_end_at) != 0:
        return is_known and note_crossing(c, node, parent, c.classes[byte])
    if c.hooks.ends:
        terminal = call3(c.hooks.ends, address_of_block(c), parent.lexeme, byte)
        if terminal >= 0:
            put_crossing(c, node, terminal, 0, 0)
    return is_known


@jit
def token_may_end(c: LexemeContext, node: int, base: int, parent: Depth, after: int) -> bool:
    """Return whether a token may end in the state `after` a node; where that is asked, the node waits, with
    `base` and `parent` as in `wait_at_node`."""
    token_end = c.token_ends[after]
    if token_end <= UNKNOWN:
        token_end = call2(c.hooks.token_end, address_of_block(c), after)
    if token_end <= UNKNOWN:
        wait_at_node(c, node, base, parent, 1)
    return token_end >= 0


@jit
def scan_plain(c: LexemeContext, trie: Trie, node: int, last: int, base: int) -> None:
    """Scan the nodes from `node` to before `last` where nothing matters besides the lexer's moves. Takes 0.8
    of the time that `scan_range` takes for them. `base`: as there."""
    nodes = nodes_of(c, trie)
    slots = slots_of(c, trie)
    ids = tokens_of(c, trie)
    depths = c.depths
    moves = c.moves
    classes = c.classes
    width = c.width
    visited_count = 0
    while node < last:
        visited_count += 1
        word = nodes[node]
        depth = depth_of(word) - base
        slot = slot_of(word)
        parent, current = depths[depth - 1], depths[depth]
        after = moves[parent.lexeme * width + classes[byte_of(word)]]
        if after < REFUSED:
            after = read_cell(c, parent.lexeme, byte_of(word))
            moves = c.moves  # a cell that was filled may have moved the rows
        if after < REFUSED:
            wait_at_node(c, node, base, parent, 0)
        elif slot and after >= 0:
            find_inside(c, slot - 1, after, 0, slots, ids)
        current.lexeme, current.like_state = after, REFUSED
        node = node + 1 if after >= 0 else end_of(word)
    c.scan.visited_count = c.scan.visited_count + visited_count


@jit
def scan_range(c: LexemeContext, trie: Trie, node: int, last: int, base: int) -> None:
    """Scan the nodes of a trie from `node` to before `last`; the row of `c.depths` for the depth above, less
    `base`, says what is known of the node above them."""
    safe = c.hooks.safe
    has_ends = address_of_block(c.lexeme_end_at) != 0 or c.hooks.ends != 0
    if c.scan.is_compared == 0 and not (safe or has_ends or c.hooks.token_end or c.newline >= 0):
        scan_plain(c, trie, node, last, base)
        return
    nodes, slots, ids = nodes_of(c, trie), slots_of(c, trie), tokens_of(c, trie)
    is_compared = c.scan.is_compared
    safe_state = -1  # the state whose safe classes are at `safe_address`
    safe_address = 0
    visited_count = 0
    while node < last:
        visited_count += 1
        word = nodes[node]
        byte = byte_of(word)
        depth = depth_of(word) - base
        slot = slot_of(word)
        parent, current = c.depths[depth - 1], c.depths[depth]
        if safe:
            if parent.lexeme != safe_state:
                safe_state = parent.lexeme
                safe_address = call2(safe, address_of_block(c), safe_state)
            if safe_address and take_safe(c, node, SafeRow(safe_address)):
                node = end_of(word)
                continue
        after = read_cell(c, parent.lexeme, byte)
        like_state = REFUSED
        shift = 0
        if parent.like_state >= 0:
            like_state = other_after(c, parent, byte, depth)
        is_known = after >= REFUSED and like_state >= REFUSED
        # Tokens that end the lexeme before their first byte belong to the next lexeme (`lexeme_masks`).
        if has_ends and depth > 1:
            is_known = note_end(c, node, parent, byte, is_known)
        if slot and c.hooks.token_end and is_known and after >= 0 and after != like_state:
            if not token_may_end(c, node, base, parent, after):
                if is_compared:
                    drop_leftover(c, ids, slots[slot - 1], slots[slot])
                slot = 0
        if not is_known:
            wait_at_node(c, node, base, parent, 0)
        elif after >= CLOSES:
            put_crossing(c, node, after - CLOSES, 0, 1)
        if is_compared and is_known and (after >= CLOSES or after < 0):
            drop_below(c, nodes, slots, ids, node)
        # what closes below is noted, though the record of the other state has the same
        is_left = after == like_state and (
            c.closing == 0 or c.vocabulary.signatures[2 * node] & c.closing == 0
        )
        # nothing to do below: it waits, the lexeme is over, no token goes on, or the other record has it
        if not is_known or after >= CLOSES or after < 0 or is_left:
            node = end_of(word)
            continue
        if c.newline >= 0:
            if c.may_break[after]:  # what bytes do to a column may differ
                shift = shift_after(c, parent.shift, byte)
                like_state = REFUSED
            elif like_state >= 0 and c.may_break[like_state]:
                like_state = REFUSED
        if slot and after != like_state:
            find_inside(c, slot - 1, after, shift, slots, ids)
            if is_compared:
                drop_leftover(c, ids, slots[slot - 1], slots[slot])
        if after != like_state and is_compared and c.most_apart:
            # Two states that differ after many nodes are not worth comparing.
            c.scan.apart = c.scan.apart + 1
            if c.scan.apart > c.most_apart:
                c.scan.is_full = 1
                break
        current.lexeme, current.shift, current.like_state = after, shift, like_state
        node += 1
    c.scan.visited_count = c.scan.visited_count + visited_count


@jit
def scan_trie(c: LexemeContext, number: int, state: int, like_state: int) -> int:
    """Find what the tokens of a trie do in a state: the tokens that stay inside, in `tokens_found`, and the
    nodes where others end the lexeme, in `crossings`. Returns how many stay inside; ASKED, and where it is
    called again then, it goes on with what was not known; FULL past the room.

    `like_state`: the state with which this one is compared, byte for byte (-1: none). What both do alike is
    left to its record, whose tokens are then those of the row `alike` alone."""
    trie = c.tries[number]
    scan = c.scan
    waiting = scan.waiting
    top = c.depths[0]
    is_begun = scan.owner == c.serial and scan.trie == number and scan.lexeme == state
    if not is_begun or waiting > MOST_WAITING:
        waiting = 0
        scan.token_count = 0
        scan.crossing_count = 0
        scan.is_full = 0
        scan.apart = 0
        scan.owner = c.serial
        scan.trie = number
        scan.lexeme = state
        scan.is_compared = 1 if like_state >= 0 else 0
        scan.waiting = 0
        # All tokens are left to the other record at first; the scan takes out those that differ.
        for i in range(c.vocabulary.mask_words if like_state >= 0 else 0):
            c.alike[i] = -1
        for part in range(trie.range_count):
            within = skip(c.ranges.numbers, trie.ranges + RANGE_WORDS * part)
            top.lexeme = state
            top.shift = 0
            top.like_state = like_state
            scan_range(c, trie, within[0], within[1], within[2])
    else:
        # Nodes that wait again are noted from the beginning of `waiting`: so the old ones move after them.
        nodes = nodes_of(c, trie)
        for i in range(waiting):
            copy_block(c.waiting[i], c.waiting[MOST_WAITING + i])
        scan.waiting = 0
        for i in range(waiting):
            waiting_node = c.waiting[MOST_WAITING + i]
            node = waiting_node.node
            last = node + 1 if waiting_node.own else end_of(nodes[node])
            copy_block(waiting_node.parent, c.depths[depth_of(nodes[node]) - waiting_node.base - 1])
            scan_range(c, trie, node, last, waiting_node.base)
    if scan.waiting and not scan.is_full:
        return ASKED
    scan.owner = 0
    return FULL if scan.is_full else scan.token_count


@jit
def put_group(c: LexemeContext, end_class: int, shift: int, size: int) -> int:
    """Append a group of `size` tokens (fields of `Group`); there is room. Returns where they begin in
    `c.tokens`; of a dense group -2 - the number of its row in `c.dense`."""
    table = c.groups
    tokens = c.tokens
    words = c.vocabulary.mask_words
    group = table[table.count]
    table.count = table.count + 1
    group.end_class = end_class
    group.shift = shift
    group.dense_row = -1
    group.first = group.last = tokens.count
    if _LISTED_WORDS * size > words and c.dense_count < MOST_DENSE:
        # The row is in scratch memory. Python puts it into the store (`RecordTables.add_record`).
        group.dense_row = -2 - c.dense_count
        row = skip(c.dense, words * c.dense_count)
        for i in range(words):
            row[i] = 0
        c.dense_count = c.dense_count + 1
        return group.dense_row
    tokens.count = tokens.count + size
    group.last = tokens.count
    return group.first


@jit
def put_tokens(c: LexemeContext, to: int, tokens: Int32s, count: int) -> None:
    """Put tokens at `to`, where `put_group` says."""
    if to < 0:
        set_bits(skip(c.dense, c.vocabulary.mask_words * (-2 - to)), tokens, count)
    else:
        for i in range(count):
            c.tokens[to + i] = tokens[i]


@jit
def make_room(c: LexemeContext, groups: int, tokens: int) -> bool:
    """Return whether there is room for so many groups and tokens; else it is asked for."""
    has_groups = c.groups.count + groups <= c.groups.capacity
    has_tokens = True
    if not has_groups:
        ask_room(c, c.groups, groups)
    if c.tokens.count + tokens > c.tokens.capacity:
        ask_room(c, c.tokens, tokens)
        has_tokens = False
    return has_groups and has_tokens


@jit
def has_classes(c: LexemeContext, tokens: int) -> bool:
    """Return whether the classes of endings are known of all states to which the tokens found inside lead;
    else they are asked for."""
    is_known = True
    for i in range(tokens):
        state = c.tokens_found[FOUND_WORDS * i + 1]
        if c.end_class[state] < 0:
            note_question(c, ASK_CLASS, state, 0, 0)
            is_known = False
    return is_known


@jit
def put_groups(c: LexemeContext, trie: Trie, tokens: int) -> int:
    """Append the groups of the tokens that `scan_trie` found inside. Returns 0, or ASKED: for room, or for
    classes of endings. The rows of dense groups are in `dense`."""
    inside = c.tokens_found
    slots = slots_of(c, trie)
    ids = tokens_of(c, trie)
    # Scratch memory. `marks`: by class of endings, the group that was met last, from 1. `sizes`: four words
    # for each group: its class, how many tokens, where the next of them goes, its shift.
    marks = c.marks_of_classes
    sizes = c.merging
    groups = 0
    total = 0
    if c.hooks.lives == 0:
        # There are no classes: all tokens are one group.
        if not make_room(c, 1, tokens):
            return ASKED
        put_tokens(c, put_group(c, 0, 0, tokens), inside, tokens)
        return 0
    if not has_classes(c, tokens):
        return ASKED
    for i in range(tokens):
        inside_token = skip(inside, FOUND_WORDS * i)
        end_class = c.end_class[inside_token[1]]
        size = slots[inside_token[0] + 1] - slots[inside_token[0]]
        inside_token[3] = -1
        if end_class == 0:  # the lexeme never ends
            continue
        shift = inside_token[2]
        # A class has a group for each shift; those that were met earlier come before.
        at = marks[end_class] - 1
        while at >= 0 and (sizes[4 * at] != end_class or sizes[4 * at + 3] != shift):
            at -= 1
        if at < 0:
            at = groups
            groups += 1
            marks[end_class] = groups
            sizes[4 * at] = end_class
            sizes[4 * at + 1] = 0
            sizes[4 * at + 3] = shift
        sizes[4 * at + 1] = sizes[4 * at + 1] + size
        inside_token[3] = at
        total += size
    # `marks` is all 0 between two uses.
    for at in range(groups):
        marks[sizes[4 * at]] = 0
    if not make_room(c, groups, total):
        return ASKED
    for at in range(groups):
        end_class, size, shift = sizes[4 * at], sizes[4 * at + 1], sizes[4 * at + 3]
        sizes[4 * at + 2] = put_group(c, end_class, shift, size)
    for i in range(tokens):
        slot, at = inside[FOUND_WORDS * i], inside[FOUND_WORDS * i + 3]
        if at >= 0:
            to = sizes[4 * at + 2]
            size = slots[slot + 1] - slots[slot]
            put_tokens(c, to, skip(ids, slots[slot]), size)
            sizes[4 * at + 2] = to + size if to >= 0 else to  # a row of bits stays where it is
    return 0


@jit
def has_key(crossing: LexemeCrossing, key: LexemeCrossing) -> bool:
    """Return whether a crossing is left, and ends the lexeme as another one does."""
    return (
        crossing.node >= 0
        and crossing.terminal == key.terminal
        and crossing.carry == key.carry
        and crossing.shift == key.shift
    )


@jit
def take_crossings(c: LexemeContext, first: int) -> None:
    """Take the crossings away that end the lexeme as one does, which is the first of them."""
    key = c.crossings[first]
    # backwards: the first of them is the key, and is taken away last
    for i in range(c.scan.crossing_count - 1, first - 1, -1):
        crossing = c.crossings[i]
        if has_key(crossing, key):
            crossing.node = -1 - crossing.node


@jit
def as_ranges(c: LexemeContext, trie: Trie, new_trie: Trie, first: int) -> None:
    """Write a trie whose nodes are those of another one, `trie`, below the crossings that end the lexeme as
    `c.crossings[first]` does."""
    nodes = nodes_of(c, trie)
    ranges = skip(c.ranges.numbers, c.ranges.count)  # three words for each: first node, end, depth above
    parts = 0
    new_trie.nodes = trie.nodes
    new_trie.slots = trie.slots
    new_trie.tokens = trie.tokens
    new_trie.ranges = c.ranges.count
    for i in range(first, c.scan.crossing_count):
        crossing = c.crossings[i]
        if has_key(crossing, c.crossings[first]):
            node = crossing.node
            word = nodes[node]
            base = depth_of(word) - 1
            # Subtrees that follow one another at the same depth are one range.
            if parts == 0 or ranges[3 * parts - 2] != node or ranges[3 * parts - 1] != base:
                ranges[3 * parts], ranges[3 * parts + 2] = node, base
                parts += 1
            ranges[3 * parts - 2] = end_of(word)
    new_trie.range_count = parts
    c.ranges.count = c.ranges.count + RANGE_WORDS * parts


@jit
def child_by(merging: Int64s, parent: int, hint: int, byte: int, node_count: int) -> int:
    """Return the child of a node in `merging` by a byte; a new one has the number `node_count`. `hint`: a
    child to begin at, -1: none, since children are looked for in ascending order. For example
    `child_by(merging, 0, -1, 65, 1)` is the child of the root by the byte "A", node 1 if it is new."""
    previous = -1
    at = merging[4 * parent + 1]
    if hint >= 0 and merging[4 * hint] <= byte:
        at = hint
    while at >= 0 and merging[4 * at] < byte:
        previous = at
        at = merging[4 * at + 2]
    if at >= 0 and merging[4 * at] == byte:
        return at
    # a new node: its byte, no child, the next sibling, no tokens
    merging[4 * node_count] = byte
    merging[4 * node_count + 1] = -1
    merging[4 * node_count + 2] = at
    merging[4 * node_count + 3] = 0
    # `previous` is -1 only before the first child: a hint is never beyond the byte.
    if previous < 0:
        merging[4 * parent + 1] = node_count
    else:
        merging[4 * previous + 2] = node_count
    return node_count


@jit
def merge_nodes(c: LexemeContext, trie: Trie, first: int) -> int:
    """Merge the nodes below the crossings with a key into one trie, in `merging`: of each node the byte, the
    first child, the next sibling, and the last of its tokens; of the root, how many tokens there are. Returns
    how many nodes, -1 where it is too large; the links of tokens are at MERGING_LINKS. By depth, `path` has
    the node, the child that was met last, and the state after the end of a lexeme."""
    nodes = nodes_of(c, trie)
    slots = slots_of(c, trie)
    ids = tokens_of(c, trie)
    merging = c.merging
    # A link is a token, and the link of the token before it at the same node. Link 0 is no link.
    links = skip(c.merging, MERGING_LINKS)
    path = skip(c.merging, MERGING_PATHS)
    node_count, link_count = 1, 1
    merging[0] = 0
    merging[1] = -1
    merging[2] = -1
    merging[3] = 0
    for i in range(first, c.scan.crossing_count):
        if not has_key(c.crossings[i], c.crossings[first]):
            continue
        node = c.crossings[i].node
        base = depth_of(nodes[node]) - 1
        last = end_of(nodes[node])
        path[0] = 0
        path[1] = -1
        path[2] = BEFORE_CLOSING if c.crossings[i].shift else AFTER_END
        while node < last:
            word = nodes[node]
            parent_node = skip(path, 3 * (depth_of(word) - base - 1))
            slot = slot_of(word)
            # the row of the parent's depth: node, last child, state; after it the row of this one
            if address_of_block(c.may_follow) != 0:
                parent_node[5] = c.may_follow[256 * parent_node[2] + byte_of(word)]
                if parent_node[5] == 0:
                    node = end_of(word)
                    continue
            at = child_by(merging, parent_node[0], parent_node[1], byte_of(word), node_count)
            node_count += 1 if at == node_count else 0
            first_token = slots[slot - 1] if slot else 0
            last_token = slots[slot] if slot else 0
            if node_count > MOST_COPIED + 1 or link_count + last_token - first_token >= MOST_LINKS:
                return -1
            parent_node[1] = at
            parent_node[3] = at
            parent_node[4] = -1
            for j in range(first_token, last_token):
                links[2 * link_count] = ids[j]
                links[2 * link_count + 1] = merging[4 * at + 3]
                merging[4 * at + 3] = link_count
                link_count += 1
            node += 1
    merging[3] = link_count - 1
    return node_count


@jit
def as_copy(c: LexemeContext, trie: Trie) -> None:
    """Write a trie from the nodes in `merging`, depth first; there is room."""
    # By depth, `path` has the node to go on with, and from `deepest` on the place of the node above it.
    merging = c.merging
    links = skip(c.merging, MERGING_LINKS)
    path = skip(c.merging, MERGING_PATHS)
    deepest = DEEPEST + 2
    nodes = skip(c.trie_nodes.numbers, c.trie_nodes.count)
    slots = skip(c.trie_slots.numbers, c.trie_slots.count)
    ids = skip(c.tokens.numbers, c.tokens.count)
    count = 0
    slot = 0
    used = 0
    depth = 0
    slots[0] = 0
    path[0] = merging[1]
    while depth >= 0:
        at = path[depth]
        if at < 0:
            # All children are written: now the end of the parent's subtree is known (bits from 40 on).
            depth -= 1
            if depth >= 0:
                parent = path[deepest + depth]
                nodes[parent] = nodes[parent] | (count << 40)
            continue
        path[depth] = merging[4 * at + 2]
        word_slot = 0
        link = merging[4 * at + 3]
        if link:
            while link:
                ids[used] = links[2 * link]
                used += 1
                link = links[2 * link + 1]
            slot += 1
            slots[slot] = used
            word_slot = slot
        nodes[count] = merging[4 * at] | ((depth + 1) << 8) | (word_slot << 20)
        path[deepest + depth] = count
        count += 1
        depth += 1
        path[depth] = merging[4 * at + 1]
    trie.nodes = c.trie_nodes.count
    trie.slots = c.trie_slots.count
    trie.tokens = c.tokens.count
    trie.count = count
    trie.ranges = c.ranges.count
    trie.range_count = 1
    ranges = skip(c.ranges.numbers, c.ranges.count)
    ranges[0] = 0
    ranges[1] = count
    ranges[2] = 0
    c.ranges.count = c.ranges.count + RANGE_WORDS
    c.trie_nodes.count = c.trie_nodes.count + count
    c.trie_slots.count = c.trie_slots.count + slot + 1
    c.tokens.count = c.tokens.count + used


@jit
def make_trie_room(c: LexemeContext, nodes: int, tokens: int, range_words: int) -> bool:
    """Return whether there is room for one more trie; else it is asked for. `nodes`: as many nodes are
    copied, with as many `tokens`; below 0: none is, as in `make_trie_room(c, -1, 0, RANGE_WORDS)`."""
    has_room = True
    if c.tries.count == c.tries.capacity:
        ask_room(c, c.tries, 1)
        has_room = False
    if c.ranges.count + range_words > c.ranges.capacity:
        ask_room(c, c.ranges, range_words)
        has_room = False
    if c.trie_nodes.count + nodes > c.trie_nodes.capacity:
        ask_room(c, c.trie_nodes, nodes)
        has_room = False
    if c.trie_slots.count + nodes + 1 > c.trie_slots.capacity:
        ask_room(c, c.trie_slots, nodes + 1)
        has_room = False
    if nodes >= 0 and c.tokens.count + tokens > c.tokens.capacity:
        ask_room(c, c.tokens, tokens)
        has_room = False
    return has_room


@jit
def left_over(c: LexemeContext, number: int, first: int) -> int:
    """Return the number of the trie of the bytes that tokens have after the crossings that end the lexeme as
    `c.crossings[first]` does, which is the first of them; they are taken away. Or ASKED."""
    trie = c.tries[number]
    key = c.crossings[first]
    nodes = nodes_of(c, c.tries[number])
    # The hash begins with the shift, far from all nodes: else node 6 before a closing quote would be node 7
    # without one.
    content_hash = uint64(key.shift << 32)
    count = 0
    total = 0
    node_count = -1
    token_count = 0
    for i in range(first, c.scan.crossing_count):
        crossing = c.crossings[i]
        if has_key(crossing, key):
            content_hash = (content_hash ^ uint64(crossing.node)) * uint64(0xFF51AFD7ED558CCD)
            content_hash ^= content_hash >> uint64(32)
            count += 1
            total += end_of(nodes[crossing.node]) - crossing.node
    row = c.work
    row.words[0] = number
    row.words[1] = int64(content_hash >> uint64(1))
    row.words[2] = count
    row.words[3] = -1
    # The same nodes of the same trie have given a trie before, in the record of another state.
    merged_number = find_row(c.merged_tries, MERGED_KEY, row)
    if merged_number >= 0 and c.merged_tries[merged_number].merged_trie >= 0:
        take_crossings(c, first)
        return c.merged_tries[merged_number].merged_trie
    if total < LARGE_TRIE or address_of_block(c.may_follow) != 0:
        node_count = merge_nodes(c, trie, first)
        token_count = c.merging[3]
    entry_number = intern_row(c, c.merged_tries, MERGED_KEY, row)
    room = RANGE_WORDS if node_count >= 0 else RANGE_WORDS * count
    has_trie_room = make_trie_room(c, node_count, token_count, room)
    if entry_number < 0 or not has_trie_room:
        return ASKED
    trie_number = c.tries.count
    c.tries.count = trie_number + 1
    new_trie = c.tries[trie_number]
    new_trie.count = total
    if node_count >= 0:
        as_copy(c, new_trie)
    else:
        as_ranges(c, trie, new_trie, first)
    take_crossings(c, first)
    c.merged_tries[entry_number].merged_trie = trie_number
    return trie_number


@entry("int64(int64, int64, int64)")
def scan_record(address: int, number: int, state: int) -> int:
    """Find what the tokens of a trie do in a state, for `make_record`; answers as `scan_trie`."""
    c = LexemeContext(address)
    if not find_like(c, state):
        return ASKED
    return scan_trie(c, number, state, c.like[state])


@entry("int64(int64, int64, int64, int64)")
def scan_beside(address: int, number: int, state: int, like_state: int) -> int:
    """Find what the tokens of a trie do in a state beside another one; answers as `scan_trie`."""
    return scan_trie(LexemeContext(address), number, state, like_state)


@jit
def put_record(c: LexemeContext, number: int, state: int, tokens: int, like: int, row: WorkRow) -> int:
    """Make the record of a trie (by its number) in a state, of the `tokens` and crossings that the last scan
    found, beside the state `like` (-1: none). Returns 0, or ASKED. `row` is written, and no mask reads the
    record before that row is interned (`intern_record`), once the rows of its dense groups are in the store
    (`put_group`)."""
    # A call before this one may have stopped for room. The crossings that it took away come back: of n and
    # -1 - n the larger one is the node.
    for i in range(c.scan.crossing_count):
        crossing = c.crossings[i]
        crossing.node = max(crossing.node, -1 - crossing.node)
    leftovers = c.leftovers.count
    code = 0
    done = 0
    while code == 0 and done < c.scan.crossing_count:
        crossing = c.crossings[done]
        if crossing.node < 0:
            done += 1
            continue
        if c.leftovers.count == c.leftovers.capacity:
            ask_room(c, c.leftovers, 1 + c.leftovers.count - leftovers)  # they are taken back
            code = ASKED
            break
        trie = left_over(c, number, done)
        if trie < 0:
            code = ASKED
            break
        leftover = c.leftovers[c.leftovers.count]
        c.leftovers.count = c.leftovers.count + 1
        leftover.terminal = crossing.terminal
        leftover.carry = crossing.carry
        leftover.shift = crossing.shift
        leftover.trie = trie
    groups = c.groups.count
    rows = c.filter_rows
    words = c.vocabulary.mask_words if like >= 0 else 0
    if rows.count + words > rows.capacity:
        ask_room(c, rows, words)
        code = ASKED
    if code == 0:
        code = put_groups(c, c.tries[number], tokens)
    # a `LexemeRecord`: its key, and where its groups, leftovers and row are
    row.words[0] = number
    row.words[1] = state
    row.words[2] = groups
    row.words[3] = c.groups.count
    row.words[4] = leftovers
    row.words[5] = c.leftovers.count
    row.words[6] = like
    row.words[7] = rows.count
    if code != 0:
        # Groups and leftovers are taken back, and made again by the next call. Tries stay: they are found.
        c.groups.count, c.leftovers.count = groups, leftovers
        return ASKED
    for i in range(words):
        rows[rows.count] = c.alike[i]
        rows.count = rows.count + 1
    return 0


@jit
def intern_record(c: LexemeContext, row: WorkRow) -> int:
    """Have masks read a record that is made. Returns its number, or ASKED, for room."""
    number = intern_row(c, c.records, RECORD_KEY, row)
    return number if number >= 0 else ASKED


@jit
def small_record(c: LexemeContext, number: int, state: int) -> int:
    """Make the record of a small trie in a state. Returns its number, ASKED, or FULL."""
    tokens = scan_trie(c, number, state, -1)
    c.dense_count = MOST_DENSE  # no row is left, so all groups are listed: Python is not needed
    if tokens < 0 or put_record(c, number, state, tokens, -1, c.work) != 0:
        return min(tokens, ASKED)
    return intern_record(c, c.work)


@entry("int64(int64, int64, int64, int64, int64)")
def make_record(address: int, number: int, state: int, tokens: int, row: int) -> int:
    """Make the record of a trie in a state, of the `tokens` that were scanned last. Returns 0, or ASKED.
    `row`: the address of a `LexemeRecord`, which is written."""
    c = LexemeContext(address)
    c.dense_count = 0
    like = c.like[state] if address_of_block(c.like) else -1
    return put_record(c, number, state, tokens, like, WorkRow(row))


@entry("int64(int64, int64)")
def keep_record(address: int, row: int) -> int:
    """Have masks read a record that is made. Returns its number, or ASKED, for room."""
    return intern_record(LexemeContext(address), WorkRow(row))

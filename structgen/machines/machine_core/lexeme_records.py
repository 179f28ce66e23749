"""Records: what the tokens of a trie do in a state of the lexer, whatever the parser allows.

- A *lexeme* is a part of a text that the lexer reads, e.g. a name; its kind is its *terminal*, e.g. NAME.
- A *slot* is the set of tokens with the same bytes; tokens are nodes of a *trie* of bytes.
- A *group* has the tokens of a record that stay inside the lexeme and lead to states of one *class of
  endings*: these states can end as the same terminals. One answer decides for all tokens of a group.
- A *leftover* has the tokens that end the lexeme alike: the terminal, the *carry* (a condition on the bytes
  that follow), and the trie of their bytes after the end. For the token `x+1` in a name: NAME, and `+1`.
- A *crossing* is one node of the trie before whose byte the lexeme ends. Leftovers are made of crossings.
- A state may be *like* another one: after most bytes both go on alike. Its record then has only the tokens
  that differ, and names the other state for the rest.

Equal tries are one trie; large tries are not copied, but are ranges of their parent's nodes. A record is made
in three steps: `scan_trie` notes tokens and crossings in scratch memory, `put_record` makes groups and
leftovers of these, and `intern_record` lets masks read the record.
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
"""The least number of bytes after which two states must go on alike, so that their records are shared."""
_LISTED_WORDS = 5
"""A group is listed while a row of bits has at least this many words for each token. With more tokens,
copying the row is as fast as setting their bits one by one."""
MOST_DENSE = 64
"""The most dense groups of one record; further groups are listed."""
MERGING_LINKS, MERGING_PATHS = 4 * (MOST_COPIED + 1), 16 * (MOST_COPIED + 1)
MERGING_WORDS = MERGING_PATHS + 4 * (DEEPEST + 2)
"""The parts of the scratch memory `merging`: nodes from 0 on, links of tokens, paths; and its size in
words."""
MOST_LINKS = 6 * (MOST_COPIED + 1)
"""The most tokens of a trie that is copied. A trie with more tokens is ranges of its parent's nodes."""


@jit
def nodes_of(c: LexemeContext, trie: Trie) -> Int64s:
    """Return the nodes of a trie."""
    return c.vocabulary.trie if trie.nodes < 0 else skip(c.trie_nodes.numbers, trie.nodes)


@jit
def slots_of(c: LexemeContext, trie: Trie) -> Int32s:
    """Return the array that says where the tokens of each slot of a trie begin in `tokens_of`."""
    return c.vocabulary.slot_start if trie.nodes < 0 else skip(c.trie_slots.numbers, trie.slots)


@jit
def tokens_of(c: LexemeContext, trie: Trie) -> Int32s:
    """Return the tokens of the slots of a trie, slot by slot."""
    return c.vocabulary.slot_ids if trie.nodes < 0 else skip(c.tokens.numbers, trie.tokens)


@jit
def read_cell(c: LexemeContext, state: int, byte: int) -> int:
    """Return the state of the lexer after a byte, or CLOSES and a terminal; REFUSED where it cannot go on.

    UNKNOWN or less: the state was asked for, and the call must be made again.
    """
    after = c.moves[state * c.width + c.classes[byte]]
    return after if after >= REFUSED else call3(c.hooks.miss, address_of_block(c), state, byte)


@entry("int64(int64, int64, int64)")
def ask_row(address: int, state: int, byte: int) -> int:
    """Ask for all cells of a state at once: the `Hooks.miss` of a lexer whose rows are made whole."""
    note_question(LexemeContext(address), ASK_ROW, state, 0, 0)
    return UNKNOWN


@jit
def find_like(c: LexemeContext, state: int) -> bool:
    """Find the state that is like a state, and note it in `c.like`; -1: there is none.

    The candidate is the state to which most classes of bytes lead. It is taken if both states go on alike
    after at least _MIN_ALIKE bytes. For example, after most bytes a keyword goes on as a plain name does.
    Returns whether the answer is known; else cells are asked for.
    """
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
    # `at` is `best` now. Where `best` is itself like this state, perhaps through others, the two records
    # would wait for each other.
    while at >= 0 and at != state:
        at = c.like[at]
    c.like[state] = best if alike >= _MIN_ALIKE and at != state else -1
    return True


@jit
def has_byte(bits: Int64s, byte: int) -> bool:
    """Return whether a byte is in a set of bytes, which is 256 bits."""
    return (uint64(bits[byte >> 6]) >> uint64(byte & 63)) & uint64(1) != 0  # type: ignore[no-any-return]


@jit
def shift_after(c: LexemeContext, shift: int, byte: int) -> int:
    """Return what some bytes and one more byte do to the column of a line; `shift`: what the bytes do.

    A shift of 0 or more is added to the column. A shift below 0 sets the column to -1 - shift, as after a
    line feed. Only blanks and tabs have a width.
    """
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
    """Return whether a lexeme may end in a state before a byte of the class `kind`. It may be a false yes."""
    for i in range(c.lexeme_end_at[2 * state], c.lexeme_end_at[2 * state + 1]):
        terminal, carry = c.lexeme_ends[2 * i], c.lexeme_ends[2 * i + 1]
        if c.carry_moves[carry * c.width + kind] != 0 and c.begins[terminal * c.width + kind]:
            return True
    return False


@jit
def range_below(nodes: Int64s, slots: Int32s, node: int) -> tuple[int, int]:
    """Return the range of the tokens at a node and below it, as the first and the one after the last."""
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
    """Have a scan come back to a node once its questions are answered.

    `base`: the depth above the first node of the range. `parent`: what the scan knows above the node. `own`:
    1 if only the tokens at the node itself wait, 0 if all nodes below it wait too.
    """
    count = c.scan.waiting
    if count < MOST_WAITING:
        waiting = c.waiting[count]
        waiting.node = node
        waiting.base = base
        waiting.own = own
        copy_block(parent, waiting.parent)
    # A count above MOST_WAITING means that there was no room: the scan must begin anew.
    c.scan.waiting = min(count, MOST_WAITING) + 1


@jit
def put_crossing(c: LexemeContext, node: int, terminal: int, carry: int, shift: int) -> None:
    """Note a crossing: the lexeme ends as a terminal before the byte of a node.

    The parameters are the fields of `LexemeCrossing`. Where there is no room, the scan is marked as full.
    """
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
    """Note the terminals as which the lexeme may end before a node's byte, which is of the class `kind`.

    Returns whether all is known; else nothing is noted, and the carries are asked for (`ASK_CARRY`).
    """
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
    """Note that the tokens `ids[first:last]` stay inside the lexeme."""
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
    """Note that the tokens of a slot stay inside the lexeme and lead to a state.

    The slot is noted; where there are no classes of endings, its tokens are. `shift`: what the tokens do to a
    column (`shift_after`). `slots` and `ids`: the arrays of the trie (`slots_of`, `tokens_of`).
    """
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
    """Take the tokens `ids[first:last]` out of the set that is left to another state's record (`c.alike`)."""
    row = c.alike
    for i in range(first, last):
        token = ids[i]
        row[token >> 5] = row[token >> 5] & ~(1 << (token & 31))


@jit
def drop_below(c: LexemeContext, nodes: Int64s, slots: Int32s, ids: Int32s, node: int) -> None:
    """Take the tokens at a node and below it out of the set that is left to another state's record.

    `nodes`, `slots`, `ids`: the arrays of the trie (`nodes_of`, `slots_of`, `tokens_of`).
    """
    first, last = range_below(nodes, slots, node)
    drop_leftover(c, ids, first, last)


@jit
def take_safe(c: LexemeContext, node: int, safe: SafeRow) -> bool:
    """Note that all tokens at a node and below it stay inside, if their classes of characters are safe.

    Returns whether that was so. `node`: a node of the vocabulary's trie. `safe`: the safe classes of the
    state before its byte.
    """
    v = c.vocabulary
    low, high = v.signatures[2 * node], v.signatures[2 * node + 1]
    if low & ~safe.low != 0 or high & ~safe.high != 0 or v.subtree_chars[node] > safe.reach:
        return False
    first, last = range_below(v.trie, v.slot_start, node)
    put_found(c, v.slot_ids, first, last)
    return True


@jit
def other_after(c: LexemeContext, parent: Depth, byte: int, depth: int) -> int:
    """Return the state after a byte from the state with which the scan compares, `parent.like_state`.

    REFUSED: the records of the two states differ here. UNKNOWN or less: the state was asked for. `depth`: the
    depth of the byte in the trie, from 1.
    """
    like_state = read_cell(c, parent.like_state, byte)
    if like_state >= 0 and depth > 1 and address_of_block(c.lexeme_end_at) != 0:
        kind = c.classes[byte]
        if ends_before(c, parent.lexeme, kind) or ends_before(c, parent.like_state, kind):
            return REFUSED  # Tokens from below belong to leftovers, perhaps of one record alone.
    return like_state


@jit
def note_end(c: LexemeContext, node: int, parent: Depth, byte: int, is_known: bool) -> bool:
    """Note the terminals as which the lexeme may end before a node's byte. Returns whether all is known.

    `is_known`: whether the states after the byte are known.
    """
    if address_of_block(c.lexeme_end_at) != 0:
        return is_known and note_crossing(c, node, parent, c.classes[byte])
    if c.hooks.ends:
        terminal = call3(c.hooks.ends, address_of_block(c), parent.lexeme, byte)
        if terminal >= 0:
            put_crossing(c, node, terminal, 0, 0)
    return is_known


@jit
def token_may_end(c: LexemeContext, node: int, base: int, parent: Depth, after: int) -> bool:
    """Return whether a token may end in the state `after` a node.

    Where that must be asked, the node waits, and the answer is False. `base` and `parent` are those of
    `wait_at_node`.
    """
    token_end = c.token_ends[after]
    if token_end <= UNKNOWN:
        token_end = call2(c.hooks.token_end, address_of_block(c), after)
    if token_end <= UNKNOWN:
        wait_at_node(c, node, base, parent, 1)
    return token_end >= 0


@jit
def scan_plain(c: LexemeContext, trie: Trie, node: int, last: int, base: int) -> None:
    """Scan the nodes from `node` to before `last`, where nothing but the lexer's moves matters.

    `base`: the depth above the first node, as in `scan_range`, which does the same. Cost: 0.8 times that of
    `scan_range`.
    """
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
    """Scan the nodes of a trie from `node` to before `last`: note what each token does.

    `base`: the depth above the first node of the range. `c.depths` has a row for each depth less `base`; the
    row above `node` is already written.
    """
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
        # The tokens below may be left to the other state's record, unless one may close the lexeme: crossings
        # are noted here, although the other record has the same.
        is_left = after == like_state and (
            c.closing == 0 or c.vocabulary.signatures[2 * node] & c.closing == 0
        )
        # Nothing is to be done below the node: it waits, the lexeme has ended, no token goes on, or the other
        # record has its tokens.
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
    """Find what the tokens of a trie, by its number, do in a state of the lexer.

    Tokens that stay inside the lexeme are noted in `tokens_found`, nodes before which it ends in `crossings`.
    Returns the number of entries in `tokens_found`. ASKED: questions were noted; the next call goes on with
    the nodes that wait. FULL: there was no room. `like_state`: another state with which this one is compared,
    byte for byte (-1: none). The row `alike` then has the tokens that both treat alike; they are left to the
    other state's record.
    """
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
    """Append a group with room for `size` tokens. `end_class` and `shift` are the fields of `Group`.

    Returns the place in `c.tokens` where its tokens begin. A dense group returns -2 - the number of its row
    in `c.dense`. The caller has made room.
    """
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
    """Write `count` tokens to the place `to`, which `put_group` has returned."""
    if to < 0:
        set_bits(skip(c.dense, c.vocabulary.mask_words * (-2 - to)), tokens, count)
    else:
        for i in range(count):
            c.tokens[to + i] = tokens[i]


@jit
def make_room(c: LexemeContext, groups: int, tokens: int) -> bool:
    """Return whether there is room for this many groups and tokens; else the room is asked for."""
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
    """Return whether the class of endings is known for each state to which the found tokens lead.

    Else the classes are asked for. `tokens`: the number of entries of `tokens_found`.
    """
    is_known = True
    for i in range(tokens):
        state = c.tokens_found[FOUND_WORDS * i + 1]
        if c.end_class[state] < 0:
            note_question(c, ASK_CLASS, state, 0, 0)
            is_known = False
    return is_known


@jit
def put_groups(c: LexemeContext, trie: Trie, tokens: int) -> int:
    """Append the groups of the tokens that `scan_trie` found inside the lexeme.

    `tokens`: what `scan_trie` returned. The rows of dense groups are in `c.dense`. Returns 0; ASKED where
    room or classes of endings were asked for.
    """
    inside = c.tokens_found
    slots = slots_of(c, trie)
    ids = tokens_of(c, trie)
    # Scratch memory. `marks` has for each class of endings its last group so far, from 1. `sizes` has four
    # words for each group: its class, the number of its tokens, the place of the next token, its shift.
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
        # A class has one group for each shift. The search goes back from its last group.
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
    """Return whether a crossing is not yet taken, and ends the lexeme as the crossing `key` does."""
    return (
        crossing.node >= 0
        and crossing.terminal == key.terminal
        and crossing.carry == key.carry
        and crossing.shift == key.shift
    )


@jit
def take_crossings(c: LexemeContext, first: int) -> None:
    """Mark all crossings as taken that end the lexeme as the crossing `first` does; it is the first of
    them."""
    key = c.crossings[first]
    # backwards: the first of them is the key, and is taken away last
    for i in range(c.scan.crossing_count - 1, first - 1, -1):
        crossing = c.crossings[i]
        if has_key(crossing, key):
            crossing.node = -1 - crossing.node


@jit
def as_ranges(c: LexemeContext, trie: Trie, new_trie: Trie, first: int) -> None:
    """Write `new_trie` as ranges of the nodes of `trie`.

    The ranges are the subtrees at the crossings that end the lexeme as `c.crossings[first]` does.
    """
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
    """Return the child of a node of the trie in `merging` by a byte; it is added if it is new.

    A new child has the number `node_count`. `hint`: a child at which the search may begin (-1: none);
    children are mostly asked for in ascending order. For example, `child_by(merging, 0, -1, 65, 1)` is the
    child of the root by the byte "A": node 1 if it is new.
    """
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
    """Merge the subtrees at the crossings that end the lexeme as `c.crossings[first]` does into one trie.

    The trie is written to `merging`. A node is four words: its byte, first child, next sibling, and the link
    of its last token. The fourth word of the root is the number of all tokens. The links are at
    MERGING_LINKS. Returns the number of nodes; -1: the trie is too large to be copied. `path` has three words
    for each depth: the node, the child that was met last, and the state of `may_follow`.
    """
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
    """Write a trie to the tables, depth first, from the nodes in `merging`. The caller has made room."""
    # For each depth, `path` has the node to go on with; from `deepest` on, the place of the node above it.
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
    """Return whether there is room for one more trie; else the room is asked for.

    `nodes` and `tokens`: how many are copied; `nodes` below 0: the trie is ranges, and nothing is copied, as
    in `make_trie_room(c, -1, 0, RANGE_WORDS)`. `range_words`: the words of its ranges.
    """
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
    """Return the number of the trie of the bytes after the crossings that end the lexeme alike; or ASKED.

    These are the crossings that end it as `c.crossings[first]` does, the first of them. They are marked as
    taken. `number`: the trie of which the crossings are nodes.
    """
    trie = c.tries[number]
    key = c.crossings[first]
    nodes = nodes_of(c, c.tries[number])
    # The hash begins with the shift, in bits that no node has. Else a crossing at node 6 with a shift would
    # have the hash of one at node 7 without.
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
    """Find what the tokens of a trie do in a state, for `make_record`; answer as `scan_trie` does.

    The state is compared with the state that it is like (`find_like`).
    """
    c = LexemeContext(address)
    if not find_like(c, state):
        return ASKED
    return scan_trie(c, number, state, c.like[state])


@entry("int64(int64, int64, int64, int64)")
def scan_beside(address: int, number: int, state: int, like_state: int) -> int:
    """Find what the tokens of a trie do in a state, compared with `like_state`; answer as `scan_trie`
    does."""
    return scan_trie(LexemeContext(address), number, state, like_state)


@jit
def put_record(c: LexemeContext, number: int, state: int, tokens: int, like: int, row: WorkRow) -> int:
    """Make the record of a trie, by its number, in a state, from what the last scan has found.

    `tokens`: what `scan_trie` returned. `like`: the state with which it was compared (-1: none). `row`: the
    record is written there. Returns 0, or ASKED. No mask reads the record before its row is interned
    (`intern_record`); before that, the rows of its dense groups are put into the store (`put_group`).
    """
    # An earlier call may have stopped for room after it had marked crossings as taken. The marks are removed:
    # the node is the larger one of n and -1 - n.
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
            # The leftovers of this record are taken back below, so room is needed for all of them again.
            ask_room(c, c.leftovers, 1 + c.leftovers.count - leftovers)
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
        # Groups and leftovers are taken back, and made again by the next call. Tries stay: it finds them.
        c.groups.count, c.leftovers.count = groups, leftovers
        return ASKED
    for i in range(words):
        rows[rows.count] = c.alike[i]
        rows.count = rows.count + 1
    return 0


@jit
def intern_record(c: LexemeContext, row: WorkRow) -> int:
    """Enter a finished record into the table that masks read. Returns its number; ASKED: for room."""
    number = intern_row(c, c.records, RECORD_KEY, row)
    return number if number >= 0 else ASKED


@jit
def small_record(c: LexemeContext, number: int, state: int) -> int:
    """Make the record of a small trie in a state, without Python. Returns its number, ASKED, or FULL."""
    tokens = scan_trie(c, number, state, -1)
    # As if all rows of dense groups were in use: so all groups are listed, and none goes to the store.
    c.dense_count = MOST_DENSE
    if tokens < 0 or put_record(c, number, state, tokens, -1, c.work) != 0:
        return min(tokens, ASKED)
    return intern_record(c, c.work)


@entry("int64(int64, int64, int64, int64, int64)")
def make_record(address: int, number: int, state: int, tokens: int, row: int) -> int:
    """Make the record of a trie in a state from the last scan. Returns 0, or ASKED.

    `tokens`: what `scan_record` returned. `row`: the address where the `LexemeRecord` is written.
    """
    c = LexemeContext(address)
    c.dense_count = 0
    like = c.like[state] if address_of_block(c.like) else -1
    return put_record(c, number, state, tokens, like, WorkRow(row))


@entry("int64(int64, int64)")
def keep_record(address: int, row: int) -> int:
    """Enter the finished record at the address `row` into the table that masks read. Answers as
    `intern_record` does."""
    return intern_record(LexemeContext(address), WorkRow(row))

"""Walks of what stands alone: the inside of a string, and a run of white space between two tokens of JSON.

Both collect the tokens that stay inside, and note each subtree of the trie in which tokens leave (`crossed`),
so that the result serves every state of every grammar that meets the same string state, or the same depth.

Bytes are *safe* from a string automaton's state if they, taken in any order, as many as a token may have,
never lead to where no document follows. Bytes are *dead* if none comes, whatever safe ones came before. A
subtree of the vocabulary's trie whose signature (structgen.tokens.trie) holds safe classes alone lives as a
whole; of one that holds dead classes too, those tokens live whose own signature holds none. So a walk of a
string state visits only tokens with quotes, backslashes, and what is neither safe nor dead.
"""

from __future__ import annotations

from structgen.automata.unicode.decoded_text import LONE_COLUMN
from structgen.json_machine.steps.byte_step import bounded_space, step
from structgen.json_machine.steps.string_step import short_target
from structgen.json_machine.tables.json_blocks import (
    ESCAPE_SHIFT,
    ESCAPES_ANY,
    ESCAPES_ASCII,
    LACKS_TAILS,
    M_ARRAY,
    M_STRING,
    SPACE_BOUNDED,
    JsonContext,
    SafeRow,
)
from structgen.json_machine.tables.lookups import MIDDLES, WIDTH, string_step
from structgen.machine_core.layout import ASK, OUT, YES
from structgen.machine_core.masks import emit
from structgen.native.jit import jit
from structgen.native.typed_blocks import Int64s, address_of_block, copy_block, skip
from structgen.tokens.trie import space_prefix

_MOST_STATES = 64
"""States to look at; where safe bytes lead to more, they are safe as far as these tell."""
TOTAL = 2
"""In word 0 of a row: not a character kills, nor any that follow; else 1 where the row is known."""
_LEAST_COUNTED = 3
"""Bytes from which on a set may be safe for so many bytes only, though all others follow one that is not."""
_LEAST_REACH = 6
"""Bytes that must be told at the least; else fewer bytes are tried."""
ANY_NUMBER = 1 << 20
WIDE = 10
"""The classes of characters outside ASCII, of which one is white space."""
_CONTROLS = 0xFFFFFFFF & ~14
"""Classes that no string takes as they are."""
_SLOTS = 256
_MIDDLES = 384


@jit
def middle_range(kind: int) -> int:
    """Return the continuation bytes (first << 8 | last) that may follow in a UTF-8 middle;
    kinds as in `character_kind`."""
    if kind == 4:
        return (0xA0 << 8) | 0xBF
    if kind == 5:
        return (0x80 << 8) | 0x9F
    if kind == 6:
        return (0x90 << 8) | 0xBF
    if kind == 7:
        return (0x80 << 8) | 0x8F
    return (0x80 << 8) | 0xBF


@jit
def character_kind(lead: int) -> int:
    """Return what follows a lead byte: 1 to 3 free continuation bytes, or 4 E0, 5 ED, 6 F0, 7 F4. F5 is the
    first byte of a lone surrogate."""
    if lead < 0xE0:
        return 1
    if lead == 0xF5:
        return 4
    if lead < 0xF0:
        return 4 if lead == 0xE0 else (5 if lead == 0xED else 2)
    return 6 if lead == 0xF0 else (7 if lead == 0xF4 else 3)


@jit
def next_kind(kind: int) -> int:
    """Return the kind after one continuation byte; 0: the character is complete."""
    if kind >= 6:
        return 2
    if kind >= 4:
        return 1
    return kind - 1


@jit
def bits(low: int, high: int) -> int:
    """Return how many bits two words hold."""
    count = 0
    for word in (low, high):
        rest = word
        while rest != 0:
            rest &= rest - 1
            count += 1
    return count


@jit
def alive_bytes(c: JsonContext, state: int, low: int, high: int) -> tuple[int, int]:
    """Return those of a set of ASCII bytes (two words) that live from a state whose row is known."""
    row = skip(c.strings, WIDTH * state)
    for byte in range(32, 128):
        if row[byte] < 0:
            if byte >> 6:
                high &= ~(1 << (byte & 63))
            else:
                low &= ~(1 << byte)
    return low, high


@jit
def add_state(states: Int64s, count: int, state: int) -> int:
    """Return the number of states after adding one that is not listed yet; they are listed in a hash too."""
    slots = skip(states, 4 * _MOST_STATES)
    at = (state * 0x9E3779B1) & (_SLOTS - 1)
    while slots[at] != 0:
        if slots[at] == state + 1:
            return count
        at = (at + 1) & (_SLOTS - 1)
    if count < _MOST_STATES:
        slots[at] = state + 1
        states[count] = state
    return count + 1


@jit
def first_of(levels: Int64s, at: int, level: int) -> int:
    """Return the first state listed for a level, at or before `at`."""
    while at > 0 and levels[at - 1] == level:
        at -= 1
    return at


@jit
def follow_safe(
    c: JsonContext, state: int, low: int, high: int, states: Int64s
) -> tuple[int, int, int, int, int]:
    """Follow a set of ASCII bytes from a state, breadth first. Returns (what, count, reach, low, high).

    what 1: all states reached take the set, `count` of them are listed, and it is safe for `reach` bytes;
    0: the set is not safe, and the narrower one returned may be.
    """
    for i in range(_SLOTS):
        skip(states, 4 * _MOST_STATES)[i] = 0
    via, levels = skip(states, _MOST_STATES), skip(states, 2 * _MOST_STATES)
    count = add_state(states, 0, state)
    via[0] = -1
    levels[0] = 0
    full = -1
    at = 0
    while at < count:
        here, level = states[at], levels[at]
        if full >= 0 and level > full:
            count = at
            break
        alive_low, alive_high = alive_bytes(c, here, low, high)
        if alive_low != low or alive_high != high:
            byte = via[at]
            if level >= _LEAST_COUNTED and 2 * bits(alive_low, alive_high) < bits(low, high):
                # a repetition with a count ends here: up to here it is safe
                return 1, first_of(levels, at, level), level, low, high
            if byte < 0 or 2 * bits(alive_low, alive_high) >= bits(low, high):
                return 0, count, 0, alive_low, alive_high
            # it leads to where few bytes live (what follows a percent sign, say): it alone is not safe
            if byte >> 6:
                high &= ~(1 << (byte & 63))
            else:
                low &= ~(1 << byte)
            return 0, count, 0, low, high
        at += 1
        if full >= 0:
            continue
        row = skip(c.strings, WIDTH * here)
        for byte in range(32, 128):
            if (high if byte >> 6 else low) & (1 << (byte & 63)) == 0:
                continue
            found = add_state(states, count, row[byte])
            if found > _MOST_STATES:
                full = level
                break
            if found > count:
                via[count] = byte
                levels[count] = level + 1
                count = found
    return 1, count, ANY_NUMBER if full < 0 else full + 1, low, high


@jit
def wide_alive(c: JsonContext, states: Int64s, count: int, spaces: bool, lone: bool) -> int:
    """Return how many states are listed once those are added that characters outside ASCII lead to, from any
    of them (white space only if `spaces`, lone surrogates only if `lone`); 0 where one dies, or there are too
    many."""
    at = 0
    queue = skip(states, 4 * _MOST_STATES + _SLOTS)
    while at < count:
        queued = 0
        state = states[at]
        at += 1
        done = -1
        while done < queued:
            here = state if done < 0 else queue[3 * done]
            kind = 0 if done < 0 else queue[3 * done + 1]
            prefix = 0 if done < 0 else queue[3 * done + 2]
            done += 1
            if kind == 0:
                first, last = 0xC2, 0xF5 if lone else 0xF4
            else:
                span = middle_range(kind)
                first, last = span >> 8, span & 255
            for byte in range(first, last + 1):
                place = space_prefix(prefix, byte)
                if place == 11 and not spaces:
                    continue
                target = string_step(c, here, byte if byte < 0xF5 else LONE_COLUMN)
                if target < 0:
                    return 0
                after = character_kind(byte) if kind == 0 else next_kind(kind)
                if after == 0:
                    count = add_state(states, count, target)
                    if count > _MOST_STATES:
                        return 0
                    continue
                new = True
                for i in range(queued):
                    if queue[3 * i] == target and queue[3 * i + 1] == after and queue[3 * i + 2] == place:
                        new = False
                        break
                if new:
                    if queued >= _MIDDLES:
                        return 0
                    queue[3 * queued] = target
                    queue[3 * queued + 1] = after
                    queue[3 * queued + 2] = place
                    queued += 1
    return count


@jit
def closed(c: JsonContext, states: Int64s, first: int, count: int, low: int, high: int) -> bool:
    """Return whether the listed states from `first` on take all of a set of ASCII bytes and lead to listed
    states."""
    for i in range(first, count):
        here = states[i]
        alive_low, alive_high = alive_bytes(c, here, low, high)
        if alive_low != low or alive_high != high:
            return False
        row = skip(c.strings, WIDTH * here)
        for byte in range(32, 128):
            if (high if byte >> 6 else low) & (1 << (byte & 63)) != 0:
                if add_state(states, count, row[byte]) != count:
                    return False
    return True


@jit
def dies(c: JsonContext, states: Int64s, count: int, first: int, last: int) -> bool:
    """Return whether none of the listed states takes a byte of first..last."""
    for i in range(count):
        row = skip(c.strings, WIDTH * states[i])
        for byte in range(first, last + 1):
            if row[byte] != -1:
                return False
    return True


@jit
def find_dead(c: JsonContext, states: Int64s, count: int, low: int, high: int, row: SafeRow) -> None:
    """Write the classes that die from every listed state to `row`; the safe ones are given, quotes and
    backslashes are neither."""
    dead_low = (1 << 32) - 1 - 14  # controls are dead in any string
    dead_high = 0
    for byte in range(32, 128):
        bit = 1 << (byte & 63)
        if byte == 34 or byte == 92 or (high if byte >> 6 else low) & bit != 0:
            continue
        if dies(c, states, count, byte, byte):
            if byte >> 6:
                dead_high |= bit
            else:
                dead_low |= bit
    if low & WIDE == 0 and dies(c, states, count, 128, 255):
        dead_low |= 14
    row.dead_low = dead_low
    row.dead_high = dead_high


@jit
def all_classes(c: JsonContext) -> tuple[int, int]:
    """Return every class of characters that a string may hold as they are, in two words."""
    low = ~((1 << 34) | ((1 << 32) - 1))  # no controls, no quote
    high = ~(1 << 28)  # no backslash
    if c.escapes == ESCAPES_ASCII:
        return low, high & ((1 << 63) - 1)  # no DEL
    return (low if c.lacks & LACKS_TAILS else low | WIDE), high


@jit
def takes_all(c: JsonContext, row: SafeRow) -> bool:
    """Return whether a state of the string automata (by its row of T_SAFE) takes every character that stands
    for itself, and so does whatever these lead to."""
    low, high = all_classes(c)
    return row.low == low and row.high == high and row.reach == ANY_NUMBER


@jit
def find_total(c: JsonContext, states: Int64s, count: int) -> int:
    """Return how many states the listed ones lead to by any characters at all, also such as only escapes can
    write, they included; 0 where one dies, or there are too many."""
    lone = c.escapes == ESCAPES_ANY
    at = 0
    while True:
        while at < count:
            here = states[at]
            at += 1
            row = skip(c.strings, WIDTH * here)
            for byte in range(128):
                target = row[byte]
                if target < 0:
                    return 0
                count = add_state(states, count, target)
                if count > _MOST_STATES:
                    return 0
        reached = wide_alive(c, states, count, True, lone)
        if reached <= count:
            return reached
        count = reached


@jit
def find_safe(c: JsonContext, state: int, scratch: Int64s, row: SafeRow) -> None:
    """Write (1 or TOTAL, safe low, safe high, dead low, dead high, bytes for which that holds) to `row`:
    classes as in the signatures of structgen.tokens.trie.

    `scratch` holds room for the lists of states.
    """
    low, high = all_classes(c)
    low &= ~WIDE
    bytewise = c.escapes == ESCAPES_ASCII or c.lacks & LACKS_TAILS != 0
    blank = 1 << 32
    stage, count, reach = 0, 0, 0
    whole_low, whole_high, whole_reach = low, high, reach
    while True:
        what, count, reach, low, high = follow_safe(c, state, low, high, scratch)
        if what == 0:
            continue
        if reach == ANY_NUMBER:
            break
        # too many states: without the blank a pattern of words stays in one
        if stage == 0 and low & blank != 0:
            stage = 1
            whole_low, whole_high, whole_reach = low, high, reach
            low &= ~blank
        elif stage == 1 and whole_reach >= _LEAST_REACH:
            stage = 3
            low, high = whole_low, whole_high
        elif stage < 2 and reach < _LEAST_REACH:
            # letters and digits alone
            stage = 2
            low &= 0x3FF << 48
            high &= 0x7FFFFFE07FFFFFE
        else:
            break
    wide = 0
    if reach >= _LEAST_REACH and low | high == 0:
        reach = ANY_NUMBER
    if reach == ANY_NUMBER and not bytewise:
        for spaces in (True, False):
            reached = wide_alive(c, scratch, count, spaces, False)
            if reached > 0 and closed(c, scratch, count, reached, low, high):
                wide = WIDE if spaces else 2
                count = reached
                break
            # the states that were added on the way are not of the set: list the others anew
            what, count, reach, low, high = follow_safe(c, state, low, high, scratch)
    low |= wide
    row.low = low
    row.high = high
    row.dead_low = 0
    row.dead_high = 0
    row.reach = reach
    if reach >= _LEAST_COUNTED:
        find_dead(c, scratch, count, low, high, row)
    row.known = 1
    if takes_all(c, row):
        for i in range(find_total(c, scratch, count)):
            # what is true of one is true of all
            other = c.safe_rows[scratch[i]]
            copy_block(row, other)
            other.known = TOTAL


def total_row(ascii_only: bool, tails: bool) -> tuple[int, ...]:
    """Return the row of T_SAFE of a state from which every text goes on to some end: as `find_safe` has it
    for the free string. `tails`: some characters lack bytes."""
    low = ~((1 << 34) | ((1 << 32) - 1)) | (0 if ascii_only or tails else WIDE)
    high = ~(1 << 28) & ((1 << 63) - 1 if ascii_only else -1)  # as int64
    return TOTAL, low, high, (1 << 32) - 1 - 14, 0, ANY_NUMBER


@jit
def safe_row(c: JsonContext, state: int, scratch: Int64s) -> SafeRow:
    """Return a state's row of T_SAFE, filled."""
    row = c.safe_rows[state]
    if row.known == 0:
        find_safe(c, state, scratch, row)
    return row


@jit
def cross(c: JsonContext, crossings: int, outcome: int, node: int, inside: int) -> int:
    """Note that tokens leave at a node; `inside`: its byte still belongs to what is left (1) or not (0)."""
    crossed = c.crossed
    crossed[3 * crossings] = outcome
    crossed[3 * crossings + 1] = node
    crossed[3 * crossings + 2] = inside
    return crossings + 1


@jit
def walk_string(c: JsonContext, first: int, last: int, base: int) -> bool:
    """Collect the tokens of the nodes first..last-1 inside the string, or key, whose registers lie in scratch
    block 0 (its frame is the sentinel); they stand `base` bytes into the tokens. Where `removed` is 1,
    collect the tokens instead that stay inside a free string and not inside this one; some that neither takes
    may be among them. Returns whether something had to be asked.

    Only the automaton's state, and the count of characters where they are bounded, change from byte to byte,
    so that they alone are kept for each depth; escapes take the general step.
    Subtrees that are safe as a whole are taken at once.
    """
    scratch, inside, trie = c.scratch[0], c.scratch[1], c.vocabulary.trie
    starts, ids = c.vocabulary.slot_start, c.vocabulary.slot_ids
    signatures, slots_before = c.vocabulary.signatures, c.vocabulary.slots_before
    table, outcomes = c.strings, c.string_outcomes
    buffer, count = c.buffer, c.buffer_count
    lists = skip(c.crossed, 3 * c.vocabulary.trie_count)
    # lexemes by depth; the registers that the general step reads and writes are blocks 0 and 1
    path, counts = skip(lists, 4096), skip(lists, 2 * 4096)
    # the classes of the bytes before, by depth: only ASCII ones can be told apart
    before_low, before_high = skip(lists, 4 * 4096), skip(lists, 5 * 4096)
    before_low[base] = 0
    before_high[base] = 0
    own_signatures = c.vocabulary.slot_signatures
    path[base] = scratch.lexeme
    counts[base] = scratch.position
    distances, chars = c.distances.numbers, c.vocabulary.subtree_chars
    least, most, farthest = 0, -1, 0
    if scratch.mode == M_STRING:
        spec = c.string_specs[scratch.residue]
        least, most, farthest = spec.least, spec.most, spec.farthest
        if most >= 0 and most - scratch.position >= c.vocabulary.longest + farthest:
            most = -1
    counted = most >= 0 or (scratch.mode == M_STRING and least > scratch.position)
    simple = scratch.mode == M_STRING and not counted and scratch.seen <= 0
    # what a free string does not take either is not missing in this one
    removed, free_dead = c.removed != 0, _CONTROLS if c.removed != 0 else 0
    crossings, asked, total = 0, False, False
    known, low, high = -1, 0, 0
    dead_low, dead_high, reach = 0, 0, 0
    steps = c.steps
    top = 127 if c.escapes == ESCAPES_ASCII else 256
    direct = 127 if c.lacks & LACKS_TAILS else top
    i = first
    while i < last:
        node = trie[i]
        depth, byte, end = (node >> 8) & 0xFFF, node & 255, (node >> 40) & 0xFFFFFF
        lex = path[depth - 1]
        plain = lex >> ESCAPE_SHIFT == 0
        if plain:
            if lex != known:
                row = safe_row(c, lex, lists)
                known, low, high = lex, row.low, row.high
                dead_low, dead_high, reach = row.dead_low, row.dead_high, row.reach
                total = removed and row.known == TOTAL
            here_low, here_high = signatures[2 * i], signatures[2 * i + 1]
            if total and here_low & (1 << 34) == 0:
                # it neither closes nor dies: all as in a free string
                i = end
                continue
            if (
                here_low & ~(low | dead_low) == 0
                and here_high & ~(high | dead_high) == 0
                and chars[i] <= reach
                and (most < 0 or counts[depth - 1] + chars[i] + farthest <= most)
            ):
                here_low &= dead_low & ~free_dead
                here_high &= dead_high
                if (here_low & before_low[depth - 1]) | (here_high & before_high[depth - 1]) == 0:
                    first_slot, last_slot = slots_before[i], slots_before[end]
                    if here_low | here_high != 0:
                        for slot in range(first_slot, last_slot):
                            dies_here = (own_signatures[2 * slot] & here_low) | (
                                own_signatures[2 * slot + 1] & here_high
                            ) != 0
                            if dies_here == removed:
                                for j in range(starts[slot], starts[slot + 1]):
                                    buffer[count] = ids[j]
                                    count += 1
                    elif not removed:
                        for j in range(starts[first_slot], starts[last_slot]):
                            buffer[count] = ids[j]
                            count += 1
                    i = end
                    continue
        steps += 1
        after, free = -1, True
        if plain and byte >= 32 and byte < direct and byte != 92 and byte != 34:
            after = table[lex * WIDTH + byte]
            if after >= 0 and counted:
                count_here = counts[depth - 1]
                if byte & 0xC0 != 0x80 and (most >= 0 or count_here < least):
                    count_here += 1
                counts[depth] = count_here
                if most >= 0 and count_here + (distances[after] if after >= MIDDLES else 0) > most:
                    after = -1
        elif plain and byte == 34:
            free = False
            outcome = outcomes[lex]
            if outcome >= 0 and (not counted or counts[depth - 1] >= least):
                crossings = cross(c, crossings, outcome, i, 1)
        elif plain and byte != 92 and (byte < 32 or byte >= top):
            free = False
        elif simple and lex >> ESCAPE_SHIFT == 1 and byte != 117:
            after = short_target(c, lex, byte)
        else:
            scratch.lexeme = lex
            if counted:
                scratch.position = counts[depth - 1]
            code = step(c, scratch, inside, byte)
            if code == YES:
                after = inside.lexeme
                counts[depth] = inside.position
            elif code == OUT:
                crossings = cross(c, crossings, inside.lexeme, i, 1)
            elif code == ASK:
                asked = True
        if after < 0:
            if removed and free:
                for j in range(starts[slots_before[i]], starts[slots_before[end]]):
                    buffer[count] = ids[j]
                    count += 1
            i = end
            continue
        path[depth] = after
        if byte < 128:
            bit = 1 << (byte & 63)
            before_low[depth] = before_low[depth - 1] | (0 if byte >> 6 else bit)
            before_high[depth] = before_high[depth - 1] | (bit if byte >> 6 else 0)
        else:
            before_low[depth] = -1
            before_high[depth] = -1
        slot = (node >> 20) & 0xFFFFF
        if slot > 0 and not removed:
            for j in range(starts[slot - 1], starts[slot]):
                buffer[count] = ids[j]
                count += 1
        i += 1
    scratch.lexeme = path[base]
    scratch.position = counts[base]
    c.buffer_count = count
    c.crossed_count = crossings
    c.steps = steps
    return asked


@jit
def walk_space(c: JsonContext, level: int, most: int, before: int) -> None:
    """Collect the tokens that are white space alone, where `level` brackets are open and at most `most` after
    what follows, and `before` is written of the run (as `position` says it); and note the subtrees of tokens
    that go on with what may follow (bounded and any white space)."""
    written_at, trie, last = Int64s(address_of_block(c.scratch)), c.vocabulary.trie, c.vocabulary.trie_count
    starts, ids, may = c.vocabulary.slot_start, c.vocabulary.slot_ids, c.may
    bounded = c.space == SPACE_BOUNDED
    crossings = 0
    written_at[0] = before
    i = 0
    while i < last:
        node = trie[i]
        depth, byte, end = (node >> 8) & 0xFFF, node & 255, (node >> 40) & 0xFFFFFF
        written = written_at[depth - 1]
        if byte == 32 or byte == 9 or byte == 10 or byte == 13:
            if bounded:
                written = bounded_space(written, byte)
                if written < 0 or (written & 15 > 8 and (written >> 6) > 8 * most):
                    i = end
                    continue
            written_at[depth] = written
            slot = (node >> 20) & 0xFFFFF
            if slot > 0:
                emit(c, ids, starts[slot - 1], starts[slot])
            i += 1
            continue
        if depth > 1 and (may[(M_ARRAY << 8) | byte] != 0 or byte == 58 or byte == 44 or byte == 125):
            after = level
            if byte == 125 or byte == 93:
                after = level - 1
            elif byte == 123 or byte == 91:
                after = level + 1
            if not bounded or written & 15 <= 8 or (written >> 6) <= 8 * after:
                crossings = cross(c, crossings, 0, i, 0)
        i = end
    c.crossed_count = crossings

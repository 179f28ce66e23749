"""This lexer reads terminals of JSON byte by byte, for the scans of `machine_core.lexeme_records`.

- A *terminal* is a string, a key, a numeral or a run of white space, without the document around it.
- A *state* of the lexer is a row of `terminals`. For a string it has the state of the automaton and of an
  escape, and the bounds of the length that is left.
- A *cell* has the state after a byte in a state. Or it has REFUSED; UNKNOWN: not worked out; CLOSES +
  outcome: the byte ends the terminal. For example, in a free string the cell of a quote is CLOSES + 0.
- A *class* of characters is an ASCII character, or one of the two kinds of characters beyond ASCII.
- Classes are *safe* in a state if their characters may come in any order, for some number of characters.

Entry points take the address of a context (the block of a grammar) and integers.
"""

from __future__ import annotations

from typing import Final

from structgen.automata.strings.live_strings import UNASKED
from structgen.automata.unicode.decoded_text import OTHERS_COLUMN, TOTAL_COLUMN, WIDTH
from structgen.base.native.jit import entry, jit
from structgen.base.native.typed_blocks import Int32s, Int64s, address_of_block, skip, words_of
from structgen.machines.json_machine.steps.byte_step import (
    bounded_space,
    is_bounded,
    number_step,
    run_without_count,
    step_byte,
)
from structgen.machines.json_machine.tables.json_blocks import (
    COUNT_SHIFT,
    ESCAPE_SHIFT,
    ESCAPES_ANY,
    ESCAPES_ASCII,
    LACKS_TAILS,
    M_ARRAY,
    M_ITEM,
    M_KEY,
    M_MEMBER,
    M_NUMBER,
    M_SPACE,
    M_STRING,
    SENTINEL,
    SPACE_BOUNDED,
    JsonContext,
    JsonTerminal,
    TerminalKey,
)
from structgen.machines.json_machine.tables.json_tables import CELLS
from structgen.machines.json_machine.tables.lookups import (
    FREE,
    is_space,
    like_count,
    phase_at,
    set_structural,
    string_step,
)
from structgen.machines.machine_core.interning import ask_room, intern_row
from structgen.machines.machine_core.layout import ASK, ASKED, OUT, REFUSED, YES, VocabularyWords
from structgen.machines.machine_core.lexeme_layout import CLOSES, UNKNOWN, SafeRow
from structgen.machines.machine_core.lexeme_records import read_cell
from structgen.tokens.trie import MAX_STRING
from structgen.tokens.trie_nodes import byte_of, depth_of, end_of, slot_of

_TERMINAL_WORDS: Final = words_of(JsonTerminal)
_BEYOND_ASCII = 10
"""The bits 1 and 3: the two classes of characters beyond ASCII, one of them white space."""


@jit
def put_terminal(
    c: JsonContext, mode: int, lexeme: int, min_length: int, max_length: int, policy: int, is_quoted: int
) -> JsonTerminal:
    """Return a row with the key of a terminal, to be looked up; each other word is -1.

    The parameters are the fields of `TerminalKey`. The row is scratch memory of the context.
    """
    t = c.work.terminal
    words = Int64s(address_of_block(t))
    key = t.key
    for i in range(_TERMINAL_WORDS):
        words[i] = -1
    key.mode = mode
    key.lexeme = lexeme
    key.min_length = min_length
    key.max_length = max_length
    key.policy = policy
    key.is_quoted = is_quoted
    return t


@jit
def put_state(c: JsonContext, mode: int, lexeme: int, min_length: int, max_length: int, policy: int) -> int:
    """Return the number of a state, with room for its cells; UNKNOWN: room was asked for.

    The parameters are fields of `TerminalKey`; `is_quoted` is 0. For example,
    `put_state(c, M_KEY, lexeme, 0, -1, 0)` is a state inside a key.
    """
    # 6: the words of the key
    terminal = intern_row(c, c.terminals, 6, put_terminal(c, mode, lexeme, min_length, max_length, policy, 0))
    cell_count = CELLS * c.terminals.count
    cells = c.cells
    if terminal >= 0 and cell_count > cells.capacity:
        ask_room(c, cells, cell_count - cells.count)
        terminal = -1
    if terminal < 0:
        return UNKNOWN
    # Terminals that masks have looked up since have no cells yet: they get theirs, too.
    for i in range(cells.count, cell_count):
        cells[i] = UNKNOWN
    cells.count = cell_count
    return terminal


@entry("int64(int64, int64, int64, int64, int64, int64)")
def state_of(context: int, mode: int, lexeme: int, min_length: int, max_length: int, policy: int) -> int:
    """Return the state of the lexer for a terminal after its opening quote; ASKED: room was asked for.

    The parameters are fields of `TerminalKey`.
    """
    terminal = put_state(JsonContext(context), mode, lexeme, min_length, max_length, policy)
    return terminal if terminal >= 0 else ASKED


@jit
def string_byte(c: JsonContext, state: int, byte: int) -> int:
    """Return the cell of a byte inside a string or key.

    If the byte is a plain character or part of one, the cells of all bytes with the same effect are written.
    """
    # The step of the machine is made, from registers that the terminal stands for. The frame SENTINEL makes
    # it return at the end of the terminal.
    key = c.terminals[state].key
    registers_before, d = c.scratch[0], c.scratch[1]
    registers_before.text = 0
    set_structural(registers_before, key.mode, c.quoted_row, 0, SENTINEL)
    registers_before.lexeme = key.lexeme
    min_length, max_length = 0, -1
    if key.mode == M_STRING:
        spec = c.string_specs[c.quoted_row]
        min_length, max_length = spec.min_length, spec.max_length
        # a count of characters after which as many are left as the terminal has
        if spec.phases >= 0:
            registers_before.position = key.max_length
        elif key.max_length >= 0:
            registers_before.position = max_length - key.max_length
        else:
            registers_before.position = min_length - key.min_length
    else:
        registers_before.position = -1
    c.precise = 0
    code = step_byte(c, registers_before, d, byte)
    c.precise = 1
    if code == OUT:
        return CLOSES + d.lexeme
    if code == ASK:
        return UNKNOWN
    after = REFUSED
    if code == YES and key.mode == M_KEY:
        after = put_state(c, M_KEY, d.lexeme, 0, -1, 0)
    elif code == YES:
        characters_left = max_length - d.position if key.max_length >= 0 else -1
        missing = max(min_length - d.position, 0)
        spec = c.string_specs[c.quoted_row]
        if spec.phases >= 0:
            missing, characters_left = like_count(c, spec, d.position, key.min_length)
        after = put_state(c, M_STRING, d.lexeme, missing, characters_left, 0)
    top = 127 if c.escapes == ESCAPES_ASCII or c.lacks & LACKS_TAILS else 256
    if after >= REFUSED and registers_before.lexeme >> ESCAPE_SHIFT == 0 and byte >= 32 and byte < top:
        row = skip(c.strings, registers_before.lexeme * WIDTH)
        cells = skip(c.cells.numbers, CELLS * state)
        # Bytes of one kind: ASCII, continuation bytes, lead bytes. A count of characters treats each alike.
        first, last = 192, 256
        if byte < 128:
            first, last = 32, 128
        elif byte < 192:
            first, last = 128, 192
        last = min(top, last)
        if byte == 34 or byte == 92 or row[byte] < 0:
            last = first  # a quote, a backslash, a refused byte: no other cell is written
        for same_class_byte in range(first, last):
            if row[same_class_byte] == row[byte] and same_class_byte != 34 and same_class_byte != 92:
                cells[same_class_byte] = after
    return after


@jit
def space_byte(c: JsonContext, key: TerminalKey, byte: int) -> int:
    """Return the cell of a byte in white space.

    A key of white space has numbers of its own. `lexeme`: the open brackets. `min_length`: the most open
    brackets after the next token. `max_length`: the run so far, packed as in `byte_step.bounded_space`; and
    from COUNT_SHIFT on the number of characters that may still come, -1: any number.
    """
    if not is_space(byte):
        return REFUSED
    blanks_left = key.max_length >> COUNT_SHIFT
    run_state = run_without_count(key.max_length)
    if blanks_left == 0:
        return REFUSED
    blanks_left = max(blanks_left - 1, -1)
    if key.policy == SPACE_BOUNDED:
        run_state = bounded_space(run_state, byte)
        if run_state < 0 or not is_bounded(run_state, key.min_length):
            return REFUSED
    blanks = run_state | (blanks_left << COUNT_SHIFT)
    return put_state(c, M_SPACE, key.lexeme, key.min_length, blanks, key.policy)


@entry("int64(int64, int64, int64)")
def cell_of(context: int, state: int, byte: int) -> int:
    """Work out the cell of a byte in a state, and return it; UNKNOWN: a question was noted (`Hooks.miss`)."""
    c = JsonContext(context)
    key = c.terminals[state].key
    if key.mode == M_SPACE:
        after = space_byte(c, key, byte)
    elif key.mode == M_NUMBER:
        target = number_step(c, key.lexeme, byte)
        after = REFUSED if target < 0 else put_state(c, M_NUMBER, target, 0, -1, 0)
    else:
        after = string_byte(c, state, byte)
    if after >= REFUSED:
        c.cells[CELLS * state + byte] = after
    return after


@entry("int64(int64, int64, int64)")
def ends_before(context: int, state: int, byte: int) -> int:
    """Return the outcome with which a numeral, or white space, ends before a byte; -1: it cannot end there.

    The byte must be one that may follow in some document (`Hooks.ends`).
    """
    c = JsonContext(context)
    key, later = c.terminals[state].key, c.next_byte
    if key.mode == M_NUMBER:
        # anything that may hold a numeral goes on with white space, a comma or a bracket
        follows_item = later[(M_ITEM << 8) | byte] < 0
        follows_member = later[(M_MEMBER << 8) | byte] < 0
        return c.number_outcomes[key.lexeme] if follows_item or follows_member else -1
    # White space ends before a colon (58), a comma (44), a closing brace (125), and any byte of an array.
    may_begin_item = later[(M_ARRAY << 8) | byte] < 0
    if is_space(byte) or not (may_begin_item or byte == 58 or byte == 44 or byte == 125):
        return -1
    after = key.lexeme  # the number of open brackets after the byte: 125, 93 close one, 123, 91 open one
    if byte == 125 or byte == 93:
        after -= 1
    elif byte == 123 or byte == 91:
        after += 1
    is_allowed = key.policy != SPACE_BOUNDED or is_bounded(key.max_length, after)
    return 0 if is_allowed else -1


@jit
def all_classes(c: JsonContext) -> tuple[int, int]:
    """Return the classes of characters that a string may have without an escape, as two words of bits.

    The words have the classes 0 to 63, and 64 to 127. Classes from 32 on are characters of ASCII.
    """
    low = ~((1 << 34) | ((1 << 32) - 1))  # no controls, no quote
    high = ~(1 << 28)  # no backslash
    if c.escapes == ESCAPES_ASCII:
        return low, high & ((1 << 63) - 1)  # no DEL
    if c.lacks & LACKS_TAILS:
        return low, high  # a character beyond ASCII may be begun that nothing can finish
    return low | _BEYOND_ASCII, high


@jit
def most_common_state(c: JsonContext, state: int) -> int:
    """Return the state to which most of the small letters that may come lead; -1: none may come.

    Where no small letter may come, the characters 32 to 127 vote. Without a majority the state is any target.
    """
    # The majority vote of Boyer and Moore: one pass, two numbers. First over a to z, then over 32 to 127.
    after = -1
    votes = 0
    first = 97
    last = 122
    while after < 0 and last < 128:
        for byte in range(first, last + 1):
            target = string_step(c, state, byte)
            if target >= 0:
                after = target if votes == 0 else after
                votes += 1 if target == after else -1
        first = 32
        last = last + 5
    return after


@jit
def leading_to(c: JsonContext, state: int, after: int, low: int, high: int) -> tuple[int, int]:
    """Return those of some classes of characters that lead from `state` to the state `after`; -1: none do.

    `low`, `high`: the classes as two words of bits, as in `leading_to(c, state, after, *all_classes(c))`.
    """
    for kind in range(128):
        # the classes 1 and 3 are those of characters outside ASCII
        column = kind if kind >= 32 else OTHERS_COLUMN + (kind >> 1)
        bit = 1 << (kind & 63)
        is_left = (high if kind >> 6 else low) & bit != 0
        if is_left and (after < 0 or string_step(c, state, column) != after):
            low, high = (low, high & ~bit) if kind >> 6 else (low & ~bit, high)
    return low, high


@jit
def find_safe(c: JsonContext, state: int, safe: SafeRow) -> None:
    """Write which classes of characters are safe in a state of a string automaton, and for how long.

    Safe classes all lead to one state, from there all to one next state, and so on. `safe`: the row that is
    written; its `reach` is the number of characters, MAX_STRING where the states come back to themselves.
    """
    low, high = all_classes(c)
    safe.row = 1
    safe.low = low
    safe.high = high
    safe.reach = MAX_STRING
    # a state from which every character leads on, in any order
    if string_step(c, state, TOTAL_COLUMN) >= 0:
        return
    after = most_common_state(c, state)
    low, high = leading_to(c, state, after, low, high)
    safe.row = 1
    safe.low = low
    safe.high = high
    safe.reach = 0
    while low | high != 0 and safe.reach < c.vocabulary.longest:
        safe.reach = safe.reach + 1
        # One more character: do all classes lead on from this state to one, too? A state that leads back to
        # itself lets them come for ever.
        state_before = after
        after = most_common_state(c, after)
        if leading_to(c, state_before, after, low, high) != (low, high):
            return
        if state_before == after:
            break
    safe.reach = MAX_STRING


@jit
def safe_row(c: JsonContext, state: int) -> SafeRow:
    """Return the safe classes of a state of a string or key, found at the first call."""
    t = c.terminals[state]
    key, safe = t.key, t.safe
    if safe.row == -1:
        safe.row = 0
        # nothing is known of a state whose column was not asked for yet
        if key.lexeme >> ESCAPE_SHIFT == 0 and string_step(c, key.lexeme, TOTAL_COLUMN) != UNASKED:
            find_safe(c, key.lexeme, safe)
            # A token of safe characters must not be longer than the string may still become.
            if key.max_length >= 0:
                spec = c.string_specs[c.quoted_row]
                characters_left = key.max_length
                if spec.phases >= 0:
                    characters_left = phase_at(c, spec, key.max_length).safe - key.max_length
                safe.reach = min(safe.reach, characters_left)
    return safe


@entry("int64(int64, int64)")
def safe_in(context: int, state: int) -> int:
    """Return the address of the safe classes of a state of a string or key; 0: they are not known.

    This is `Hooks.safe`.
    """
    safe = safe_row(JsonContext(context), state)
    return address_of_block(safe) if safe.row else 0


@entry("int64(int64, int64)")
def nothing_safe(context: int, state: int) -> int:
    """Return 0: nothing is known to be safe in a trie whose nodes are not those of the vocabulary."""
    return 0


# --- how many characters tokens need ---


@jit
def characters_begun(lexeme: int, byte: int) -> int:
    """Return how many characters a byte begins inside a string: 0 or 1. The byte must be allowed.

    `lexeme`: the register before the byte. Its escape state: 0: no escape. 1 to 5: a backslash, the u and 0
    to 3 digits are written. 6: a whole high surrogate is written. 7 to 11: as 1 to 5, after a high surrogate.
    """
    escape = (lexeme >> ESCAPE_SHIFT) & 15
    # A character is begun by its lead byte or its backslash. After a high surrogate (6) a backslash may be
    # that of the low one, which shows later (7, 11).
    if escape == 0 or escape == 6:
        return 0 if byte & 0xC0 == 0x80 or (escape == 6 and byte == 92) else 1
    if escape == 7:
        return 0 if byte == 117 else 1  # the high surrogate before stands alone
    if escape == 11:
        digit = byte - 48 if byte < 58 else (byte & 31) + 9
        value = ((lexeme >> 32) << 4 | digit) & 0xFFFF
        # a low surrogate makes the pair one character
        return 0 if value >= 0xDC00 and value < 0xE000 else 1
    return 0


@jit
def characters_owed(c: JsonContext, lexeme: int) -> int:
    """Return how many characters must still be counted after those that are begun: 0 or 1.

    It is 1 if a high surrogate is written, and the digits after it cannot become those of a low surrogate.
    """
    escape = (lexeme >> ESCAPE_SHIFT) & 15
    if escape < 8 or c.escapes != ESCAPES_ANY:
        return 0
    # `low` to `top`: the 16-bit units that the digits so far may become. Is a low surrogate among them?
    missing_bits, value = 4 * (12 - escape), (lexeme >> 32) & 0xFFFF
    low, top = value << missing_bits, ((value + 1) << missing_bits) - 1
    return 0 if max(low, 0xDC00) <= min(top, 0xDFFF) else 1


@jit
def sort_tokens(v: VocabularyWords, slots: int, needs: Int32s, tokens: Int32s, max_need: int) -> None:
    """Write the tokens of the first `slots` slots to `tokens`, ascending by their need.

    `needs`: the need of each slot; -1: its tokens are left out. Needs are smaller than `max_need`. The first
    `max_need` numbers of `tokens` are counts before the call: how many tokens have each need. After the call
    they are the positions in `tokens` at which the tokens of each need end. The tokens come after them.

    With `max_need` 2 and the needs 1, 0, 1 of three tokens a, b, c the result is 3, 5, b, a, c.
    """
    # a counting sort: first where the tokens of each need begin, which then move on as they are written
    end = max_need
    for need in range(max_need):
        count = tokens[need]
        tokens[need] = end
        end += count
    for slot in range(slots):
        need = needs[slot]
        last = v.slot_start[slot + 1] if need >= 0 else v.slot_start[slot]
        for i in range(v.slot_start[slot], last):
            at = tokens[need]
            tokens[at] = v.slot_ids[i]
            tokens[need] = at + 1


@entry("int64(int64, int64, int64, int64, int64)")
def measure_tokens(context: int, state: int, needs: int, tokens: int, closings: int) -> int:
    """Find how many characters of room each token needs in a state of a free string. Returns 0, or ASKED.

    The string has no bound of its length here. The other parameters are addresses of arrays to write:

    `needs`: int32, for each slot of the trie the characters for which the string must have room. It is -1
    before the call, and stays -1 for slots that leave the string. `tokens`: int32, the tokens that stay
    inside, ascending by their need, as `sort_tokens` writes them. `closings`: int64, the number of nodes that
    close the string; then for each its number, the characters of room, and the characters written.
    """
    c = JsonContext(context)
    v = c.vocabulary
    characters_needed = Int32s(needs)
    sorted_tokens = Int32s(tokens)
    closing_nodes = Int64s(closings)
    nodes = v.trie
    node = 0
    closing_count = 0
    slots = 0
    max_length = v.longest + 2
    top = c.depths[0]
    # by depth: the state, in `shift` the characters that are begun, in `like_state` those that are needed
    top.lexeme = state
    top.shift = 0
    top.like_state = 0
    is_between = c.terminals[state].key.lexeme == FREE
    for need in range(max_length):
        sorted_tokens[need] = 0
    while node < v.trie_count:
        word = nodes[node]
        byte = byte_of(word)
        depth = depth_of(word)
        slot = slot_of(word)
        parent, current = c.depths[depth - 1], c.depths[depth]
        after = c.cells[CELLS * parent.lexeme + byte]
        if after < REFUSED:
            after = read_cell(c, parent.lexeme, byte)
        if after < REFUSED:
            return ASKED
        if after >= CLOSES:
            closing = skip(closing_nodes, 1 + 3 * closing_count)
            closing[0] = node
            closing[1] = parent.like_state
            closing[2] = parent.shift
            closing_count += 1
        if after < 0 or after >= CLOSES:
            node = end_of(word)
            continue
        current.lexeme = after
        # The most common case first: between two characters of a free string each byte is one of ASCII.
        if after == state and parent.lexeme == state and is_between:
            current.shift = parent.shift + 1  # a character of one byte
            current.like_state = max(parent.like_state, current.shift)
        else:
            current.shift = parent.shift + characters_begun(c.terminals[parent.lexeme].key.lexeme, byte)
            current.like_state = max(
                parent.like_state, current.shift + characters_owed(c, c.terminals[after].key.lexeme)
            )
        if slot:
            characters_needed[slot - 1], need = current.like_state, current.like_state
            sorted_tokens[need] = sorted_tokens[need] + v.slot_start[slot] - v.slot_start[slot - 1]
        slots = max(slots, slot)
        node += 1
    closing_nodes[0] = closing_count
    sort_tokens(v, slots, characters_needed, sorted_tokens, max_length)
    return 0

"""One byte inside a string, a key or a listed word: its decoded text, and escapes (RFC 8259, section 7).

String automata read the *decoded* text: `\\n` in JSON is one line feed. They have a *column* for each byte of
UTF-8, and one for a lone surrogate. A *unit* is one 16-bit number of UTF-16, written as `\\u` and four
digits. A character beyond 0xFFFF is a pair of units: a *high surrogate* (0xD800 to 0xDBFF) and a *low
surrogate* (0xDC00 to 0xDFFF). A surrogate without its partner is *lone*. An *extra key* is one that the
schema does not name. Functions whose name ends in `alive` ask whether anything can come of what is written.

The register `lexeme` has four parts, from bit 0: the automaton's state (28 bits), the state of the escape
(4), the value of its digits so far (16), and the lower ten bits of a high surrogate before it (10). The
states of an escape: 0 none; 1 after the backslash; 2 to 5 after `\\u` and 0 to 3 digits; 6 after a high
surrogate; 7 after it and a backslash; 8 to 11 after it, `\\u` and 0 to 3 digits.
"""

from __future__ import annotations

from structgen.automata.strings.live_strings import UNASKED
from structgen.automata.unicode.decoded_text import LONE_COLUMN, WIDTH
from structgen.base.native.jit import jit
from structgen.base.native.typed_blocks import copy_block
from structgen.machines.json_machine.steps.keys_and_items import (
    append_to_log,
    follow_list,
    fresh_left,
    listed_byte,
)
from structgen.machines.json_machine.tables.json_blocks import (
    CAPTURE,
    ESCAPE_SHIFT,
    ESCAPES_ANY,
    ESCAPES_ASCII,
    ESCAPES_CANONICAL,
    M_KEY,
    M_STRING,
    M_WORDS,
    NO_STATE,
    Q_STRING,
    STATE_BITS,
    JsonContext,
    JsonState,
)
from structgen.machines.json_machine.tables.lookups import (
    FREE,
    is_name_offered,
    narrow_prefix,
    near_enough,
    set_step,
    string_step,
)
from structgen.machines.machine_core.interning import note_question
from structgen.machines.machine_core.layout import ASK, NO, YES

_FIRST_BLOCK, _LEVELS = 9, 14
"""The number of the first spare block of registers in `can_finish`, and the number of its levels: more than
an escape of two units has bytes. As many blocks after these hold the byte that was tried last at each
level."""


@jit
def can_complete_word(c: JsonContext, d: JsonState) -> int:
    """Return YES, NO or ASK: can a key or a listed word be completed from its registers (escapes apart)?

    Where no extra key begins so, the automaton's state becomes NO_STATE. A mask from the record of that state
    would then have too many tokens; `JsonContext.blur_level` tells the walk of the mask.
    """
    prefix = d.position
    if d.mode != M_KEY:
        return YES if prefix >= 0 else NO
    residue = d.residue
    state = d.lexeme & STATE_BITS
    if state != NO_STATE:
        count_left = fresh_left(c, residue, state, prefix, d.side_node, d.extras)
        if count_left != NO:
            return count_left
        c.blur_level = 1
        d.lexeme = d.lexeme | NO_STATE
    # Now the key can only become a name of the list.
    return YES if prefix >= 0 and is_name_offered(c, residue, prefix) else NO


@jit
def feed_automaton(c: JsonContext, d: JsonState, column: int) -> int:
    """Take a byte of decoded text, by its column, in the automaton of a string: YES, NO or ASK."""
    lex = d.lexeme
    target = string_step(c, lex & STATE_BITS, column)
    if target == UNASKED:
        # The string is a text of a grammar, whose states are made when a text reaches them.
        note_question(c, Q_STRING, lex & STATE_BITS, column, 0)
        return ASK
    if target < 0 or not near_enough(c, c.string_specs[d.residue], target, d.position):
        return NO
    d.lexeme = (lex & ~STATE_BITS) | target
    return YES


@jit
def follow_lists(c: JsonContext, d: JsonState, byte: int) -> None:
    """Follow a byte of a key in the list of names, and in the set of keys that the object holds."""
    prefix, list_prefix = d.position, d.side_node
    if prefix >= 0:
        row = c.residues[d.residue]
        d.position = narrow_prefix(c, row.words, prefix, byte)
    if list_prefix > 0:
        d.side_node = set_step(c, list_prefix, byte)


@jit
def feed_byte(c: JsonContext, d: JsonState, column: int) -> int:
    """Take one byte of decoded text, by its column, in a string, a key or a listed word: YES, NO or ASK.

    The bits of `lexeme` for the escape stay as they are.
    """
    mode = d.mode
    lex = d.lexeme
    byte = listed_byte(column)
    if mode == M_STRING:
        code = feed_automaton(c, d, column)
        return follow_list(c, d, byte) if code == YES else code
    if mode == M_WORDS:
        spec = c.string_specs[d.residue]
        prefix = narrow_prefix(c, spec.start, d.position, byte)
        if prefix < 0:
            return NO
        d.position = prefix
        return YES
    # A key: it goes on while either the automaton of extra keys or the list of names does.
    state = lex & STATE_BITS
    if state != NO_STATE:
        target = string_step(c, state, column)
        d.lexeme = (lex & ~STATE_BITS) | (NO_STATE if target < 0 else target)
    follow_lists(c, d, byte)
    code = can_complete_word(c, d)
    if code != YES:
        return code
    if d.lexeme & STATE_BITS == NO_STATE:
        return no_extra(c, d, byte)
    return append_to_log(c, d, byte)


@jit
def no_extra(c: JsonContext, d: JsonState, byte: int) -> int:
    """Take a byte after which the key can only be a named one: clear the registers that extra keys need."""
    d.side_node = 0
    if d.text & CAPTURE != 0:
        return append_to_log(c, d, byte)
    d.text = 0
    return YES


@jit
def utf8_size(point: int) -> int:
    """Return the number of bytes that UTF-8 has for a code point."""
    if point < 0x80:
        return 1
    if point < 0x800:
        return 2
    return 3 if point < 0x10000 else 4


@jit
def feed_point(c: JsonContext, d: JsonState, point: int, omitted_bytes: int) -> int:
    """Take the bytes of one code point of decoded text, without its last `omitted_bytes` bytes: YES, NO or
    ASK.

    The code point may be a lone surrogate.
    """
    size = utf8_size(point)
    for at in range(size - omitted_bytes):
        column = (point >> (6 * (size - 1 - at))) & 63 | 0x80  # a continuation byte: six bits
        if at == 0:
            # The lead byte has as many leading ones as the character has bytes: 0xF00 >> 2 ends in 0xC0.
            # UTF-8 has no lone surrogates: automata have a column for them.
            is_lone = point >= 0xD800 and point < 0xE000  # all surrogates
            lead = (0xF00 >> size) & 0xFF if size > 1 else 0
            column = LONE_COLUMN if is_lone else lead | (point >> (6 * (size - 1)))
        code = feed_byte(c, d, column)
        if code != YES:
            return code
    return YES


@jit
def count_character(c: JsonContext, d: JsonState) -> int:
    """Count one more character of a string whose length is bounded: YES; NO where it would be too long."""
    if d.mode != M_STRING:
        return YES
    spec = c.string_specs[d.residue]
    max_length = spec.max_length
    count = d.position
    if max_length >= 0:
        if count >= max_length:
            return NO
        d.position = count + 1
    elif count < spec.counted_to:
        # Beyond `counted_to` the count makes no difference; without it there are fewer states.
        d.position = count + 1
    return YES


@jit
def with_escape(d: JsonState, escape: int, digits: int, high: int) -> None:
    """Write the three parts of `lexeme` that belong to an escape (see the module).

    `escape`: its state; `digits`: the value of its digits so far; `high`: the lower ten bits of a high
    surrogate before it. For example, `with_escape(d, 0, 0, 0)` ends the escape.
    """
    d.lexeme = (d.lexeme & STATE_BITS) | (escape << ESCAPE_SHIFT) | (digits << 32) | (high << 48)


@jit
def escapes_of(c: JsonContext, d: JsonState) -> int:
    """Return the policy of escapes (ESCAPES_...) for the string, key or word that is written."""
    return c.escapes if d.mode == M_STRING else c.key_escapes


@jit
def block_alive(c: JsonContext, d: JsonState, point: int, size: int) -> int:
    """Return YES, NO or ASK: may some code point of a block come next?

    The block is the aligned range of 64**size code points around `point`. Their UTF-8 differs in the last
    `size` bytes only. For example, `block_alive(c, d, 65, 0)` asks for an A.
    """
    t = c.work.spare[1]
    copy_block(d, t)
    with_escape(t, 0, 0, 0)
    return feed_point(c, t, point, size)


@jit
def range_alive(c: JsonContext, d: JsonState, low: int, high: int) -> int:
    """Return YES, NO or ASK: may some code point from `low` to `high` come next?

    Either all of them are surrogates, or none is. For example, `range_alive(c, d, 0xDC00, 0xDFFF)` asks for a
    lone low surrogate.
    """
    # The range is cut into blocks that are as large as possible: a large block that is dead needs one step.
    point = low
    while point <= high:
        is_lone = point >= 0xD800 and point < 0xE000
        size = 1 if is_lone else utf8_size(point) - 1
        while True:
            last = point | ((1 << (6 * size)) - 1)
            if point < 0xD800:
                last = min(last, 0xD7FF)
            # The first characters of three and of four bytes, 0x800 and 0x10000, lie inside an aligned block.
            begins = point & ((1 << (6 * size)) - 1) == 0 or point == 0x800 or point == 0x10000
            # A live block that reaches beyond the range decides nothing: a smaller one is tried.
            code = block_alive(c, d, point, size)
            if code != YES or size == 0 or (last <= high and begins):
                break
            size -= 1
        if code != NO:
            return code
        point = last + 1
    return NO


@jit
def units_alive(c: JsonContext, d: JsonState, low: int, high: int) -> int:
    """Return YES, NO or ASK: may an escape for a unit from `low` to `high` come next?

    For example, `units_alive(c, d, 0, 0xFFFF)` asks for any escape with four digits.
    """
    lone = escapes_of(c, d) == ESCAPES_ANY
    # The parts: 0 units below the surrogates, 1 units above them, 2 high surrogates that begin a pair, 3 lone
    # surrogates.
    for part in range(4):
        first = low
        last = min(high, 0xD7FF)
        if part == 1:
            first = max(low, 0xE000)
            last = high
        elif part == 2:
            first, last = max(low, 0xD800), min(high, 0xDBFF)
            if first <= last:
                # all characters of which the high half is in the range
                first = 0x10000 + ((first - 0xD800) << 10)
                last = 0x103FF + ((last - 0xD800) << 10)
        elif part == 3:
            first = max(low, 0xD800)
            last = min(high, 0xDFFF) if lone else 0
        code = range_alive(c, d, first, last)
        if code != NO:
            return code
    return NO


@jit
def short_escape(byte: int) -> int:
    """Return the code point of the escape that is a backslash and a byte, e.g. 10 for `n`; -1: there is
    none."""
    if byte == 34 or byte == 92 or byte == 47:  # a quote, a backslash, a slash
        return byte
    # b, f, n, r, t
    if byte == 98:
        return 8
    if byte == 102:
        return 12
    if byte == 110:
        return 10
    if byte == 114:
        return 13
    if byte == 116:
        return 9
    return -1


@jit
def short_escape_of(point: int) -> bool:
    """Return whether a control character has a two-character escape."""
    return point == 8 or point == 9 or point == 10 or point == 12 or point == 13


@jit
def writes_as_dumps(policy: int) -> bool:
    """Return whether a policy has strings as json.dumps writes them: each in one way only."""
    return policy == ESCAPES_CANONICAL or policy == ESCAPES_ASCII


@jit
def number_alive(c: JsonContext, d: JsonState, low: int, high: int) -> int:
    """Return YES, NO or ASK: may json.dumps write an escape with four digits from `low` to `high` next?

    Without `ensure_ascii` it writes only control characters so: `number_alive(c, d, 0, 0xFF)` tries 27 of
    them.
    """
    for point in range(low, min(high, 31) + 1):
        code = NO if short_escape_of(point) else block_alive(c, d, point, 0)
        if code != NO:
            return code
    if escapes_of(c, d) != ESCAPES_ASCII or high < 127:
        return NO
    return units_alive(c, d, max(low, 127), high)


@jit
def escape_alive(c: JsonContext, d: JsonState) -> int:
    """Return YES, NO or ASK: can the escape that is being written be completed?"""
    lex = d.lexeme
    escape = (lex >> ESCAPE_SHIFT) & 15
    value = (lex >> 32) & 0xFFFF
    high = (lex >> 48) & 0x3FF
    policy = escapes_of(c, d)
    # Any digits may still come. So the digits so far stand for a range of units.
    if writes_as_dumps(policy) and escape < 6:
        missing_bits = 4 * (6 - max(escape, 2))
        answer = number_alive(c, d, value << missing_bits, ((value + 1) << missing_bits) - 1)
        if escape > 1:
            return answer
        # after the backslash: also the two-character escapes that json.dumps writes
        for byte in (34, 92, 98, 102, 110, 114, 116):
            if answer != NO:
                return answer
            answer = block_alive(c, d, short_escape(byte), 0)
        return answer
    if escape == 1:
        return units_alive(c, d, 0, 0xFFFF)
    if escape <= 5:
        missing_bits = 4 * (6 - escape)
        return units_alive(c, d, value << missing_bits, ((value + 1) << missing_bits) - 1)
    # After a high surrogate: either the low one of its pair, or it stands alone and another unit follows.
    first, last = 0xDC00, 0xDFFF
    low, top = 0, 0xFFFF
    if escape >= 8:
        missing_bits = 4 * (12 - escape)
        low, top = value << missing_bits, ((value + 1) << missing_bits) - 1
        first, last = max(first, low), min(last, top)
    has_questions = False
    if first <= last:
        base = 0x10000 + (high << 10) - 0xDC00
        code = range_alive(c, d, base + first, base + last)
        if code == YES:
            return YES
        has_questions = code == ASK
    if policy == ESCAPES_ANY:
        code = block_alive(c, d, 0xD800 + high, 0)
        if code == YES:
            if escape == 6:
                return YES
            spare = c.work.spare[3]
            copy_block(c.work.spare[1], spare)  # the registers after the surrogate
            code = count_character(c, spare)
            if code == YES:
                # a low surrogate would make it half of a pair
                code = units_alive(c, spare, low, min(top, 0xDBFF))
                if code != YES:
                    has_questions = has_questions or code == ASK
                    code = units_alive(c, spare, max(low, 0xE000), top)
            if code == YES:
                return YES
        has_questions = has_questions or code == ASK
    return ASK if has_questions else NO


@jit
def hex_value(byte: int, lower: bool) -> int:
    """Return the value of a hexadecimal digit; -1: it is none. `lower`: capital letters are refused."""
    if byte >= 48 and byte <= 57:
        return byte - 48
    if byte >= 97 and byte <= 102:
        return byte - 87
    if byte >= 65 and byte <= 70 and not lower:
        return byte - 55
    return -1


@jit
def merged_digits(c: JsonContext, d: JsonState, escape: int, value: int) -> int:
    """Return the digits that are kept of an escape whose digits so far have a `value`; `escape`: its state.

    In a free string only the kind of surrogate matters, and fewer values are fewer states. For example, after
    `\\ud9` in a free string the value 0xD9 becomes 0xD8: both begin a high surrogate. Elsewhere all digits
    are kept.
    """
    free = d.mode == M_STRING and d.lexeme & STATE_BITS == FREE and d.side_node <= 0
    if not free or writes_as_dumps(escapes_of(c, d)):
        return value
    # 1 to 3 digits are read in the states 3 to 5 and 9 to 11. Two digits tell high from low surrogates.
    digit_count = escape - 2 if escape < 8 else escape - 8
    if digit_count < 1:
        return value
    if digit_count == 1:
        return value if value == 0xD else 0  # surrogates begin with D
    bits = 4 * (digit_count - 2)
    prefix = value >> bits
    if prefix >= 0xD8 and prefix <= 0xDB:
        return 0xD8 << bits
    if prefix >= 0xDC and prefix <= 0xDF:
        return 0xDC << bits
    return 0


@jit
def settle_lone(c: JsonContext, d: JsonState) -> int:
    """Take the high surrogate before as a lone one, where that is allowed: YES, NO or ASK."""
    if escapes_of(c, d) != ESCAPES_ANY:
        return NO
    high = (d.lexeme >> 48) & 0x3FF
    with_escape(d, 0, 0, 0)
    return feed_point(c, d, 0xD800 + high, 0)


@jit
def behind_lone(c: JsonContext, d: JsonState) -> int:
    """Take the high surrogate before as a lone one, and count the next character: YES, NO or ASK."""
    code = settle_lone(c, d)
    return count_character(c, d) if code == YES else code


@jit
def take_unit(c: JsonContext, d: JsonState, value: int) -> int:
    """Take a finished escape of four digits, by its value: YES, NO or ASK."""
    with_escape(d, 0, 0, 0)
    if value >= 0xD800 and value < 0xDC00:
        high = value - 0xD800
        if d.mode == M_STRING and d.lexeme & STATE_BITS == FREE and d.side_node <= 0:
            high = 0  # which one it is makes no difference in a free string
        with_escape(d, 6, 0, high)
        return escape_alive(c, d)
    if value >= 0xDC00 and value < 0xE000 and escapes_of(c, d) != ESCAPES_ANY:
        return NO
    return feed_point(c, d, value, 0)


@jit
def escape_begun(c: JsonContext, d: JsonState, byte: int) -> int:
    """Take the byte after a backslash: YES, NO or ASK."""
    if byte == 117:
        with_escape(d, 2, 0, 0)
        return escape_alive(c, d)
    point = short_escape(byte)
    if point < 0 or (point == 47 and writes_as_dumps(escapes_of(c, d))):
        return NO
    with_escape(d, 0, 0, 0)
    return feed_point(c, d, point, 0)


@jit
def escape_step(c: JsonContext, d: JsonState, byte: int) -> int:
    """Take one byte inside an escape, in the states 1 to 5 and 7 to 11: YES, NO or ASK."""
    lex = d.lexeme
    escape = (lex >> ESCAPE_SHIFT) & 15
    value = (lex >> 32) & 0xFFFF
    high = (lex >> 48) & 0x3FF
    policy = escapes_of(c, d)
    if escape == 1:
        return escape_begun(c, d, byte)
    if escape == 7:
        if byte == 117:
            with_escape(d, 8, 0, high)
            return escape_alive(c, d)
        code = behind_lone(c, d)
        return escape_begun(c, d, byte) if code == YES else code
    # json.dumps writes small letters
    digit = hex_value(byte, writes_as_dumps(policy))
    if digit < 0:
        return NO
    value = (value << 4) | digit
    if escape != 5 and escape != 11:
        escape += 1
        with_escape(d, escape, merged_digits(c, d, escape, value), high)
        return escape_alive(c, d)
    if escape == 5:
        if writes_as_dumps(policy) and (short_escape_of(value) or (value >= 32 and value < 127)):
            return NO  # json.dumps writes it in a shorter way.
        if policy == ESCAPES_CANONICAL and value >= 127:
            return NO
        return take_unit(c, d, value)
    if value >= 0xDC00 and value < 0xE000:
        with_escape(d, 0, 0, 0)
        return feed_point(c, d, 0x10000 + (high << 10) + (value - 0xDC00), 0)
    code = behind_lone(c, d)
    return take_unit(c, d, value) if code == YES else code


@jit
def is_inside(c: JsonContext, d: JsonState, t: JsonState) -> int:
    """Return YES, NO or ASK: does the text at `d` end inside a character of UTF-8? `t`: spare registers."""
    state = d.lexeme & STATE_BITS
    answer = NO
    # It does if some continuation byte may come. The automaton answers most of it without a copy.
    for byte in range(0x80, 0xC0):
        after = UNASKED if d.mode == M_WORDS or state == NO_STATE else c.strings[state * WIDTH + byte]
        if after == UNASKED:
            copy_block(d, t)
            code = feed_byte(c, t, byte)
        else:
            code = NO if after == -1 else YES
        if code == YES:
            return YES
        answer = code if code != NO else answer
    return answer


@jit
def can_finish(c: JsonContext, d: JsonState) -> int:
    """Return YES, NO or ASK: can the escape or character that was begun be finished with bytes of tokens?

    Some bytes may be in no token (`JsonContext.absent`). The search is depth first over the bytes that may
    come next, and ends at the first way that finishes.
    """
    spare = c.work.spare
    level = 0
    has_questions = False
    copy_block(d, spare[_FIRST_BLOCK])
    # Each level has its registers, and a block of its own whose `mode` is the byte that was tried last. The
    # first byte of an escape is a quote (34), so 33 means that the level is new.
    last = spare[_FIRST_BLOCK + _LEVELS]
    last.mode = 33
    while level >= 0:
        s = spare[_FIRST_BLOCK + level]
        t = spare[_FIRST_BLOCK + level + 1]
        last = spare[_FIRST_BLOCK + _LEVELS + level]
        escape = (s.lexeme >> ESCAPE_SHIFT) & 15
        if last.mode == 33 and escape == 0:
            code = is_inside(c, s, t)
            if code == NO:
                return YES
            has_questions = has_questions or code == ASK
        if last.mode == 33 and escape == 6 and escapes_of(c, s) == ESCAPES_ANY:
            code = block_alive(c, s, 0xD800 + ((s.lexeme >> 48) & 0x3FF), 0)
            if code == YES:
                return YES
            has_questions = has_questions or code == ASK
        last.mode = max(last.mode + 1, 0 if escape != 0 else 0x80)
        byte = last.mode
        if byte > 191:  # the last continuation byte
            level -= 1
            continue
        if c.absent[byte] != 0:
            continue
        copy_block(s, t)
        code = NO
        if escape == 6 and byte == 92:
            with_escape(t, 7, 0, (s.lexeme >> 48) & 0x3FF)
            code = escape_alive(c, t)
        elif escape != 0 and escape != 6 and byte < 128:
            code = escape_step(c, t, byte)
        elif escape == 0 and byte >= 128:
            code = feed_byte(c, t, byte)
        has_questions = has_questions or code == ASK
        if code == YES:
            level += 1
            last = spare[_FIRST_BLOCK + _LEVELS + level]
            last.mode = 33
    return ASK if has_questions else NO

"""One numeral so far, and what a character makes of it.

What comes in: the arena, an int64 array that holds the sides of specifications as records, and step functions
of exponents. What goes out: the numeral after one more character, and the outcome of ending here. Everything
is compiled, and costs nanoseconds.

A *word* is the significand of a bound, as digits without a zero at either end; behind its end it has zeros
for good. `node` says where the digits so far lie among the sorted words: 0 (no digit but 0 yet); between two
words, whatever follows (GAP); a word's own digits, and no other word begins so (TAIL); or the range of the
words that begin so (PATH), and how many digits these are.

After "e" the mantissa is fixed: every bound and every divisor is then a threshold on the exponent, so the
state is a step function from the exponent to the outcome, interned by content.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from structgen.native.jit import jit


class Ints(Protocol):
    """An array of integers."""

    def __len__(self) -> int: ...
    def __getitem__(self, at: int, /) -> int: ...
    def __setitem__(self, at: int, value: int, /) -> None: ...


class Numeral(NamedTuple):
    """The state of a numeral. After "e" `side` is a function, `mag` the exponent so far, `low` its sign."""

    side: int
    """The offset of the side's record in the arena."""
    phase: int
    left: int
    """Digits that the running part may still have (of any length: characters of the numeral)."""
    seen: int
    """Digits after the point so far, where they matter and `left` does not tell. At the start: the other
    side. After "e" of any length: 1."""
    mag: int
    """The power of ten of the first digit that is not 0."""
    node: int
    low: int
    """The power of ten of the last digit that is not 0."""
    rest: int
    """The digits from the first to the last that is not 0, as an integer, modulo the common core."""


START, MINUS, ZERO, WHOLE, POINT, FRACTION, E, E_SIGN, E_DIGITS = 0, 1, 2, 3, 4, 5, 6, 7, 8
FIELDS = 8

# The head of the arena: what is used of it, and counts. Then records and functions.
USED, FUNCTIONS, COUNT, DEPTH, PIECE_ROOM = 0, 1, 2, 3, 4
FIRST_RECORD = 5

# A side's record in the arena.
ANY_LENGTH, CAP_WHOLE, SPARE, CAP_FRACTION, CAP_EXPONENT, MOST_EXPONENT, NONZERO, FREE = range(8)
BOUNDS, WORDS, DIVISORS, CORE, CODES_AT, ROWS_AT, DIVISORS_AT, WORDS_AT = range(8, 16)
DECADES, DECADES_AT, SATURATE, HOPELESS_BELOW, SPLIT_AT = range(16, 21)
ZERO_OUT, HOPE_AT, RECORD = 21, 23, 25  # two numbers each, by form
DIVISOR_SIZE = 4  # core, shift, odd, tens
RANKS = 1 << 21  # a value's place is e * RANKS + its significand's rank: 2i + 1 for word i, 2i below it
GAP, TAIL, PATH = 1, 2, 3
PACKED = 8  # digits in an integer, as ASCII bytes, the first one lowest
BIG = 1 << 40
MIXED = -2
HOPELESS = -(1 << 41)  # `low` of digits too fine for every divisor, where no exponent can follow
DEAD_NUMERAL = Numeral(0, -1, 0, 0, 0, 0, 0, 0)


# -- the place among the bounds --


@jit
def digit_of(arena: Ints, side: int, word: int, place: int) -> int:
    """Return a digit of a word, from 0; -1 behind its end."""
    entry = arena[side + WORDS_AT] + 2 * word
    if place >= arena[entry + 1]:
        return -1
    return (arena[arena[entry] + place // PACKED] >> (8 * (place % PACKED))) & 15


@jit
def descend(arena: Ints, side: int, node: int, digit: int) -> int:
    """Return the node after one more digit."""
    kind = node & 3
    low, high, depth = 0, arena[side + WORDS] - 1, 0
    if kind == 0:
        if digit == 0:
            return 0
        if high < 0:
            return GAP
    elif kind == GAP or (kind == TAIL and digit == 0):
        return node
    elif kind == TAIL:
        return ((node >> 2) + 1) << 2 | GAP
    else:
        low, high, depth = node >> 43, (node >> 23) & 0xFFFFF, (node >> 2) & 0x1FFFFF
    first, after = low, high + 1
    while first < after:  # the first word whose digit is not smaller
        middle = (first + after) >> 1
        if max(digit_of(arena, side, middle, depth), 0) < digit:
            first = middle + 1
        else:
            after = middle
    last, after = first, high + 1
    while last < after:  # the first word whose digit is larger
        middle = (last + after) >> 1
        if max(digit_of(arena, side, middle, depth), 0) <= digit:
            last = middle + 1
        else:
            after = middle
    if first == last:
        return (2 * first) << 2 | GAP
    if last == first + 1 and digit_of(arena, side, first, depth + 1) < 0:
        return (2 * first + 1) << 2 | TAIL
    return first << 43 | (last - 1) << 23 | (depth + 1) << 2 | PATH


@jit
def rank_of(arena: Ints, side: int, node: int) -> int:
    """Return the rank of the digits so far, followed by zeros."""
    if node & 3 != PATH:
        return node >> 2
    word = node >> 43
    return 2 * word + (1 if digit_of(arena, side, word, (node >> 2) & 0x1FFFFF) < 0 else 0)


@jit
def cell_of(arena: Ints, side: int, code: int) -> int:
    """Return the cell of a place: 2i + 1 for bound i, 2i for the gap below it."""
    at = arena[side + CODES_AT]
    low, high = 0, arena[side + BOUNDS]
    while low < high:
        middle = (low + high) >> 1
        if arena[at + middle] < code:
            low = middle + 1
        else:
            high = middle
    if low < arena[side + BOUNDS] and arena[at + low] == code:
        return 2 * low + 1
    return 2 * low


@jit
def divisor_bits(arena: Ints, side: int, low: int, rest: int) -> int:
    """Return which divisors divide rest * 10**low (a bit each), where 10 does not divide the number behind
    `rest`."""
    bits = 0
    at = arena[side + DIVISORS_AT]
    for which in range(arena[side + DIVISORS]):
        up = low + arena[at + 1]
        if up >= 0:
            value = rest % arena[at + 2]
            if up < arena[at + 3]:
                value = rest % arena[at]
                for _ in range(up):
                    value = value * 10 % arena[at]
            if value == 0:
                bits |= 1 << which
        at += DIVISOR_SIZE
    return bits


@jit
def value_outcome(arena: Ints, n: Numeral, marked: int, shift: int) -> int:
    """Return the outcome of the digits so far, which are not all 0, times 10**shift; `marked`: 1 for a
    numeral with a point or an exponent."""
    side = n.side
    cell = cell_of(arena, side, (n.mag + shift) * RANKS + rank_of(arena, side, n.node))
    divisors = arena[side + DIVISORS]
    bits = divisor_bits(arena, side, n.low + shift, n.rest)
    return arena[arena[side + ROWS_AT] + (cell << (divisors + 1)) + (marked << divisors) + bits]


@jit
def outcome_of(arena: Ints, n: Numeral) -> int:
    """Return the outcome of ending here, or -1."""
    if n.phase == E_DIGITS:
        return among(arena, n.side, n.low, n.mag, n.mag)
    if n.phase != ZERO and n.phase != WHOLE and n.phase != FRACTION:
        return -1
    marked = 1 if n.phase == FRACTION else 0
    if n.node == 0 or arena[n.side + FREE]:
        return arena[n.side + ZERO_OUT + marked]
    return value_outcome(arena, n, marked, 0)


# -- step functions of the exponent: how many pieces, then (start, outcome) for each, the first from -inf --


@jit
def piece_of(arena: Ints, function: int, exponent: int) -> int:
    """Return the piece that an exponent falls into."""
    which = arena[function] - 1
    while which > 0 and arena[function + 1 + 2 * which] > exponent:
        which -= 1
    return which


@jit
def mix(hashed: int, value: int) -> int:
    """Return a hash of 30 bits."""
    hashed = (hashed ^ ((value ^ (value >> 30)) & 0x3FFFFFFF)) * 0x2545F491
    return (hashed ^ (hashed >> 31)) & 0x3FFFFFFF


@jit
def function_hash(arena: Ints, function: int) -> int:
    """Return the hash of a function's content."""
    hashed = arena[function]
    for which in range(2 * arena[function]):
        hashed = mix(hashed, arena[function + 1 + which])
    return hashed


@jit
def function_of(arena: Ints, slots: Ints, count: int) -> int:
    """Return the offset of an interned step function; its `count` pieces stand at USED + 1."""
    made = arena[USED]
    arena[made] = count
    arena[made + 1] = -BIG
    mask = len(slots) - 1
    slot = function_hash(arena, made) & mask
    while slots[slot] != -1:
        found, which = -slots[slot], 0
        while found > 0 and which <= 2 * count and arena[found + which] == arena[made + which]:
            which += 1
        if which > 2 * count:
            return found
        slot = (slot + 1) & mask
    arena[USED] = made + 1 + 2 * count
    arena[FUNCTIONS] += 1
    slots[slot] = -made
    return made


@jit
def put_start(arena: Ints, count: int, start: int) -> int:
    """Put the start of a piece among the `count` ones at USED, unless it is there; return how many."""
    at = arena[USED] + 2 * count - 1
    while arena[at] > start:
        at -= 2
    if arena[at] == start:
        return count
    for place in range(arena[USED] + 2 * count - 1, at, -2):
        arena[place + 2] = arena[place]
    arena[at + 2] = start
    return count + 1


@jit
def exponents_of(arena: Ints, slots: Ints, n: Numeral) -> int:
    """Return the function of the exponents after a mantissa. Exponents past the caps make no piece."""
    side, piece = n.side, arena[USED] + 1
    most = BIG if arena[side + ANY_LENGTH] else ten_to(arena[side + CAP_EXPONENT]) - 1
    largest = arena[side + MOST_EXPONENT]
    arena[piece] = -most
    count = put_start(arena, 1, largest + 1)
    settled_value = n.node == 0 or arena[side + FREE] == 1
    if not settled_value:
        for which in range(arena[side + DECADES]):
            start = arena[arena[side + DECADES_AT] + which] - n.mag
            count = put_start(arena, put_start(arena, count, max(start, -most)), max(start + 1, -most))
        at = arena[side + DIVISORS_AT]
        for _ in range(arena[side + DIVISORS]):
            if n.rest % arena[at + 2] == 0:
                value = n.rest % arena[at]
                start = -arena[at + 1] - n.low
                while value != 0:
                    value = value * 10 % arena[at]
                    start += 1
                count = put_start(arena, count, max(start, -most))
            at += DIVISOR_SIZE
    kept = 0
    for which in range(count):
        start = arena[piece + 2 * which]
        if start > most:
            break
        out = arena[side + ZERO_OUT + 1] if settled_value else value_outcome(arena, n, 1, start)
        if start > largest:
            out = -1
        if kept == 0 or arena[piece + 2 * kept - 1] != out:
            arena[piece + 2 * kept] = start
            arena[piece + 2 * kept + 1] = out
            kept += 1
    return function_of(arena, slots, kept)


@jit
def ten_to(power: int) -> int:
    """Return a power of ten; BIG from the thirteenth on."""
    return BIG if power > 12 else 10**power


@jit
def among(arena: Ints, function: int, sign: int, first: int, last: int) -> int:
    """Return the outcome that all exponents of a range have, or MIXED. `sign`: -1 if they are negative."""
    if sign < 0:
        first, last = -last, -first
    low, high = piece_of(arena, function, first), piece_of(arena, function, last)
    found = arena[function + 2 + 2 * low]
    for which in range(low + 1, high + 1):
        if arena[function + 2 + 2 * which] != found:
            return MIXED
    return found


@jit
def settled(arena: Ints, n: Numeral) -> int:
    """Return how many more digits an exponent may have, where its outcome stays the same whatever they are
    (`left`, or fewer if no outcome follows more of them); -1 where the digits matter."""
    outcome, most = among(arena, n.side, n.low, n.mag, n.mag), n.left
    start, span = n.mag, 1
    for more in range(1, n.left + 1):
        start, span = start * 10, span * 10
        found = among(arena, n.side, n.low, start, start + span - 1)
        if found != outcome or most < n.left:
            if found != -1:
                return -1
            most = min(most, more - 1)
        if start + span > BIG:
            break
    return most


# -- one character more --


@jit
def begun(arena: Ints, side: int, digit: int) -> int:
    """Return the side after the first digit that is not 0."""
    side = arena[side + NONZERO]
    table = arena[side + SPLIT_AT]
    return arena[table + digit] if table else side


@jit
def step(arena: Ints, slots: Ints, n: Numeral, column: int) -> Numeral:
    """Return the numeral after one character, with phase -1 where none goes on so; it need not be live."""
    if n.phase >= E:
        return exponent_step(arena, slots, n, column)
    any_length = arena[n.side + ANY_LENGTH]
    if any_length and n.left < 1:
        return DEAD_NUMERAL
    if column < 10:
        if n.phase == ZERO:
            return DEAD_NUMERAL
        if n.phase <= MINUS:
            return first_digit(arena, n, column)
        if n.left < 1:
            return DEAD_NUMERAL
        return whole_digit(arena, n, column) if n.phase == WHOLE else place_digit(arena, n, column)
    if column == 10:
        if n.phase != START:
            return DEAD_NUMERAL
        return Numeral(n.seen, MINUS, n.left - 1 if any_length else 0, 0, 0, 0, 0, 0)
    if column == 11 or n.phase < ZERO or n.phase == POINT:
        return DEAD_NUMERAL
    if n.phase == WHOLE and n.left < arena[n.side + SPARE]:
        return DEAD_NUMERAL
    if column == 12:
        if n.phase == FRACTION or arena[n.side + CAP_FRACTION] < 1:
            return DEAD_NUMERAL
        left = n.left - 1 if any_length else arena[n.side + CAP_FRACTION]
        return Numeral(n.side, POINT, left, 0, n.mag, n.node, n.low, n.rest)
    if arena[n.side + CAP_EXPONENT] < 1:
        return DEAD_NUMERAL
    function = exponents_of(arena, slots, n)
    if any_length:
        return Numeral(function, E, n.left - 1, 1, 0, 0, 0, 0)
    return Numeral(function, E, arena[n.side + CAP_EXPONENT], 0, 0, 0, 0, 0)


@jit
def exponent_step(arena: Ints, slots: Ints, n: Numeral, column: int) -> Numeral:
    """Return the numeral after a character behind "e"."""
    if n.phase == E and column >= 10:
        if column > 11 or (n.left < 2 and n.seen == 1):
            return DEAD_NUMERAL
        return Numeral(n.side, E_SIGN, n.left - n.seen, 0, 0, 0, 1 if column == 11 else -1, 0)
    if column > 9 or n.left < 1:
        return DEAD_NUMERAL
    sign = 1 if n.phase == E else n.low
    after = Numeral(n.side, E_DIGITS, n.left - 1, 0, n.mag * 10 + column, 0, sign, 0)
    most = settled(arena, after)
    if most < 0:
        return after
    arena[arena[USED] + 2] = outcome_of(arena, after)
    return Numeral(function_of(arena, slots, 1), E_DIGITS, most, 0, 0, 0, 0, 0)


@jit
def first_digit(arena: Ints, n: Numeral, column: int) -> Numeral:
    """Return the numeral after its first digit."""
    any_length = arena[n.side + ANY_LENGTH]
    if column == 0:
        return Numeral(n.side, ZERO, n.left - 1 if any_length else 0, 0, 0, 0, 0, 0)
    left = n.left - 1 if any_length else arena[n.side + CAP_WHOLE] - 1
    if left < 0:
        return DEAD_NUMERAL
    side = begun(arena, n.side, column)
    if arena[side + FREE]:
        return Numeral(side, WHOLE, left, 0, 0, 0, 0, 0)
    rest = column % arena[side + CORE] if arena[side + DIVISORS] else 0
    return Numeral(side, WHOLE, left, 0, 0, descend(arena, side, 0, column), 0, rest)


@jit
def whole_digit(arena: Ints, n: Numeral, column: int) -> Numeral:
    """Return the numeral after another digit before the point."""
    side, mag, node, low, rest = n.side, n.mag, n.node, n.low, n.rest
    if arena[side + BOUNDS]:
        mag += 1
        node = descend(arena, side, node, column)
    if arena[side + DIVISORS]:
        core = arena[side + CORE]
        if column > 0:
            for _ in range(low + 1):
                rest = rest * 10 % core
            low, rest = 0, (rest + column) % core
        elif arena[side + CAP_EXPONENT] == 0 and low == arena[side + SATURATE]:
            rest = rest * 10 % core
        else:
            low += 1
    return Numeral(side, WHOLE, n.left - 1, 0, mag, node, low, rest)


@jit
def places_of(arena: Ints, n: Numeral) -> int:
    """Return how many digits there are after the point, where they matter."""
    if n.phase <= WHOLE:
        return 0
    return n.seen if arena[n.side + ANY_LENGTH] else arena[n.side + CAP_FRACTION] - n.left


@jit
def place_digit(arena: Ints, n: Numeral, column: int) -> Numeral:
    """Return the numeral after a digit behind the point."""
    side, mag, node, low, rest = n.side, n.mag, n.node, n.low, n.rest
    if arena[side + FREE]:
        return Numeral(side, FRACTION, n.left - 1, 0, 0, 0, 0, 0)
    place = places_of(arena, n)
    if node == 0 and column > 0:
        side = begun(arena, side, column)
        if arena[side + FREE]:
            return Numeral(side, FRACTION, n.left - 1, 0, 0, 0, 0, 0)
        mag = -place - 1 if arena[side + BOUNDS] else 0
        low = -place - 1
        node = descend(arena, side, 0, column)
    elif arena[side + BOUNDS]:
        node = descend(arena, side, node, column)
    divisors = arena[side + DIVISORS]
    matters = arena[side + ANY_LENGTH] and (divisors > 0 or node == 0)
    seen = place + 1 if matters else 0
    if divisors == 0:
        low, rest = 0, 0
    elif column > 0:
        if arena[side + CAP_EXPONENT] == 0 and -place - 1 < arena[side + HOPELESS_BELOW]:
            low, rest = HOPELESS, 0
        else:
            core = arena[side + CORE]
            for _ in range(low + place + 1):
                rest = rest * 10 % core
            low, rest = -place - 1, (rest + column) % core
    return Numeral(side, FRACTION, n.left - 1, seen, mag, node, low, rest)

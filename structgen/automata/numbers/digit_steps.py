"""The inner loop of the number automata: stepping, judging and expanding packed states.

The functions are plain Python over int64 arrays. numba compiles copies of them; the functions themselves make
the few steps that Python takes one at a time, where a compiled search gave up.

A state is eight integers (side, phase, left, seen, mag, node, low, rest):

side   offset of the side's record in the arena (after "e": of an exponent function)
phase  below
left   digits that the running part may still have (policy "any": characters that the numeral may still have)
seen   digits after the point so far, where they matter and `left` does not tell (policy "any")
mag    power of ten of the first digit that is not 0; after "e": the exponent so far
node   place of the digits so far among the bounds' significands (0: no digit but 0 yet)
low    power of ten of the last digit that is not 0
rest   the digits from the first to the last that is not 0, as an integer, modulo the divisors' common core

After "e" the mantissa is fixed: every bound and every divisor is then a threshold on the exponent, so the
state is a step function from the exponent to the outcome, interned by content.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from structgen.language.ir import DEAD, UNKNOWN
from structgen.native.jit import copied, copy_of, entry


class Ints(Protocol):
    """A flat sequence of integers: an int64 array, or a list."""

    def __len__(self) -> int: ...
    def __getitem__(self, at: int, /) -> int: ...
    def __setitem__(self, at: int, value: int, /) -> None: ...


class Grid(Protocol):
    """A table of integers, indexed by row and column."""

    def __getitem__(self, at: tuple[int, int], /) -> int: ...
    def __setitem__(self, at: tuple[int, int], value: int, /) -> None: ...


START, MINUS, ZERO, WHOLE, POINT, FRACTION, E, E_SIGN, E_DIGITS = 0, 1, 2, 3, 4, 5, 6, 7, 8
FIELDS = 8
Fields: TypeAlias = tuple[int, int, int, int, int, int, int, int]

# A side's record in the arena.
POLICY, CAP_WHOLE, CAP_FRACTION, CAP_EXPONENT, ZERO_OUT, NONZERO, BOUNDS, DIVISORS = 0, 1, 2, 3, 4, 5, 6, 7
CORE, CODES_AT, ROWS_AT, DIVISORS_AT, NODES_AT, POSITIVE, WIDE, FREE, CONST = 8, 9, 10, 11, 12, 13, 14, 15, 16
DECADES, DECADES_AT, SATURATE, HOPELESS_BELOW, TOP_DEAD, STRICT_AT = 17, 18, 19, 20, 21, 22
INTEGERS, SPLIT_AT, MOST_EXPONENT, RECORD = 23, 24, 25, 26
NODE_RANK, NODE_GAP, NODE_SIZE = 10, 11, 12
DIVISOR_SIZE = 4  # core, shift, odd, tens
RANKS = 1 << 21  # a value's place is e * RANKS + rank of its significand among the bounds'
BIG = 1 << 40
HOPELESS = -(1 << 41)  # `low` once a fraction digit too fine for every divisor was written (policy "plain")

USED, FUNCTIONS, COUNT = 0, 1, 2  # counters
LIVE, LIFELESS, OPEN, LOST = 1, 0, 2, -1
DONE, FULL, UNDECIDED = 0, 1, 2
QUEUE = 96
ROOM_STATES = 16  # new states that one expansion may make


def divisor_bits(arena: Ints, side: int, low: int, rest: int) -> int:
    """Return which divisors divide rest * 10**low (a bit each)."""
    bits = 0
    at = arena[side + DIVISORS_AT]
    for which in range(arena[side + DIVISORS]):
        up = low + arena[at + 1]
        if up >= 0:
            if up >= arena[at + 3]:
                if rest % arena[at + 2] == 0:
                    bits |= 1 << which
            else:
                core = arena[at]
                value = rest % core
                for _ in range(up):
                    value = value * 10 % core
                if value == 0:
                    bits |= 1 << which
        at += DIVISOR_SIZE
    return bits


def cell_of(arena: Ints, side: int, e: int, node: int) -> int:
    """Return the cell of the values whose first digit stands at 10**e and whose digits led to `node`."""
    rank = arena[arena[side + NODES_AT] + node * NODE_SIZE + NODE_RANK]
    code = e * RANKS + rank
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


def outcome_of(
    arena: Ints, side: int, phase: int, left: int, mag: int, node: int, low: int, rest: int
) -> int:
    """Return the outcome of ending here, or -1."""
    if phase == E_DIGITS:
        count = arena[side]
        at = side + 1
        out = arena[at + 1]
        for piece in range(1, count):
            if arena[at + 2 * piece] > mag:
                break
            out = arena[at + 2 * piece + 1]
        return out
    if phase != ZERO and phase != WHOLE and phase != FRACTION:
        return -1
    if phase == FRACTION and arena[side + POLICY] == 1 and low >= 0:
        return -1
    if arena[side + FREE]:
        return arena[side + CONST]
    if node == 0:
        return arena[side + ZERO_OUT]
    cell = cell_of(arena, side, mag, node) if arena[side + BOUNDS] else 0
    bits = divisor_bits(arena, side, low, rest) if arena[side + DIVISORS] else 0
    return arena[arena[side + ROWS_AT] + (cell << arena[side + DIVISORS]) + bits]


def pieces_of(arena: Ints, side: int, mag: int, node: int, low: int, rest: int, piece: Ints) -> int:
    """Return how many pieces exponent -> outcome has, written as (start, outcome), the first from -inf."""
    piece[0] = -BIG
    if arena[side + FREE]:
        piece[1] = arena[side + CONST]
        return clip(arena, side, piece, 1)
    if node == 0:
        piece[1] = arena[side + ZERO_OUT]
        return clip(arena, side, piece, 1)
    bounds, divisors = arena[side + BOUNDS], arena[side + DIVISORS]
    count = 1
    if bounds:
        decades = arena[side + DECADES_AT]
        for which in range(arena[side + DECADES]):
            start = arena[decades + which] - mag
            if piece[2 * count - 2] < start:
                piece[2 * count] = start
                count += 1
            piece[2 * count] = start + 1
            count += 1
    at = arena[side + DIVISORS_AT]
    for _ in range(divisors):
        if rest % arena[at + 2] == 0:
            core = arena[at]
            value = rest % core
            start = -arena[at + 1] - low
            while value != 0:
                value = value * 10 % core
                start += 1
            place = count
            while piece[2 * place - 2] > start:
                piece[2 * place] = piece[2 * place - 2]
                place -= 1
            piece[2 * place] = start
            count += 1
        at += DIVISOR_SIZE
    kept = 0
    rows = arena[side + ROWS_AT]
    for which in range(count):
        start = piece[2 * which]
        cell = cell_of(arena, side, mag + start, node) if bounds else 0
        bits = divisor_bits(arena, side, low + start, rest) if divisors else 0
        out = arena[rows + (cell << divisors) + bits]
        if kept == 0 or piece[2 * kept - 1] != out:
            piece[2 * kept] = start
            piece[2 * kept + 1] = out
            kept += 1
    return clip(arena, side, piece, kept)


def clip(arena: Ints, side: int, piece: Ints, count: int) -> int:
    """Drop what no exponent within the caps reaches; return how many pieces are left."""
    if arena[side + POLICY] == 2:
        return count
    largest = arena[side + MOST_EXPONENT]
    while count > 1 and piece[2 * count - 2] > largest:
        count -= 1
    if largest < BIG and piece[2 * count - 1] >= 0:
        piece[2 * count] = largest + 1
        piece[2 * count + 1] = -1
        count += 1
    if arena[side + CAP_EXPONENT] > 11:
        return count
    most = 10 ** arena[side + CAP_EXPONENT] - 1
    while count > 1 and piece[2 * count - 2] > most:
        count -= 1
    first = 0
    while first + 1 < count and piece[2 * first + 2] <= -most:
        first += 1
    if first:
        for which in range(first, count):
            piece[2 * (which - first)] = piece[2 * which]
            piece[2 * (which - first) + 1] = piece[2 * which + 1]
        count -= first
        piece[0] = -BIG
    return count


def half(arena: Ints, function: int, negative: bool, piece: Ints) -> int:
    """Write the step function of the exponent's digits after its sign; return how many pieces."""
    count = arena[function]
    at = function + 1
    kept = 0
    if negative:
        for back in range(count):
            which = count - 1 - back
            if which == 0 or arena[at + 2 * which] <= 0:
                start = 0
                if which + 1 < count and arena[at + 2 * which + 2] <= 0:
                    start = 1 - arena[at + 2 * which + 2]
                piece[2 * kept] = start
                piece[2 * kept + 1] = arena[at + 2 * which + 1]
                kept += 1
    else:
        for which in range(count):
            if which + 1 == count or arena[at + 2 * which + 2] > 0:
                piece[2 * kept] = max(arena[at + 2 * which], 0)
                piece[2 * kept + 1] = arena[at + 2 * which + 1]
                kept += 1
    piece[0] = -BIG
    return kept


def mix(hashed: int, value: int) -> int:
    """Return a 30-bit hash; no product exceeds 62 bits, so that lists and arrays hash alike."""
    hashed = (hashed ^ ((value ^ (value >> 30)) & 0x3FFFFFFF)) * 0x2545F491
    return (hashed ^ (hashed >> 31)) & 0x3FFFFFFF


def function_of(arena: Ints, functions: Ints, counter: Ints, piece: Ints, count: int) -> int:
    """Return the offset of an interned step function."""
    hashed = count
    for which in range(2 * count):
        hashed = mix(hashed, piece[which])
    mask = len(functions) - 1
    slot = hashed & mask
    while functions[slot] >= 0:
        found = functions[slot]
        if arena[found] == count:
            same = True
            for which in range(2 * count):
                if arena[found + 1 + which] != piece[which]:
                    same = False
                    break
            if same:
                return found
        slot = (slot + 1) & mask
    found = counter[USED]
    arena[found] = count
    for which in range(2 * count):
        arena[found + 1 + which] = piece[which]
    counter[USED] = found + 1 + 2 * count
    counter[FUNCTIONS] += 1
    functions[slot] = found
    return found


def exponent_live(any_length: bool, left: int, piece: Ints, count: int) -> bool:
    """Return whether some exponent after "e" (`left` characters or digits after it) has an outcome."""
    if not any_length:
        # Pieces were clipped to the exponents that the cap allows.
        best = -1
        for which in range(count):
            best = max(best, piece[2 * which + 1])
        return left > 0 and best >= 0
    if left < 1:
        return False
    most = 10**left - 1 if left < 17 else BIG
    least = -(10 ** (left - 1) - 1) if left < 17 else -BIG
    for which in range(count):
        above = which + 1 == count or piece[2 * which + 2] > least
        if above and piece[2 * which + 1] >= 0 and piece[2 * which] <= most:
            return True
    return False


def digits_live(arena: Ints, function: int, left: int, value: int, begun: bool) -> bool:
    """Return whether the exponent digits so far (`begun`: some) and at most `left` more have an outcome."""
    count = arena[function]
    at = function + 1
    last = arena[at + 2 * count - 2]
    more = 0 if begun else 1
    start, span = value, 1
    while more <= left:
        if begun and value > 0:
            if more > 0:
                start, span = start * 10, span * 10
        else:
            # Leading zeros: the longest run of digits reaches all that a shorter one does.
            more = left
            start, span = 0, (10**left if left < 17 else BIG)
        for which in range(count):
            above = which + 1 == count or arena[at + 2 * which + 2] > start
            if above and arena[at + 2 * which + 1] >= 0 and arena[at + 2 * which] < start + span:
                return True
        if start > last:
            return False
        more += 1
    return False


def settled(arena: Ints, function: int, left: int, value: int) -> int:
    """Return how many more digits the exponent `value` may have, where its outcome stays the same whatever
    they are (`left`, or fewer if no outcome follows more of them); -1 where the digits matter."""
    count = arena[function]
    at = function + 1
    last = arena[at + 2 * count - 2]
    outcome = -1
    most = left
    start, span = value, 1
    for more in range(left + 1):
        if more > 0:
            start, span = start * 10, span * 10
        same, dead = True, True
        for which in range(count):
            ends_before = which + 1 < count and arena[at + 2 * which + 2] <= start
            if not ends_before and arena[at + 2 * which] < start + span:
                found = arena[at + 2 * which + 1]
                if more == 0:
                    outcome = found
                same = same and found == outcome
                dead = dead and found < 0
        if most < left:
            if not dead:
                return -1
        elif not same:
            if not dead:
                return -1
            most = more - 1
        if start > last or (value == 0 and span > last):
            break
    return most


def begun(arena: Ints, side: int, digit: int) -> int:
    """Return the side after the first digit that is not 0."""
    side = arena[side + NONZERO]
    table = arena[side + SPLIT_AT]
    return arena[table + digit] if table else side


def step(
    arena: Ints,
    functions: Ints,
    counter: Ints,
    piece: Ints,
    side: int,
    phase: int,
    left: int,
    seen: int,
    mag: int,
    node: int,
    low: int,
    rest: int,
    column: int,
) -> Fields:
    """Return the state after one character, phase -1 where no numeral goes on so; it need not be live."""
    dead = (0, -1, 0, 0, 0, 0, 0, 0)
    if phase >= E:
        if phase == E and column >= 10:
            if column > 11 or (left < 2 and seen == 1):
                return dead
            count = half(arena, side, column == 10, piece)
            new = function_of(arena, functions, counter, piece, count)
            return new, E_SIGN, left - seen, 0, 0, 0, 0, 0
        if column > 9 or left < 1:
            return dead
        new = side
        if phase == E:
            count = half(arena, side, False, piece)
            new = function_of(arena, functions, counter, piece, count)
        value = mag * 10 + column
        count = arena[new]
        left -= 1
        if count > 1:
            more = settled(arena, new, left, value)
            if more >= 0:
                which = count - 1
                while which > 0 and arena[new + 1 + 2 * which] > value:
                    which -= 1
                piece[0] = -BIG
                piece[1] = arena[new + 2 + 2 * which]
                new = function_of(arena, functions, counter, piece, 1)
                left = more
        if arena[new] == 1:
            value = 0
        return new, E_DIGITS, left, 0, value, 0, 0, 0

    if phase == START:
        any_length = arena[side + POLICY] == 2
        if any_length and left < 1:
            return dead
        if column == 10:
            return seen, MINUS, left - 1 if any_length else 0, 0, 0, 0, 0, 0
        if column > 10:
            return dead
        phase = MINUS
        seen = 0
    else:
        any_length = arena[side + POLICY] == 2
        if any_length and left < 1:
            return dead
    if column < 10:
        if phase == ZERO:
            return dead
        if phase == MINUS:
            if column == 0:
                return side, ZERO, left - 1 if any_length else 0, 0, 0, 0, 0, 0
            left = left - 1 if any_length else arena[side + CAP_WHOLE] - 1
            if left < 0:
                return dead
            side = begun(arena, side, column)
            if arena[side + FREE]:
                return side, WHOLE, left, 0, 0, 0, 0, 0
            if arena[side + DIVISORS]:
                rest = column % arena[side + CORE]
            node = arena[arena[side + NODES_AT] + column]
            return side, WHOLE, left, 0, 0, node, 0, rest
        if left < 1:
            return dead
        divisors = arena[side + DIVISORS]
        if phase == WHOLE:
            left -= 1
            if arena[side + FREE]:
                return side, WHOLE, left, 0, 0, 0, 0, 0
            if arena[side + BOUNDS]:
                mag += 1
                node = arena[arena[side + NODES_AT] + node * NODE_SIZE + column]
            if divisors:
                if column == 0:
                    low += 1
                    if arena[side + POLICY] == 1 and low > arena[side + SATURATE]:
                        low -= 1
                        rest = rest * 10 % arena[side + CORE]
                else:
                    core = arena[side + CORE]
                    for _ in range(low + 1):
                        rest = rest * 10 % core
                    rest = (rest + column) % core
                    low = 0
            return side, WHOLE, left, 0, mag, node, low, rest
        # A digit after the point.
        place = seen if any_length else arena[side + CAP_FRACTION] - left
        left -= 1
        if column == 0:
            if node:
                if arena[side + BOUNDS]:
                    node = arena[arena[side + NODES_AT] + node * NODE_SIZE]
                if any_length and divisors:
                    seen += 1
            elif any_length and not arena[side + FREE]:
                seen += 1
            return side, FRACTION, left, seen, mag, node, low, rest
        fresh = node == 0 and not arena[side + FREE]
        if fresh:
            side = begun(arena, side, column)
            divisors = arena[side + DIVISORS]
            seen = place
        if arena[side + FREE] or divisors == 0:
            low = -1 if arena[side + POLICY] == 1 else 0
            rest = 0
        if arena[side + FREE]:
            return side, FRACTION, left, 0, 0, 0, low, 0
        if fresh:
            node = arena[arena[side + NODES_AT] + column]
            if arena[side + BOUNDS]:
                mag = -place - 1
        elif arena[side + BOUNDS]:
            node = arena[arena[side + NODES_AT] + node * NODE_SIZE + column]
        if divisors:
            if arena[side + POLICY] == 1 and -place - 1 < arena[side + HOPELESS_BELOW]:
                low = HOPELESS
                rest = 0
            elif fresh:
                low = -place - 1
                rest = column % arena[side + CORE]
            else:
                core = arena[side + CORE]
                for _ in range(low + place + 1):
                    rest = rest * 10 % core
                rest = (rest + column) % core
                low = -place - 1
        return side, FRACTION, left, seen + 1 if any_length and divisors else 0, mag, node, low, rest
    if column == 12:
        if phase != ZERO and phase != WHOLE:
            return dead
        left = left - 1 if any_length else arena[side + CAP_FRACTION]
        strict = arena[side + STRICT_AT]
        if strict and phase == WHOLE and node and arena[arena[side + NODES_AT] + node * NODE_SIZE + NODE_GAP]:
            # No exponent will follow and the digits are strictly between two bounds: the outcome is settled.
            return arena[strict + cell_of(arena, side, mag, node)], POINT, left, 0, 0, 0, 0, 0
        return side, POINT, left, 0, mag, node, low, rest
    if column == 13 or column == 14:
        if arena[side + POLICY] == 1 or (phase != ZERO and phase != WHOLE and phase != FRACTION):
            return dead
        count = pieces_of(arena, side, mag, node, low, rest, piece)
        new = function_of(arena, functions, counter, piece, count)
        # `seen` says after "e" whether a sign takes one of the characters left.
        if any_length:
            return new, E, left - 1, 1, 0, 0, 0, 0
        return new, E, arena[side + CAP_EXPONENT], 0, 0, 0, 0, 0
    return dead


def judge(
    arena: Ints,
    piece: Ints,
    side: int,
    phase: int,
    left: int,
    seen: int,
    mag: int,
    node: int,
    low: int,
    rest: int,
) -> int:
    """Return LIVE or LIFELESS where the state itself tells, OPEN where its children must be asked."""
    if phase >= E:
        if phase == E:
            count = arena[side]
            for which in range(2 * count):
                piece[which] = arena[side + 1 + which]
            return LIVE if exponent_live(seen == 1, left, piece, count) else LIFELESS
        return LIVE if digits_live(arena, side, left, mag, phase == E_DIGITS) else LIFELESS
    if phase <= MINUS:
        return OPEN
    if outcome_of(arena, side, phase, left, mag, node, low, rest) >= 0:
        return LIVE
    policy = arena[side + POLICY]
    if arena[side + FREE]:
        if arena[side + CONST] < 0 or left < 1:
            return LIFELESS
        return LIVE
    if policy == 1 and phase >= POINT and arena[side + INTEGERS]:
        return LIFELESS  # an integer has no fraction
    if policy != 1 and phase != POINT:
        count = pieces_of(arena, side, mag, node, low, rest, piece)
        room = left - 1 if policy == 2 else arena[side + CAP_EXPONENT]
        if exponent_live(policy == 2, room, piece, count):
            return LIVE
    if node == 0:
        return OPEN
    nodes = arena[side + NODES_AT]
    bounds, divisors = arena[side + BOUNDS], arena[side + DIVISORS]
    if policy == 1:
        if phase == WHOLE:
            if (
                bounds
                and arena[side + TOP_DEAD]
                and mag > arena[arena[side + DECADES_AT] + arena[side + DECADES] - 1]
            ):
                return LIFELESS
            return OPEN
        if low == HOPELESS and arena[side + POSITIVE] and arena[nodes + node * NODE_SIZE + NODE_GAP]:
            return LIFELESS
        return OPEN if left > 0 else LIFELESS
    if not arena[nodes + node * NODE_SIZE + NODE_GAP]:
        return OPEN
    if policy == 2:
        if left < 64:
            return OPEN
    elif not arena[side + WIDE]:
        return OPEN
    # More digits do not move the value out of its gap, and every exponent that matters can be written.
    if divisors == 0:
        if phase == POINT:
            count = pieces_of(arena, side, mag, node, low, rest, piece)
            room = left - 2 if policy == 2 else arena[side + CAP_EXPONENT]
            return LIVE if left > 0 and exponent_live(policy == 2, room, piece, count) else LIFELESS
        return LIFELESS
    if divisors > 1 or not arena[side + POSITIVE] or phase == POINT:
        return OPEN
    # One divisor, and every outcome asks for it: the larger the exponent the better, so try the largest.
    at = arena[side + DIVISORS_AT]
    core, shift, odd, tens = arena[at], arena[at + 1], arena[at + 2], arena[at + 3]
    digits = left if policy == 2 or phase == FRACTION else left + arena[side + CAP_FRACTION]
    place = seen if policy == 2 else arena[side + CAP_FRACTION] - left
    if phase == WHOLE:
        place = 0
    modulus = odd
    if bounds:
        rows = arena[side + ROWS_AT]
        top = BIG
        decades = arena[side + DECADES_AT]
        which = arena[side + DECADES]
        if arena[rows + ((2 * bounds) << 1) + 1] < 0:
            top = -BIG
            while which > 0:
                which -= 1
                e = arena[decades + which]
                if arena[rows + (cell_of(arena, side, e, node) << 1) + 1] >= 0:
                    top = e
                    break
                if arena[rows + (cell_of(arena, side, e - 1, node) << 1) + 1] >= 0:
                    top = e - 1
                    break
        if top == -BIG:
            return LIFELESS
        if top < BIG:
            # Digits so far stand at 10**(top - mag - place) and up; the divisor counts from 10**-shift.
            spare = top - mag - place + shift
            if spare <= 0:
                return LIFELESS
            if spare - digits < tens:
                modulus = core
                if spare < digits:
                    digits = spare
                for _ in range(spare - digits):
                    if modulus % 10 == 0:
                        modulus //= 10
                    elif modulus % 5 == 0:
                        modulus //= 5
                    elif modulus % 2 == 0:
                        modulus //= 2
    reach = 1
    value = rest % modulus
    for _ in range(low + place):
        value = value * 10 % modulus
    for _ in range(digits):
        if reach >= modulus:
            return LIVE
        reach *= 10
        value = value * 10 % modulus
    if (modulus - value) % modulus < reach:
        return LIVE
    return LIFELESS


def live(
    arena: Ints,
    functions: Ints,
    counter: Ints,
    piece: Ints,
    queue: Grid,
    side: int,
    phase: int,
    left: int,
    seen: int,
    mag: int,
    node: int,
    low: int,
    rest: int,
) -> int:
    """Return LIVE, LIFELESS, or LOST where the breadth-first search (no exponents) outgrew its queue."""
    verdict = judge(arena, piece, side, phase, left, seen, mag, node, low, rest)
    if verdict != OPEN:
        return verdict
    queue[0, 0], queue[0, 1], queue[0, 2], queue[0, 3] = side, phase, left, seen
    queue[0, 4], queue[0, 5], queue[0, 6], queue[0, 7] = mag, node, low, rest
    head, tail = 0, 1
    while head < tail:
        side, phase, left, seen = queue[head, 0], queue[head, 1], queue[head, 2], queue[head, 3]
        mag, node, low, rest = queue[head, 4], queue[head, 5], queue[head, 6], queue[head, 7]
        head += 1
        for column in range(13):
            if column == 11:
                continue
            a, b, c, d, e, f, g, h = step(
                arena, functions, counter, piece, side, phase, left, seen, mag, node, low, rest, column
            )
            if b < 0:
                continue
            last = tail - 1
            if (
                queue[last, 0] == a
                and queue[last, 1] == b
                and queue[last, 2] == c
                and queue[last, 3] == d
                and queue[last, 4] == e
                and queue[last, 5] == f
                and queue[last, 6] == g
                and queue[last, 7] == h
            ):
                continue
            verdict = judge(arena, piece, a, b, c, d, e, f, g, h)
            if verdict == LIVE:
                return LIVE
            if verdict == OPEN:
                if tail == QUEUE:
                    return LOST
                queue[tail, 0], queue[tail, 1], queue[tail, 2], queue[tail, 3] = a, b, c, d
                queue[tail, 4], queue[tail, 5], queue[tail, 6], queue[tail, 7] = e, f, g, h
                tail += 1
    return LIFELESS


def find(states: Grid, table: Ints, row: Ints) -> int:
    """Return the number of the state in `row`, or -1 - slot where it is new and belongs into that slot."""
    hashed = 0
    for field in range(FIELDS):
        hashed = mix(hashed, row[field])
    mask = len(table) - 1
    slot = hashed & mask
    while table[slot] >= 0:
        found = table[slot]
        same = True
        for field in range(FIELDS):
            if states[found, field] != row[field]:
                same = False
                break
        if same:
            return found
        slot = (slot + 1) & mask
    return -1 - slot


def add(
    arena: Ints,
    states: Grid,
    table: Ints,
    counter: Ints,
    outcome: Ints,
    row: Ints,
    slot: int,
    parent: Ints,
    origin: int,
) -> int:
    """Return the number of a new state; `origin` is 16 * state + column that led to it, or -1."""
    state = counter[COUNT]
    counter[COUNT] = state + 1
    table[slot] = state
    for field in range(FIELDS):
        states[state, field] = row[field]
    outcome[state] = outcome_of(arena, row[0], row[1], row[2], row[4], row[5], row[6], row[7])
    parent[state] = origin
    return state


def _expand(
    arena: Ints,
    functions: Ints,
    counter: Ints,
    states: Grid,
    table: Ints,
    trans: Grid,
    outcome: Ints,
    parent: Ints,
    mark: Ints,
    piece: Ints,
    queue: Grid,
    work: Ints,
    row: Ints,
    first: int,
    most: int,
    depth: int,
) -> int:
    """Fill the row of `first` and of up to `most` states, those fewer than `depth` characters after it.

    Returns DONE; FULL where an array has no room for one more expansion (nothing is lost: call again with
    more); UNDECIDED where an entry of the first row was left UNKNOWN, because the search outgrew its queue.
    """
    status = DONE
    head, tail = 0, 1
    work[0] = first
    mark[first] = 2
    level, edge = 0, 1  # the states from `edge` on are one character further
    while head < tail and head < most:
        if head == edge:
            level, edge = level + 1, tail
            if level == depth:
                break
        state = work[head]
        head += 1
        if (
            counter[COUNT] + ROOM_STATES > len(outcome)
            or 2 * (counter[COUNT] + ROOM_STATES) > len(table)
            or counter[USED] + ROOM_STATES * (len(piece) + 1) > len(arena)
            or 2 * (counter[FUNCTIONS] + ROOM_STATES) > len(functions)
        ):
            status = FULL
            head -= 1
            break
        side, phase, left, seen = states[state, 0], states[state, 1], states[state, 2], states[state, 3]
        mag, node, low, rest = states[state, 4], states[state, 5], states[state, 6], states[state, 7]
        before = DEAD
        row[1] = -1
        for column in range(14):
            a, b, c, d, e, f, g, h = step(
                arena, functions, counter, piece, side, phase, left, seen, mag, node, low, rest, column
            )
            if b < 0:
                trans[state, column] = DEAD
                continue
            if (
                row[0] == a
                and row[1] == b
                and row[2] == c
                and row[3] == d
                and row[4] == e
                and row[5] == f
                and row[6] == g
                and row[7] == h
            ):
                trans[state, column] = before
                continue
            row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7] = a, b, c, d, e, f, g, h
            found = find(states, table, row)
            if found < 0:
                verdict = live(arena, functions, counter, piece, queue, a, b, c, d, e, f, g, h)
                if verdict == LIVE:
                    found = add(
                        arena, states, table, counter, outcome, row, -1 - found, parent, 16 * state + column
                    )
                elif verdict == LIFELESS:
                    found = DEAD
                else:
                    found = UNKNOWN
                    if state == first:
                        status = UNDECIDED
            trans[state, column] = found
            before = found
            if found >= 0 and mark[found] == 0 and tail < len(work):
                mark[found] = 2
                work[tail] = found
                tail += 1
        trans[state, 14] = trans[state, 13]
        trans[state, 15] = DEAD
        mark[state] = 1
    while head < tail:
        mark[work[head]] = 0
        head += 1
    return status


def _enter(
    arena: Ints,
    functions: Ints,
    counter: Ints,
    states: Grid,
    table: Ints,
    outcome: Ints,
    parent: Ints,
    piece: Ints,
    queue: Grid,
    row: Ints,
    origin: int,
    known_live: bool,
) -> int:
    """Return the number of the state in `row`, added where new and live; or DEAD; or UNKNOWN: LOST."""
    found = find(states, table, row)
    if found >= 0:
        return found
    if not known_live:
        verdict = live(
            arena,
            functions,
            counter,
            piece,
            queue,
            row[0],
            row[1],
            row[2],
            row[3],
            row[4],
            row[5],
            row[6],
            row[7],
        )
        if verdict != LIVE:
            return DEAD if verdict == LIFELESS else UNKNOWN
    return add(arena, states, table, counter, outcome, row, -1 - found, parent, origin)


def _rehash(arena: Ints, states: Grid, count: int, table: Ints, old: Ints, functions: Ints, row: Ints) -> int:
    """Fill a new, empty state table and a new, empty function table; return 0."""
    for state in range(count):
        if states[state, 0] > 0:
            for field in range(FIELDS):
                row[field] = states[state, field]
            table[-1 - find(states, table, row)] = state
    mask = len(functions) - 1
    for place in range(len(old)):
        at = old[place]
        if at >= 0:
            hashed = arena[at]
            for which in range(2 * arena[at]):
                hashed = mix(hashed, arena[at + 1 + which])
            slot = hashed & mask
            while functions[slot] >= 0:
                slot = (slot + 1) & mask
            functions[slot] = at
    return 0


_NAMES = copied(
    *(divisor_bits, cell_of, outcome_of, pieces_of, clip, half, mix, function_of, exponent_live, digits_live),
    *(settled, begun, step, judge, live, find, add),
)
expand = entry(
    "int64(int64[::1], int64[::1], int64[::1], int64[:, ::1], int32[::1], int32[:, ::1], int32[::1],"
    " int64[::1], int8[::1], int64[::1], int64[:, ::1], int64[::1], int64[::1], int64, int64, int64)"
)(copy_of(_expand, _NAMES))
enter = entry(
    "int64(int64[::1], int64[::1], int64[::1], int64[:, ::1], int32[::1], int32[::1], int64[::1], int64[::1],"
    " int64[:, ::1], int64[::1], int64, boolean)"
)(copy_of(_enter, _NAMES))
rehash = entry("int64(int64[::1], int64[:, ::1], int64, int32[::1], int64[::1], int64[::1], int64[::1])")(
    copy_of(_rehash, _NAMES)
)

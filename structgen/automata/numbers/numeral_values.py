"""Whether a numeral goes on to one that has an outcome, within some characters: exact, and compiled.

What comes in: the arena of `digit_steps` and a numeral. What goes out: a truth. A numeral is finished in a
few ways: with a point or without, with exponents of some number of digits (a `Shape`). In one way the power
of ten of the first digit, and how many digits may follow, decide which values can be written: one block of
them, from the digits so far followed by zeros to these followed by nines. Bounds cut a block into cells. A
cell that is a bound asks how long its word is; the cell between two bounds is a few runs of consecutive
numbers, on which divisibility is a question about residues. The powers of ten that make no difference are
left out.
"""

from __future__ import annotations

from math import gcd
from typing import NamedTuple

from structgen.automata.numbers import digit_steps as s
from structgen.automata.numbers.digit_steps import (
    Ints,
    Numeral,
    among,
    begun,
    cell_of,
    descend,
    digit_of,
    divisor_bits,
    first_digit,
    outcome_of,
    places_of,
    rank_of,
    ten_to,
)
from structgen.native.jit import jit

RUN = 17
LONGEST = 89 * 10**17
"""With more free digits than RUN behind another a run counts as the numbers below LONGEST: they hold every
residue (cores are below 2**58), and as often as `pattern_met` looks for one."""


class Shape(NamedTuple):
    """A way to finish: the first digit is moved up by `up` (negative: zeros come first) and by an exponent.

    Then min(most, up + more) digits may follow.
    """

    marked: int
    """1 with a point or an exponent."""
    least_exponent: int
    most_exponent: int
    least_up: int
    most_up: int
    more: int
    most: int


class Run(NamedTuple):
    """The numbers rest * 10**(digits + 1) + y, first * 10**digits <= y < end * 10**digits, but for y = 0; all
    times 10**place. `row` is where their outcomes are."""

    row: int
    rest: int
    first: int
    end: int
    digits: int
    place: int


class ValueBlock(NamedTuple):
    """The values whose digits begin as those of a numeral do, moved so that the first one stands at 10**e."""

    marked: int
    e: int
    more: int
    """How many digits may follow."""
    place: int
    """The power of ten of the last of them."""


class WordEdge(NamedTuple):
    """Numbers of `more` more digits beside a word that begins as they do; see `Run`."""

    row: int
    rest: int
    word: int
    depth: int
    more: int
    place: int


# -- residues --


@jit
def modulus_of(arena: Ints, at: int, up: int) -> int:
    """Return what divides x where a divisor divides x * 10**(up - shift)."""
    if up >= arena[at + 3]:
        return arena[at + 2]
    core = arena[at]
    for _ in range(up):
        if core % 2 == 0:
            core //= 2
        elif core % 5 == 0:
            core //= 5
    return core


@jit
def times_ten(value: int, times: int, modulus: int) -> int:
    """Return value * 10**times modulo a number."""
    value %= modulus
    for _ in range(times):
        value = value * 10 % modulus
    return value


@jit
def run_has(arena: Ints, side: int, run: Run) -> bool:
    """Return whether a number of a run has an outcome."""
    if run.first >= run.end or run.digits < 0 or (run.end == 1 and run.digits == 0):
        return False
    divisors = arena[side + s.DIVISORS]
    if divisors == 0:
        return arena[run.row] >= 0
    for bits in range(1 << divisors):
        if arena[run.row + bits] >= 0 and pattern_met(arena, side, run, bits):
            return True
    return False


@jit
def pattern_met(arena: Ints, side: int, run: Run, bits: int) -> bool:
    """Return whether a number of a run is divided by the divisors of `bits`, and by no other."""
    divisors, table = arena[side + s.DIVISORS], arena[side + s.DIVISORS_AT]
    drop = 0  # digits that must be 0
    for which in range(divisors):
        if bits >> which & 1:
            drop = max(drop, -run.place - arena[table + which * s.DIVISOR_SIZE + 1])
    digits = run.digits - drop
    if digits < 0:
        return False
    long = digits > RUN
    if long:
        digits = RUN
        run = Run(run.row, run.rest, 0, 10, RUN, run.place)
    place = run.place + drop
    modulus = 1
    for which in range(divisors):
        if bits >> which & 1:
            at = table + which * s.DIVISOR_SIZE
            other = modulus_of(arena, at, place + arena[at + 1])
            modulus = modulus // gcd(modulus, other) * other
    unit = 10**digits
    number, end = max(1, run.first * unit), LONGEST if long else run.end * unit
    number += (modulus - (times_ten(run.rest, digits + 1, modulus) + number) % modulus) % modulus
    # A run of integers each divided by one of s numbers > 1 is shorter than 2**s (Kanold 1967).
    for _ in range((1 << divisors) + 1):
        if number >= end:
            return False
        if divided_by(arena, side, Run(0, run.rest, number, 0, digits, place), bits) == 0:
            return True
        number += modulus
    return False


@jit
def divided_by(arena: Ints, side: int, number: Run, but: int) -> int:
    """Return which divisors, but those of `but`, divide rest * 10**(digits + 1) + first; a bit each."""
    found = 0
    at = arena[side + s.DIVISORS_AT]
    for which in range(arena[side + s.DIVISORS]):
        if not but >> which & 1:
            up = number.place + arena[at + 1]
            y, width = number.first, number.digits + 1
            while up < 0 and width > 0 and y % 10 == 0:
                y, width, up = y // 10, width - 1, up + 1
            if up >= 0:
                modulus = modulus_of(arena, at, up)
                if (times_ten(number.rest, width, modulus) + y) % modulus == 0:
                    found |= 1 << which
        at += s.DIVISOR_SIZE
    return found


# -- blocks --


@jit
def block_has(arena: Ints, n: Numeral, block: ValueBlock) -> bool:
    """Return whether a value of a block has an outcome. Linear in the cells and in the words' digits; most
    often the first cell tells."""
    side, code = n.side, block.e * s.RANKS
    divisors = arena[side + s.DIVISORS]
    first = cell_of(arena, side, code + rank_of(arena, side, n.node))
    kind = n.node & 3
    last, depth = first, 0
    if kind == s.TAIL:
        last = cell_of(arena, side, code + (n.node >> 2) + 1)
    elif kind == s.PATH:
        last = cell_of(arena, side, code + 2 * ((n.node >> 23) & 0xFFFFF) + 2)
        depth = (n.node >> 2) & 0x1FFFFF
    hopes = arena[
        side + s.HOPE_AT + block.marked
    ]  # for each cell the first one from it on that has an outcome
    cell = arena[hopes + first]
    if cell > last:
        return False
    row = arena[side + s.ROWS_AT] + (block.marked << divisors)
    if cell == first:  # the digits so far, and zeros
        bits = divisor_bits(arena, side, n.low + block.e - n.mag, n.rest)
        if arena[row + (cell << (divisors + 1)) + bits] >= 0:
            return True
    if block.more < 1:
        return False
    while cell <= last:
        at = row + (cell << (divisors + 1))
        bound = arena[side + s.CODES_AT] + (cell >> 1)
        word = (arena[bound] - code) >> 1  # of the bound, or of the one above
        if cell & 1:
            if cell > first and length_of(arena, side, word) - depth <= block.more:
                return True  # which divisors divide a bound is known
        else:
            above = (arena[bound - 1] - code) >> 1 if cell > first else -1
            if between_has(arena, n, block, at, above, word if cell < last else -1):
                return True
        cell = arena[hopes + cell + 1]
    return False


@jit
def length_of(arena: Ints, side: int, word: int) -> int:
    """Return how many digits a word has."""
    return arena[arena[side + s.WORDS_AT] + 2 * word + 1]


@jit
def between_has(arena: Ints, n: Numeral, block: ValueBlock, row: int, above: int, below: int) -> bool:
    """Return whether a value of a block that lies above one word and below another (-1: none) has an
    outcome. The digits so far alone, and zeros, are left out."""
    side, place, more = n.side, block.place, block.more
    rest = 0
    if n.low != s.HOPELESS:
        rest = times_ten(n.rest, n.low + block.e - n.mag - place - more, arena[side + s.CORE])
    depth = (n.node >> 2) & 0x1FFFFF if n.node & 3 == s.PATH else 0
    if above < 0 and below < 0:
        return run_has(arena, side, Run(row, rest, 0, 10, more - 1, place))
    if n.node & 3 == s.TAIL:
        depth = length_of(arena, side, above)
    low_rest, high_rest = rest, rest
    if above >= 0 and below >= 0:
        low = high = 0
        while more > 0 and low == high:
            rest = high_rest
            low = max(digit_of(arena, side, above, depth), 0)
            high = max(digit_of(arena, side, below, depth), 0)
            low_rest = (rest * 10 + low) % arena[side + s.CORE]
            high_rest = (rest * 10 + high) % arena[side + s.CORE]
            depth, more = depth + 1, more - 1
        if low == high:
            return False
        if run_has(arena, side, Run(row, rest, low + 1, high, more, place)):
            return True
        if beginning_has(arena, side, WordEdge(row, high_rest, below, depth, more, place)):
            return True
    if above >= 0 and beside_has(arena, side, WordEdge(row, low_rest, above, depth, more, place), True):
        return True
    return below >= 0 and beside_has(arena, side, WordEdge(row, high_rest, below, depth, more, place), False)


@jit
def beginning_has(arena: Ints, side: int, edge: WordEdge) -> bool:
    """Return whether the beginning of a word, which ends in another digit than 0, and is not the whole, has
    an outcome."""
    if edge.depth >= length_of(arena, side, edge.word):
        return False
    return arena[edge.row + divisor_bits(arena, side, edge.place + edge.more, edge.rest)] >= 0


@jit
def beside_has(arena: Ints, side: int, edge: WordEdge, above: bool) -> bool:
    """Return whether a number above a word, or below it, that begins like it has an outcome; a beginning of
    the word that is given is left out."""
    row, rest, depth, more = edge.row, edge.rest, edge.depth, edge.more
    core, length = arena[side + s.CORE], length_of(arena, side, edge.word)
    while more > 0 and depth < length:
        digit = digit_of(arena, side, edge.word, depth)
        low, high = (digit + 1, 10) if above else (0, digit)
        more, depth = more - 1, depth + 1
        if run_has(arena, side, Run(row, rest, low, high, more, edge.place)):
            return True
        rest = (rest * 10 + digit) % core
        if not above and digit > 0:
            if beginning_has(arena, side, WordEdge(row, rest, edge.word, depth, more, edge.place)):
                return True
    while above and more > 0:  # zeros follow the word
        more -= 1
        if run_has(arena, side, Run(row, rest, 1, 10, more, edge.place)):
            return True
        rest = rest * 10 % core
    return False


# -- ways to finish --


@jit
def moved_has(arena: Ints, n: Numeral, shape: Shape, e: int) -> bool:
    """Return whether some numeral of a shape whose first digit stands at 10**e has an outcome."""
    shift = e - n.mag
    more = min(shape.most, min(shape.most_up, shift - shape.least_exponent) + shape.more)
    return block_has(arena, n, ValueBlock(shape.marked, e, more, shift - more - places_of(arena, n)))


@jit
def shape_has(arena: Ints, n: Numeral, shape: Shape) -> bool:
    """Return whether some numeral of a shape has an outcome.

    The first digit stands at a bound's decade, or between two. The higher it stands, the more digits may
    follow; how high makes a difference only where the last digits pass those that a divisor asks for.
    """
    side = n.side
    hopes = arena[side + s.HOPE_AT + shape.marked]
    if arena[hopes] > 2 * arena[side + s.BOUNDS]:
        return False
    lowest = shape.least_exponent + shape.least_up + n.mag
    highest = shape.most_exponent + shape.most_up + n.mag
    digits = min(shape.most, shape.most_up + shape.more, RUN + 8)
    decades = arena[side + s.DECADES]
    for segment in range(2 * decades + 1):
        at = arena[side + s.DECADES_AT] + (segment >> 1)
        low, high = lowest, highest
        if segment & 1:
            low, high = max(low, arena[at]), min(high, arena[at])
        else:
            if segment > 0:
                low = max(low, arena[at - 1] + 1)
            if segment < 2 * decades:
                high = min(high, arena[at] - 1)
        if low > high:
            continue
        if segment & 1 == 0:
            cell = cell_of(arena, side, high * s.RANKS)
            if arena[hopes + cell] != cell:
                continue
            if arena[side + s.DIVISORS] == 0:
                return True
        if moved_has(arena, n, shape, high):
            return True
        for which in range(arena[side + s.DIVISORS]):
            by = arena[side + s.DIVISORS_AT] + which * s.DIVISOR_SIZE
            start = n.mag - arena[by + 1]
            e = min(high - 1, start + arena[by + 3] + places_of(arena, n) + digits)
            while e >= max(low, start - n.low - 1):
                if moved_has(arena, n, shape, e):
                    return True
                e -= 1
    return False


@jit
def ways_have(arena: Ints, n: Numeral, least: int, most: int, chars: int, marked: int) -> bool:
    """Return whether some finish with an exponent from `least` to `most` has an outcome, where `chars`
    characters are left for digits and a point. `marked`: 1 if the exponent is written."""
    side = n.side
    if n.node == 0:
        seen = places_of(arena, n)
        more = min(chars, n.left) if n.phase >= s.POINT else min(chars - 1, arena[side + s.CAP_FRACTION])
        shape = Shape(1, least, most, -seen - more, -seen - 1, more + seen, s.BIG)
        for digit in range(1, 10):
            if more > 0:
                follower = begun(arena, side, digit)
                rest = digit % arena[follower + s.CORE]
                node = descend(arena, follower, 0, digit)
                if shape_has(arena, Numeral(follower, s.WHOLE, 0, 0, 0, node, 0, rest), shape):
                    return True
        return False
    if n.phase != s.WHOLE:
        more = min(chars, n.left)
        if more < 1 and n.phase == s.POINT:
            return False
        return shape_has(arena, n, Shape(1, least, most, 0, 0, more, s.BIG))
    whole = min(chars, n.left - (arena[side + s.SPARE] if marked else 0))
    pointed = marked == 1 and chars == s.BIG and arena[side + s.CAP_FRACTION] > 0  # more can be written so
    if whole >= 0 and not pointed and shape_has(arena, n, Shape(marked, least, most, 0, whole, 0, s.BIG)):
        return True
    whole = min(chars - 2, n.left - arena[side + s.SPARE])
    if whole < 0 or arena[side + s.CAP_FRACTION] < 1:
        return False
    return shape_has(arena, n, Shape(1, least, most, 0, whole, arena[side + s.CAP_FRACTION], chars - 1))


@jit
def mantissa_has(arena: Ints, n: Numeral, chars: int) -> bool:
    """Return whether a numeral with a digit, and no exponent, goes on to one that has an outcome."""
    if outcome_of(arena, n) >= 0:
        return True
    side = n.side
    unlimited = chars >= s.BIG and not arena[side + s.ANY_LENGTH]
    if arena[side + s.ANY_LENGTH]:
        chars = min(chars, n.left)
    places, digits = arena[side + s.CAP_FRACTION], arena[side + s.CAP_EXPONENT]
    if n.phase == s.WHOLE and n.left < arena[side + s.SPARE]:
        places, digits = 0, 0
    if (n.node == 0 or arena[side + s.FREE]) and arena[side + s.ZERO_OUT + 1] >= 0:
        if n.phase == s.POINT:
            if min(chars, n.left) > 0:
                return True
        elif chars > 1 and max(places, digits) > 0:
            return True
    if arena[side + s.FREE]:
        return False
    if unlimited and digits > 0:
        most = ten_to(digits) - 1
        if ways_have(arena, n, -most, min(most, arena[side + s.MOST_EXPONENT]), s.BIG, 1):
            return True
    if ways_have(arena, n, 0, 0, chars, 0):
        return True
    if unlimited or (n.phase == s.POINT and n.left < 1):
        return False
    for count in range(1, min(digits, 13) + 1):
        least, most = ten_to(count - 1) if count > 1 else 0, ten_to(count) - 1
        room = chars - 1 - count
        highest = min(most, arena[side + s.MOST_EXPONENT])
        if room >= 0 and least <= highest and ways_have(arena, n, least, highest, room, 1):
            return True
        if room >= 1 and ways_have(arena, n, -most, -least, room - 1, 1):
            return True
    return False


@jit
def exponent_has(arena: Ints, n: Numeral, chars: int) -> bool:
    """Return whether a numeral with "e" goes on to one that has an outcome."""
    left, sign = min(chars, n.left), n.low
    if n.phase == s.E:
        below, sign = min(chars - 1, n.left - n.seen), 1
        if below > 0 and among(arena, n.side, -1, 0, ten_to(below) - 1) != -1:
            return True
    if n.phase != s.E_DIGITS and left < 1:
        return False
    if n.mag == 0:
        return among(arena, n.side, sign, 0, ten_to(left) - 1) != -1
    start, span = n.mag, 1
    for _ in range(left + 1):
        if among(arena, n.side, sign, start, start + span - 1) != -1:
            return True
        if start > s.BIG:
            return False
        start, span = start * 10, span * 10
    return False


@jit
def has_value(arena: Ints, n: Numeral, chars: int) -> bool:
    """Return whether a numeral goes on to one that has an outcome, with at most `chars` more characters (BIG:
    with any number)."""
    if n.phase >= s.E:
        return exponent_has(arena, n, chars)
    if n.phase > s.MINUS:
        return mantissa_has(arena, n, chars)
    for column in range(20 if n.phase == s.START else 10):
        one, room = n, chars - 1
        if column >= 10:
            one = Numeral(n.seen, s.MINUS, n.left - 1, 0, 0, 0, 0, 0)
            room = chars - 2
        if one.left > 0 or not arena[one.side + s.ANY_LENGTH]:
            after = first_digit(arena, one, column % 10)
            if (
                after.phase >= 0
                and room >= 0
                and mantissa_has(arena, after, room if chars < s.BIG else s.BIG)
            ):
                return True
    return False

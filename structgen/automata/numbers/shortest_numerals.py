"""Exact answers about the numerals that go on from a prefix: is there one, and which is the shortest.

The questions are answered by arithmetic, not by search. Fix how many digits follow, where the point stands
and the exponent: then the values that can be written are the integers of one range, times a power of ten.
Bounds cut that range into pieces, and on a piece divisibility is a question about residues.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import gcd, lcm

from structgen.automata.numbers.number_plan import ANY, PLAIN, Divisor, Side, common_core, digit_count
from structgen.errors import LimitError
from structgen.limits import Limits

_WHOLE_NUMBERS = Divisor(1, 0, 1, 0)
_FAR = 4000
"""Digits beyond which a value is not looked for."""


@dataclass(frozen=True, slots=True)
class NumeralPrefix:
    """A numeral's prefix, taken apart. `whole` is None before the first digit, `places` before a point."""

    sign: str
    whole: str | None
    places: str | None
    exponent: str | None

    @classmethod
    def of(cls, text: str) -> NumeralPrefix:
        """Return the parts of a prefix of an RFC 8259 number (which is not checked)."""
        sign = text[:1] if text[:1] == "-" else ""
        body, mark, exponent = text[len(sign) :].lower().partition("e")
        whole, point, places = body.partition(".")
        return cls(sign, whole or None, places if point else None, exponent if mark else None)


def _number(text: str) -> int:
    """Return int(text) for text of any length."""
    value = 0
    for at in range(0, len(text), 4000):
        chunk = text[at : at + 4000]
        value = value * 10 ** len(chunk) + int(chunk)
    return value


def _padded(number: int, width: int) -> str:
    """Return a number's digits with leading zeros, for numbers of any length."""
    if width <= 4000:
        return str(number).zfill(width) if width else ""
    parts: list[str] = []
    while width > 0:
        take = min(width, 4000)
        number, low = divmod(number, 10**take)
        parts.append(str(low).zfill(take))
        width -= take
    return "".join(reversed(parts))


def _exponent_length(exponent: int) -> int:
    """Return how many characters the shortest exponent part takes (none for 0)."""
    return 0 if exponent == 0 else len(str(exponent)) + 1


class Asker:
    """Answers about one side, for one set of wanted outcomes. Not shared between threads."""

    def __init__(self, side: Side, wanted: Collection[int], limits: Limits, *, marked: bool = False) -> None:
        """`marked`: the shortest rest is wanted that makes the numeral have a fraction or an exponent."""
        self.side = side
        self.marked = marked
        self.wanted = frozenset(wanted)
        self.limits = limits
        self.zero = side.zero in self.wanted
        self.decades = [bound.e for bound in side.bounds]
        self.sizes = [_number(bound.digits) for bound in side.bounds]
        self.tails = [bound.e + 1 - len(bound.digits) for bound in side.bounds]
        hopeful = [any(out in self.wanted for out in row) for row in side.rows]
        self.anything = any(hopeful)
        self.next_cell = [len(hopeful)] * (len(hopeful) + 1)
        for cell in range(len(hopeful) - 1, -1, -1):
            self.next_cell[cell] = cell if hopeful[cell] else self.next_cell[cell + 1]
        edges = [
            *self.decades,
            *(-by.shift for by in side.divisors),
            *(by.tens - by.shift for by in side.divisors),
        ]
        core = common_core(side.divisors)
        self.period = digit_count(core) + len(side.divisors) + 6
        self.detail = self.period + 40 + max((len(bound.digits) for bound in side.bounds), default=0)
        self.spread = 2 * max(map(abs, edges), default=0)

    def _floor(self, bound: int, scale: int) -> tuple[int, bool]:
        """Return floor(bound / 10**scale), and whether that is exact."""
        up = self.tails[bound] - scale
        if up >= 0:
            return self.sizes[bound] * 10**up, True
        quotient, remainder = divmod(self.sizes[bound], 10**-up)
        return quotient, remainder == 0

    def first(self, low: int, high: int, scale: int, broken: bool) -> int | None:
        """Return the least integer x, low <= x <= high, for which x * 10**scale has a wanted outcome.

        `broken`: the value must not be an integer. Cost: one division for each bound in the range, plus
        residues.
        """
        if low > high:
            return None
        if low <= 0:
            if self.zero and not broken:
                return 0
            low = 1
            if low > high:
                return None
        if not self.anything:
            return None
        count = len(self.decades)
        start = bisect_left(self.decades, digit_count(low) - 1 + scale)
        stop = bisect_right(self.decades, digit_count(high) - 1 + scale)
        at, end = start, stop
        while at < end:  # the first bound that is not below the range
            middle = (at + end) >> 1
            floor, exact = self._floor(middle, scale)
            if floor < low:
                at = middle + 1
            else:
                end = middle
        current = low
        while True:
            cell = self.next_cell[2 * at]
            if cell > 2 * count:
                return None
            if cell >> 1 > at:
                at = cell >> 1
                if at > stop:
                    return None
                current = max(current, self._floor(at - 1, scale)[0] + 1)
            if at < stop:
                floor, exact = self._floor(at, scale)
                top = min(high, floor - 1 if exact else floor)
            else:
                floor, exact, top = high + 1, False, high
            if current > high:
                return None
            if current <= top:
                found = self._residue(current, top, scale, self.side.rows[2 * at], broken)
                if found is not None:
                    return found
            if at >= stop:
                return None
            if exact and low <= floor <= high and self.side.rows[2 * at + 1][0] in self.wanted:
                found = self._residue(floor, floor, scale, self.side.rows[2 * at + 1], broken)
                if found is not None:
                    return found
            current = max(current, floor + 1)
            at += 1

    def _residue(self, low: int, high: int, scale: int, row: tuple[int, ...], broken: bool) -> int | None:
        """Return the least x of a piece on which only divisibility matters."""
        divisors = self.side.divisors
        if not broken:
            if all(out in self.wanted for out in row):
                return low
            if not divisors:
                return None
        moduli: list[int] = []
        for by in (*divisors, _WHOLE_NUMBERS) if broken else divisors:
            up = scale + by.shift
            if up >= by.tens:
                moduli.append(by.odd)
            elif up >= 0:
                moduli.append(by.core // gcd(by.core, 10**up))
            elif -up > digit_count(high):
                moduli.append(0)  # divides only zero
            else:
                moduli.append(by.core * 10**-up)
        best: int | None = None
        for bits, out in enumerate(row):
            if out not in self.wanted:
                continue
            step, avoid = 1, []
            for which, modulus in enumerate(moduli):
                if which < len(divisors) and bits >> which & 1:
                    if modulus == 0:
                        step = 0
                        break
                    step = lcm(step, modulus)
                elif modulus:
                    avoid.append(modulus)
            if step == 0 or any(step % modulus == 0 for modulus in avoid):
                continue
            found = -(-low // step) * step
            # A run of integers each divided by one of s numbers > 1 is shorter than 2**s (Kanold 1967).
            tries = (1 << len(avoid)) + 1
            while found <= high and tries and any(found % modulus == 0 for modulus in avoid):
                found += step
                tries -= 1
            if tries and found <= high and (best is None or found < best):
                best = found
        return best


def has_value(side: Side, limits: Limits) -> bool:
    """Return False where no value but zero has an outcome on a side, however many digits were written.

    True may be wrong: the digits that the policy allows are not read. Cost: some big divisions for a side
    that is bounded above; otherwise nothing.
    """
    if not side.bounds or not side.divisors or any(out >= 0 for out in side.rows[-1]):
        return any(out >= 0 for row in side.rows for out in row)
    # With two digits more than any bound or divisor has, each gap holds numbers that no divisor divides, if
    # there are such; and the multiples of a divisor have no digit there.
    places = max(len(bound.digits) - 1 - bound.e for bound in side.bounds)
    scale = -2 - max(places, 0, *(by.shift for by in side.divisors))
    top = side.bounds[-1].e + 1 - scale
    if max(top, -scale) > _FAR:
        return True
    outcomes = {out for row in side.rows for out in row if out >= 0}
    return Asker(side, outcomes, limits).first(1, 10**top, scale, False) is not None


def _exponent_pieces(ask: Asker, reading: NumeralPrefix) -> list[tuple[int, int]]:
    """Return the ranges (first, last) of exponents under which a finished mantissa has a wanted outcome."""
    digits = (reading.whole or "") + (reading.places or "")
    mantissa, scale = _number(digits), -len(reading.places or "")
    far = 1 << 80
    if mantissa == 0:
        most = far if ask.side.policy == ANY else min(far, ask.side.caps.most_exponent)
        return [(-far, most)] if ask.zero else []
    e = digit_count(mantissa) - 1 + scale
    edges = {-far}
    for decade in ask.decades:
        edges.update((decade - e, decade - e + 1))
    number, tail = mantissa, scale
    while number % 10 == 0:
        number, tail = number // 10, tail + 1
    for by in ask.side.divisors:
        if number % by.odd == 0:
            edges.update(range(-by.shift - tail, -by.shift - tail + by.tens + 1))
    ordered = sorted(edges)
    pieces: list[tuple[int, int]] = []
    for at, start in enumerate(ordered):
        last = ordered[at + 1] - 1 if at + 1 < len(ordered) else far
        if ask.side.policy != ANY:
            last = min(last, ask.side.caps.most_exponent)
            if start > last:
                break
        # One exponent of the range stands for all; the open ends are far below and above every edge.
        probe = last if at == 0 else start
        if at == 0 and len(ordered) == 1:
            probe = 0
        if ask.first(mantissa, mantissa, probe + scale, False) is not None:
            pieces.append((start, last))
    return pieces


def _exponent_rest(ask: Asker, reading: NumeralPrefix, left: int, any_length: bool) -> str | None:
    """Return the shortest rest of a numeral whose "e" is written, or None."""
    text = reading.exponent or ""
    pieces = _exponent_pieces(ask, reading)
    options: list[tuple[str, int, str]] = []  # what is written first, its sign, the digits so far
    if text == "":
        options = [("", 1, ""), ("+", 1, ""), ("-", -1, "")]
    elif text[0] in "+-":
        options = [("", -1 if text[0] == "-" else 1, text[1:])]
    else:
        options = [("", 1, text)]
    best: str | None = None
    for head, sign, digits in options:
        ranges = pieces if sign > 0 else [(-last, -first) for first, last in pieces]
        room = left - len(head) if any_length else left - len(digits)
        value = _number(digits) if digits else 0
        for more in range(0 if digits else 1, room + 1):
            low = value * 10**more
            high = low + 10**more - 1
            least = min((max(a, low) for a, b in ranges if max(a, low) <= min(b, high)), default=None)
            if least is not None:
                rest = head + _padded(least - low, more)
                if best is None or (len(rest), rest) < (len(best), best):
                    best = rest
                break
            if low > (1 << 81) or (value == 0 and high > (1 << 81)):
                break
    return best


def _exponents(ask: Asker, low: int, high: int, first: int, last: int, reach: int, digits: int) -> list[int]:
    """Return the exponents of low..high that can make a difference, those near 0 first.

    With exponent 0 the values stand at 10**first to 10**last, in a range of length 10**reach, as multiples of
    10**(reach - digits). Elsewhere no bound is near and no power of ten matters to a divisor, so that the
    nearest exponent listed stands for all.
    """
    if low > high:
        return []
    spans = [(min(max(0, low), high),) * 2]
    spans += [(decade - last - 1, decade - first + 1) for decade in set(ask.decades)]
    spans += [(-by.shift - last - 2, by.tens + 1 - by.shift - reach + digits) for by in ask.side.divisors]
    found: set[int] = set()
    for start, end in spans:
        found.update(range(max(start, low), min(end, high) + 1))
    return sorted(found, key=abs)


def _grids(ask: Asker, reading: NumeralPrefix, left: int) -> Iterator[tuple[int, int, int, bool]]:
    """Return ranges (low, high, scale, broken) of all values that can still be written, and of no other."""
    side, caps = ask.side, ask.side.caps
    policy = side.policy
    if reading.whole is None:
        # Either a first digit that is not 0, or a 0.
        for digit in "123456789":
            if policy == ANY or caps.integer > 0:
                yield from _grids(ask, NumeralPrefix(reading.sign, digit, None, None), left - 1)
        yield 0, 0, 0, False
        yield from _grids(ask, NumeralPrefix(reading.sign, "0", None, None), left - 1)
        return
    mantissa = _number(reading.whole + (reading.places or ""))
    point = reading.places is not None
    places = len(reading.places or "")
    begun = not point or places > 0
    size = digit_count(mantissa) if mantissa else 0
    whole_room = 0 if point or reading.whole == "0" else caps.integer - len(reading.whole)
    room = caps.fraction - places
    if policy == PLAIN:
        # Digits beyond every bound and every period of the divisors make no difference.
        whole_room = min(whole_room, ask.spread + ask.detail)
        if not point:
            for more in range(whole_room + 1):
                yield mantissa * 10**more, (mantissa + 1) * 10**more - 1, 0, False
        for more in range(whole_room + 1) if caps.fraction else ():
            total = more + room
            yield mantissa * 10**total, (mantissa + 1) * 10**total - 1, -caps.fraction, True
        return
    if policy == ANY:
        if left < 0:
            return
        if begun:
            yield mantissa, mantissa, -places, False
        whole_open = not point and reading.whole != "0"
        far = 10 ** max(left - 1, 0)
        # With room to spare, a value far below the first place is written as well with a smaller exponent.
        first = size - places - 1 if mantissa else -places - min(left, ask.detail) - 1
        # A range that is longer than every period of the divisors need not be cut finer.
        digits = min(left, ask.period)
        for shift in _exponents(ask, -far, far, first, size - places - 1, -places, digits):
            if whole_open:
                total = _most_digits(shift, left)
                exponent = shift
            else:
                exponent = shift
                length = _exponent_length(exponent)
                if begun and length <= left:
                    yield mantissa, mantissa, exponent - places, False
                total = left - length - (0 if point else 1)
            if total >= (0 if whole_open else 1):
                yield mantissa * 10**total, (mantissa + 1) * 10**total - 1, exponent - places - total, False
        return
    if not begun and room < 1:
        return
    least, most = 1 - 10**caps.exponent, min(10**caps.exponent - 1, caps.most_exponent)
    wide = most > ask.spread + 4 * (caps.integer + caps.fraction)
    for more in (0, whole_room) if wide and whole_room else range(whole_room + 1):
        total = more + room
        scale = -places - room
        first = size + total + scale - 1 if mantissa else scale
        last = size + total + scale - 1
        digits = min(total, ask.period)
        for exponent in _exponents(ask, least, most, first, last, total + scale, digits):
            yield mantissa * 10**total, (mantissa + 1) * 10**total - 1, scale + exponent, False


def _most_digits(shift: int, left: int) -> int:
    """Return how many digits fit into `left` characters after a digit before the point, or -1.

    The digits so far end up at 10**shift: `whole` more digits before the point and the exponent shift -
    whole.
    """
    best = -1
    classes = [(0, 0, 0)]
    for count in range(1, left):
        classes.append((10 ** (count - 1), 10**count - 1, count + 1))
        classes.append((1 - 10**count, -(10 ** (count - 1)), count + 2))
        if 10**count > abs(shift) + left:
            break
    for low, high, length in classes:
        if length > left:
            continue
        whole = min(left - length, shift - low)
        if whole >= max(0, shift - high):
            best = max(best, whole)
        total = left - length - 1
        if total >= 1 and shift - low >= 0 and shift - high <= total - 1:
            best = max(best, total)
    return best


def alive(ask: Asker, other: Asker, text: str, left: int, any_length: bool) -> bool:
    """Return whether some numeral that begins with `text` has a wanted outcome.

    `ask` is the side without a minus sign, `other` the one with it; `left` the characters that may follow
    (policy "any"; otherwise it is not read). Raises LimitError (oracle_steps).
    """
    reading = NumeralPrefix.of(text)
    one = other if reading.sign else ask
    if reading.exponent is not None:
        room = left if any_length else one.side.caps.exponent
        return _exponent_rest(one, reading, room, any_length) is not None
    sides = [(one, reading, left)]
    if text == "":
        sides.append((other, NumeralPrefix("-", None, None, None), left - 1))
    steps = 0
    for asker, part, room in sides:
        for low, high, scale, broken in _grids(asker, part, room):
            steps += 1
            if steps > ask.limits.oracle_steps:
                raise LimitError(
                    f"Whether a numeral goes on from {text[:40]!r} needs more steps than are allowed.",
                    limit="oracle_steps",
                )
            if asker.first(low, high, scale, broken) is not None:
                return True
    return False


def shortest(ask: Asker, other: Asker, text: str, left: int, any_length: bool) -> bytes | None:
    """Return the shortest rest with a wanted outcome, the smallest of those in byte order.

    There must be one; of rests with a mark (`Asker.marked`) there may be none, and then it is None.
    Cost: grows with the square of the rest's length; a handful of range questions in the common cases.
    """
    reading = NumeralPrefix.of(text)
    one = other if reading.sign else ask
    if reading.exponent is not None:
        room = left if any_length else one.side.caps.exponent
        rest = _exponent_rest(one, reading, room, any_length)
        if rest is None:
            raise ValueError(f"no numeral goes on from {text[:40]!r}")
        return rest.encode()
    heads = [("", one, reading)]
    if text == "":
        heads.append(("-", other, NumeralPrefix("-", None, None, None)))
    longest = left if any_length else sum((one.side.caps.integer, one.side.caps.fraction)) + 40
    for length in range(longest + 1):
        best: str | None = None
        for head, asker, part in heads:
            for body in _bodies(asker, part, length - len(head)):
                if best is None or head + body < best:
                    best = head + body
        if best is not None:
            return best.encode()
    if ask.marked:
        return None
    raise ValueError(f"no numeral goes on from {text[:40]!r}")


def _bodies(ask: Asker, reading: NumeralPrefix, length: int) -> Iterator[str]:
    """Return the least rests of exactly `length` characters, one for each way to lay them out."""
    if length < 0:
        return
    policy, caps = ask.side.policy, ask.side.caps
    yield from _layouts(ask, reading, length, "", 0, 0)
    if policy == PLAIN:
        return
    for mark, sign in (("E", 1), ("E-", -1)):
        for digits in range(1, length - len(mark) + 1):
            if policy != ANY and digits > caps.exponent:
                break
            low, high = 10 ** (digits - 1), 10**digits - 1
            if policy != ANY and sign > 0:
                high = min(high, caps.most_exponent)
                if low > high:
                    break
            yield from _layouts(ask, reading, length - len(mark) - digits, mark, sign * low, sign * high)


def _layouts(
    ask: Asker, reading: NumeralPrefix, length: int, mark: str, near: int, far: int
) -> Iterator[str]:
    """Return the least rests with `length` characters of mantissa and an exponent from `near` to `far`."""
    side, caps = ask.side, ask.side.caps
    free = side.policy == ANY
    point = reading.places is not None
    places = len(reading.places or "")
    room = length if free else caps.fraction - places
    shapes: list[tuple[int, int, int, str]] = []  # lowest, highest, digits after the point, lead
    if reading.whole is None:
        most = length if free else caps.integer
        if length == 1:
            shapes.append((0, 0, 0, "0"))
        if length > 2 and length - 2 <= room:
            shapes.append((0, 10 ** (length - 2) - 1, length - 2, "0."))
        if 1 <= length <= most:
            shapes.append((10 ** (length - 1), 10**length - 1, 0, ""))
        for after in range(max(1, length - 1 - most), min(length - 2, room) + 1):
            shapes.append((10 ** (length - 2), 10 ** (length - 1) - 1, after, ""))
        mantissa = 0
    else:
        mantissa = _number(reading.whole + (reading.places or ""))
        most = 0 if point or reading.whole == "0" else (length if free else caps.integer - len(reading.whole))
        if point:
            if length <= room and (length or places):
                shapes.append((mantissa * 10**length, (mantissa + 1) * 10**length - 1, length, ""))
        else:
            if length <= most:
                shapes.append((mantissa * 10**length, (mantissa + 1) * 10**length - 1, 0, ""))
            for after in range(max(1, length - 1 - most), min(length - 1, room) + 1):
                low = mantissa * 10 ** (length - 1)
                shapes.append((low, low + 10 ** (length - 1) - 1, after, "."))
    for low, high, after, lead in shapes:
        if ask.marked and not (mark or point or after):
            continue
        broken = side.policy == PLAIN and (point or after > 0)
        least: tuple[int, int] | None = None
        first, last = digit_count(max(low, 1)) - 1, digit_count(max(high, 1)) - 1
        base = -places - after
        spread = digit_count(high - low + 1)
        for exponent in _exponents(
            ask, min(near, far), max(near, far), first + base, last + base, base + spread, spread
        ):
            found = ask.first(low, high, exponent - places - after, broken)
            if found is not None and (least is None or (found, abs(exponent)) < least):
                least = found, abs(exponent)
                if found == low:
                    break
        if least is None:
            continue
        value, exponent = least
        if reading.whole is None:
            width = length - len(lead) if lead != "0" else 0
            if lead:
                body = lead + _padded(value, width)
            else:
                digits = _padded(value, length - (1 if after else 0))
                body = (
                    digits[: len(digits) - after] + "." + digits[len(digits) - after :] if after else digits
                )
        else:
            width = length - (1 if lead else 0)
            digits = _padded(value - low, width)
            body = digits[: width - after] + "." + digits[width - after :] if lead else digits
        yield body + (mark + str(abs(exponent)) if mark else "")

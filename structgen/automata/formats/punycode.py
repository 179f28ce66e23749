"""Punycode (RFC 3492) read digit by digit, and the rules of IDNA 2008 for one decoded label; compiled.

`least_digits` returns how many more digits complete an A-label. It tries them, because a delta depends on all
characters before it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np

from structgen.automata.unicode.charsets import Ranges
from structgen.automata.unicode.properties import unicode_property
from structgen.automata.unicode.range_tables import read_ranges, read_table
from structgen.native.jit import entry, jit

TO_RIGHT, TO_LEFT, PLAIN = 1, 2, 4
"""Kinds of labels (RFC 5893, section 2). TO_RIGHT: no right-to-left character, the Bidi rule holds. TO_LEFT:
some, and the rule holds. PLAIN: none, and the rule is broken; no name with a right-to-left label may hold
one."""

# The properties of a code point, in one integer.
_ALLOWED, _MARK, _GREEK, _HEBREW, _KANA_HAN, _SECOND = 1, 2, 4, 8, 16, 32
_BIDI_AT, _JOINING_AT, _CLASS_AT = 8, 12, 16
_NEUTRAL, _L, _R, _AN, _EN, _NSM = range(6)
_JOINS_LEFT, _JOINS_RIGHT, _JOINS_BOTH, _CLEAR = 1, 2, 3, 4
_VIRAMA = 9
_WORDS = 8
"""Words of a decoder state: n, i, i before this delta, weight, k, bias, length, is it the first delta?"""
_ROOM = 64
_DEEPEST = 8


@functools.lru_cache(maxsize=1)
def code_points() -> tuple[Any, Any]:
    """Return the properties of each code point up to the last that a label may hold, and the pairs that
    compose, sorted, as first << 21 | second. 1 MB; some 10 ms, once.
    """
    table = {name: read_ranges(written) for name, written in read_table("idna_table.txt").items()}
    props = np.zeros(1 + max(high for _, high in table["PVALID"]), np.int32)

    def put(ranges: Iterable[tuple[int, int]], bits: int) -> None:
        for low, high in ranges:
            props[low : high + 1] |= bits

    put(table["PVALID"] + table["CONTEXT"], _ALLOWED)
    put(table["mark"], _MARK)
    scripts: tuple[tuple[str, int], ...] = (("Greek", _GREEK), ("Hebrew", _HEBREW))
    scripts += (("Hiragana", _KANA_HAN), ("Katakana", _KANA_HAN), ("Han", _KANA_HAN))
    for name, bits in scripts:
        put(unicode_property(f"Script={name}"), bits)
    for name, kind in (("L", _L), ("R", _R), ("AL", _R), ("AN", _AN), ("EN", _EN), ("NSM", _NSM)):
        put(table[f"bidi {name}"], kind << _BIDI_AT)
    joining = (("L", _JOINS_LEFT), ("R", _JOINS_RIGHT), ("D", _JOINS_BOTH), ("T", _CLEAR))
    for name, kind in joining:
        put(table[f"joining {name}"], kind << _JOINING_AT)
    pairs: list[int] = []
    for name, ranges in table.items():
        what, _, number = name.partition(" ")
        if what == "ccc":
            put(ranges, int(number) << _CLASS_AT)
        elif what == "composes":
            second = int(number, 16)
            put(((second, second),), _SECOND)
            pairs += [first << 21 | second for first in _each(ranges)]
    return props, np.array(sorted(pairs), np.int64)


def _each(ranges: Ranges) -> Iterable[int]:
    for low, high in ranges:
        yield from range(low, high + 1)


@jit
def _composes(pairs, first, second):  # type: ignore[no-untyped-def]
    wanted = first << 21 | second
    low, high = 0, len(pairs)
    while low < high:
        middle = (low + high) // 2
        if pairs[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low < len(pairs) and pairs[low] == wanted


@jit
def _normal(out, length, props, pairs):  # type: ignore[no-untyped-def]
    """Return whether a text of code points that are each in normal form C is in normal form C."""
    starter, last = -1, 0
    for at in range(length):
        what = props[out[at]]
        number = what >> _CLASS_AT
        if number != 0 and last > number:
            return False
        # nothing of its class, or of none, stands between
        adjacent = starter == at - 1 if last == 0 else number != 0 and last < number
        if what & _SECOND and starter >= 0 and adjacent and _composes(pairs, out[starter], out[at]):
            return False
        if number == 0:
            starter = at
        last = number
    return True


@jit
def _joins(out, length, at, props):  # type: ignore[no-untyped-def]
    """Return whether RFC 5892 appendix A.1 allows U+200C at a place."""
    if at == 0:
        return False
    if props[out[at - 1]] >> _CLASS_AT == _VIRAMA:
        return True
    before = at - 1
    while before >= 0 and (props[out[before]] >> _JOINING_AT) & 7 == _CLEAR:
        before -= 1
    after = at + 1
    while after < length and (props[out[after]] >> _JOINING_AT) & 7 == _CLEAR:
        after += 1
    if before < 0 or after >= length:
        return False
    left, right = (props[out[before]] >> _JOINING_AT) & 7, (props[out[after]] >> _JOINING_AT) & 7
    return left in (_JOINS_LEFT, _JOINS_BOTH) and right in (_JOINS_RIGHT, _JOINS_BOTH)


@jit
def _in_context(out, length, props):  # type: ignore[no-untyped-def]
    """Return whether the rules of RFC 5892 appendix A hold."""
    dot, letters, arabic, extended = False, False, False, False
    for at in range(length):
        point = out[at]
        before = out[at - 1] if at > 0 else np.int64(0)
        after = out[at + 1] if at + 1 < length else np.int64(0)
        if point == 0x200C:
            if not _joins(out, length, at, props):
                return False
        elif point == 0x200D:
            if props[before] >> _CLASS_AT != _VIRAMA:
                return False
        elif point == 0xB7:
            if before != 108 or after != 108:
                return False
        elif point == 0x375:
            if props[after] & _GREEK == 0:
                return False
        elif point == 0x5F3 or point == 0x5F4:
            if props[before] & _HEBREW == 0:
                return False
        elif point == 0x30FB:
            dot = True
        elif 0x660 <= point <= 0x669:
            arabic = True
        elif 0x6F0 <= point <= 0x6F9:
            extended = True
        if props[point] & _KANA_HAN and point != 0x30FB:
            letters = True
    return not (arabic and extended) and (letters or not dot)


@jit
def _direction(out, length, props):  # type: ignore[no-untyped-def]
    """Return the kind of a label; 0 if it has right-to-left characters and breaks the Bidi rule (RFC 5893,
    section 2)."""
    seen = 0
    end = _NSM
    for at in range(length):
        kind = (props[out[at]] >> _BIDI_AT) & 7
        seen |= 1 << kind
        if kind != _NSM:
            end = kind
    first = (props[out[0]] >> _BIDI_AT) & 7
    if seen & (1 << _R | 1 << _AN) == 0:
        return TO_RIGHT if first == _L and end in (_L, _EN) else PLAIN
    if first != _R or seen & (1 << _L) or (seen & (1 << _EN) and seen & (1 << _AN)):
        return 0
    return TO_LEFT if end in (_R, _EN, _AN) else 0


@jit
def label_kind(out, length, props, pairs):  # type: ignore[no-untyped-def]
    """Return the kind of the label out[:length], 0 if it is no label of IDNA 2008.

    RFC 5891 section 4.2: hyphens, no leading mark, the rules of RFC 5892, normal form C, direction. The code
    points are allowed by RFC 5892 already.
    """
    if length == 0 or out[0] == 45 or out[length - 1] == 45:
        return 0
    if length >= 4 and out[2] == 45 and out[3] == 45:
        return 0
    if props[out[0]] & _MARK or not _in_context(out, length, props) or not _normal(out, length, props, pairs):
        return 0
    return _direction(out, length, props)


@jit
def _clash(out, length, kinds, props):  # type: ignore[no-untyped-def]
    """Return whether no label that holds these code points is of one of the kinds."""
    seen = 0
    for at in range(length):
        seen |= 1 << ((props[out[at]] >> _BIDI_AT) & 7)
    if seen & (1 << _R | 1 << _AN) == 0:
        return False
    return kinds & TO_LEFT == 0 or seen & (1 << _L) != 0 or (seen & (1 << _AN) and seen & (1 << _EN))


@jit
def _take(states, outs, at, digit, kinds, props):  # type: ignore[no-untyped-def]
    """Read one digit (RFC 3492, section 6.2): write the state after state `at` to `at` + 1; return whether
    there is one."""
    to = at + 1
    for word in range(_WORDS):
        states[to, word] = states[at, word]
    length = states[at, 6]
    for index in range(length):
        outs[to, index] = outs[at, index]
    n, weight, k, bias = states[at, 0], states[at, 3], states[at, 4], states[at, 5]
    i = states[at, 1] + digit * weight
    if i >= (len(props) - n) * (length + 1):
        return False
    threshold = min(max(k - bias, 1), 26)
    if digit >= threshold:
        states[to, 1] = i
        states[to, 3] = weight * (36 - threshold)
        states[to, 4] = k + 36
        return True
    if length + 1 >= _ROOM:
        return False
    delta = i - states[at, 2]
    delta = delta // 700 if states[at, 7] else delta // 2
    delta += delta // (length + 1)
    k = 0
    while delta > 455:
        delta //= 35
        k += 36
    states[to, 5] = k + 36 * delta // (delta + 38)
    n += i // (length + 1)
    i %= length + 1
    if props[n] & _ALLOWED == 0:
        return False
    for index in range(length, i, -1):
        outs[to, index] = outs[at, index - 1]
    outs[to, i] = n
    if _clash(outs[to], length + 1, kinds, props):
        return False
    states[to, 0] = n
    states[to, 1] = i + 1
    states[to, 2] = i + 1
    states[to, 3] = 1
    states[to, 4] = 36
    states[to, 6] = length + 1
    states[to, 7] = 0
    return True


@jit
def _begin(text, length, kinds, states, outs, props):  # type: ignore[no-untyped-def]
    """Decode text[:length] into state 0; return whether it is a prefix of a label."""
    dash = length - 1
    while dash >= 0 and text[dash] != 45:
        dash -= 1
    basic = max(dash, 0)
    for word in range(_WORDS):
        states[0, word] = 0
    states[0, 0], states[0, 3], states[0, 4], states[0, 5] = 128, 1, 36, 72
    states[0, 6], states[0, 7] = basic, 1
    for index in range(basic):
        outs[0, index] = text[index]
    if dash == 0:
        return False  # with nothing before it a hyphen is no delimiter, and no digit
    for index in range(dash + 1, length):
        char = text[index]
        if not _take(states, outs, 0, char - 97 if char >= 97 else char - 22, kinds, props):
            return False
        for word in range(_WORDS):
            states[0, word] = states[1, word]
        for place in range(states[1, 6]):
            outs[0, place] = outs[1, place]
    return True


@jit
def _is_label(states, outs, at, kinds, props, pairs):  # type: ignore[no-untyped-def]
    """Return whether a delta ends here and the decoded text is a label of one of the kinds."""
    if states[at, 7] or states[at, 3] != 1 or states[at, 4] != 36:
        return False
    return label_kind(outs[at], states[at, 6], props, pairs) & kinds != 0


@entry("int64(int64[::1], int64, int64, int64, int32[::1], int64[::1])")
def least_digits(text, length, most, kinds, props, pairs):  # type: ignore[no-untyped-def]
    """Return the least number of digits, up to `most`, that complete `xn--` + text[:length] (digits, small
    letters, hyphens) to an A-label of one of the kinds; -1 if none do.

    Cost: 36**most decoded digits at worst, some 50 ns each.
    """
    states = np.empty((_DEEPEST + 2, _WORDS), np.int64)
    outs = np.empty((_DEEPEST + 2, _ROOM), np.int64)
    if not _begin(text, length, kinds, states, outs, props):
        return np.int64(-1)
    if _is_label(states, outs, 0, kinds, props, pairs):
        return np.int64(0)
    tried = np.zeros(_DEEPEST + 2, np.int64)
    for depth in range(1, most + 1):
        at = 0
        tried[0] = 0
        while at >= 0:
            digit = tried[at]
            if digit == 36:
                at -= 1
                continue
            tried[at] = digit + 1
            if not _take(states, outs, at, digit, kinds, props):
                continue
            if at + 1 == depth:
                if _is_label(states, outs, depth, kinds, props, pairs):
                    return np.int64(depth)
                continue
            at += 1
            tried[at] = 0
    return np.int64(-1)

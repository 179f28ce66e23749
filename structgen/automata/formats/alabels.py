"""Host names in ASCII, with A-labels: `xn--` and the Punycode of a label that IDNA 2008 accepts.

RFC 5890 section 2.3.2.1, RFC 5891 sections 4 and 5.3 (letters in either case), RFC 5893. The code points
that Punycode digits insert depend on all characters before them, so the states of an A-label are the texts
themselves: an implicit automaton. It is exact, because the distance from every text to the nearest end is
known.

A text t behind `xn--` can go on in two ways. If t is a basic string, a hyphen and digits, more digits may
complete it; they are tried (`punycode.least_digits`). Or a hyphen makes a basic string of all of t. Then
code points must be inserted: at least one, and one more for each hyphen at the start, at the end, or at the
third and fourth place. The first insertion takes three digits, because U+00B7, the first code point beyond
ASCII, is 55 * (length + 1) > 35 steps away. Each further one takes one digit, because U+00DF at the end and
U+00E0, one step further, give labels. So 3 + insertions characters lead from t to an end, and six lead from
any t.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np

from structgen.automata.formats.punycode import PLAIN, TO_LEFT, TO_RIGHT, code_points, least_digits
from structgen.automata.programs.instructions import CHAR, EOL, IMPLICIT, MATCH, SPLIT, Program
from structgen.automata.programs.thompson_construction import ProgramBuilder
from structgen.automata.unicode.charsets import Ranges, complement, union

HOST_LABELS = "hostname labels"
"""The name of a part of `hostname` in `format_meaning`."""

MOST_DIGITS = 59
"""Characters of an A-label behind `xn--`: a label has 63 octets (RFC 1034, section 3.1)."""

_FEWEST = 3  # digits of a first insertion
_FARTHEST = 6  # characters from a text to an end, where there is room
_WRITTEN = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # as bytes are ordered; small letters come last


@functools.lru_cache(maxsize=4096)
def _insertions(start: str, last: str, to_right: bool) -> int:
    """Return how many code points must be inserted into a basic string to make it a label.

    `start`: its first four characters; `last`: its last character, if it is longer. `to_right`: the label
    must begin with a letter (RFC 5893, section 2, rule 1).
    """
    text = start + last
    places = [*range(min(len(start), 3) + 1), len(text)]
    for count in range(1, 4):
        for chosen in itertools.combinations_with_replacement(places, count):
            label = text
            for place in sorted(chosen, reverse=True):
                label = label[:place] + "\u00df" + label[place:]
            if label[0] == "-" or label[-1] == "-" or label[2:4] == "--":
                continue
            if not (to_right and label[0].isdecimal()):
                return count
    raise AssertionError(text)


@dataclass(frozen=True, slots=True)
class ALabels:
    """The texts behind `xn--` in A-labels of some kinds (such as `punycode.TO_RIGHT`), in small letters."""

    kinds: int

    def start(self) -> str:
        """Return the state before the first character: nothing is written."""
        return ""

    def step(self, state: str, char: str) -> tuple[str, int] | None:
        """Return the state after a character and its distance to the nearest end; None if no A-label has that
        prefix. Cost: some 5 us; milliseconds if no digits lead to an end."""
        if len(state) >= MOST_DIGITS:
            return None
        text = state + char.lower()
        least = self.least(text)
        return None if least < 0 else (text, least)

    def least(self, state: str) -> int:
        """Return the distance to the nearest end, -1 if there is none."""
        return self._least(state, MOST_DIGITS - len(state))

    def rest(self, state: str) -> str:
        """Return the shortest, then smallest text to an end."""
        rest = ""
        for left in range(self.least(state), 0, -1):
            rest += next(
                char for char in _WRITTEN if self._least((state + rest + char).lower(), left - 1) == left - 1
            )
        return rest

    def safe(self, state: str) -> int:
        """Return how many characters may follow, whichever they are."""
        return max(MOST_DIGITS - len(state) - _FARTHEST, 0)

    def _least(self, text: str, room: int) -> int:
        """Return the distance from `text` to the nearest end, -1 if it is more than `room`."""
        best = room + 1
        if text:
            best = min(best, _FEWEST + self._inserted(text))
            if text[-1] == "-" and len(text) > 1:
                best = min(best, _FEWEST - 1 + self._inserted(text[:-1]))
                return best if best <= room else -1
        props, pairs = code_points()
        written = np.array([ord(char) for char in text] or [0], np.int64)
        found = int(least_digits(written, len(text), best - 1, self.kinds, props, pairs))
        if found >= 0:
            return found
        return best if best <= room else -1

    def _inserted(self, text: str) -> int:
        return _insertions(text[:4], text[4:][-1:], not self.kinds & PLAIN)


_EDGE = ((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A))
_HYPHEN, _DOT = ((0x2D, 0x2D),), ((0x2E, 0x2E),)
_X, _N = ((0x58, 0x58), (0x78, 0x78)), ((0x4E, 0x4E), (0x6E, 0x6E))
_NOT_X = complement(union((*complement(_EDGE), *_X)))
_LETTER_NOT_X = complement(union((*complement(_NOT_X), (0x30, 0x39))))
_NOT_N = complement(union((*complement(_EDGE), *_N)))
_LABEL = 63


def _put_label(builder: ProgramBuilder, first: Ranges, after: int, encoded: int | None) -> int:
    """Emit a label of letters, digits and inner hyphens that begins with x or one of `first`; return its
    start.

    `encoded` is the instruction behind `xn--`; None: no such label. The label is emitted place by place, so
    that labels with x join the others early.
    """
    edge, hyphen = builder.set(_EDGE), builder.set(_HYPHEN)
    behind_edge = {_LABEL: after}  # by characters read
    behind_hyphen: dict[int, int] = {}
    for place in range(_LABEL - 1, 0, -1):
        more = builder.put(CHAR, edge, behind_edge[place + 1])
        if place + 1 in behind_hyphen:
            more = builder.put(SPLIT, more, builder.put(CHAR, hyphen, behind_hyphen[place + 1]))
        if place > 1:
            behind_hyphen[place] = more
        behind_edge[place] = builder.put(SPLIT, after, more)
    third = builder.put(CHAR, edge, behind_edge[4])
    if encoded is not None:
        third = builder.put(SPLIT, third, builder.put(CHAR, hyphen, encoded))
    second = builder.put(SPLIT, builder.put(CHAR, edge, behind_edge[3]), builder.put(CHAR, hyphen, third))
    second = builder.put(SPLIT, after, second)
    begun = builder.put(SPLIT, builder.put(CHAR, builder.set(_N), second), after)
    begun = builder.put(SPLIT, begun, builder.put(CHAR, builder.set(_NOT_N), behind_edge[2]))
    begun = builder.put(SPLIT, begun, builder.put(CHAR, hyphen, behind_hyphen[2]))
    return builder.put(
        SPLIT,
        builder.put(CHAR, builder.set(_X), begun),
        builder.put(CHAR, builder.set(first), behind_edge[1]),
    )


@functools.lru_cache(maxsize=2)
def host_name(a_labels: bool) -> Program:
    """Return the program of host names of any length, with A-labels or without.

    With A-labels there are two alternatives: no label is right-to-left, or all labels keep the Bidi rule (RFC
    5893, section 2).
    """
    builder = ProgramBuilder()
    end = builder.put(EOL, builder.put(MATCH))
    starts = []
    ways = ((ALabels(TO_RIGHT | PLAIN), _NOT_X), (ALabels(TO_RIGHT | TO_LEFT), _LETTER_NOT_X))
    for index, (stepper, first) in enumerate(ways if a_labels else ways[:1]):
        after = builder.put(SPLIT)
        encoded = None
        if a_labels:
            encoded = builder.put(IMPLICIT, index, after, _FEWEST, stepper.safe(""))
        label = _put_label(builder, first, after, encoded)
        builder.code[after] = (SPLIT, end, builder.put(CHAR, builder.set(_DOT), label), 0, 0, 0)
        starts.append(label)
    start = builder.put(SPLIT, *starts) if a_labels else starts[0]
    steppers = tuple(stepper for stepper, _ in ways) if a_labels else ()
    return Program(
        tuple(builder.code), tuple(builder.sets), start, tuple(builder.outer), True, steppers=steppers
    )

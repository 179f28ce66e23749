"""Host names in ASCII, with A-labels: `xn--` and the Punycode of a label that IDNA 2008 accepts.

RFC 5890 section 2.3.2.1, RFC 5891 sections 4 and 5.3 (letters in either case), RFC 5893. The code points
that Punycode digits insert depend on all characters before them, so the states of an A-label are the texts
themselves: an implicit automaton. The package `idna` judges whether a text is an end.

Every text behind `xn--` has an end that is known without a search: a hyphen makes a basic string of all that
is written, and a few digits insert letters that make it a label (`ALabels._digits`). At least one letter is
inserted, and one more for each hyphen at the start, at the end, or at the third and fourth place. The first
takes three digits, because U+00DF is 95 * (length + 1) > 35 steps away; each further one takes one, because
U+00DF at the end and U+00E0, one step further, give labels. So five characters lead from any text to an end:
three letters are inserted only if the last character is a hyphen, which then is the one that is written.

A text lives where this end has room. So an A-label of up to 59 octets is always accepted; a longer one only
if each of its beginnings is an A-label itself, or has room for the end that is known.
"""

from __future__ import annotations

import functools
import itertools
import unicodedata
from dataclasses import dataclass

from structgen.automata.programs.determinizer_tables import MOST_TO_END
from structgen.automata.programs.instructions import CHAR, EOL, IMPLICIT, MATCH, SPLIT, Program
from structgen.automata.programs.thompson_construction import ProgramBuilder
from structgen.automata.unicode.charsets import Ranges, complement, union

HOST_LABELS = "hostname labels"
"""The name of a part of `hostname` in `format_meaning`."""

LABEL_OCTETS = 63
"""The most octets of a label (RFC 1034, section 3.1)."""
MOST_CHARS = LABEL_OCTETS - len("xn--")
"""Characters of an A-label behind `xn--`."""


@dataclass(frozen=True, slots=True)
class ALabels:
    """The texts behind `xn--` in A-labels, in small letters: those without right-to-left characters, or
    (`bidi`) those that keep the Bidi rule of names with such characters (RFC 5893, section 2)."""

    bidi: bool

    def step(self, state: str, char: str) -> str | None:
        """Return the state after a character; None if the end that is known has no room behind it."""
        text = state + char.lower()
        return text if len(text) + len(self.rest(text)) <= MOST_CHARS else None

    def rest(self, state: str) -> str:
        """Return the text to the end that is known; empty at an end. Cost: some 30 us."""
        if self.is_end(state):
            return ""
        basic, hyphen, digits = state.rpartition("-")
        if basic or not hyphen:
            known = _digits(self, basic)
            if known.startswith(digits):
                return known[len(digits) :]
        return "-" + _digits(self, state)

    def safe(self, state: str) -> int:
        """Return how many characters may follow, whichever they are."""
        return max(MOST_CHARS - len(state) - MOST_TO_END, 0)

    def is_end(self, state: str) -> bool:
        """Return whether a text is the Punycode of a label of this kind."""
        import idna  # start-up: some 20 ms

        try:
            label = state.encode().decode("punycode")
            if label.isascii() or label.encode("punycode").decode() != state:
                return False
            idna.check_label(label)
            if self.bidi:
                return idna.check_bidi(label, check_ltr=True)
        except UnicodeError:  # IDNAError is one
            return False
        return not any(unicodedata.bidirectional(char) in ("R", "AL", "AN") for char in label)


@functools.lru_cache(maxsize=4096)
def _digits(labels: ALabels, basic: str) -> str:
    """Return the fewest Punycode digits that insert U+00DF and U+00E0 into a basic string so that it becomes
    a label."""
    end = len(basic)
    places = sorted({*range(min(end, 3) + 1), end}, reverse=True)
    for count in range(1, 4):
        for chosen in itertools.combinations_with_replacement(places, count):
            label = basic
            for place in chosen:
                letter = "\u00df" if place == end or end not in chosen else "\u00e0"
                label = label[:place] + letter + label[place:]
            text = label.encode("punycode").decode()
            if labels.is_end(text):
                return text[end + 1 :] if basic else text
    raise AssertionError(basic)


_EDGE = ((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A))
_HYPHEN, _DOT = ((0x2D, 0x2D),), ((0x2E, 0x2E),)
_X, _N = ((0x58, 0x58), (0x78, 0x78)), ((0x4E, 0x4E), (0x6E, 0x6E))
_NOT_X = complement(union((*complement(_EDGE), *_X)))
_LETTER_NOT_X = complement(union((*complement(_NOT_X), (0x30, 0x39))))
_NOT_N = complement(union((*complement(_EDGE), *_N)))


def _put_label(builder: ProgramBuilder, first: Ranges, after: int, encoded: int | None) -> int:
    """Emit a label of letters, digits and inner hyphens that begins with x or one of `first`; return its
    start.

    `encoded` is the instruction behind `xn--`; None: no such label. The label is emitted place by place, so
    that labels with x join the others early.
    """
    edge, hyphen = builder.set(_EDGE), builder.set(_HYPHEN)
    behind_edge = {LABEL_OCTETS: after}  # by characters read
    behind_hyphen: dict[int, int] = {}
    for place in range(LABEL_OCTETS - 1, 0, -1):
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
    ways = ((ALabels(bidi=False), _NOT_X), (ALabels(bidi=True), _LETTER_NOT_X))
    for index, (stepper, first) in enumerate(ways if a_labels else ways[:1]):
        after = builder.put(SPLIT)
        encoded = None
        if a_labels:
            encoded = builder.put(IMPLICIT, index, after, len(stepper.rest("")), stepper.safe(""))
        label = _put_label(builder, first, after, encoded)
        builder.code[after] = (SPLIT, end, builder.put(CHAR, builder.set(_DOT), label), 0, 0, 0)
        starts.append(label)
    start = builder.put(SPLIT, *starts) if a_labels else starts[0]
    steppers = tuple(stepper for stepper, _ in ways) if a_labels else ()
    return Program(
        tuple(builder.code), tuple(builder.sets), start, tuple(builder.outer), True, steppers=steppers
    )

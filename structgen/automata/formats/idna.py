"""Host names of IDNA 2008 (RFC 5890 to 5893) as formulas over strings.

The rules of a label concern the neighbours of a character and the other characters of the label. They are
regular, and written here as patterns of the labels that break them. The length of a label is that of its
A-label, which Punycode makes of the whole label; no small automaton measures it. So labels that might be too
long are left out (`_fits`), except those of `_long_letters`, which are measured letter by letter. Names with
A-labels (`xn--`) are left out too.
"""

from __future__ import annotations

import functools
from typing import Literal, TypeAlias, Union

from structgen.automata.formats.alabels import LABEL_OCTETS
from structgen.automata.formats.mailbox import either, local_part
from structgen.automata.programs.instructions import CHAR, EOL, LETTERS, MATCH, SPLIT, Program
from structgen.automata.programs.thompson_construction import ProgramBuilder
from structgen.automata.regex.ecma_syntax import parse
from structgen.automata.unicode.charsets import LAST, Ranges, complement, union
from structgen.automata.unicode.properties import unicode_property
from structgen.automata.unicode.range_tables import read_ranges, read_table
from structgen.language.ir import All, Any_, Format, Formula, Length, Not, Pattern

NAME_LENGTHS, MAIL_LENGTHS = "idn-hostname lengths", "idn-email lengths"
SHORT_LENGTHS = "idn-hostname short lengths"
LOCAL_LENGTHS = "idn-email local lengths"
"""Names of parts of formats in `format_meaning`."""

Beside: TypeAlias = Union["Ranges", Literal["label"], None]
"""The neighbour of a rule's body: the end of a label, no character of a set, or anything."""

_FREQUENT = (7, 9, 220, 230)  # combining classes: nukta, virama, below, above
_LOCAL = r'(?:[^"@]+|"(?:[^"\\]|\\.)*")'
_DOTS = ".\u3002\uff0e\uff61"  # RFC 3490 section 3.1
_LDH = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ASCII: Ranges = ((0x2D, 0x2D), (0x30, 0x39), (0x61, 0x7A))
_TIERS = (0x700, 0xA000, LAST + 1)
"""A label is measured by the first of these that is above all its characters, as if they could be any
below."""


_LONG = ((0xDF, 0x17F), (0x3AC, 0x3CE), (0x430, 0x45F), (0x561, 0x586))
"""The small letters of Latin beyond ASCII, Greek, Cyrillic and Armenian: two bytes of UTF-8 each."""


@functools.lru_cache(maxsize=1)
def _table() -> dict[str, Ranges]:
    return {name: read_ranges(written) for name, written in read_table("idna_table.txt").items()}


def _set(*ranges: Ranges, negated: bool = False) -> str:
    """Return a character class."""
    inside = "".join(f"\\u{{{low:x}}}-\\u{{{high:x}}}" for low, high in _joined(*ranges))
    return f"[{'^' if negated else ''}{inside}]"


def _joined(*ranges: Ranges) -> Ranges:
    return union(pair for part in ranges for pair in part)


def _chars(text: str) -> Ranges:
    return union((ord(char), ord(char)) for char in text)


def _without(ranges: Ranges, others: Ranges) -> Ranges:
    return complement(_joined(complement(ranges), others))


class _Rules:
    """Patterns of broken rules, in a host name or in the domain of a mailbox."""

    def __init__(self, *, mail: bool) -> None:
        self.mail = mail
        self.dots = _chars("." if mail else _DOTS)
        self.inside = _set(self.dots, _chars("@") if mail else (), negated=True)
        """A character of a label."""
        self.broken: list[str] = []

    def no(self, left: Beside, body: str, right: Beside = None) -> None:
        """Forbid `body` between two neighbours."""
        dot = _set(self.dots)
        # In a mailbox, the text before a label begins with the local part and its @.
        start, any_ = (f"^{_LOCAL}@", "[^]*") if self.mail else ("^", "")
        if left is None:
            before = f"{start}[^]*" if self.mail else ""
        else:
            last = dot if isinstance(left, str) else _set(left, negated=True)
            before = f"{start}(?:{any_}{last})?" if self.mail else f"(?:^|{last})"
        after = (
            "" if right is None else f"(?:$|{dot if isinstance(right, str) else _set(right, negated=True)})"
        )
        self.broken.append(f"{before}{body}{after}")

    def kept(self) -> Formula:
        return Not(Pattern("|".join(self.broken)))

    def labels(self) -> None:
        """Add the rules of RFC 5891 section 4.2.3 and RFC 5892 appendix A."""
        table = _table()
        virama, clear = table["ccc 9"], table["joining T"]
        to_left, to_right = (
            _joined(table["joining L"], table["joining D"]),
            table["joining R"] + table["joining D"],
        )
        plain = _without(clear, virama)
        self.no("label", "-")
        self.no(None, "-", "label")
        self.no("label", f"{self.inside}{{2}}--")
        self.no("label", _set(table["mark"]))
        # U+200C stands behind a virama, or between letters that join over it (A.1); U+200D behind a virama
        # (A.2).
        self.no(_joined(to_left, clear, virama), "\u200c")
        self.no(_joined(to_left, clear), f"{_set(clear)}*{_set(plain)}\u200c")
        self.no(virama, f"\u200c{_set(clear)}*", _joined(clear, to_right))
        self.no(virama, "\u200d")
        self.no(_chars("l"), "\u00b7")  # A.3
        self.no(None, "\u00b7", _chars("l"))
        self.no(None, "\u0375", unicode_property("Script=Greek"))  # A.4
        self.no(unicode_property("Script=Hebrew"), "[\u05f3\u05f4]")  # A.5, A.6
        scripts = [unicode_property(f"Script={name}") for name in ("Hiragana", "Katakana", "Han")]
        other = _set(self.dots, *scripts, _chars("@"), negated=True)
        self.no("label", f"{other}*\u30fb{other}*", "label")  # A.7
        self.no(None, f"[\u0660-\u0669]{self.inside}*[\u06f0-\u06f9]")  # A.8, A.9
        self.no(None, f"[\u06f0-\u06f9]{self.inside}*[\u0660-\u0669]")

    def normal_form(self) -> None:
        """Forbid labels outside normal form C: marks out of order, and marks that would compose.

        A little more is forbidden, so that few character classes are needed: two marks in a row, except the
        frequent ones in their order; and a mark that composes with some letter, behind any letter that
        composes with some mark.
        """
        table = _table()
        classes = {int(name[4:]): ranges for name, ranges in table.items() if name.startswith("ccc ")}
        marks = _joined(*classes.values())
        for index, number in enumerate(_FREQUENT):
            later = _joined(classes[number], *(classes[more] for more in _FREQUENT[index + 1 :]))
            self.no(None, _set(classes[number]) + _set(_without(marks, later)))
        rare = _without(marks, _joined(*(classes[number] for number in _FREQUENT)))
        self.no(None, _set(rare) + _set(marks))
        composed = {
            int(name.split(" ")[1], 16): table[name] for name in table if name.startswith("composes ")
        }
        seconds = union((second, second) for second in composed)
        self.no(None, f"{_set(*composed.values())}{_set(marks)}*{_set(seconds)}")

    def direction(self) -> Formula:
        """Return RFC 5893 section 2: if a label of a name is right-to-left, all labels keep the Bidi rule."""
        table = _table()
        right = _joined(table["bidi R"], table["bidi AL"])
        arabic, european = table["bidi AN"], table["bidi EN"]
        left = _joined(table["bidi L"], ((0x41, 0x5A),))
        kinds = ("ES", "CS", "ET", "ON", "BN")
        other = _joined(*(table[f"bidi {kind}"] for kind in kinds if f"bidi {kind}" in table))
        # The katakana dot needs letters that no right-to-left label holds.
        beside_right = _without(other, _chars("\u30fb"))
        marks = table["bidi NSM"]

        def of(other: Ranges, first: Ranges, *numbers: Ranges) -> str:
            ends = _set(first, *numbers)
            return f"{_set(first)}(?:{_set(first, *numbers, other, marks)}*{ends})?{_set(marks)}*"

        to_right = (of(beside_right, right, numbers) for numbers in (european, arabic))
        labels = "|".join((of(other, left, european), *to_right))
        any_right = f"{_set(right, arabic)}"
        start = f"^{_LOCAL}@" if self.mail else "^"
        only_left = Pattern(f"{start}[^]*{any_right}" if self.mail else any_right)
        return Any_((Not(only_left), Pattern(f"{start}(?:{labels})(?:{_set(self.dots)}(?:{labels}))*$")))


def _long_letters() -> tuple[Ranges, ...]:
    """Return, script by script, the letters of labels that are measured letter by letter: no rule concerns
    them, so every text of them is a label if it is short enough."""
    table = _table()
    free = _without(table["PVALID"], _joined(complement(table["bidi L"]), table["mark"]))
    return tuple(_without(free, complement((pair,))) for pair in _LONG)


def _letters() -> Ranges:
    return _joined(_table()["PVALID"], _table()["CONTEXT"])


def label() -> str:
    """Return the pattern of a label without the rules: ASCII in either case, or code points that IDNA
    allows."""
    return f"(?:{_LDH}|{_set(_letters())}+)"


def host_name(*, long: bool) -> Formula:
    """Return the formula of `idn-hostname`: labels between any of the four dots of RFC 3490.

    `long`: with labels that are measured letter by letter, whose automaton has a state for each text.
    """
    rules = _Rules(mail=False)
    rules.labels()
    rules.normal_form()
    dot, part = _set(_chars(_DOTS)), label()
    return All(
        (
            Pattern(f"^{part}(?:{dot}{part})*$"),
            rules.kept(),
            rules.direction(),
            Format(NAME_LENGTHS if long else SHORT_LENGTHS),
            _few_labels(),
            Length(1, 253),
        )
    )


def _few_labels() -> Formula:
    """Return a pattern that keeps a non-ASCII name within 253 octets: three labels of 63, and four of 14."""
    dot, short, any_ = _set(_chars(_DOTS)), "[A-Za-z0-9-]{1,14}", f"{_set(_chars(_DOTS), negated=True)}+"
    some = f"(?:{short}{dot}){{0,2}}{any_}(?:{dot}{any_}){{0,2}}(?:{dot}{short}){{0,2}}"
    return Pattern(f"^(?:[\\0-\\x7F]*|{some})$")


def mail_domain() -> Formula:
    """Return the conditions of `idn-email` on the domain, beside the grammar of a mailbox.

    RFC 6531 section 3.3 requires U-labels. JSON Schema's suite has a valid domain that is not in normal form
    C, so that rule of U-labels is left out.
    """
    rules = _Rules(mail=True)
    rules.labels()
    return All((rules.kept(), rules.direction(), Format(MAIL_LENGTHS)))


# Supersets of the formats, which are denied where a format is denied.


def _new_letters() -> Ranges:
    """Return the code points that Unicode has not assigned: a later version may allow them."""
    return _table()["new"]


def label_bound() -> str:
    """Return a pattern that every label matches, without the rules."""
    return f"(?:{_LDH}|{_set(_letters(), _new_letters())}{{1,63}})"


def host_name_bound() -> Formula:
    """Return a formula that every international host name meets.

    Rules apply to names without A-labels and without unassigned code points alone.
    """
    rules = _Rules(mail=False)
    rules.labels()
    dot, part = _set(_chars(_DOTS)), label_bound()
    unknown = Pattern(f"(?:^|{dot})[Xx][Nn]--|{_set(_new_letters())}")
    known = All((rules.kept(), rules.direction()))
    return All((Pattern(f"^{part}(?:{dot}{part})*$"), Any_((unknown, known)), Length(1, 253)))


def mail_domain_bound() -> Formula:
    """Return a formula that the domain of every international mailbox meets."""
    rules = _Rules(mail=True)
    rules.labels()
    unknown = Pattern(f"[Xx][Nn]--|{_set(_new_letters())}")
    return All((Any_((unknown, All((rules.kept(), rules.direction())))), Format(LOCAL_LENGTHS)))


# Lengths.


@functools.lru_cache(maxsize=1)
def _least_deltas() -> list[int]:
    """Return, for 1, 2, ... digits, the least delta that Punycode writes with so many digits under any
    bias."""
    least = [1 << 60] * 8
    for bias in range(400):
        below, weight = 0, 1
        for digits in range(8):
            least[digits] = min(least[digits], below)
            threshold = min(max(36 * (digits + 1) - bias, 1), 26)
            below += threshold * weight
            weight *= 36 - threshold
    return least


def _fits(others: int, ascii_: int, end: int) -> bool:
    """Return whether every label of so many non-ASCII and ASCII characters, all below `end`, is short enough.

    Punycode's deltas (RFC 3492, section 6.3) sum to at most one step for each code point and place. They
    have the most digits if the sum is spread evenly.
    """
    least = _least_deltas()
    left = (end - 0x7F) * (others + ascii_)
    digits = others
    for more in range(1, len(least)):
        step = least[more] - least[more - 1]
        taken = min(others, left // step)
        digits += taken
        left -= taken * step
        if taken < others:
            break
    octets = 4 + ascii_ + (ascii_ > 0) + digits
    return octets <= LABEL_OCTETS


def _put_label(builder: ProgramBuilder, after: int, dots: Ranges) -> int:
    """Emit one label, LDH or short enough; return its start."""
    starts = [builder.emit(parse(_LDH), after)]
    ascii_ = builder.set(_ASCII)
    for end in _TIERS:
        others = builder.set(_without(((0x80, end - 1),), dots))
        counts = [(h, b) for h in range(60) for b in range(60) if _fits(h, b, end) or (h == 0 and b < 58)]
        at: dict[tuple[int, int], int] = {}
        for h, b in sorted(counts, reverse=True):
            edges = []
            if (h, b + 1) in at:
                edges.append(builder.put(CHAR, ascii_, at[h, b + 1]))
            if (h + 1, b) in at:
                edges.append(builder.put(CHAR, others, at[h + 1, b]))
            if h:
                edges.append(after)
            if edges:
                at[h, b] = either(builder, edges)
        starts.append(at[0, 0])
    return either(builder, starts)


def _finished(builder: ProgramBuilder, start: int) -> Program:
    return Program(tuple(builder.code), tuple(builder.sets), start, tuple(builder.outer), True)


@functools.lru_cache(maxsize=4)
def lengths(name: str) -> Program:
    """Return the program of NAME_LENGTHS, of SHORT_LENGTHS, of MAIL_LENGTHS or of LOCAL_LENGTHS."""
    builder = ProgramBuilder()
    if name == LOCAL_LENGTHS:
        return _finished(builder, _local(builder, builder.emit(parse("[^@]*$"), builder.put(MATCH))))
    end = builder.put(EOL, builder.put(MATCH))
    dots = _chars("." if name == MAIL_LENGTHS else _DOTS)
    dot = builder.set(dots)
    again = builder.put(SPLIT)
    label = _put_label(builder, again, dots)
    if name == NAME_LENGTHS:
        long = (
            builder.put(LETTERS, builder.set(letters), again, letters[0][0], letters[-1][1])
            for letters in _long_letters()
        )
        label = either(builder, [label, *long])
    builder.code[again] = (SPLIT, end, builder.put(CHAR, dot, label), 0, 0, 0)
    if name != MAIL_LENGTHS:
        return _finished(builder, label)
    literal = builder.emit(parse(r"\[[^@]*\]"), end)
    return _finished(builder, _local(builder, either(builder, [label, literal])))


def _local(builder: ProgramBuilder, after: int) -> int:
    """Emit a local part of at most 64 octets, and its `@`; the pattern of the format restricts its
    characters."""
    return local_part(builder, complement(_chars('"@.')), complement(_chars('"\\')), after)

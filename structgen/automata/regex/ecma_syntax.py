"""Read a regular expression of ECMA-262, the dialect of JSON Schema, into a syntax tree (`syntax_tree`).

The pattern is read with the flag `u` (Unicode). *Annex B* of ECMA-262 is the older, laxer grammar for web
browsers: it accepts some patterns that `u` refuses, such as `\\-`. An *assertion* is a condition on a
position (`^`, `$`, `\\b`, look-arounds). A *frame* is a group that is still open while the pattern is read.
*Ranges* are a set of characters, as pairs (first code point, last code point).
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_right
from dataclasses import dataclass, field

from structgen.automata.regex.python_sets import cased_points
from structgen.automata.regex.syntax_tree import (
    DEPTH,
    EMPTY,
    TEXT_END,
    TEXT_START,
    Alternation,
    CharacterClass,
    LookAround,
    Node,
    Repetition,
    concatenate_nodes,
    make_alternation,
    word_boundary,
)
from structgen.automata.unicode.charsets import (
    ANY,
    DIGIT,
    DOT,
    NOT_DIGIT,
    NOT_SPACE,
    NOT_WORD,
    SPACE,
    WORD,
    Ranges,
    complement,
    union,
)
from structgen.automata.unicode.properties import unicode_property
from structgen.base.errors import RegexError

_LARGEST_COUNT = 1 << 30
"""The largest count of a quantifier; counts are int32 in the automaton."""


@functools.lru_cache(maxsize=4096)
def parse_ecma(source: str, strict: bool = False) -> Node:
    """Return the tree of a pattern, read with the flag `u` of ECMA-262.

    The flags i, m and s can be set in groups only, as in `(?i:...)`. Where the grammar of `u` has a syntax
    error and Annex B has none (an escaped `-`, a literal brace), this place is read by Annex B. With
    `strict` it is an error. Raises `RegexError`, with the position of the fault, also for back-references.
    Cost: O(n).
    """
    return _Parser(source, strict).parse()


def only_legacy(source: str) -> str:
    """Return the fault of a pattern that only Annex B accepts; "" for all other patterns.

    The answer is "" also for a pattern that `parse_ecma` refuses. Cost: O(n).
    """
    strict = ""
    try:
        parse_ecma(source, True)
    except RegexError as error:
        strict = error.what
    if strict:
        try:
            parse_ecma(source)
        except RegexError:
            return ""
    return strict


@dataclass
class _Frame:
    """A group that is still open."""

    kind: str
    """The sign of a look-around (`=`, `!`, `<=`, `<!`), or "" for a plain group."""
    opened_at: int
    """The index of the first character of the group in the pattern."""
    flags: str = ""
    """The flags that are set inside the group, of i, m and s."""
    branches: list[Node] = field(default_factory=list)
    """The finished alternatives."""
    parts: list[Node] = field(default_factory=list)
    """The parts of the present alternative."""

    def make_node(self) -> Node:
        """Return the node of the group, whose last alternative is complete."""
        branches = [*self.branches, concatenate_nodes(*self.parts)]
        classes = [branch.ranges for branch in branches if isinstance(branch, CharacterClass)]
        # Alternatives of one character each are one class: fewer threads, the same texts.
        if 1 < len(classes) == len(branches):
            body: Node = CharacterClass(union(pair for ranges in classes for pair in ranges))
        else:
            body = make_alternation(branches)
        if not self.kind:
            return body
        is_ahead = "<" not in self.kind
        holds = self.kind[-1] == "="
        return LookAround(is_ahead, holds, body)

    def end_branch(self) -> None:
        """Finish the present alternative, and begin the next one."""
        self.branches.append(concatenate_nodes(*self.parts))
        self.parts = []


_CONTROL = {
    "t": 9,
    "n": 10,
    "v": 11,
    "f": 12,
    "r": 13,
}
"""The letter of an escape such as `\\n` -> the code point of its control character."""
_CLASSES = {
    "d": DIGIT,
    "D": NOT_DIGIT,
    "w": WORD,
    "W": NOT_WORD,
    "s": SPACE,
    "S": NOT_SPACE,
}
_MODIFIERS = re.compile(r"\?([ims]*)(?:-([ims]*))?:")
_GROUPS = re.compile(r"\\.|\[(?:[^\]\\]|\\.)*+|(?P<plain>\((?!\?))|(?P<named>\(\?<(?![=!]))", re.DOTALL)
"""Matches capturing groups. It also matches escapes and classes, to skip brackets inside them."""
_LINE_ENDS = CharacterClass(
    (
        (0x0A, 0x0A),
        (0x0D, 0x0D),
        (0x2028, 0x2029),
    )
)
# The arguments of LookAround: does it look ahead (or behind), must it hold (or fail), and its body.
_LINE_START = Alternation((TEXT_START, LookAround(False, True, _LINE_ENDS)))
_LINE_END = Alternation((TEXT_END, LookAround(True, True, _LINE_ENDS)))
_FOLDED_ALIKE = ("\u0390\u1fd3", "\u03b0\u1fe3", "\ufb05\ufb06")
"""Pairs of characters that simple case folding treats as equal since Unicode 15.1."""
_NAME_ESCAPE = re.compile(r"\\u(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{4}))")
_HEX = frozenset("0123456789abcdefABCDEF")
_ASCII = [CharacterClass(((point, point),)) for point in range(128)]
"""The nodes of single ASCII characters. Most nodes are such, so they are made once."""
_SPECIAL = frozenset("\\^$.|?*+()[{")
_SYNTAX = frozenset("^$\\.*+?()[]{}|/")
"""The characters that a backslash makes literal under the flag u."""


_GROUP_CURES = {
    "P": "ECMA-262 (JavaScript) writes (?<name>...).",
    ">": "ECMA-262 (JavaScript) has no atomic groups: write (?:...).",
    "#": "ECMA-262 (JavaScript) has no comments: remove it.",
    **dict.fromkeys(
        "imsxuaL-", "ECMA-262 (JavaScript) has the flags i, m and s, each for a group: write (?i:...)."
    ),
}
"""The character after `(?` in Python's syntax -> how to write such a group in ECMA-262."""


class _Parser:
    """Reads one pattern from left to right."""

    def __init__(self, source: str, strict: bool) -> None:
        """`source`: the pattern. `strict`: whether syntax that only Annex B accepts is an error."""
        self.text = source
        self.strict = strict
        self.at = 0
        self.flags = ""
        """The flags that are set at the present position, of i, m and s."""
        self._names: set[str] = set()

    @property
    def next(self) -> str:
        """The next character; empty at the end."""
        return self.text[self.at : self.at + 1]

    def accept_legacy(self, fault: str, at: int) -> None:
        """Accept syntax that only Annex B has; if `strict`, raise `RegexError` instead. `fault`, `at`: what
        the message describes, and where."""
        if self.strict:
            raise self.syntax_error(f"With the flag u, {fault}", at)

    def syntax_error(self, fault: str, at: int | None = None, cure: str = "") -> RegexError:
        """Return the error for a fault at position `at`, by default the present one. `cure`: how to mend
        it."""
        where = self.at if at is None else at
        return RegexError(
            f"{fault} at character {where} of the pattern {self.text!r}.",
            cure=cure or "Write the pattern in the syntax of ECMA-262 (JavaScript).",
        )

    def parse(self) -> Node:
        """Return the tree of the whole pattern. Errors: `RegexError`."""
        text = self.text
        size = len(self.text)
        # The first frame is the whole pattern. Without recursion, because a pattern may be hostile input.
        stack = [_Frame("", 0)]
        parts = stack[0].parts
        while self.at < size:
            char = text[self.at]
            bare = False  # whether the node is an assertion that no quantifier may follow, even by Annex B
            node: Node
            if char not in _SPECIAL:
                node = self.read_character()
            elif char == "\\":
                node = self.read_escape()
                bare = not isinstance(node, CharacterClass)
            elif char == "[":
                node = CharacterClass(self.char_class())
            elif char == ".":
                self.at += 1
                node = CharacterClass(ANY if "s" in self.flags else DOT)
            elif char == "^":
                self.at += 1
                node = _LINE_START if "m" in self.flags else TEXT_START
                bare = True
            elif char == "$":
                self.at += 1
                node = _LINE_END if "m" in self.flags else TEXT_END
                bare = True
            elif char == "|":
                self.at += 1
                stack[-1].end_branch()
                parts = stack[-1].parts
                continue
            elif char == "(":
                if len(stack) > DEPTH:
                    raise self.syntax_error(f"Groups nested deeper than {DEPTH}")
                kind = self.open_group()
                stack.append(_Frame(kind, self.at, self.flags))
                parts = stack[-1].parts
                continue
            elif char == ")":
                frame = self.close_group(stack)
                parts = stack[-1].parts
                node = frame.make_node()
                # Annex B lets a quantifier follow a look-ahead, but not a look-behind.
                bare = "<" in frame.kind or (bool(frame.kind) and self.strict)
            elif char == "{":
                if self.read_counts() is not None:
                    raise self.syntax_error("Nothing to repeat")
                self.accept_legacy("A single { is not a character", self.at)
                self.at += 1
                node = CharacterClass(((0x7B, 0x7B),))
            else:
                raise self.syntax_error("Nothing to repeat")
            # Branches that reach this line have read one node; all others used `continue`.
            parts.append(self.read_quantifier(node, bare))
        if len(stack) > 1:
            raise self.syntax_error("Unclosed group opened", stack[-1].opened_at)
        return stack[0].make_node()

    def read_character(self) -> Node:
        """Read a character that stands for itself."""
        char = self.next
        if char in "]}":
            self.accept_legacy(f"A single {char} is not a character", self.at)
        self.at += 1
        point = ord(char)
        if "i" in self.flags:
            # The flag i is applied while the pattern is read, because the tree has no flags.
            return CharacterClass(_fold_case(((point, point),)))
        return _ASCII[point] if point < 128 else CharacterClass(((point, point),))

    def read_quantifier(self, node: Node, assertion: bool) -> Node:
        """Return `node` with the quantifier that follows it, if there is one. `assertion`: whether the node
        is an assertion, which no quantifier may follow."""
        if self.at >= len(self.text):
            return node
        char = self.text[self.at]
        max_count: int | None
        if char == "*":
            min_count = 0
            max_count = None
        elif char == "+":
            min_count = 1
            max_count = None
        elif char == "?":
            min_count = 0
            max_count = 1
        elif char == "{":
            counts = self.read_counts()
            if counts is None:
                return node
            min_count = counts[0]
            max_count = counts[1]
            self.at = counts[2] - 1
        else:
            return node
        if assertion:
            raise self.syntax_error("Nothing to repeat")
        self.at += 1
        greedy = self.next != "?"
        if not greedy:
            self.at += 1
        if min_count == max_count == 1:
            return node
        if max_count == 0:
            return EMPTY
        # Annex B: a look-ahead reads nothing, so one copy is enough if any is required, and none otherwise.
        if isinstance(node, LookAround):
            return node if min_count else EMPTY
        return Repetition(node, min_count, max_count, greedy)

    def read_counts(self) -> tuple[int, int | None, int] | None:
        """Return (least count, largest count, index after the brace) of a `{m}`, `{m,}` or `{m,n}` at the
        present position; None where there is none. A largest count of None: no bound."""
        text = self.text
        close = text.find("}", self.at)
        if close < 0:
            return None
        low, comma, high = text[self.at + 1 : close].partition(",")
        if not _is_numeral(low) or (high and not _is_numeral(high)):
            return None
        min_count = _read_count(low)
        max_count: int | None
        if not comma:
            max_count = min_count  # {m}
        elif not high:
            max_count = None  # {m,}
        else:
            max_count = _read_count(high)
        if max_count is not None and max_count < min_count:
            raise self.syntax_error("Numbers out of order in a quantifier")
        if min_count >= _LARGEST_COUNT:
            raise self.syntax_error(f"A quantifier of {_LARGEST_COUNT} or more")
        if max_count is not None and max_count >= _LARGEST_COUNT:
            max_count = None  # no text is so long
        return min_count, max_count, close + 1

    def open_group(self) -> str:
        """Read the opening of a group; return its kind (`_Frame.kind`). Modifiers such as `(?i:` change
        `flags`."""
        text = self.text
        self.at += 1
        if self.next != "?":
            return ""
        opening = text[self.at + 1 : self.at + 3]
        if opening[:1] == ":":
            self.at += 2
            return ""
        if opening[:1] in ("=", "!"):
            self.at += 2
            return opening[0]
        modifiers = _MODIFIERS.match(text, self.at)
        if modifiers is not None:
            added_flags = modifiers[1]
            removed_flags = modifiers[2] or ""
            named_flags = added_flags + removed_flags
            if not named_flags or len(set(named_flags)) < len(named_flags):
                raise self.syntax_error(f"The flags of ({modifiers[0]} are not valid, or one is repeated,")
            self.flags = "".join(
                flag for flag in "ims" if flag in self.flags + added_flags and flag not in removed_flags
            )
            self.at = modifiers.end()
            return ""
        if opening in ("<=", "<!"):
            self.at += 3
            return opening
        if opening[:1] == "<":
            close = text.find(">", self.at)
            name = _group_name(text[self.at + 2 : close]) if close > 0 else ""
            if not name:
                raise self.syntax_error("Bad group name")
            if name in self._names:
                raise self.syntax_error(f"Two groups named {name}")
            self._names.add(name)
            self.at = close + 1
            return ""
        sign = opening[:1]
        raise self.syntax_error(f"Unknown group (?{sign}", cure=_GROUP_CURES.get(sign, ""))

    def close_group(self, stack: list[_Frame]) -> _Frame:
        """Read the closing bracket of the innermost open group, and return its frame. `flags` becomes what it
        was before the group."""
        if len(stack) == 1:
            raise self.syntax_error("Unmatched )")
        self.at += 1
        frame = stack.pop()
        self.flags = stack[-1].flags
        return frame

    @functools.cached_property
    def group_counts(self) -> tuple[int, bool]:
        """The number of capturing groups in the whole pattern, and whether one of them is named."""
        kinds = [match.lastgroup for match in _GROUPS.finditer(self.text)]
        return len(kinds) - kinds.count(None), "named" in kinds

    def read_escape(self) -> Node:
        """Read an escape outside a class, and return its node."""
        text = self.text
        start = self.at
        char = text[start + 1 : start + 2]
        if char in ("b", "B"):
            self.at += 2
            return word_boundary(_fold_case(WORD) if "i" in self.flags else WORD, char == "b")
        if char == "k" and self.group_counts[1]:
            raise self.syntax_error(
                "A back-reference (\\k) is not supported", cure=RegexError.BACK_REFERENCE_CURE
            )
        if char.isascii() and char.isdigit() and char != "0":
            end = start + 1
            while end < len(text) and _is_numeral(text[end]):
                end += 1
            # A number refers back only if the pattern has so many groups; Annex B reads others as characters.
            group_count, _ = self.group_counts
            if int(text[start + 1 : end]) <= group_count:
                raise self.syntax_error(
                    f"A back-reference ({text[start:end]}) is not supported",
                    cure=RegexError.BACK_REFERENCE_CURE,
                )
            self.accept_legacy(f"{text[start:end]} does not refer to a group", start)
        ranges = self.char_escape(in_class=False)
        return CharacterClass(_fold_case(ranges) if "i" in self.flags else ranges)

    def char_escape(self, *, in_class: bool) -> Ranges:
        """Read an escape that stands for one code point or for a class; return its characters."""
        text = self.text
        start = self.at
        char = text[start + 1 : start + 2]
        if not char:
            raise self.syntax_error("A single \\ ends the pattern")
        self.at += 2
        if char in "wW" and "i" in self.flags:
            if char == "w":
                return _fold_case(WORD)
            return complement(_fold_case(WORD))
        if char in _CLASSES:
            return _CLASSES[char]
        if char in "pP":
            close = text.find("}", start)
            if text[start + 2 : start + 3] == "{" and close > 0:
                self.at = close + 1
                ranges = unicode_property(text[start + 3 : close])
                return ranges if char == "p" else complement(ranges)
            self.accept_legacy(f"\\{char} must be followed by {{...}}", start)
            return _range_of_one(char)
        if char in _CONTROL:
            return _range_of_one(_CONTROL[char])
        if char == "c":
            letter = text[start + 2 : start + 3]
            # Annex B also takes digits and _, but only inside a class.
            is_class_letter = in_class and letter and (letter.isdigit() or letter == "_")
            if letter.isascii() and (letter.isalpha() or is_class_letter):
                if not letter.isalpha():
                    self.accept_legacy(f"\\c{letter} is not an escape", start)
                self.at += 1
                return _range_of_one(ord(letter) % 32)  # control-A is 1, control-Z is 26
            self.accept_legacy("\\c must be followed by a letter", start)
            self.at -= 1  # Annex B: the backslash itself
            return _range_of_one("\\")
        if char == "x":
            digits = text[start + 2 : start + 4]
            if len(digits) == 2 and _HEX.issuperset(digits):
                self.at += 2
                return _range_of_one(int(digits, 16))
            self.accept_legacy("\\x must be followed by two hexadecimal digits", start)
            return _range_of_one("x")
        if char == "u":
            return _range_of_one(self.unicode_escape())
        if char in "01234567":  # NUL, or Annex B's legacy octal escape
            end = start + 2
            max_digits = 3 if char in "0123" else 2
            while end < len(text) and end - start - 1 < max_digits and text[end] in "01234567":
                end += 1
            self.at = end
            if char != "0" or (text[start + 2 : start + 3] or "x") in "0123456789":
                self.accept_legacy(f"{text[start:end]} is not an escape", start)
            return _range_of_one(int(text[start + 1 : end], 8))
        if char not in _SYNTAX and not (in_class and char == "-"):
            self.accept_legacy(f"\\{char} is not an escape", start)
        return _range_of_one(char)

    def unicode_escape(self) -> int:
        r"""Read what follows `\u`, and return the code point.

        It is four digits, or `{...}`, or four digits and a second `\u` escape that make a surrogate pair.
        """
        text = self.text
        start = self.at
        if text[start : start + 1] == "{":
            close = text.find("}", start)
            digits = text[start + 1 : close] if close > 0 else ""
            if digits and _HEX.issuperset(digits) and int(digits, 16) <= 0x10FFFF:
                self.at = close + 1
                return int(digits, 16)
            self.accept_legacy("\\u{ is not followed by a code point and }", start - 2)
            return ord("u")
        digits = text[start : start + 4]
        if len(digits) < 4 or not _HEX.issuperset(digits):
            self.accept_legacy("\\u must be followed by four hexadecimal digits", start - 2)
            return ord("u")
        self.at += 4
        value = int(digits, 16)
        # A high surrogate (0xD800 to 0xDBFF) and a low one (0xDC00 to 0xDFFF) after it are one code point
        # (ECMA-262, section 22.2.1).
        if 0xD800 <= value < 0xDC00 and text[self.at : self.at + 2] == "\\u":
            digits = text[self.at + 2 : self.at + 6]
            if len(digits) == 4 and _HEX.issuperset(digits):
                low = int(digits, 16)
                if 0xDC00 <= low < 0xE000:
                    self.at += 6
                    return 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00)
        return value

    def char_class(self) -> Ranges:
        """Read a character class such as `[^a-z]`, and return its characters."""
        text = self.text
        start = self.at
        self.at += 1
        is_negated = self.next == "^"
        if is_negated:
            self.at += 1
        pairs: list[tuple[int, int]] = []
        while True:
            char = self.next
            if not char:
                raise self.syntax_error("Unclosed class opened", start)
            if char == "]":
                self.at += 1
                break
            first = self.class_atom()
            # a dash directly before the closing bracket is an ordinary character
            following = text[self.at + 1 : self.at + 2]
            if self.next == "-" and following not in ("]", ""):
                self.at += 1
                last = self.class_atom()
                first_point = _single_point(first)
                last_point = _single_point(last)
                if first_point is not None and last_point is not None:
                    if first_point > last_point:
                        raise self.syntax_error("Range out of order in a class")
                    pairs.append((first_point, last_point))
                else:  # Annex B: if either end is a class, the dash (0x2D) is an ordinary character
                    self.accept_legacy("a class cannot end a range", start)
                    pairs.extend((*first, (0x2D, 0x2D), *last))
            else:
                pairs.extend(first)
        ranges = _fold_case(union(pairs)) if "i" in self.flags else union(pairs)
        return complement(ranges) if is_negated else ranges

    def class_atom(self) -> Ranges:
        """Read one character or one escape inside a class, and return its characters."""
        char = self.text[self.at]
        if char != "\\":
            self.at += 1
            return _range_of_one(char)
        if self.text[self.at + 1 : self.at + 2] == "b":
            self.at += 2
            return _range_of_one(8)  # \b inside a class is a backspace
        return self.char_escape(in_class=True)


@functools.lru_cache(maxsize=1)
def _folding_groups() -> tuple[tuple[int, ...], ...]:
    """Return the groups of characters that are equal under the flag i, such as "K", "k" and the Kelvin sign.

    They have the same simple case folding (Unicode, CaseFolding.txt, status C and S), as the running Python
    knows it. Cost: some 3 ms.
    """
    groups: dict[str, list[int]] = {}
    for char in cased_points()[1]:
        # `casefold` is the full folding. Where it gives several characters, the simple folding is the small
        # letter, if that is one character.
        full_fold = char.casefold()
        fold = full_fold if len(full_fold) == 1 else char.lower()
        key = fold if len(fold) == 1 else char
        groups.setdefault(key, []).append(ord(char))
    folded_groups = [tuple(group) for group in groups.values() if len(group) > 1]
    folded_alike = [tuple(map(ord, pair)) for pair in _FOLDED_ALIKE]
    return (*folded_groups, *folded_alike)


@functools.lru_cache(maxsize=1024)
def _fold_case(ranges: Ranges) -> Ranges:
    """Return `ranges` with all characters that are equal to one of them under the flag i. Cost: a
    millisecond, once for each set."""
    starts = [low for low, _ in ranges]

    def holds_point(point: int) -> bool:
        at = bisect_right(starts, point) - 1
        return at >= 0 and point <= ranges[at][1]

    matched_groups = [group for group in _folding_groups() if any(map(holds_point, group))]
    folded_points = [(point, point) for group in matched_groups for point in group]
    return union((*ranges, *folded_points))


def _group_name(name_source: str) -> str:
    """Return the name of a group with its escapes decoded; "" where it is not a valid name."""
    try:
        name = _NAME_ESCAPE.sub(lambda match: chr(int(match[1] or match[2], 16)), name_source)
    except (ValueError, OverflowError):
        return ""
    # A name of ECMA-262 may also contain $, and the joiners U+200C and U+200D after its first character. They
    # are replaced before Python checks the name.
    plain = name.replace("$", "_")
    if plain[1:]:
        tail = plain[1:].replace("\u200c", "_").replace("\u200d", "_")
        plain = plain[0] + tail
    return name if plain.isidentifier() else ""


def _is_numeral(text: str) -> bool:
    """Return whether a text consists of ASCII digits. (`isdigit` accepts digits of other scripts, too.)"""
    return text.isascii() and text.isdigit()


def _read_count(digits: str) -> int:
    """Return the number that digits stand for, or `_LARGEST_COUNT` if it is larger. Long texts are not
    converted."""
    digits = digits.lstrip("0")
    if len(digits) > 10:
        return _LARGEST_COUNT
    return min(int(digits or "0"), _LARGEST_COUNT)


def _single_point(ranges: Ranges) -> int | None:
    """Return the code point of a set of one character; None for other sets."""
    if len(ranges) != 1:
        return None
    first, last = ranges[0]
    return first if first == last else None


def _range_of_one(char: str | int) -> Ranges:
    """Return the set of one character, which is given as a text or as a code point."""
    point = ord(char) if isinstance(char, str) else char
    return ((point, point),)

"""Regular expressions of Rust and of Python, as JSON Schema reads them (ECMA-262, flag u).

pydantic matches a field's `pattern` by Rust's regex crate or Python's re. It writes the pattern unchanged
into the JSON Schema, where ECMA-262 may read it differently. Here each construct is rewritten so that the
original pattern matches every text that the result matches. For example, Python's `\\d` matches digits of all
scripts. It stays `\\d`, which matches ASCII digits in ECMA-262; but `\\D` becomes `\\P{Nd}`.

A pattern is *narrow* where the result may match less than the original, and *wide* where it must match at
least as much: inside a negation. Constructs that cannot be rewritten raise an error that names them. The
result is text, because it becomes the `pattern` of the schema. Sources: the regex crate's documentation
(Syntax), Python's re, ECMA-262 section 22.2.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from structgen.base.errors import UnsupportedError

_SPACES = r"\s\x1c-\x1f\x85"
_WORDS = r"\p{L}\p{M}\p{N}\p{Pc}\u200c\u200d"
_NOT_SPACES = (
    r"\x00-\x08\x0e-\x1b!-~\x7f-\x84\x86-\x9f\xa1-\u167f\u1681-\u1fff\u200b-\u2027\u202a-\u202e\u2030-\u205e"
    r"\u2060-\u2fff\u3001-\u{10ffff}"
)
_WIDE_MEMBERS = {
    "d": r"\p{Nd}",
    "w": _WORDS,
    "s": _SPACES,
    "D": r"\D",
    "W": r"\W",
    "S": r"\S\ufeff",
}
"""Letter of a class escape -> a set of characters, as text inside brackets, that contains all members of the
class. It may contain others."""
_NARROW_MEMBERS = {
    "d": "0-9",
    "w": "A-Za-z0-9_",
    "s": r"\t-\r ",
    "D": r"\P{Nd}",
    "S": _NOT_SPACES,
}
"""Letter of a class escape -> characters, as text inside brackets, that are members of the class. Some
members may be missing. `W` is not here: `_Reader.shorthand_members` has its members."""
_SYNTAX = frozenset(r"^$\.*+?()[]{}|/")
_COUNT = re.compile(r"\{(\d*)(,?)(\d*)\}")
"""A count: the groups are the least number, the comma and the greatest number, each perhaps empty."""
_CATEGORY = re.compile(r"\{(L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?|C[cfo]?)\}|([LMNPSZ])")


def ecma_pattern(pattern: str, *, rust: bool, where: str = "pattern") -> str:
    """Return a pattern of ECMA-262 (flag u); each text that it matches is matched by the original, too.

    `rust`: whether the pattern is one of Rust's regex crate; otherwise it is one of Python's re, without
    flags. `where`: the place of the pattern, for errors. Raises `UnsupportedError` (keyword "pattern") for
    constructs that cannot be rewritten: word boundaries, flags, class arithmetic, back-references, atomic
    groups, possessive quantifiers.
    """
    return _Reader(pattern, rust, where).read_pattern()


class _Reader:
    """Reads one pattern from left to right."""

    def __init__(self, pattern: str, rust: bool, where: str) -> None:
        self.text = pattern
        self.rust = rust
        self.where = where
        self.at = 0
        self.out: list[str] = []
        self.groups: list[bool] = []
        """For each open group, whether it is a negative look-around."""
        self.wide = False
        """Whether an odd number of negations is open. There the result must match at least what the original
        matches."""

    @property
    def next(self) -> str:
        """The next character; empty at the end."""
        return self.text[self.at : self.at + 1]

    def read_pattern(self) -> str:
        """Return the pattern of ECMA-262."""
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            match char:
                case "\\":
                    self.out.append(self.read_escape())
                case "[":
                    self.out.append(self.char_class())
                case "(":
                    self.open_group()
                case ")":
                    if self.groups and self.groups.pop():
                        self.wide = not self.wide
                    self.out.append(")")
                case "{":
                    self.read_count()
                case "*" | "+" | "?":
                    self.out.append(char)
                    self.read_lazy_mark()
                case "}" | "]":
                    self.out.append("\\" + char)
                case "$" if self.wide:
                    raise self.dialect_error("$", "within a negative look-around")
                case "." if self.wide:
                    self.out.append(r"[^\n]")
                case _:
                    self.out.append(char)
        return "".join(self.out)

    def dialect_error(self, construct: str, why: str) -> UnsupportedError:
        """Return the error for a construct that the dialects read differently, for the reason `why`."""
        dialect = "Rust's regex" if self.rust else "Python's re"
        return UnsupportedError(
            f"{construct!r} in the pattern {self.text!r}: {why}; {dialect} and JSON Schema "
            "interpret it differently.",
            keyword="pattern",
            where=self.where,
            cure="Write it out with explicit characters, or use Annotated[str, sg.Regex(...)].",
        )

    def read_lazy_mark(self) -> None:
        """Read the `?` that makes a quantifier lazy, if one stands here."""
        following = self.next
        if following == "?":
            self.out.append("?")
            self.at += 1
        elif following and following in "*+":
            raise self.dialect_error(self.text[self.at - 1 : self.at + 1], "a quantifier of a quantifier")

    def read_count(self) -> None:
        """Read a `{m,n}`, whose first brace was read already. A brace that does not begin a count
        is a character."""
        match = _COUNT.match(self.text, self.at - 1)
        if match is None or not (match[1] or match[3]):
            self.out.append(r"\{")
            return
        self.at = match.end()
        min_count, comma, max_count = match.groups()
        # `{,3}` is `{0,3}` to Rust and Python, and literal text to ECMA-262.
        self.out.append(f"{{{min_count or '0'}{comma}{max_count}}}")
        self.read_lazy_mark()

    def open_group(self) -> None:
        """Read the opening of a group, whose bracket was read already. Names are left out; flags are
        refused."""
        rest = self.text[self.at :]
        is_negative = False
        if not rest.startswith("?"):
            self.out.append("(")
        elif rest.startswith("?:"):
            self.at += 2
            self.out.append("(?:")
        elif name_match := re.match(r"\?P?<[A-Za-z_]\w*>", rest):
            self.at += name_match.end()
            self.out.append("(?:")
        elif look := re.match(r"\?<?[=!]", rest):
            self.at += look.end()
            self.out.append("(" + look[0])
            is_negative = look[0].endswith("!")
        else:
            raise self.dialect_error("(" + rest[:3], "a flag, a condition or a kind of group")
        self.groups.append(is_negative)
        if is_negative:
            self.wide = not self.wide

    def read_escape(self) -> str:
        """Return an escape outside a class as ECMA-262. Its backslash was read already."""
        char = self.next
        self.at += 1
        if char in ("d", "w", "s", "D", "W", "S"):
            if not self.wide:
                match char:
                    case "d" | "w":
                        return "\\" + char
                    case "s":
                        return r"[\t-\r ]"
                    case "D":
                        return r"\P{Nd}"
                    case "W":
                        return f"[^{_WORDS}]"
                    case _:
                        return f"[^{_SPACES}]"
            return f"[{self.shorthand_members(char)}]"
        if char == "A":
            return "^"
        if char == "z" or (char == "Z" and not self.rust):
            return "$"
        if char in ("b", "B") or (self.rust and char in "<>"):
            raise self.dialect_error(
                "\\" + char, "a word boundary, where words have other letters than ASCII's"
            )
        return self.common_escape(char)

    def shorthand_members(self, char: str) -> str:
        """Return the members of the class escape with the letter `char`, as text inside brackets."""
        if self.wide:
            return _WIDE_MEMBERS[char]
        # the default is for `W`: the ASCII characters outside [A-Za-z0-9_]
        return _NARROW_MEMBERS.get(char, r"\x00-/:-@\[-\^`\{-\x7f")

    def common_escape(self, char: str) -> str:
        """Return an escape as ECMA-262, inside a class or outside. Its letter `char` was read already."""
        if char and char in "nrtfv":
            return "\\" + char
        if char == "a":
            return r"\x07"
        if char in ("x", "u", "U"):
            digits = {"x": 2, "u": 4, "U": 8}[char]
            match = None
            if self.rust:
                match = re.compile(r"\{([0-9A-Fa-f]+)\}").match(self.text, self.at)
            if match is None:
                match = re.compile(f"([0-9A-Fa-f]{{{digits}}})").match(self.text, self.at)
            if match is not None:
                self.at = match.end()
                return f"\\u{{{int(match[1], 16):x}}}"
        if char in ("p", "P") and self.rust:
            category_match = _CATEGORY.match(self.text, self.at)
            if category_match is not None:
                self.at = category_match.end()
                return f"\\{char}{{{category_match[1] or category_match[2]}}}"
        if not char or char.isalnum() or char in "<>":
            raise self.dialect_error("\\" + char, "an escape")
        return "\\" + char if char in _SYNTAX else char

    def char_class(self) -> str:
        """Return a character class as ECMA-262. Its opening bracket was read already."""
        is_negated = self.next == "^"
        self.at += is_negated
        outer = self.wide
        # A negation turns narrow into wide: a negated class must leave out at least what the original does.
        self.wide = self.wide != is_negated
        items: list[str] = []
        first = True
        while True:
            char = self.next
            # both dialects read a closing bracket at the beginning of a class as a character
            if not char or (char == "]" and not first):
                self.at += 1
                break
            first = False
            low = self.read_member()
            # A dash makes a range unless the class ends directly after it, so two characters are looked at.
            following = self.text[self.at : self.at + 2]
            if self.rust and following == "--":
                raise self.dialect_error(following, "class arithmetic")
            is_range = len(following) == 2 and following[0] == "-" and following[1] != "]"
            if low.single and is_range:
                self.at += 1
                high = self.read_member()
                if not high.single:
                    raise self.dialect_error(f"-{high.text}", "a range that ends in a class")
                items.append(f"{low.text}-{high.text}")
            else:
                items.append(low.text)
        self.wide = outer
        return f"[{'^' if is_negated else ''}{''.join(items)}]"

    def read_member(self) -> _Member:
        """Return one character of a class, or a class in it."""
        char = self.text[self.at]
        signs = self.text[self.at : self.at + 2]
        if self.rust and (char == "[" or signs in ("&&", "--", "~~")):
            raise self.dialect_error(signs, "a class inside a class, or class arithmetic")
        self.at += 1
        if char != "\\":
            return _Member("\\" + char if char in r"\]^-[" else char, True)
        char = self.next
        self.at += 1
        if char in ("d", "w", "s", "D", "W", "S"):
            return _Member(self.shorthand_members(char), False)
        if char == "b" and not self.rust:
            return _Member(r"\x08", True)
        if char and char in "]^-[":
            return _Member("\\" + char, True)
        text = self.common_escape(char)
        return _Member(text, not text.startswith((r"\p", r"\P")))


class _Member(NamedTuple):
    """One item of a character class."""

    text: str
    """The item as ECMA-262 writes it."""
    single: bool
    """Whether it is a single character, and not a class."""

"""EBNF in the form of llama.cpp's GBNF and of XGrammar: read into rules over patterns.

    root ::= "a" item ("," item)* | [^0-9\\n]{2,3}   # a comment

A rule is a name, `::=` and alternatives; an item is a string in quotes, a class in brackets, `.` (any
character), a name, or alternatives in parentheses, with `*`, `+`, `?`, `{m}`, `{m,}`, `{,n}` or `{m,n}`
behind, with or without blanks between. A rule ends where the next one begins (a name before `::=`). Escapes
are \\n \\r \\t \\0 \\xHH \\uHHHH \\UHHHHHHHH, and the backslash before a mark. Constructs of other notations
are refused by name. Sources: grammars/README.md and src/llama-grammar.cpp of llama.cpp; XGrammar's
documentation of EBNF.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NoReturn

from structgen.automata.regex.syntax_tree import CharacterClass, Concatenation, Node, Repetition
from structgen.automata.unicode.charsets import ANY, Ranges, complement, union
from structgen.base.errors import GrammarError, LimitError
from structgen.grammars.text_grammars.context_free.counted_rules import CountedRules

Rule = tuple[str, tuple[str, ...]]

_CONTROL: Final = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
_PLAIN: Final = frozenset("\"'\\[]-^/")
_COUNTS: Final[Mapping[str, tuple[int, int | None]]] = MappingProxyType(
    {"*": (0, None), "+": (1, None), "?": (0, 1)}
)
_DIGITS: Final = {"x": 2, "u": 4, "U": 8}
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_LARK: Final = "Pass a grammar of Lark's to sg.lark."
_FOREIGN: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "<": (
            "<...> (tokens of llama.cpp, names of BNF)",
            "Write a rule's name without brackets; for a special token, join sg.special(...) with +.",
        ),
        "!": ("!<...> (all tokens but some)", "Write what may come, or use sg.text(until=...)."),
        "@": ("@... (attributes)", "Take it out."),
        "%": ("%... (directives of Lark and llguidance)", _LARK),
        "/": ("/.../ (regular expressions)", f'Write it with "", [] and (), or use sg.regex. {_LARK}'),
        "\\": ("\\... outside of quotation marks", "Write a class in [], or a string in quotation marks."),
        "{": ("{...} (repetitions of ISO's EBNF)", "Write (...)*."),
        ";": ("; (the end of a rule)", "Take it out: a rule ends where the next one begins."),
        ",": (", (sequences of ISO's EBNF)", "Take it out: items one after the other are a sequence."),
        "=": ("= (rules of ISO's EBNF)", "Write a rule as name ::= items."),
        ":": (": (rules of Lark)", f"Write a rule as name ::= items. {_LARK}"),
        "~": ("~ (counts of Lark)", "Write {m,n}."),
        "&": ("& (what must hold as well)", "Join two grammars with &."),
        "^": ("^ (anchors)", "Take it out: a grammar derives whole texts."),
        "$": ("$ (anchors, parameters)", "Take it out: a grammar derives whole texts."),
    }
)
"""The beginnings of constructs of other notations: their names, and what to write instead."""
_HEAD: Final = re.compile(r"(?<![\w-])([A-Za-z0-9_-]+)\s*::=")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]*")
_SPACE: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*+)*+")
_RULE: Final = re.compile(rf"[A-Za-z0-9_-]++{_SPACE.pattern}::=")
"""What begins a rule."""
DEPTH: Final = 200
"""Parentheses within parentheses."""


@dataclass(frozen=True, slots=True)
class Ebnf:
    """The rules of an EBNF text, its symbols that are patterns, and the line of each rule."""

    rules: tuple[Rule, ...]
    terminals: dict[str, Node]
    lines: dict[str, int]
    replaced: list[str]
    """Rules that a later one of the same name replaces: `The rule a of line 2`."""


def parse_ebnf(text: str, most: int, most_letters: int) -> Ebnf:
    """Return the rules of a text. Raises `GrammarError` with line and column, `LimitError` (grammar_rules)
    past `most` rules; O(n). `most_letters`: as of `CountedRules`."""
    return _Reader(text, most, most_letters).read()


class _Reader(CountedRules):
    def __init__(self, text: str, most: int, most_letters: int) -> None:
        super().__init__(most_letters)
        self.text, self.most, self.at, self.depth = text, most, 0, 0
        self.lines: dict[str, int] = {}
        self.replaced: list[str] = []
        self.starts: dict[str, int] = {}
        """Where the alternatives of a rule, the last of its name, begin among all."""
        self.used: dict[str, int] = {}
        self.heads: frozenset[str] | None = None
        """The names of all rules: those before a `::=`."""

    @property
    def here(self) -> str:
        """The character that is read next; "" at the end."""
        return self.text[self.at : self.at + 1]

    def fail(self, what: str, cure: str, at: int | None = None) -> NoReturn:
        at = self.at if at is None else at
        line = self.text.count("\n", 0, at) + 1
        column = at - (self.text.rfind("\n", 0, at) + 1) + 1
        raise GrammarError(what, where=f"line {line}, column {column}", cure=cure)

    def foreign(self) -> None:
        """Raise for a construct of another notation."""
        found = _FOREIGN.get(self.here)
        if found is not None:
            self.fail(f"not supported: {found[0]}.", found[1])

    def read(self) -> Ebnf:
        self.taken(_SPACE)
        while self.at < len(self.text):
            at = self.at
            name = self.taken(_NAME)
            if not name:
                self.foreign()
                self.fail("Here a rule should begin.", "Write a name and ::=.")
            self.taken(_SPACE)
            if not self.text.startswith("::=", self.at):
                self.no_rule(name)
            if name in self.lines:
                self.replaced.append(f"The rule {name} of line {self.lines[name]}")
            self.starts[name] = len(self.rules)
            self.lines[name] = self.text.count("\n", 0, at) + 1
            self.at += 3
            self.taken(_SPACE)
            self.alternatives(name)
        if not self.lines:
            self.fail("There is no rule.", 'Write at least root ::= "...".')
        for name, at in self.used.items():
            if name not in self.lines:
                if self.text[max(at - 1, 0)] in "\"']":
                    self.fail(
                        f"not supported: {name} right behind a string or a class (flags of Lark).",
                        f"Write [aA] for a letter in either case; if {name} is a rule, define it.",
                        at,
                    )
                self.fail(f"The rule {name} is not defined.", f"Write {name} ::= ...", at)
        starts, rules = self.starts, enumerate(self.rules)
        kept = tuple(rule for at, rule in rules if at >= starts.get(rule[0], 0))
        return Ebnf(kept, self.terminals, self.lines, self.replaced)

    def no_rule(self, name: str) -> NoReturn:
        """Raise where the name of a rule is not followed by `::=`."""
        if self.text.startswith("(", self.at):
            self.fail(
                f"not supported: {name}(...) (rules with parameters).",
                "Write a rule for each of their values.",
            )
        for mark in (":=", "->", "\u2192"):
            if self.text.startswith(mark, self.at):
                self.fail(f"not supported: {mark} behind a rule's name.", "Write a rule as name ::= items.")
        self.foreign()
        self.fail(f"After the name {name} there should be ::=.", "Write a rule as name ::= items.")

    def is_macro(self, name: str) -> bool:
        """Return whether a name that no rule has is followed at once by a parenthesis."""
        if not self.text.startswith("(", self.at):
            return False
        if self.heads is None:
            self.heads = frozenset(_HEAD.findall(self.text))
        return name not in self.heads

    def taken(self, what: re.Pattern[str]) -> str:
        """Read what a pattern matches here; "" where there is nothing."""
        found = what.match(self.text, self.at)
        said = found[0] if found else ""
        self.at += len(said)
        return said

    def alternatives(self, name: str) -> None:
        """Read alternatives, behind `::=` or a parenthesis, as rules of `name`."""
        while True:
            self.rules.append((name, tuple(self.sequence())))
            self.bound()
            if self.here != "|":
                return
            self.at += 1
            self.taken(_SPACE)

    def bound(self) -> None:
        if len(self.rules) > self.most:
            raise LimitError(
                f"The grammar comes to more than {self.most:,} rules.", limit="grammar_rules", where="grammar"
            )

    def sequence(self) -> Iterator[str]:
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in "|)":
                if char == ")" and not self.depth:
                    self.fail("There is no parenthesis to close.", "Take it out.")
                return
            if _RULE.match(self.text, self.at):
                return
            yield self.counted(self.item())

    def item(self) -> str | Node:
        """Read one item: the name of a symbol, or a pattern."""
        text, start = self.text, self.at
        char = text[start]
        if char in "\"'":
            self.at += 1
            found: list[Node] = []
            while self.at < len(text) and text[self.at] != char:
                if text[self.at] == "\n":
                    break
                point = self.character()
                found.append(CharacterClass(((point, point),)))
            if self.here != char:
                self.fail("The string does not end in its line.", f"Write {char} behind it.", start)
            self.at += 1
            return found[0] if len(found) == 1 else Concatenation(tuple(found))
        if char == "[":
            return CharacterClass(self.char_class())
        if char == ".":
            self.at += 1
            return CharacterClass(ANY)
        if char == "(":
            if text.startswith("(=", start):
                self.fail("not supported: (= ...) (look-aheads of XGrammar).", "Take it out.")
            self.depth += 1
            if self.depth > DEPTH:
                self.fail(f"Parentheses are nested deeper than {DEPTH}.", "Give the inner ones a rule.")
            self.at += 1
            self.taken(_SPACE)
            name = self.new()
            self.alternatives(name)
            if self.here != ")":
                self.fail("The parenthesis is not closed.", "Write ) where the alternatives end.", start)
            self.at += 1
            self.depth -= 1
            return name
        name = self.taken(_NAME)
        if not name:
            if char in _COUNTS:
                self.fail(f"There is nothing before {char} to repeat.", "Write an item before it.")
            self.foreign()
            self.fail(
                f"not supported: {char!r}.",
                'Write a string in "", a class in [], a name, or alternatives in ().',
            )
        if self.is_macro(name):
            self.fail(
                f"not supported: {name}(...) (macros of XGrammar, rules with parameters).",
                "Write the alternatives out; free text with tags is sg.structural_tag.",
                start,
            )
        if name.startswith("-"):
            self.fail(
                "not supported: - (exceptions of ISO's and W3C's EBNF).",
                "Write what is left, or take grammars from each other with -.",
                start,
            )
        self.used.setdefault(name, start)
        return name

    def character(self) -> int:
        """Read one character of a string or a class, or an escape."""
        text, start = self.text, self.at
        char = text[start]
        self.at += 1
        if char != "\\":
            return self.scalar(ord(char), start)
        char = self.here
        self.at += 1
        if char in _CONTROL:
            return ord(_CONTROL[char])
        if char and char in _PLAIN:
            return ord(char)
        size = _DIGITS.get(char, 0)
        digits = text[self.at : self.at + size]
        if size and len(digits) == size and _HEX.issuperset(digits) and int(digits, 16) <= 0x10FFFF:
            self.at += size
            return self.scalar(int(digits, 16), start)
        self.fail(
            f"\\{char} is no escape.", "Write \\\\ for a backslash, \\xHH, \\uHHHH or \\UHHHHHHHH.", start
        )

    def scalar(self, point: int, at: int) -> int:
        if 0xD800 <= point < 0xE000:
            self.fail(
                "A lone surrogate cannot be written in UTF-8.", "Write the character as \\UHHHHHHHH.", at
            )
        return point

    def char_class(self) -> Ranges:
        text, start = self.text, self.at
        self.at += 1
        negated = self.here == "^"
        self.at += negated
        found: list[tuple[int, int]] = []
        while self.here not in ("]", ""):
            at = self.at
            low = high = self.character()
            if self.here == "-" and text[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                high = self.character()
                if high < low:
                    self.fail("The range is empty.", "Write the smaller character first.", at)
            found.append((low, high))
        if self.at >= len(text):
            self.fail("The class is not closed.", "Write ] where it ends.", start)
        self.at += 1
        return complement(union(found)) if negated else union(found)

    def counted(self, item: str | Node) -> str:
        """Return the symbol of an item with its quantifiers."""
        while True:
            self.taken(_SPACE)  # llama.cpp has blanks before a quantifier
            char = self.here
            if char in _COUNTS:
                (least, most), self.at = _COUNTS[char], self.at + 1
            elif char == "{":
                least, most = self.counts()
            else:
                break
            if isinstance(item, str):
                item = self.repeated(item, least, most)
                self.bound()
            else:
                item = Repetition(item, least, most, True)
        return item if isinstance(item, str) else self.pattern(item)

    def counts(self) -> tuple[int, int | None]:
        start = self.at
        end = self.text.find("}", start)
        low, comma, high = self.text[start + 1 : max(end, start + 1)].partition(",")
        low, high = low.strip(), high.strip()
        if end < 0 or not (low or high) or any(part and not part.isdecimal() for part in (low, high)):
            self.fail(
                "A count is {m}, {m,}, {,n} or {m,n}.",
                "Write it so; a repetition without one is (...)*.",
                start,
            )
        self.at = end + 1
        least = int(low or 0)
        most = least if not comma else int(high) if high else None
        if most is not None and most < least:
            self.fail(
                f"At least {least} and at most {most} are never both.", "Write the smaller one first.", start
            )
        return least, most

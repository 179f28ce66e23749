"""Reads a grammar in EBNF, as llama.cpp (GBNF) and XGrammar write it, into rules over patterns.

    root ::= "a" item ("," item)* | [^0-9\\n]{2,3}   # a comment

A *symbol* is a name in the rules: the name of a rule of the text, or a name that the reader makes for a part
of a rule. A *rule* is a pair (symbol, right side), one for each alternative. A *right side* is a sequence of
symbols. A symbol is a *terminal* if it stands for a pattern, and *bound* if it stands for a whole grammar,
such as a macro's. For example, `root ::= "a" | b` gives two rules of `root`: one with a terminal for `a`, one
with the symbol `b`. A *mark* is a character that the notation itself uses, such as `(` or `"`.

In the text, a rule is a name, `::=` and alternatives. An item is a string in quotes, a class in brackets, `.`
(any character), a name, a token (`<name>`, `<[7]>`, and all others: `!<name>`), a macro of XGrammar
(`ebnf_macros`), or alternatives in parentheses, with `*`, `+`, `?`, `{m}`, `{m,}`, `{,n}` or `{m,n}` after,
with or without blanks between. A rule ends where the next one begins (a name before `::=`). Escapes are \\n
\\r \\t \\b \\f \\a \\v \\e \\0 \\xHH \\uHHHH \\UHHHHHHHH, and the backslash before a mark. Constructs of
other notations are refused by name. A warning names constructs that have no effect on texts: look-aheads
`(= ...)`, which only help XGrammar to make masks, and options of rules such as `name[capture] ::=`. Sources:
grammars/README.md and src/llama-grammar.cpp of llama.cpp; XGrammar's documentation of EBNF.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NoReturn

from structgen.automata.regex.syntax_tree import CharacterClass, Concatenation, Node, Repetition
from structgen.automata.unicode.charsets import ANY, Ranges, complement, union
from structgen.base.errors import GrammarError, LimitError, prefix_place
from structgen.grammars.text_grammars.context_free.counted_rules import CountedRules
from structgen.grammars.text_grammars.context_free.rules import Rule
from structgen.grammars.text_grammars.ebnf_macros import (
    RuleName,
    Way,
    check_macro,
    ways_of_macro,
    ways_of_token,
)
from structgen.grammars.text_grammars.text_grammar import TextGrammar

_CONTROL: Final = dict(zip("nrtbfave0", "\n\r\t\b\f\a\v\x1b\0", strict=True))
"""For each letter after a backslash the character that it means; `\\a` is BEL, `\\e` is escape."""
_PLAIN: Final = frozenset("\"'\\[]-^/$.*+?(){}|")
"""The characters that mean themselves after a backslash."""
_COUNTS: Final[Mapping[str, tuple[int, int | None]]] = MappingProxyType(
    {"*": (0, None), "+": (1, None), "?": (0, 1)}
)
"""For each quantifier the least and the most copies; None: any number."""
_DIGITS: Final = {"x": 2, "u": 4, "U": 8}
"""For each escape of a code point the number of hexadecimal digits after it."""
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_LARK: Final = "Pass a Lark grammar to sg.lark."
_FOREIGN: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "<": ("<...> (names of BNF)", "Write a rule's name without brackets."),
        "!": ("!... (all but some)", "Write what is allowed; for all tokens but one, write !<[7]>."),
        "@": ("@... (attributes)", "Remove it."),
        "%": ("%... (directives of Lark and llguidance)", _LARK),
        "/": ("/.../ (regular expressions)", f'Write it with "", [] and (), or use sg.regex. {_LARK}'),
        "\\": ("\\... outside of quotation marks", "Write a class in [], or a string in quotation marks."),
        "{": ("{...} (repetitions of ISO's EBNF)", "Write (...)*."),
        ";": ("; (the end of a rule)", "Remove it: a rule ends where the next one begins."),
        ",": (", (sequences of ISO's EBNF)", "Remove it: items one after the other are a sequence."),
        "=": ("= (rules of ISO's EBNF)", "Write a rule as name ::= items."),
        ":": (": (rules of Lark)", f"Write a rule as name ::= items. {_LARK}"),
        "~": ("~ (counts of Lark)", "Write {m,n}."),
        "&": ("& (what must hold as well)", "Join two grammars with &."),
        "^": ("^ (anchors)", "Remove it: a grammar generates whole texts."),
        "$": ("$ (anchors, parameters)", "Remove it: a grammar generates whole texts."),
    }
)
"""For the first character of each construct of another notation: its name, and what to write instead."""
_OPTIONS: Final = re.compile(r"\[[^\[\]\n]*+\](?=[ \t]*+::=)")
"""The options of a rule after its name, as XGrammar writes them: `name[capture] ::=`. A match ends at the
next bracket, so that all matches together take linear time."""
_HEAD: Final = re.compile(rf"(?<![\w-])([A-Za-z0-9_-]+)(?:{_OPTIONS.pattern})?\s*::=")
"""A name before `::=`, anywhere in the text."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-]*")
_NAMED: Final = re.compile(r"([A-Za-z_]+)\s*=(?!=)\s*")
"""The name of an argument of a macro, with its `=`."""
_SPACE: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*+)*+")
"""White space and comments."""
_RULE: Final = re.compile(rf"[A-Za-z0-9_-]++(?:{_OPTIONS.pattern})?{_SPACE.pattern}::=")
"""The beginning of a rule: its name, its options, and `::=`."""
_COUNT: Final = re.compile(r"\{\s*([0-9]{0,999})\s*(?:(,)\s*([0-9]{0,999}|-1)\s*)?\}")
"""A count in braces, such as `{2,5}`. XGrammar prints -1 where there is no upper bound."""
_TOKEN: Final = re.compile(r"(!?)<(?:\[(\d{1,15})\]|([^>\n]+))>")
"""A token: a `!` for all others, and its id (`<[7]>`) or its name (`<name>`)."""
_NO_TEXTS: Final = re.compile(r"(?:capture\w*|stop_capture|temperature)(?:\s*=|$)")
"""Options of rules that have no effect on texts."""
DEPTH: Final = 200
"""The deepest nesting of parentheses."""


@dataclass(frozen=True, slots=True)
class Ebnf:
    """What was read of an EBNF text. Made by `parse_ebnf`."""

    rules: tuple[Rule, ...]
    """The rules, as pairs (symbol, right side)."""
    terminals: dict[str, Node]
    """For each terminal its pattern, as a tree."""
    lines: dict[str, int]
    """For each rule's name the line where it begins, from 1 on."""
    replaced_rules: list[str]
    """Rules that a later one of the same name replaces: `The rule a of line 2`."""
    bound: dict[str, TextGrammar]
    """For each bound symbol its grammar."""
    ineffective: list[str]
    """Constructs that have no effect on texts: `The look-ahead of line 2`."""


def parse_ebnf(
    text: str,
    max_rules: int,
    most_letters: int,
    specials: Mapping[str, int] = MappingProxyType({}),
) -> Ebnf:
    """Return the rules of a text. Example: `parse_ebnf('root ::= "a"', 1000, 100)`.

    `max_rules`: the most rules; more raise `LimitError` (grammar_rules). `most_letters`: the parameter of
    `CountedRules`. `specials`: for the text of a special token, such as `<end>`, its id. Raises
    `GrammarError` with line and column for a fault. Cost: linear in the text.
    """
    return _Reader(text, max_rules, most_letters, specials).read_rules()


class _Reader(CountedRules):
    """Reads one EBNF text from left to right. The methods `read_...` read from `offset` on, and move it."""

    def __init__(self, text: str, max_rules: int, most_letters: int, specials: Mapping[str, int]) -> None:
        super().__init__(most_letters)
        self.text = text
        self.max_rules = max_rules
        self.specials = specials
        self.offset = 0
        """The offset of the character that is read next."""
        self.depth = 0
        """The number of open parentheses."""
        self.grammars: dict[str, tuple[str, TextGrammar]] = {}
        """For the spelling of each grammar its symbol and the grammar itself."""
        self.ineffective: list[str] = []
        """Constructs without an effect on texts; this and the next two become fields of `Ebnf`."""
        self.lines: dict[str, int] = {}
        self.replaced_rules: list[str] = []
        self.rule_starts: dict[str, int] = {}
        """The index in `rules` at which the alternatives of the last rule of a name begin."""
        self.used: dict[str, int] = {}
        """For each name in a right side, its first place in the text."""
        self.heads: frozenset[str] | None = None
        """The names of all rules: those before a `::=`."""

    @property
    def next_character(self) -> str:
        """The character that is read next; "" at the end."""
        return self.text[self.offset : self.offset + 1]

    def place_text(self, offset: int) -> str:
        """Return an offset as `line 2, column 5`, both from 1 on."""
        line_start = self.text.rfind("\n", 0, offset) + 1  # 0 in the first line, where rfind returns -1
        column = offset - line_start + 1
        return f"line {self.line_number(offset)}, column {column}"

    def line_number(self, offset: int) -> int:
        """Return the line of an offset, from 1 on."""
        return self.text.count("\n", 0, offset) + 1

    def raise_error(self, fault: str, cure: str, offset: int | None = None) -> NoReturn:
        """Raise `GrammarError` with the line and column of a place, by default of the next character."""
        place = self.place_text(self.offset if offset is None else offset)
        raise GrammarError(fault, where=place, cure=cure)

    def refuse_notation(self) -> None:
        """Raise `GrammarError` if the next character begins a construct of another notation."""
        construct = _FOREIGN.get(self.next_character)
        if construct is not None:
            construct_name, replacement = construct
            self.raise_error(f"not supported: {construct_name}.", replacement)

    def read_rules(self) -> Ebnf:
        """Read the whole text, and return its rules."""
        self.read_pattern(_SPACE)
        while self.offset < len(self.text):
            self.read_rule()
        if not self.lines:
            self.raise_error("The grammar has no rule.", 'Write at least root ::= "...".')
        # only now: a rule may be used before its definition
        for name, offset in self.used.items():
            if name not in self.lines:
                self.raise_undefined(name, offset)
        # If rules have the same name, the last one counts. A symbol that is not in `rule_starts` was made by
        # this reader for a part of a rule: all its rules are kept (0).
        last_rules = tuple(
            (name, right)
            for index, (name, right) in enumerate(self.rules)
            if index >= self.rule_starts.get(name, 0)
        )
        bound = dict(self.grammars.values())
        return Ebnf(last_rules, self.terminals, self.lines, self.replaced_rules, bound, self.ineffective)

    def read_rule(self) -> None:
        """Read a rule with its name and alternatives, up to the next rule."""
        start = self.offset
        name = self.read_pattern(_NAME)
        if not name:
            self.refuse_notation()
            self.raise_error("A rule is expected here.", "Write a name and ::=.")
        self.read_options(name)
        self.read_pattern(_SPACE)
        if not self.text.startswith("::=", self.offset):
            self.raise_missing_definition(name)
        if name in self.lines:
            self.replaced_rules.append(f"The rule {name} of line {self.lines[name]}")
        self.rule_starts[name] = len(self.rules)
        self.lines[name] = self.line_number(start)
        self.offset += len("::=")
        self.read_pattern(_SPACE)
        self.read_alternatives(name)
        if self.text.startswith("(=", self.offset):
            self.ineffective.append(f"The look-ahead of line {self.line_number(self.offset)}")
            # A look-ahead is read like parentheses, so that its faults are reported. No rule uses its symbol.
            self.offset += 1
            self.read_parentheses(self.offset - 1)
            self.read_pattern(_SPACE)

    def raise_undefined(self, name: str, offset: int) -> NoReturn:
        """Raise `GrammarError` for a name without a rule. `offset`: the place of its first use."""
        if self.text[max(offset - 1, 0)] in "\"']":
            self.raise_error(
                f"not supported: {name} directly after a string or a class (flags of Lark).",
                f"Write [aA] for a letter in either case; if {name} is a rule, define it.",
                offset,
            )
        self.raise_error(f"The rule {name} is not defined.", f"Write {name} ::= ...", offset)

    def read_options(self, name: str) -> None:
        """Read the options of the rule `name`, in brackets after it. Raises `GrammarError` for an option that
        would bound texts."""
        start = self.offset
        bracketed = self.read_pattern(_OPTIONS)
        options = [option.strip() for option in bracketed[1:-1].split(",")]
        for option in filter(None, options):
            if not _NO_TEXTS.match(option):
                self.raise_error(
                    f"not supported: {option} (an option of a rule).",
                    "Write it as a count, such as [^]{0,80}; sg.text counts tokens.",
                    start,
                )
            self.ineffective.append(f"The option {option} of line {self.line_number(start)}")

    def raise_missing_definition(self, name: str) -> NoReturn:
        """Raise where the name of a rule is not followed by `::=`."""
        if self.text.startswith("(", self.offset):
            self.raise_error(
                f"not supported: {name}(...) (rules with parameters).",
                "Write a rule for each of their values.",
            )
        for mark in (":=", "->", "\u2192"):
            if self.text.startswith(mark, self.offset):
                self.raise_error(
                    f"not supported: {mark} after a rule's name.", "Write a rule as name ::= items."
                )
        self.refuse_notation()
        self.raise_error(f"::= is expected after the name {name}.", "Write a rule as name ::= items.")

    def is_macro(self, name: str) -> bool:
        """Return whether a name that no rule has is followed at once by a parenthesis."""
        if not self.text.startswith("(", self.offset):
            return False
        # If `a` is a rule, `a(b)` means the same as `a (b)`. So only a name without a rule is a macro. The
        # names of all rules are collected once, and only in texts with such a call.
        if self.heads is None:
            self.heads = frozenset(_HEAD.findall(self.text))
        return name not in self.heads

    def read_pattern(self, pattern: re.Pattern[str]) -> str:
        """Read the text that a pattern matches here; "" where it matches nothing."""
        match = pattern.match(self.text, self.offset)
        text = match[0] if match else ""
        self.offset += len(text)
        return text

    def read_alternatives(self, name: str) -> None:
        """Read alternatives, after `::=` or a parenthesis, as rules of `name`."""
        while True:
            self.rules.append((name, tuple(self.read_sequence())))
            self.check_rule_count()
            if self.next_character != "|":
                return
            self.offset += 1
            self.read_pattern(_SPACE)

    def check_rule_count(self) -> None:
        """Raise `LimitError` where there are too many rules."""
        if len(self.rules) > self.max_rules:
            raise LimitError(
                f"The grammar expands to more than {self.max_rules:,} rules.",
                limit="grammar_rules",
                where="grammar",
            )

    def read_sequence(self) -> Iterator[str]:
        """Yield the symbols of one alternative, up to the character or the rule that ends it."""
        while self.offset < len(self.text):
            char = self.text[self.offset]
            if not self.depth and self.text.startswith("(=", self.offset):  # a look-ahead ends the rule
                return
            if char in "|)":
                if char == ")" and not self.depth:
                    self.raise_error("The parenthesis was not opened.", "Remove it.")
                return
            if _RULE.match(self.text, self.offset):  # nothing marks the end of a rule but the next one
                return
            yield self.read_quantifiers(self.read_item())

    def read_item(self) -> str | Node:
        """Read one item without its quantifiers; return a symbol, or the tree of a pattern."""
        text = self.text
        start = self.offset
        char = text[start]
        if char in "\"'":
            points = map(ord, self.read_literal())
            letters = [CharacterClass(((point, point),)) for point in points]
            return letters[0] if len(letters) == 1 else Concatenation(tuple(letters))
        if char == "[":
            return CharacterClass(self.read_class())
        if char == ".":
            self.offset += 1
            return CharacterClass(ANY)
        if char == "(":
            if text.startswith("(=", start):
                self.raise_error("A look-ahead is inside parentheses.", "Write it at the end of a rule.")
            return self.read_parentheses(start)
        token = _TOKEN.match(text, start)
        if token is not None:
            return self.read_token(token)
        name = self.read_pattern(_NAME)
        if not name:
            if char in _COUNTS:
                self.raise_error(f"{char} has no item before it to repeat.", "Write an item before it.")
            self.refuse_notation()
            self.raise_error(
                f"not supported: {char!r}.",
                'Write a string in "", a class in [], a name, or alternatives in ().',
            )
        if self.is_macro(name):
            return self.read_macro(name, start)
        if name.startswith("-"):
            self.raise_error(
                "not supported: - (exceptions of ISO's and W3C's EBNF).",
                "Write what remains, or subtract grammars with -.",
                start,
            )
        self.used.setdefault(name, start)
        return name

    def read_macro(self, name: str, start: int) -> str:
        """Read the arguments of a macro, whose name begins at `start`; return its symbol."""
        # the name is checked first: the arguments of an unknown macro may have any form
        with prefix_place(self.place_text(start)):
            check_macro(name)
        named_arguments: dict[str, Any] = {}
        arguments = self.read_values(named_arguments)
        with prefix_place(self.place_text(start)):
            return self.bind_symbol(ways_of_macro(name, arguments, named_arguments))

    def read_literal(self) -> str:
        """Read a text in quotation marks."""
        start = self.offset
        mark = self.next_character
        self.offset += 1
        text = ""
        while self.next_character not in (mark, "\n", ""):
            text += chr(self.read_character())
        if self.next_character != mark:
            self.raise_error("The string does not end in its line.", f"Write {mark} after it.", start)
        self.offset += 1
        return text

    def read_parentheses(self, start: int) -> str:
        """Read alternatives in parentheses as rules of a new symbol, and return this symbol.

        The next character is the opening parenthesis, or the `=` of a look-ahead `(= ...)`. `start`: the
        offset of the parenthesis, for errors.
        """
        self.depth += 1
        if self.depth > DEPTH:
            self.raise_error(f"Parentheses are nested deeper than {DEPTH}.", "Move the inner ones to a rule.")
        self.offset += 1
        self.read_pattern(_SPACE)
        name = self.new_symbol()
        self.read_alternatives(name)
        if self.next_character != ")":
            self.raise_error("The parenthesis is not closed.", "Write ) where the alternatives end.", start)
        self.offset += 1
        self.depth -= 1
        return name

    def read_token(self, match: re.Match[str]) -> str:
        """Read a token, given by its id or its text. `match`: that of `_TOKEN`. Return its symbol."""
        negation, number, text = match.groups()
        if number is None and f"<{text}>" not in self.specials:
            self.raise_error(
                f"The token <{text}> has no id.",
                f'Pass specials={{"<{text}>": its id}}, or write <[id]>; the name of a rule has no brackets.',
            )
        token = int(number) if number else self.specials[f"<{text}>"]
        with prefix_place(self.place_text(self.offset)):
            self.offset = match.end()
            return self.bind_symbol(ways_of_token(token, bool(negation)))

    def bind_symbol(self, ways: Iterable[Way]) -> str:
        """Return a new symbol. `ways`: its right sides, each a sequence of rules' names and grammars."""
        new_symbol = self.new_symbol()
        for way in ways:
            # the empty name (`ebnf_macros.AGAIN`) stands for the macro itself
            right = tuple(self.symbol_of(part) or new_symbol for part in way)
            self.rules.append((new_symbol, right))
        self.check_rule_count()
        return new_symbol

    def symbol_of(self, part: TextGrammar | str) -> str:
        """Return the symbol of a part of a right side. The name of a rule is its own symbol; equal grammars
        share one symbol."""
        if isinstance(part, str):
            return part
        symbol, _ = self.grammars.setdefault(part.spelling, (self.new_symbol(), part))
        return symbol

    def read_values(self, named_arguments: dict[str, Any] | None = None) -> tuple[Any, ...]:
        """Read values in parentheses, and return those without a name.

        `named_arguments`: receives the values that have a name (`name=value`). None: the values are those of
        a tuple, where none has a name and none is a tuple.
        """
        values: list[Any] = []
        self.offset += 1
        self.read_pattern(_SPACE)
        while self.next_character != ")":
            start = self.offset
            name = ""
            if named_arguments is not None:  # inside a tuple no value has a name
                name = self.read_pattern(_NAMED).rstrip("= \t\r\n")
            value = self.read_value(named_arguments is not None)
            if named_arguments is not None and name:
                if name in named_arguments:
                    self.raise_error(f"The argument {name} is repeated.", "Remove one of them.", start)
                named_arguments[name] = value
            else:
                values.append(value)
            self.read_pattern(_SPACE)
            if self.next_character == ",":
                self.offset += 1
                self.read_pattern(_SPACE)
            elif self.next_character != ")":
                self.raise_error(
                    "A comma or ) is expected here.",
                    "Separate the arguments by commas, and close them with ).",
                )
        self.offset += 1
        return tuple(values)

    def read_value(self, may_nest: bool) -> Any:
        """Read one argument of a macro: a text, a number, true or false, the name of a rule, or a tuple.
        `may_nest`: a tuple is allowed."""
        start = self.offset
        if self.next_character and self.next_character in "\"'":
            return self.read_literal()
        if may_nest and self.next_character == "(":
            return self.read_values()
        word = self.read_pattern(_NAME)
        if not word:
            self.raise_error(
                "The value is not an argument of a macro.",
                'Write a text in "", an id, true, false, a rule, or (...).',
            )
        if word in ("true", "false"):
            return word == "true"
        if word.isdecimal() and len(word) <= 15:  # a longer one is no id of a token
            return int(word)
        self.used.setdefault(word, start)
        return RuleName(word)

    def read_character(self) -> int:
        """Read one character of a string or a class, or an escape; return its code point."""
        text = self.text
        start = self.offset
        char = text[start]
        self.offset += 1
        if char != "\\":
            return self.check_scalar(ord(char), start)
        char = self.next_character
        self.offset += 1
        if char in _CONTROL:
            return ord(_CONTROL[char])
        if char and char in _PLAIN:
            return ord(char)
        size = _DIGITS.get(char, 0)  # 0: not an escape of a code point
        digits = text[self.offset : self.offset + size]
        has_digits = size > 0 and len(digits) == size and _HEX.issuperset(digits)
        if has_digits and int(digits, 16) <= 0x10FFFF:
            self.offset += size
            return self.check_scalar(int(digits, 16), start)
        self.raise_error(
            f"\\{char} is not an escape.", "Write \\\\ for a backslash, \\xHH, \\uHHHH or \\UHHHHHHHH.", start
        )

    def check_scalar(self, point: int, offset: int) -> int:
        """Return a code point unchanged. Raises `GrammarError` for a surrogate, which is not a character.
        `offset`: its place in the text."""
        # U+D800 to U+DFFF are the surrogates
        if 0xD800 <= point < 0xE000:
            self.raise_error(
                "A single surrogate cannot be written in UTF-8.",
                "Write the character as \\UHHHHHHHH.",
                offset,
            )
        return point

    def read_class(self) -> Ranges:
        """Read a class in brackets; return its code points."""
        text = self.text
        start = self.offset
        self.offset += 1
        is_negated = self.next_character == "^"
        self.offset += is_negated
        ranges: list[tuple[int, int]] = []
        while self.next_character not in ("]", ""):
            range_start = self.offset
            low = high = self.read_character()
            character_after = text[self.offset + 1 : self.offset + 2]
            if self.next_character == "-" and character_after not in ("]", ""):  # `-` at the end is itself
                self.offset += 1
                high = self.read_character()
                if high < low:
                    self.raise_error("The range is empty.", "Put the smaller character first.", range_start)
            ranges.append((low, high))
        if self.offset >= len(text):
            self.raise_error("The class is not closed.", "Write ] where it ends.", start)
        self.offset += 1
        return complement(union(ranges)) if is_negated else union(ranges)

    def read_quantifiers(self, item: str | Node) -> str:
        """Return the symbol of an item with its quantifiers."""
        while True:
            self.read_pattern(_SPACE)  # llama.cpp has blanks before a quantifier
            char = self.next_character
            if char in _COUNTS:
                minimum, maximum = _COUNTS[char]
                self.offset += 1
            elif char == "{":
                minimum, maximum = self.read_counts()
            else:
                break
            # a pattern stays one, so that its terminal reads the copies; copies of a symbol need rules
            if isinstance(item, str):
                item = self.repeat_symbol(item, minimum, maximum)
                self.check_rule_count()
            else:
                item = Repetition(item, minimum, maximum, True)
        return item if isinstance(item, str) else self.pattern_symbol(item)

    def read_counts(self) -> tuple[int, int | None]:
        """Read a count in braces; return the least and the most copies (None: any number)."""
        start = self.offset
        match = _COUNT.match(self.text, start)
        low, comma, high = match.groups("") if match else ("", "", "")
        if match is None or not (low or high):
            self.raise_error(
                "A count must be {m}, {m,}, {,n} or {m,n}.",
                "Correct it; a repetition without a count is (...)*.",
                start,
            )
        self.offset = match.end()
        minimum = int(low or 0)
        maximum: int | None
        if not comma:
            maximum = minimum
        else:
            maximum = None if high in ("", "-1") else int(high)
        if maximum is not None and maximum < minimum:
            self.raise_error(
                f"At least {minimum} and at most {maximum} contradict each other.",
                "Put the smaller one first.",
                start,
            )
        return minimum, maximum

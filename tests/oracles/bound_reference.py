"""lark's own lexer and parser, with declared terminals that regular expressions read: every way is tried."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import lark.lexer
from lark.lexer import LexerState, Token
from lark_reference import begin, build

SLICE: Any = getattr(lark.lexer, "TextSlice", None)
"""What lark reads in place of a text, from 1.3 on."""


class BoundReference:
    """Takes a text if some way of reading it is taken.

    Where the parser stands, either lark's scanner of its state finds the lexeme that begins here, or a bound
    terminal is fed with any run of characters that its expression matches whole.
    """

    def __init__(self, grammar: str, bound: Mapping[str, str], **options: Any) -> None:
        # lark has no ignored terminal without a pattern
        self.ignored = {name for name in bound if f"%ignore {name}\n" in grammar}
        for name in self.ignored:
            grammar = grammar.replace(f"%ignore {name}\n", "")
        self.lark = build(grammar, **options)
        self.bound = {name: re.compile(pattern) for name, pattern in bound.items()}
        lexer = self.lark.parser.lexer
        self.postlex = options.get("postlex")
        self.lexers = (lexer if self.postlex is None else lexer.lexer).lexers

    def parse(self, text: str) -> None:
        """Raise lark's error where no way is taken."""
        begin(self.lark, text)
        begun = self.lark.parse_interactive("")
        seen: set[object] = set()
        pending = [(0, begun.as_immutable(), (0,), 0)]
        while pending:
            at, parser, widths, brackets = pending.pop()
            key = (at, tuple(parser.parser_state.state_stack), widths, brackets)
            if key in seen:
                continue
            seen.add(key)
            if at == len(text):
                for _ in widths[1:]:
                    parser = parser and self.fed(parser, self.postlex.DEDENT_type, "")
                if parser is not None and self.fed(parser, "$END", "") is not None:
                    return
                continue
            lexer = self.lexers[parser.parser_state.position]
            whole = text if SLICE is None else LexerState(SLICE.cast_from(text)).text
            found = lexer.match(whole, at)
            ways = [] if found is None else [self.named(lexer, *found)]
            for name, pattern in self.bound.items():
                for end in range(at + 1, len(text) + 1):
                    if pattern.fullmatch(text[at:end]):
                        ways.append((text[at:end], name))
            for value, name in ways:
                after: Any = (parser, widths, brackets)
                if name not in self.ignored.union(lexer.ignore_types):
                    after = self.processed(*after, name, value)
                if after is not None:
                    pending.append((at + len(value), *after))
        raise lark.exceptions.LarkError(text)

    def named(self, lexer: Any, value: str, name: str) -> tuple[str, str]:
        """Return a lexeme as lark's callbacks name it: a string may take a pattern's place."""
        if name in lexer.callback and name not in lexer.ignore_types:
            name = lexer.callback[name](Token(name, value)).type
        return value, name

    def fed(self, parser: Any, name: str, value: str) -> Any:
        """Return the parser after a token, None where it takes none."""
        try:
            return parser.feed_token(Token(name, value))
        except lark.exceptions.UnexpectedToken:
            return None

    def processed(self, parser: Any, widths: tuple[int, ...], brackets: int, name: str, value: str) -> Any:
        """Return what follows a token that an indenter sees, as lark/indenter.py has it."""
        one = self.postlex
        if one is None or name != one.NL_type:
            parser = self.fed(parser, name, value)
            if one is not None and parser is not None:
                brackets += (name in one.OPEN_PAREN_types) - (name in one.CLOSE_PAREN_types)
            return None if parser is None or brackets < 0 else (parser, widths, brackets)
        if brackets:
            return parser, widths, brackets
        parser = self.fed(parser, name, value)
        blanks = value.rsplit("\n", 1)[1]
        width = blanks.count(" ") + blanks.count("\t") * one.tab_len
        if width > widths[-1]:
            parser, widths = parser and self.fed(parser, one.INDENT_type, ""), (*widths, width)
        while width < widths[-1]:
            parser, widths = parser and self.fed(parser, one.DEDENT_type, ""), widths[:-1]
        return (parser, widths, brackets) if parser is not None and width == widths[-1] else None

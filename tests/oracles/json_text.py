"""A strict reader of JSON text that keeps every token: RFC 8259 in UTF-8, no duplicate keys, no recursion."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any

_NUMERAL = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
_LITERALS = {b"true": True, b"false": False, b"null": None}
_SIMPLE_ESCAPES = {
    ord(k): v
    for k, v in {
        '"': '"',
        "\\": "\\",
        "/": "/",
        "b": "\b",
        "f": "\f",
        "n": "\n",
        "r": "\r",
        "t": "\t",
    }.items()
}


class TextError(ValueError):
    """The text is not JSON; `position` is a byte at or near the fault."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(f"byte {position}: {reason}")
        self.position, self.reason = position, reason


@dataclass(slots=True)
class Token:
    """One token: `kind` is its bracket, comma or colon, or "string", "number", "literal"; `level` is the
    number of open brackets once it has been read."""

    kind: str
    start: int
    end: int
    level: int
    value: Any = None


@dataclass(slots=True)
class Node:
    """One value with its place in the text: `kind` is object, array, string, number or literal; `end` is the
    byte behind it."""

    kind: str
    token: Token
    end: int
    items: list[Node] = field(default_factory=list)
    members: list[tuple[Token, Node]] = field(default_factory=list)

    def value(self) -> Any:
        """Return the value: numbers are int, or Decimal where the numeral has a fraction or an exponent."""
        done: dict[int, Any] = {}
        stack: list[tuple[Node, bool]] = [(self, False)]
        while stack:
            node, ready = stack.pop()
            children = [child for _, child in node.members] if node.kind == "object" else node.items
            if node.kind not in ("object", "array"):
                done[id(node)] = node.token.value
            elif not ready:
                stack.append((node, True))
                stack.extend((child, False) for child in children)
            elif node.kind == "object":
                done[id(node)] = {key.value: done[id(child)] for key, child in node.members}
            else:
                done[id(node)] = [done[id(child)] for child in children]
        return done[id(self)]


FARTHEST = 10_000
"""Exponents past this are read as this: no schema here can tell, and Decimal cannot hold them."""


def number(numeral: bytes) -> int | Decimal:
    """Return a numeral's exact value (but see `FARTHEST`)."""
    mantissa, _, exponent = numeral.decode().lower().partition("e")
    if exponent:
        return Decimal(mantissa).scaleb(max(-FARTHEST, min(FARTHEST, int(exponent))), EXACT)
    return Decimal(mantissa) if "." in mantissa else int(mantissa)


def decode_string(text: bytes, start: int) -> tuple[str, int]:
    """Return the string that begins with the quote at `start`, and the place after its closing quote.

    An escape for a lone surrogate gives a lone surrogate; a pair of escapes gives one character.
    """
    units: list[str] = []
    at = start + 1
    while True:
        if at >= len(text):
            raise TextError(at, "the string does not end")
        byte = text[at]
        if byte == 0x22:
            return _join_surrogates("".join(units)), at + 1
        if byte < 0x20:
            raise TextError(at, "a control character must be escaped")
        if byte == 0x5C:
            if at + 1 >= len(text):
                raise TextError(at + 1, "the escape does not end")
            letter = text[at + 1]
            if letter in _SIMPLE_ESCAPES:
                units.append(_SIMPLE_ESCAPES[letter])
                at += 2
            elif letter == 0x75:
                digits = text[at + 2 : at + 6]
                if not re.fullmatch(rb"[0-9a-fA-F]{4}", digits):
                    raise TextError(at + 2, "\\u needs four hexadecimal digits")
                units.append(chr(int(digits, 16)))
                at += 6
            else:
                raise TextError(at + 1, "no such escape")
        else:
            width = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            try:
                units.append(text[at : at + width].decode("utf-8"))
            except UnicodeDecodeError as error:
                raise TextError(at, "not UTF-8") from error
            at += width


def _join_surrogates(text: str) -> str:
    return re.sub(
        "[\ud800-\udbff][\udc00-\udfff]",
        lambda pair: chr(0x10000 + ((ord(pair[0][0]) - 0xD800) << 10) + ord(pair[0][1]) - 0xDC00),
        text,
    )


def tokenize(text: bytes) -> list[Token]:
    """Return the tokens, without regard to grammar; white space is what lies between them."""
    found: list[Token] = []
    at = level = 0
    while at < len(text):
        byte = text[at : at + 1]
        if byte in (b" ", b"\t", b"\r", b"\n"):
            at += 1
            continue
        if byte in (b"{", b"["):
            level += 1
            found.append(Token(byte.decode(), at, at + 1, level))
            at += 1
        elif byte in (b"}", b"]"):
            level -= 1
            found.append(Token(byte.decode(), at, at + 1, level))
            at += 1
        elif byte in (b",", b":"):
            found.append(Token(byte.decode(), at, at + 1, level))
            at += 1
        elif byte == b'"':
            value, end = decode_string(text, at)
            found.append(Token("string", at, end, level, value))
            at = end
        elif numeral := _NUMERAL.match(text, at):
            found.append(Token("number", at, numeral.end(), level, number(numeral[0])))
            at = numeral.end()
        else:
            for word, literal in _LITERALS.items():
                if text.startswith(word, at):
                    found.append(Token("literal", at, at + len(word), level, literal))
                    at += len(word)
                    break
            else:
                raise TextError(at, "no token of JSON begins here")
    return found


def parse(text: bytes) -> tuple[Node, list[Token]]:
    """Return the document's value, as a node, and all of its tokens; raise `TextError`."""
    tokens = tokenize(text)
    root: Node | None = None
    open_nodes: list[Node] = []
    seen: list[set[str]] = []
    key: Token | None = None
    expect = "value"  # value | value-or-close | key | key-or-close | colon | comma-or-close | end
    for token in tokens:
        if expect == "end":
            raise TextError(token.start, "the document has ended")
        if expect in ("key", "key-or-close") and token.kind == "string":
            if token.value in seen[-1]:
                raise TextError(token.end - 1, "the object holds this key already")
            seen[-1].add(token.value)
            key, expect = token, "colon"
            continue
        if expect == "colon":
            if token.kind != ":":
                raise TextError(token.start, "a colon must follow a key")
            expect = "value"
            continue
        if expect == "comma-or-close" and token.kind == ",":
            expect = "key" if open_nodes[-1].kind == "object" else "value"
            continue
        closers = {"object": "}", "array": "]"}
        if expect.endswith("or-close") and open_nodes and token.kind == closers[open_nodes[-1].kind]:
            open_nodes[-1].end = token.end
            if open_nodes.pop().kind == "object":
                seen.pop()
            expect = "comma-or-close" if open_nodes else "end"
            continue
        if not expect.startswith("value"):
            raise TextError(token.start, f"{token.kind} where {expect} was expected")
        kinds = {"{": "object", "[": "array", "string": "string", "number": "number", "literal": "literal"}
        if token.kind not in kinds:
            raise TextError(token.start, f"{token.kind} where a value was expected")
        node = Node(kinds[token.kind], token, token.end)
        if not open_nodes:
            root = node
        elif open_nodes[-1].kind == "object":
            assert key is not None
            open_nodes[-1].members.append((key, node))
        else:
            open_nodes[-1].items.append(node)
        if node.kind in ("object", "array"):
            open_nodes.append(node)
            if node.kind == "object":
                seen.append(set())
            expect = "key-or-close" if node.kind == "object" else "value-or-close"
        else:
            expect = "comma-or-close" if open_nodes else "end"
    if root is None or expect != "end":
        raise TextError(len(text), "the document does not end")
    return root, tokens

"""A strict reader of JSON text that keeps every token: RFC 8259 in UTF-8, no duplicate keys, no recursion."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any

_TOKEN = re.compile(
    rb"""(?P<blank>[ \t\r\n]+)|(?P<sign>[][{},:])|(?P<string>"[^"\\]*(?:\\.[^"\\]*)*")"""
    rb"""|(?P<literal>true|false|null)|(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)""",
    re.DOTALL,
)
EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


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
    byte behind it. Numbers are int, or Decimal where the numeral has a fraction or an exponent."""

    kind: str
    token: Token
    end: int
    value: Any
    items: list[Node] = field(default_factory=list)
    members: list[tuple[Token, Node]] = field(default_factory=list)


FARTHEST = 10_000
"""Exponents past this are read as this: no schema here can tell, and Decimal cannot hold them."""


def number(numeral: bytes) -> int | Decimal:
    """Return a numeral's exact value (but see `FARTHEST`)."""
    mantissa, _, exponent = numeral.decode().lower().partition("e")
    if exponent:
        return Decimal(mantissa).scaleb(max(-FARTHEST, min(FARTHEST, int(exponent))), EXACT)
    return Decimal(mantissa) if "." in mantissa else int(mantissa)


def tokenize(text: bytes) -> list[Token]:
    """Return the tokens, without regard to grammar; white space is what lies between them.

    Strings are read by the standard library: an escape for a lone surrogate gives a lone surrogate.
    """
    found: list[Token] = []
    at = level = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise TextError(at, "no token of JSON begins here")
        start, data, kind, at = at, match[0], match.lastgroup or "", match.end()
        if kind == "sign":
            level += (data in b"{[") - (data in b"}]")
            found.append(Token(data.decode(), start, at, level))
        elif kind == "number":
            found.append(Token(kind, start, at, level, number(data)))
        elif kind != "blank":
            try:
                value = json.loads(data.decode())
            except ValueError as error:
                raise TextError(start, str(error)) from error
            found.append(Token(kind, start, at, level, value))
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
        value = {"{": {}, "[": []}.get(token.kind, token.value)
        node = Node(kinds[token.kind], token, token.end, value)
        if not open_nodes:
            root = node
        elif open_nodes[-1].kind == "object":
            assert key is not None
            open_nodes[-1].members.append((key, node))
            open_nodes[-1].value[key.value] = value
        else:
            open_nodes[-1].items.append(node)
            open_nodes[-1].value.append(value)
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
